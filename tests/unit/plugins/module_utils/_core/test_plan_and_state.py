# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes on a node, and what it remembers."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import models, plan, spec, state
from tests.unit.plugins.module_utils._core.specs import workload


def rendered(**more: t.Any) -> dict:
    return spec.render([workload(**more)])[0]


def deployment(found: dict, container: str = "edge-t-app-1") -> state.Deployment:
    return state.Deployment(found, spec.digest(found), container, "sha256:1", "1.0", 1)


def node(found: dict, **more: t.Any) -> state.State:
    have = state.State(sequence=1)
    tenant = have.tenant("t")
    tenant.remember_release("1.0", "sha256:a")
    tenant.workloads["app"] = state.Workload(current=deployment(found), **more)
    return have


def make(have: state.State, *specs: dict, release: str = "1.0", digest: str = "sha256:a", **more: t.Any) -> plan.Plan:
    more.setdefault("running", ["edge-t-app-1"])
    return plan.plan(have, "t", release, digest, list(specs), **more)


def test_an_empty_node_gets_what_is_declared() -> None:
    found = make(state.State(), rendered())
    assert [(item.name, item.action, item.old) for item in found.changes] == [("app", plan.SWAP, None)]
    assert found.changed and found.diff()["before"] == {}


def test_the_same_again_is_nothing() -> None:
    found = make(node(rendered()), rendered())
    assert (found.changed, found.todo, found.diff()) == (False, (), {"before": {}, "after": {}})


def test_what_does_not_run_is_repaired() -> None:
    found = make(node(rendered()), rendered(), running=[])
    assert [item.action for item in found.todo] == [plan.REPAIR]
    assert found.diff() == {"before": {"app": "not running"}, "after": {"app": "running"}}


def test_a_difference_says_which_hidden_value_changes_and_not_what_it_is() -> None:
    old = rendered(env={"A": "geheim-1", "B": "same"}, files=[{"path": "/f", "content": "geheim-2"}])
    new = rendered(env={"A": "geheim-3", "B": "same"}, files=[{"path": "/f", "content": "geheim-4"}])
    diff = make(node(old), new).diff()
    assert "geheim" not in json.dumps(diff)
    assert diff["after"]["app"]["env"] == {"A": "(changed, not shown)", "B": "(not shown)"}
    assert diff["after"]["app"]["files"][0]["content"] == "(changed, not shown)"


def test_undeclared_workloads_go_only_when_asked() -> None:
    assert (make(node(rendered())).todo, make(node(rendered())).undeclared) == ((), ("app",))
    assert [item.action for item in make(node(rendered()), remove_undeclared=True).todo] == [plan.REMOVE]


def test_what_was_refused_stays_refused_until_it_changes_or_is_forced() -> None:
    bad, good = rendered(env={"BAD": "1"}), rendered()
    refusal = state.Refusal(spec.digest(bad), bad["digest"], "2.0", "probe", "not healthy", 2)
    have = node(good, refused=[refusal])
    assert make(have, bad).refused == (("app", refusal),)
    assert make(have, bad, force=True).refused == ()
    assert make(have, rendered(env={"BAD": "2"})).refused == ()


def test_a_version_with_other_content_is_a_conflict() -> None:
    assert "give it a new version" in make(node(rendered()), rendered(), digest="sha256:b").conflict
    assert make(node(rendered()), rendered(), digest="sha256:b", force=True).conflict == ""
    assert make(node(rendered()), rendered(), digest="").conflict == ""


def journalled() -> state.State:
    have = node(rendered(), previous=deployment(rendered(env={"A": "1"}), "edge-t-app-0"))
    entry = state.Entry("app", old=deployment(rendered()), new=deployment(rendered(), "edge-t-app-2"), started=True)
    have.journal = state.Journal("id", "t", "2.0", "start_new", "boot", [entry], ["x@sha256:1"])
    have.tenants["t"].workloads["app"].refuse(
        state.Refusal("sha256:x", "sha256:y", "2", "exit", "why", 3, 4, ("line",))
    )
    return have


def test_a_state_is_read_as_it_was_written() -> None:
    assert state.load(state.dump(journalled())) == journalled()


