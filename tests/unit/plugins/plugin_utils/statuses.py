# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nodes return, as small as the tests of the view, the collection and the page need it."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.physical_ai.edge.plugins.plugin_utils import fleet_ledger

DIGEST = "sha256:" + "3c4f1ae7b3f1" + "0" * 52
SILENT = {
    "unreachable": True,
    "msg": "Failed to connect to the host via ssh: ssh: connect to host 10.0.0.1 port 22: timed out",
}


def version(release: str) -> dict[str, Any]:
    return {"release": release, "digest": DIGEST, "image_id": "sha256:1", "spec": "sha256:2"}


def workload(**changes: Any) -> dict[str, Any]:
    base = {
        "current": version("2.0"),
        "previous": version("1.0"),
        "container": "edge-q-app-2",
        "running": True,
        "refused": [],
    }
    return {**base, **changes}


def refusal(release: str) -> dict[str, Any]:
    return {
        "release": release,
        "digest": DIGEST,
        "cause": "probe",
        "reason": "answered wrong",
        "logs": ["password=hunter2"],
    }


def tenant(last: dict[str, Any] | None = None, **workloads: Any) -> dict[str, Any]:
    done = {"id": "a1", "release": "2.0", "class": "success", "msg": "release 2.0 of quality runs"}
    return {"release": "2.0", "releases": {}, "workloads": workloads, "last": done if last is None else last}


def status(holds: list[Any] | None = None, change: Any = None, engine: str = "up", **tenants: Any) -> dict[str, Any]:
    return {
        "installed": True,
        "engine": engine,
        "tenants": tenants,
        "holds": holds or [],
        "devices": [],
        "change": change,
        "sequence": 2,
    }


def running() -> dict[str, Any]:
    return status(quality=tenant(app=workload()))


def ledger(count: int, first: str = fleet_ledger.FIRST, start: int = 1, **facts: Any) -> list[dict[str, Any]]:
    """Entries as a node's ledger has them, each bound to the one before it."""
    entries: list[dict[str, Any]] = []
    previous = first
    for number in range(start, start + count):
        entry = {
            "schema": 1,
            "sequence": number,
            "time": 1.76e9 + number * 3600.125,
            "kind": "change",
            "id": f"c{number}",
            "tenant": "quality",
            "release": f"1.{number}",
            "class": "success",
            "msg": f"release 1.{number} of quality runs \u2028",
            "workloads": {"app": "success"},
            **facts,
            "previous": previous,
        }
        entries.append(entry)
        previous = fleet_ledger.digest(json.dumps(entry, separators=(",", ":")))
    return entries
