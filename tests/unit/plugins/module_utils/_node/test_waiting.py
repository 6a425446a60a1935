# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that wait for a safe moment, and what goes on beside them: other tenants, kills, recoveries, people."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core.request import FETCH, Request
from ansible_collections.physical_ai.edge.plugins.module_utils._core.state import State
from ansible_collections.physical_ai.edge.plugins.module_utils._node import (
    answers,
    containers,
    files,
    holds,
    launch,
    ledger,
    models,
    moment,
    probes,
    program,
    status_command,
    waiting,
)
from ansible_collections.physical_ai.edge.plugins.module_utils._node.change import Transaction
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from tests.unit.plugins.module_utils._node.test_switch import (
    BAD,
    NEW,
    OLD,
    POINTS,
    Box,
    KillError,
    die,
    stop_at,
)

LOCK = {"update_lock": {"max_wait": "60s"}}
NEWER = "newer"
SOME = ("admit:after", "hold:after", "switch:after", "commit:before", "commit:after")
Result = t.Dict[str, t.Any]
Act = t.Callable[[], t.Any]


class Site(Box):
    """A node of several tenants, each with its workload `app`, which has an update lock."""

    def request(self, content: str, tenant: str = "a", **more: t.Any) -> Request:
        self.number += 1
        asked = {key: more.pop(key) for key in ("until", "remove_undeclared") if key in more}
        return Request(
            f"{tenant}{self.number}", tenant, f"r{self.number}", [self.spec(content, **{**LOCK, **more})], **asked
        )

    def deploy(self, content: str, tenant: str = "a", **more: t.Any) -> Result:
        return program.apply(self.node, self.request(content, tenant, **more))

    def lock(self, tenant: str = "a") -> Path:
        path = Path(self.paths.update_lock(tenant, "app"))
        path.write_text("", encoding="utf-8")
        return path

    def free(self, tenant: str = "a") -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.paths.update_lock(tenant, "app"))

    def of(self, tenant: str) -> str:
        """What is served of a tenant: it is what is committed, and would boot."""
        current = self.state.tenants[tenant].workloads["app"].current
        assert current is not None
        item = self.engine.have[current.container]
        assert item["running"] and item["restart"] == "always"
        assert item["loaded"] == current.spec["models"][0]["version"]
        return item["loaded"]

    @property
    def state(self) -> State:
        return self.node.store.load()

    def last(self, tenant: str = "a") -> Result:
        return self.state.tenants[tenant].last

    def status(self) -> t.List[str]:
        return [
            line for line in status_command.lines(answers.status(self.node)) if line.startswith(("under", "waiting"))
        ]

    def tidy(self) -> None:
        """Nothing is left over that could be in anybody's way."""
        have = self.state
        assert (have.journal, have.parked) == (None, {})
        containers = {item.container for item in have.kept()}
        assert set(self.engine.have) == containers
        assert not Path(self.paths.go_ahead("a")).exists()
        assert [name for name in os.listdir(self.paths.waiting) if not name.endswith(".lock")] == []
        assert ledger.broken(self.paths) == ""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(files, "sync_file_system", lambda dummy: None)
    monkeypatch.setattr(os, "fsync", lambda dummy: None)
    monkeypatch.setattr(probes, "_forget_neighbour", lambda dummy: None)
    monkeypatch.setattr(moment, "LONGEST_PAUSE", 0.02)
    found = Site(tmp_path, monkeypatch)
    for tenant in ("a", "b"):
        assert found.deploy(OLD, tenant)["class"] == "success"
    found.tidy()
    return found


class Going:
    """A change in a thread of its own."""

    def __init__(self, site: Site, content: str = NEW, tenant: str = "a", **more: t.Any) -> None:
        self.site, self.request = site, site.request(content, tenant, **more)
        self.found: t.List[Result] = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        self.found.append(program.apply(self.site.node, self.request))

    def waits(self) -> Going:
        until = time.monotonic() + 10
        while self.request.tenant not in self.site.state.parked:
            assert time.monotonic() < until and not self.found, self.found
            time.sleep(0.01)
        return self

    def result(self) -> Result:
        self.thread.join(20)
        return self.found[0]


