# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import outcome
from ansible_collections.physical_ai.edge.plugins.plugin_utils._rollout import gate, outcomes

MEMBERS = [f"n{number}" for number in range(4)]


def decide(
    *classes: str, allowed: int = 0, least: int = 1, last: bool = False, members: t.Sequence[str] = MEMBERS
) -> gate.Decision:
    return gate.decide("canary", members, dict(zip(members, classes, strict=False)), allowed, least, last=last)


@pytest.mark.parametrize(
    ("classes", "more", "verdict", "words"),
    [
        (["success"], {}, "go", "1 success"),
        (["success", "reverted"], {}, "stop", "1 of 4 hosts failed \\(1 reverted\\), allowed are 0"),
        (["success", "reverted"], {"allowed": 1}, "go", "1 success, 1 reverted"),
        (["reverted", "broken"], {"allowed": 1}, "stop", "2 of 4 hosts failed"),
        (["offline_unexpected"], {}, "stop", "1 offline_unexpected"),
        (
            ["offline_expected"] * 4,
            {"last": True},
            "stop",
            "0 successes, at least 1 are needed; the others: 4 offline_expected",
        ),
        (["held"] * 4, {"last": True}, "stop", "4 held"),
        (["skipped_contract"] * 4, {}, "stop", "4 skipped_contract"),
        (["offline_expected"] * 3, {}, "go", "3 offline_expected"),
        (["unchanged", "offline_expected", "offline_expected", "held"], {"last": True}, "go", "1 unchanged"),
        (["success"], {"least": 4}, "go", ""),
        (["success", "held"], {"least": 4}, "stop", "at least 4 are needed"),
    ],
)
def test_decisions(classes: list[str], more: dict[str, t.Any], verdict: str, words: str) -> None:
    import re

    found = decide(*classes, **more)
    assert found.verdict == verdict
    assert re.search(words, found.reason), found.reason


def test_a_stage_with_no_member_that_is_the_last_is_no_success() -> None:
    assert decide(members=[], last=True).stops


@given(st.lists(st.sampled_from(list(outcome.MEANINGS)), max_size=8), st.integers(0, 8), st.integers(0, 8))
def test_more_failures_never_help(classes: list[str], allowed: int, least: int) -> None:
    members = [f"n{number}" for number in range(9)]
    before = decide(*classes, allowed=allowed, least=least, members=members)
    after = decide(*classes, "reverted", allowed=allowed, least=least, members=members)
    assert after.stops or not before.stops


CONNECTED = {"edge_connectivity": "connected"}
INTERMITTENT = {"edge_connectivity": "intermittent", "edge_when_offline": "expected"}


@pytest.mark.parametrize(
    ("result", "variables", "name"),
    [
        ({"class": "success"}, {}, "success"),
        ({"class": "reverted", "failed": True, "cause": "probe"}, {}, "reverted"),
        ({"unreachable": True, "msg": "timed out"}, CONNECTED, "offline_unexpected"),
        ({"unreachable": True, "msg": "timed out"}, {}, "offline_unexpected"),
        ({"unreachable": True}, INTERMITTENT, "offline_expected"),
        ({"unreachable": True}, INTERMITTENT | {"edge_when_offline": "error"}, "offline_unexpected"),
        ({"unreachable": True}, {"edge_connectivity": "disconnected"}, "offline_expected"),
        ({"failed": True, "msg": "MODULE FAILURE"}, {}, "refused"),
        ({}, {}, "interrupted"),
        (None, {}, "interrupted"),
        ({"class": "wonderful"}, {}, "interrupted"),
    ],
)
def test_what_an_answer_means(result: t.Any, variables: dict[str, str], name: str) -> None:
    assert outcomes.of(result, variables)["class"] == name


def test_a_host_that_was_lost_is_judged_by_what_its_node_says_later() -> None:
    lost = outcomes.of({"unreachable": True}, CONNECTED)
    node = {"healthy": True, "last": {"class": "reverted", "cause": "probe", "msg": "no", "rollout": {"id": "r1"}}}
    assert outcomes.later(lost, node, "r1")["class"] == "reverted"
    assert outcomes.later(lost, node, "r2")["class"] == "offline_unexpected"
    assert outcomes.later(lost, {"unreachable": True}, "r1")["class"] == "offline_unexpected"


def test_a_host_that_is_not_healthy_after_the_soak_is_a_failure() -> None:
    good = outcomes.of({"class": "success"}, {})
    found = outcomes.later(good, {"healthy": False, "reason": "latency 0.9 s", "last": {}}, "r1")
    assert (found["class"], found["cause"]) == ("broken", "soak")
    assert "latency 0.9 s" in found["msg"]
    assert outcomes.later(good, {"unreachable": True}, "r1")["class"] == "success"
