# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout between Ansible's variables and the pure logic of `_rollout`: what plays hand in and get back."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from ..module_utils._core import spec
from ..module_utils._core.fields import SpecError
from . import blocked as _blocked
from . import release as _release
from . import windows as _windows_of
from ._rollout import check, outcomes, report, run
from ._rollout import policy as _policy

RESULT = "__workloads_result"
"""The variable of each host that holds what the module workloads returned last."""
SITE = "__rollout_site_lease"
"""What the gateway of a host's site said to the lease, where it was asked for the site."""
FOUND = "__workloads_found"
HEALTH = "__rollout_health"
BACK = "__rollout_back"
BLOCKED = "edge_blocked"
"""Beside what the inventory says of a host: who is cut off there."""
VARIABLES = (
    *_release.SELECTABLE,
    *("edge_labels", "edge_networks", "edge_when_offline"),
    *("edge_timezone", "edge_fetch_window", "edge_swap_window", "edge_bandwidth"),
)

Hosts = Mapping[str, Mapping[str, t.Any]]


def _sealed(found: run.Run) -> run.Run:
    """With what plays ask for: hosts of the next wave whose window is shut now, and what the last play needs."""
    upcoming = [] if found["stopped"] else found["steps"][found["done"]]["hosts"]
    windows = {host: found["windows"][host] for host in upcoming if host in found["windows"]}
    all_back = found["halted"] and found["on_failure"] == "revert_all"
    return {
        **found,
        "shut": _shut(windows, "swap"),
        "leased": run.leased(found),
        "proven": [] if all_back else run.proven(found),
    }


def _windows(known: Hosts, which: str) -> dict[str, tuple[t.Any, str]]:
    """Window and time zone of each host that has one."""
    key = f"edge_{which}_window"
    return {host: (values[key], str(values["edge_timezone"] or "UTC")) for host, values in known.items() if values[key]}


def _shut(windows: Mapping[str, t.Any], which: str) -> dict[str, str]:
    """Why nothing may begin now, by host."""
    now = datetime.now(UTC)
    found = {}
    for host, (window, timezone) in windows.items():
        if not _windows_of.can_start(window, timezone, now):
            opens = _windows_of.next_open(window, timezone, now).astimezone(_windows_of.zone(timezone))
            found[host] = f"its {which} window opens on {opens:%A %d %B at %H:%M} ({timezone})"
    return found


class RolloutError(ValueError):
    """A rollout that cannot begin; one line."""


def variables(hostvars: Mapping[str, t.Any], hosts: Sequence[str]) -> dict[str, dict[str, t.Any]]:
    """What the inventory says of each host, of all that a rollout asks for; with the labels that its node found."""
    found = {}
    for host in hosts:
        have = hostvars[host]
        values = {key: have.get(key) for key in VARIABLES}
        discovered = have.get(FOUND) or {}
        if isinstance(discovered, Mapping) and discovered.get("labels"):
            values["edge_labels"] = {**(values["edge_labels"] or {}), **discovered["labels"]}
        found[host] = {**values, BLOCKED: _blocked.found(have)}
    return found


def _members(release: Mapping[str, t.Any], known: Hosts, asked: bool) -> dict[str, Mapping[str, t.Any]]:
    """Hosts that the release is for. Before nodes are asked, labels that only they know fit."""
    if not asked:
        release = {**release, "workloads": [_without_found(item) for item in release["workloads"]]}
    chosen = {host: values for host, values in known.items() if _release.selected(release, values)}
    return {host: values for host, values in chosen.items() if not _cut_off(release, values)}


def _cut_off(release: Mapping[str, t.Any], values: Mapping[str, t.Any]) -> str:
    """Why nothing of the release goes to a host: it, its site or the tenant there is blocked."""
    found = values[BLOCKED]
    return str(found["reason"] or found["tenants"].get(release["tenant"], ""))


def _asked(have: Mapping[str, t.Any]) -> t.Any:
    """What the node said, or what the gateway of its site said for it: that somebody else rolls out there."""
    site = have.get(SITE)
    return site if isinstance(site, Mapping) and site.get("cause") == "lease" else have.get(RESULT)


def _left_out(release: Mapping[str, t.Any], known: Hosts, hosts: Sequence[str]) -> set[str]:
    """Rings with hosts that the release is for and that the run leaves out."""
    others = {host: values for host, values in known.items() if host not in set(hosts)}
    return {str(values["edge_ring"] or "") for values in _members(release, others, asked=False).values()}


def _without_found(workload: t.Any) -> t.Any:
    if not isinstance(workload, Mapping) or not isinstance(workload.get("select"), Mapping):
        return workload
    kept = {key: value for key, value in workload["select"].items() if not str(key).startswith("hw.")}
    return {**workload, "select": kept}


def problems(
    release: t.Any,
    policy: t.Any,
    hostvars: Mapping[str, t.Any],
    hosts: Sequence[str],
    everyone: Sequence[str],
    approved: t.Any = (),
) -> list[str]:
    """What is wrong with release and policy for these hosts, a line each; found before any node is contacted."""
    try:
        _release.check(release)
        spec.check_tenant(release["tenant"])
        spec.check_release(release["release"])
        known = variables(hostvars, everyone)
        parsed = parse(policy, known, approved)
        members = _members(release, {host: known[host] for host in hosts}, asked=False)
        if not members:
            return ["the release is for none of these hosts: " + "; ".join(_why_none(release, known, hosts))]
        for which in ("fetch", "swap"):
            _shut(_windows(members, which), which)
        return _unfit(release, members) or _stuck(parsed, members, known, _left_out(release, known, hosts))
    except (RolloutError, _release.ReleaseError, _policy.PolicyError, SpecError, _windows_of.WindowError) as exc:
        return [str(exc)]


