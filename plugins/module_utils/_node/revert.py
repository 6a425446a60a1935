# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back to the version before: as a request like any other, and what is remembered of the version that was taken back."""

from __future__ import annotations

import typing as t
import uuid

from .._core.request import Request
from .._core.state import Deployment, Refusal, State, Tenant, Workload
from .answers import find
from .errors import NodeError, NothingToDo
from .node import LOCK_WAIT, Node


def request_for(
    node: Node,
    scope: str,
    who: str,
    release: str = "",
    reason: str = "",
    rollout: t.Optional[t.Dict[str, t.Any]] = None,
) -> Request:
    """The request that puts the previous version of a tenant or workload back.

    :param release: only what this release brought: its workloads that had no version before go away again.
    :raises NothingToDo: where nothing of that release runs.
    """
    state = node.store.load()
    if release and scope not in state.tenants:
        raise NothingToDo("state", f"nothing of release {release} runs here")
    name, tenant, chosen = find(state, scope)
    brought = {key for key, item in chosen.items() if item.current is not None and item.current.release == release}
    targets = {
        key: item.previous
        for key, item in chosen.items()
        if item.previous is not None and (not release or key in brought)
    }
    if release and not brought:
        raise NothingToDo("state", f"nothing of release {release} runs here")
    if not targets and not release:
        raise NodeError("state", f"'{scope}' has no previous version on this node")
    specs = []
    for key, item in tenant.workloads.items():
        deployment = targets.get(key) or (item.current if key not in brought else None)
        if deployment is not None:
            specs.append(deployment.spec)
    return Request(
        id=uuid.uuid4().hex,
        tenant=name,
        release=_release_before(tenant, targets.values()),
        specs=specs,
        remove_undeclared=bool(release),
        revert=True,
        who=who,
        reason=reason,
        rollout=rollout or {},
    )


def _release_before(tenant: Tenant, targets: t.Iterable[Deployment]) -> str:
    found = max(targets, key=lambda item: item.sequence, default=None)
    if found is not None:
        return found.release
    others = [version for version in tenant.releases if version != tenant.release]
    return others[-1] if others else ""


def remember(node: Node, request: Request, before: State) -> None:
    """What a person took back is refused from then on, until it changes or is forced."""
    with node.lock(LOCK_WAIT):
        state = node.store.load()
        workloads = state.tenants[request.tenant].workloads
        for key, item in before.tenants[request.tenant].workloads.items():
            now = workloads.get(key)
            if item.current is None or (now and now.current and now.current.spec_digest == item.current.spec_digest):
                continue
            workloads.setdefault(key, Workload()).refuse(
                Refusal(
                    item.current.spec_digest,
                    item.current.digest,
                    item.current.release,
                    "rollout" if request.rollout else "operator",
                    _taken_back(request),
                    state.sequence,
                )
            )
        node.store.save(state)


def _taken_back(request: Request) -> str:
    where = f"by rollout {request.rollout['id']}" if request.rollout else f"at the node by {request.who}"
    return f"taken back {where}" + (f": {request.reason}" if request.reason else "")
