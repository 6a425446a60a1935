# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`edge apply`, `edge plan` and `edge limit`: what modules and units ask for."""

from __future__ import annotations

import argparse
import os

from .._core import request
from . import containers, program
from .node import Node
from .terminal import Commands, no_arguments, read_request, request_argument, say, show


def _apply(node: Node, arguments: argparse.Namespace) -> int:
    given = request.read(read_request(arguments.request))
    if arguments.request != "-":
        os.unlink(arguments.request)
    result = program.apply(node, given)
    if arguments.request == "-":
        show(result)
    else:  # whoever waits reads the result elsewhere; this goes into the journal
        say(f"{result['class']}: {result['msg']}")
    return 0


def _plan(node: Node, arguments: argparse.Namespace) -> int:
    given = request.read(read_request(arguments.request))
    show(program.look(node, given))
    return 0


def _limit(node: Node, arguments: argparse.Namespace) -> int:
    containers.limit_tenants(node, node.engine.info().cgroup_driver, node.store.load())
    return 0


COMMANDS: Commands = {
    "apply": (request_argument, _apply),
    "plan": (request_argument, _plan),
    "limit": (no_arguments, _limit),
}
