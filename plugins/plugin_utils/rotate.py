# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The replacement of certificates, and of the roots that count, as a rollout: what its plays hand in and get back. Plan, waves and gate are
those of `_rollout`.

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


@dataclasses.dataclass(frozen=True)
class Names:
    """The variables of a host in which the steps of a play are registered. One that is empty is a step that there is not.

    `info` is what the node has (where it was asked for that, with whether it is good and shown), `may` what its gateway says, `plan` what is
    to be done, `refused` why that cannot be said. Of the wave are `asked`, `signed` (at the gateway), `taken` and the last step, `told`, or
    `failed`; `look` is what the node has after the soak.
    """

    info: str
    plan: str
    told: str
    refused: str
    failed: str
    look: str
    may: str = ""
    asked: str = ""
    signed: str = ""
    taken: str = ""


CERTIFICATES = Names(
    **{key: f"__certificates_{key}" for key in ("info", "may", "plan", "asked", "signed", "taken", "told")},
    **{key: f"rotate_{key}" for key in ("refused", "failed", "look")},
)
ROOTS = dataclasses.replace(
    CERTIFICATES, told="__site_ca_trusted", info="roots_info", plan="roots_plan", may="", asked="", signed="", taken=""
)
KINDS = {"certificates": CERTIFICATES, "roots": ROOTS}
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
        parsed = _rollout.parse(policy, known, approved)
        members = _members(known, hosts)
        everything = {host: {"plan": {"changed": True}} for host in members}
        run.begin({"id": ""}, parsed, members, everything, known, 0, _left_out(known, hosts))
    except (RolloutError, _push.SpecError, _policy.PolicyError) as exc:
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
    """:param identity: `id`; for certificates `selection`, what is replaced although it is not due; for others `kind` and `what`.
    :param silent: whether nobody who cannot be reached counts, whatever the inventory says of him.
    :param before: outcomes by host of an earlier run of the same, for hosts that cannot be asked now.
    """
    known, names = _rollout.variables(hostvars, everyone), KINDS[identity.get("kind", "certificates")]
    try:
        parsed = dataclasses.replace(_policy.parse(policy), on_failure="halt", fetch_ahead=False)
        members = {
            host: _offline(_heard(names, hostvars[host], values, known), silent)
            for host, values in _members(known, hosts).items()
        }
        asked = {host: _asked(names, hostvars[host]) for host in members}
        health = {host: _health(hostvars[host].get(names.info)) for host in members}
        chosen = _chosen(identity.get("selection") or {})
        whole = {"asks": "certificates", "kind": "certificates", "what": chosen, **identity}
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


def _heard(names: Names, have: Have, values: Have, known: Hosts) -> Have:
    """Whose silence it is, where it is that of the gateway: what the inventory says of that one counts."""
    gateway = known.get(_gateway(have))
    if not _away(have.get(names.may)) or gateway is None:
        return values
    return {**values, **{key: gateway[key] for key in ("edge_connectivity", "edge_when_offline")}}


def _offline(values: Have, silent: bool) -> dict[str, t.Any]:
    return {**values, **({"edge_connectivity": "disconnected"} if silent else {})}


def _gateway(have: Have) -> str:
    return str(have.get("edge_gateway") or "")


def _gateways(hostvars: Hosts, hosts: Sequence[str]) -> list[str]:
    return sorted({gateway for host in hosts if (gateway := _gateway(hostvars[host])) in hostvars})


def _away(result: t.Any) -> bool:
    return isinstance(result, Mapping) and bool(result.get("unreachable"))


def _asked(names: Names, have: Have) -> t.Any:
    """What came of the question what is to be done, as a rollout wants to hear it."""
    if _away(have.get(names.info)):
        return have[names.info]
    if _away(have.get(names.may)):
        return _silent_gateway(names, have)
    if isinstance(have.get(names.refused), Mapping):
        return _failure(have[names.refused])
    plan = have.get(names.plan)
    return {"plan": plan} if isinstance(plan, Mapping) else None


def _silent_gateway(names: Names, have: Have) -> dict[str, t.Any]:
    return {**have[names.may], "msg": f"its gateway {_gateway(have)}: {_words(have[names.may])}"}


