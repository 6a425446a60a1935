# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How commands read what they are given, and say what they found."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import typing as t

from .errors import NodeError
from .files import read_json
from .node import Node

Commands = t.Dict[
    str,
    t.Tuple[t.Callable[[argparse.ArgumentParser], None], t.Callable[[Node, argparse.Namespace], int]],
]
"""Of a module: name of a command -> what adds its arguments, and what carries it out and returns the exit status."""


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def complain(line: str, code: int = 2) -> int:
    sys.stderr.write(f"edge: {line}\n")
    return code


def show(value: t.Any) -> None:
    """For programs."""
    say(json.dumps(value, indent=1))


def table(rows: t.Sequence[t.Sequence[str]]) -> t.Iterator[str]:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()


def say_table(rows: t.Sequence[t.Sequence[str]], nothing: str = "") -> None:
    """:param rows: the heading first; where it is alone, `nothing` is said instead."""
    for line in table(rows) if len(rows) > 1 else [nothing]:
        say(line)


def day(when: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(when))


def no_arguments(dummy: argparse.ArgumentParser) -> None:
    pass


def request_argument(command: argparse.ArgumentParser) -> None:
    command.add_argument("request", help="file, or - for standard input")


def read(path: str) -> t.Any:
    """The JSON of a file, or of standard input for `-`; None where there is no such file."""
    return json.load(sys.stdin) if path == "-" else read_json(path, None)


def read_request(path: str) -> t.Any:
    """:raises NodeError: program, where there is no such file."""
    found = read(path)
    if found is None and path != "-":
        raise NodeError("program", f"there is no request {path}")
    return found


def who() -> str:
    """Whoever types."""
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or f"uid {os.getuid()}"
