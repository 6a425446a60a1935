# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds of people, and taking away what holds a change back. Works with no link: it is all on the node."""

from __future__ import annotations

import os
import re
import typing as t

from .._core.spec_fields import NAME
from . import files, ledger, waiting
from .errors import NodeError
from .node import Node

_BEFORE_THE_SWAP = ("admit", "fetch", "verify", "hold")
_SCOPE = re.compile(f"{NAME}/{NAME}")


def hold(node: Node, scope: str, reason: str, who: str) -> None:
    holds = [item for item in node.store.holds() if item["scope"] != scope]
    node.store.save_holds([*holds, {"scope": scope, "reason": reason, "who": who}])
    ledger.note(node.paths, "hold", scope=scope, reason=reason, who=who)


def release(node: Node, scope: str, who: str, now: bool = False) -> t.List[str]:
    """Takes away what holds changes of this scope back, writes it down, and returns a line for each.

    A hold; of one workload, its update lock too; with `now`, the wait of the change that is under way.

    :raises NodeError: state, where there is no change that could go on now; nothing was taken away then.
    """
    change = _change_under_way(node, scope) if now else ""
    what, lines = [], []
    if _take_hold(node, scope):
        what.append("hold")
        lines.append(f"released: {scope}")
    if _SCOPE.fullmatch(scope) and _take_lock(node, *scope.split("/")):
        what.append("lock")
        lines.append(f"unlocked: {scope}; the application may lock it again")
    if now:
        files.write_json(node.paths.go_ahead(*scope.split("/")), {"id": change, "who": who})
        what.append("now")
        lines.append(f"the change under way does not wait for {scope} any longer")
    if what:
        try:
            ledger.append(node.paths, "release", scope=scope, what=what, who=who, id=change)
        except NodeError as exc:
            lines.append(f"not written down: {exc.message}")
    return lines or [f"'{scope}' was not held"]


def covering(node: Node, scope: str) -> t.List[t.Dict[str, t.Any]]:
    """The holds that still hold this scope back."""
    return [item for item in node.store.holds() if item["scope"] in ("all", scope, scope.partition("/")[0])]


def _take_hold(node: Node, scope: str) -> bool:
    holds = node.store.holds()
    left = [item for item in holds if scope not in ("every", item["scope"])]
    if len(left) == len(holds):
        return False
    node.store.save_holds(left)
    return True


def _take_lock(node: Node, tenant: str, workload: str) -> bool:
    path = node.paths.update_lock(tenant, workload)
    if not os.path.lexists(path):
        return False
    if os.path.isdir(path) and not os.path.islink(path):
        files.remove_tree(path)
    else:
        node.forget_lock(tenant, workload)
    if os.path.lexists(path):
        raise NodeError("state", f"{path} cannot be removed; look at it")
    return True


def _change_under_way(node: Node, scope: str) -> str:
    """The change that waits, or will wait, for this workload."""
    tenant, dummy, workload = scope.partition("/")
    if not _SCOPE.fullmatch(scope):
        raise NodeError("state", f"found '{scope}', wanted TENANT/WORKLOAD: `--now` is said of one workload")
    state = node.store.load()
    waits = {item.tenant: item for item in waiting.waiting(node.paths, state)}
    journal = waits.get(tenant, state.journal)
    if journal is None or journal.tenant != tenant or workload not in [entry.name for entry in journal.entries]:
        raise NodeError("state", f"there is no change of {scope} under way, so nothing waits: `edge status` shows it")
    if journal.step not in _BEFORE_THE_SWAP:
        raise NodeError("state", f"the change of {scope} does not wait any longer: it is at step {journal.step}")
    return journal.id
