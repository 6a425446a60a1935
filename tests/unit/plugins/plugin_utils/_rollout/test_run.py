# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole rollouts on paper: what nodes would say goes in, what plays do comes out."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.plugin_utils import rollout
from ansible_collections.physical_ai.edge.plugins.plugin_utils._rollout import policy as policies
from ansible_collections.physical_ai.edge.plugins.plugin_utils._rollout import report, run

POLICY: dict[str, t.Any] = {
    "stages": [
        {"name": "canary", "rings": ["canary"]},
        {"name": "early", "rings": ["early"], "batch": 2},
        {"name": "broad", "rings": "rest", "batch": 2},
    ]
}
IDENTITY = {"id": "quality-2-abc", "tenant": "quality", "release": "2"}
GO: dict[str, t.Any] = {"plan": {"changed": True}}
DONE: dict[str, t.Any] = {"plan": {"changed": False}}
GONE: dict[str, t.Any] = {"unreachable": True, "msg": "no route"}
OK = {"class": "success"}
BAD = {"class": "reverted", "failed": True, "cause": "probe", "msg": "wrong answers"}


def sites(*rings: str, each: int = 3) -> dict[str, dict[str, t.Any]]:
    return {
        f"{ring[0]}{index}-n{number}": {
            "edge_ring": ring,
            "edge_site": f"{ring[0]}{index}",
            "edge_connectivity": "connected",
        }
        for index, ring in enumerate(rings)
        for number in range(each)
    }


FLEET = sites("canary", "early", "broad", "broad")


def begin(
    asked: dict[str, t.Any] | None = None,
    fleet: dict[str, t.Any] = FLEET,
    waves: int = 0,
    before: dict[str, t.Any] | None = None,
    **policy: t.Any,
) -> run.Run:
    parsed = policies.parse(POLICY | policy)
    return run.begin(IDENTITY, parsed, fleet, dict.fromkeys(fleet, GO) | (asked or {}), fleet, waves, before=before)


def answered(found: run.Run, answer: t.Any) -> t.Any:
    """As the module says it: with the wave that it was asked for."""
    wave = {"stage": found["stage"], "wave": found["wave"]}
    return {**answer, "rollout": wave} if isinstance(answer, dict) and "class" in answer else answer


def play(found: run.Run, answers: dict[str, t.Any] | None = None, fleet: dict[str, t.Any] = FLEET) -> run.Run:
    """Every wave, as the playbook does it."""
    while not found["stopped"]:
        found = run.approve(found, "")
        if found["stopped"]:
            break
        hosts = found["steps"][found["done"]]["hosts"]
        said = {host: answered(found, (answers or {}).get(host, OK)) for host in hosts}
        found = run.record(found, said, fleet)
        found = run.judge(found, {})
    return found


def classes(found: run.Run) -> dict[str, str]:
    return {host: item["class"] for host, item in found["outcomes"].items()}


def test_a_good_release_goes_through_every_stage() -> None:
    found = play(begin())
    assert not found["halted"]
    assert found["approved"] == ["canary", "early", "broad"]
    assert set(classes(found).values()) == {"success"}
    assert sorted(run.proven(found)) == sorted(FLEET)


def test_a_failure_stops_there_and_the_stage_is_taken_back() -> None:
    found = play(begin(), {"e1-n0": BAD, "e1-n1": OK})
    assert found["halted"]
    assert found["stage"] == "early"
    assert found["revert"] == ["e1-n1"]
    assert not {host for host in classes(found) if host.startswith("b")}
    assert "stage early: 1 of 3 hosts failed (1 reverted), allowed are 0" in found["why"]
    assert run.proven(found) == ["c0-n0", "c0-n1", "c0-n2"]


def test_revert_all_takes_every_stage_back() -> None:
    found = play(begin(on_failure="revert_all"), {"b3-n2": BAD})
    assert len(found["revert"]) == 11
    assert "b3-n2" not in found["revert"]


def test_halt_takes_nothing_back() -> None:
    assert play(begin(on_failure="halt"), {"e1-n0": BAD})["revert"] == []


def test_the_same_command_goes_on_where_it_ended_and_does_not_forget_failures() -> None:
    asked: dict[str, t.Any] = dict.fromkeys(["c0-n0", "c0-n1", "c0-n2"], DONE)
    found = begin(asked)
    assert found["steps"][0]["stage"] == "early"
    asked["e1-n0"] = {"failed": True, "class": "refused", "cause": "remembered", "msg": "it failed here before"}
    found = begin(asked)
    assert found["halted"]
    assert "1 refused" in found["why"]


