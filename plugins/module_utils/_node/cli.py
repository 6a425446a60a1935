# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `edge`: for modules, for systemd, and for the person at the machine.

Nothing is imported but what the command that is asked for needs: python3 compiles all of the program that it imports, at each start.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import typing as t

from .errors import NodeError
from .node import Node
from .terminal import complain
from .version import VERSION

EPILOG = """examples:
  edge status                      what runs here
  edge why quality/inspection      what happened last, and why something is refused
  edge logs quality/inspection     its last log lines
  edge hold quality --reason "shift 2 runs until six"
  edge release quality             let changes go on
  edge release quality/inspection --now   swap now, whatever is not idle
  edge revert quality/inspection   back to the version before
  edge devices                     cameras, ports and PLCs by the site's names
  edge models                      models that are here, and who uses them
  edge clock                       what the time is, and who says so
  edge certificates                certificates of this node, and when they are renewed
  edge secrets                     secrets that are here, and who uses them; never a value
  edge ledger                      what became of this node, in order
  edge health quality              whether what runs is healthy now
"""

LEASED = 4
"""Exit status where a rollout of somebody else holds the tenant."""

COMMANDS = {
    "status": ("status", "what runs here"),
    "why": ("status", "what happened last, and why something is refused"),
    "logs": ("checkup", "last log lines of what runs"),
    "devices": ("devices", "the site's names of devices, and what is behind them"),
    "clock": ("clock", "what the time is, how far that can be believed, and who says so"),
    "ledger": ("ledger", "what became of this node, in order"),
    "health": ("checkup", "whether what runs is healthy now, by its own probes"),
    "approve": ("checkup", "what a release measured here is what later ones are compared with"),
    "hold": ("hold", "hold back changes until released"),
    "release": ("hold", "take away what holds changes back: a hold, and a workload's update lock"),
    "block": ("block", "cut a tenant, or all of them, off: no changes, no secrets, no pull credentials"),
    "unblock": ("block", "let changes go on; secrets come with the next delivery"),
    "revert": ("launch", "back to the version before, with its data"),
    "lease": ("hold", "which rollouts are under way for tenants of this node"),
    "apply": ("change", "carry a request out, here and now (for the unit)"),
    "plan": ("change", "what a request would change"),
    "submit": ("launch", "carry a request out in a unit of its own and wait"),
    "model": ("models", "fetch and pin a model, or let it go (for the module model)"),
    "certificate": ("certificates", "ask for a certificate, or take one into use (for the module certificate)"),
    "ca": ("ca", "the issuing CA of the site, on its gateway"),
    "models": ("models", "models that are here, and who uses them"),
    "certificates": ("certificates", "certificates of this node, and when they are renewed"),
    "secrets": ("secrets", "secrets that are here, and who uses them; never a value"),
    "backup": ("backup", "write what cannot be made again into an encrypted archive"),
    "restore": ("backup", "bring back from a backup what this node does not know any more"),
    "limit": ("change", "set the limits of the shares of tenants (for the role tenants)"),
    "recover": ("recover", "make what runs equal to what was committed"),
}
"""name -> the module `..._command` that has it, and what --help says of it."""


def parse(argv: t.Sequence[str]) -> argparse.Namespace:
    """Only the command that is asked for has arguments: those of the others nobody sees."""
    parser = argparse.ArgumentParser(
        prog="edge",
        description="Workloads of this node: what runs, why, and the way back.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    asked = next((word for word in argv if not word.startswith("-")), "")
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name == asked:
            arguments, function = importlib.import_module(f".{module}_command", __package__).COMMANDS[name]
            arguments(command)
            command.set_defaults(function=function)
    return parser.parse_args(argv)


def main(argv: t.Optional[t.Sequence[str]] = None) -> int:
    arguments = parse(sys.argv[1:] if argv is None else argv)
    if os.geteuid() != 0:
        return complain("only root may use it: try `sudo edge ...`")
    try:
        return arguments.function(Node(), arguments)
    except NodeError as exc:
        return complain(exc.message, LEASED if exc.cause == "lease" else 2)
    except ValueError as exc:
        return complain(str(exc))
    except KeyboardInterrupt:
        return 130
