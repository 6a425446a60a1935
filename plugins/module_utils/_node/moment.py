# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where a change waits for a safe moment to swap: update locks of what runs, and idle probes of what comes.

All workloads of a change wait together, and the swap begins when all are free at the same look. It waits without the lock of
the node and looks once more with it: between the two others may have had their turn.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
import typing as t
from dataclasses import dataclass

from .._core.idle import BUSY, IDLE, SILENT, Reading
from .._core.state import Entry, Journal
from . import files, idle, ledger
from .errors import NodeError
from .node import Node

LOCK, PROBE = "update lock", "idle probe"
LONGEST_PAUSE = 0.5
"""Seconds after which a person's word is noticed."""
TURN = 60.0
"""Seconds after its longest wait for which a change that could begin waits for its turn on a node that is busy."""
_SHOWN_AFTER = 5.0


@dataclass
class Gate:
    """One thing that one workload waits for. `asked` says who is asked for what; `passed` why it is not waited for any longer."""

    workload: str
    what: str
    ask: t.Callable[[], Reading]
    max_wait: float
    then: str
    every: float = LONGEST_PAUSE
    steady: float = 0.0
    unreachable: str = "wait"
    asked: str = ""
    reading: Reading = Reading(BUSY, "not looked at yet")  # noqa: RUF009 # it cannot change
    looked: float = -math.inf
    idle_since: float = math.inf
    passed: str = ""

    def look(self, clock: t.Callable[[], float]) -> None:
        if self.passed:
            return
        self.reading = self.ask()
        self.looked = clock()
        if self.reading.state == BUSY or (self.reading.state == SILENT and self.unreachable == "wait"):
            self.idle_since = math.inf
        else:
            self.idle_since = min(self.idle_since, self.looked)

    @property
    def free(self) -> bool:
        return bool(self.passed) or self.looked - self.idle_since >= self.steady

    @property
    def due(self) -> float:
        if self.passed:
            return math.inf
        next_ = self.looked + self.every
        return next_ if self.free else min(next_, self.idle_since + self.steady)

    @property
    def reason(self) -> str:
        if self.idle_since < math.inf and not self.free:
            return f"{self.reading.reason}: idle for {self.looked - self.idle_since:.0f} of {self.steady:g} s"
        return self.reading.reason

    def words(self) -> str:
        """What is to be told when its longest wait is over."""
        if self.what == LOCK:
            return f"the application held its update lock for {self.max_wait:g} s"
        return f"not idle within {self.max_wait:g} s: {self.reason}"


def gates(node: Node, tenant: str, entries: t.Sequence[Entry]) -> t.List[Gate]:
    """What a change waits for. Locks come last, and so are looked at last: they change at any instant.

    What is put right because it does not run waits for nothing: there is nothing that it could interrupt.
    """
    probes, locks = [], []
    for entry in entries:
        if entry.old is not None and entry.new is not None and entry.old.spec_digest == entry.new.spec_digest:
            continue
        coming = entry.new or entry.old  # of what is taken away, its own
        settings = coming.spec["probes"].get("idle") if coming is not None else None
        if settings is not None:
            probes.append(_probe(node, entry, settings))
        if entry.old is not None and "update_lock" in entry.old.spec:
            locks.append(_lock(node, tenant, entry.name, entry.old.spec["update_lock"]))
    return probes + locks


def _probe(node: Node, entry: Entry, settings: t.Mapping[str, t.Any]) -> Gate:
    container = entry.old.container if entry.old is not None else ""

    def ask() -> Reading:
        return idle.ask(node.paths, node.engine, container, settings)

    times = (settings["every"], settings["for"])
    asked = f"{container} {json.dumps(settings, sort_keys=True)}"
    return Gate(entry.name, PROBE, ask, settings["max_wait"], settings["then"], *times, settings["unreachable"], asked)


def _lock(node: Node, tenant: str, workload: str, settings: t.Mapping[str, t.Any]) -> Gate:
    path = node.paths.update_lock(tenant, workload)

    def ask() -> Reading:
        set_ = os.path.lexists(path)
        return Reading(BUSY if set_ else IDLE, "the application holds its update lock" if set_ else "no update lock")

    asked = json.dumps(settings, sort_keys=True)
    return Gate(workload, LOCK, ask, settings["max_wait"], settings["then"], asked=asked)


