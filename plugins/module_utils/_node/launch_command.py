# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`edge submit` and `edge revert`: a change in a unit of its own, and what became of it."""

from __future__ import annotations

import argparse
import json

from .._core import outcome, request
from . import launch, revert
from .errors import NothingToDo
from .node import Node
from .terminal import Commands, read_request, request_argument, say, show, who


def _submit(node: Node, arguments: argparse.Namespace) -> int:
    given = request.read(read_request(arguments.request))
    launch.start(node, given)
    show(launch.wait(node, given))
    return 0


def _revert_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("scope", help="TENANT or TENANT/WORKLOAD")
    command.add_argument("--release", default="", help="only what this release brought")
    command.add_argument("--reason", default="", help="why, for the others")
    command.add_argument("--rollout", default="", help=argparse.SUPPRESS)
    command.add_argument("--json", action="store_true", help="as JSON")


def _revert(node: Node, arguments: argparse.Namespace) -> int:
    before = node.store.load()
    rollout = json.loads(arguments.rollout) if arguments.rollout else {}
    try:
        wanted = revert.request_for(node, arguments.scope, who(), arguments.release, arguments.reason, rollout)
    except NothingToDo as exc:
        found = {"class": outcome.UNCHANGED, "failed": False, "changed": False, "msg": exc.message, "workloads": {}}
        say(json.dumps(found) if arguments.json else exc.message)
        return 0
    launch.start(node, wanted)
    result = launch.wait(node, wanted)
    if result["class"] == "success":
        revert.remember(node, wanted, before)
    if arguments.json:
        show(result)
    else:
        say(f"{result['class']}: {result['msg']}")
    return 1 if result["failed"] else 0


COMMANDS: Commands = {
    "submit": (request_argument, _submit),
    "revert": (_revert_arguments, _revert),
}
