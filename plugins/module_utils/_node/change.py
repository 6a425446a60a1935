# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change of a tenant's set on this node: it ends on the new version, healthy, or on the old one, healthy.

Before `commit` the old containers are what boots, after it the new ones are; `settle` brings back whatever the state
file says, so it does not matter where a change is cut off.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import time
import typing as t

from .._core import outcome
from .._core.plan import REMOVE, REPAIR, SWITCH, Change, Plan
from .._core.request import FETCH, Request
from .._core.state import Deployment, Entry, Journal, Refusal, State, Tenant, Workload
from . import admit, baseline, containers, data, files, holds, moment, secrets, switch, waiting
from .engine import Info
from .errors import REMEMBERED, NodeError, about
from .fetch import Fetcher
from .node import Node, Steps
from .probe_kinds import Context
from .probes import Prober, keep_passing
from .report import Report
from .settle import Settler

LOG_LINES = 20
_WATCH = {"for": 5.0, "every": 0.5, "failures": 1}


class Transaction:
    """Carries out a plan that has something to do. `run` returns the report, whatever happened, or an empty one where the
    change waits for a safe moment: it is parked then, and :meth:`wait` is called without the lock of the node.

    :param parked: the same change until it waited. What may have become another one meanwhile is planned and asked again.
    """

    def __init__(
        self,
        node: Node,
        state: State,
        info: Info,
        request: Request,
        plan: Plan,
        parked: t.Optional[Transaction] = None,
    ) -> None:
        self._node, self._state, self._info, self._request, self._plan = node, state, info, request, plan
        self._steps: Steps = Steps(node, state, parked._steps.taken if parked is not None else ())
        self._moment: t.Optional[moment.Moment] = parked._moment if parked is not None else None
        self._fetcher = Fetcher(node.engine, info, node.paths, state.images, state.suspects, request.tenant)
        self._report = Report(request, plan, self._steps)
        self._journal = Journal(request.id, request.tenant, request.release, "admit", node.boot_id())
        self._journal.signer = dict(plan.signer)
        self._touched: t.List[Entry] = []
        self._stopped_at: t.Dict[str, float] = {}
        self._engine_born = node.engine.birth()
        self._contexts: t.Dict[str, Context] = {}
        self.standing: waiting.Standing = {}

    def run(self) -> t.Dict[str, t.Any]:
        try:
            self._begin()
            self._bring()
            if self._request.until == FETCH:
                return self._fetched()
            if not self._may_swap():
                self._park()
                return {}
            self._take_baseline()
            self._prepare()
            for entry in self._journal.entries:
                self._swap(entry)
            self._prove()
            self._commit()
        except NodeError as exc:
            return self._back(exc)
        except OSError as exc:
            return self._back(NodeError("disk", f"{exc.filename or 'a file'}: {exc.strerror}"))
        self._finish()
        return self._close(self._report.success())

    def _fetched(self) -> t.Dict[str, t.Any]:
        """Ends here: images and models wait on the node for the change that needs them."""
        self._state.journal = None
        self._state.fetched[self._request.tenant] = [waiting.needs(spec) for spec in self._request.specs]
        self._node.store.save(self._state)
        return self._report.fetched()

    def _close(self, result: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
        """A change that is still journalled is left to recovery."""
        if self._state.journal is None:
            self._node.store.close(self._state, self._request.tenant, result)
        return result

    # -- before anything running is touched -------------------------------------------------------------------------

    def _begin(self) -> None:
        state = self._state
        state.sequence += 1
        for change in self._plan.todo:
            self._journal.entries.append(self._entry(change))
        state.journal = self._journal
        with self._steps("admit"):
            self._admit()

    def _admit(self) -> None:
        node, todo = self._node, self._plan.todo
        holds.refuse_blocked(node, self._request.tenant)
        secrets.check(node.paths, self._request.tenant, [change.spec for change in todo if change.spec is not None])
        admission = admit.Admission(node.engine, self._info, node.paths, self._fetcher, self._request.tenant)
        if admission.ask(self._state, todo):
            # What failed before was kept for another try. Where it is in the way, it goes.
            containers.collect(node, self._state, self._info, short=True)
            lines = admission.ask(self._state, todo)
            if lines:
                raise NodeError("admit", "; ".join(lines))
        for entry in self._journal.entries:
            if entry.new is not None and entry.name in admission.grants:
                entry.new = dataclasses.replace(entry.new, gpus=admission.grants[entry.name])

    def _entry(self, change: Change) -> Entry:
        if change.spec is None or change.action == REMOVE:
            return Entry(change.name, old=change.old)
        if change.action == SWITCH and change.old is not None:
            known = (change.spec, change.spec_digest, self._request.release, self._state.sequence)
            return Entry(change.name, old=change.old, new=switch.deployment(change.old, *known))
        deployment = Deployment(
            spec=change.spec,
            spec_digest=change.spec_digest,
            container=f"edge-{self._request.tenant}-{change.name}-{self._state.sequence}",
            image_id="",
            release=self._request.release,
            sequence=self._state.sequence,
        )
        snapshots = (
            data.planned(self._node.paths, self._request.tenant, change.spec, self._state.sequence)
            if change.old
            else {}
        )
        return Entry(change.name, old=change.old, new=deployment, snapshots=snapshots)

    def _bring(self) -> None:
        first = [entry for entry in self._journal.entries if entry.new is not None and self._fetches_first(entry)]
        self._fetch(first)

    @staticmethod
    def _fetches_first(entry: Entry) -> bool:
        return (
            entry.old is None
            or entry.switches
            or (entry.new is not None and entry.new.spec["swap"] == "fetch_then_stop")
        )

    def _fetch(self, entries: t.Sequence[Entry]) -> None:
        self._journal.fetching = sorted({entry.new.image_ref for entry in entries if entry.new is not None})
        with self._steps("fetch"):
            for entry in entries:
                if entry.new is None:
                    continue
                with about(entry.name):
                    image_id = self._fetcher.image(entry.new.spec)
                    for model in entry.new.spec["models"]:
                        self._fetcher.model(model)
                entry.new = dataclasses.replace(entry.new, image_id=image_id)
        with self._steps("verify"):
            for entry in entries:
                if entry.new is not None and self._node.engine.image(entry.new.image_id) is None:
                    raise NodeError("verify", f"image {entry.new.image_ref} is gone again", workload=entry.name)
        self._journal.fetching = []
        self._state.suspects.clear()

    def _may_swap(self) -> bool:
        """With the lock of the node: whether the moment is safe now."""
        gates = moment.gates(self._node, self._request.tenant, self._journal.entries)
        if self._moment is None:
            self._moment = moment.Moment(self._node, self._journal, gates, self._raise_where_held, self._show_waiting)
        else:
            self._moment.renew(self._journal, gates, self._raise_where_held)
        with self._steps("hold"):
            free = self._moment.look()
        for line in self._moment.notes if free else ():
            self._report.note(line)
        if free:
            self._moment.close()
        return free

    # -- the wait: others have their turn ---------------------------------------------------------------------------

    def _park(self) -> None:
        """From here on there is nothing to undo. In one write, so that a cut finds the one or the other."""
        state, tenant = self._state, self._request.tenant
        self.standing = waiting.standing(state, tenant)
        state.parked[tenant], state.journal = self._journal, None
        try:
            self._node.store.save(state)
        except NodeError:
            state.journal = state.parked.pop(tenant)
            raise

    def wait(self) -> None:
        """Returns when the swap could begin; whoever has the lock of the node then plans anew.

        :raises NodeError: as :meth:`Moment.wait`.
        """
        began = time.monotonic()
        try:
            if self._moment is not None:
                self._moment.wait()
        finally:
            hold = self._steps.taken[-1]
            hold["seconds"] = round(hold["seconds"] + time.monotonic() - began, 3)

    @property
    def pace(self) -> float:
        """Seconds for which the moment need not be looked at."""
        return self._moment.pace if self._moment is not None else 0.0

    @property
    def patient(self) -> bool:
        """Whether one that waits still has time."""
        return self._moment is not None and not self._moment.over

    @property
    def names(self) -> t.Set[str]:
        """The workloads that it changes."""
        return {change.name for change in self._plan.todo}

    def give_up(self, failure: NodeError) -> t.Dict[str, t.Any]:
        """The result of a change that ended while it waited."""
        if self._moment is not None:
            self._moment.close()
        return self._report.failed(self._untouched(failure), failure, [])

    def _raise_where_held(self) -> None:
        tenant = self._request.tenant
        for hold in self._node.store.holds():
            names = [tenant] + [f"{tenant}/{entry.name}" for entry in self._journal.entries]
            if hold["scope"] == "all" or hold["scope"] in names:
                raise NodeError(
                    "held",
                    f"held by {hold['who']}: {hold['reason']}; images are fetched, `edge release {hold['scope']}` lets the change go on with the next run",
                )

    def _show_waiting(self, rows: t.List[t.Dict[str, t.Any]]) -> None:
        self._journal.waiting = rows
        with contextlib.suppress(NodeError):  # `edge status` then shows less; the wait goes on
            waiting.show(self._node.paths, self._request.tenant, self._request.id, rows)

    def _take_baseline(self) -> None:
        with self._steps("baseline"):
            tenant = self._state.tenants.get(self._request.tenant, Tenant())
            # Who goes back does so because the newer version is worse in another way: that it was faster is no reason to stay.
            waived = "this is the way back" if self._request.revert else ""
            self._contexts = baseline.contexts(self._node, tenant, self._journal.entries, waived)
            for name, context in self._contexts.items():
                self._report.watch(name, context)

    def _prober(self, entry: Entry, settings: t.Mapping[str, t.Any]) -> Prober:
        container = entry.new.container if entry.new is not None else ""
        return Prober(self._node.engine, container, settings, self._contexts.get(entry.name))

    def _prepare(self) -> None:
        self._engine_born = self._node.engine.birth()
        with self._steps("prepare"):
            self._node.reserve_disk()
            containers.limit_ports(self._node, self._state)
            containers.limit_tenants(self._node, self._info.cgroup_driver, self._state)
            for entry in self._journal.entries:
                if entry.new is not None and entry.new.image_id:
                    self._create(entry)

    def _create(self, entry: Entry) -> None:
        if entry.new is None:
            return
        with about(entry.name):
            if entry.switches:
                switch.link(self._node.paths, entry.new)
                return
            containers.create(self._node, self._info, self._request.tenant, entry.new)

    # -- the swap ---------------------------------------------------------------------------------------------------

    def _swap(self, entry: Entry) -> None:
        with about(entry.name):
            if entry.switches:
                self._switch(entry)
                return
            self._stop_old(entry)
            if entry.new is None:
                return
            if not entry.new.image_id:
                self._fetch([entry])
                with self._steps("prepare", entry.name):
                    self._create(entry)
            self._snapshot(entry)
            self._start_new(entry)

    def _switch(self, entry: Entry) -> None:
        """Nothing is stopped: the container is shown its new models, told so, and must pass its probes with them."""
        self._touched.append(entry)
        entry.started = True
        with self._steps("switch", entry.name):
            switch.forward(self._node.paths, self._node.engine, self._info.root, entry)
        self._probe_startup(entry)

    def _stop_old(self, entry: Entry) -> None:
        self._touched.append(entry)
        if entry.old is None:
            return
        self._stopped_at[entry.name] = time.monotonic()
        entry.stopping = True
        with self._steps("stop_old", entry.name):
            self._node.engine.stop(entry.old.container, entry.old.spec["stop_timeout"])
            self._node.forget_lock(self._request.tenant, entry.name)

    def _snapshot(self, entry: Entry) -> None:
        if entry.new is None or not entry.snapshots:
            return
        with self._steps("snapshot", entry.name):
            data.snapshot(self._node.paths, self._request.tenant, entry.new.spec, self._state.sequence)

    def _start_new(self, entry: Entry) -> None:
        if entry.new is None:
            return
        entry.started = True
        with self._steps("start_new", entry.name):
            if self._request.revert and entry.snapshots:
                data.exchange(self._node.paths, self._request.tenant, self._target(entry))
            self._node.engine.start(entry.new.container)
        self._probe_startup(entry)
        if entry.name in self._stopped_at:
            self._report.gap(entry.name, time.monotonic() - self._stopped_at[entry.name])

    def _probe_startup(self, entry: Entry) -> None:
        if entry.new is None:
            return
        with self._steps("startup_probe", entry.name):
            self._prober(entry, entry.new.spec["probes"].get("startup", {})).until_healthy()

    def _target(self, entry: Entry) -> Deployment:
        previous = self._state.tenant(self._request.tenant).workloads[entry.name].previous
        if previous is None:
            raise NodeError("data", f"workload {entry.name} has no previous version")
        return previous

    def _prove(self) -> None:
        probers = []
        for entry in self._journal.entries:
            if entry.new is not None:
                settings = entry.new.spec["probes"].get("steady", _WATCH)
                self._contexts[entry.name].record.begin()
                probers.append((entry.name, self._prober(entry, settings), settings))
        with self._steps("steady_probe"):
            keep_passing(probers)
        for entry in self._journal.entries:
            if entry.new is not None:
                context = self._contexts[entry.name]
                measured, before = context.record.settled(), dict(context.before)
                entry.new = dataclasses.replace(entry.new, measured=measured, before=before)

    # -- the commit -------------------------------------------------------------------------------------------------

    def _commit(self) -> None:
        with self._steps("disarm_old"):
            self._disarm_old()
            files.sync_file_system(self._info.root)
        with self._steps("commit"):
            # On a copy: where it cannot be written, the way back must not take the new version for the current one.
            state = copy.deepcopy(self._state)
            self._make_current(state)
            self._node.store.save(state)
            self._state.tenants, self._state.fetched = state.tenants, state.fetched
            self._journal.committed = True

    def _disarm_old(self) -> None:
        engine = self._node.engine
        have = {item.name for item in engine.containers()}
        replaced = [entry.old for entry in self._journal.entries if entry.old and not entry.switches]
        olds = [item.container for item in replaced if item.container in have]
        engine.restart_policy("no", *olds)
        beside = [item.name for item in (engine.inspect(*olds) if olds else []) if item.running]
        if beside or engine.birth() != self._engine_born:
            raise NodeError("engine", "the container engine was started anew while the new version was on trial")

    def _make_current(self, state: State) -> None:
        tenant = state.tenant(self._request.tenant)
        for change, entry in zip(self._plan.todo, self._journal.entries):
            if entry.new is None:
                del tenant.workloads[entry.name]
                continue
            workload = tenant.workloads.setdefault(entry.name, Workload())
            if change.action != REPAIR and entry.old is not None:
                workload.previous = dataclasses.replace(entry.old, snapshots=entry.snapshots)
            workload.current = entry.new
            if self._request.approve and change.action != REPAIR:
                workload.approve()
            workload.refused = [item for item in workload.refused if item.spec_digest != entry.new.spec_digest]
        state.fetched.pop(self._request.tenant, None)
        tenant.remember_release(self._request.release, self._request.release_digest)
        if state.journal is not None:
            state.journal.committed = True

    def _finish(self) -> None:
        """After the commit nothing goes back: what cannot be done now is done by the next recovery."""
        try:
            with self._steps("arm_new"):
                news = [entry.new.container for entry in self._journal.entries if entry.new is not None]
                self._node.engine.restart_policy("always", *news)
                for item in self._node.engine.inspect(*news) if news else []:
                    if not item.running:  # it ended after it was proven, while nothing would start it again
                        self._node.engine.start(item.name)
            with self._steps("collect"):
                self._state.journal = None
                containers.limit_ports(self._node, self._state)
                containers.collect(self._node, self._state, self._info)
        except NodeError as exc:
            self._report.note(f"committed, but not tidied up: {exc.message}")

    # -- the way back -----------------------------------------------------------------------------------------------

    def _back(self, failure: NodeError) -> t.Dict[str, t.Any]:
        for entry in self._journal.entries:
            if entry.new is not None:
                failure.message = secrets.hide(self._node.paths, entry.new.container, failure.message)
        if not self._touched:
            return self._drop(failure)
        settler = Settler(self._node, self._state, self._steps, self._info)
        try:
            settler.run()
        except NodeError as exc:
            return self._report.failed(
                outcome.INTERRUPTED,
                failure,
                [f"the old version could not be brought back yet: {exc.message}; recovery runs when the engine starts"],
            )
        failure = self._blame(failure)
        with self._steps("revert_record"):
            logs = self._remember(failure)
            self._forget_trial()
            name = outcome.BROKEN if settler.problems else outcome.REVERTED
            return self._close(self._report.failed(name, failure, settler.problems, logs))

    def _blame(self, failure: NodeError) -> NodeError:
        """What failed because the engine did says nothing of the specification, nor of a port that the old one took back."""
        if failure.cause == "engine" or self._node.engine.birth() == self._engine_born:
            return failure
        message = f"the container engine was started anew during the change ({failure.message})"
        return NodeError("engine", message, failure.workload, failure.exit_code)

    def _drop(self, failure: NodeError) -> t.Dict[str, t.Any]:
        """Nothing that runs was touched: what was made for the trial goes away again."""
        if failure.cause in REMEMBERED:
            self._remember(self._blame(failure))
        try:
            self._forget_trial()
        except NodeError as exc:
            if exc.message != failure.message:
                self._report.note(exc.message)
        if self._moment is not None:
            self._moment.close()
        return self._close(self._report.failed(self._untouched(failure), failure, []))

    @staticmethod
    def _untouched(failure: NodeError) -> str:
        return {"held": outcome.HELD, "contract": outcome.SKIPPED_CONTRACT}.get(failure.cause, outcome.REFUSED)

    def _remember(self, failure: NodeError) -> t.List[str]:
        entry = next(
            (item for item in self._journal.entries if item.name == failure.workload and item.new is not None), None
        )
        if entry is None or entry.new is None:
            return []
        said = self._node.engine.logs(entry.new.container, LOG_LINES)
        logs = [secrets.hide(self._node.paths, entry.new.container, line) for line in said]
        if failure.cause in REMEMBERED:
            refusal = Refusal(
                spec_digest=entry.new.spec_digest,
                digest=entry.new.digest,
                release=entry.new.release,
                cause=failure.cause,
                reason=failure.message,
                sequence=self._state.sequence,
                exit_code=failure.exit_code,
                logs=tuple(logs),
            )
            self._state.tenant(self._request.tenant).workloads.setdefault(entry.name, Workload()).refuse(refusal)
        return logs

    def _forget_trial(self) -> None:
        self._node.give_reserve()
        journal, self._state.journal = self._state.journal, None
        for item in journal.trial() if journal else []:
            containers.forget(self._node, item.container)
        containers.limit_ports(self._node, self._state)
