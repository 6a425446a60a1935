# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hardware of a fleet is shown and remembered, and what changed is said. The GPU is simulated (tests/lab/gpu.py)."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from tests.lab import gpu

if t.TYPE_CHECKING:
    from tests.lab import Lab
    from tests.lab.node import Node
    from tests.lab.playbook import PlaybookResult

pytestmark = pytest.mark.e2e
PROGRAMS = ("usr/local/bin/nvidia-smi", "usr/local/lib/lab/nvidia-smi.xml")


def put_card(node: Node) -> None:
    """The tools alone: the engine is not touched."""
    program, xml = gpu._PROGRAM.format(uuid=gpu.UUID), gpu._SMI
    gpu.put(node, {PROGRAMS[0]: (program, 0o755), PROGRAMS[1]: (xml, 0o644)})


def take_card(node: Node) -> None:
    node.exec(["rm", "-f", *(f"/{name}" for name in PROGRAMS)])


def look(lab: Lab, folder: Path) -> tuple[PlaybookResult, list[str]]:
    result = lab.playbook("playbooks/discover.yml", extra_vars={"discover_directory": str(folder)})
    _head, _mark, shown = result.stdout.rpartition('"msg": ')
    return result, json.JSONDecoder().raw_decode(shown)[0]


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


@pytest.fixture
def node(provisioned_lab: Lab) -> t.Iterator[Node]:
    found = list(provisioned_lab.nodes.values())[-1]
    take_card(found)
    yield found
    found.power_on()
    take_card(found)


def test_a_second_look_changes_no_file_and_a_change_is_said_in_words(
    provisioned_lab: Lab, node: Node, tmp_path: Path
) -> None:
    folder = tmp_path / "hardware"
    result, lines = look(provisioned_lab, folder)
    names = {f"{name}.json" for name in provisioned_lab.nodes}
    assert set(content(folder)) == names
    assert result.changed == len(names) + 1, "a file for each node, and the directory"
    assert [line for line in lines if line.startswith("site ")] == [
        f"site {name}" for name in sorted(provisioned_lab.sites)
    ]
    assert lines[-1] == f"stored for the first time: {', '.join(sorted(provisioned_lab.nodes))}"
    stored = json.loads((folder / f"{node.name}.json").read_text(encoding="utf-8"))
    assert (stored["host"], stored["hardware"]["gpus"]) == (node.name, [])

    before = content(folder)
    result, lines = look(provisioned_lab, folder)
    assert (result.changed, lines[-1], content(folder)) == (0, "nothing changed since last time", before)

    put_card(node)
    result, lines = look(provisioned_lab, folder)
    assert result.changed == 1
    assert f"  {node.name}: GPU NVIDIA RTX 2000 Lab Edition at 0000:01:00.0 is new" in lines
    (row,) = [line for line in lines if line.startswith(f"  {node.name} ")]
    assert "NVIDIA RTX 2000 Lab Edition 8,192 MiB" in row
    take_card(node)
    result, lines = look(provisioned_lab, folder)
    assert f"  {node.name}: GPU NVIDIA RTX 2000 Lab Edition at 0000:01:00.0 is gone" in lines
    assert f"  {node.name}: GPU driver: was 550.144.03, is unknown" in lines


def test_what_was_stored_of_a_node_that_does_not_answer_stays(provisioned_lab: Lab, node: Node, tmp_path: Path) -> None:
    folder = tmp_path / "hardware"
    look(provisioned_lab, folder)
    before = content(folder)
    node.power_cut()
    result, lines = look(provisioned_lab, folder)
    assert result.changed == 0
    assert lines[-2:] == [
        "nothing changed since last time",
        f"not reached, what was stored of them stays: {node.name}",
    ]
    assert content(folder) == before
