# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`edge backup` and `edge restore`."""

from __future__ import annotations

import argparse
import os

from . import backup
from .node import Node
from .terminal import Commands, say, show, who


def _backup_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("to", metavar="FILE", help="the archive")
    command.add_argument(
        "--recipient",
        action="append",
        required=True,
        metavar="CERTIFICATE",
        help="whose key opens it; may be given more than once",
    )
    command.add_argument("--host", default="", help="name of this node in the inventory (default: its own)")
    command.add_argument("--authority-keys", action="store_true", help="with the keys of the issuing CA")
    command.add_argument("--extra", action="append", default=[], metavar="PATH", help="with these files or folders")
    command.add_argument(
        "--extra-mib", type=int, default=256, help="the most that each of them may have (default: 256)"
    )
    command.add_argument("--json", action="store_true", help="as JSON")


def _backup(node: Node, arguments: argparse.Namespace) -> int:
    what = backup.What(
        arguments.host or os.uname().nodename,
        authority_keys=arguments.authority_keys,
        extra=tuple(arguments.extra),
        extra_most=arguments.extra_mib << 20,
    )
    result = backup.create(node.paths, what, arguments.to, arguments.recipient)
    if arguments.json:
        show(result)
        return 0
    say(
        f"{result['path']}: {result['files']} files of {result['host']}, up to entry {result['ledger']['last']} of its ledger"
    )
    for line in result["left_out"]:
        say(f"left out: {line}")
    return 0


def _restore_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", help="the archive, decrypted (openssl cms -decrypt)")
    command.add_argument("--host", default="", help="name of this node in the inventory (default: its own)")
    command.add_argument("--force", action="store_true", help="whatever contradicts")
    command.add_argument("--check", action="store_true", help="only say what would be done")
    command.add_argument("--json", action="store_true", help="as JSON")


def _restore(node: Node, arguments: argparse.Namespace) -> int:
    host = arguments.host or os.uname().nodename
    result = backup.restore(node.paths, arguments.file, host, arguments.force, arguments.check, who())
    if arguments.json:
        show(result)
        return 0
    for line in (
        [*result["lines"], *result["conflicts"]]
        if result["changed"]
        else ["there is nothing in it that is missing here"]
    ):
        say(line)
    return 0


COMMANDS: Commands = {
    "backup": (_backup_arguments, _backup),
    "restore": (_restore_arguments, _restore),
}
