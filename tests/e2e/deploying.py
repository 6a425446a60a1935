# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys a tenant of its own on one lab node, as the module does: the node program gets a request and answers."""

from __future__ import annotations

import base64
import json
import time
import typing as t
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ansible_collections.physical_ai.edge.plugins.module_utils._core import spec
from ansible_collections.physical_ai.edge.plugins.module_utils._core.request import Request
from tests.lab import Lab, images
from tests.lab.node import Node
from tests.lab.services import archive

READY = {"http": {"port": 8000, "path": "/v2/health/ready"}}
INFER = "/v2/models/digits/infer"
GOLDEN = {
    "port": 8000,
    "path": INFER,
    "request": {"inputs": [{"name": "image", "shape": [1, 64], "datatype": "FP32", "data": [0.0] * 64}]},
    "expect": {"outputs": [{"name": "label", "data": [7]}]},
}


def push(lab: Lab, *wanted: str) -> dict[str, str]:
    """`ok-1` and so on, variants of the tiny image, in the lab's registry: name -> image@digest."""
    from tests.lab import engine

    client = engine.client()
    found = {}
    for name in wanted:
        variant, _rest, version = name.partition("-")
        found[name] = lab.registry.push(images.tiny(client, variant, version), "tx/tiny")
    return found


def put(node: Node, folder: str, files: t.Mapping[str, bytes]) -> None:
    """Files for a folder on the node's own disk."""
    node.container.put_archive(folder, archive({name: (content, 0o644) for name, content in files.items()}))


def get(address: str, port: int, path: str = "/version", timeout: float = 2) -> str:
    """What answers there, or nothing."""
    try:
        with urllib.request.urlopen(f"http://{address}:{port}{path}", timeout=timeout) as answer:
            return answer.read().decode().strip()
    except (OSError, urllib.error.URLError, ValueError):
        return ""


@dataclass
class Tenant:
    """One tenant on one node. `port` is the first of the host ports that are its own."""

    node: Node
    name: str
    images: t.Mapping[str, str]
    port: int
    networks: t.Mapping[str, t.Any] = field(default_factory=dict)
    number: int = 0

    def workload(self, image: str, name: str = "app", **more: t.Any) -> dict[str, t.Any]:
        where, _rest, digest = self.images[image].partition("@")
        workload: dict[str, t.Any] = {
            "name": name,
            "image": where,
            "digest": digest,
            "resources": {"memory": "32m", "cpus": 0.5},
            "stop_timeout": "3s",
            "ports": [{"container": 8000, "host": self.port, "allow_from": ["any"]}],
            "probes": {
                "startup": {**READY, "within": "4s"},
                "steady": {**READY, "for": "500ms", "every": "200ms"},
            },
        }
        workload.update(more)
        return workload

    def deploy(self, *workloads: dict[str, t.Any], release: str = "", **more: t.Any) -> dict[str, t.Any]:
        """Hands the set over and waits for the result."""
        return self.submit(self.request(workloads, release, **more))

    def run(self, *workloads: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
        """Deploys what must succeed."""
        result = self.deploy(*workloads, **more)
        assert result["class"] in ("success", "unchanged"), result["msg"]
        return result

    def request(self, workloads: t.Sequence[dict[str, t.Any]], release: str = "", **more: t.Any) -> Request:
        self.number += 1
        models = more.pop("models", None)
        specs = spec.render(list(workloads), models, self.networks)
        name = release or f"r{self.number}"
        return Request(id=uuid.uuid4().hex, tenant=self.name, release=name, specs=specs, **more)

    def submit(self, request: Request) -> dict[str, t.Any]:
        text = base64.b64encode(json.dumps(request.to_json()).encode()).decode()
        done = self.node.exec(f"echo {text} | base64 -d | edge submit -", timeout=240, check=False)
        assert done.returncode == 0, f"{self.node.name}: {done.stderr or done.stdout}"
        return json.loads(done.stdout)

    def status(self) -> dict[str, t.Any]:
        return json.loads(self.node.exec("edge status --json").stdout)["tenants"][self.name]

    def container(self, name: str = "app") -> str:
        return self.status()["workloads"][name]["container"]

    def inspect(self, name: str = "app") -> dict[str, t.Any]:
        return json.loads(self.node.exec(["docker", "inspect", self.container(name)]).stdout)[0]

    def identity(self, name: str = "app") -> tuple[str, str]:
        """Changes when the container was touched in any way."""
        found = self.inspect(name)
        return found["Id"], found["State"]["StartedAt"]

    def data(self, volume: str = "state", name: str = "app") -> str:
        return f"/var/lib/physical-ai/volumes/{self.name}/{name}/{volume}/data"

    def answers(self, seconds: float = 5) -> str:
        """The version that is served, as soon as something is."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = get(self.node.address, self.port)
            if found:
                return found
            time.sleep(0.1)
        return ""

    def wipe(self) -> None:
        self.node.exec("edge release every >/dev/null; rm -f /run/physical-ai/pause-at", check=False)
        self.deploy(remove_undeclared=True)
        self.node.exec(["rm", "-rf", f"/var/lib/physical-ai/volumes/{self.name}"])


class Both:
    """The same on several nodes at the same time."""

    def __init__(self, *tenants: Tenant) -> None:
        self.tenants = tenants

    def __call__(self, work: t.Callable[[Tenant], object]) -> None:
        with ThreadPoolExecutor(len(self.tenants)) as pool:
            for future in [pool.submit(work, tenant) for tenant in self.tenants]:
                future.result()


def sentence(result: dict[str, t.Any]) -> str:
    """The message of a result that failed as it should: one line that does not look like a program's insides."""
    message = str(result["msg"])
    assert result["failed"], result
    assert "\n" not in message and "Traceback" not in message, message
    return message
