# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.plugin_utils._rollout import policy as policies
from ansible_collections.physical_ai.edge.plugins.plugin_utils._rollout import waves
from ansible_collections.physical_ai.edge.plugins.plugin_utils._rollout.policy import PolicyError
from ansible_collections.physical_ai.edge.plugins.plugin_utils._rollout.waves import Host

RINGS = ["canary", "early", "broad"]
PLAIN: dict[str, t.Any] = {
    "stages": [
        {"name": "canary", "rings": ["canary"]},
        {"name": "early", "rings": ["early"], "batch": "25%"},
        {"name": "broad", "rings": "rest", "batch": 3},
    ]
}


def host(name: str, ring: str = "broad", **more: t.Any) -> Host:
    site = more.pop("site", name.split("-", maxsplit=1)[0])
    return Host(name, ring, site, {"edge_site": site, "edge_zone": more.pop("zone", "")}, **more)


def fleet(sites: int, each: int) -> list[Host]:
    return [
        host(f"s{site}-n{number}", RINGS[min(site, 2)], zone=f"z{number % 2}")
        for site in range(sites)
        for number in range(each)
    ]


def of_stage(plan: waves.Plan, name: str) -> list[int]:
    return [len(hosts) for stage, hosts in plan.waves() if stage == name]


def test_batches_round_up_and_allowed_failures_round_down() -> None:
    data = {"stages": [{"name": "all", "rings": "rest", "batch": "25%", "max_failed": "25%"}]}
    plan = waves.plan(policies.parse(data), fleet(1, 6))
    assert of_stage(plan, "all") == [2, 2, 2]
    assert plan.stages[0].allowed == 1


def test_a_list_of_batches_begins_small() -> None:
    data = {"stages": [{"name": "all", "rings": "rest", "batch": [1, 2, "50%"]}]}
    assert of_stage(waves.plan(policies.parse(data), fleet(1, 10)), "all") == [1, 2, 5, 2]
    assert of_stage(waves.plan(policies.parse(data), fleet(1, 1)), "all") == [1]


def test_stages_follow_the_rings() -> None:
    plan = waves.plan(policies.parse(PLAIN, RINGS), fleet(4, 4))
    assert [(planned.stage.name, len(planned.members)) for planned in plan.stages] == [
        ("canary", 4),
        ("early", 4),
        ("broad", 8),
    ]
    assert of_stage(plan, "early") == [1, 1, 1, 1]
    assert of_stage(plan, "broad") == [3, 3, 2]


def test_hosts_that_run_it_already_drop_out_but_count() -> None:
    hosts = [host(f"a-n{number}", done=number < 3) for number in range(4)]
    planned = waves.plan(policies.parse({"stages": [{"name": "all", "rings": "rest"}]}), hosts).stages[0]
    assert planned.waves == (("a-n3",),)
    assert len(planned.members) == 4


def test_hosts_that_are_offline_go_last_and_paced() -> None:
    hosts = [host(f"s{number % 2}-n{number}", offline=number >= 4) for number in range(12)]
    plan = waves.plan(policies.parse({"stages": [{"name": "all", "rings": "rest"}], "late": 3}), hosts)
    assert of_stage(plan, "all") == [4]
    assert of_stage(plan, waves.LATE) == [3, 3, 2]


BUDGET = {
    "stages": [{"name": "all", "rings": "rest", "budget": {"by": ["edge_site", "edge_zone"], "max_unavailable": 1}}]
}


def test_who_is_down_uses_up_the_budget_of_its_line() -> None:
    hosts = [host("a-n0", zone="line"), host("a-n1", zone="line"), host("a-n2", zone="line", offline=True, down=True)]
    planned = waves.plan(policies.parse(BUDGET), hosts).stages[0]
    assert planned.waves == ()
    assert planned.crowded == ("a-n0", "a-n1")


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ({"rings": ["canary"]}, "in which the release is for no host"),
        ({"min_success": 5}, "at most 4, the number of hosts of the stage"),
        (
            {"budget": {"by": ["edge_site"], "max_unavailable": 5}},
            "at most 4, the size of the largest group of edge_site",
        ),
        ({"budget": {"by": ["edge_line"], "max_unavailable": 1}}, "'edge_line', which no host has"),
    ],
)
def test_what_can_never_progress_is_refused(stage: dict[str, t.Any], words: str) -> None:
    data = {"stages": [{"name": "only", "rings": "rest", **stage}]}
    hosts = [host(f"a-n{number}") for number in range(4)]
    with pytest.raises(PolicyError, match=words):
        waves.plan(policies.parse(data), hosts)


