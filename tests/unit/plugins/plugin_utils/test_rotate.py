# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole replacements of certificates on paper: what nodes, gateways and tasks return goes in, what plays do comes out."""

from __future__ import annotations

import typing as t

import pytest
import yaml

from ansible_collections.physical_ai.edge.plugins.plugin_utils import rollout, rotate
from ansible_collections.physical_ai.edge.plugins.plugin_utils._rollout import report
from tests.tools.sync import ROOT

POLICY: dict[str, t.Any] = {
    "stages": [
        {"name": "canary", "rings": ["canary"], "soak": "10m"},
        {"name": "broad", "rings": "rest", "batch": [1, "50%"], "max_failed": 1},
    ],
    "on_failure": "revert_all",
}
OF = rotate.CERTIFICATES
HOSTS = ["gw", "cam1", "cam2", "cam3"]
GONE = {"unreachable": True, "msg": "no route"}
IDENTITY = {"id": "certificates-1", "selection": {"issuer": "CN=ca 1", "all": False, "days_left": ""}}


def info(serial: str = "1", **more: t.Any) -> dict[str, t.Any]:
    return {"certificates": [{"name": "node", "installed": {"serial": serial}, "stale": False, **more}]}


def fleet(**said: dict[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    """Hosts after they were asked, with what is different of some."""
    asked = {
        OF.info: info(),
        OF.may: {"allowed": {"node": {}}},
        OF.plan: {"todo": {"node": True}, "changed": True},
    }
    ring = {"gw": "canary"}
    return {
        host: {
            "edge_ring": ring.get(host, "early"),
            "edge_site": "kiruna",
            "edge_gateway": "gw",
            "edge_connectivity": "connected",
            **asked,
            **said.get(host, {}),
        }
        for host in HOSTS
    }


def begin(hosts: dict[str, t.Any], silent: bool = False, **more: t.Any) -> t.Any:
    return rotate.begin(POLICY, IDENTITY, hosts, HOSTS, HOSTS, silent, **more)


ASKED = {OF.asked: {"results": [{"class": "success", "csr": "x"}]}}
DONE = {**ASKED, OF.taken: {"results": [{"class": "success"}]}, OF.told: {"changed": False}}
TAKEN_BACK = {"class": "reverted", "failed": True, "name": "node", "msg": "it does not show it"}
BACK = {**ASKED, OF.failed: {"failed": True, "msg": "One or more items failed", "results": [TAKEN_BACK]}}


def play(found: t.Any, hosts: dict[str, t.Any], **came: t.Any) -> t.Any:
    """Every wave; what came of a host is `DONE` where nothing else is said."""
    while not found["stopped"]:
        wave = found["steps"][found["done"]]["hosts"]
        now = {host: {**have, **(came.get(host, DONE) if host in wave else {})} for host, have in hosts.items()}
        found = rotate.record(rotate.record(found, "wave", now), "soak", now)
    return found


def classes(found: t.Any) -> dict[str, str]:
    return {host: item["class"] for host, item in found["outcomes"].items()}


def lines(found: t.Any) -> str:
    return "\n".join(report.lines(found, {}))


def test_it_goes_stage_by_stage() -> None:
    hosts = fleet()
    found = begin(hosts)
    assert [step["hosts"] for step in found["steps"]] == [["gw"], ["cam1"], ["cam2", "cam3"]]
    assert found["soak"] == 600 and found["fetch_order"] == []
    found = play(found, hosts)
    assert not found["halted"] and found["failed"] == [] and set(classes(found).values()) == {"success"}
    assert lines(found).endswith("certificates (signed by CN=ca 1): 4 success")


def test_a_canary_that_fails_halts_it_and_takes_nothing_back() -> None:
    hosts = fleet()
    found = play(begin(hosts), hosts, gw=BACK)
    assert found["halted"] and found["revert"] == [] and classes(found) == {"gw": "reverted"}
    assert "gw: reverted: certificate node: it does not show it" in lines(found)


def test_failures_count_over_the_stage() -> None:
    hosts = fleet()
    one = play(begin(hosts), hosts, cam1=BACK)
    assert not one["halted"] and one["failed"] == ["cam1"]
    two = play(begin(hosts), hosts, cam1=BACK, cam2=BACK)
    assert two["halted"] and "stage broad: 2 of 3 hosts failed" in two["why"]


def test_who_has_nothing_to_do_drops_out_and_counts() -> None:
    done = {OF.plan: {"todo": {}, "changed": False}}
    found = begin(fleet(gw=done, cam1=done))
    assert [step["hosts"] for step in found["steps"]] == [["cam2"], ["cam3"]] and found["approved"] == ["canary"]
    sick = {**done, OF.info: info(proof="nobody shows it")}
    found = begin(fleet(gw=sick))
    assert found["halted"] and "gw: broken (soak): not healthy any more: nobody shows it" in lines(found)


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ({OF.info: GONE, OF.may: {"skipped": True}}, "offline_unexpected", "no route"),
        ({OF.may: GONE}, "offline_unexpected", "its gateway gw: no route"),
        ({OF.refused: {"failed": True, "msg": "cam1 is not of this site"}}, "refused", "cam1 is not of this site"),
        ({OF.plan: None}, "refused", "nothing was heard of the node"),
    ],
)
def test_who_cannot_go_is_classed_before_waves_are_cut(said: t.Any, kind: str, words: str) -> None:
    found = begin(fleet(cam1=said))
    assert found["outcomes"]["cam1"]["class"] == kind and found["outcomes"]["cam1"]["msg"] == words
    assert "cam1" not in [host for step in found["steps"] if step["stage"] != "late" for host in step["hosts"]]


