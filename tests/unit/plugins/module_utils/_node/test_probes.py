# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes on servers that answer, and whole changes on an engine that is none: what is measured, compared and kept."""

from __future__ import annotations

import json
import socket
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import plan as _plan
from ansible_collections.physical_ai.edge.plugins.module_utils._core import spec
from ansible_collections.physical_ai.edge.plugins.module_utils._core.request import Request
from ansible_collections.physical_ai.edge.plugins.module_utils._core.state import Workload
from ansible_collections.physical_ai.edge.plugins.module_utils._node import (
    baseline,
    change,
    checkup,
    cli,
    containers,
    files,
    ledger,
    node_watch,
    program,
    revert,
)
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.node import Node
from tests.unit.plugins.module_utils._core.specs import workload
from tests.unit.plugins.module_utils._node.serving import Behaviour, FakeEngine, Serving

FPS = "metric:fps"


class Change(change.Transaction):
    """A change whose images are there and whose containers are made of nothing."""

    def _admit(self) -> None:
        pass

    def _fetch(self, entries: t.Sequence[t.Any]) -> None:
        for entry in entries:
            if entry.new is not None:
                entry.new = change.dataclasses.replace(entry.new, image_id="sha256:1")


class Machine:
    """A node on which releases of one workload come one after the other."""

    def __init__(self, root: Path, serving: Serving) -> None:
        self.engine = FakeEngine(serving)
        self.node = Node(files.Paths(str(root)), self.engine)
        # What needs 16 MiB of disk is left out, as is what needs a real engine.
        self.node.reserve_disk = lambda: None  # type: ignore[method-assign] # fake
        self.number = 0
        self.port = serving.port

    def probe(self, kind: str, **more: t.Any) -> t.Dict[str, t.Any]:
        base: t.Dict[str, t.Dict[str, t.Any]] = {
            "metric": {"port": self.port, "name": "fps"},
            "inference": {
                "port": self.port,
                "path": "/infer",
                "request": {"inputs": []},
                "expect": {"outputs": [{"name": "label", "data": [7]}]},
            },
        }
        return {kind: dict(base.get(kind, {}), **more)}

    def steady(self, kind: str, **more: t.Any) -> t.Dict[str, t.Any]:
        return {"steady": dict(self.probe(kind, **more), **{"for": "20ms", "every": "10ms", "failures": 2})}

    def deploy(
        self, behaviour: Behaviour, probes: t.Dict[str, t.Any], approve: bool = True, **more: t.Any
    ) -> t.Dict[str, t.Any]:
        self.number += 1
        self.engine.coming = behaviour
        specs = spec.render([workload(probes=probes, env={"RELEASE": str(self.number)}, **more)])
        request = Request(f"id{self.number}", "t", f"{self.number}.0", specs, approve=approve)
        state = self.node.store.load()
        plan = program.make_plan(self.node, state, request)
        return Change(self.node, state, self.engine.info(), request, plan).run()

    @property
    def workload(self) -> Workload:
        return self.node.store.load().tenants["t"].workloads["app"]

    def entry(self) -> t.Dict[str, t.Any]:
        return ledger.read(self.node.paths, 1)[0]


@pytest.fixture(scope="module")
def serving() -> t.Iterator[Serving]:
    found = Serving()
    yield found
    found.close()


