# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The replacement of certificates as a rollout: what its plays hand in and get back. Plan, waves and gate are those of `_rollout`.

A node takes a certificate that fails back by itself, so there is nothing to take back from here: a halt is a halt.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ..module_utils._core import outcome
from . import certificate_push as _push
from . import rollout as _rollout
from ._rollout import outcomes, run, waves
from ._rollout import policy as _policy

INFO, MAY, PLAN = "__certificates_info", "__certificates_may", "__certificates_plan"
"""Variables of each host, by the role certificates: what it has, what it may have, and what is to be done."""
ASKED, SIGNED, TAKEN, TOLD = (f"__certificates_{name}" for name in ("asked", "signed", "taken", "told"))
"""By the role too: what became of each step. The last one is there only where all went through."""
REFUSED, FAILED, LOOK = "rotate_refused", "rotate_failed", "rotate_look"
"""By the playbook: why nothing was begun, what failed in the wave, and what the node has after the soak."""

CHOSEN = {
    "all": "all",
    "issuer": "signed by {}",
    "signed_before": "signed before {}",
    "days_left": "with fewer than {} days left",
    "older_than": "signed more than {} days ago",
}
"""What is replaced although it is not due, in words."""

Have = Mapping[str, t.Any]
Hosts = Mapping[str, Have]
RolloutError = _rollout.RolloutError


def problems(
    policy: t.Any,
    selection: t.Any,
    hostvars: Hosts,
    hosts: Sequence[str],
    everyone: Sequence[str],
    approved: t.Any = (),
) -> list[str]:
    """What is wrong with the policy and with what was asked for, a line each; found before any node is contacted."""
    try:
        _push.selection(selection)
        known = _rollout.variables(hostvars, everyone)
        parsed = _policy.parse(policy, sorted({_ring(values) for values in known.values()} - {""}))
        unknown = _rollout.unknown_stages(parsed, approved)
        if unknown:
            return [unknown]
        members = _members(known, hosts)
        everything = {host: {"plan": {"changed": True}} for host in members}
        run.begin({"id": ""}, parsed, members, everything, known, 0, _left_out(known, hosts))
    except (_push.SpecError, _policy.PolicyError) as exc:
        return [str(exc)]
    return []


def _ring(values: Have) -> str:
    return str(values["edge_ring"] or "")


def _members(known: Hosts, hosts: Iterable[str]) -> dict[str, Have]:
    """All but those that are cut off."""
    return {host: known[host] for host in hosts if not known[host][_rollout.BLOCKED]["reason"]}


def _left_out(known: Hosts, hosts: Sequence[str]) -> set[str]:
    """Rings with hosts that this run leaves out."""
    here = set(hosts)
    return {_ring(values) for values in _members(known, (host for host in known if host not in here)).values()}


def begin(
    policy: t.Any,
    identity: Have,
    hostvars: Hosts,
    hosts: Sequence[str],
    everyone: Sequence[str],
    silent: bool = False,
    most_waves: int = 0,
    before: t.Any = None,
) -> run.Run:
    """:param identity: `id`, and `selection`, what is replaced although it is not due.
    :param silent: whether nobody who cannot be reached counts, whatever the inventory says of him.
    :param before: outcomes by host of an earlier run of the same, for hosts that cannot be asked now.
    """
    known = _rollout.variables(hostvars, everyone)
    try:
        parsed = dataclasses.replace(_policy.parse(policy), on_failure="halt", fetch_ahead=False)
        members = {
            host: _offline(_heard(hostvars[host], values, known), silent)
            for host, values in _members(known, hosts).items()
        }
        asked = {host: _asked(hostvars[host]) for host in members}
        health = {host: _health(hostvars[host].get(INFO)) for host in members}
        whole = {"asks": "certificates", "what": _chosen(identity.get("selection") or {}), **identity}
        left_out = _left_out(known, hosts)
        found = run.begin(whole, parsed, members, asked, known, most_waves, left_out, before or {}, None, health)
    except _policy.PolicyError as exc:
        raise RolloutError(str(exc)) from exc
    return _counted({**found, "silent": silent, "windows": {}})


def _chosen(selection: Have) -> str:
    found = [words.format(selection[key]) for key, words in CHOSEN.items() if selection.get(key)]
    return f"certificates ({', or '.join(found) or 'what is due'})"


def _counted(found: run.Run) -> run.Run:
    """With the hosts that failed, whether that stopped it or not."""
    failed = [host for host, item in found["outcomes"].items() if outcome.MEANINGS[item["class"]].failure]
    return {**found, "failed": failed}


def _heard(have: Have, values: Have, known: Hosts) -> Have:
    """Whose silence it is, where it is that of the gateway: what the inventory says of that one counts."""
    gateway = known.get(_gateway(have))
    if not _away(have.get(MAY)) or gateway is None:
        return values
    return {**values, **{key: gateway[key] for key in ("edge_connectivity", "edge_when_offline")}}


def _offline(values: Have, silent: bool) -> Have:
    return {**values, "edge_connectivity": "disconnected"} if silent else values


def _gateway(have: Have) -> str:
    return str(have.get("edge_gateway") or "")


def _gateways(hostvars: Hosts, hosts: Sequence[str]) -> list[str]:
    return sorted({gateway for host in hosts if (gateway := _gateway(hostvars[host])) in hostvars})


