# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program does for its callers: apply, plan, deliver, recover."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import time
import typing as t

from .._core import outcome
from .._core import plan as _plan
from .._core import secrets as _secrets
from .._core import spec as _spec
from .._core.request import FETCH, PLAN, Request
from .._core.state import Journal, Refusal, State, Tenant, Workload
from . import (
    admit,
    clock,
    containers,
    devices,
    files,
    holds,
    lease,
    models,
    rotation,
    trust,
    waiting,
)
from .change import Transaction
from .errors import NodeError
from .fetch import Fetcher, reference
from .node import LOCK_WAIT, Node, Steps
from .report import Report
from .settle import ENGINE_WAIT, Settler

SHORT_WAIT = 2.0


def make_plan(node: Node, state: State, request: Request) -> _plan.Plan:
    running = {item.name for item in node.engine.containers() if item.running}
    _add_endpoints(node, request)
    return _plan.plan(
        state,
        request.tenant,
        request.release,
        request.release_digest,
        request.specs,
        running,
        remove_undeclared=request.remove_undeclared,
        force=request.force or request.revert,
    )


def _add_endpoints(node: Node, request: Request) -> None:
    """Where the network devices are that a workload asks for belongs to what is rendered: another address is a change."""
    if any(spec.get("requires", {}).get("devices") for spec in request.specs):
        names = devices.known(node.paths)
        for spec in request.specs:
            found = devices.endpoints(names, spec)
            spec.pop("endpoints", None)
            if found:
                spec["endpoints"] = found


def _is_here(node: Node, state: State, spec: t.Mapping[str, t.Any]) -> bool:
    """Whether nothing of it would have to be fetched."""
    here = set(models.present(node.paths))
    return reference(spec) in state.images and all(model["sha256"] in here for model in spec["models"])


def look(node: Node, request: Request) -> t.Dict[str, t.Any]:
    """What a request would change, and what a rollout must know of the node before it begins; takes its lease."""
    if request.until == PLAN:
        _check_lease(node, request)
    state = node.store.load()
    plan = make_plan(node, state, request)
    tenant = state.tenants.get(request.tenant, Tenant())
    untrusted, signed = "", {}
    try:
        signed = signer(node, state, request)
    except NodeError as exc:
        untrusted = f"workload {exc.workload}: {exc.message}" if exc.workload else exc.message
    found: t.Dict[str, t.Any] = {}
    if request.sizes:
        fetcher = Fetcher(node.engine, node.engine.info(), node.paths, state.images, state.suspects, request.tenant)
        specs = [change.spec for change in plan.todo if change.spec is not None]
        found["bytes"], found["unknown"] = admit.to_fetch(node.engine, fetcher, node.paths, specs)
    return {
        **found,
        "untrusted": untrusted,
        "signer": signed,
        "changed": plan.changed,
        "diff": plan.diff(),
        "conflict": plan.conflict,
        "refused": [{"workload": name, "cause": item.cause, "reason": item.reason} for name, item in plan.refused],
        "undeclared": plan.undeclared,
        "fetched": all(_is_here(node, state, change.spec) for change in plan.todo if change.spec is not None),
        "actions": {change.name: change.action for change in plan.changes},
        "current": tenant.release,
        "last": {key: tenant.last[key] for key in ("release", "class", "cause", "rollout") if key in tenant.last},
        "holds": node.store.holds(),
    }


def signer(node: Node, state: State, request: Request) -> t.Dict[str, str]:
    """Who signed for a request. What ran here before was judged then, and comes back without a signature.

    :raises NodeError: where only signed releases are accepted and this one is not.
    """
    tenant = state.tenants.get(request.tenant, Tenant())
    if request.revert and all(_ran(tenant, spec) for spec in request.specs):
        return {"state": trust.REVERT}
    return trust.verify(
        node.paths, request.tenant, request.release, request.signed_text, request.signature, request.specs
    )


def _ran(tenant: Tenant, spec: t.Mapping[str, t.Any]) -> bool:
    workload = tenant.workloads.get(spec["name"], Workload())
    known = [item.spec for item in (workload.current, workload.previous) if item is not None]
    return _content(spec) in [_content(item) for item in known]


