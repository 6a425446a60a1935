# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds of people, and taking away what holds a change back. Works with no link: it is all on the node."""

from __future__ import annotations

import os
import re
import typing as t

from .._core.names import NAME
from . import files, ledger, waiting
from .errors import NodeError
from .node import Node

_BEFORE_THE_SWAP = ("admit", "fetch", "verify", "hold")
_SCOPE = re.compile(f"{NAME}/{NAME}")


def hold(node: Node, scope: str, reason: str, who: str) -> None:
    holds = [item for item in node.store.holds() if item["scope"] != scope or item.get("blocked")]
    node.store.save_holds([*holds, {"scope": scope, "reason": reason, "who": who}])
    ledger.note(node.paths, "hold", scope=scope, reason=reason, who=who)


def release(node: Node, scope: str, who: str, now: bool = False) -> t.List[str]:
    """Takes away what holds changes of this scope back, writes it down, and returns a line for each.

    A hold; of one workload, its update lock too; with `now`, the wait of the change that is under way.

    :raises NodeError: state, where there is no change that could go on now; nothing was taken away then.
    """
    change = _under_way(node, scope) if now else {"id": ""}
    what, lines = [], []
    if _take_hold(node, scope):
        what.append("hold")
        lines.append(f"released: {scope}")
    if _SCOPE.fullmatch(scope) and _take_lock(node, *scope.split("/")):
        what.append("lock")
        lines.append(f"unlocked: {scope}; the application may lock it again")
    if now:
        files.write_json(node.paths.go_ahead(*scope.split("/")), {**change, "who": who})
        what.append("now")
        lines.append(f"the change under way does not wait for {scope} any longer")
    if what:
        try:
            ledger.append(node.paths, "release", scope=scope, what=what, who=who, id=change["id"])
        except NodeError as exc:
            lines.append(f"not written down: {exc.message}")
    return lines or [f"'{scope}' was not held"]


def covering(node: Node, scope: str) -> t.List[t.Dict[str, t.Any]]:
    """The holds that still hold this scope back."""
    return [item for item in node.store.holds() if item["scope"] in ("all", scope, scope.partition("/")[0])]


def block(node: Node, scope: str, reason: str, who: str) -> bool:
    """A hold that no `edge release` takes away, and for which nothing is fetched either; False where it is so."""
    holds = node.store.holds()
    wanted = {"scope": scope, "reason": reason, "who": who, "blocked": True}
    if wanted in holds:
        return False
    node.store.save_holds([*(item for item in holds if not (item["scope"] == scope and item.get("blocked"))), wanted])
    return True


def unblock(node: Node, scope: str) -> bool:
    holds = node.store.holds()
    left = [item for item in holds if not (item["scope"] == scope and item.get("blocked"))]
    if len(left) == len(holds):
        return False
    node.store.save_holds(left)
    return True


def refuse_blocked(node: Node, tenant: str) -> None:
    """:raises NodeError: blocked, where this tenant, or the node, was cut off."""
    for item in node.store.holds():
        if item.get("blocked") and item["scope"] in ("all", tenant):
            what = "this node" if item["scope"] == "all" else f"tenant {tenant}"
            raise NodeError(
                "blocked",
                f"{what} is blocked by {item['who']}: {item['reason']}: the playbook block with block_state=absent, or "
                f"`edge unblock {item['scope']}`, lets it in again",
            )


def _take_hold(node: Node, scope: str) -> bool:
    holds = node.store.holds()
    left = [item for item in holds if scope not in ("every", item["scope"]) or item.get("blocked")]
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


def _under_way(node: Node, scope: str) -> t.Dict[str, str]:
    """`id` of what waits for this workload; where a change and a rotation of secrets do, also that `rotation`."""
    tenant, dummy, workload = scope.partition("/")
    rotation = ""
    for item in waiting.rotations(node.paths):
        if item["tenant"] == tenant and workload in [row["workload"] for row in item["waiting"]]:
            rotation = item["id"]
    try:
        change = _change_under_way(node, scope)
    except NodeError:
        if not rotation:
            raise
        return {"id": rotation}
    return {"id": change, "rotation": rotation} if rotation else {"id": change}


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
