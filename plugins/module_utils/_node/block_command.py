# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`edge block` and `edge unblock`."""

from __future__ import annotations

import argparse
import json
import sys

from . import block
from .node import Node
from .terminal import Commands, say, show, who


def _block_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("scope", help="TENANT or all; - for JSON on standard input (for the module block)")
    command.add_argument("--reason", default="", help="why, for the others")
    command.add_argument("--stop", action="store_true", help="stop its workloads and take their containers away")


def _unblock_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("scope", help="TENANT or all")


def _block(node: Node, arguments: argparse.Namespace) -> int:
    if arguments.scope == "-":
        show(block.carry_out(node, json.load(sys.stdin)))
        return 0
    state = "absent" if arguments.command == "unblock" else "present"
    given = {"scope": arguments.scope, "state": state, "who": who()}
    if state == "present":
        given.update(reason=arguments.reason, stop=arguments.stop)
    result = block.carry_out(node, given)
    say(result["msg"])
    return 1 if result["failed"] else 0


COMMANDS: Commands = {
    "block": (_block_arguments, _block),
    "unblock": (_unblock_arguments, _block),
}
