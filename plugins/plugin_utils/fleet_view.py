# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs where on a fleet, also of nodes that do not answer: of those, what was collected last, and how old it is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from . import doctor, windows
from .table import aligned

SCHEMA = 1
RESULT = "status_result"
"""The variable of each host that holds what the module workload_info returned."""

RUNNING, NOT_RUNNING, PENDING, HELD = "running", "NOT RUNNING", "pending", "held"
REFUSED, UNDER_WAY, OFFLINE = "refused", "under way", "offline"
UNKNOWN, NOTHING, NOT_PROVISIONED = "unknown", "nothing deployed", "not provisioned"
ANSWERED = "answered"

STATES = (NOT_RUNNING, UNKNOWN, OFFLINE, NOT_PROVISIONED, REFUSED, HELD, PENDING, UNDER_WAY, NOTHING, RUNNING)
"""Every state of a row, what wants a person's eye first."""

Facts = dict[str, Any]
_HEAD = ("SITE", "RING", "HOST", "WORKLOAD", "RELEASE", "DIGEST", "STATE", "LAST OUTCOME", "AGE", "NOTE")


def clean(value: Any, limit: int = 300) -> str:
    """Text from a node, on one line and without what a terminal would obey."""
    text = " ".join(str(value if value is not None else "").split())
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= limit else text[: limit - 4] + " ..."


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def brief(status: Any) -> Facts:
    """Of what workload_info returned, what is worth keeping: no log lines, and nothing of a moment."""
    found = _map(status)
    changes = _rows(found.get("changes")) or _rows([found.get("change")])
    return {
        "installed": bool(found.get("installed", bool(found))),
        "engine": clean(found.get("engine") or "unknown"),
        "tenants": {clean(name): _tenant(item) for name, item in sorted(_map(found.get("tenants")).items())},
        "holds": [
            {key: clean(item.get(key)) for key in ("scope", "who", "reason")} for item in _rows(found.get("holds"))
        ],
        "changes": [{key: clean(item.get(key)) for key in ("tenant", "release", "step")} for item in changes if item],
    }


def _tenant(tenant: Any) -> Facts:
    last, found = _map(_map(tenant).get("last")), _map(_map(tenant).get("workloads"))
    classes = _map(last.get("workloads"))
    return {
        "release": clean(_map(tenant).get("release")),
        "pending": bool(_map(tenant).get("pending")),
        "last": {key: clean(last[key]) for key in ("id", "release", "class", "cause", "msg") if key in last},
        "workloads": {
            clean(name): _workload(_map(row), _map(classes.get(name)).get("class"))
            for name, row in sorted(found.items())
        },
    }


def _workload(row: Mapping[str, Any], outcome: Any) -> Facts:
    running = row.get("running")
    return {
        "current": _version(row.get("current")),
        "previous": _version(row.get("previous")),
        "running": running if isinstance(running, bool) else None,
        "outcome": clean(outcome),
        "refused": [
            {key: clean(item.get(key)) for key in ("release", "digest", "cause", "reason")}
            for item in _rows(row.get("refused"))
        ],
    }


def _version(value: Any) -> Facts | None:
    return {key: clean(value.get(key)) for key in ("release", "digest")} if isinstance(value, Mapping) else None


def view(
    hostvars: Mapping[str, Any], hosts: Sequence[str], collected: Mapping[str, Any], now: datetime | None = None
) -> Facts:
    """`hosts`, `rows`, `counts` and the same as `lines` of a table.

    :param collected: what was collected of each host: `time` and `status`.
    """
    moment = now or datetime.now(UTC)
    found: dict[str, Facts] = {}
    rows: list[Facts] = []
    for host in hosts:
        facts, own = _host(hostvars[host], _map(collected.get(host)), moment)
        found[host] = facts
        rows += [{"host": host, **{key: facts[key] for key in ("site", "ring", "age_seconds")}, **row} for row in own]
    rows.sort(key=lambda row: (row["site"], row["host"], row["tenant"], row["workload"]))
    whole: Facts = {
        "schema": SCHEMA,
        "time": moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "hosts": found,
        "rows": rows,
        "counts": _counts(found, rows),
    }
    return {**whole, "lines": lines(whole)}


def _counts(hosts: Mapping[str, Facts], rows: Sequence[Facts]) -> Facts:
    states = Counter(item["state"] for item in hosts.values())
    return {
        "hosts": len(hosts),
        "sites": len({item["site"] for item in hosts.values()}),
        "by_host": {state: states[state] for state in (ANSWERED, OFFLINE, UNKNOWN, NOT_PROVISIONED) if states[state]},
        "by_state": {state: count for state in STATES if (count := sum(row["state"] == state for row in rows))},
    }


def _host(variables: Mapping[str, Any], known: Mapping[str, Any], now: datetime) -> tuple[Facts, list[Facts]]:
    result = variables.get(RESULT)
    silent = doctor.silence(result)
    facts: Facts = {
        "site": clean(variables.get("edge_site")),
        "ring": clean(variables.get("edge_ring")),
        "state": ANSWERED,
        "age_seconds": 0,
        "reason": "",
    }
    if not silent and isinstance(result, Mapping) and "tenants" in result and not result.get("failed"):
        status = brief(result)
        if not status["installed"]:
            facts["state"] = NOT_PROVISIONED
        rows = [_waits(row, variables, now) for row in workloads(status)]
    else:
        facts["state"] = OFFLINE if silent else UNKNOWN
        facts["reason"] = clean(
            silent or (doctor.reason(result) if isinstance(result, Mapping) else "it was not asked")
        )
        facts["age_seconds"] = _age(known.get("time"), now)
        status = brief(known.get("status"))
        rows = [_aside(row, facts) for row in workloads(status)] if known else [_aside(_row("-", "-"), facts)]
    facts.update(engine=status["engine"], holds=status["holds"], change=next(iter(status["changes"]), None))
    return facts, rows