def _content(spec: t.Mapping[str, t.Any]) -> str:
    """A specification but for the addresses of network devices, which are those of now."""
    return _spec.digest({key: value for key, value in spec.items() if key != "endpoints"})


def _empty_plan(request: Request) -> _plan.Plan:
    return _plan.Plan(request.tenant, request.release, (), (), "", (), False)


def apply(node: Node, request: Request) -> t.Dict[str, t.Any]:
    """Carries a request out and returns its result; the result is also on disk for whoever waits for it."""
    # Not while the lock is held: many nodes that begin together shall not ask for the same bytes together.
    time.sleep(random.uniform(0, request.jitter))  # noqa: S311
    until = time.monotonic() + LOCK_WAIT
    try:
        with waiting.turn(node, request, LOCK_WAIT):
            return _take_turn(node, request, until)
    except NodeError as exc:
        name = outcome.INTERRUPTED if _is_journalled(node, request) else outcome.REFUSED
        result = Report(request, _empty_plan(request)).failed(name, exc, [])
        node.store.write_result(request.id, result)
        return result


def _take_turn(node: Node, request: Request, until: float) -> t.Dict[str, t.Any]:
    """The lock of the node is taken for what must be alone, and not while the change waits for a safe moment."""
    parked: t.Optional[Transaction] = None
    while True:
        try:
            if parked is not None:
                parked.wait()
                until = time.monotonic() + parked.pace
            with node.lock(until - time.monotonic()):
                found = _apply_locked(node, request, parked)
                if not isinstance(found, Transaction):
                    node.store.write_result(request.id, found)
                    waiting.forget(node.paths, request)
                    with contextlib.suppress(NodeError):
                        clock.keep(node.paths)
                    return found
                parked = found
        except NodeError as exc:
            if parked is None or _is_journalled(node, request):
                raise
            if exc.cause != "busy" or not parked.patient:
                return _end_wait(node, request, parked.give_up(exc))