def test_a_stage_whose_hosts_are_left_out_on_purpose_is_passed_over() -> None:
    everyone = [host("a-n0", "canary"), host("b-n0")]
    plan = waves.plan(
        policies.parse(PLAIN | {"stages": [PLAIN["stages"][0], PLAIN["stages"][2]]}), everyone[1:], everyone, ["canary"]
    )
    assert [len(planned.members) for planned in plan.stages] == [0, 1]


amounts = st.one_of(st.integers(1, 5), st.integers(1, 100).map(lambda number: f"{number}%"))
budgets = st.fixed_dictionaries(
    {"by": st.sampled_from([["edge_site"], ["edge_zone"], ["edge_site", "edge_zone"]]), "max_unavailable": amounts}
)
hosts_of_a_fleet = st.lists(
    st.tuples(
        st.sampled_from(RINGS), st.sampled_from("abc"), st.sampled_from(["", "x", "y"]), st.booleans(), st.booleans()
    ),
    min_size=1,
    max_size=40,
)


@given(hosts_of_a_fleet, amounts, st.lists(budgets, max_size=2), amounts)
def test_properties(
    rows: list[tuple[str, str, str, bool, bool]], batch: t.Any, limits: list[t.Any], late: t.Any
) -> None:
    """Each host once, budgets and batches kept, rings in order, the same plan again."""
    hosts = [
        host(f"{site}-n{number}", ring, zone=zone, done=done, offline=offline and not done)
        for number, (ring, site, zone, done, offline) in enumerate(rows)
    ]
    stages = [
        {"name": ring, "rings": [ring], "batch": batch, "budget": limits}
        for ring in RINGS
        if any(item.ring == ring for item in hosts)
    ]
    if not limits:
        for stage in stages:
            del stage["budget"]
    policy = policies.parse({"stages": stages, "late": late}, RINGS)
    try:
        plan = waves.plan(policy, hosts)
    except PolicyError as exc:
        assert "it would limit nothing" in str(exc)
        return
    assert plan == waves.plan(policy, hosts)
    gone = [name for _stage, wave in plan.waves() for name in wave]
    assert sorted(gone) == sorted(item.name for item in hosts if not item.done)
    by_name = {item.name: item for item in hosts}
    order = [RINGS.index(stage) for stage, _wave in plan.waves() if stage != waves.LATE]
    assert order == sorted(order)
    for planned in plan.stages:
        assert all(len(wave) <= planned.stage.batch[0].up(len(planned.members)) for wave in planned.waves)
    for name, wave in plan.waves():
        held = policy.stages[0].budgets if name == waves.LATE else planned_budgets(plan, name)
        for budget in held:
            have = waves.sizes([budget], hosts)
            busy = Counter(waves.groups_of(budget, by_name[item]) for item in wave)
            assert all(count <= budget.max_unavailable.up(have[group]) for group, count in busy.items())


def planned_budgets(plan: waves.Plan, name: str) -> t.Any:
    return next(planned.stage.budgets for planned in plan.stages if planned.stage.name == name)


@given(hosts_of_a_fleet, st.integers(1, 3))
def test_fetches_are_paced_by_site(rows: list[tuple[str, str, str, bool, bool]], most: int) -> None:
    hosts = [host(f"{row[1]}-n{number}", row[0]) for number, row in enumerate(rows)]
    batches = waves.pace(hosts, most)
    assert sorted(name for batch in batches for name in batch) == sorted(item.name for item in hosts)
    for batch in batches:
        assert max(Counter(name[0] for name in batch).values()) <= most
