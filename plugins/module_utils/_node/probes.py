# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a container how it is. Verdicts are made in `_core.judge`."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import math
import os
import socket
import time
import typing as t

from .._core.judge import FAIL, OK, RETRY, SICK, Verdict
from .._core.spec import PROBES
from . import probe_kinds
from ._runner import run
from .engine import Container, Engine
from .errors import NodeError, about
from .probe_kinds import Context

_CLONE_NEWNET = 0x40000000
_LOOK_AFTER = 0.5
_FIRST_PAUSE = 0.03  # what starts fast is found fast


@contextlib.contextmanager
def network_of(pid: int) -> t.Iterator[None]:
    """Connections that are opened here are made from inside a process's network: a node does not reach its own
    macvlan containers, and nobody reaches one without a network."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(descriptor: int) -> None:
        if libc.setns(descriptor, _CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"the container's network cannot be entered: {os.strerror(code)}")

    with open("/proc/self/ns/net", "rb") as own, open(f"/proc/{pid}/ns/net", "rb") as other:
        enter(other.fileno())
        try:
            yield
        finally:
            enter(own.fileno())


class Prober:
    """Runs the probes of one phase (`startup` or `steady`) of one container."""

    def __init__(
        self, engine: Engine, container: str, probes: t.Mapping[str, t.Any], context: t.Optional[Context] = None
    ) -> None:
        self._engine = engine
        self._context = context or Context()
        self._name = container
        self._settings = probes
        self._kinds = [kind for kind in PROBES if kind in probes]
        self._passed: t.Set[str] = set()
        self._seen: t.Optional[Container] = None
        self._looked = 0.0

    def _look(self, fresh: bool = False) -> Container:
        """The container as the engine sees it, asked at most twice a second."""
        if fresh or self._seen is None or time.monotonic() - self._looked > _LOOK_AFTER:
            found = self._engine.inspect(self._name)
            if not found:
                raise NodeError("exit", f"container {self._name} is gone")
            self._seen, self._looked = found[0], time.monotonic()
        return self._seen

    def _exited(self, container: Container) -> NodeError:
        why = f" ({container.error})" if container.error else ""
        return NodeError(
            "exit",
            f"the container ended by itself with exit status {container.exit_code}{why}",
            exit_code=container.exit_code,
        )

    def _one(self, kind: str, until: float) -> Verdict:
        probe = self._settings[kind]
        if kind == "exec":
            done = self._engine.exec(self._name, probe["command"], probe["timeout"])
            if done.code == 0:
                return OK
            return Verdict(RETRY, f"the command {probe['command'][0]} ended with {done.code}: {done.said}")
        if kind == "health":
            return self._health()
        if kind in probe_kinds.NODE:
            return probe_kinds.NODE[kind](probe, self._context)
        container = self._look()
        inside = not (container.host_network or container.reachable)
        address = container.address or ("127.0.0.1" if container.host_network or inside else "")
        if not address:
            return Verdict(RETRY, f"the container has no address yet for the {kind} probe")
        try:
            with network_of(container.pid) if inside else contextlib.nullcontext():
                return probe_kinds.NETWORK[kind](address, probe, self._context, until)
        except (OSError, http.client.HTTPException) as exc:
            return Verdict(RETRY, f"{kind} probe on port {probe['port']}: {_words(exc)}")

    def _health(self) -> Verdict:
        health = self._look(fresh=True).health
        if not health:
            return Verdict(FAIL, "the image has no HEALTHCHECK, so a `health` probe can never pass: use another probe")
        return OK if health == "healthy" else Verdict(RETRY, f"the container's health is '{health}'")

    def once(self, remember: bool, until: float = math.inf) -> Verdict:
        """All probes; with `remember`, one that has passed is not asked again.

        :param until: when a round of golden requests has to end.
        """
        for kind in self._kinds:
            if remember and kind in self._passed:
                continue
            try:
                verdict = self._one(kind, until)
            except NodeError as exc:
                if exc.cause != "timeout":
                    raise
                verdict = Verdict(RETRY, exc.message)
            self._context.record.add(verdict.measured, verdict.notes)
            if not verdict.passed:
                container = self._look()
                if not container.running:
                    raise self._exited(container)
                return verdict
            self._passed.add(kind)
        if not self._kinds:
            container = self._look(fresh=True)
            if not container.running:
                raise self._exited(container)
        return OK

    def until_healthy(self) -> None:
        """Tries until all have passed.

        :raises NodeError: probe, baseline or exit, when `within` is over, an answer is wrong, or the container ended.
        """
        within = self._settings.get("within", 60.0)
        until = time.monotonic() + within
        _forget_neighbour(self._look().address)
        pause = _FIRST_PAUSE
        while True:
            verdict = self.once(remember=True, until=until)
            if verdict.passed:
                return
            if verdict.result == SICK:
                raise NodeError("baseline", f"startup probe: {verdict.reason}")
            if verdict.result == FAIL:
                raise NodeError("probe", f"startup probe: {verdict.reason}")
            if time.monotonic() >= until:
                raise NodeError("probe", f"startup probe: not healthy within {within:g} s: {verdict.reason}")
            time.sleep(min(pause, self._settings.get("every", 0.25)))
            pause *= 1.5


def _forget_neighbour(address: str) -> None:
    """Lets the address of a container that has just started be looked up anew.

    Clients that ask while it starts make the kernel ask for an address that nobody has yet, and then wait a second
    before it asks again. That second would be one without service.
    """
    if address:
        with contextlib.suppress(NodeError):
            run(["ip", "neighbour", "flush", "to", address], timeout=5)


def keep_passing(probers: t.Sequence[t.Tuple[str, Prober, t.Mapping[str, t.Any]]]) -> None:
    """Steady probes of several containers at once.

    :raises NodeError: probe, baseline or exit, naming the workload that failed.
    """
    began = time.monotonic()
    left = {name: began + settings.get("for", 10.0) for name, dummy, settings in probers}
    due = dict.fromkeys(left, began)
    failed = dict.fromkeys(left, 0)
    while left:
        now = time.monotonic()
        for name, prober, settings in probers:
            if name not in left or due[name] > now:
                continue
            _steady(name, prober, settings, failed)
            due[name] = time.monotonic() + settings.get("every", 1.0)
            if time.monotonic() >= left[name] and failed[name] == 0:
                del left[name]
        time.sleep(0.05)


def _steady(name: str, prober: Prober, settings: t.Mapping[str, t.Any], failed: t.Dict[str, int]) -> None:
    with about(name):
        verdict = prober.once(remember=False)
    if verdict.result == SICK:
        raise NodeError("baseline", f"steady probe: {verdict.reason}", workload=name)
    failed[name] = 0 if verdict.passed else failed[name] + 1
    if verdict.result == FAIL or failed[name] >= settings.get("failures", 3):
        times = f" ({failed[name]} times in a row)" if failed[name] > 1 else ""
        raise NodeError("probe", f"steady probe: {verdict.reason}{times}", workload=name)


def _words(exc: Exception) -> str:
    if isinstance(exc, socket.timeout):
        return "no answer in time"
    return getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
