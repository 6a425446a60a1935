# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One report of what the doctor found on a fleet: also of the nodes that could not be asked, and of why."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

RESULT = "doctor_result"
"""The variable of each host that holds what its doctor returned."""
HEALTHY, WARNINGS, FAILURES = 0, 1, 2
WIDTH = 110

Finding = dict[str, str]


def report(hostvars: Mapping[str, Any], hosts: Sequence[str]) -> dict[str, Any]:
    """`failures`, `warnings`, `hosts` (how each was found), `not_checked` by host, and the `exit_code`."""
    found: list[Finding] = []
    states: dict[str, str] = {}
    not_checked: dict[str, list[dict[str, str]]] = {}
    silent = {host: silence(hostvars[host].get(RESULT)) for host in hosts}
    for host in hosts:
        result = hostvars[host].get(RESULT)
        if silent[host]:
            states[host] = "unreachable"
        elif not isinstance(result, Mapping) or "findings" not in result:
            states[host] = "unknown"
            found.append(_not_asked(host, result))
        else:
            findings = [_finding(host, item) for item in result["findings"]]
            states[host] = _word(findings)
            found += findings
            not_checked[host] = [dict(item) for item in result.get("not_checked", [])]
    found += _unreachable(hostvars, {host: words for host, words in silent.items() if words})
    failures = [item for item in found if item["severity"] == "failure"]
    warnings = [item for item in found if item["severity"] != "failure"]
    whole = {
        "failures": failures,
        "warnings": warnings,
        "hosts": states,
        "not_checked": not_checked,
        "exit_code": FAILURES if failures else WARNINGS if warnings else HEALTHY,
    }
    return {**whole, "lines": lines(whole)}


def _word(findings: Sequence[Finding]) -> str:
    severities = {item["severity"] for item in findings}
    return "failure" if "failure" in severities else "warning" if severities else "healthy"


def _finding(host: str, item: Mapping[str, Any]) -> Finding:
    keys = ("check", "severity", "where", "found", "wanted", "do")
    return {"host": host, **{key: _line(item.get(key)) for key in keys}}


def _line(value: Any) -> str:
    return " ".join(str(value if value is not None else "").split())


def silence(result: Any) -> str:
    """Why a node did not answer, or nothing where it did."""
    if not isinstance(result, Mapping):
        return ""
    if result.get("unreachable"):
        return reason(result) or "no connection"
    if result.get("timedout"):
        return "it took the connection and did not answer in time"
    return ""


def reason(result: Mapping[str, Any]) -> str:
    """Ansible and ssh say much; the cause is what ssh says, at the end."""
    words = _line(result.get("msg"))
    for mark in ("ssh: connect to ", "Failed to connect to the host via ssh: ", "Task failed: "):
        if mark in words:
            words = words.rpartition(mark)[2]
            break
    return textwrap.shorten(words, 200, placeholder=" ...")


def _not_asked(host: str, result: Any) -> Finding:
    said = reason(result) if isinstance(result, Mapping) else "no result"
    return {
        "host": host,
        "check": "doctor",
        "severity": "failure",
        "where": host,
        "found": f"the doctor could not look: {said}",
        "wanted": "root, and Python 3.8 or later",
        "do": f"see `ansible {host} -m ansible.builtin.ping --become`",
    }


def _unreachable(hostvars: Mapping[str, Any], silent: Mapping[str, str]) -> Iterator[Finding]:
    """A gateway that is silent is the cause of what is silent behind it, and is said once."""
    behind: dict[str, list[str]] = {}
    for host in silent:
        behind.setdefault(_gateway(hostvars, host), []).append(host)
    for host in (host for host in silent if _gateway(hostvars, host) == host):
        yield _gateway_finding(hostvars, host, silent[host], [item for item in behind[host] if item != host])
    for gateway, hosts in behind.items():
        if gateway in silent:
            continue
        for host in hosts:
            yield _node_finding(host, silent[host], gateway, gateway in hostvars and _answered(hostvars, gateway))


def _gateway(hostvars: Mapping[str, Any], host: str) -> str:
    value = hostvars[host].get("edge_gateway")
    return str(value) if value else ""


def _answered(hostvars: Mapping[str, Any], host: str) -> bool:
    result = hostvars[host].get(RESULT)
    return isinstance(result, Mapping) and not silence(result)


def _gateway_finding(hostvars: Mapping[str, Any], host: str, said: str, nodes: Sequence[str]) -> Finding:
    site = _line(hostvars[host].get("edge_site"))
    what = f"the gateway of {site}" if site else "the gateway"
    beyond = f"; behind it: {', '.join(nodes)}" if nodes else ""
    return {
        "host": host,
        "check": "gateway",
        "severity": "failure",
        "where": site or host,
        "found": f"{what} is unreachable{beyond} ({said})",
        "wanted": "a gateway that answers ssh",
        "do": "check the site's link and power, then the gateway itself; the nodes behind it go on serving and were not looked at",
    }


def _node_finding(host: str, said: str, gateway: str, gateway_answers: bool) -> Finding:
    do = "check its power and its cable"
    if gateway:
        do += (
            f"; its gateway {gateway} answers"
            if gateway_answers
            else f"; its gateway {gateway} was not asked: look at it first"
        )
    return {
        "host": host,
        "check": "reachable",
        "severity": "failure",
        "where": host,
        "found": f"the node is unreachable ({said})",
        "wanted": "a node that answers ssh",
        "do": do,
    }


def lines(found: Mapping[str, Any]) -> list[str]:
    """The report for a person: a row for each finding, with what to do below it."""
    findings = [*found["failures"], *found["warnings"]]
    rows = [
        ("HOST", "CHECK", "", "FOUND"),
        *((item["host"], item["check"], item["severity"], _said(item)) for item in findings),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    shown: list[str] = []
    for row, item in zip(rows, [None, *findings], strict=True):
        if item is None and not findings:
            continue
        head = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) + "  "
        shown.append(head + row[3])
        if item is not None:
            shown.append(" " * len(head) + "-> " + item["do"])
    return [*shown, verdict(found)]


def _said(item: Finding) -> str:
    where = "" if item["where"] in ("", item["host"], item["check"]) else item["where"] + ": "
    wanted = f" (wanted: {item['wanted']})" if item["wanted"] else ""
    return where + item["found"] + wanted


def verdict(found: Mapping[str, Any]) -> str:
    """One line that says it all."""
    looked = [host for host, word in found["hosts"].items() if word not in ("unreachable", "unknown")]
    nodes = f"{len(looked)} of {len(found['hosts'])} nodes looked at"
    if found["exit_code"] == HEALTHY:
        return f"doctor: nothing found, {nodes}"
    return f"doctor: {len(found['failures'])} failures, {len(found['warnings'])} warnings, {nodes}"
