# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`edge status` and `edge why`."""

from __future__ import annotations

import argparse
import typing as t

from . import answers, waiting
from .errors import NodeError
from .node import Node
from .terminal import Commands, say, show, table


def _status_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="as JSON")


def _status(node: Node, arguments: argparse.Namespace) -> int:
    found = answers.status(node)
    if arguments.json:
        show(found)
        return 0
    for line in lines(found):
        say(line)
    return 0


def _state_word(row: t.Mapping[str, t.Any]) -> str:
    if row["current"] is None:
        return "never ran"
    return {True: "running", False: "NOT RUNNING", None: "unknown"}[row["running"]]


def lines(found: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    if found["engine"] != "up":
        yield f"engine: {found['engine']}"
    rows = [("WORKLOAD", "STATE", "RELEASE", "DIGEST", "PREVIOUS", "REFUSED")]
    for tenant, entry in found["tenants"].items():
        for name, row in entry["workloads"].items():
            current, previous = row["current"] or {}, row["previous"] or {}
            refused = ", ".join(item["release"] for item in row["refused"]) or "-"
            rows.append(
                (
                    f"{tenant}/{name}",
                    _state_word(row),
                    current.get("release", "-"),
                    current.get("digest", "-")[7:19] or "-",
                    previous.get("release", "-"),
                    refused,
                )
            )
    if len(rows) == 1:
        yield "nothing is deployed here"
    else:
        yield from table(rows)
    for item in found["devices"]:
        if item.get("problem") and item["workloads"]:
            yield f"device {item['name']}: {item['problem']}; used by {', '.join(item['workloads'])}"
    for item in found["holds"]:
        yield f"held: {item['scope']} by {item['who']}: {item['reason']}"
    for change in found["changes"]:
        what = f"release {change['release']} of" if change["release"] else "other secrets of"
        yield f"under way: {what} {change['tenant']}, at step {change['step']}"
        for row in change["waiting"]:
            yield _waiting(change["tenant"], row)


def _waiting(tenant: str, row: t.Mapping[str, t.Any]) -> str:
    since, until = (waiting.clock(row[key]) for key in ("since", "until"))
    return (
        f"waiting for {tenant}/{row['workload']} ({row['what']}): {row['reason']}; since {since}, until {until} "
        f"at the latest, then {row['then']}"
    )


def _why_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("scope", help="TENANT or TENANT/WORKLOAD")


def _why(node: Node, arguments: argparse.Namespace) -> int:
    found = answers.status(node)
    name, dummy, workload = arguments.scope.partition("/")
    if name not in found["tenants"]:
        raise NodeError(
            "state", f"there is no tenant '{name}' on this node; there is: {', '.join(found['tenants']) or 'nothing'}"
        )
    tenant = found["tenants"][name]
    if tenant["last"]:
        say(f"last change: release {tenant['last']['release']}: {tenant['last']['class']}: {tenant['last']['msg']}")
    for key, row in tenant["workloads"].items():
        if workload and key != workload:
            continue
        for item in row["refused"]:
            say(f"{key}: release {item['release']} is refused ({item['cause']}): {item['reason']}")
            for line in item["logs"]:
                say(f"    {line}")
    return 0


COMMANDS: Commands = {
    "status": (_status_arguments, _status),
    "why": (_why_arguments, _why),
}