@pytest.fixture
def machine(tmp_path: Path, serving: Serving, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(files, "sync_file_system", lambda _path: None)
    monkeypatch.setattr(containers, "create", lambda node, _info, _tenant, item: node.engine.make(item.container))
    monkeypatch.setattr(change, "_WATCH", {"for": 0.0, "every": 0.01, "failures": 1})
    return Machine(tmp_path, serving)


def told(result: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    return t.cast(t.Dict[str, t.Any], result["workloads"]["app"])


def test_the_first_deployment_has_no_baseline_and_makes_one(machine: Machine) -> None:
    result = machine.deploy(Behaviour(fps=30), machine.steady("metric", min_ratio_to_baseline=0.8))
    assert result["class"] == "success", result["msg"]
    assert (told(result)["measured"], told(result)["baseline"]) == ({FPS: 30}, {})
    assert told(result)["notes"] == ["metric fps: baseline: none yet"]
    steps = [item["step"] for item in told(result)["steps"]]
    assert steps[steps.index("baseline") - 1 :][:3] == ["hold", "baseline", "prepare"]
    assert machine.workload.baseline == {FPS: 30}
    assert machine.entry()["measured"] == {"app": {FPS: 30}}


def test_slower_releases_do_not_add_up_without_an_approval(machine: Machine) -> None:
    """0.8 times each: allowed once, and not a second time."""
    probes = machine.steady("metric", min_ratio_to_baseline=0.75)
    assert machine.deploy(Behaviour(fps=100), probes)["class"] == "success"
    assert machine.deploy(Behaviour(fps=80), probes, approve=False)["class"] == "success"
    assert (machine.workload.baseline, machine.workload.current.measured) == ({FPS: 100}, {FPS: 80})  # type: ignore[union-attr] # it runs
    third = machine.deploy(Behaviour(fps=64), probes, approve=False)
    assert (third["class"], third["cause"]) == ("reverted", "probe")
    assert "metric fps is 64, baseline 100: 0.6 times, wanted at least 0.75 (2 times in a row)" in third["msg"]
    assert (told(third)["measured"], told(third)["baseline"]) == ({FPS: 64}, {FPS: 100})
    entry = machine.entry()
    assert (entry["measured"], entry["baseline"]) == ({"app": {FPS: 64}}, {"app": {FPS: 100}})
    assert "baseline 100: 0.6 times" in entry["reasons"]["app"]
    assert machine.workload.current.release == "2.0"  # type: ignore[union-attr] # it runs
    approved = checkup.approve(machine.node, "t", "2.0", "ann")
    assert (approved["changed"], approved["workloads"]) == (True, {"app": {FPS: 80}})
    assert machine.entry()["kind"] == "approve"
    assert machine.deploy(Behaviour(fps=64), probes, approve=False)["class"] == "success"


def test_the_way_back_to_a_slower_version_is_open(machine: Machine) -> None:
    probes = machine.steady("metric", min_ratio_to_baseline=0.75)
    machine.deploy(Behaviour(fps=50), probes)
    machine.deploy(Behaviour(fps=100), probes)
    assert machine.workload.baseline == {FPS: 100}
    machine.engine.coming = Behaviour(fps=50)
    request = revert.request_for(machine.node, "t/app", "me")
    state = machine.node.store.load()
    plan = program.make_plan(machine.node, state, request)
    result = Change(machine.node, state, machine.engine.info(), request, plan).run()
    assert result["class"] == "success", result["msg"]
    assert told(result)["notes"] == ["metric fps: not compared: this is the way back"]
    assert machine.workload.baseline == {FPS: 50}


def test_an_approval_is_of_what_runs_and_can_be_repeated(machine: Machine) -> None:
    machine.deploy(Behaviour(fps=100), machine.steady("metric", min=1), approve=False)
    assert machine.workload.baseline == {}
    assert checkup.approve(machine.node, "t", "9.9", "ann")["workloads"] == {}
    assert "here is: 1.0" in checkup.approve(machine.node, "t", "9.9", "ann")["msg"]
    assert [checkup.approve(machine.node, "t", "1.0", "ann")["changed"] for _again in range(2)] == [True, False]
    assert machine.workload.baseline == {FPS: 100}
    with pytest.raises(NodeError, match="there is no 'x' on this node; there is: t/app"):
        checkup.approve(machine.node, "x", "1.0", "ann")


def test_without_an_approved_number_the_running_version_stands_in(machine: Machine) -> None:
    machine.deploy(Behaviour(fps=100), machine.steady("tcp", port=machine.port))
    assert machine.workload.baseline == {}
    slow = machine.deploy(Behaviour(fps=10), machine.steady("metric", min_ratio_to_baseline=0.5))
    assert (slow["class"], told(slow)["baseline"]) == ("reverted", {FPS: 100})
    assert machine.workload.baseline == {}  # which approves nothing
    good = machine.deploy(Behaviour(fps=90), machine.steady("metric", min_ratio_to_baseline=0.5))
    assert (good["class"], machine.workload.baseline) == ("success", {FPS: 90})


def test_what_cannot_be_measured_of_the_running_version_is_unknown_and_fails_nothing(machine: Machine) -> None:
    machine.deploy(Behaviour(), machine.steady("tcp", port=machine.port))
    machine.engine.coming = Behaviour()
    current = machine.workload.current
    assert current is not None
    machine.engine.stop(current.container, 1)
    result = machine.deploy(Behaviour(fps=90), machine.steady("metric", min_ratio_to_baseline=0.5))
    assert result["class"] == "success", result["msg"]
    assert "baseline: unknown" in told(result)["notes"][0]


@pytest.mark.parametrize("sick", [0.0, -1.0])
def test_a_sick_baseline_is_no_fault_of_the_new_version(machine: Machine, sick: float) -> None:
    machine.deploy(Behaviour(fps=sick), machine.steady("metric", min=-5))
    result = machine.deploy(Behaviour(fps=30), machine.steady("metric", min_ratio_to_baseline=0.5))
    assert (result["class"], result["cause"]) == ("reverted", "baseline")
    assert f"the approved baseline is {sick:g}" in result["msg"]
    assert machine.workload.refused == []  # it may be tried again as it is


def latency(numbers: t.Dict[str, float]) -> float:
    return next(value for key, value in numbers.items() if key.endswith("p95_seconds"))


def test_a_version_that_answers_right_and_three_times_slower_is_found(machine: Machine) -> None:
    probes = machine.steady("inference", requests=5, max_latency_ratio_to_baseline=2)
    assert machine.deploy(Behaviour(seconds=0.03), probes)["class"] == "success"
    result = machine.deploy(Behaviour(seconds=0.3), probes)
    assert (result["class"], result["cause"]) == ("reverted", "probe")
    assert "over 5 requests, baseline" in told(result)["reason"] and "times, allowed 2" in told(result)["reason"]
    assert latency(told(result)["measured"]) >= 0.3 and latency(told(result)["baseline"]) >= 0.03
    assert latency(machine.entry()["measured"]["app"]) >= 0.3


def test_the_startup_probe_compares_too(machine: Machine) -> None:
    probes = {"startup": dict(machine.probe("inference", requests=3, max_latency_ratio_to_baseline=2), within="1500ms")}
    assert machine.deploy(Behaviour(seconds=0.01), probes)["class"] == "success"
    assert latency(machine.workload.baseline) >= 0.01
    result = machine.deploy(
        Behaviour(seconds=0.3), probes
    )  # a busy machine adds to the first, and is no reason to fail
    assert result["class"] == "reverted"
    assert "startup probe: not healthy within 1.5 s: the golden request: p95 latency" in told(result)["reason"]


@pytest.mark.parametrize(
    ("wrong", "more", "outcome", "asked"),
    [
        (0, {}, "success", 10),
        (4, {}, "reverted", 4),  # the first wrong answer ends it
        (4, {"max_wrong": 0.2}, "success", 10),
        (2, {"max_wrong": 0.2}, "reverted", 6),  # the third of ten
    ],
)
def test_a_round_ends_where_its_verdict_is_clear(
    machine: Machine, wrong: int, more: t.Dict[str, t.Any], outcome: str, asked: int
) -> None:
    behaviour = Behaviour(wrong=wrong)
    probes = {"startup": machine.probe("inference", requests=10, **more)}
    result = machine.deploy(behaviour, probes)
    assert (result["class"], behaviour.asked) == (outcome, asked), result["msg"]
    if outcome == "reverted":
        assert f"of {asked} answers wrong)" in told(result)["reason"]


def test_a_node_without_a_gpu_says_that_the_probe_was_skipped(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_watch, "gpus", list)
    result = machine.deploy(Behaviour(), machine.steady("gpu", max_temperature_c=80))
    assert result["class"] == "success", result["msg"]
    assert told(result)["notes"] == ["gpu: skipped, this node has no GPU"]


def test_an_error_of_the_gpu_during_the_change_turns_it_back(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.unit.plugins.module_utils._core.test_judge_node import gpu

    counts = iter([{"0000:01:00 13": 5}, {"0000:01:00 13": 5}, {"0000:01:00 13": 6}])
    monkeypatch.setattr(node_watch, "gpus", lambda: [gpu()])
    monkeypatch.setattr(node_watch, "xids", lambda: next(counts))
    result = machine.deploy(Behaviour(), dict(machine.steady("gpu"), startup=machine.probe("gpu")))
    assert (result["class"], result["cause"]) == ("reverted", "probe")
    assert "1 new error of the driver since the change, allowed 0: GPU 0000:01:00: Xid 13" in result["msg"]
    assert told(result)["measured"]["gpu:new_xid"] == 1


def test_a_device_that_goes_during_the_change_is_named(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter([["camera-1", "scanner"], ["scanner"], ["scanner"]])
    monkeypatch.setattr(node_watch, "present", lambda _paths: next(seen))
    result = machine.deploy(Behaviour(), machine.steady("devices"))
    assert "steady probe: devices: camera-1 was there before the change and is not now" in result["msg"]


def test_what_could_be_reached_must_be_reached_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    there, gone = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    ports = [item.getsockname()[1] for item in (there, gone)]
    targets = [{"host": "127.0.0.1", "port": port} for port in (*ports, 1)]
    with there:
        good = machine.deploy(Behaviour(), machine.steady("reachability", targets=targets, timeout="500ms"))
        assert good["class"] == "success", good["msg"]
        assert told(good)["notes"] == [
            "reachability: 127.0.0.1:1 was not reachable before the change either: not judged"
        ]
        healthy = checkup.health(machine.node, "t")
        assert healthy["healthy"], healthy
        gone.close()
        after = checkup.health(machine.node, "t")
        assert not after["healthy"]
        reason = (
            f"reachability: 127.0.0.1:{ports[1]} was reachable before the change and is not now (Connection refused)"
        )
        assert after["workloads"]["app"]["reason"] == reason


def test_looks_that_break_are_unknown_and_fail_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_rest: t.Any) -> t.Any:
        raise RuntimeError("no")

    for name in ("gpus", "xids", "present", "reach"):
        monkeypatch.setattr(node_watch, name, broken)
    rendered = spec.render([workload(probes=machine.steady("gpu"))])[0]
    phases = [{"gpu": rendered, "devices": {}, "reachability": {"targets": [{"host": "x"}], "timeout": 1.0}}]
    assert node_watch.before(machine.node.paths, phases) == {}


def test_health_asks_again_and_changes_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    behaviour = Behaviour(fps=100)
    machine.deploy(behaviour, machine.steady("metric", min_ratio_to_baseline=0.5))
    before = Path(machine.node.paths.state).read_bytes()
    found = checkup.health(machine.node, "t")
    assert found["healthy"] and found["workloads"]["app"]["measured"] == {FPS: 100}
    behaviour.fps = 20
    pauses: t.List[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        behaviour.fps = 100 if len(pauses) == 2 else 20

    monkeypatch.setattr(checkup.time, "sleep", pause)
    assert checkup.health(machine.node, "t")["healthy"] and len(pauses) == checkup.TRIES - 1
    behaviour.fps = 20
    monkeypatch.setattr(checkup.time, "sleep", lambda _seconds: None)
    found = checkup.health(machine.node, "t")
    assert not found["healthy"]
    assert found["workloads"]["app"]["reason"] == "metric fps is 20, baseline 100: 0.2 times, wanted at least 0.5"
    assert Path(machine.node.paths.state).read_bytes() == before


@pytest.mark.parametrize("startup", [False, True])
def test_health_without_steady_probes_is_that_of_startup_or_whether_it_runs(machine: Machine, startup: bool) -> None:
    probes = {"startup": {"tcp": {"port": machine.port}}} if startup else {}
    machine.deploy(Behaviour(), probes)
    assert checkup.health(machine.node, "t") == {
        "healthy": True,
        "workloads": {"app": {"healthy": True, "reason": "", "measured": {}, "baseline": {}, "notes": []}},
    }
    current = machine.workload.current
    assert current is not None
    machine.engine.stop(current.container, 1)
    found = checkup.health(machine.node, "t")["workloads"]["app"]
    assert not found["healthy"] and "ended by itself" in found["reason"]


def test_a_person_at_the_machine_asks_and_approves(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.deploy(Behaviour(fps=100), machine.steady("metric", min=50), approve=False)

    def edge(*words: str) -> t.Tuple[int, str]:
        arguments = cli.parse(words)
        return arguments.function(machine.node, arguments), capsys.readouterr().out

    assert edge("approve", "t", "--release", "1.0") == (0, "approved: app\n")
    assert edge("approve", "t", "--release", "2.0") == (1, "nothing here is of release 2.0; here is: 1.0\n")
    assert edge("health", "t") == (0, "t/app: healthy\n    metric:fps 100 (baseline 100)\n")
    code, out = edge("health", "t", "--json")
    assert (code, json.loads(out)["healthy"]) == (0, True)
    assert json.loads(edge("approve", "t", "--release", "1.0", "--json")[1])["changed"] is False
    assert "approve: release 1.0 of t: app by" in edge("ledger")[1]
    current = machine.workload.current
    assert current is not None
    machine.engine.stop(current.container, 1)
    code, out = edge("health", "t")
    assert code == 1 and out.startswith("t/app: NOT HEALTHY: the container ended by itself")


def test_a_repair_approves_nothing(machine: Machine) -> None:
    machine.deploy(Behaviour(fps=100), machine.steady("metric", min=1), approve=False)
    current = machine.workload.current
    assert current is not None
    machine.engine.stop(current.container, 1)
    machine.number -= 1
    assert (
        machine.deploy(Behaviour(fps=100), machine.steady("metric", min=1))["workloads"]["app"]["action"]
        == _plan.REPAIR
    )
    assert machine.workload.baseline == {}


def test_a_measurement_of_the_running_version_is_bounded(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.deploy(Behaviour(seconds=0.05), machine.steady("tcp", port=machine.port))
    monkeypatch.setattr(baseline, "SECONDS", 0.3)
    probes = machine.steady("inference", requests=100, max_latency_ratio_to_baseline=9, timeout="1s")
    state = machine.node.store.load()
    old = state.tenants["t"].workloads["app"].current
    assert old is not None
    rendered = spec.render([workload(probes=probes)])[0]
    entry = change.Entry("app", old=old, new=change.dataclasses.replace(old, spec=rendered))
    found = baseline.contexts(machine.node, state.tenants["t"], [entry])["app"].baseline
    assert 0.05 <= latency(dict(found.old)) < 0.3
    json.dumps(found.numbers())
