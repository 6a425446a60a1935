# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of a rollout came to, for a person: a table of stages, a line for each host that needs a look, and the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...module_utils._core import outcome
from ..table import aligned
from . import gate, outcomes
from .run import EARLIER, GOOD, Run


def _stages(run: Run) -> Iterator[tuple[str, str, str, str]]:
    yield "STAGE", "HOSTS", "GATE", "OUTCOMES"
    for stage in run["stages"]:
        known = [run["outcomes"][host]["class"] for host in stage["members"] if host in run["outcomes"]]
        left = len(stage["members"]) - len(known)
        words = gate.counts(known) + (f", {left} not reached yet" if left else "")
        if not stage["members"]:
            word = "left out"
        elif stage["name"] in run["approved"]:
            word = "passed"
        elif run["halted"] and stage["name"] == run.get("stage"):
            word = "STOPPED"
        else:
            word = "open"
        yield stage["name"], str(len(stage["members"])), word, words if stage["members"] else "-"


def _hosts(run: Run, sites: Mapping[str, str]) -> Iterator[str]:
    for host, found in sorted(run["outcomes"].items(), key=lambda item: (sites.get(item[0], ""), item[0])):
        if found["class"] not in GOOD or found["msg"].endswith(EARLIER):
            cause = f" ({found['cause']})" if found["cause"] else ""
            yield f"{host}: {found['class']}{cause}: {found['msg']}"
    for host, found in run["reverts"].items():
        word = {outcome.SUCCESS: "taken back", outcome.UNCHANGED: "had nothing to take back"}.get(found["class"])
        yield f"{host}: {word or 'NOT TAKEN BACK: ' + found['class']}: {found['msg']}"


def _lost(run: Run) -> list[str]:
    return [host for host, found in run["outcomes"].items() if found["cause"] == outcomes.LOST]


def _pending(run: Run) -> list[str]:
    waiting = (outcome.OFFLINE_EXPECTED, outcome.OFFLINE_UNEXPECTED, outcome.HELD)
    return [host for host, found in run["outcomes"].items() if found["class"] in waiting]


def _end(run: Run) -> Iterator[str]:
    if run["left_out"]:
        yield f"in no stage of the policy: {', '.join(run['left_out'])}"
    if run["halted"]:
        yield f"HALTED: {run['why']}"
        if _lost(run):
            yield f"lost during their change, they decide alone: {', '.join(_lost(run))}; ask them with the playbook {run['asks']} when they are back"
        return
    if run["why"]:
        yield run["why"]
    if _pending(run):
        yield f"still to come: {', '.join(_pending(run))}; the same command brings it to them when they are there"
    counted = gate.counts([found["class"] for found in run["outcomes"].values()])
    yield f"{run['what']}: {counted}"


def lines(run: Run, sites: Mapping[str, str]) -> list[str]:
    """:param sites: the site of each host."""
    return [f"rollout {run['id']}", *aligned(list(_stages(run))), *_hosts(run, sites), *_end(run)]
