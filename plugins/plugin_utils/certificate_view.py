# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of a fleet: who has what, from whom, until when, and what is wrong."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.physical_ai.edge.plugins.plugin_utils import table

DOUBTFUL = "doubtful"
HEAD = ("HOST", "CERTIFICATE", "ISSUER", "ENDS", "DAYS LEFT", "RENEWED", "STATE")


def view(hostvars: Mapping[str, Any], hosts: Sequence[str]) -> dict[str, Any]:
    """
    :return: `rows` for programs, `lines` for a terminal, those that end first on top, `silent` for hosts that could not be asked, and
        `problems`, a line for each certificate that ran out or could not be renewed.
    """
    rows: list[dict[str, Any]] = []
    silent: list[str] = []
    for host in hosts:
        found = hostvars[host].get("certificates_found") or {}
        if "certificates" not in found:
            silent.append(str(host))
        for item in found.get("certificates", ()):
            row = {str(key): value for key, value in item.items() if key not in ("definition", "wanted", "stale")}
            row.update(host=str(host), site=str(hostvars[host].get("edge_site") or ""))
            rows.append({**row, "wrong": problem(row)})
    rows.sort(key=lambda row: ((row["installed"] or {}).get("not_after", 0), row["host"], row["name"]))
    lines = list(table.aligned([HEAD, *map(_cells, rows)])) if rows else ["no node has a certificate"]
    lines += [f"{host}: could not be asked" for host in silent]
    return {
        "rows": rows,
        "lines": lines,
        "silent": silent,
        "problems": [f"{row['host']}/{row['name']}: {row['wrong']}" for row in rows if row["wrong"]],
    }


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    found = row["installed"] or {}
    return (
        row["host"],
        row["name"],
        found.get("issuer", "-"),
        day(found.get("not_after")),
        f"{found['days_left']:g}" if found else "-",
        renewed(row),
        state(row),
    )


def renewed(row: Mapping[str, Any]) -> str:
    return "now" if row["due"] else day(row["renews_at"])


def state(row: Mapping[str, Any]) -> str:
    return (row["problem"] or row["reason"]) + (" (clock doubtful)" if row["clock"] == DOUBTFUL else "")


def day(when: float | None) -> str:
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(when)) if when else "-"
    except (OverflowError, ValueError, OSError):
        return "-"


def problem(row: Mapping[str, Any]) -> str:
    """What is wrong, and what to do."""
    found = row["installed"]
    if row["problem"]:
        return str(row["problem"])
    if found is None:
        return "there is none yet: run the playbook rotate_certificates"
    if row.get("revoked"):
        return "is revoked: run the playbook rotate_certificates, or cut the node off for good"
    # A clock in doubt says nothing about what ran out.
    if not found["valid"] and row["clock"] != DOUBTFUL:
        return "ran out, or begins later: run the playbook rotate_certificates"
    return ""
