# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of a rollout as a plain value that plays hand on: what was planned, what came of it, and what is next. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ...module_utils._core import outcome
from . import gate, outcomes, waves
from .policy import Policy, labels

Run = dict[str, t.Any]
"""Keys that plays use: `id`, `tenant`, `release`, `order` and `sizes` (for `serial`), `stopped`, `halted`, `why`, `stage`,
`wave`, `soak`, `ask` (the stage that wants approval, or nothing), `revert` (hosts), `outcomes` (by host)."""

GOOD = tuple(name for name, meaning in outcome.MEANINGS.items() if meaning.good)


def _answer(asked: t.Any, variables: Mapping[str, t.Any], health: Mapping[str, t.Any]) -> outcomes.Outcome | None:
    """The outcome of a host that will not take part, or None for one that goes."""
    if not isinstance(asked, Mapping):
        return outcomes.made(outcome.REFUSED, "silence", "nothing was heard of the node")
    if asked.get("unreachable"):
        return outcomes.unreachable(asked, variables)
    if asked.get("failed") or "plan" not in asked:
        return outcomes.of({**asked, "failed": True}, variables)
    if not asked["plan"]["changed"]:
        if health and not health.get("healthy", True):
            return outcomes.made(outcome.BROKEN, "soak", "not healthy any more: " + str(health.get("reason", "")))
        return outcomes.made(outcome.UNCHANGED, "", "it runs this release already")
    return None


EARLIER = " (in an earlier run; it cannot be reached now)"


def _remembered(now: outcomes.Outcome, before: outcomes.Outcome | None) -> outcomes.Outcome:
    """What a host that cannot be reached came to before still counts."""
    if now["cause"] != "unreachable" or before is None or not outcome.MEANINGS[before["class"]].evidence:
        return now
    return outcomes.made(before["class"], before["cause"], before["msg"].removesuffix(EARLIER) + EARLIER)


def _host(
    name: str, variables: Mapping[str, t.Any], known: outcomes.Outcome | None, keys: t.Iterable[str]
) -> waves.Host:
    labels = variables.get("edge_labels") or {}
    groups = {key: str(variables.get(key) if key.startswith("edge_") else labels.get(key, "")) for key in keys}
    name_of_class = known["class"] if known else ""
    offline = name_of_class in (outcome.OFFLINE_EXPECTED, outcome.OFFLINE_UNEXPECTED)
    return waves.Host(
        name=name,
        ring=str(variables.get("edge_ring") or ""),
        site=str(variables.get("edge_site") or ""),
        groups={key: "" if value == "None" else value for key, value in groups.items()},
        done=name_of_class == outcome.UNCHANGED,
        offline=offline,
        blocked=name_of_class if known and not offline and name_of_class != outcome.UNCHANGED else "",
        down=name_of_class in (outcome.OFFLINE_UNEXPECTED, outcome.BROKEN),
    )


def begin(
    identity: Mapping[str, t.Any],
    policy: Policy,
    members: Mapping[str, Mapping[str, t.Any]],
    asked: Mapping[str, t.Any],
    everyone: Mapping[str, Mapping[str, t.Any]],
    most_waves: int = 0,
    left_out: t.Collection[str] = (),
    before: Mapping[str, outcomes.Outcome] | None = None,
    no_fetch: Mapping[str, str] | None = None,
    health: Mapping[str, t.Any] | None = None,
) -> Run:
    """:param identity: `id`, `tenant` and `release`; or `id`, `what` (for the last line) and `asks` (the playbook that shows hosts).
    :param members: hosts that the release is for, with their `edge_*` variables; `everyone`: all of the inventory.
    :param left_out: rings with hosts that the release is for and that are not in this run.
    :param before: what an earlier run of the same rollout found, of which hosts that cannot be asked now keep their evidence.
    :param no_fetch: why nothing may be fetched now, by host; those that have everything already go all the same.
    :param health: what the module workload_health said of hosts that were asked.
    :param asked: what each member's node said to `until: plan`.
    :param most_waves: end after so many waves; 0 for all.
    :raises PolicyError: where the rollout could never progress.
    """
    keys = sorted({"edge_site", *labels(policy)})
    known = {
        host: _answer(asked.get(host), variables, (health or {}).get(host) or {}) for host, variables in members.items()
    }
    for host, why in (no_fetch or {}).items():
        if known.get(host, {}) is None and not asked[host]["plan"].get("fetched"):
            known[host] = outcomes.made(outcome.HELD, "window", why)
    hosts = [_host(host, variables, known[host], keys) for host, variables in members.items()]
    by_name = {host.name: host for host in hosts}
    others = [by_name.get(host) or _host(host, variables, None, keys) for host, variables in everyone.items()]
    plan = waves.plan(policy, hosts, others or hosts, left_out)
    found = {host: _remembered(item, (before or {}).get(host)) for host, item in known.items() if item is not None}
    for planned in plan.stages:
        for host in planned.crowded:
            found[host] = outcomes.made(
                outcome.HELD, "budget", "too many of its group are down already; it goes when they are back"
            )
    steps = [{"stage": name, "hosts": list(wave)} for name, wave in plan.waves()]
    goes = [host for host in hosts if host.name not in found and host.name not in (no_fetch or {})]
    fetch = [list(batch) for batch in waves.pace(goes, policy.fetch_per_site)] if policy.fetch_ahead else []
    run: Run = {
        "what": f"release {identity.get('release')} of {identity.get('tenant')}",
        "asks": "status",
        **identity,
        "on_failure": policy.on_failure,
        "stages": [_stage(planned) for planned in plan.stages],
        "steps": steps,
        "order": [host for step in steps for host in step["hosts"]],
        "sizes": [len(step["hosts"]) for step in steps],
        "fetch_order": [host for batch in fetch for host in batch],
        "fetch_sizes": [len(batch) for batch in fetch],
        "jitter": policy.fetch_jitter,
        "most_waves": most_waves,
        "done": 0,
        "outcomes": found,
        "reverts": {},
        "decisions": [],
        "approved": [],
        "members": list(members),
        "left_out": sorted(set(members) - {name for planned in plan.stages for name in planned.members}),
        "stopped": False,
        "halted": False,
        "why": "",
        "revert": [],
    }
    return _next(_refuse_leased(run))


