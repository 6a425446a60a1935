# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must change on a node: the declared set of a tenant against what the node remembers and what runs.

Pure: the same answer for check mode, diff mode and the change itself.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from . import models as _models
from . import spec as _spec
from .state import Deployment, Refusal, State, Tenant

KEEP, SWAP, SWITCH, REPAIR, REMOVE = "keep", "swap", "switch", "repair", "remove"


@dataclass(frozen=True)
class Change:
    """One workload: `swap` brings a new specification, `switch` only other models to the container that runs, `repair`
    brings the current one back, `remove` ends it."""

    name: str
    action: str
    old: t.Optional[Deployment] = None
    spec: t.Optional[dict] = None
    spec_digest: str = ""


@dataclass(frozen=True)
class Plan:
    """`signer` is who signed for it, as the node found."""

    tenant: str
    release: str
    changes: t.Tuple[Change, ...]
    refused: t.Tuple[t.Tuple[str, Refusal], ...]
    conflict: str
    undeclared: t.Tuple[str, ...]
    new_release: bool
    signer: t.Mapping[str, str] = field(default_factory=dict)

    @property
    def todo(self) -> t.Tuple[Change, ...]:
        return tuple(change for change in self.changes if change.action != KEEP)

    @property
    def changed(self) -> bool:
        return bool(self.todo) or self.new_release

    def diff(self) -> t.Dict[str, t.Any]:
        """before and after of what changes, as data; values that may be secret are left out."""
        before: t.Dict[str, t.Any] = {}
        after: t.Dict[str, t.Any] = {}
        for change in self.todo:
            if change.old is not None:
                before[change.name] = _shown(change.old.spec)
            if change.action == REPAIR and change.old is not None:
                before[change.name] = "not running"
                after[change.name] = "running"
            elif change.spec is not None:
                after[change.name] = _shown(change.spec)
                _mark_hidden(change, after)
        return {"before": before, "after": after}


def _shown(spec: dict) -> dict:
    return _spec.redact(spec)


def _mark_hidden(change: Change, after: t.Dict[str, t.Any]) -> None:
    """Says which hidden values change, without showing them."""
    old, new = (change.old.spec if change.old else {}), change.spec or {}
    for key, value in new.get("env", {}).items():
        if old and old.get("env", {}).get(key) != value:
            after[change.name]["env"][key] = "(changed, not shown)"
    old_files = {item["path"]: item for item in old.get("files", [])}
    for item in after[change.name]["files"]:
        new_item = next(entry for entry in new["files"] if entry["path"] == item["path"])
        if old and old_files.get(item["path"], {}).get("content") != new_item["content"]:
            item["content"] = "(changed, not shown)"


def _change(name: str, spec: dict, current: t.Optional[Deployment], running: t.Collection[str]) -> Change:
    spec_digest = _spec.digest(spec)
    if current is None or current.spec_digest != spec_digest:
        kept = current is not None and current.container in running and _models.switchable(current.spec, spec)
        return Change(name, SWITCH if kept else SWAP, current, spec, spec_digest)
    action = KEEP if current.container in running else REPAIR
    return Change(name, action, current, spec, spec_digest)


def _removals(tenant: Tenant, declared: t.Collection[str]) -> t.List[str]:
    return [
        name for name, item in sorted(tenant.workloads.items()) if item.current is not None and name not in declared
    ]


def plan(
    state: State,
    tenant: str,
    release: str,
    release_digest: str,
    specs: t.Sequence[dict],
    running: t.Collection[str],
    remove_undeclared: bool = False,
    force: bool = False,
) -> Plan:
    """:param running: names of the containers that run now.
    :param force: try again what was refused before, and accept other content for a version that is known.
    """
    have = state.tenants.get(tenant, Tenant())
    changes: t.List[Change] = []
    refused: t.List[t.Tuple[str, Refusal]] = []
    for spec in specs:
        workload = have.workloads.get(spec["name"])
        change = _change(spec["name"], spec, workload.current if workload else None, running)
        refusal = workload.refusal(change.spec_digest) if workload else None
        if change.action in (SWAP, SWITCH) and refusal is not None and not force:
            refused.append((change.name, refusal))
        changes.append(change)
    undeclared = _removals(have, [spec["name"] for spec in specs])
    if remove_undeclared:
        changes = [Change(name, REMOVE, have.workloads[name].current) for name in undeclared] + changes
    known = have.releases.get(release, "")
    conflict = ""
    if known and release_digest and known != release_digest and not force:
        conflict = f"release {release} of tenant {tenant} was here before with other content ({known[:19]}, now {release_digest[:19]}): give it a new version"
    return Plan(
        tenant=tenant,
        release=release,
        changes=tuple(changes),
        refused=tuple(refused),
        conflict=conflict,
        undeclared=tuple(undeclared),
        new_release=have.release != release or (bool(release_digest) and known != release_digest),
    )