def _end_wait(node: Node, request: Request, result: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    """It ended while it waited. Whoever asked is told now, also where another change keeps the state from being told."""
    try:
        with node.lock(SHORT_WAIT):
            state = node.store.load()
            journal = state.parked.get(request.tenant)
            if journal is not None and journal.id == request.id:
                waiting.close(node, state, journal, result)
    except NodeError:
        waiting.leave(node.paths, request.tenant, result)
    node.store.write_result(request.id, result)
    return result


def _is_journalled(node: Node, request: Request) -> bool:
    """Whether recovery has to end what was begun."""
    try:
        journal = node.store.load().journal
    except NodeError:
        return False
    return journal is not None and journal.id == request.id


def _is_left(node: Node, change: str) -> bool:
    return any(journal.id == change for journal in node.store.load().under_way())


def _check_lease(node: Node, request: Request) -> None:
    """A person at the machine may always take back; everybody else waits for the rollout that is under way."""
    if request.rollout:
        lease.claim(node.paths, request.tenant, request.rollout)
    elif not request.revert:
        lease.check(node.paths, request.tenant, request.rollout)


def _apply_locked(
    node: Node, request: Request, parked: t.Optional[Transaction] = None
) -> t.Union[t.Dict[str, t.Any], Transaction]:
    """:return: the result, or the change where it waits."""
    state = _settled_state(node)
    mine = request.tenant if request.until != FETCH else ""
    _close_dead(node, state, lambda item: item.tenant == mine and item.id != request.id)
    _check_lease(node, request)
    state.parked.pop(mine, None)  # the next write tells what became of it
    info = node.engine.info()
    plan = make_plan(node, state, request)
    try:
        plan = dataclasses.replace(plan, signer=signer(node, state, request))
    except NodeError as exc:
        return _refuse(node, state, request, Report(request, plan).failed(outcome.REFUSED, exc, []))
    report = Report(request, plan)
    if plan.conflict:
        return _refuse(node, state, request, report.failed(outcome.REFUSED, NodeError("release", plan.conflict), []))
    if plan.refused:
        name, refusal = plan.refused[0]
        return _refuse(node, state, request, report.failed(outcome.REFUSED, _refused(name, refusal), [], refusal.logs))
    if not plan.todo:
        if plan.new_release:
            state.tenant(request.tenant).remember_release(request.release, request.release_digest)
        if plan.new_release or parked is not None:
            node.store.save(state)
        return report.unchanged(plan.new_release)
    if parked is not None:
        names = parked.names | {change.name for change in plan.todo}
        reason = waiting.overtaken(state, request.tenant, parked.standing, names)
        if reason:
            return _refuse(node, state, request, report.failed(outcome.REFUSED, NodeError("overtaken", reason), []))
    change = Transaction(node, state, info, request, plan, parked)
    return change.run() or change


def _refuse(node: Node, state: State, request: Request, result: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    node.store.close(state, request.tenant, result)
    return result


def _close_dead(
    node: Node, state: State, known: t.Callable[[Journal], bool], name: str = outcome.INTERRUPTED
) -> t.List[t.Dict[str, t.Any]]:
    """Changes whose program ended while they waited: nothing was touched, so there is nothing to undo.

    :param known: says of which it is known, whatever their lock says; those end as `name`.
    """
    found = []
    for tenant, journal in sorted(state.parked.items()):
        sure = known(journal)
        if not sure and waiting.lives(node.paths, tenant):
            continue
        result = waiting.left(node.paths, journal)
        if result is None:
            request = Request(id=journal.id, tenant=tenant, release=journal.release, specs=[])
            report = Report(request, dataclasses.replace(_empty_plan(request), signer=journal.signer))
            failure = NodeError("crash", "the change was cut short while it waited for a safe moment")
            result = report.failed(name if sure else outcome.INTERRUPTED, failure, [])
        waiting.close(node, state, journal, result)
        found.append(result)
    return found


def _refused(name: str, refusal: Refusal) -> NodeError:
    return NodeError(
        "remembered",
        f"this specification failed here before (release {refusal.release}, {refusal.cause}): {refusal.reason}. "
        "It is not tried again until it changes; `force: true` tries it all the same",
        workload=name,
        exit_code=refusal.exit_code,
    )


def _settled_state(node: Node) -> State:
    """With the lock of the node: the state, after the change and the rotations that were cut short have been ended."""
    state = node.store.load()
    rotation.settle(node, state, outcome.INTERRUPTED)
    if state.journal is not None:
        _settle(node, state, outcome.INTERRUPTED)
    return state


def _settle(node: Node, state: State, name: str) -> t.Dict[str, t.Any]:
    """Undoes, or completes, the change in the journal, and returns what became of it."""
    journal = state.journal
    if journal is None:
        raise NodeError("state", "there is no change to settle")
    if journal.fetching and journal.boot_id != node.boot_id():
        state.suspects = sorted(set(state.suspects) | set(journal.fetching))
    step = journal.step  # from here on the journal tells the steps of the way back
    settler = Settler(node, state, Steps(node, state))
    settler.run()
    committed = journal.committed
    new = [item.container for item in journal.trial()]
    state.journal = None
    if not committed:
        for container in new:
            containers.forget(node, container)
    containers.limit_ports(node, state)
    containers.collect(node, state, node.engine.info())
    request = Request(id=journal.id, tenant=journal.tenant, release=journal.release, specs=[])
    report = Report(request, dataclasses.replace(_empty_plan(request), signer=journal.signer))
    if settler.problems:
        result = report.failed(
            outcome.BROKEN, NodeError("crash", f"the change was cut short at {step}"), settler.problems
        )
    elif committed:
        result = report.success()
    else:
        result = report.failed(name, NodeError("crash", f"the change was cut short at {step}"), [])
    node.store.close(state, journal.tenant, result)
    node.store.write_result(journal.id, result)
    waiting.forget(node.paths, journal)
    return result


NOTHING_LEFT: t.Dict[str, t.Any] = {"class": outcome.UNCHANGED, "msg": "nothing was left over"}


def recover(node: Node, service_result: str = "", change: str = "") -> t.Dict[str, t.Any]:
    """After a crash, a deadline or a boot: what the state says is what runs.

    :param service_result: what systemd says of the unit that ended, `success`, `timeout`, ...
    :param change: whose unit it was. One that left nothing over does not wait for others that are at work.
    """
    if service_result == "success" and change and not _is_left(node, change):
        return NOTHING_LEFT
    name = outcome.TIMED_OUT if service_result == "timeout" else outcome.INTERRUPTED
    with node.lock(ENGINE_WAIT * 5):
        rotated = rotation.settle(node, node.store.load(), name)
        found = _recover_locked(node, service_result, change, name)
    if rotated:
        worst = outcome.BROKEN in (found["class"], *(item["class"] for item in rotated))
        words = [*(f"{item['class']}: {item['msg']}" for item in rotated), found["msg"]]
        return {"class": outcome.BROKEN if worst else rotated[-1]["class"], "msg": "; ".join(words)}
    return found


def _recover_locked(node: Node, service_result: str, change: str, name: str) -> t.Dict[str, t.Any]:
    """:param name: the class of a change that is taken back."""
    if files.read_text(node.paths.state) is None:
        return {"class": outcome.UNCHANGED, "msg": "nothing is deployed here"}
    state = node.store.load()
    left = state.journal
    found = _close_dead(node, state, lambda item: item.id == change, name)
    if left is not None:
        found.insert(0, _settle(node, state, name if change in ("", left.id) else outcome.INTERRUPTED))
    mine = [item for item in found if item["id"] == change]
    if mine or left is not None:
        return (mine or found)[0]
    if service_result == "success":
        return NOTHING_LEFT
    settler = Settler(node, state, Steps(node, state))
    settler.run()
    containers.limit_tenants(node, node.engine.info().cgroup_driver, state)
    name = outcome.BROKEN if settler.problems else (outcome.SUCCESS if settler.started else outcome.UNCHANGED)
    return {"class": name, "msg": "; ".join(settler.problems) or f"{len(settler.started)} containers started"}


def deliver(node: Node, request: _secrets.Request) -> t.Dict[str, t.Any]:
    """Takes a tenant's secrets into use and returns what became of it; the result is also there for whoever waits for it."""
    until = time.monotonic() + LOCK_WAIT
    try:
        if not request.force:
            holds.refuse_blocked(node, request.tenant)
        with rotation.turn(node, request.tenant, LOCK_WAIT):
            result = _deliver(node, request, until)
    except NodeError as exc:
        result = rotation.refused(request, exc)
    node.store.write_result(request.id, result)
    return result


def _deliver(node: Node, request: _secrets.Request, until: float) -> t.Dict[str, t.Any]:
    """The lock of the node is taken for what must be alone, and not while the rotation waits for a safe moment."""
    waited: t.Optional[rotation.Rotation] = None
    while True:
        try:
            if waited is not None:
                waited.wait()
                until = time.monotonic() + waited.pace
            with node.lock(until - time.monotonic()):
                state = _settled_state(node)
                waited = rotation.Rotation(node, state, request, waited)
                result = waited.run()
                if result:
                    return result
        except NodeError as exc:
            if waited is None:
                raise
            if exc.cause != "busy" or not waited.patient:
                return waited.give_up(exc)


def end_tenant(node: Node, tenant: str) -> t.List[str]:
    """Stops all workloads of a tenant and takes their containers away; returns their names. Data in volumes stays.

    What the state does not name any more is stopped by whoever settles next, so that this may be cut off anywhere.
    """
    with node.lock(LOCK_WAIT):
        state = _settled_state(node)
        have = state.tenants.get(tenant)
        names = sorted(have.workloads) if have is not None else []
        if have is None or not names:
            return []
        have.workloads.clear()
        state.fetched.pop(tenant, None)
        node.store.save(state)
        settler = Settler(node, state, Steps(node, state))
        settler.run()
        containers.collect(node, state, node.engine.info())
        node.store.save(state)
    return names
