# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the ledger is new to somebody who has its beginning, and how it is known that it is another ledger."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._node import cli, ledger
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(str(tmp_path))
    for number in range(1, 6):
        ledger.append(found, "change", tenant="quality", release=f"1.{number}")
    return found


def digest(paths: Paths, sequence: int) -> str:
    return ledger._digest(Path(paths.ledger).read_text(encoding="utf-8").splitlines()[sequence - 1])


def numbers(found: t.Mapping[str, t.Any]) -> t.List[int]:
    return [item["sequence"] for item in found["entries"]]


@pytest.mark.parametrize(
    ("after", "of", "count", "expected"),
    [
        (0, 0, 0, (0, [1, 2, 3, 4, 5])),
        (3, 0, 0, (3, [4, 5])),
        (3, 3, 0, (3, [4, 5])),
        (5, 5, 0, (5, [])),
        (0, 0, 2, (0, [4, 5])),
        (2, 2, 2, (2, [4, 5])),
        (9, 0, 0, (9, [])),
        # Another ledger has the entry 3, or is not as long.
        (3, 4, 0, (0, [1, 2, 3, 4, 5])),
        (9, 5, 0, (0, [1, 2, 3, 4, 5])),
    ],
)
def test_since(paths: Paths, after: int, of: int, count: int, expected: t.Tuple[int, t.List[int]]) -> None:
    found = ledger.since(paths, after, digest(paths, of) if of else "", count)
    assert (found["after"], numbers(found)) == expected
    assert (found["last"], found["broken"]) == (5, "")


def test_an_entry_is_the_line_that_it_was_when_it_is_written_down_again(paths: Paths) -> None:
    ledger.append(paths, "device", device="Kamera 3 \u00fc \u2028", seconds=0.1, lost=[], before=None)
    entries = ledger.since(paths)["entries"]
    lines = [json.dumps(item, separators=(",", ":")) for item in entries]
    assert lines == Path(paths.ledger).read_text(encoding="utf-8").split("\n")[:-1]


def test_no_ledger_a_torn_line_and_one_that_was_edited(paths: Paths, tmp_path: Path) -> None:
    nothing = {"after": 0, "last": 0, "entries": [], "broken": ""}
    assert ledger.since(Paths(str(tmp_path / "new"))) == nothing
    with open(paths.ledger, "a", encoding="utf-8") as handle:
        handle.write('{"schema":1,"sequ')
    assert numbers(ledger.since(paths, 4)) == [5]
    assert ledger.since(paths)["broken"] == ""
    text = Path(paths.ledger).read_text(encoding="utf-8")
    Path(paths.ledger).write_text(text.replace('"1.2"', '"1.0"'), encoding="utf-8")
    assert "line 3 does not follow" in ledger.since(paths)["broken"]
    Path(paths.ledger).write_text("gone\n" + text, encoding="utf-8")
    found = ledger.since(paths)
    assert "line 1 is no entry" in found["broken"] and numbers(found) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], list(range(11, 31))),
        (["-n", "2"], [29, 30]),
        (["-n", "0"], list(range(1, 31))),
        (["--after", "5"], list(range(6, 31))),
        (["--after", "5", "-n", "1"], [30]),
        (["--after", "5", "--digest", "sha256:other"], list(range(1, 31))),
    ],
)
def test_the_command(
    paths: Paths, arguments: t.List[str], expected: t.List[int], monkeypatch: t.Any, capsys: t.Any
) -> None:
    for number in range(6, 31):
        ledger.append(paths, "change", tenant="quality", release=f"1.{number}")

    class OnDisk:
        def __init__(self) -> None:
            self.paths = paths

    monkeypatch.setattr(cli, "Node", OnDisk)
    monkeypatch.setattr(cli.os, "geteuid", lambda: 0)
    assert cli.main(["ledger", "--json", *arguments]) == 0
    assert numbers(json.loads(capsys.readouterr().out)) == expected
