# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packed program: complete, the same every time, and able to run by itself."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._node import files, pack, version
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from tests.tools.sync import ROOT

NOT_PACKED = {
    "access",  # of the first login, when there is no program on the node yet
    "pack",
    "units",
    "doctor",
    "doctor_files",
    "doctor_identity",
}  # they serve modules: that which installs the program, and doctor


def test_every_module_of_the_program_is_packed(tmp_path: Path) -> None:
    program = tmp_path / "edge"
    program.write_bytes(pack.build())
    with zipfile.ZipFile(str(program)) as found:
        names = {Path(name).stem for name in found.namelist() if name.startswith("edge/_node/")}
    wanted = {path.stem for path in (ROOT / "plugins/module_utils/_node").glob("*.py")} - NOT_PACKED
    assert names - {"__init__"} == wanted - {"__init__"}


def test_the_same_sources_make_the_same_program_and_it_runs(tmp_path: Path) -> None:
    assert pack.build() == pack.build()
    program = tmp_path / "edge"
    program.write_bytes(pack.build())
    done = subprocess.run([sys.executable, str(program), "--version"], stdout=subprocess.PIPE, timeout=30, check=True)
    assert done.stdout.decode().strip() == version.VERSION


LATE = """
import os, runpy, sys
program, other = sys.argv[1:3]
sys.argv[1:] = ["--version"]
try:
    runpy.run_path(program, run_name="__main__")
except SystemExit:
    os.rename(other, program)
from edge._node import node_watch
"""


def test_what_a_change_imports_late_is_of_the_program_that_it_began_with(tmp_path: Path) -> None:
    """A change that waits for its moment goes on although the program was replaced by another version."""
    program, other = tmp_path / "edge", tmp_path / "edge.new"
    program.write_bytes(pack.build())
    with zipfile.ZipFile(str(other), "w") as found:
        found.writestr("edge/_node/node_watch.py", "raise SystemExit('the other one')")
    argv = [sys.executable, "-c", LATE, str(program), str(other)]
    done = subprocess.run(argv, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, b"") and not other.exists()


def test_the_version_is_that_of_the_collection() -> None:
    match = re.search(r"^version: (\S+)$", (ROOT / "galaxy.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert match is not None and match.group(1).strip('"') == version.VERSION


def test_a_file_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    path = str(tmp_path / "a" / "state.json")
    files.write_atomic(path, "one")
    files.write_atomic(path, b"two", 0o640)
    assert files.read_text(path) == "two"
    assert (tmp_path / "a" / "state.json").stat().st_mode & 0o777 == 0o640
    assert [item.name for item in (tmp_path / "a").iterdir()] == ["state.json"]
    assert files.read_text(str(tmp_path / "none")) is None


def test_a_broken_file_is_named_and_left(tmp_path: Path) -> None:
    (tmp_path / "holds.json").write_text("{", encoding="utf-8")
    with pytest.raises(NodeError, match=r"holds\.json is not JSON; it is left as it is"):
        files.read_json(str(tmp_path / "holds.json"), [])


def test_one_change_at_a_time(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with files.lock(path, 0.1), pytest.raises(NodeError, match=r"another change is under way.*pid \d+"), files.lock(
        path, 0.2
    ):
        pass
    with files.lock(path, 0.1):
        pass
