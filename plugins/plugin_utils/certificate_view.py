# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of a fleet: who has what, from whom, until when, and what is wrong."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.physical_ai.edge.plugins.plugin_utils import table

HEAD = ("HOST", "CERTIFICATE", "ISSUER", "ENDS", "DAYS LEFT", "RENEWED", "STATE")


def view(hostvars: Mapping[str, Any], hosts: Sequence[str]) -> dict[str, Any]:
    """
    :return: `rows` for programs, `lines` for a terminal, those that end first on top, and `problems`, a line for each certificate that
        ran out or could not be renewed.
    """
    rows: list[dict[str, Any]] = []
    silent: list[str] = []
    for host in hosts:
        found = hostvars[host].get("certificates_found") or {}
        if "certificates" not in found:
            silent.append(host)
        for item in found.get("certificates", ()):
            rows.append({"host": str(host), **{str(key): value for key, value in item.items()}})
    rows.sort(key=lambda row: ((row["installed"] or {}).get("not_after", 0), row["host"], row["name"]))
    lines = list(table.aligned([HEAD, *map(_cells, rows)])) if rows else ["no node has a certificate"]
    lines += [f"{host}: could not be asked" for host in silent]
    return {"rows": rows, "lines": lines, "problems": [line for line in map(_problem, rows) if line]}


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    found = row["installed"] or {}
    when = "now" if row["due"] else _day(row["renews_at"])
    state = row["problem"] or row["reason"]
    return (
        row["host"],
        row["name"],
        found.get("issuer", "-"),
        _day(found.get("not_after")),
        f"{found['days_left']:g}" if found else "-",
        when,
        state + (f" (clock {row['clock']})" if row["clock"] == "doubtful" else ""),
    )


def _day(when: float | None) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(when)) if when else "-"


def _problem(row: Mapping[str, Any]) -> str:
    found, name = row["installed"], f"{row['host']}/{row['name']}"
    if row["problem"]:
        return f"{name}: {row['problem']}"
    if found is None:
        return f"{name}: there is none yet: run the playbook rotate_certificates"
    # A clock in doubt says nothing about what ran out.
    if not found["valid"] and row["clock"] != "doubtful":
        return f"{name}: ran out, or begins later: run the playbook rotate_certificates"
    return ""
