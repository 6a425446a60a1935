# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's answer means: its outcome class, from the result of the module that asked it."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ...module_utils._core import outcome

LOST = "lost"
"""Cause: it was there, and was lost while the change went on; its node decides alone."""
Outcome = dict[str, t.Any]
"""`class`, `cause` and `msg`; no more, since plays hand all of them on after each wave."""


def silence(variables: Mapping[str, t.Any]) -> str:
    """The class of a host that cannot be reached, by what the inventory says of it."""
    if variables.get("edge_connectivity") == "disconnected":
        return outcome.OFFLINE_EXPECTED
    if variables.get("edge_connectivity") == "intermittent" and variables.get("edge_when_offline") != "error":
        return outcome.OFFLINE_EXPECTED
    return outcome.OFFLINE_UNEXPECTED


def made(name: str, cause: str, message: str) -> Outcome:
    return {"class": name, "cause": cause, "msg": " ".join(message.split())}


def unreachable(result: Mapping[str, t.Any], variables: Mapping[str, t.Any]) -> Outcome:
    message = str(result.get("msg") or "it does not answer").removeprefix("Task failed: ")
    return made(silence(variables), "unreachable", message.removeprefix("Failed to connect to the host via ssh: "))


def of(result: t.Any, variables: Mapping[str, t.Any]) -> Outcome:
    """The outcome of a change. Whoever says nothing is never a success."""
    if not isinstance(result, Mapping):
        return made(outcome.INTERRUPTED, "silence", "nothing was heard of the change")
    if result.get("unreachable"):
        return unreachable(result, variables)
    name = result.get("class")
    if name in outcome.MEANINGS:
        return made(str(name), str(result.get("cause", "")), str(result.get("msg", "")))
    message = str(result.get("msg") or result.get("exception") or "the module gave no outcome")
    return made(outcome.REFUSED if result.get("failed") else outcome.INTERRUPTED, "module", message)


def later(before: Outcome, node: t.Any, change: str) -> Outcome:
    """The outcome after the soak: of a host that was lost during its change by what its node says became of it, and of
    one that committed by whether it is still healthy.

    :param node: result of the module workload_health.
    :param change: the rollout, by which the node knows the change.
    """
    if not isinstance(node, Mapping) or node.get("unreachable") or node.get("failed"):
        return before
    last = node.get("last") or {}
    if before["cause"] in ("unreachable", "silence", LOST) and (last.get("rollout") or {}).get("id") == change:
        before = made(
            str(last["class"]),
            str(last.get("cause", "")),
            f"{last.get('msg', '')} (asked again after the link came back)",
        )
    if outcome.MEANINGS[before["class"]].good and not node.get("healthy", True):
        return made(outcome.BROKEN, "soak", "not healthy any more after the soak: " + str(node.get("reason", "")))
    return before
