# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`edge devices`."""

from __future__ import annotations

import argparse

from . import devices, events
from .node import Node
from .terminal import Commands, say, say_table, show


def _arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument(
        "--settle", action="store_true", help="give workloads the devices that are there now (for units)"
    )


def _devices(node: Node, arguments: argparse.Namespace) -> int:
    if arguments.settle:
        for line in events.settle_devices(node):
            say(line)
        return 0
    found = devices.overview(node.paths, node.store.load())
    if arguments.json:
        show(found)
        return 0
    rows = [("DEVICE", "KIND", "STATE", "WORKLOADS")]
    for item in found:
        state = item.get("problem") or item.get("number") or item.get("endpoint") or "see requires.gpu"
        rows.append((item["name"], item["kind"], state, ", ".join(item["workloads"]) or "-"))
    say_table(rows, "no device has a name here (role devices)")
    return 0


COMMANDS: Commands = {
    "devices": (_arguments, _devices),
}