def parse(policy: t.Any, known: Hosts, approved: t.Any) -> _policy.Policy:
    """The policy for the rings of the inventory.

    :param approved: names of stages that are approved beforehand.
    :raises PolicyError: for the policy.
    :raises RolloutError: for a stage that it does not have.
    """
    parsed = _policy.parse(
        policy, sorted({str(values["edge_ring"]) for values in known.values() if values["edge_ring"]})
    )
    stages = [stage.name for stage in parsed.stages]
    unknown = [name for name in _names(approved) if name not in stages]
    if unknown:
        raise RolloutError(
            f"rollout_approve: found {', '.join(unknown)}; the policy has the stages {', '.join(stages)}"
        )
    return parsed


def _why_none(release: Mapping[str, t.Any], known: Hosts, hosts: Sequence[str]) -> list[str]:
    first = hosts[0]
    if _cut_off(release, known[first]):
        return [f"{first} is passed over: {_cut_off(release, known[first])}"]
    return [
        f"workload {item.get('name')}: on {first} {_release.mismatch('select', item.get('select') or {}, known[first])}"
        for item in release["workloads"]
    ] or ["it has no workloads"]


def _unfit(release: Mapping[str, t.Any], members: Hosts) -> list[str]:
    found: dict[str, list[str]] = {}
    for host, values in members.items():
        try:
            spec.render(_release.selected(release, values), release.get("models") or [], values["edge_networks"] or {})
        except SpecError as exc:
            found.setdefault(str(exc), []).append(host)
    return [f"{message} (on {_some(hosts)})" for message, hosts in found.items()]


def _some(hosts: Sequence[str]) -> str:
    return ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if len(hosts) > 3 else "")


def _stuck(policy: _policy.Policy, members: Hosts, known: Hosts, left_out: set[str]) -> list[str]:
    everything = {host: {"plan": {"changed": True}} for host in members}
    run.begin({"id": "", "tenant": "", "release": ""}, policy, members, everything, known, 0, left_out)
    return []


def begin(
    policy: t.Any,
    identity: Mapping[str, t.Any],
    release: Mapping[str, t.Any],
    hostvars: Mapping[str, t.Any],
    hosts: Sequence[str],
    everyone: Sequence[str],
    most_waves: int = 0,
    before: t.Any = None,
) -> run.Run:
    """:param before: outcomes by host of an earlier run of the same rollout, for hosts that cannot be asked now."""
    known = variables(hostvars, everyone)
    try:
        parsed = _policy.parse(policy)
        members = _members(release, {host: known[host] for host in hosts}, asked=True)
        asked = {host: _asked(hostvars[host]) for host in members}
        left_out = _left_out(release, known, hosts)
        health = {host: hostvars[host].get(HEALTH) for host in members}
        no_fetch = _shut(_windows(members, "fetch"), "fetch")
        begun = run.begin(identity, parsed, members, asked, known, most_waves, left_out, before or {}, no_fetch, health)
        return _sealed({**begun, "windows": _windows(members, "swap")})
    except (_release.ReleaseError, _policy.PolicyError, _windows_of.WindowError) as exc:
        raise RolloutError(str(exc)) from exc


def record(found: run.Run, what: str, hostvars: Mapping[str, t.Any]) -> run.Run:
    """:param what: `wave` for what the change came to, `soak` for the gate after it, `revert` for the way back."""
    if what == "revert":
        known = variables(hostvars, found["revert"])
        return _sealed(run.reverted(found, {host: hostvars[host].get(BACK) for host in found["revert"]}, known))
    hosts = found["steps"][found["done"]]["hosts"]
    if what == "soak":
        return _sealed(run.judge(found, {host: hostvars[host].get(HEALTH) for host in hosts}))
    return run.record(found, {host: hostvars[host].get(RESULT) for host in hosts}, variables(hostvars, hosts))


def lines(found: run.Run, hostvars: Mapping[str, t.Any]) -> list[str]:
    hosts = list(found["outcomes"])
    sites = {host: str(hostvars[host].get("edge_site") or "") for host in hosts if host in hostvars}
    return report.lines(found, sites)


def approve(found: run.Run, answer: t.Any, before: t.Any = ()) -> run.Run:
    return _sealed(run.approve(found, str(answer or ""), _names(before)))


def _names(given: t.Any) -> list[str]:
    """Names as a list, or as text with commas."""
    listed = given.split(",") if isinstance(given, str) else list(given or ())
    return [str(item).strip() for item in listed if str(item).strip()]


def revert_lines(hostvars: Mapping[str, t.Any], hosts: Sequence[str]) -> list[str]:
    """A line for each host that was asked to take something back, and the end."""
    known = variables(hostvars, hosts)
    found = {host: outcomes.of(hostvars[host].get("revert_result"), known[host]) for host in hosts}
    words = {"success": "taken back", "unchanged": "nothing to take back"}
    shown = [f"{host}: {words.get(item['class'], item['class'])}: {item['msg']}" for host, item in found.items()]
    missing = [host for host, item in found.items() if item["class"] not in words]
    end = f"NOT taken back on {', '.join(missing)}" if missing else f"done on {len(hosts)} hosts"
    return [*shown, end]


def release_check(
    release: Mapping[str, t.Any], hostvars: Mapping[str, t.Any], hosts: Sequence[str]
) -> dict[str, t.Any]:
    """What the release would do on these hosts."""
    known = variables(hostvars, hosts)
    members = _members(release, known, asked=True)
    return check.check(release, known, list(members), {host: hostvars[host].get(RESULT) for host in members})
