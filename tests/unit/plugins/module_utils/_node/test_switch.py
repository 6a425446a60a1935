# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A switch of models, broken at every step in every way: what is served is the old model or the committed new one.

The whole program runs, against an engine that is a few lines: containers that load a model when they start and when they are
told, die of one that is called so, and are started by the engine, or not, as their restart policy says.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import typing as t
import uuid
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import spec
from ansible_collections.physical_ai.edge.plugins.module_utils._core.request import Request
from ansible_collections.physical_ai.edge.plugins.module_utils._core.state import REVERT_STEPS, SWITCH_STEPS
from ansible_collections.physical_ai.edge.plugins.module_utils._node import (
    clock,
    faults,
    files,
    models,
    node,
    probes,
    program,
    revert,
)
from ansible_collections.physical_ai.edge.plugins.module_utils._node._runner import Done
from ansible_collections.physical_ai.edge.plugins.module_utils._node.engine import Container, Engine, Image, Info
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from tests.unit.plugins.module_utils._core.specs import workload

OLD, NEW, BAD, DEADLY = "old", "new", "bad", "deadly"


class KillError(BaseException):
    """The program ends here, with nothing cleaned up."""


class FakeEngine(Engine):
    """`loaded` is what a container has in memory, `events` what was done to containers, in order."""

    def __init__(self, root: str) -> None:
        super().__init__()
        self.root = root
        self.have: t.Dict[str, t.Dict[str, t.Any]] = {}
        self.events: t.List[str] = []
        self.born = 1
        self.down = False

    def _call(self, *arguments: str, timeout: float = 60.0) -> Done:
        raise AssertionError(f"the engine of this machine is none of this test's: {arguments}")

    def _up(self) -> None:
        if self.down:
            raise NodeError("engine", "the container engine does not answer")

    def info(self) -> Info:
        self._up()
        return Info("27", self.root, "cgroupfs", 64, 1 << 40, False)

    def birth(self) -> str:
        return str(self.born)

    def containers(self, everything: bool = False) -> t.List[Container]:
        return self.inspect(*self.have)

    def inspect(self, *names: str) -> t.List[Container]:
        self._up()
        return [self._container(name) for name in names if name in self.have]

    def _container(self, name: str) -> Container:
        item = self.have[name]
        return Container(
            name,
            item["running"],
            item["exit"],
            item["restart"],
            "t",
            "app",
            "",
            "i",
            "127.0.0.1",
            False,
            1,
            True,
            "",
            (),
        )

    def create(self, arguments: t.Sequence[str]) -> None:
        name = arguments[arguments.index("--name") + 1]
        mounts = [value for key, value in zip(arguments, arguments[1:]) if key == "--volume"]
        model = next((item.split(":")[0] for item in mounts if item.split(":")[1] == "/m"), "")
        self.have[name] = {"running": False, "restart": "no", "model": model, "loaded": "", "exit": 0}
        self.events.append(f"create {name}")

    def _load(self, name: str) -> None:
        item = self.have[name]
        item["loaded"] = Path(item["model"], "current", "m.bin").read_text(encoding="utf-8")
        if item["loaded"] == DEADLY:
            item.update(running=False, exit=7)

    def start(self, name: str) -> None:
        self._up()
        self.events.append(f"start {name}")
        self.have[name]["running"] = True
        self._load(name)

    def signal(self, name: str, signals: t.Sequence[str]) -> None:
        self._up()
        if signals and self.have[name]["running"]:
            self.events += [f"{item} {name}" for item in signals]
            self._load(name)

    def stop(self, name: str, seconds: float) -> None:
        self._up()
        self.events.append(f"stop {name}")
        self.have[name]["running"] = False

    def kill(self, name: str) -> None:
        self.stop(name, 0)

    def remove(self, *names: str) -> None:
        for name in names:
            self.have.pop(name, None)

    def restart_policy(self, policy: str, *names: str) -> None:
        self._up()
        for name in names:
            self.have[name]["restart"] = policy

    def logs(self, name: str, lines: int) -> t.List[str]:
        return ["a line"]

    def exec(self, name: str, command: t.Sequence[str], timeout: float) -> Done:
        self._up()
        loaded = self.have[name]["loaded"] if self.have[name]["running"] else ""
        return Done(0 if loaded not in (BAD, DEADLY, "") else 1, "", f"the model is {loaded!r}")

    def image(self, reference: str) -> t.Optional[Image]:
        return Image("sha256:i", (), 0)

    def ensure_network(self, name: str, arguments: t.Sequence[str]) -> None:
        """There is one."""

    def remove_network(self, name: str) -> bool:
        return True

    def reads_whole(self, image_id: str, timeout: float) -> bool:
        return True

    def restart_all(self) -> None:
        """The engine starts anew, and what its policies say with it."""
        self.born += 1
        for item in self.have.values():
            item["running"] = False
        for name, item in self.have.items():
            if item["restart"] == "always":
                item["running"] = True
                self._load(name)


