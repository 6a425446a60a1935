# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a PLC, a robot or the application whether it is idle. What an answer says is in `_core.idle`."""

from __future__ import annotations

import contextlib
import os
import socket
import time
import typing as t

from .._core import devices as _devices
from .._core import modbus, opcua
from .._core.fields import SpecError
from .._core.idle import BUSY, IDLE, SILENT, AnswerError, Reading, judge, target
from . import devices
from .engine import Engine
from .errors import NodeError
from .files import Paths

Probe = t.Mapping[str, t.Any]


class _Line:
    """A connection on which everything comes within one and the same time, however slowly its bytes come.

    `heard` is whether anything came at all: only then may it be said that nobody answers.
    """

    def __init__(self, host: str, port: int, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._socket = socket.create_connection((host, port), timeout=seconds)
        self.heard = False

    def close(self) -> None:
        self._socket.close()

    def _limit(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise socket.timeout
        self._socket.settimeout(left)

    def send(self, data: bytes) -> None:
        self._limit()
        self._socket.sendall(data)

    def exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            self._limit()
            part = self._socket.recv(count - len(found))
            if not part:
                where = "in the middle of an answer" if self.heard else "without an answer"
                raise AnswerError(f"the connection was closed {where}", silent=not self.heard)
            self.heard = True
            found += part
        return found


@contextlib.contextmanager
def _connected(host: str, port: int, seconds: float) -> t.Iterator[_Line]:
    heard = False
    try:
        with contextlib.closing(_Line(host, port, seconds)) as line:
            try:
                yield line
            finally:
                heard = line.heard
    except socket.timeout:
        raise AnswerError(f"no {'whole ' if heard else ''}answer within {seconds:g} s", silent=not heard) from None
    except UnicodeError:
        raise AnswerError("its name cannot be looked up", silent=True) from None
    except OSError as exc:
        raise AnswerError(exc.strerror or str(exc), silent=not heard) from None


def _modbus(line: _Line, probe: Probe, dummy_url: str) -> t.Tuple[str, t.Any]:
    number = int.from_bytes(os.urandom(2), "big")
    line.send(modbus.request(number, probe["unit"], probe["table"], probe["address"]))
    header = line.exactly(modbus.HEADER)
    frame = header + line.exactly(modbus.remaining(header))
    value = modbus.value(number, probe["unit"], probe["table"], frame)
    return f"{probe['table']} {probe['address']}", value


def _talk(line: _Line, talk: t.Generator[bytes, bytes, t.Any]) -> t.Any:
    """Sends what a conversation says and hands it the answers, until it comes to its result."""
    request = next(talk)
    while True:
        if request:
            line.send(request)
        header = line.exactly(opcua.HEADER)
        frame = header + line.exactly(opcua.size(header))
        try:
            request = talk.send(frame)
        except StopIteration as done:
            return done.value


def _opcua(line: _Line, probe: Probe, url: str) -> t.Tuple[str, t.Any]:
    result = _talk(line, opcua.conversation(url, opcua.node_id(probe["node"]), os.urandom(32)))
    with contextlib.suppress(OSError):
        line.send(result.farewell)
    if result.problem is not None:
        raise result.problem
    return f"node {probe['node']}", result.value


_PROTOCOLS = {"modbus": _modbus, "opcua": _opcua}


def _where(paths: Paths, probe: Probe) -> t.Tuple[str, int]:
    if "host" in probe:
        return probe["host"], probe["port"]
    try:
        return _devices.tcp(devices.known(paths), probe["device"])
    except SpecError as exc:
        raise AnswerError(str(exc)) from None


def _network(paths: Paths, kind: str, probe: Probe) -> Reading:
    asked = f"{kind} {target(probe)}"
    try:
        host, port = _where(paths, probe)
        url = f"opc.tcp://[{host}]:{port}" if ":" in host else f"opc.tcp://{host}:{port}"
        with _connected(host, port, probe["timeout"]) as line:
            label, value = _PROTOCOLS[kind](line, probe, url)
    except AnswerError as exc:
        return Reading(SILENT if exc.silent else BUSY, f"{asked}: {exc}")
    return judge(f"{asked}: {label}", value, probe)


def _command(engine: Engine, container: str, probe: Probe) -> Reading:
    if not container:
        return Reading(IDLE, "nothing runs that could be asked")
    name = probe["command"][0]
    try:
        done = engine.exec(container, probe["command"], probe["timeout"])
    except NodeError as exc:
        if exc.cause != "timeout":
            raise
        return Reading(SILENT, f"the command {name} did not end within {probe['timeout']:g} s")
    if done.code == 0:
        return Reading(IDLE, f"the command {name} says that it is idle", 0)
    if not any(found.running for found in engine.inspect(container)):
        return Reading(IDLE, "the container that would be asked does not run")
    return Reading(BUSY, f"the command {name} ended with {done.code}: {done.said[:200]}", done.code)


def ask(paths: Paths, engine: Engine, container: str, settings: Probe) -> Reading:
    """One look at the idle probe of a workload.

    :param container: what runs now, or nothing; a command is run in it.
    """
    if "command" in settings:
        try:
            return _command(engine, container, settings["command"])
        except NodeError as exc:  # an engine that is started anew comes back; that it cannot be asked says nothing
            return Reading(BUSY, exc.message)
    kind = "modbus" if "modbus" in settings else "opcua"
    return _network(paths, kind, settings[kind])


def names(spec: Probe) -> t.List[str]:
    """The devices that the idle probe of a specification asks."""
    settings = spec.get("probes", {}).get("idle", {})
    return [settings[kind]["device"] for kind in _PROTOCOLS if "device" in settings.get(kind, {})]


def unmet(known: _devices.Devices, spec: Probe) -> str:
    """Why the idle probe of a specification can ask nobody on this node, or nothing."""
    try:
        for name in names(spec):
            _devices.tcp(known, name)
    except SpecError as exc:
        return f"probes.idle: {exc}"
    return ""
