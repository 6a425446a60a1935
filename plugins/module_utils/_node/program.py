# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program does for its callers: apply, plan, revert, recover, and the answers for a person at the machine."""

from __future__ import annotations

import dataclasses
import os
import typing as t
import uuid

from .._core import outcome
from .._core import plan as _plan
from .._core.request import Request
from .._core.state import Refusal, State, Tenant, Workload
from . import devices, files, gpu_guard
from .change import Transaction
from .errors import NodeError
from .node import Node, Steps
from .report import Report
from .settle import ENGINE_WAIT, Settler

LOCK_WAIT = 60.0
DEVICE_WAIT = 600.0
"""Seconds that news of a device waits for a change to end."""


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


def _empty_plan(request: Request) -> _plan.Plan:
    return _plan.Plan(request.tenant, request.release, (), (), "", (), False)


def apply(node: Node, request: Request) -> t.Dict[str, t.Any]:
    """Carries a request out and returns its result; the result is also on disk for whoever waits for it."""
    try:
        with node.lock(LOCK_WAIT):
            result = _apply_locked(node, request)
            node.store.write_result(request.id, result)
            return result
    except NodeError as exc:
        name = outcome.INTERRUPTED if _is_journalled(node, request) else outcome.REFUSED
        result = Report(request, _empty_plan(request)).failed(name, exc, [])
        node.store.write_result(request.id, result)
        return result


def _is_journalled(node: Node, request: Request) -> bool:
    """Whether recovery has to end what was begun."""
    try:
        journal = node.store.load().journal
    except NodeError:
        return False
    return journal is not None and journal.id == request.id


def _apply_locked(node: Node, request: Request) -> t.Dict[str, t.Any]:
    state = node.store.load()
    if state.journal is not None:
        _settle(node, state, outcome.INTERRUPTED)
    info = node.engine.info()
    plan = make_plan(node, state, request)
    report = Report(request, plan)
    if plan.conflict:
        return _refuse(node, state, request, report.failed(outcome.REFUSED, NodeError("release", plan.conflict), []))
    if plan.refused:
        name, refusal = plan.refused[0]
        return _refuse(node, state, request, report.failed(outcome.REFUSED, _refused(name, refusal), [], refusal.logs))
    if not plan.todo:
        if plan.new_release:
            state.tenant(request.tenant).remember_release(request.release, request.release_digest)
            node.store.save(state)
        return report.unchanged(plan.new_release)
    return Transaction(node, state, info, request, plan).run()


