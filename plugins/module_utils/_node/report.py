# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a change, as JSON: small, true, and enough to act on at the machine."""

from __future__ import annotations

import typing as t

from .._core import outcome
from .._core.plan import KEEP, Change, Plan
from .._core.request import Request
from .errors import NodeError
from .node import Steps
from .probe_kinds import Context


class Report:
    """Collects what is known while a change goes on."""

    def __init__(self, request: Request, plan: Plan, steps: t.Optional[Steps] = None) -> None:
        self._request = request
        self._plan = plan
        self._steps = steps
        self._gaps: t.Dict[str, float] = {}
        self._notes: t.List[str] = []
        self._contexts: t.Dict[str, Context] = {}

    def watch(self, workload: str, context: Context) -> None:
        """What the probes of this workload measure, and what they compare it with, goes into the result."""
        self._contexts[workload] = context

    def gap(self, workload: str, seconds: float) -> None:
        self._gaps[workload] = round(seconds, 3)

    def note(self, line: str) -> None:
        self._notes.append(line)

    def _workload(self, change: Change, name: str) -> t.Dict[str, t.Any]:
        before = change.old.brief() if change.old else None
        after = None
        if change.spec is not None:
            after = {"digest": change.spec["digest"], "release": self._request.release, "spec": change.spec_digest}
        result: t.Dict[str, t.Any] = {"class": name, "action": change.action, "before": before, "after": after}
        if self._steps is not None and change.action != KEEP:
            result["steps"] = self._steps.of(change.name)
            result["stop_seconds"] = round(self._steps.seconds("stop_old", change.name), 3)
            result["start_seconds"] = round(
                self._steps.seconds("start_new", change.name) + self._steps.seconds("startup_probe", change.name), 3
            )
            if change.name in self._gaps:
                result["gap_seconds"] = self._gaps[change.name]
        result.update(self._numbers(change.name, name))
        return result

    def _numbers(self, workload: str, name: str) -> t.Dict[str, t.Any]:
        """Of a version that was proven, what was typical of it; of one that failed, what was found at last."""
        context = self._contexts.get(workload)
        if context is None:
            return {}
        record = context.record
        numbers: t.Dict[str, t.Any] = {"measured": record.settled() if name == outcome.SUCCESS else record.last()}
        numbers["baseline"] = context.baseline.numbers()
        if record.notes:
            numbers["notes"] = list(record.notes)
        return numbers

    def _base(self, name: str, changed: bool, message: str) -> t.Dict[str, t.Any]:
        return {
            "id": self._request.id,
            "tenant": self._request.tenant,
            "release": self._request.release,
            "class": name,
            "changed": changed,
            "failed": outcome.MEANINGS[name].failure,
            "msg": "; ".join([message, *self._notes]),
            "undeclared": list(self._plan.undeclared),
            "signer": dict(self._plan.signer),
            **{key: value for key, value in self._asked().items() if value},
        }

    def _asked(self) -> t.Dict[str, t.Any]:
        """Who asked for it, why, and as a part of what."""
        request = self._request
        rollout = {key: request.rollout[key] for key in ("id", "stage", "wave") if key in request.rollout}
        return {
            "rollout": rollout,
            "who": request.who,
            "reason": request.reason,
            "ticket": request.ticket,
            "force": request.force,
        }

    def success(self) -> t.Dict[str, t.Any]:
        result = self._base(outcome.SUCCESS, True, f"release {self._request.release} of {self._request.tenant} runs")
        result["workloads"] = {
            change.name: self._workload(change, outcome.UNCHANGED if change.action == KEEP else outcome.SUCCESS)
            for change in self._plan.changes
        }
        return result

    def fetched(self) -> t.Dict[str, t.Any]:
        took = sum(item["seconds"] for item in (self._steps.taken if self._steps else []) if item["step"] == "fetch")
        message = f"images and models of release {self._request.release} are here"
        return {**self._base(outcome.UNCHANGED, False, message), "fetch_seconds": round(took, 3), "workloads": {}}

    def unchanged(self, changed: bool) -> t.Dict[str, t.Any]:
        name = outcome.SUCCESS if changed else outcome.UNCHANGED
        result = self._base(name, changed, f"release {self._request.release} of {self._request.tenant} runs")
        result["workloads"] = {change.name: self._workload(change, outcome.UNCHANGED) for change in self._plan.changes}
        return result

    def failed(
        self, name: str, failure: NodeError, problems: t.Sequence[str], logs: t.Sequence[str] = ()
    ) -> t.Dict[str, t.Any]:
        where = f"workload {failure.workload}: " if failure.workload else ""
        meaning = outcome.MEANINGS[name].words
        if name == outcome.REVERTED and not any(change.old for change in self._plan.todo):
            meaning = "the new version failed; nothing ran before it, and nothing runs now"
        result = self._base(name, False, "; ".join([f"{where}{failure.message}", *problems]) + f" [{name}: {meaning}]")
        result["cause"] = failure.cause
        result["workloads"] = {}
        for change in self._plan.changes:
            entry = self._workload(change, outcome.UNCHANGED if change.action == KEEP else name)
            if self._steps is not None and name in (outcome.REVERTED, outcome.BROKEN):
                entry["revert_seconds"] = round(
                    self._steps.seconds("revert_") - self._steps.seconds("revert_record"), 3
                )
                entry["revert_start_seconds"] = round(
                    self._steps.seconds("revert_start_old") + self._steps.seconds("revert_probe_old"), 3
                )
            if change.name == failure.workload:
                entry.update(reason=failure.message, cause=failure.cause, exit_code=failure.exit_code, logs=list(logs))
            result["workloads"][change.name] = entry
        return result