def test_a_site_that_is_gone_from_the_start_counts_where_it_should_be_there() -> None:
    found = begin(dict.fromkeys(["e1-n0"], GONE))
    done = play(found)
    assert done["halted"]
    assert "1 offline_unexpected" in done["why"]
    fleet = {host: dict(values, edge_connectivity="intermittent") for host, values in FLEET.items()}
    done = play(begin({"e1-n0": GONE}, fleet), {"e1-n0": GONE}, fleet)
    assert not done["halted"]
    assert classes(done)["e1-n0"] == "offline_expected"
    assert "still to come: e1-n0" in "\n".join(report.lines(done, {}))


def test_a_host_that_comes_back_during_the_rollout_goes_last() -> None:
    fleet = {host: dict(values, edge_connectivity="intermittent") for host, values in FLEET.items()}
    found = begin({"e1-n0": GONE}, fleet)
    assert found["steps"][-1] == {"stage": "late", "hosts": ["e1-n0"]}
    assert classes(play(found, fleet=fleet))["e1-n0"] == "success"


def test_a_canary_that_passed_before_and_is_away_still_counts() -> None:
    """Also behind the last try, and in the run after that."""
    away = dict.fromkeys(["c0-n0", "c0-n1", "c0-n2"], GONE)
    kept = {host: {"class": "success", "cause": "", "msg": "it runs"} for host in away}
    for _time in range(2):
        done = play(begin(away, before=kept), away)
        assert not done["halted"], done["why"]
        assert {classes(done)[host] for host in away} == {"success"}
        assert done["outcomes"]["c0-n0"]["msg"] == "it runs (in an earlier run; it cannot be reached now)"
        assert "c0-n0: success: it runs (in an earlier run; it cannot be reached now)" in report.lines(done, {})
        kept = done["outcomes"]
    assert play(begin(away), away)["halted"]


def test_an_empty_canary_is_a_failure() -> None:
    fleet = {host: dict(values, edge_connectivity="disconnected") for host, values in FLEET.items()}
    found = begin(dict.fromkeys(["c0-n0", "c0-n1", "c0-n2"], GONE), fleet)
    assert found["halted"]
    assert "0 successes, at least 1 are needed" in found["why"]


def test_a_lease_of_somebody_else_stops_it_before_anything() -> None:
    leased = {"failed": True, "class": "refused", "cause": "lease", "msg": "rollout x of ann@ops is under way"}
    found = begin({"b2-n0": leased})
    assert found["halted"]
    assert "ann@ops" in found["why"]
    assert found["revert"] == []
    assert run.leased(found) == [host for host in FLEET if host != "b2-n0"]


def test_a_lost_host_may_have_it_and_is_taken_back_too() -> None:
    found = play(begin(), {"e1-n0": GONE})
    assert found["outcomes"]["e1-n0"]["cause"] == "lost"
    assert "e1-n0" in found["revert"]


def test_a_success_from_before_the_wave_is_none() -> None:
    """A host that fell out of the play still has what it said to the fetch."""
    found = begin()
    hosts = found["steps"][0]["hosts"]
    fetched = {"class": "unchanged", "rollout": {"stage": "", "wave": 0}}
    found = run.record(found, dict.fromkeys(hosts, fetched), FLEET)
    assert set(classes(found).values()) == {"interrupted"}


def test_approval() -> None:
    stages = [POLICY["stages"][0], {**POLICY["stages"][1], "approval": "required"}, POLICY["stages"][2]]
    found = begin(stages=stages)
    assert found["ask"] == ""
    halted = play(found)
    assert halted["halted"]
    assert "rollout_approve=early" in halted["why"]
    assert halted["revert"] == []
    said = dict.fromkeys(found["steps"][0]["hosts"], answered(found, OK))
    found = run.judge(run.record(found, said, FLEET), {})
    assert found["ask"] == "early"
    assert not run.approve(found, "yes")["stopped"]
    assert not run.approve(found, "", ["early"])["stopped"]
    assert run.approve(found, "no")["stopped"]


def test_one_wave_at_a_time() -> None:
    found = play(begin(waves=1))
    assert (found["stopped"], found["halted"], found["done"]) == (True, False, 1)
    assert "waves are left" in found["why"]


def test_what_comes_back_and_fails_stops_the_others_that_come_back() -> None:
    fleet = {host: dict(values, edge_connectivity="intermittent") for host, values in FLEET.items()}
    gone = dict.fromkeys(["b2-n0", "b2-n1", "b3-n0", "b3-n1"], GONE)
    found = play(begin(gone, fleet, late=1), {"b2-n0": BAD}, fleet)
    assert found["halted"]
    assert classes(found)["b2-n1"] == "offline_expected"


ANSWERS = st.sampled_from([OK, BAD, GONE, {"class": "held", "msg": ""}, {"class": "broken", "failed": True}, None])


