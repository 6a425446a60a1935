# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exception of the node program: a cause from a short list, and one line for a person."""

from __future__ import annotations

import contextlib
import typing as t

REMEMBERED = ("probe", "exit", "start")
"""Causes that say something of the specification itself: it is refused from then on until it changes or is forced.
Anything else (a registry, a disk, a port, the engine, a missing device) may be right the next time."""


class NodeError(Exception):
    """
    :param cause: admit, baseline, ca, certificate, clock, contract, data, disk, engine, exit, fetch, held, lease, node, overtaken, pace, probe,
        program, secret, signature, start, state, timeout, verify.
    :param message: what was wanted, what was found, what to do.
    """

    def __init__(self, cause: str, message: str, workload: str = "", exit_code: t.Optional[int] = None) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message
        self.workload = workload
        self.exit_code = exit_code


class NothingToDo(NodeError):
    """What was asked for is so already."""


class PortKept(NodeError):
    """The engine itself holds a port that it should publish: a container has it, or its books are wrong after a crash."""


@contextlib.contextmanager
def about(workload: str) -> t.Iterator[None]:
    """Errors from inside speak of this workload."""
    try:
        yield
    except NodeError as exc:
        exc.workload = exc.workload or workload
        raise