def test_what_waits_is_kept_and_an_older_state_has_none() -> None:
    have = journalled()
    new = deployment(rendered(env={"W": "1"}), "edge-w-app-3")
    have.parked["w"] = state.Journal("w3", "w", "3.0", "hold", "boot", [state.Entry("app", new=new)])
    assert state.load(state.dump(have)) == have
    assert [item.id for item in have.under_way()] == ["id", "w3"]
    assert new in list(have.kept())
    data = json.loads(state.dump(journalled()))
    del data["parked"]
    assert state.load(json.dumps(data)) == journalled()


def test_numbers_and_the_baseline_are_kept() -> None:
    have = journalled()
    found = have.tenants["t"].workloads["app"]
    found.current = dataclasses.replace(deployment(rendered()), measured={"k": 0.5}, before={"devices": ["camera"]})
    found.approve()
    again = state.load(state.dump(have)).tenants["t"].workloads["app"]
    assert again == found and again.baseline == {"k": 0.5}


def test_a_state_of_an_older_program_is_read() -> None:
    """Its files have neither numbers nor baselines."""
    data = json.loads(state.dump(journalled()))
    workload_data = data["tenants"]["t"]["workloads"]["app"]
    del workload_data["baseline"]
    for item in (workload_data["current"], workload_data["previous"], data["journal"]["entries"][0]["new"]):
        del item["measured"], item["before"]
    assert state.load(json.dumps(data)) == journalled()


def test_a_change_in_flight_that_an_older_program_left_is_read() -> None:
    data = json.loads(state.dump(journalled()))
    del data["journal"]["waiting"]
    assert state.load(json.dumps(data)) == journalled()


def test_everything_that_may_be_needed_is_kept() -> None:
    assert {item.container for item in journalled().kept()} == {"edge-t-app-0", "edge-t-app-1", "edge-t-app-2"}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": "x"}', '{"schema": 1}', "null"])
def test_what_is_no_state_is_refused_and_says_what_to_do(text: str) -> None:
    with pytest.raises(state.StateError, match=r"backup|newer"):
        state.load(text)


def test_a_newer_state_is_refused_untouched() -> None:
    text = state.dump(journalled()).replace(f'"schema": {state.SCHEMA}', '"schema": 99')
    with pytest.raises(state.StateError, match=r"schema 99.*nothing was changed"):
        state.load(text)


def test_only_the_last_refusals_and_releases_are_remembered() -> None:
    workload_state, tenant = state.Workload(), state.Tenant()
    for number in range(100):
        workload_state.refuse(state.Refusal(f"s{number}", "d", "r", "probe", "why", number))
        tenant.remember_release(str(number), f"sha256:{number}")
    assert [item.sequence for item in workload_state.refused] == list(range(90, 100))
    assert list(tenant.releases) == [str(number) for number in range(50, 100)]


# -- models


def with_model(number: str = "1", source: str = "/srv/m.bin", **more: t.Any) -> dict:
    """A specification whose one model has that number."""
    entry: t.Dict[str, t.Any] = {"name": "m", "mount": "/m"}
    entry.update({key: more.pop(key) for key in ("on_change", "signal") if key in more})
    model: t.Dict[str, t.Any] = {"name": "m", "version": number, "source": source, "sha256": number * 64}
    model.update({key: more.pop(key) for key in ("mirrors", "file") if key in more})
    return spec.render([workload(models=[entry], **more)], [model])[0]


def test_where_a_model_comes_from_is_no_change() -> None:
    have = node(with_model(source="/srv/m.bin"))
    for other in (with_model(source="https://far/m.bin"), with_model(mirrors=["http://near/"])):
        assert make(have, other).todo == ()
    assert make(have, with_model(source="/srv/other.bin")).todo, "the container sees another name"
    assert make(have, with_model(source="/srv/other.bin", file="m.bin")).todo == ()


