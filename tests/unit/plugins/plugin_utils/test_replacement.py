# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a box is another one, and the table of how long it took."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core.hardware import system
from ansible_collections.physical_ai.edge.plugins.plugin_utils import replacement

OLD = {"serial": "1421722041234", "uuid": None, "id": "4c4c4544003957108052b4c04f384833"}
NEW = {"serial": "1421722049999", "uuid": None, "id": "9d4c4544003957108052b4c04f384833"}


def problems(new: dict[str, Any], old: Any = "") -> list[str]:
    old = OLD if old == "" else old
    before = "" if old is None else json.dumps({"schema": 1, "hardware": {"machine": old}})
    return replacement.problems({"machine": new}, "kiruna-cam01", before)


def test_another_box_is_taken() -> None:
    assert problems(NEW) == []
    assert problems({**NEW, "serial": None}) == [], "by its installation, where makers number nothing"


@pytest.mark.parametrize(
    ("new", "old", "words"),
    [
        (OLD, OLD, "this is the box that was there before (serial number 1421722041234)"),
        ({**NEW, "serial": OLD["serial"]}, OLD, "this is the box that was there before"),
        ({**NEW, "id": OLD["id"]}, OLD, "the disk moved, and with it keys that are to be revoked. Flash it anew"),
        (NEW, None, "nobody wrote down what its old box was"),
        (NEW, {}, "replace_unrecorded=true"),
        ({"serial": "x1y2"}, {"id": "abc"}, "what was written down of the old box (id) is not known of this one"),
    ],
)
def test_a_box_that_may_be_the_old_one_is_not(new: dict[str, Any], old: Any, words: str) -> None:
    (line,) = problems(new, old)
    assert words in line and line.startswith("kiruna-cam01: ")


@pytest.mark.parametrize(
    "left_in",
    ["To be filled by O.E.M.", "Default string", "Not Specified", "0", "00000000-0000-0000-0000-000000000000", "None", "", "System Serial Number"],
)  # fmt: skip
def test_numbers_that_makers_leave_in_are_none(left_in: str) -> None:
    assert system.machine([left_in, None], left_in, "") == {"serial": None, "uuid": None, "id": None}
    assert system.machine([left_in, "MP1ABC23\n"], "4c4c4544-0039\0", "9d4c\n") == {
        "serial": "MP1ABC23",
        "uuid": "4c4c4544-0039",
        "id": "9d4c",
    }


def test_how_long_it_took() -> None:
    marks = [{"step": "begin", "at": 100.0}, {"step": "bootstrap", "at": 142.4}, {"step": "provision", "at": 400.0}]
    assert replacement.times(marks) == ["bootstrap  42 s", "provision  258 s", "all        300 s"]
    assert replacement.times([]) == ["all  0 s"]