@given(st.fixed_dictionaries(dict.fromkeys(FLEET, ANSWERS)), st.sampled_from(policies.ON_FAILURE))
def test_no_answer_of_nodes_makes_a_run_untrue(answers: dict[str, t.Any], on_failure: str) -> None:
    found = play(begin(on_failure=on_failure), answers)
    assert found["stopped"]
    failed = [host for host, name in classes(found).items() if name in ("reverted", "broken")]
    assert found["halted"] == any("failed" in line or "needed" in line for line in found["decisions"])
    assert not (set(found["revert"]) & set(failed)), "what went back by itself is not taken back again"
    assert report.lines(found, {})
    for stage in ("early", "broad"):
        if stage not in found["approved"] and found.get("stage") != stage:
            assert not [host for host in classes(found) if host.startswith(stage[0])]


def test_problems_are_found_before_any_node_is_asked() -> None:
    digest = "sha256:" + "a" * 64
    workload = {"name": "app", "image": "registry.example.com/app", "digest": digest}
    release = {"release": "1", "tenant": "quality", "workloads": [workload]}

    def found(changes: dict[str, t.Any], policy: dict[str, t.Any] | None = None) -> str:
        return "; ".join(rollout.problems({**release, **changes}, policy or POLICY, FLEET, list(FLEET), list(FLEET)))

    assert found({}) == ""
    assert "sha256: and 64" in found({"workloads": [{**workload, "digest": "latest"}]})
    assert "unknown key 'workload'" in found({"workload": []})
    assert "at most 100%" in found({}, {"stages": [{"name": "a", "rings": "rest", "batch": "300%"}]})
    assert "rings of the inventory" in found({}, {"stages": [{"name": "a", "rings": ["wild"]}]})
    assert "for none of these hosts" in found(
        {**release, "workloads": [{**workload, "select": {"edge_site": ["mars"]}}]}
    )
    assert "it could never succeed" in found({}, {"stages": [{"name": "a", "rings": "rest", "min_success": 99}]})


def shut_all_week_but(minutes: int) -> dict[str, t.Any]:
    """A window that opened some minutes ago, or will in some."""
    start = datetime.now(UTC) - timedelta(minutes=minutes)
    return {"start": f"{start:%H:%M}", "duration": "1h"}


def said(fleet: dict[str, t.Any], fetched: bool) -> dict[str, t.Any]:
    plan = {"plan": {"changed": True, "fetched": fetched}}
    return {host: {**values, rollout.RESULT: plan} for host, values in fleet.items()}


@pytest.mark.parametrize(
    ("window", "fetched", "held"),
    [
        ({"edge_swap_window": shut_all_week_but(10)}, False, False),
        ({"edge_swap_window": shut_all_week_but(-60)}, False, True),
        ({"edge_fetch_window": shut_all_week_but(10)}, False, False),
        ({"edge_fetch_window": shut_all_week_but(-60)}, False, True),
        ({"edge_fetch_window": shut_all_week_but(-60)}, True, False),
    ],
)
def test_windows_of_a_site(window: dict[str, t.Any], fetched: bool, held: bool) -> None:
    """F40: fetch and swap each have their own, in the site's time; a swap of what is here needs no fetch."""
    fleet = {host: {**values, **window} if host.startswith("c") else values for host, values in FLEET.items()}
    release = {"release": "1", "tenant": "quality", "workloads": [{"name": "app"}]}
    found = rollout.begin(POLICY, IDENTITY, release, said(fleet, fetched), list(fleet), list(fleet))
    assert ("c0-n0" in found["fetch_order"]) == (not held or "edge_swap_window" in window) or fetched
    if not found["stopped"]:
        hosts = found["steps"][0]["hosts"]
        found = run.record(found, dict.fromkeys(hosts, answered(found, OK)), fleet)
    outcome = found["outcomes"]["c0-n0"]
    assert outcome["class"] == ("held" if held else "success")
    if held:
        assert "window opens on" in outcome["msg"] and "(UTC)" in outcome["msg"]


def test_a_zone_that_nobody_knows_is_a_problem_before_any_node_is_asked() -> None:
    fleet = {
        host: {**values, "edge_swap_window": shut_all_week_but(1), "edge_timezone": "Mars/Base"}
        for host, values in FLEET.items()
    }
    digest = "sha256:" + "a" * 64
    release = {
        "release": "1",
        "tenant": "q",
        "workloads": [{"name": "a", "image": "r.example.com/a", "digest": digest}],
    }
    assert "Mars/Base" in "; ".join(rollout.problems(release, POLICY, fleet, list(fleet), list(fleet)))
