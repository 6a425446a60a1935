# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`edge recover`."""

from __future__ import annotations

import argparse
import os

from . import certificates, program
from .node import Node
from .terminal import Commands, say


def _arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--ended", action="store_true", help="called by a unit that ended")
    command.add_argument("--change", default="", help="the change whose unit it was")


def _recover(node: Node, arguments: argparse.Namespace) -> int:
    ended = os.environ.get("SERVICE_RESULT", "") if arguments.ended else ""
    certificates.put_back(node.paths)  # before anything starts that reads them
    result = program.recover(node, ended, arguments.change)
    for line in certificates.recover(node):  # no reason to fail: their timer tries again
        say(line)
    say(f"{result['class']}: {result['msg']}")
    return 1 if result["class"] == "broken" else 0


COMMANDS: Commands = {
    "recover": (_arguments, _recover),
}
