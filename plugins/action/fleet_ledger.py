# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what nodes returned into a directory on the controller; documented by the module of the same name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.physical_ai.edge.plugins.plugin_utils import doctor
from ansible_collections.physical_ai.edge.plugins.plugin_utils.collection import Collection, CollectionError

SPEC: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "hosts": {"type": "list", "elements": "str", "required": True},
    "result": {"type": "str", "default": "ledger_result"},
    "commit": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Runs in the controller's own process: the ledgers of a fleet need not pass through the arguments of a module."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        dummy, args = self.validate_argument_spec(argument_spec=SPEC)
        check = bool(self._task.check_mode)
        try:
            return {**result, **collect(args, (task_vars or {})["hostvars"], check)}
        except CollectionError as exc:
            return {**result, "failed": True, "msg": str(exc)}


def collect(args: Mapping[str, Any], hostvars: Mapping[str, Any], check: bool) -> dict[str, Any]:
    collection = Collection(args["path"], write=not check)
    hosts: dict[str, dict[str, Any]] = {}
    now = datetime.now(UTC)
    for host in args["hosts"]:
        found = hostvars[host].get(args["result"])
        reason = unanswered(found)
        hosts[host] = {"reason": reason} if reason else collection.take(host, hostvars[host], found, now)
    changed = any(item.get("changed") for item in hosts.values())
    lines = [*summary(hosts, str(collection.path))]
    if args["commit"] and changed and not check:
        lines.append(collection.commit(message(hosts)))
    return {"changed": changed, "hosts": hosts, "lines": lines}


def unanswered(found: Any) -> str:
    """Why there is nothing to collect of a node, or nothing where there is."""
    silent = doctor.silence(found)
    if silent:
        return f"unreachable ({silent})"
    if not isinstance(found, Mapping) or "entries" not in found or found.get("failed"):
        return "could not be asked" + (f" ({doctor.reason(found)})" if isinstance(found, Mapping) else "")
    return ""


def summary(hosts: Mapping[str, Mapping[str, Any]], path: str) -> list[str]:
    answered = {host: item for host, item in hosts.items() if not item.get("reason")}
    new = sum(item["new"] for item in answered.values())
    lines = [f"{host}: {item['said']}" for host, item in answered.items() if item["said"]]
    lines += [
        f"{host}: {item['reason']}; what was collected of it stays"
        for host, item in hosts.items()
        if item.get("reason")
    ]
    return [*lines, f"collected {new} new entries of {len(answered)} of {len(hosts)} nodes into {path}"]


def message(hosts: Mapping[str, Mapping[str, Any]]) -> str:
    news = {host: item for host, item in hosts.items() if item.get("changed")}
    rows = "\n".join(
        f"{host}: {item['new']} new entries, up to {item['sequence']}" for host, item in sorted(news.items())
    )
    return f"Collect the ledgers of {len(news)} nodes\n\n{rows}\n"