def _refuse(node: Node, state: State, request: Request, result: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    node.store.close(state, request.tenant, result)
    return result


def _refused(name: str, refusal: Refusal) -> NodeError:
    return NodeError(
        "remembered",
        f"this specification failed here before (release {refusal.release}, {refusal.cause}): {refusal.reason}. "
        "It is not tried again until it changes; `force: true` tries it all the same",
        workload=name,
        exit_code=refusal.exit_code,
    )


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
            node.forget_container(container)
    node.limit_ports(state)
    node.collect(state, node.engine.info())
    request = Request(id=journal.id, tenant=journal.tenant, release=journal.release, specs=[])
    report = Report(request, _empty_plan(request))
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
    return result


def recover(node: Node, service_result: str = "") -> t.Dict[str, t.Any]:
    """After a crash, a deadline or a boot: what the state says is what runs.

    :param service_result: what systemd says of the unit that ended, `success`, `timeout`, ...
    """
    with node.lock(ENGINE_WAIT * 5):
        if files.read_text(node.paths.state) is None:
            return {"class": outcome.UNCHANGED, "msg": "nothing is deployed here"}
        state = node.store.load()
        if state.journal is not None:
            return _settle(node, state, outcome.TIMED_OUT if service_result == "timeout" else outcome.INTERRUPTED)
        if service_result == "success":
            return {"class": outcome.UNCHANGED, "msg": "nothing was left over"}
        settler = Settler(node, state, Steps(node, state))
        settler.run()
        node.limit_tenants(node.engine.info().cgroup_driver, state)
    name = outcome.BROKEN if settler.problems else (outcome.SUCCESS if settler.started else outcome.UNCHANGED)
    return {"class": name, "msg": "; ".join(settler.problems) or f"{len(settler.started)} containers started"}


def _find(state: State, scope: str) -> t.Tuple[str, Tenant, t.Dict[str, Workload]]:
    """The tenant and workloads that TENANT or TENANT/WORKLOAD names."""
    name, slash, workload = scope.partition("/")
    known = (
        ", ".join(
            f"{tenant}/{item}" for tenant, entry in sorted(state.tenants.items()) for item in sorted(entry.workloads)
        )
        or "nothing"
    )
    tenant = state.tenants.get(name)
    if tenant is None or (slash and workload not in tenant.workloads):
        raise NodeError("state", f"there is no '{scope}' on this node; there is: {known}")
    return name, tenant, {workload: tenant.workloads[workload]} if slash else tenant.workloads


def revert_request(node: Node, scope: str, who: str) -> Request:
    """The request that puts the previous version of a tenant or workload back."""
    state = node.store.load()
    name, tenant, chosen = _find(state, scope)
    targets = {key: item.previous for key, item in chosen.items() if item.previous is not None}
    if not targets:
        raise NodeError("state", f"'{scope}' has no previous version on this node")
    specs = []
    for key, item in tenant.workloads.items():
        deployment = targets.get(key) or item.current
        if deployment is not None:
            specs.append(deployment.spec)
    release = next(iter(targets.values())).release
    return Request(id=uuid.uuid4().hex, tenant=name, release=release, specs=specs, revert=True, who=who)


def after_revert(node: Node, request: Request, before: State) -> None:
    """What a person took back is refused from then on, until it changes or is forced."""
    with node.lock(LOCK_WAIT):
        state = node.store.load()
        for key, item in before.tenants[request.tenant].workloads.items():
            now = state.tenants[request.tenant].workloads.get(key)
            if (
                item.current is None
                or now is None
                or now.current is None
                or now.current.spec_digest == item.current.spec_digest
            ):
                continue
            now.refuse(
                Refusal(
                    item.current.spec_digest,
                    item.current.digest,
                    item.current.release,
                    "operator",
                    f"taken back at the node by {request.who}",
                    state.sequence,
                )
            )
        node.store.save(state)


def settle_devices(node: Node) -> t.List[str]:
    """After a device came or went, a reload of systemd, an upgrade of packages, and at boot: every workload has the devices
    that it asked for where they are there, can use the GPUs it was given, and the ledger says what was not so."""
    with node.lock(DEVICE_WAIT):
        state = node.store.load()
        lines = devices.settle(node.paths, state)
        return lines if state.journal is not None else [*lines, *gpu_guard.settle(node, state)]


def status(node: Node) -> t.Dict[str, t.Any]:
    """What runs here, what is held and what is under way. Works while the engine is down, and says so."""
    state = node.store.load()
    problem, containers = "", {}
    try:
        containers = {item.name: item for item in node.engine.containers()}
    except NodeError as exc:
        problem = exc.message
    tenants: t.Dict[str, t.Any] = {}
    for name, tenant in sorted(state.tenants.items()):
        rows = {}
        for key, item in sorted(tenant.workloads.items()):
            found = containers.get(item.current.container) if item.current else None
            rows[key] = {
                "current": item.current.brief() if item.current else None,
                "container": item.current.container if item.current else "",
                "running": bool(found and found.running) if not problem else None,
                "previous": item.previous.brief() if item.previous else None,
                "refused": [dict(dataclasses.asdict(refusal), logs=list(refusal.logs)) for refusal in item.refused],
            }
        tenants[name] = {"release": tenant.release, "releases": tenant.releases, "workloads": rows, "last": tenant.last}
    journal = state.journal
    return {
        "engine": problem or "up",
        "tenants": tenants,
        "holds": node.store.holds(),
        "devices": devices.overview(node.paths, state),
        "change": {"id": journal.id, "tenant": journal.tenant, "release": journal.release, "step": journal.step}
        if journal
        else None,
        "sequence": state.sequence,
    }


def hold(node: Node, scope: str, reason: str, who: str) -> None:
    holds = [item for item in node.store.holds() if item["scope"] != scope]
    node.store.save_holds([*holds, {"scope": scope, "reason": reason, "who": who}])


def release(node: Node, scope: str) -> bool:
    """Takes a hold away; False where there was none."""
    holds = node.store.holds()
    left = [item for item in holds if scope not in ("every", item["scope"])]
    node.store.save_holds(left)
    return len(left) != len(holds)


def logs(node: Node, scope: str, lines: int) -> t.List[str]:
    dummy, dummy2, chosen = _find(node.store.load(), scope)
    result = []
    for key, item in chosen.items():
        if item.current is not None:
            result += [f"{key}: {line}" for line in node.engine.logs(item.current.container, lines)]
    return result


def who() -> str:
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or f"uid {os.getuid()}"