def test_silence_means_what_the_inventory_says_or_nothing() -> None:
    gone = {OF.info: GONE}
    assert classes(begin(fleet(cam1={**gone, "edge_connectivity": "intermittent"})))["cam1"] == "offline_expected"
    hosts = fleet(cam1=gone, cam2=gone)
    assert classes(begin(hosts, silent=True)) == {"cam1": "offline_expected", "cam2": "offline_expected"}
    found = play(begin(hosts, silent=True), hosts, cam1=gone, cam2=gone)
    assert not found["halted"] and found["failed"] == [] and "still to come: cam1, cam2" in lines(found)
    assert play(begin(hosts), hosts)["halted"], "both should be there, and one may fail"
    behind = fleet(cam1={OF.may: GONE}, gw={"edge_connectivity": "disconnected"})
    assert classes(begin(behind))["cam1"] == "offline_expected", "it is the gateway that may be away"


def test_a_gateway_that_stays_away_is_no_failure_of_its_nodes() -> None:
    away = {OF.may: GONE}
    hosts = fleet(cam1=away)
    found = play(begin(hosts, silent=True), hosts, cam1=away)
    assert classes(found)["cam1"] == "offline_expected" and not found["failed"]
    assert classes(play(begin(hosts), hosts, cam1=away))["cam1"] == "offline_unexpected"
    back = {**DONE, OF.may: {"allowed": {}}}
    assert classes(play(begin(hosts), hosts, cam1=back))["cam1"] == "success"


def test_the_policies_that_are_built_in_are_good() -> None:
    replaced = yaml.safe_load((ROOT / "playbooks/replace.yml").read_text(encoding="utf-8"))
    used = [item["vars"]["edge_without_policy"] for item in replaced if "edge_without_policy" in item.get("vars", {})]
    used.append(yaml.safe_load((ROOT / "playbooks/vars/rotate.yml").read_text(encoding="utf-8"))["rotate_carefully"])
    assert [rotate.problems(item, {}, fleet(), HOSTS, HOSTS) for item in used] == [[], []]


def test_who_passed_before_and_is_away_now_still_counts() -> None:
    hosts = fleet(gw={OF.info: GONE, "edge_connectivity": "intermittent"})
    assert "stage canary: 0 successes, at least 1 are needed" in begin(hosts)["why"]
    before = {"gw": {"class": "success", "cause": "", "msg": ""}}
    assert not play(begin(hosts, before=before), hosts)["halted"]


@pytest.mark.parametrize(
    ("came", "kind", "words"),
    [
        ({OF.asked: {"results": [GONE]}, OF.told: {"changed": False}}, "offline_unexpected", "no route"),
        ({**ASKED, OF.taken: {"results": [GONE]}, OF.told: GONE}, "offline_unexpected", "no route"),
        ({**ASKED, OF.signed: GONE, OF.failed: {"msg": "x"}}, "interrupted", "gw cannot be asked any more"),
        ({OF.failed: {"failed": True, "msg": "no such input"}}, "refused", "no such input"),
        (
            {
                OF.failed: {
                    "failed": True,
                    "results": [{"failed": True, "msg": "a"}, {**TAKEN_BACK, "class": "broken"}],
                }
            },
            "broken",
            "show",
        ),
        (ASKED, "interrupted", "nothing was heard"),
        ({**ASKED, OF.told: {"skipped": True}}, "interrupted", "nothing was heard"),
        ({OF.plan: {"todo": {}, "changed": False}}, "unchanged", ""),
    ],
)
def test_what_came_of_a_wave_is_what_its_steps_returned(came: t.Any, kind: str, words: str) -> None:
    hosts = fleet()
    found = rotate.record(begin(hosts), "wave", {**hosts, "gw": {**hosts["gw"], **came}})
    assert found["outcomes"]["gw"]["class"] == kind and words in found["outcomes"]["gw"]["msg"]


