# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers without an engine: each has an address of 127.0.0.0/8, behind which a server of this process answers."""

from __future__ import annotations

import json
import threading
import time
import typing as t
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ansible_collections.physical_ai.edge.plugins.module_utils._node.engine import Container, Engine, Info


@dataclass
class Behaviour:
    """How one version answers: a label, after some seconds, and a metric. `wrong`: each so many-th answer is wrong."""

    label: int = 7
    seconds: float = 0.0
    fps: float = 30.0
    wrong: int = 0
    asked: int = field(default=0)

    def answer(self) -> t.Dict[str, t.Any]:
        self.asked += 1
        time.sleep(self.seconds)
        label = self.label + 1 if self.wrong and self.asked % self.wrong == 0 else self.label
        return {"outputs": [{"name": "label", "data": [label]}]}


class _Handler(BaseHTTPRequestHandler):
    @property
    def behaviour(self) -> Behaviour:
        return self.server.behaviours[self.connection.getsockname()[0]]  # type: ignore[attr-defined] # set below

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._send(f"fps {self.behaviour.fps}\n".encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send(json.dumps(self.behaviour.answer()).encode())

    def log_message(self, format: str, *args: t.Any) -> None:
        pass


class Serving:
    """The servers of all containers. `port` is that of each of them."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("0.0.0.0", 0), _Handler)
        self._server.behaviours = {}  # type: ignore[attr-defined] # by address
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def put(self, address: str, behaviour: Behaviour) -> None:
        self._server.behaviours[address] = behaviour  # type: ignore[attr-defined] # set above

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class FakeEngine(Engine):
    """As far as a change needs one. `coming` is how the next container that is made will behave."""

    def __init__(self, serving: Serving) -> None:
        super().__init__("false")
        self.serving = serving
        self.coming = Behaviour()
        self.have: t.Dict[str, Container] = {}
        self._addresses: t.Dict[str, str] = {}

    def make(self, name: str) -> None:
        self._addresses[name] = f"127.0.0.{len(self.have) + 10}"
        self.serving.put(self._addresses[name], self.coming)
        self.have[name] = Container(
            name, False, 0, "no", "t", "app", "", "", "", False, 1, reachable=True, health="", ports=()
        )

    def _set(self, name: str, **more: t.Any) -> None:
        self.have[name] = Container(**dict(self.have[name].__dict__, **more))

    def info(self) -> Info:
        return Info("28", "/", "systemd", 2, 1 << 30, False)

    def birth(self) -> str:
        return "1"

    def containers(self, everything: bool = False) -> t.List[Container]:
        return list(self.have.values())

    def inspect(self, *names: str) -> t.List[Container]:
        return [self.have[name] for name in names if name in self.have]

    def start(self, name: str) -> None:
        self._set(name, running=True, address=self._addresses[name])

    def stop(self, name: str, seconds: float) -> None:
        self._set(name, running=False, address="")

    def kill(self, name: str) -> None:
        self._set(name, running=False, address="")

    def remove(self, *names: str) -> None:
        for name in names:
            if name in self.have:
                self._set(name, running=False, address="")

    def restart_policy(self, policy: str, *names: str) -> None:
        for name in names:
            self._set(name, restart=policy)

    def logs(self, name: str, lines: int) -> t.List[str]:
        return ["its last words"]

    def remove_image(self, reference: str) -> bool:
        return True