def _away(result: t.Any) -> bool:
    return isinstance(result, Mapping) and bool(result.get("unreachable"))


def _asked(have: Have) -> t.Any:
    """What came of the question what is to be done, as a rollout wants to hear it."""
    if _away(have.get(INFO)):
        return have[INFO]
    if _away(have.get(MAY)):
        return _silent_gateway(have)
    if isinstance(have.get(REFUSED), Mapping):
        return _failure(have[REFUSED])
    plan = have.get(PLAN)
    return {"plan": plan} if isinstance(plan, Mapping) else None


def _silent_gateway(have: Have) -> dict[str, t.Any]:
    return {**have[MAY], "msg": f"its gateway {_gateway(have)}: {_words(have[MAY])}"}


def _words(result: Have) -> str:
    return str(result.get("msg") or "it does not answer")


def _failure(result: Have) -> dict[str, t.Any]:
    """Of a loop, the worst of what failed in it."""
    items = [item for item in result.get("results") or [] if isinstance(item, Mapping) and item.get("failed")]
    worst = (outcome.BROKEN, outcome.REVERTED)
    rank = {name: number for number, name in enumerate(worst)}
    found = min(items, key=lambda item: rank.get(item.get("class"), len(worst))) if items else result
    said, about = str(found.get("msg") or found.get("exception") or ""), f"certificate {found.get('name')}: "
    message = said if not found.get("name") or said.startswith(about) else about + said
    return {"failed": True, "msg": message, **({"class": found["class"]} if found.get("class") else {})}


def _health(info: t.Any) -> dict[str, t.Any]:
    """Whether what a node has is good and shown, where it was asked for that."""
    rows = info.get("certificates") or [] if isinstance(info, Mapping) else []
    found = [row["proof"] for row in rows if row.get("proof")]
    return {"healthy": not found, "reason": "; ".join(found)}


def record(found: run.Run, what: str, hostvars: Hosts) -> run.Run:
    """:param what: `wave` for what the wave came to, `soak` for the gate after it."""
    hosts = found["steps"][found["done"]]["hosts"]
    if what == "soak":
        return _counted(run.judge(found, {host: _node(found, host, hostvars[host]) for host in hosts}))
    place = {"stage": found["stage"], "wave": found["wave"]}
    known = _rollout.variables(hostvars, hosts)
    if found["stage"] == waves.LATE:  # they were away when it began, and what that means is as it was
        gateways = _rollout.variables(hostvars, _gateways(hostvars, hosts))
        known = {host: _offline(_heard(hostvars[host], known[host], gateways), found["silent"]) for host in hosts}
    return _counted(run.record(found, {host: _result(hostvars[host], place) for host in hosts}, known))


def _result(have: Have, place: Have) -> t.Any:
    """What came of the wave at a host, by what each step returned. Whoever says nothing of the last one is no success."""
    for item in (have.get(INFO), *_items(have.get(ASKED)), *_items(have.get(TAKEN)), have.get(TOLD)):
        if _away(item):
            return item
    if _away(have.get(MAY)) and place["stage"] == waves.LATE:
        return _silent_gateway(have)  # as before: nothing was begun
    for item in (have.get(MAY), have.get(SIGNED)):
        if _away(item):
            said = f"its gateway {_gateway(have)} cannot be asked any more, so it has what it had: {_words(item)}"
            return {"class": outcome.INTERRUPTED, "msg": said}
    if isinstance(have.get(FAILED), Mapping):
        return _failure(have[FAILED])
    plan, told = have.get(PLAN), have.get(TOLD)
    if isinstance(told, Mapping) and not told.get("skipped"):
        return {"class": outcome.SUCCESS, "rollout": place}
    if isinstance(plan, Mapping) and not plan["changed"] and ASKED not in have:
        return {"class": outcome.UNCHANGED, "rollout": place}  # it renewed by itself meanwhile
    return None


def _items(result: t.Any) -> Sequence[t.Any]:
    found = result.get("results") if isinstance(result, Mapping) else None
    return found if isinstance(found, Sequence) else [result]


def _node(found: run.Run, host: str, have: Have) -> t.Any:
    """What the node says after the soak; of one that was lost in the wave also what became of it."""
    look = have.get(LOOK)
    if not isinstance(look, Mapping) or "certificates" not in look:
        return None
    health = _health(look)
    if found["outcomes"][host]["cause"] != outcomes.LOST:
        return health
    return {**health, "last": {"rollout": {"id": found["id"]}, **ended} if (ended := _ended(have, look)) else {}}


def _ended(have: Have, look: Have) -> dict[str, str]:
    """By what it had before and has now; nothing where its node is not done with it."""
    before, now = _serials(have.get(INFO)), _serials(look)
    todo = (have.get(PLAN) or {}).get("todo") or {}
    if todo and not _away(have.get(INFO)) and all(now.get(name, "") not in ("", before.get(name)) for name in todo):
        return {"class": outcome.SUCCESS, "msg": "it has another one"}
    if any(row.get("stale") for row in look["certificates"]):
        return {}
    return {"class": outcome.INTERRUPTED, "msg": "it has what it had"}


def _serials(info: t.Any) -> dict[str, str]:
    rows = info.get("certificates") or [] if isinstance(info, Mapping) else []
    return {row["name"]: str((row["installed"] or {}).get("serial", "")) for row in rows}