def meanwhile(monkeypatch: pytest.MonkeyPatch, *acts: Act) -> t.List[int]:
    """One act each time that a change of this thread waits, in its stead; no thread is needed. The list counts them."""
    counted: t.List[int] = []
    left = list(acts)
    real = Transaction.wait

    def wait(self: Transaction) -> None:
        counted.append(len(counted))
        if not left:
            raise AssertionError("it waits once more than was thought")
        left.pop(0)()
        real(self)

    monkeypatch.setattr(Transaction, "wait", wait)
    return counted


# -- others have their turn


def test_another_tenant_deploys_while_one_waits(site: Site) -> None:
    site.lock("a")
    going = Going(site).waits()
    began = time.monotonic()
    assert site.deploy(NEW, "b")["class"] == "success"
    assert time.monotonic() - began < 5
    assert (site.of("a"), site.of("b")) == (OLD, NEW)
    site.free("a")
    result = going.result()
    assert (result["class"], result["workloads"]["app"]["action"]) == ("success", "switch")
    assert [site.of(tenant) for tenant in "ab"] == [NEW, NEW]
    steps = [item["step"] for item in result["workloads"]["app"]["steps"]]
    assert len(steps) == len(set(steps)), "those that were taken twice are told once"
    assert [item["class"] for item in ledger.read(site.paths)] == ["success"] * 4
    site.tidy()


def test_several_wait_and_each_begins_when_it_may(site: Site) -> None:
    for tenant in "ab":
        site.lock(tenant)
    first, second = Going(site).waits(), Going(site, tenant="b").waits()
    lines = site.status()
    assert [line.split(",")[0] for line in lines if line.startswith("under")] == [
        f"under way: release {going.request.release} of {going.request.tenant}" for going in (first, second)
    ]
    assert [line.split(":")[0] for line in lines if line.startswith("waiting")] == [
        "waiting for a/app (update lock)",
        "waiting for b/app (update lock)",
    ]
    found = answers.status(site.node)
    assert found["change"] == found["changes"][0] and found["change"]["waiting"][0]["workload"] == "app"
    assert site.deploy(OLD, "c")["class"] == "success"
    site.free("b")
    assert second.result()["class"] == "success" and not first.found
    site.free("a")
    assert first.result()["class"] == "success"
    assert [site.of(tenant) for tenant in "abc"] == [NEW, NEW, OLD]
    site.tidy()


def test_they_become_free_at_the_same_time(site: Site) -> None:
    going = []
    for tenant in "ab":
        site.lock(tenant)
        going.append(Going(site, tenant=tenant).waits())
    for tenant in "ab":
        site.free(tenant)
    assert [item.result()["class"] for item in going] == ["success", "success"]
    assert [site.of(tenant) for tenant in "ab"] == [NEW, NEW]
    site.tidy()


def test_now_is_said_of_the_one_that_waits_for_it(site: Site) -> None:
    for tenant in "ab":
        site.lock(tenant)
    first, second = Going(site).waits(), Going(site, tenant="b").waits()
    said = holds.release(site.node, "b/app", "bo", now=True)
    assert said[-1] == "the change under way does not wait for b/app any longer"
    assert second.result()["class"] == "success" and not first.found
    holds.hold(site.node, "a", "shift 2", "anna")
    result = first.result()
    assert result["class"] == "held" and "held by anna: shift 2" in result["msg"]
    assert (site.last()["class"], site.of("a"), site.of("b")) == ("held", OLD, NEW)
    site.tidy()


