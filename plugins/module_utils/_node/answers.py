# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person at the machine asks of the state: what runs here, what is held, what is under way. Changes nothing."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.state import State, Tenant, Workload
from . import devices, lease, waiting
from .errors import NodeError
from .node import Node


def find(state: State, scope: str) -> t.Tuple[str, Tenant, t.Dict[str, Workload]]:
    """The tenant and workloads that TENANT or TENANT/WORKLOAD names."""
    name, slash, workload = scope.partition("/")
    known = (
        ", ".join(
            f"{tenant}/{item}" for tenant, entry in sorted(state.tenants.items()) for item in sorted(entry.workloads)
        )
        or "nothing"
    )
    tenant = state.tenants.get(name)
    if tenant is None or (slash and workload not in tenant.workloads):
        raise NodeError("state", f"there is no '{scope}' on this node; there is: {known}")
    return name, tenant, {workload: tenant.workloads[workload]} if slash else tenant.workloads


def status(node: Node) -> t.Dict[str, t.Any]:
    """What runs here, what is held and what is under way. Works while the engine is down, and says so."""
    state = node.store.load()
    problem, containers = "", {}
    try:
        containers = {item.name: item for item in node.engine.containers()}
    except NodeError as exc:
        problem = exc.message
    tenants: t.Dict[str, t.Any] = {}
    for name, tenant in sorted(state.tenants.items()):
        rows = {}
        for key, item in sorted(tenant.workloads.items()):
            found = containers.get(item.current.container) if item.current else None
            rows[key] = {
                "current": item.current.brief() if item.current else None,
                "container": item.current.container if item.current else "",
                "running": bool(found and found.running) if not problem else None,
                "previous": item.previous.brief() if item.previous else None,
                "refused": [dict(dataclasses.asdict(refusal), logs=list(refusal.logs)) for refusal in item.refused],
                "measured": item.current.measured if item.current else {},
                "baseline": item.baseline,
            }
        tenants[name] = {"release": tenant.release, "releases": tenant.releases, "workloads": rows, "last": tenant.last}
    changes = _under_way(node, state)
    return {
        "engine": problem or "up",
        "tenants": tenants,
        "holds": node.store.holds(),
        "leases": lease.everything(node.paths),
        "devices": devices.overview(node.paths, state),
        "change": changes[0] if changes else None,
        "changes": changes,
        "sequence": state.sequence,
    }


def _under_way(node: Node, state: State) -> t.List[t.Dict[str, t.Any]]:
    """The change that is at work, and those that wait."""
    found = [state.journal] if state.journal is not None else []
    return [
        {
            "id": journal.id,
            "tenant": journal.tenant,
            "release": journal.release,
            "step": journal.step,
            "waiting": waiting.rows(node.paths, journal) if journal is not state.journal else [],
        }
        for journal in [*found, *waiting.waiting(node.paths, state)]
    ] + [dict(item, release="", step="wait") for item in waiting.rotations(node.paths)]
