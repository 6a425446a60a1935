# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the crash tests cover and what they hold to be right, decided without a node."""

from __future__ import annotations

import collections

import pytest

pytest.importorskip("docker", reason="the lab's helpers need the engine's client")

from ansible_collections.physical_ai.edge.plugins.module_utils._core.state import REVERT_STEPS, STEPS
from tests.e2e import crash
from tests.e2e.crash import Point, Round

ALL = (*STEPS, *REVERT_STEPS)


def test_every_step_is_a_point_on_both_sides() -> None:
    assert {str(point) for point in crash.points()} == {f"{step}:{when}" for step in ALL for when in crash.WHENS}


def test_each_step_is_met_once_and_each_kind_hits_both_sides() -> None:
    cases = crash.one_point_of_each_step(["power", "engine"])
    assert collections.Counter(point.step for point, _kind in cases) == dict.fromkeys(ALL, 1)
    assert {(point.when, kind) for point, kind in cases} == {(w, k) for w in crash.WHENS for k in ("power", "engine")}


def test_steps_of_a_revert_are_reached_by_a_bad_version() -> None:
    assert [point.good for point in (Point("commit", "after"), Point("revert_data", "before"))] == [True, False]


@pytest.mark.parametrize(
    ("kind", "good", "committed", "wanted"),
    [
        ("power", True, False, {"old"}),
        ("power", True, True, {"new"}),
        ("power", True, None, {"old", "new"}),
        ("power", False, None, {"old"}),
        ("program", True, False, {"old"}),
        ("engine", True, False, {"old", "new"}),
        ("engine", False, False, {"old"}),
        ("engine", True, True, {"new"}),
        ("link", True, False, {"new"}),
        ("module", False, False, {"old"}),
    ],
)
def test_which_version_may_run(kind: str, good: bool, committed: bool | None, wanted: set[str]) -> None:
    assert Round("node", "point", "old", "new", good, kind, committed=committed).expected() == wanted