@pytest.mark.parametrize(
    ("came", "look", "kind"),
    [
        (DONE, info("2", proof=""), "success"),
        (DONE, info("2", proof="nobody shows it"), "broken"),
        (DONE, GONE, "success"),
        (DONE, {"failed": True, "msg": "x"}, "success"),
        ({OF.told: GONE}, info("2", proof=""), "success"),
        ({OF.told: GONE}, info("2", proof="nobody shows it"), "broken"),
        ({OF.told: GONE}, info("1", proof=""), "interrupted"),
        ({OF.told: GONE}, info("1", stale=True), "offline_unexpected"),
        ({OF.told: GONE}, GONE, "offline_unexpected"),
        ({OF.info: GONE}, info("1", proof=""), "interrupted"),
    ],
)
def test_after_the_soak_the_node_says_what_became_of_it(came: t.Any, look: t.Any, kind: str) -> None:
    hosts = fleet()
    now = {**hosts, "gw": {**hosts["gw"], **came, OF.look: look}}
    found = rotate.record(rotate.record(begin(hosts), "wave", now), "soak", now)
    assert found["outcomes"]["gw"]["class"] == kind


@pytest.mark.parametrize(
    ("policy", "selection", "approved", "words"),
    [
        (POLICY, {"days_left": "soon"}, "", "found 'soon', wanted a number of days"),
        (POLICY, {}, "brod", "rollout_approve: found brod; the policy has the stages canary, broad"),
        ({"stages": [{"name": "canary", "rings": ["canarry"]}]}, {}, "", "rings of the inventory: canary, early"),
        ({"stages": [{"name": "all", "rings": "rest", "min_success": 9}]}, {}, "", "it could never succeed"),
        (None, {}, "", "policy: found nothing"),
        (POLICY, {"all": True}, "broad", ""),
    ],
)
def test_what_is_wrong_is_said_before_any_node_is_asked(
    policy: t.Any, selection: t.Any, approved: str, words: str
) -> None:
    found = rotate.problems(policy, selection, fleet(), HOSTS, HOSTS, approved)
    assert [line for line in found if words in line] if words else found == []


def test_who_is_left_out_on_purpose_is_no_missing_canary() -> None:
    hosts = fleet()
    assert rotate.problems(POLICY, {}, hosts, ["cam1"], HOSTS) == []
    found = rotate.begin(POLICY, IDENTITY, hosts, ["cam1"], HOSTS)
    assert [step["hosts"] for step in found["steps"]] == [["cam1"]] and not found["stopped"]


def test_who_is_cut_off_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    reason = {"cam1": "stolen"}
    hosts = {host: {**have, "name": host} for host, have in fleet().items()}
    monkeypatch.setattr(rollout._blocked, "found", lambda have: {"reason": reason.get(have["name"], ""), "tenants": {}})
    assert begin(hosts)["members"] == ["gw", "cam2", "cam3"]


def test_a_policy_that_is_none_is_one_line() -> None:
    with pytest.raises(rotate.RolloutError, match="policy: found nothing"):
        rotate.begin(None, IDENTITY, fleet(), HOSTS, HOSTS)


# -- which roots count


WRITTEN = {rotate.ROOTS.told: {"changed": True}, rotate.ROOTS.info: info(proof="")}


def told(**said: dict[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    asked = {rotate.ROOTS.info: info(proof=""), rotate.ROOTS.plan: {"changed": True}}
    ring = {"gw": "canary"}
    return {host: {"edge_ring": ring.get(host, "early"), **asked, **said.get(host, {})} for host in HOSTS}


def begin_telling(hosts: dict[str, t.Any]) -> t.Any:
    return rotate.begin(POLICY, {"id": "roots-1", "kind": "roots", "what": "root-2 counts too"}, hosts, HOSTS, HOSTS)


def test_nodes_are_told_which_roots_count_stage_by_stage() -> None:
    hosts = told(cam1={rotate.ROOTS.plan: {"changed": False}})
    found = play(begin_telling(hosts), hosts, **dict.fromkeys(HOSTS, WRITTEN))
    assert [step["hosts"] for step in found["steps"]] == [["gw"], ["cam2"], ["cam3"]]
    assert not found["halted"] and lines(found).endswith("root-2 counts too: 3 success, 1 unchanged")


@pytest.mark.parametrize(
    ("came", "look", "kind"),
    [
        ({**WRITTEN, rotate.ROOTS.info: info(proof="its chain does not verify")}, None, "broken"),
        (WRITTEN, info(proof="its chain does not verify"), "broken"),
        ({rotate.ROOTS.told: GONE, rotate.ROOTS.info: GONE}, None, "offline_unexpected"),
        ({rotate.ROOTS.told: GONE, rotate.ROOTS.info: GONE}, info(proof=""), "offline_unexpected"),
        ({rotate.ROOTS.failed: {"failed": True, "msg": "the disk is full"}}, info(proof=""), "refused"),
        ({}, info(proof=""), "interrupted"),
    ],
)
def test_who_does_not_verify_any_more_halts_it(came: t.Any, look: t.Any, kind: str) -> None:
    hosts = told()
    now = {**hosts, "gw": {**hosts["gw"], **came, rotate.ROOTS.look: look}}
    found = rotate.record(rotate.record(begin_telling(hosts), "wave", now), "soak", now)
    assert found["outcomes"]["gw"]["class"] == kind and found["halted"] and found["revert"] == []