def _stage(planned: waves.PlannedStage) -> dict[str, t.Any]:
    stage = planned.stage
    return {
        "name": stage.name,
        "members": list(planned.members),
        "allowed": planned.allowed,
        "min_success": stage.min_success,
        "soak": stage.soak,
        "approval": stage.approval,
    }


def _refuse_leased(run: Run) -> Run:
    """Somebody else's rollout of this tenant is under way somewhere: then none of it begins anywhere."""
    held = {host: item for host, item in run["outcomes"].items() if item["cause"] == "lease"}
    if not held:
        return run
    words = sorted({item["msg"] for item in held.values()})
    return {**run, **_halt(run, f"{', '.join(sorted(held))}: {'; '.join(words)}", revert=False)}


def _halt(run: Run, why: str, revert: bool = True) -> Run:
    hosts = _to_revert(run) if revert else []
    return {"stopped": True, "halted": True, "why": why, "revert": hosts}


def _to_revert(run: Run) -> list[str]:
    if run["on_failure"] == "halt":
        return []
    current = run.get("stage", "")
    chosen = []
    for stage in run["stages"]:
        if run["on_failure"] == "revert_all" or stage["name"] == current:
            chosen += [host for host in stage["members"] if _has_it(run["outcomes"].get(host))]
    if current == waves.LATE or run["on_failure"] == "revert_all":
        chosen += [
            host
            for step in run["steps"]
            if step["stage"] == waves.LATE
            for host in step["hosts"]
            if _has_it(run["outcomes"].get(host))
        ]
    return list(dict.fromkeys(chosen))


def _has_it(found: outcomes.Outcome | None) -> bool:
    """Whether the release may run there: also where it is sick, and where a host was lost while it was brought."""
    return found is not None and (found["class"] in GOOD or found["cause"] in ("soak", outcomes.LOST))


def _stage_of(run: Run, name: str) -> dict[str, t.Any] | None:
    return next((stage for stage in run["stages"] if stage["name"] == name), None)


def _decide(run: Run, stage: Mapping[str, t.Any], last: bool) -> gate.Decision:
    classes = {host: item["class"] for host, item in run["outcomes"].items()}
    if last:  # those that come back later are judged when they do
        classes = {host: classes.get(host, outcome.HELD) for host in stage["members"]}
    return gate.decide(stage["name"], stage["members"], classes, stage["allowed"], stage["min_success"], last=last)


def _next(run: Run) -> Run:
    """Moves on to the next wave, past stages in which nothing is left to do, or stops."""
    if run["stopped"]:
        return {**run, "ask": "", "soak": 0}
    names = [stage["name"] for stage in run["stages"]]
    upcoming = run["steps"][run["done"]]["stage"] if run["done"] < len(run["steps"]) else ""
    until = names.index(upcoming) if upcoming in names else len(names)
    for name in names[:until]:
        stage = _stage_of(run, name)
        if stage is None or name in run["approved"] or not stage["members"]:
            continue
        run = {**run, "stage": name}
        decision = _decide(run, stage, last=True)
        run = {**run, "decisions": [*run["decisions"], decision.reason]}
        if decision.stops:
            return {**run, **_halt(run, decision.reason), "ask": "", "soak": 0}
        run = {**run, "approved": [*run["approved"], name]}
    return _open(run, upcoming)


def _open(run: Run, upcoming: str) -> Run:
    """The next wave, where its stage has not failed before it began."""
    if not upcoming:
        return {**run, "stopped": True, "ask": "", "soak": 0}
    stage = _stage_of(run, upcoming)
    run = {**run, "stage": upcoming, "wave": _number(run), "ask": "", "soak": stage["soak"] if stage else 0}
    if stage is not None:
        decision = _decide(run, stage, last=False)
        if decision.stops:
            return {**run, **_halt(run, decision.reason), "decisions": [*run["decisions"], decision.reason]}
        if stage["approval"] and run["wave"] == 1 and upcoming not in run.get("asked", []):
            run["ask"] = upcoming
    if run["most_waves"] and run["done"] >= run["most_waves"]:
        left = len(run["steps"]) - run["done"]
        return {**run, "stopped": True, "ask": "", "why": f"{left} waves are left; the same command goes on"}
    return run


