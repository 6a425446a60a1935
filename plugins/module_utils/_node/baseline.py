# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured right before a swap: of the version that still runs, and of the node. It never fails a change."""

from __future__ import annotations

import time
import typing as t

from .._core import baseline as _baseline
from .._core.baseline import Baseline, Record
from .._core.state import Deployment, Entry, Tenant
from .errors import NodeError
from .node import Node
from .probe_kinds import Context
from .probes import Prober

SECONDS = 10.0
"""Longest time that the versions that still run are measured, all together; one request more at most."""
_LOOKS = ("gpu", "devices", "reachability")


def phases(deployment: Deployment) -> t.List[t.Mapping[str, t.Any]]:
    return list(deployment.spec["probes"].values())


def contexts(node: Node, tenant: Tenant, entries: t.Sequence[Entry], waived: str = "") -> t.Dict[str, Context]:
    """For each workload that gets a new version, what its probes compare with. It never fails.

    :param waived: why the new versions are compared with no other, such as the way back to a version that was good enough.
    """
    new = {entry.name: entry for entry in entries if entry.new is not None}
    before = _look(node, [phase for entry in new.values() if entry.new for phase in phases(entry.new)])
    until = time.monotonic() + SECONDS
    return {
        name: Context(
            baseline=Baseline(waived=waived) if waived else _of(node, tenant, entry, until),
            before=before if entry.new and any(set(_LOOKS) & set(phase) for phase in phases(entry.new)) else {},
            gpus=tuple(gpu["id"] for gpu in entry.new.gpus) if entry.new else (),
            paths=node.paths,
        )
        for name, entry in new.items()
    }


def _look(node: Node, found: t.Sequence[t.Mapping[str, t.Any]]) -> t.Dict[str, t.Any]:
    if not any(set(_LOOKS) & set(phase) for phase in found):
        return {}
    from . import node_watch  # pylint: disable=import-outside-toplevel # see probe_kinds

    return dict(node_watch.before(node.paths, found), boot=node.boot_id())


def _of(node: Node, tenant: Tenant, entry: Entry, until: float) -> Baseline:
    """The approved numbers; what they lack is measured of the version that still runs."""
    workload = tenant.workloads.get(entry.name)
    approved = dict(workload.baseline) if workload is not None else {}
    old: t.Dict[str, float] = {}
    unknown: t.Set[str] = set()
    for phase in phases(entry.new) if entry.new is not None else ():
        for kind in ("metric", "inference"):
            key = _baseline.compared(phase[kind], kind) if kind in phase else ""
            if not key or entry.old is None or {key} & (set(approved) | set(old)):
                continue
            found = _measure(node, entry.old, kind, phase[kind], until).get(key)
            if found is None:
                unknown.add(key)
            else:
                old[key] = found
    return Baseline(approved, old, frozenset(unknown - set(old)))


def _measure(
    node: Node, old: Deployment, kind: str, probe: t.Mapping[str, t.Any], until: float
) -> t.Mapping[str, float]:
    """The numbers that this probe finds on the version that still runs; none where that does not work."""
    left = until - time.monotonic()
    if left <= 0:
        return {}
    # Right or wrong, fast or slow is not the question here.
    free = {key: value for key, value in probe.items() if "ratio" not in key and not key.startswith(("max", "min"))}
    free.update(timeout=min(probe["timeout"], left), max_wrong=1.0)
    record = Record()
    try:
        Prober(node.engine, old.container, {kind: free}, Context(record=record)).once(remember=False, until=until)
    except (NodeError, OSError, ValueError):
        return {}
    return record.last()
