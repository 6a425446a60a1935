# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of the program works with: the engine, the state, the places, and the steps of a change."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t
from dataclasses import dataclass, field

from .._core.state import State
from . import faults, files
from ._runner import run
from .engine import Engine, client_configuration
from .errors import NodeError
from .files import Paths
from .store import Store

LOCK_WAIT = 60.0
"""Seconds that whoever wants the lock of the node waits for it."""
_UNDER_WAY = "under way"
RESERVE = 16 << 20


@dataclass
class Node:
    """A node: its engine, its files, its state."""

    paths: Paths = field(default_factory=Paths)
    engine: Engine = field(default_factory=Engine)

    def __post_init__(self) -> None:
        client_configuration(self.paths.configuration + "/docker")
        self.store = Store(self.paths)

    def boot_id(self) -> str:
        return (files.read_text(self.paths.boot_id) or "").strip()

    def lock(self, wait: float) -> t.ContextManager[None]:
        return files.lock(self.paths.transaction_lock, wait)

    def lock_directory(self, tenant: str, spec: t.Mapping[str, t.Any]) -> str:
        """Where the application puts its update lock. It lies in memory: after a boot the engine makes it anew, as root's."""
        path = os.path.dirname(self.paths.update_lock(tenant, spec["name"]))
        if "update_lock" in spec:
            files.make_directory(path, 0o755)
            os.chmod(path, 0o1777)  # noqa: S103 # whatever user the application runs as
        return path

    def forget_lock(self, tenant: str, workload: str) -> None:
        """A lock is that of the container that set it, on trial or not, and ends with it."""
        with contextlib.suppress(OSError):
            os.unlink(self.paths.update_lock(tenant, workload))

    def restart_engine(self) -> bool:
        """Starts the engine anew, as the last means, and once for each time that others started it; False where it was not done.

        After a crash in the middle of a start or stop the engine may hold a published port for a container that is gone
        (moby#20486, moby#25981). It lets go only when it is started again.
        """
        marker = self.paths.run + "/engine-restarted"
        before = files.read_text(marker)
        if before == _UNDER_WAY:  # systemd ended this program together with the engine, and started it again
            files.write_atomic(marker, self.engine.birth())
            return False
        if before == self.engine.birth():
            return False
        files.make_directory(self.paths.run, 0o755)
        files.write_atomic(marker, _UNDER_WAY)
        done = run(["systemctl", "restart", "docker.service"], timeout=180)
        self.engine.wait_until_up(60.0)
        files.write_atomic(marker, self.engine.birth())
        return done.code == 0

    def reserve_disk(self) -> None:
        """Sets disk aside for the way back: a new version that fills the disk must not keep the old one from starting."""
        files.make_directory(self.paths.state_directory)
        descriptor = os.open(self.paths.reserve, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE)
        finally:
            os.close(descriptor)

    def give_reserve(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.paths.reserve)


class Steps:
    """Journals each step before it is taken, measures it, and lets tests stop at it.

    :param before: the steps of the same change until it waited, most of which are taken once more: their times add up.
    """

    def __init__(self, node: Node, state: State, before: t.Sequence[t.Dict[str, t.Any]] = ()) -> None:
        self._node = node
        self._state = state
        self._again = list(before)
        self.taken: t.List[t.Dict[str, t.Any]] = list(before)

    @contextlib.contextmanager
    def __call__(self, name: str, workload: str = "") -> t.Iterator[None]:
        self._write_down(name)
        faults.reach(self._node.paths, f"{name}:before")
        began = time.monotonic()
        try:
            yield
        finally:
            self._note(name, workload, time.monotonic() - began)
        faults.reach(self._node.paths, f"{name}:after")

    def _note(self, name: str, workload: str, seconds: float) -> None:
        again = next((item for item in self._again if (item["step"], item["workload"]) == (name, workload)), None)
        if again is None:
            self.taken.append({"step": name, "workload": workload, "seconds": round(seconds, 3)})
            return
        self._again.remove(again)
        again["seconds"] = round(again["seconds"] + seconds, 3)

    def _write_down(self, name: str) -> None:
        if self._state.journal is None:
            return
        self._state.journal.step = name
        try:
            self._node.store.save(self._state)
        except NodeError:
            if not name.startswith("revert_"):
                raise  # the way back goes on although the disk is full: the journal on it says enough

    def of(self, workload: str) -> t.List[t.Dict[str, t.Any]]:
        return [
            {"step": item["step"], "seconds": item["seconds"]}
            for item in self.taken
            if item["workload"] in ("", workload)
        ]

    def seconds(self, prefix: str, workload: str = "") -> float:
        return sum(
            item["seconds"]
            for item in self.taken
            if item["step"].startswith(prefix) and (not workload or item["workload"] in ("", workload))
        )
