# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `edge`: each command is found where the table says, and a start imports what its command needs."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._node import cli, pack

# Each is the top of much that a look at the node has no use for.
HEAVY = {"backup", "ca", "certificates", "clock", "download", "program", "rotation"}
NEEDS = {
    "status": set(),
    "hold": set(),
    "ledger": set(),
    "lease": set(),
    "devices": set(),
    "secrets": set(),
    "submit": set(),
    "revert": set(),
    "clock": {"clock"},
    "backup": {"backup"},
    "certificates": {"certificates", "clock"},
    "ca": {"ca", "clock"},
    "apply": {"clock", "download", "program", "rotation"},
}
LOOK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from edge._node import cli
try:
    cli.parse(sys.argv[2:])
except SystemExit:
    print("\\n" + json.dumps(sorted(name for name in sys.modules if name.startswith("edge._node."))))
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "edge"
    path.write_bytes(pack.build())
    return path


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_is_in_the_module_that_the_table_names(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module, text = cli.COMMANDS[name]
    found = importlib.import_module(f"{cli.__package__}.{module}_command")
    assert name in found.COMMANDS and all(cli.COMMANDS[other][0] == module for other in found.COMMANDS)
    with pytest.raises(SystemExit) as ended:
        cli.parse([name, "--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0 and shown.startswith(f"usage: edge {name} ")
    assert text in " ".join(shown.split())


def test_help_and_an_unknown_command_name_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.parse(["--help"])
    with pytest.raises(SystemExit) as ended:
        cli.parse(["stauts"])
    shown = capsys.readouterr()
    assert ended.value.code == 2 and "invalid choice: 'stauts'" in shown.err
    for name, (_module, text) in cli.COMMANDS.items():
        assert name in shown.err and text in " ".join(shown.out.split())


@pytest.mark.parametrize("argv", [["why"], ["status", "--jsno"], ["logs", "t", "-n", "many"], []])
def test_what_is_typed_wrong_is_said(argv: t.List[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parse(argv)
    assert ended.value.code == 2 and "error: " in capsys.readouterr().err


@pytest.mark.parametrize("name", NEEDS)
def test_a_start_imports_what_its_command_needs(program: Path, name: str) -> None:
    argv = [sys.executable, "-c", LOOK, str(program), name, "--help"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, timeout=60, check=True)
    found = {item.rpartition(".")[2] for item in json.loads(done.stdout.decode().splitlines()[-1])}
    assert found & HEAVY == NEEDS[name]
    assert {item for item in found if item.endswith("_command")} == {f"{cli.COMMANDS[name][0]}_command"}
