# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`edge secrets`."""

from __future__ import annotations

import argparse
import os

from .._core import secrets as _secrets
from . import events, secrets
from .node import Node
from .terminal import Commands, complain, read_request, say, say_table, show


def _arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("request", nargs="?", default="", help="- to take a tenant's set from standard input (JSON)")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument("--unseal", action="store_true", help="bring them into memory after a boot (for the unit)")


def _secrets_of(node: Node, arguments: argparse.Namespace) -> int:
    if arguments.unseal:
        problems = events.unseal(node)
        for line in problems:
            complain(line)
        return 1 if problems else 0
    if arguments.request:
        return _deliver(node, arguments.request)
    rows = secrets.overview(node.paths, node.store.load())
    if arguments.json:
        show(rows)
        return 0
    lines = [("TENANT", "SECRET", "VERSION", "FINGERPRINT", "USED BY", "SEALED BY")]
    for row in rows:
        used = ", ".join(row["used_by"]) or "-"
        lines.append((row["tenant"], row["name"], row["version"] or "-", row["fingerprint"], used, row["sealed_by"]))
    say_table(lines, "no secret is here (role secrets)")
    return 0


def _deliver(node: Node, path: str) -> int:
    from . import program, rotation  # most of the program: the others have no use for it

    given = read_request(path)
    if path == "-":
        show(rotation.submit(node, given))
        return 0
    os.unlink(path)
    result = program.deliver(node, _secrets.read(given))
    say(f"{result['class']}: {result['msg']}")  # whoever waits reads the result elsewhere
    return 0


COMMANDS: Commands = {
    "secrets": (_arguments, _secrets_of),
}
