# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`edge hold`, `edge release` and `edge lease`."""

from __future__ import annotations

import argparse
import json

from . import holds, lease
from .errors import NodeError
from .node import Node
from .terminal import Commands, say, who


def _hold_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("scope", nargs="?", default="all", help="TENANT, TENANT/WORKLOAD or all (default: all)")
    command.add_argument("--reason", required=True, help="why, for the others")


def _hold(node: Node, arguments: argparse.Namespace) -> int:
    holds.hold(node, arguments.scope, arguments.reason, who())
    say(f"held: {arguments.scope}. What runs goes on; changes wait until `edge release {arguments.scope}`.")
    return 0


def _release_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("scope", nargs="?", default="all", help="as given to hold; 'every' takes all holds away")
    command.add_argument(
        "--now", action="store_true", help="of TENANT/WORKLOAD: the change under way does not wait for it any longer"
    )


def _release(node: Node, arguments: argparse.Namespace) -> int:
    for line in holds.release(node, arguments.scope, who(), arguments.now):
        say(line)
    for item in holds.covering(node, arguments.scope):
        say(f"still held: {item['scope']} by {item['who']}: {item['reason']}")
    return 0


def _lease_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("tenant", nargs="?", default="", help="only this tenant")
    command.add_argument("--take", action="store_true", help=argparse.SUPPRESS)
    command.add_argument("--end", action="store_true", help="end the lease of a rollout that is dead")
    command.add_argument("--rollout", default="", help=argparse.SUPPRESS)


def _lease(node: Node, arguments: argparse.Namespace) -> int:
    if arguments.take:
        lease.claim(node.paths, arguments.tenant, json.loads(arguments.rollout))
        return 0
    if arguments.end:
        if not arguments.tenant:
            raise NodeError("program", "say whose lease ends: edge lease TENANT --end")
        mine = json.loads(arguments.rollout) if arguments.rollout else None
        ended = lease.end(node.paths, arguments.tenant, mine, who())
        say("ended" if ended else f"there is no lease of tenant {arguments.tenant}")
        return 0
    for name, item in lease.everything(node.paths).items():
        if arguments.tenant in ("", name):
            left = f"{item['left'] / 60:.0f} minutes left" if item["left"] > 0 else "run out"
            say(f"{name}: rollout {item['id']} of {item['owner']}, {left}")
    return 0


COMMANDS: Commands = {
    "hold": (_hold_arguments, _hold),
    "release": (_release_arguments, _release),
    "lease": (_lease_arguments, _lease),
}
