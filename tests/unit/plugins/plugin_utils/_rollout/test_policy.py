# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.plugin_utils._rollout import policy as policies

RINGS = ["canary", "early", "broad"]
CANARY = {"name": "canary", "rings": ["canary"]}


def test_defaults() -> None:
    found = policies.parse({"stages": [CANARY]}, RINGS)
    stage = found.stages[0]
    assert (stage.batch[0].up(7), stage.max_failed.down(100), stage.min_success, stage.soak, stage.approval) == (
        7,
        0,
        1,
        0,
        False,
    )
    assert (found.on_failure, found.fetch_per_site, found.lease) == ("revert_stage", 2, 14400)


def test_everything() -> None:
    found = policies.parse(
        {
            "stages": [
                {**CANARY, "soak": "10m", "max_failed": 0, "min_success": 1},
                {
                    "name": "rest",
                    "rings": "rest",
                    "batch": "25%",
                    "max_failed": "5%",
                    "approval": "required",
                    "budget": {"by": ["edge_site"], "max_unavailable": 1},
                },
            ],
            "on_failure": "halt",
            "fetch": {"ahead": False, "per_site": 1, "jitter": "30s"},
            "lease": "2h",
            "late": 2,
        },
        RINGS,
    )
    assert found.stages[0].soak == 600
    assert found.stages[1].approval
    assert found.stages[1].max_failed.down(39) == 1
    assert (found.on_failure, found.fetch_ahead, found.fetch_jitter, found.lease) == ("halt", False, 30, 7200)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "policy: found nothing"),
        ({}, "key 'stages': found nothing"),
        ({"stages": []}, "nothing in it"),
        ({"stages": [CANARY], "on_fail": "halt"}, "unknown key.*did you mean 'on_failure'"),
        ({"stages": [CANARY], "on_failure": "explode"}, "halt, revert_stage, revert_all"),
        ({"stages": [{**CANARY, "batch": "101%"}]}, "stage canary, key 'batch': found '101%'.*at most 100%"),
        ({"stages": [{**CANARY, "max_failed": "250 %"}]}, "max_failed.*250"),
        ({"stages": [{**CANARY, "batch": 0}]}, "nothing could ever go"),
        ({"stages": [{**CANARY, "batch": [1, 0]}]}, "stage canary, key 'batch': found 0.*nothing could ever go"),
        ({"stages": [{**CANARY, "batch": []}]}, "an empty list"),
        ({"stages": [{**CANARY, "batch": "0%"}]}, "found '0%'"),
        ({"stages": [{**CANARY, "budget": {"by": ["edge_site"], "max_unavailable": 0}}]}, "nothing could ever go"),
        ({"stages": [{**CANARY, "budget": {"by": [], "max_unavailable": 1}}]}, "key 'by'"),
        ({"stages": [{**CANARY, "budget": {"by": ["edge_site"]}}]}, "max_unavailable"),
        ({"stages": [{**CANARY, "rings": ["canarry"]}]}, "rings of the inventory: canary, early, broad"),
        ({"stages": [{**CANARY, "rings": "all"}]}, "a list of rings, or the word rest"),
        ({"stages": [CANARY, CANARY]}, "twice"),
        ({"stages": [CANARY, {"name": "b", "rings": ["canary"]}]}, "which stage canary has already"),
        ({"stages": [{**CANARY, "soak": 10}]}, "a duration.*add the unit"),
        ({"stages": [{**CANARY, "soak": "soon"}]}, "a duration"),
        ({"stages": [{**CANARY, "min_success": -1}]}, "0 or more"),
        ({"stages": [{**CANARY, "approval": True}]}, "required, none"),
        ({"stages": [{**CANARY, "name": "Canary Stage"}]}, "lower-case"),
        ({"stages": [CANARY], "lease": "5s"}, "at least 60 s"),
        ({"stages": [CANARY], "fetch": {"per_site": 0}}, "1 or more"),
        ({"stages": [CANARY], "fetch": {"ahead": "yes"}}, "true or false"),
    ],
)
def test_what_is_refused(data: t.Any, words: str) -> None:
    with pytest.raises(policies.PolicyError, match=words) as caught:
        policies.parse(data, RINGS)
    assert "\n" not in str(caught.value)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
keys = ["stages", "on_failure", "fetch", "lease", "late"]
stage_keys = ["name", "rings", "batch", "max_failed", "min_success", "budget", "soak", "approval"]


@given(
    st.dictionaries(
        st.sampled_from(keys), junk | st.lists(st.dictionaries(st.sampled_from(stage_keys), junk), max_size=2)
    )
)
def test_anything_else_is_one_line_or_a_policy(data: t.Any) -> None:
    try:
        policies.parse(data, RINGS)
    except policies.PolicyError as exc:
        assert "\n" not in str(exc)
