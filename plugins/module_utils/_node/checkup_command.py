# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`edge logs`, `edge health` and `edge approve`."""

from __future__ import annotations

import argparse

from . import checkup
from .node import Node
from .terminal import Commands, say, show, who


def _logs_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("scope", help="TENANT or TENANT/WORKLOAD")
    command.add_argument("-n", "--lines", type=int, default=50, help="number of lines (default: 50)")


def _logs(node: Node, arguments: argparse.Namespace) -> int:
    for line in checkup.logs(node, arguments.scope, arguments.lines):
        say(line)
    return 0


def _health_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("tenant", help="TENANT")
    command.add_argument("--json", action="store_true", help="as JSON")


def _health(node: Node, arguments: argparse.Namespace) -> int:
    result = checkup.health(node, arguments.tenant)
    if arguments.json:
        show(result)
    else:
        for name, item in result["workloads"].items():
            say(f"{arguments.tenant}/{name}: {'healthy' if item['healthy'] else 'NOT HEALTHY: ' + item['reason']}")
            for key, value in item["measured"].items():
                say(
                    f"    {key} {value:g}"
                    + (f" (baseline {item['baseline'][key]:g})" if key in item["baseline"] else "")
                )
    return 0 if result["healthy"] else 1


def _approve_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("tenant", help="TENANT")
    command.add_argument("--release", required=True, help="version of the release that runs here")
    command.add_argument("--json", action="store_true", help="as JSON")


def _approve(node: Node, arguments: argparse.Namespace) -> int:
    result = checkup.approve(node, arguments.tenant, arguments.release, who())
    if arguments.json:
        show(result)
    else:
        say(result["msg"])
    return 0 if result["workloads"] else 1


COMMANDS: Commands = {
    "logs": (_logs_arguments, _logs),
    "health": (_health_arguments, _health),
    "approve": (_approve_arguments, _approve),
}
