# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`edge certificates` and `edge certificate`."""

from __future__ import annotations

import argparse

from . import certificate_requests, certificates
from .node import Node
from .terminal import Commands, day, read, request_argument, say, say_table, show


def _arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument("--renew", action="store_true", help="renew at the gateway what is due (for the timer)")
    command.add_argument("--recover", action="store_true", help="take back a replacement that was cut off")
    command.add_argument("--prove", action="store_true", help="verify each, and shake hands with who uses it")


def _certificates(node: Node, arguments: argparse.Namespace) -> int:
    if arguments.recover:
        problems = certificates.recover(node)
        for line in problems:
            say(line)
        return 1 if problems else 0
    if arguments.renew:
        found = certificate_requests.renew(node)
        if arguments.json:
            show(found)
        else:
            say(found["msg"])
        return 1 if found["failed"] else 0
    rows = certificate_requests.overview(node, arguments.prove)
    if arguments.json:
        show(rows)
        return 0
    say_table(certificate_requests.lines(rows, day), "no certificate is wanted here")
    return 0


def _certificate(node: Node, arguments: argparse.Namespace) -> int:
    show(certificate_requests.carry_out(node, read(arguments.request)))
    return 0


COMMANDS: Commands = {
    "certificates": (_arguments, _certificates),
    "certificate": (request_argument, _certificate),
}