def test_the_moment_must_still_be_safe_with_the_lock_of_the_node(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.lock()
    real = files.lock
    turns: t.List[str] = []

    def lock(path: str, wait: float) -> t.ContextManager[None]:
        if path == site.paths.transaction_lock and len(waits) == 1 and not turns:
            turns.append(path)
            site.lock()  # the application was quicker
        return real(path, wait)

    waits = meanwhile(monkeypatch, site.free, site.free)
    monkeypatch.setattr(files, "lock", lock)
    assert site.deploy(NEW)["class"] == "success"
    assert (len(waits), len(turns)) == (2, 1)
    site.tidy()


def test_the_deadline_counts_from_the_first_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert site.deploy(OLD, update_lock={"max_wait": "2s"})["class"] == "success"
    site.lock()
    real = files.lock

    def pass_and_free() -> None:
        time.sleep(1.2)
        site.free()

    def lock(path: str, wait: float) -> t.ContextManager[None]:
        if path == site.paths.transaction_lock and waits:
            site.lock()
        return real(path, wait)

    waits = meanwhile(monkeypatch, pass_and_free, lambda: time.sleep(1.2))
    monkeypatch.setattr(files, "lock", lock)
    result = site.deploy(NEW)
    assert result["class"] == "held" and "held its update lock for 2 s" in result["msg"]
    assert ledger.read(site.paths)[-2]["waited"] >= 2.4 and site.of("a") == OLD
    site.tidy()


def test_a_node_that_is_busy_at_the_safe_moment_is_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.lock()
    going = Going(site).waits()
    with site.node.lock(1):
        site.free()
        time.sleep(0.3)
        assert not going.found
    assert going.result()["class"] == "success"
    site.tidy()


def test_a_node_that_stays_busy_ends_it_without_a_trace(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moment, "TURN", -59.5)  # of the 60 s of its lock
    monkeypatch.setattr(program, "SHORT_WAIT", 0.1)
    site.lock()
    going = Going(site).waits()
    with site.node.lock(1):
        site.free()
        result = going.result()
        assert (result["class"], result["cause"]) == ("refused", "busy")
        assert "another change is under way on this node" in result["msg"]
        assert files.read_json(site.node.store.result_path(result["id"]), None) == result
    assert site.last()["class"] == "success"  # nobody could write it down
    assert program.recover(site.node, "success", result["id"]) == result
    assert site.last() == result and site.of("a") == OLD
    site.tidy()


def test_what_ends_as_held_beside_another_change_is_told_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "SHORT_WAIT", 0.1)
    site.lock()
    going = Going(site).waits()
    with site.node.lock(1):
        holds.hold(site.node, "a", "shift 2", "anna")
        result = going.result()
    assert result["class"] == "held"
    assert site.deploy(NEW, "b")["class"] == "success"
    assert site.last() == result, "whoever comes next writes it down, as what it was"
    site.tidy()


# -- what it was planned for may have become something else


