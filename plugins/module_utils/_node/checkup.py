# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks what runs how it is, some time after its change: by its own probes, against the approved baseline, and what it says."""

from __future__ import annotations

import time
import typing as t

from .._core.baseline import Baseline
from .._core.judge import RETRY
from .._core.state import Deployment
from . import ledger, secrets
from .answers import find
from .errors import NodeError
from .node import LOCK_WAIT, Node
from .probe_kinds import Context
from .probes import Prober

TRIES = 3
ROUND_SECONDS = 60.0
"""Longest time that one round of golden requests may take."""


def health(node: Node, tenant: str) -> t.Dict[str, t.Any]:
    """Whether what runs of a tenant is healthy now, by its own probes. Changes nothing."""
    state = node.store.load()
    dummy, dummy2, workloads = find(state, tenant)
    found = {
        name: look(node, item.current, item.baseline)
        for name, item in sorted(workloads.items())
        if item.current is not None
    }
    return {"healthy": all(item["healthy"] for item in found.values()), "workloads": found}


def approve(node: Node, tenant: str, release: str, who: str) -> t.Dict[str, t.Any]:
    """What the workloads of a release measured here is the baseline from now on. Doing it again changes nothing.

    A workload that came with another release is left as it is: `workloads` has those that were approved, with their numbers.
    """
    with node.lock(LOCK_WAIT):
        state = node.store.load()
        dummy, entry, workloads = find(state, tenant)
        chosen = {
            name: item
            for name, item in sorted(workloads.items())
            if item.current is not None and item.current.release == release
        }
        changed = [name for name, item in chosen.items() if item.approve()]
        numbers = {name: item.baseline for name, item in chosen.items()}
        if changed:
            node.store.save(state)
            ledger.note(node.paths, "approve", tenant=tenant, release=release, baseline=numbers, who=who)
    others = sorted({item.current.release for item in entry.workloads.values() if item.current is not None})
    msg = (
        f"approved: {', '.join(chosen)}"
        if chosen
        else f"nothing here is of release {release}; here is: {', '.join(others)}"
    )
    return {"tenant": tenant, "release": release, "changed": bool(changed), "workloads": numbers, "msg": msg}


def logs(node: Node, scope: str, lines: int) -> t.List[str]:
    dummy, dummy2, chosen = find(node.store.load(), scope)
    result = []
    for key, item in chosen.items():
        if item.current is not None:
            container = item.current.container
            said = node.engine.logs(container, lines)
            result += [f"{key}: {secrets.hide(node.paths, container, line)}" for line in said]
    return result


def look(node: Node, deployment: Deployment, approved: t.Mapping[str, float]) -> t.Dict[str, t.Any]:
    """Once, with more tries where it is not healthy at first. Without probes it is healthy as long as it runs."""
    probes = deployment.spec["probes"]
    settings = probes.get("steady") or probes.get("startup") or {}
    context_ = context(node, deployment, approved)
    reason = _reason(Prober(node.engine, deployment.container, settings, context_), settings.get("every", 1.0))
    reason = secrets.hide(node.paths, deployment.container, reason)
    return {
        "healthy": not reason,
        "reason": reason,
        "measured": context_.record.last(),
        "baseline": dict(approved),
        "notes": context_.record.notes,
    }


def context(node: Node, deployment: Deployment, approved: t.Mapping[str, float]) -> Context:
    """What the probes of something that runs compare it with."""
    return Context(
        baseline=Baseline(approved),
        before=_since(node, deployment),
        gpus=tuple(gpu["id"] for gpu in deployment.gpus),
        paths=node.paths,
    )


def _since(node: Node, deployment: Deployment) -> t.Dict[str, t.Any]:
    """How the node was before the change. The kernel log is that of one boot: after another one, all in it is new."""
    before = dict(deployment.before)
    if before and before.get("boot") != node.boot_id():
        before["xid"] = {}
    return before


def _reason(prober: Prober, pause: float) -> str:
    """Why it is not healthy, or nothing. A wrong answer does not become right, so it is not asked again."""
    reason = ""
    for number in range(TRIES):
        if number:
            time.sleep(pause)
        try:
            verdict = prober.once(remember=False, until=time.monotonic() + ROUND_SECONDS)
        except NodeError as exc:
            return exc.message
        if verdict.passed:
            return ""
        reason = verdict.reason
        if verdict.result != RETRY:
            break
    return reason
