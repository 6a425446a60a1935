# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking over real connections: servers that answer, that do not, and that mean no good."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import spec
from ansible_collections.physical_ai.edge.plugins.module_utils._core.idle import BUSY, IDLE, SILENT, Reading
from ansible_collections.physical_ai.edge.plugins.module_utils._node import idle
from ansible_collections.physical_ai.edge.plugins.module_utils._node.engine import Engine
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths
from tests.unit.plugins.module_utils._core.specs import workload

Serve = t.Callable[[socket.socket], None]


@contextlib.contextmanager
def server(serve: Serve) -> t.Iterator[int]:
    """The port of a server that does this with each connection."""

    def run() -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                serve(connection)

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threading.Thread(target=run, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def rendered(kind: str, **probe: t.Any) -> t.Dict[str, t.Any]:
    more = {"table": "holding_register", "address": 1} if kind == "modbus" else {"node": "i=2259"}
    settings = {"idle": {kind: dict({"equals": 0, "timeout": "300ms"}, **more, **probe)}}
    found: t.Dict[str, t.Any] = spec.render([workload(probes=settings)])[0]["probes"]["idle"]
    return found


def ask(kind: str, serve: Serve, tmp_path: Path) -> Reading:
    with server(serve) as port:
        return idle.ask(Paths(str(tmp_path)), Engine("false"), "", rendered(kind, host="127.0.0.1", port=port))


def answering(tail: bytes) -> Serve:
    """Takes the transaction from the request, as a server of Modbus does."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(connection.recv(12)[:2] + tail)

    return serve


def dribble(connection: socket.socket) -> None:
    for byte in connection.recv(12)[:2] + bytes.fromhex("0000 00fe 01") + bytes(200):
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def endless(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"MSGC" + (60000).to_bytes(4, "little") + bytes(59992))


def close_after_greeting(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"ACKF" + (28).to_bytes(4, "little") + bytes(20))
    connection.recv(4096)


def hang_after_greeting(connection: socket.socket) -> None:
    close_after_greeting(connection)
    time.sleep(2)


def wait(connection: socket.socket) -> None:
    connection.recv(12)
    time.sleep(2)


@pytest.mark.parametrize(
    ("kind", "serve", "state", "words"),
    [
        ("modbus", answering(bytes.fromhex("0000 0005 01 03 02 0000")), IDLE, "holding_register 1 is 0"),
        ("modbus", answering(bytes.fromhex("0000 0005 01 03 02 0007")), BUSY, "is 7, wanted 0"),
        ("modbus", answering(bytes.fromhex("0000 0003 01 83 06")), BUSY, "exception 6: server device busy"),
        ("modbus", answering(bytes.fromhex("0000 0003 01 83 0b")), SILENT, "exception 11: gateway target"),
        ("modbus", answering(bytes.fromhex("0000 ffff 01")), BUSY, "length 65535"),
        ("modbus", answering(bytes.fromhex("0000 0005 01 03")), BUSY, "closed in the middle of an answer"),
        ("modbus", lambda connection: None, SILENT, ""),
        ("modbus", wait, SILENT, "no answer within 0.3 s"),
        ("modbus", dribble, BUSY, "no whole answer within 0.3 s"),
        ("modbus", lambda connection: connection.sendall(b"SSH-2.0-x\r\n" * 99), BUSY, "not Modbus/TCP"),
        ("opcua", lambda connection: None, SILENT, ""),
        ("opcua", wait, SILENT, "no answer within 0.3 s"),
        ("opcua", hang_after_greeting, BUSY, "no whole answer within 0.3 s"),
        ("opcua", close_after_greeting, BUSY, "closed in the middle of an answer"),
        ("opcua", endless, BUSY, "not OPC UA"),
        ("opcua", lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n" * 99), BUSY, "not OPC UA"),
    ],
)
def test_answers_and_none(kind: str, serve: Serve, state: str, words: str, tmp_path: Path) -> None:
    began = time.monotonic()
    found = ask(kind, serve, tmp_path)
    assert found.state == state and words in found.reason, found
    assert found.reason.startswith(f"{kind} 127.0.0.1:") and "\n" not in found.reason
    assert time.monotonic() - began < 1.5


def test_nobody_there_is_silence(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        settings = rendered("modbus", host="127.0.0.1", port=nobody.getsockname()[1])
        found = idle.ask(Paths(str(tmp_path)), Engine("false"), "", settings)
    assert found.state == SILENT and "refused" in found.reason
    settings = rendered("opcua", host="a" * 70 + ".example")
    assert idle.ask(Paths(str(tmp_path)), Engine("false"), "", settings).state == SILENT


def test_a_device_is_asked_where_the_site_says_that_it_is(tmp_path: Path) -> None:
    paths = Paths(str(tmp_path))
    settings = rendered("modbus", device="plc")
    with server(answering(bytes.fromhex("0000 0005 01 03 02 0000"))) as port:
        device = {"kind": "network", "address": "127.0.0.1", "tcp": port}
        others = {"lidar": {"kind": "network", "address": "127.0.0.1", "udp": 7}}
        Path(paths.configuration).mkdir(parents=True)
        Path(paths.devices).write_text(json.dumps({"schema": 1, "devices": dict(others, plc=device)}))
        assert idle.ask(paths, Engine("false"), "", settings).state == IDLE
    Path(paths.devices).write_text(json.dumps({"schema": 1, "devices": others}))
    found = idle.ask(paths, Engine("false"), "", settings)
    assert found.state == BUSY and "device plc is not a name on this node; names are lidar" in found.reason


def test_what_can_ask_nobody_on_this_node_is_said_before_anything_is_fetched() -> None:
    known = {"lidar": {"kind": "network", "address": "10.0.0.1", "udp": 7}, "plc": {"address": "10.0.0.2", "tcp": 502}}

    def unmet(**probe: t.Any) -> str:
        return idle.unmet(known, {"probes": {"idle": rendered("modbus", **probe)}})

    assert unmet(device="plc") == unmet(host="10.0.0.9") == idle.unmet(known, {"probes": {}}) == ""
    assert "device lidar has no TCP port" in unmet(device="lidar")
    assert "device robot is not a name on this node; names are lidar, plc" in unmet(device="robot")


def docker(tmp_path: Path, script: str) -> Engine:
    """An engine's client that does this; `$2` is the container."""
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o700)
    return Engine(str(program))


