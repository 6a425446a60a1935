# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a change in a transient unit of systemd, so that it outlives the link, the module and the shell that asked for it."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from .._core import outcome
from .._core.plan import Plan
from .._core.request import Request
from ._runner import run
from .errors import NodeError
from .files import make_directory, read_json, write_json
from .node import Node
from .report import Report

PROGRAM = "/usr/local/bin/edge"
RECOVERY_UNIT = "physical-ai-recover.service"
STOP_SECONDS = 300
LOOK_SECONDS = 2.0
"""How often the unit of a change is looked at while its result is waited for."""


def unit(change_id: str) -> str:
    return f"physical-ai-change-{change_id}.service"


def _seconds(node: Node, request: Request) -> float:
    """How long the change may take, with the locks of what runs now."""
    running: t.List[t.Dict[str, t.Any]] = []
    with contextlib.suppress(NodeError):  # a state that cannot be read is told by the change
        running = [item.spec for tenant, dummy, item in node.store.load().deployments() if tenant == request.tenant]
    return request.seconds(running)


def start(node: Node, request: Request) -> None:
    make_directory(node.paths.requests)
    path = f"{node.paths.requests}/{request.id}.json"
    write_json(path, request.to_json())
    description = f"Change {request.release} of {request.tenant}"
    try:
        start_unit(unit(request.id), request.id, description, _seconds(node, request), ["apply", path])
    except NodeError:
        os.unlink(path)
        raise


def start_unit(name: str, change: str, description: str, seconds: float, arguments: t.Sequence[str]) -> None:
    """The program in a transient unit with a deadline, and recovery after it.

    :param change: its id, by which the recovery knows what it left over.

    :raises NodeError: program, where it cannot be started.
    """
    properties = [
        "After=docker.service",  # an orderly shutdown then ends the change, and brings the old version back, before the engine goes
        f"RuntimeMaxSec={int(seconds)}",
        f"TimeoutStopSec={STOP_SECONDS}",
        f"ExecStopPost={PROGRAM} recover --ended --change {change}",
        f"OnFailure={RECOVERY_UNIT}",
        "SyslogIdentifier=edge",
    ]
    argv = ["systemd-run", "--quiet", "--collect", f"--unit={name}", f"--description={description}"]
    done = run([*argv, *[f"--property={item}" for item in properties], PROGRAM, *arguments])
    if done.code != 0:
        raise NodeError("program", f"the change cannot be started: {done.said}")


def gone(name: str) -> bool:
    """Whether the unit, and its recovery, have ended."""
    shown = run(["systemctl", "show", "--property=ActiveState", "--value", name, RECOVERY_UNIT]).out
    return all(state in ("inactive", "failed") for state in shown.split())


def _left(node: Node, request: Request) -> t.Dict[str, t.Any]:
    """The result of a change that was killed before it could hand one over: the state knows what became of it."""
    state = node.store.load()
    last = state.tenants[request.tenant].last if request.tenant in state.tenants else {}
    if last.get("id") == request.id:
        return last
    message = "the change was cut short before it began; nothing that runs was touched"
    if any(journal.id == request.id for journal in state.parked.values()):
        message = "the change was cut short while it waited for a safe moment; nothing that runs was touched"
    if state.journal is not None and state.journal.id == request.id:
        message = f"the change was cut short at {state.journal.step}; it is undone when the engine runs: `edge status`"
    plan = Plan(request.tenant, request.release, (), (), "", (), False)
    return Report(request, plan).failed(outcome.INTERRUPTED, NodeError("crash", message), [])


def wait(node: Node, request: Request) -> t.Dict[str, t.Any]:
    """The result of a change."""
    seconds = _seconds(node, request)
    return wait_for(node, request.id, unit(request.id), seconds, lambda: _left(node, request), "`edge status`")


def wait_for(
    node: Node,
    change: str,
    name: str,
    seconds: float,
    left: t.Callable[[], t.Dict[str, t.Any]],
    see: str,
) -> t.Dict[str, t.Any]:
    """Waits for the result, for as long as the change may take and its recovery after it.

    :param change: its id, under which the result is handed over.
    :param name: its unit.
    :param left: says what became of a change that was killed before it could hand a result over.
    :param see: where a person finds more.

    :raises NodeError: timeout, where there is no result by then.
    """
    seconds += STOP_SECONDS
    until = time.monotonic() + seconds
    path = node.store.result_path(change)
    look = time.monotonic() + LOOK_SECONDS
    while time.monotonic() < until:
        result = read_json(path, None)
        if result is not None:
            return result
        if time.monotonic() > look:
            look = time.monotonic() + LOOK_SECONDS
            if gone(name):
                return read_json(path, None) or left()
        time.sleep(0.1)
    raise NodeError("timeout", f"no result after {seconds:.0f} s: see {see} on the node")
