# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`edge clock`."""

from __future__ import annotations

import argparse
import json
import sys

from . import clock
from .errors import NodeError
from .node import Node
from .terminal import Commands, say, say_table, show, who


def _arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument("--offline", action="store_true", help="ask no host for it")
    group = command.add_mutually_exclusive_group()
    group.add_argument("--set", action="store_true", help="set it where it is wrong and somebody knows better")
    group.add_argument(
        "--note", default="", metavar="SECONDS", help="what the controller says; - for JSON on standard input"
    )
    group.add_argument("--keep", action="store_true", help="write it down as the last known time, if it is trusted")
    group.add_argument("--forget", action="store_true", help="forget the last known time, where that was wrong itself")


def _clock(node: Node, arguments: argparse.Namespace) -> int:
    if arguments.note:
        return _clock_note(node, arguments.note)
    if arguments.forget:
        say(clock.forget(node.paths, who()))
        return 0
    if arguments.keep:
        clock.keep(node.paths)
        return 0
    found = clock.correct(node.paths, network=not arguments.offline, dry=not arguments.set)
    if arguments.json:
        show(found)
        return 0
    say(f"clock: {clock.shown(found['now'])}, {found['state']}: {found['reason']}")
    for line in filter(None, (found["msg"], found["asked"] and f"hosts: {found['asked']}")):
        say(line)
    if not arguments.set:
        say_table(clock.table(found))
    return 0


def _clock_note(node: Node, given: str) -> int:
    """Seconds, or - for JSON on standard input: `time`, and `source` where it is not the controller."""
    found = json.load(sys.stdin) if given == "-" else {"time": float(given)}
    if not isinstance(found, dict):
        raise NodeError("program", "clock --note: wanted a mapping with time and source")
    clock.note(node.paths, found.get("source", clock.CONTROLLER), found.get("time"))
    return 0


COMMANDS: Commands = {
    "clock": (_arguments, _clock),
}