RUNNING = json.dumps([{"Name": "/c1", "Config": {}, "State": {"Running": True}}])
ENDED = json.dumps([{"Name": "/c1", "Config": {}, "State": {"Running": False}}])


@pytest.mark.parametrize(
    ("script", "state", "words"),
    [
        ('[ "$*" = "exec c1 is-idle --now" ]', IDLE, "says that it is idle"),
        (f"[ $1 = exec ] && echo welding >&2 && exit 3; echo '{RUNNING}'", BUSY, "is-idle ended with 3: welding"),
        (f"[ $1 = exec ] && exit 1; echo '{ENDED}'", IDLE, "does not run"),
        ("[ $1 = exec ] && exit 1; echo '[]'; exit 1", IDLE, "does not run"),
        ("exec sleep 5", SILENT, "did not end within 0.2 s"),
    ],
)
def test_a_command_is_run_in_what_runs_now(script: str, state: str, words: str, tmp_path: Path) -> None:
    settings = {"command": {"command": ["is-idle", "--now"], "timeout": 0.2}}
    found = idle.ask(Paths(str(tmp_path)), docker(tmp_path, script), "c1", settings)
    assert found.state == state and words in found.reason, found


def test_a_command_with_nothing_that_runs_and_with_no_engine(tmp_path: Path) -> None:
    settings = {"command": {"command": ["is-idle"], "timeout": 2.0}}
    assert idle.ask(Paths(str(tmp_path)), Engine("false"), "", settings).state == IDLE
    down = docker(tmp_path, "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    found = idle.ask(Paths(str(tmp_path)), down, "c1", settings)
    assert found.state == BUSY and "the container engine does not answer" in found.reason