class Box:
    """A node with the workload `app`."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.engine = FakeEngine(str(root))
        self.paths = files.Paths(str(root))
        self.number = 0
        self.boot = 1
        monkeypatch.setattr(node.Node, "boot_id", lambda dummy: str(self.boot))

    @property
    def node(self) -> node.Node:
        return node.Node(self.paths, self.engine)

    def spec(self, content: str, **more: t.Any) -> dict:
        source = self.root / "sources" / content / "m.bin"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(content, encoding="utf-8")
        model = {"name": "m", "version": content, "source": str(source)}
        model["sha256"] = hashlib.sha256(content.encode()).hexdigest()
        entry = {"name": "m", "mount": "/m", "on_change": "signal", "signal": "SIGUSR1"}
        probe = {"exec": {"command": ["check"]}, "every": "5ms"}
        settings = {
            "probes": {"startup": {**probe, "within": "50ms"}, "steady": {**probe, "for": "20ms", "failures": 2}},
            **more,
        }
        return spec.render([workload(models=[entry], **settings)], [model])[0]

    def request(self, content: str, **more: t.Any) -> Request:
        self.number += 1
        return Request(uuid.uuid4().hex, "t", f"r{self.number}", [self.spec(content, **more)])

    def deploy(self, content: str, **more: t.Any) -> t.Dict[str, t.Any]:
        return program.apply(self.node, self.request(content, **more))

    @property
    def container(self) -> str:
        current = self.node.store.load().tenants["t"].workloads["app"].current
        assert current is not None
        return current.container

    @property
    def serves(self) -> str:
        item = self.engine.have[self.container]
        return item["loaded"] if item["running"] else ""

    @property
    def committed(self) -> str:
        current = self.node.store.load().tenants["t"].workloads["app"].current
        assert current is not None
        return current.spec["models"][0]["version"]

    def well(self) -> None:
        """What the state says is what is shown, loaded, and what would boot; nothing is left over."""
        have = self.node.store.load()
        assert have.journal is None
        assert self.serves == self.committed
        assert self.shown() == self.committed
        assert self.engine.have[self.container]["restart"] == "always"

    def shown(self) -> str:
        return Path(self.paths.model_mounts, self.container, "m", "current", "m.bin").read_text(encoding="utf-8")


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    monkeypatch.setattr(files, "sync_file_system", lambda dummy: None)
    monkeypatch.setattr(os, "fsync", lambda dummy: None)  # nothing here is cut off from its power
    monkeypatch.setattr(probes, "_forget_neighbour", lambda dummy: None)
    found = Box(tmp_path, monkeypatch)
    result = found.deploy(OLD)
    assert result["class"] == "success", result
    found.well()
    found.engine.events.clear()
    return found


def test_another_model_keeps_the_container_and_is_served(box: Box) -> None:
    before = box.container
    result = box.deploy(NEW)
    assert (result["class"], result["workloads"]["app"]["action"]) == ("success", "switch")
    assert box.container == before and box.serves == NEW
    assert box.engine.events == [f"SIGUSR1 {before}"], "nothing was stopped, made or started"
    assert [item["step"] for item in result["workloads"]["app"]["steps"]] == list(SWITCH_STEPS)
    box.well()
    assert box.deploy(NEW)["class"] in ("unchanged", "success") and len(box.engine.events) == 1


def test_the_files_are_links_and_old_versions_go(box: Box) -> None:
    for content in (NEW, OLD + NEW, OLD):
        box.deploy(content)
    mount = Path(box.paths.model_mounts, box.container, "m")
    assert {item.name for item in mount.iterdir()} == {
        "current",
        *(hashlib.sha256(content.encode()).hexdigest() for content in (OLD, OLD + NEW)),
    }
    assert os.readlink(mount / "current") == hashlib.sha256(OLD.encode()).hexdigest(), (
        "relative: it holds in the container"
    )
    stored = Path(models.file_path(box.paths, box.spec(OLD)["models"][0]))
    assert stored.stat().st_ino == (mount / "current" / "m.bin").stat().st_ino


@pytest.mark.parametrize(("content", "cause"), [(BAD, "probe"), (DEADLY, "exit")])
def test_a_bad_model_goes_back_by_itself_and_is_remembered(box: Box, content: str, cause: str) -> None:
    before = box.container
    result = box.deploy(content)
    assert (result["class"], result["cause"]) == ("reverted", cause), result
    assert box.container == before and box.serves == OLD
    box.well()
    assert f"create {before}" not in box.engine.events
    assert (f"start {before}" in box.engine.events) == (content == DEADLY), (
        "one that runs is told, and not started anew"
    )
    again = box.deploy(content)
    assert (again["class"], again["cause"]) == ("refused", "remembered")


def test_the_lock_of_a_container_that_is_kept_stays_its_own(box: Box) -> None:
    lock = {"update_lock": {"max_wait": "0s", "then": "swap"}}
    box.deploy(OLD, **lock)
    path = Path(box.paths.update_lock("t", "app"))
    path.write_text("busy", encoding="utf-8")
    assert box.deploy(BAD, **lock)["class"] == "reverted" and path.exists()
    assert box.deploy(NEW, **lock)["class"] == "success" and path.exists()


def test_a_model_that_is_not_there_touches_nothing(box: Box) -> None:
    request = box.request(NEW)
    (box.root / "sources" / NEW / "m.bin").write_text("other", encoding="utf-8")
    result = program.apply(box.node, request)
    assert (result["class"], result["cause"]) == ("refused", "verify"), result
    assert box.engine.events == [] and box.serves == OLD
    box.well()


def test_after_a_change_the_last_known_time_moves(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.deploy(NEW)
    assert not os.path.exists(box.node.paths.clock)  # nobody confirms the clock
    monkeypatch.setattr(clock, "time_server", lambda paths: (0.0, "chrony follows a test"))
    assert box.deploy(OLD)["class"] == "success"
    assert os.path.exists(box.node.paths.clock)


def test_revert_switches_back(box: Box) -> None:
    box.deploy(NEW)
    before, box.engine.events[:] = box.container, []
    result = program.apply(box.node, revert.request_for(box.node, "t/app", "somebody"))
    assert (result["class"], result["workloads"]["app"]["action"]) == ("success", "switch")
    assert box.engine.events == [f"SIGUSR1 {before}"] and box.serves == OLD
    box.well()


def test_other_changes_make_a_container_that_sees_only_its_own_models(box: Box) -> None:
    before = box.container
    assert box.deploy(NEW, env={"A": "1"})["workloads"]["app"]["action"] == "swap"
    assert box.container != before and box.serves == NEW
    shown = Path(box.paths.model_mounts, before, "m", "current", "m.bin")
    assert shown.read_text(encoding="utf-8") == OLD, "the version before is as it was"
    box.well()
    assert box.deploy(BAD, env={"A": "2"})["class"] == "reverted"
    box.well()
    assert set(os.listdir(box.paths.model_mounts)) == {before, box.container}


def test_a_container_that_was_removed_comes_back_with_its_model(box: Box) -> None:
    box.deploy(NEW)
    container = box.container
    box.engine.remove(container)
    files.remove_tree(box.paths.model_mounts)
    program.recover(box.node)
    assert f"create {container}" in box.engine.events and box.serves == NEW
    box.well()


# -- broken at every step


def _kill(box: Box) -> None:
    """The program only; what runs goes on."""


def _power(box: Box) -> None:
    """Everything ends; the engine starts what its policies say, and until the recovery ran that is all that serves."""
    box.boot += 1
    box.engine.restart_all()
    served = {item["loaded"] for item in box.engine.have.values() if item["running"]}
    assert served <= {box.committed}, "a model on trial boots"


def _engine(box: Box) -> None:
    box.engine.restart_all()


def _dead(box: Box) -> None:
    box.engine.have[box.container].update(running=False, exit=137)


WAYS = {"program": _kill, "power": _power, "engine": _engine, "container": _dead}
POINTS = [f"{step}:{when}" for step in SWITCH_STEPS for when in ("before", "after")]


def stop_at(monkeypatch: pytest.MonkeyPatch, point: str, act: t.Callable[[], None]) -> t.List[str]:
    """`act` once where the program comes by that point; the list then has it."""
    reached: t.List[str] = []

    def reach(dummy: files.Paths, here: str) -> None:
        if here == point and not reached:
            reached.append(here)
            act()

    monkeypatch.setattr(faults, "reach", reach)
    return reached


def die() -> None:
    raise KillError


@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("point", POINTS)
def test_cut_off_at_any_step(box: Box, monkeypatch: pytest.MonkeyPatch, point: str, way: str) -> None:
    before = box.container
    reached = stop_at(monkeypatch, point, die)
    with pytest.raises(KillError):
        box.deploy(NEW)
    assert reached == [point]
    committed = box.committed
    assert committed == (NEW if point in POINTS[POINTS.index("commit:after") :] else OLD)
    WAYS[way](box)
    program.recover(box.node)
    assert box.container == before and box.committed == committed
    box.well()
    assert box.deploy(OLD if committed == NEW else NEW)["class"] == "success"
    box.well()


@pytest.mark.parametrize("point", [f"{step}:{when}" for step in REVERT_STEPS for when in ("before", "after")])
@pytest.mark.parametrize("content", [BAD, DEADLY])
@pytest.mark.parametrize("way", ["program", "power", "engine"])
def test_cut_off_on_the_way_back(box: Box, monkeypatch: pytest.MonkeyPatch, point: str, content: str, way: str) -> None:
    reached = stop_at(monkeypatch, point, die)
    with pytest.raises(KillError):
        box.deploy(content)
    assert reached == [point]
    WAYS[way](box)
    program.recover(box.node)
    assert box.committed == OLD
    box.well()


@pytest.mark.parametrize("way", ["engine", "container"])
@pytest.mark.parametrize("point", [point for point in POINTS if point not in ("collect:after",)])
def test_what_dies_during_a_change_that_goes_on(
    box: Box, monkeypatch: pytest.MonkeyPatch, point: str, way: str
) -> None:
    """The program lives: it goes back, or has committed, and never takes a container that was started anew for proven."""
    stop_at(monkeypatch, point, lambda: WAYS[way](box))
    result = box.deploy(NEW)
    if result["class"] != "success":
        assert box.committed == OLD
    else:
        assert box.committed == NEW
    program.recover(box.node)
    assert box.serves == box.committed and box.shown() == box.committed


@pytest.mark.parametrize("way", ["engine", "container"])
def test_what_ends_between_the_commit_and_the_restart_policy_is_started(
    box: Box, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    before = box.container
    stop_at(monkeypatch, "commit:after", lambda: WAYS[way](box))
    assert box.deploy(NEW)["class"] == "success"
    assert box.container == before and box.serves == NEW
    box.well()


@pytest.mark.parametrize("cut", ["unlink", "symlink", "rename"])
def test_cut_off_between_the_link_and_the_signal(box: Box, monkeypatch: pytest.MonkeyPatch, cut: str) -> None:
    """Within the step, where no point is: on the way forward, and once more on the way back."""
    real = getattr(os, cut)

    def once(*arguments: t.Any, **more: t.Any) -> t.Any:
        found = real(*arguments, **more)
        if any("current" in str(item) for item in arguments):
            monkeypatch.setattr(os, cut, real)
            raise KillError
        return found

    if cut == "unlink":  # a staging link that an earlier cut left behind
        mount = Path(box.paths.model_mounts, box.container, "m")
        os.symlink("nowhere", mount / ".current.new")
    for what in (lambda: box.deploy(NEW), lambda: program.recover(box.node)):
        monkeypatch.setattr(os, cut, once)
        with contextlib.suppress(KillError):
            what()
        monkeypatch.setattr(os, cut, real)
    program.recover(box.node)
    box.well()


def test_the_signal_is_sent_again_where_it_may_have_been_lost(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Back on the old link, and killed before the signal: the container still has the bad model in memory."""
    real = FakeEngine.signal
    calls: t.List[str] = []

    def lost(self: FakeEngine, name: str, signals: t.Sequence[str]) -> None:
        calls.append(name)
        if len(calls) == 2:
            raise KillError
        real(self, name, signals)

    monkeypatch.setattr(FakeEngine, "signal", lost)
    with pytest.raises(KillError):
        box.deploy(BAD)
    assert (box.shown(), box.serves) == (OLD, BAD)
    program.recover(box.node)
    box.well()


def test_the_engine_away_leaves_the_journal_for_later(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def go_down() -> None:
        box.engine.down = True

    monkeypatch.setattr("ansible_collections.physical_ai.edge.plugins.module_utils._node.settle.ENGINE_WAIT", 0.1)
    stop_at(monkeypatch, "switch:before", go_down)
    assert box.deploy(NEW)["class"] == "interrupted"
    box.engine.down = False
    program.recover(box.node)
    box.well()
    assert box.committed == OLD


# -- the signal itself


def test_signals_reach_the_first_process_and_not_through_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "import signal, sys, time\nsignal.signal(signal.SIGUSR1, lambda *x: sys.exit(42))\nprint('up', flush=True)\ntime.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", told], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        fake = FakeEngine("/")
        fake.have["c"] = {"running": True, "restart": "no", "model": "", "loaded": "", "exit": 0}
        seen = dataclasses.replace(fake._container("c"), pid=process.pid)
        monkeypatch.setattr(Engine, "inspect", lambda self, *names: [seen])
        Engine().signal("c", ["SIGUSR1"])
        assert process.wait(20) == 42
    Engine().signal("c", ["SIGHUP"])  # gone: whoever asks next finds out
    assert signal.SIGHUP  # and this test process did not get it