def test_a_container_that_ended_meanwhile_is_planned_anew(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.lock()
    container = site.state.tenants["a"].workloads["app"].current

    def ends() -> None:
        assert container is not None
        site.engine.have[container.container].update(running=False, exit=1)
        site.free()

    meanwhile(monkeypatch, ends)
    result = site.deploy(NEW)
    assert (result["class"], result["workloads"]["app"]["action"]) == ("success", "swap")
    assert site.of("a") == NEW
    site.tidy()


def behind_its_back(site: Site, content: str) -> Act:
    """Another change of the tenant, which cannot know of the one that waits."""

    def act() -> None:
        os.unlink(f"{site.paths.waiting}/a.lock")
        site.free()
        assert site.deploy(content)["class"] == "success"

    return act


def test_what_is_newer_is_not_taken_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.lock()
    meanwhile(monkeypatch, behind_its_back(site, NEWER))
    result = site.deploy(NEW)
    assert (result["class"], result["cause"], site.of("a")) == ("refused", "overtaken", NEWER)
    assert "another change of a was committed while this one waited: app (now of release r4)" in result["msg"]
    assert site.state.tenants["a"].release == "r4"
    site.tidy()
    assert site.deploy(NEW)["class"] == "success"


def test_what_is_so_already_is_no_conflict(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.lock()
    meanwhile(monkeypatch, behind_its_back(site, NEW))
    result = site.deploy(NEW)
    assert (result["failed"], result["workloads"]["app"]["class"]) == (False, "unchanged")
    site.tidy()


def test_another_workload_of_the_tenant_is_no_conflict(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.lock()

    def other() -> None:
        os.unlink(f"{site.paths.waiting}/a.lock")
        assert site.deploy(OLD, name="second")["class"] == "success"
        site.free()

    meanwhile(monkeypatch, other)
    assert site.deploy(NEW)["class"] == "success"
    assert set(site.state.tenants["a"].workloads) == {"app", "second"} and site.of("a") == NEW
    site.tidy()


def test_what_would_be_removed_with_it_came_meanwhile(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.lock()

    def other() -> None:
        os.unlink(f"{site.paths.waiting}/a.lock")
        assert site.deploy(OLD, name="second")["class"] == "success"
        site.free()

    meanwhile(monkeypatch, other)
    result = site.deploy(NEW, remove_undeclared=True)
    assert result["cause"] == "overtaken" and "second (now of release" in result["msg"]
    assert site.of("a") == OLD and "second" in site.state.tenants["a"].workloads


def test_a_lease_taken_meanwhile_counts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.lock()

    def act() -> None:
        program.lease.claim(site.paths, "a", {"id": "x1", "owner": "line 4"})
        site.free()

    meanwhile(monkeypatch, act)
    result = site.deploy(NEW)
    assert (result["class"], result["cause"], site.of("a")) == ("refused", "lease", OLD)
    assert site.last() == result
    site.tidy()


# -- a second change of the same tenant


def test_a_second_change_of_the_tenant_is_told_who_waits(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "LOCK_WAIT", 0.2)
    site.lock()
    going = Going(site).waits()
    result = site.deploy(NEWER)
    assert (result["class"], result["cause"]) == ("refused", "busy")
    assert (
        f"release {going.request.release} of a waits for a safe moment for the update lock of app, until"
        in result["msg"]
    )
    assert "`edge release a/WORKLOAD --now`" in result["msg"] and "`edge hold a`" in result["msg"]
    fetched = site.deploy(NEWER, until=FETCH)
    assert (fetched["class"], fetched["failed"]) == ("unchanged", False), "to fetch is in nobody's way"
    assert list(site.state.parked) == ["a"]
    site.free()
    assert going.result()["class"] == "success"
    site.tidy()


def test_a_second_change_of_the_tenant_goes_on_after_it(site: Site) -> None:
    site.lock()
    first = Going(site).waits()
    second = Going(site, NEWER)
    time.sleep(0.2)
    site.free()
    assert [first.result()["class"], second.result()["class"]] == ["success", "success"]
    assert site.of("a") == NEWER
    site.tidy()


# -- what was fetched


def test_what_was_fetched_stays_while_it_waits_and_when_it_is_held(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.lock()
    model = Path(models.file_path(site.paths, site.spec(NEW)["models"][0]))

    def short_of_disk() -> None:
        with site.node.lock(1):
            state = site.state
            containers.collect(site.node, state, site.engine.info(), short=True)
            site.node.store.save(state)
        assert model.exists()
        assert state.model_users()[model.parent.name] == ["a/app (change under way)"]
        holds.hold(site.node, "a", "shift 2", "anna")

    meanwhile(monkeypatch, short_of_disk)
    assert site.deploy(NEW)["class"] == "held"
    assert site.state.fetched == {"a": [waiting.needs(site.spec(NEW))]}
    holds.release(site.node, "a", "anna")
    site.free()
    assert site.deploy(NEW)["class"] == "success"
    assert site.state.fetched == {}
    site.tidy()


# -- killed while it waits


def killed(site: Site) -> Request:
    """A change in a process of its own that waits, and is killed."""
    site.lock()
    request = site.request(NEW)
    child = os.fork()
    if child == 0:
        try:
            program.apply(site.node, request)
        finally:
            os._exit(0)
    until = time.monotonic() + 20
    while "a" not in site.state.parked:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert waiting.lives(site.paths, "a") and len(site.status()) == 2
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert site.status() == []
    return request


@pytest.mark.parametrize(
    ("said", "name"), [("signal", "interrupted"), ("success", "interrupted"), ("timeout", "timed_out")]
)
def test_killed_while_it_waits(site: Site, said: str, name: str) -> None:
    request = killed(site)
    events = list(site.engine.events)
    assert "nothing that runs was touched" in launch._left(site.node, request)["msg"]
    result = program.recover(site.node, said, request.id)
    assert (result["class"], result["id"]) == (name, request.id) and "while it waited for a safe moment" in result[
        "msg"
    ]
    assert site.engine.events == events and site.of("a") == OLD
    assert site.last() == result == files.read_json(site.node.store.result_path(request.id), None)
    assert site.state.fetched["a"] == [waiting.needs(site.spec(NEW))]
    site.tidy()
    site.free()
    assert site.deploy(NEW)["class"] == "success"
    site.tidy()


@pytest.mark.parametrize("tenant", ["a", "b"])
def test_killed_while_it_waits_is_in_nobodys_way(site: Site, tenant: str) -> None:
    """Nothing recovered it yet."""
    request = killed(site)
    site.free()
    assert site.deploy(NEW, tenant)["class"] == "success"
    said = [(item["id"], item["class"]) for item in ledger.read(site.paths)]
    assert said[-2:] == [(request.id, "interrupted"), (f"{tenant}4", "success")]
    assert site.of(tenant) == NEW
    site.tidy()


def test_a_boot_ends_it(site: Site) -> None:
    request = killed(site)
    files.remove_tree(site.paths.run)  # in memory
    site.boot += 1
    site.engine.restart_all()
    assert program.recover(site.node)["class"] == "unchanged"
    assert (site.last()["id"], site.last()["class"]) == (request.id, "interrupted")
    assert (site.of("a"), site.of("b")) == (OLD, OLD)
    assert site.state.parked == {}


def test_a_recovery_leaves_those_that_wait_and_those_at_work_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "ENGINE_WAIT", 0.02)
    site.lock()
    going = Going(site).waits()
    for said, change in (("", ""), ("signal", "b2"), ("success", "b2")):
        program.recover(site.node, said, change)
        assert list(site.state.parked) == ["a"] and not going.found
    with site.node.lock(1):
        assert program.recover(site.node, "success", "b2")["msg"] == "nothing was left over"
        with pytest.raises(NodeError, match="another change is under way"):
            program.recover(site.node, "signal", "b2")
    site.free()
    assert going.result()["class"] == "success"
    site.tidy()


def test_what_waits_is_no_crash_and_a_crash_beside_it_is_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.lock()

    def crash() -> None:
        with monkeypatch.context() as patched:
            stop_at(patched, "switch:after", die)
            with pytest.raises(KillError):
                site.deploy(NEW, "b")
        assert site.state.journal is not None and list(site.state.parked) == ["a"]
        site.free()

    meanwhile(monkeypatch, crash)
    assert site.deploy(NEW)["class"] == "success"
    assert (site.of("a"), site.of("b"), site.last("b")["class"]) == (NEW, OLD, "interrupted")
    site.tidy()


@pytest.mark.parametrize(
    ("point", "way"), [*((point, "program") for point in POINTS), *((point, "power") for point in SOME)]
)
def test_cut_off_at_any_step_after_the_wait(site: Site, monkeypatch: pytest.MonkeyPatch, point: str, way: str) -> None:
    site.lock()
    reached: t.List[t.List[str]] = []

    def act() -> None:
        site.free()
        reached.append(stop_at(monkeypatch, point, die))

    meanwhile(monkeypatch, act)
    request = site.request(NEW)
    with pytest.raises(KillError):
        program.apply(site.node, request)
    assert reached == [[point]]
    committed = NEW if point in POINTS[POINTS.index("commit:after") :] else OLD
    if way == "power":
        site.boot += 1
        site.engine.restart_all()
    result = program.recover(site.node, "signal", request.id)
    assert result["class"] == ("success" if committed == NEW else "interrupted")
    assert (site.of("a"), site.of("b")) == (committed, OLD)
    site.tidy()


@pytest.mark.parametrize("point", ["admit:before", "verify:after", "hold:before", "hold:after"])
def test_cut_off_before_it_waits(site: Site, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    site.lock()
    stop_at(monkeypatch, point, die)
    request = site.request(NEW)
    with pytest.raises(KillError):
        program.apply(site.node, request)
    assert program.recover(site.node, "signal", request.id)["class"] == "interrupted"
    assert site.of("a") == OLD
    site.tidy()


def test_a_state_that_cannot_be_written_ends_it_before_it_waits(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.lock()
    real = type(site.node.store).save

    def save(self: t.Any, state: State) -> None:
        if state.parked:
            raise NodeError("state", "state.json cannot be written: No space left on device")
        real(self, state)

    monkeypatch.setattr(type(site.node.store), "save", save)
    result = site.deploy(NEW)
    assert (result["class"], result["cause"], site.of("a")) == ("refused", "state", OLD)
    site.tidy()


def test_a_bad_version_goes_back_after_the_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.lock()
    meanwhile(monkeypatch, site.free)
    assert site.deploy(BAD)["class"] == "reverted" and site.of("a") == OLD
    site.tidy()