def _words(result: Have) -> str:
    return str(result.get("msg") or "it does not answer")


def _failure(result: Have) -> dict[str, t.Any]:
    """Of a loop, the worst of what failed in it."""
    items = [item for item in result.get("results") or [] if isinstance(item, Mapping) and item.get("failed")]
    worst = (outcome.BROKEN, outcome.REVERTED)
    rank = {name: number for number, name in enumerate(worst)}
    found = min(items, key=lambda item: rank.get(str(item.get("class")), len(worst))) if items else result
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
    hosts, names = found["steps"][found["done"]]["hosts"], KINDS[found["kind"]]
    if what == "soak":
        return _counted(run.judge(found, {host: _node(found, host, hostvars[host]) for host in hosts}))
    place = {"stage": found["stage"], "wave": found["wave"]}
    known = _rollout.variables(hostvars, hosts)
    if found["stage"] == waves.LATE:  # they were away when it began, and what that means is as it was
        gateways = _rollout.variables(hostvars, _gateways(hostvars, hosts))
        known = {
            host: _offline(_heard(names, hostvars[host], known[host], gateways), found["silent"]) for host in hosts
        }
    return _counted(run.record(found, {host: _result(names, hostvars[host], place) for host in hosts}, known))


def _result(names: Names, have: Have, place: Have) -> t.Any:
    """What came of the wave at a host, by what each step returned. Whoever says nothing of the last one is no success."""
    if _away(have.get(names.may)) and place["stage"] == waves.LATE:
        return _silent_gateway(names, have)  # as before: nothing was begun
    for asked in (have.get(names.may), have.get(names.signed)):
        if isinstance(asked, Mapping) and _away(asked):
            said = f"its gateway {_gateway(have)} cannot be asked any more, so it has what it had: {_words(asked)}"
            return {"class": outcome.INTERRUPTED, "msg": said}
    if isinstance(have.get(names.failed), Mapping):
        return _failure(have[names.failed])
    info, plan, told = (have.get(name) for name in (names.info, names.plan, names.told))
    for item in (info, *_items(have.get(names.asked)), *_items(have.get(names.taken)), told):
        if _away(item):
            return item
    if isinstance(told, Mapping) and not told.get("skipped"):
        health = _health(info)
        if not health["healthy"]:
            return {"class": outcome.BROKEN, "cause": "probe", "msg": health["reason"]}
        return {"class": outcome.SUCCESS, "rollout": place}
    if isinstance(plan, Mapping) and not plan["changed"] and names.asked not in have:
        return {"class": outcome.UNCHANGED, "rollout": place}  # it renewed by itself meanwhile
    return None


def _items(result: t.Any) -> Sequence[t.Any]:
    found = result.get("results") if isinstance(result, Mapping) else None
    return found if isinstance(found, Sequence) else [result]


def _node(found: run.Run, host: str, have: Have) -> t.Any:
    """What the node says after the soak; of one that was lost in the wave also what became of it."""
    names = KINDS[found["kind"]]
    look = have.get(names.look)
    if not isinstance(look, Mapping) or "certificates" not in look:
        return None
    health = _health(look)
    if found["outcomes"][host]["cause"] != outcomes.LOST:
        return health
    return {**health, "last": {"rollout": {"id": found["id"]}, **ended} if (ended := _ended(names, have, look)) else {}}


def _ended(names: Names, have: Have, look: Have) -> dict[str, str]:
    """By what it had before and has now; nothing where its node is not done with it."""
    before, now = _serials(have.get(names.info)), _serials(look)
    todo = (have.get(names.plan) or {}).get("todo") or {}
    if not todo:
        return {}
    if not _away(have.get(names.info)) and all(now.get(name, "") not in ("", before.get(name)) for name in todo):
        return {"class": outcome.SUCCESS, "msg": "it has another one"}
    if any(row.get("stale") for row in look["certificates"]):
        return {}
    return {"class": outcome.INTERRUPTED, "msg": "it has what it had"}


def _serials(info: t.Any) -> dict[str, str]:
    rows = info.get("certificates") or [] if isinstance(info, Mapping) else []
    return {row["name"]: str((row["installed"] or {}).get("serial", "")) for row in rows}