def _waits(row: Facts, variables: Mapping[str, Any], now: datetime) -> Facts:
    """What is pending while the site's window is closed says when it opens, in the site's own time."""
    window = variables.get("edge_swap_window") if row["state"] == PENDING else None
    if not window:
        return row
    name = str(variables.get("edge_timezone") or "UTC")
    try:
        opens = windows.next_open(window, name, now)
        words = opens.astimezone(windows.zone(name)).strftime("%a %d %b %H:%M") + f" {name}"
    except windows.WindowError as exc:
        words = str(exc)
    else:
        if opens <= now:
            return row
    return {**row, "note": "; ".join(part for part in (row["note"], f"the swap window opens {clean(words)}") if part)}


def _age(time: Any, now: datetime) -> int | None:
    try:
        then = datetime.fromisoformat(str(time))
    except ValueError:
        return None
    if then.tzinfo is None:
        return None
    return max(0, round((now - then).total_seconds()))


def _aside(row: Facts, facts: Mapping[str, Any]) -> Facts:
    """A row that nobody could look at now: its state is that, and what it was is a note."""
    was = f"last known: {row['state']}" if row["state"] else "never collected"
    return {**row, "was": row["state"], "state": facts["state"], "note": "; ".join([was, facts["reason"]])}


def _row(tenant: str, workload: str, state: str = "", note: str = "") -> Facts:
    return {
        "tenant": tenant,
        "workload": workload,
        "release": "",
        "digest": "",
        "state": state,
        "was": "",
        "outcome": "",
        "note": note,
    }


def workloads(status: Mapping[str, Any]) -> Iterator[Facts]:
    """A row for each workload of a node; one row that says so where there is none."""
    if not status["installed"]:
        yield _row("-", "-", NOT_PROVISIONED, "run the playbook provision")
        return
    empty = True
    for name, tenant in status["tenants"].items():
        for key, item in tenant["workloads"].items():
            empty = False
            state, note = _state(status, name, key)
            current = item["current"] or {}
            yield {
                **_row(name, key, state, note),
                "release": current.get("release", ""),
                "digest": current.get("digest", "").removeprefix("sha256:")[:12],
                "outcome": item["outcome"] or tenant["last"].get("class", ""),
            }
        if not tenant["workloads"] and tenant["last"]:
            empty = False
            yield {
                **_row(name, "-", NOTHING, tenant["last"].get("msg", "")),
                "outcome": tenant["last"].get("class", ""),
            }
    if empty:
        yield _row("-", "-", NOTHING)


def _state(status: Mapping[str, Any], tenant: str, workload: str) -> tuple[str, str]:
    """The state of a workload and what is worth a word. What is wrong now goes before what is wanted next."""
    found = status["tenants"][tenant]
    item, last = found["workloads"][workload], found["last"]
    change = next((item for item in status["changes"] if item["tenant"] == tenant), None)
    if change:
        what = f"release {change['release']}" if change["release"] else "other secrets"
        return UNDER_WAY, f"{what}, at step {change['step']}"
    if item["current"] and item["running"] is None:
        return UNKNOWN, f"engine: {status['engine']}"
    if item["current"] and not item["running"]:
        return NOT_RUNNING, f"see `edge why {tenant}` and `edge logs {tenant}/{workload}` at the node"
    where = "" if item["current"] else "never ran; "
    hold = next((hold for hold in status["holds"] if hold["scope"] in ("all", tenant, f"{tenant}/{workload}")), None)
    if hold:
        return HELD, f"{where}by {hold['who']}: {hold['reason']}"
    # What was refused counts as long as it is what the last change wanted.
    refused = next((entry for entry in reversed(item["refused"]) if entry["release"] == last.get("release")), None)
    if refused and last.get("release") != (item["current"] or {}).get("release"):
        return REFUSED, f"{where}release {refused['release']} ({refused['cause']}): {refused['reason']}"
    if found["pending"] or (item["outcome"] or last.get("class")) == "held" or not item["current"]:
        return PENDING, f"{where}{last.get('msg', '')}"
    return RUNNING, ""


def lines(found: Mapping[str, Any]) -> list[str]:
    """The view for a person: a row for each workload, and one line that says it all."""
    return [*aligned([_HEAD, *(_cells(row) for row in found["rows"])]), verdict(found)]


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    scope = f"{row['tenant']}/{row['workload']}" if row["tenant"] != "-" else "-"
    words = (row["site"], row["ring"], row["host"], scope, row["release"], row["digest"], row["state"], row["outcome"])
    return (*(word or "-" for word in words), age_text(row["age_seconds"]), clean(row["note"], 110))


def age_text(seconds: int | None) -> str:
    """`now`, `5m`, `3h 12m`, `2d 4h`."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds}s" if seconds else "now"
    if seconds < 3600:
        return f"{seconds // 60}m"
    if seconds < 86400:
        return f"{seconds // 3600}h {seconds % 3600 // 60}m"
    return f"{seconds // 86400}d {seconds % 86400 // 3600}h"


def verdict(found: Mapping[str, Any]) -> str:
    counts = found["counts"]
    hosts = ", ".join(f"{count} {state}" for state, count in counts["by_host"].items()) or "none"
    states = ", ".join(f"{count} {state}" for state, count in counts["by_state"].items()) or "none"
    return f"fleet: {counts['hosts']} nodes at {counts['sites']} sites ({hosts}); workloads: {states}"