class Moment:
    """
    :param held: raises where a person holds the change back.
    :param show: takes the rows of what is waited for, for whoever asks.
    """

    def __init__(
        self,
        node: Node,
        journal: Journal,
        found: t.Sequence[Gate],
        held: t.Callable[[], None],
        show: t.Callable[[t.List[t.Dict[str, t.Any]]], None],
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._node, self._journal, self._gates = node, journal, list(found)
        self._held, self._show, self._clock, self._sleep = held, show, clock, sleep
        self._began, self._since = clock(), time.time()
        self._shown: t.List[t.Dict[str, t.Any]] = []
        self._shown_at = -math.inf
        self._notes: t.List[str] = []

    @property
    def notes(self) -> t.List[str]:
        """What is to be told of how the moment was found."""
        silent = [
            f"{gate.workload}: taken as idle, nothing answered: {gate.reason}"
            for gate in self._gates
            if not gate.passed and gate.reading.state == SILENT
        ]
        return list(dict.fromkeys([*self._notes, *silent]))

    @property
    def pace(self) -> float:
        """Seconds for which nobody need be asked again."""
        return max([LONGEST_PAUSE, *(gate.every for gate in self._gates if not gate.passed)])

    @property
    def over(self) -> bool:
        """Whether every longest wait is over, and what a change may wait for its turn is as well."""
        longest = max((gate.max_wait for gate in self._gates), default=0.0)
        return self._clock() >= self._began + longest + TURN

    def renew(self, journal: Journal, found: t.Sequence[Gate], held: t.Callable[[], None]) -> None:
        """The change was planned again. What is asked as before keeps what is known of it, and the wait began when it began."""
        known = {(gate.workload, gate.what, gate.asked): gate for gate in self._gates}
        self._gates = [known.get((gate.workload, gate.what, gate.asked), gate) for gate in found]
        self._journal, self._held = journal, held

    def wait(self) -> None:
        """Returns when the swap could begin.

        :raises NodeError: held, by a person, or where something was not free within its longest wait.
        """
        while not self.look():
            self._sleep(self._pause())

    def close(self) -> None:
        """Nothing waits any longer."""
        files.remove_tree(self._node.paths.go_ahead(self._journal.tenant))

    def look(self) -> bool:
        """Whether all are free at this look. What is waited for is shown.

        :raises NodeError: as :meth:`wait`.
        """
        free = self._look()
        if not free:
            self._tell()
        return free

    def _look(self) -> bool:
        self._held()
        self._listen()
        now = self._clock()
        fresh = [gate for gate in self._gates if gate.due <= now]
        for gate in fresh:
            gate.look(self._clock)
        if all(gate.free for gate in self._gates):
            # What was seen free some time ago may not be so any longer.
            for gate in self._gates:
                if gate not in fresh:
                    gate.look(self._clock)
            if all(gate.free for gate in self._gates):
                self._held()
                return True
        self._judge_overdue()
        return bool(self._gates) and all(gate.passed for gate in self._gates)

    def _listen(self) -> None:
        """`edge release TENANT/WORKLOAD --now` leaves a file, for the change that it was said of."""
        for gate in self._gates:
            with contextlib.suppress(NodeError):
                path = self._node.paths.go_ahead(self._journal.tenant, gate.workload)
                word = files.read_json(path, None)
                meant = (word.get("id"), word.get("rotation")) if isinstance(word, dict) else ()
                if not gate.passed and self._journal.id in meant:
                    gate.passed = f"{gate.workload}: not waited for its {gate.what}: {word.get('who')} said so"
                    self._notes.append(gate.passed)

    def _judge_overdue(self) -> None:
        now = self._clock()
        late = [gate for gate in self._gates if not gate.free and now >= self._began + gate.max_wait]
        for gate in late:
            self._alarm(gate, now - self._began)
        for gate in late:
            if gate.then == "held":
                fetched = "the images are fetched, " if self._journal.release else ""
                go_on = f"run again later, or say `edge release {self._scope(gate)} --now` while it waits"
                raise NodeError(
                    "held",
                    f"{gate.words()}; {fetched}{go_on}",
                    workload=gate.workload,
                )
            gate.passed = f"{gate.workload}: swapped all the same: {gate.words()}"
            self._notes.append(gate.passed)

    def _scope(self, gate: Gate) -> str:
        return f"{self._journal.tenant}/{gate.workload}"

    def _alarm(self, gate: Gate, waited: float) -> None:
        ledger.note(
            self._node.paths,
            "alarm",
            id=self._journal.id,
            tenant=self._journal.tenant,
            workload=gate.workload,
            what=gate.what,
            reason=gate.reason,
            waited=round(waited, 1),
            value=gate.reading.value,
            then=gate.then,
        )
        end = "the swap goes on" if gate.then == "swap" else "the change is held"
        warn(f"alarm: {self._scope(gate)}: {gate.words()}; {end}")

    def _tell(self) -> None:
        """Says what is waited for: at once where that is something else, and now and then where only its words are."""
        rows = [self._row(gate) for gate in self._gates if not gate.free]
        again = self._clock() - self._shown_at >= _SHOWN_AFTER
        same = [(row["workload"], row["what"]) for row in rows] == [
            (row["workload"], row["what"]) for row in self._shown
        ]
        if not same or (again and rows != self._shown):
            self._show(rows)
            self._shown, self._shown_at = rows, self._clock()

    def _row(self, gate: Gate) -> t.Dict[str, t.Any]:
        return {
            "workload": gate.workload,
            "what": gate.what,
            "reason": gate.reason,
            "since": round(self._since),
            "until": round(self._since + gate.max_wait),
            "then": gate.then,
        }

    def _pause(self) -> float:
        now = self._clock()
        ends = [self._began + gate.max_wait for gate in self._gates if not gate.free]
        next_ = min([gate.due for gate in self._gates] + ends, default=now)
        return min(LONGEST_PAUSE, max(0.01, next_ - now))


def warn(line: str) -> None:
    """A warning in the journal: systemd reads the priority off the front of a line (sd-daemon(3))."""
    sys.stderr.write(f"<4>{line}\n")
    sys.stderr.flush()
