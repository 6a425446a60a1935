# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that waits, as the program and the person beside it see it: two processes with the same files."""

from __future__ import annotations

import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import plan, spec
from ansible_collections.physical_ai.edge.plugins.module_utils._core.request import Request
from ansible_collections.physical_ai.edge.plugins.module_utils._core.state import Deployment, State, Workload
from ansible_collections.physical_ai.edge.plugins.module_utils._node import answers, holds, ledger, status_command
from ansible_collections.physical_ai.edge.plugins.module_utils._node.change import Transaction
from ansible_collections.physical_ai.edge.plugins.module_utils._node.engine import Engine, Info
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths
from ansible_collections.physical_ai.edge.plugins.module_utils._node.node import Node
from ansible_collections.physical_ai.edge.plugins.module_utils._node.waiting import turn
from tests.unit.plugins.module_utils._core.specs import workload

INFO = Info("26.1", "/var/lib/docker", "systemd", 4, 8 << 30, False)
LOCK = {"update_lock": {"max_wait": "20s"}}


def deployment(**more: t.Any) -> Deployment:
    found = spec.render([workload(**more)])[0]
    return Deployment(found, spec.digest(found), "edge-quality-app-1", "sha256:1", "1", 1)


class Waiting:
    """A transaction at its step `hold`, in a thread."""

    def __init__(self, root: Path, **more: t.Any) -> None:
        self.node = Node(Paths(str(root)), Engine("false"))
        state = State(sequence=1)
        state.tenant("quality").workloads["app"] = Workload(current=deployment(**more))
        specs = spec.render([workload(env={"NEW": "1"})])
        request = Request("c1", "quality", "2", specs)
        found = plan.plan(state, "quality", "2", "", specs, running=["edge-quality-app-1"])
        self.transaction = Transaction(self.node, state, INFO, request, found)
        self.transaction._journal.entries = [self.transaction._entry(change) for change in found.todo]
        state.journal = self.transaction._journal
        self.failure: t.Optional[NodeError] = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            with turn(self.node, self.transaction._request, 1.0):
                if not self.transaction._may_swap():
                    self.transaction._park()
                    self.transaction.wait()
        except NodeError as exc:
            self.failure = exc

    def status(self) -> t.List[str]:
        return list(status_command.lines(answers.status(Node(self.node.paths, Engine("false")))))

    def shown(self) -> t.List[str]:
        """What `edge status` says of it, as soon as it says something."""
        for dummy in range(100):
            lines = [line for line in self.status() if line.startswith("waiting for")]
            if lines:
                return lines
            time.sleep(0.05)
        raise AssertionError(self.status())

    def ended(self) -> None:
        self.thread.join(5)
        assert not self.thread.is_alive()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = Path(Paths(str(tmp_path)).update_lock("quality", "app"))
    path.parent.mkdir(parents=True)
    path.write_text("", encoding="utf-8")
    return path


def test_status_shows_it_and_the_end_of_the_lock_lets_it_go_on(tmp_path: Path, lock: Path) -> None:
    waiting = Waiting(tmp_path, **LOCK)
    (line,) = waiting.shown()
    assert line.startswith("waiting for quality/app (update lock): the application holds its update lock; since ")
    lock.unlink()
    waiting.ended()
    assert waiting.failure is None
    assert ledger.read(waiting.node.paths) == []


@pytest.mark.parametrize("now", [False, True])
def test_a_person_at_the_machine_lets_it_go_on(tmp_path: Path, lock: Path, now: bool) -> None:
    waiting = Waiting(tmp_path, **LOCK)
    waiting.shown()
    holds.release(Node(waiting.node.paths, Engine("false")), "quality/app", "bo", now=now)
    waiting.ended()
    assert waiting.failure is None
    assert not lock.exists()
    (entry,) = ledger.read(waiting.node.paths)
    assert (entry["kind"], entry["who"], entry["what"]) == ("release", "bo", ["lock", "now"] if now else ["lock"])


def test_a_hold_set_meanwhile_ends_it(tmp_path: Path, lock: Path) -> None:
    waiting = Waiting(tmp_path, **LOCK)
    waiting.shown()
    holds.hold(Node(waiting.node.paths, Engine("false")), "quality", "shift 2", "anna")
    waiting.ended()
    assert waiting.failure is not None and waiting.failure.cause == "held"
    assert "held by anna: shift 2" in waiting.failure.message
    assert lock.exists()


def test_what_ends_as_held_is_no_failure_and_says_why(tmp_path: Path, lock: Path) -> None:
    waiting = Waiting(tmp_path, update_lock={"max_wait": "0s"})
    waiting.ended()
    assert waiting.failure is not None
    result = waiting.transaction._report.failed("held", waiting.failure, [])
    assert (result["class"], result["failed"], result["workloads"]["app"]["cause"]) == ("held", False, "held")
    assert result["msg"].startswith(
        "workload app: the application held its update lock for 0 s; the images are fetched"
    )
    assert [item["kind"] for item in ledger.read(waiting.node.paths)] == ["alarm"]
