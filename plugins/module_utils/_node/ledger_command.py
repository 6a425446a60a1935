# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`edge ledger`: each kind of entry in one line."""

from __future__ import annotations

import argparse
import time
import typing as t

from . import ledger
from .node import Node
from .terminal import Commands, say, show

LEDGER_LINES = 20


def _arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("-n", "--lines", type=int, help="number of entries; 0 for all (default: 20, with --after all)")
    command.add_argument("--after", type=int, default=0, metavar="SEQUENCE", help="only entries after this one")
    command.add_argument("--digest", default="", help="of the entry --after; where it is another here, all entries")
    command.add_argument("--json", action="store_true", help="as JSON")


def _ledger(node: Node, arguments: argparse.Namespace) -> int:
    count = arguments.lines if arguments.lines is not None else 0 if arguments.after else LEDGER_LINES
    found = ledger.since(node.paths, arguments.after, arguments.digest, count)
    broken = found["broken"]
    if arguments.json:
        show(found)
    else:
        for item in found["entries"]:
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(item["time"]))
            say(f"{item['sequence']:>6}  {when}  {item['kind']}: {entry(item)}")
        if broken:
            say(f"CHANGED BY HAND: {broken}")
    return 1 if broken else 0


def entry(item: t.Mapping[str, t.Any]) -> str:
    if item["kind"] == "change":
        signer = item.get("signer", {})
        signed = f", signed by {signer['name'] or signer['fingerprint']}" if "fingerprint" in signer else ""
        return f"release {item['release']} of {item['tenant']}{signed}: {item['class']}: {item['msg']}"
    if item["kind"] == "approve":
        return f"release {item['release']} of {item['tenant']}: {', '.join(item['baseline'])} by {item['who']}"
    if item["kind"] == "device":
        return (
            f"{item['device']} {item['what']} {item['number']}".rstrip()
            + f" [{', '.join(item['workloads']) or 'unused'}]"
        )
    if item["kind"] == "lease":
        return f"{item['tenant']}: rollout {item['id']} of {item['owner']} {item['what']}: {item['msg']}"
    if item["kind"] == "alarm":
        where = f"{item['tenant']}/{item['workload']}"
        return f"{where} waited {item['waited']:g} s for its {item['what']}: {item['reason']}; then {item['then']}"
    if item["kind"] == "clock":
        return f"{item['what']}: {item['msg']}" + (f" by {item['who']}" if item["who"] else "")
    if item["kind"] == "certificate":
        return f"{item['name']} {item['what']}" + (f": {item['reason']}" if item["reason"] else "")
    if item["kind"] == "secrets":
        return f"{item['class']}: {item['msg']}"
    if item["kind"] == "block":
        return f"{item['scope']} {item['what']} by {item['who']}: {item['msg']}"
    if item["kind"] == "hold":
        return f"{item['scope']} by {item['who']}: {item['reason']}"
    if item["kind"] == "authority":
        return f"issuing CA: {item['what']}: {item['subject']} {item.get('serial', '')}".rstrip()
    if item["kind"] == "backup":
        return f"{item['what']} by {item['who']}: {item['msg']}"
    if item["kind"] == "release":
        return f"{item['scope']} by {item['who']}: {', '.join(item['what'])}"
    return f"{item['workload']} {item['what']}: {item['msg']} ({'; '.join(item['lost'])})"


COMMANDS: Commands = {
    "ledger": (_arguments, _ledger),
}