def _number(run: Run) -> int:
    """The number of the next wave in its stage, from 1."""
    upcoming = run["steps"][run["done"]]["stage"]
    return 1 + sum(1 for step in run["steps"][: run["done"]] if step["stage"] == upcoming)


def approve(run: Run, answer: str, before: Sequence[str] = ()) -> Run:
    """:param answer: what the person said; :param before: stages that were approved when the command was given."""
    stage = run["ask"]
    if not stage:
        return run
    if stage in before or answer.strip().lower() in ("y", "yes"):
        return {**run, "ask": "", "asked": [*run.get("asked", []), stage]}
    why = f"stage {stage} waits for approval: run the same command again and answer yes, or with -e rollout_approve={stage}"
    return {**run, "ask": "", **_halt(run, why, revert=False)}


def _made(run: Run, result: t.Any, variables: Mapping[str, t.Any]) -> outcomes.Outcome:
    """What came of a host's change. A success of another call, from before, is none of this wave."""
    made = outcomes.of(result, variables)
    of_wave = result.get("rollout", {}) if isinstance(result, Mapping) else {}
    if made["class"] in GOOD and (of_wave.get("stage"), of_wave.get("wave")) != (run["stage"], run["wave"]):
        return outcomes.made(outcome.INTERRUPTED, "silence", "nothing was heard of the change")
    return made


def record(run: Run, results: Mapping[str, t.Any], variables: Mapping[str, Mapping[str, t.Any]]) -> Run:
    """What came of the wave, before its soak."""
    found = dict(run["outcomes"])
    for host in run["steps"][run["done"]]["hosts"]:
        shut = run.get("shut", {}).get(host)
        made = outcomes.made(outcome.HELD, "window", shut) if shut else _made(run, results.get(host), variables[host])
        made = _remembered(made, found.get(host))
        found[host] = {**made, "stage": run["stage"], "wave": run["wave"]}
        if found[host]["cause"] in ("unreachable", "silence") and run["stage"] != waves.LATE:
            found[host]["cause"] = outcomes.LOST
    good = any(
        found[host]["class"] in GOOD or found[host]["cause"] == outcomes.LOST
        for host in run["steps"][run["done"]]["hosts"]
    )
    return {**run, "outcomes": found, "soak": run["soak"] if good else 0}


def judge(run: Run, nodes: Mapping[str, t.Any]) -> Run:
    """The gate, after the soak. :param nodes: what the nodes of the wave said then; may be empty."""
    found = dict(run["outcomes"])
    step = run["steps"][run["done"]]
    for host in step["hosts"]:
        if host in nodes:
            found[host] = {**found[host], **outcomes.later(found[host], nodes[host], run["id"])}
    run = {**run, "outcomes": found, "done": run["done"] + 1}
    stage = _stage_of(run, step["stage"])
    if stage is None:
        return _next(_late(run, step))
    decision = _decide(run, stage, last=False)
    run = {**run, "decisions": [*run["decisions"], decision.reason]}
    if decision.stops:
        return {**run, **_halt(run, decision.reason), "ask": "", "soak": 0}
    return _next(run)


def _late(run: Run, step: Mapping[str, t.Any]) -> Run:
    """Hosts that came back are in no gate, but where the release fails on one, no other gets it."""
    classes = [run["outcomes"][host]["class"] for host in step["hosts"]]
    run = {**run, "decisions": [*run["decisions"], f"hosts that came back: {gate.counts(classes)}"]}
    failed = [host for host in step["hosts"] if run["outcomes"][host]["class"] in (outcome.REVERTED, outcome.BROKEN)]
    if not failed:
        return run
    return {**run, **_halt(run, f"hosts that came back: it failed on {', '.join(failed)}", revert=False)}


def reverted(run: Run, results: Mapping[str, t.Any], variables: Mapping[str, Mapping[str, t.Any]]) -> Run:
    """What became of the hosts that were taken back."""
    return {**run, "reverts": {host: outcomes.of(results.get(host), variables[host]) for host in run["revert"]}}


def leased(run: Run) -> list[str]:
    """Hosts whose lease is to be given back: those that were asked and answered."""
    offline = {host for host, item in run["outcomes"].items() if item["cause"] in ("unreachable", "lease", "spec")}
    return [host for host in run["members"] if host not in offline]


def proven(run: Run) -> list[str]:
    """Hosts of stages that passed their gate and run the release: what they measured is the new baseline."""
    passed = [host for stage in run["stages"] if stage["name"] in run["approved"] for host in stage["members"]]
    late = [host for step in run["steps"][: run["done"]] if step["stage"] == waves.LATE for host in step["hosts"]]
    good = {host for host, item in run["outcomes"].items() if item["class"] in GOOD}
    return [host for host in dict.fromkeys([*passed, *late]) if host in good and host not in run["revert"]]