@pytest.mark.parametrize(
    ("old", "new", "action"),
    [
        ({}, {"number": "2"}, plan.SWAP),
        ({"on_change": "signal"}, {"number": "2", "on_change": "signal"}, plan.SWITCH),
        ({"on_change": "signal"}, {"on_change": "signal", "signal": "SIGUSR1"}, plan.SWITCH),
        ({"on_change": "signal"}, {"number": "2", "on_change": "signal", "env": {"A": "1"}}, plan.SWAP),
        ({}, {"on_change": "signal"}, plan.SWAP),
        ({"on_change": "signal"}, {}, plan.SWAP),
        ({}, {"signal": "SIGUSR1"}, plan.KEEP),
        ({"on_change": "signal"}, {"on_change": "signal"}, plan.KEEP),
    ],
)
def test_only_other_models_keep_the_container(old: dict, new: dict, action: str) -> None:
    found = make(node(with_model(**old)), with_model(**new))
    assert [item.action for item in found.changes] == [action]


def test_a_container_that_does_not_run_is_swapped() -> None:
    have = node(with_model(on_change="signal"))
    assert [item.action for item in make(have, with_model("2", on_change="signal"), running=[]).todo] == [plan.SWAP]


def test_a_refused_model_is_not_switched_to_again() -> None:
    bad = with_model("2", on_change="signal")
    refusal = state.Refusal(spec.digest(bad), bad["digest"], "2.0", "probe", "not healthy", 2)
    have = node(with_model(on_change="signal"), refused=[refusal])
    assert make(have, bad).refused == (("app", refusal),)


def test_only_what_differs_is_signalled_and_each_signal_once() -> None:
    entry = {"mount": "/m", "on_change": "signal", "signal": "SIGHUP", "file": "m"}

    def three(*digits: str) -> dict:
        signals = ("SIGHUP", "SIGHUP", "SIGUSR1")
        entries = zip("abc", digits, signals)
        return {"models": [dict(entry, name=name, sha256=digit, signal=told) for name, digit, told in entries]}

    assert models.signals(three("1", "1", "1"), three("2", "2", "1")) == ["SIGHUP"]
    assert models.signals(three("1", "1", "1"), three("1", "1", "2")) == ["SIGUSR1"]
    assert models.signals(three("1", "1", "1"), three("1", "1", "1")) == []


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, ["https://far/a/m%20x.bin?key=1"]),
        ({"mirrors": ["http://near/models/"]}, ["http://near/models/m%20x.bin", "https://far/a/m%20x.bin?key=1"]),
        ({"mirrors": ["http://near/whole"]}, ["http://near/whole", "https://far/a/m%20x.bin?key=1"]),
        ({"mirrors": ["https://far/a/m%20x.bin?key=1"]}, ["https://far/a/m%20x.bin?key=1"]),
    ],
)
def test_mirrors_are_addresses_or_folders(given: dict, found: t.List[str]) -> None:
    model = {"source": "https://far/a/m%20x.bin?key=1", **given}
    assert models.addresses(model) == found
    assert (models.file_name(model), models.shown(found[-1])) == ("m x.bin", "https://far/a/m%20x.bin")


@pytest.mark.parametrize("source", ["https://far/", "file:///srv/..", "https://far/a%2F..", "https://far/a%00b", "/"])
def test_a_source_without_a_usable_name_is_stored_under_another(source: str) -> None:
    assert models.file_name({"source": source}) == "model"


def test_who_uses_a_model_is_known_by_name() -> None:
    have = node(with_model("1"), previous=deployment(with_model("2"), "edge-t-app-0"))
    have.journal = state.Journal(
        "id", "t", "2.0", "fetch", "boot", [state.Entry("app", new=deployment(with_model("3")))]
    )
    assert have.model_users() == {
        "1" * 64: ["t/app"],
        "2" * 64: ["t/app (previous version)"],
        "3" * 64: ["t/app (change under way)"],
    }


def test_a_switch_has_no_container_on_trial() -> None:
    old, new = deployment(with_model("1")), deployment(with_model("2"))
    other = deployment(rendered(), "edge-t-b-2")
    entries = [state.Entry("app", old=old, new=new), state.Entry("b", new=other), state.Entry("c", old=old)]
    assert [entry.switches for entry in entries] == [True, False, False]
    assert state.Journal("id", "t", "2.0", "fetch", "boot", entries).trial() == [other]
