# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`edge models` and `edge model`."""

from __future__ import annotations

import argparse

from . import model_requests
from .node import Node
from .terminal import Commands, day, read, request_argument, say, say_table, show


def _models_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument("--collect", action="store_true", help="remove those that nobody uses, and say which")


def _models(node: Node, arguments: argparse.Namespace) -> int:
    rows = model_requests.collect(node) if arguments.collect else model_requests.overview(node)
    if arguments.json:
        show(rows)
        return 0
    if arguments.collect and rows:
        say("removed:")
    say_table(model_requests.lines(rows, day), "nothing to remove" if arguments.collect else "no model is here")
    return 0


def _model(node: Node, arguments: argparse.Namespace) -> int:
    show(model_requests.carry_out(node, read(arguments.request)))
    return 0


COMMANDS: Commands = {
    "models": (_models_arguments, _models),
    "model": (request_argument, _model),
}
