# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what runs workloads: engine, node program, its state and ledger, and the workloads themselves."""

from __future__ import annotations

import calendar
import re
import typing as t

from . import daemon_json, outcome
from . import state as _state
from .doctor_finding import Check, Finding, NotChecked, Seen, failure, warning
from .doctor_machine import number, rows

_PROVISION = "run the playbook provision on this node"
_STARTED = re.compile(r"^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})")
_OOM = re.compile(r"oom-kill:.*task_memcg=\S*?/?(?:docker[-/])([0-9a-f]{12,64})")
LOOP = 3
RECENT = 600


def _unit(seen: Seen, name: str) -> t.Dict[str, str]:
    units = seen.get("units")
    found = units.get(name) if isinstance(units, dict) else None
    return found if isinstance(found, dict) else {}


def engine(seen: Seen) -> t.Iterator[Finding]:
    if not isinstance(seen.get("units"), dict):
        said = str(seen.get("units_error") or "it was not asked")[:200]
        yield failure(
            "systemd", f"it does not say how units are: {said}", "an answer to `systemctl show`", "look at it as root"
        )
        return
    unit = _unit(seen, "docker.service")
    if unit.get("LoadState") in (None, "not-found"):
        yield failure("docker", "there is no container engine", "Docker", _PROVISION)
        return
    if unit.get("ActiveState") != "active":
        found = f"docker.service is {unit.get('ActiveState') or 'in no known state'}"
        result = unit.get("Result")
        found += f" ({result})" if result not in (None, "", "success") else ""
        do = "see `journalctl -u docker -n 50`, then `systemctl reset-failed docker; systemctl start docker`"
        yield failure("docker", found, "active", do)
    elif not isinstance(seen.get("engine"), dict):
        said = str(seen.get("engine_error") or "nothing")[:200]
        yield failure(
            "docker",
            f"it runs and does not answer: {said}",
            "an answer to `docker info`",
            "see `journalctl -u docker -n 50`; `systemctl restart docker` keeps containers running with live-restore",
        )
    if unit.get("UnitFileState") not in ("enabled", "enabled-runtime", "static", "indirect"):
        yield failure(
            "docker",
            f"docker.service is {unit.get('UnitFileState') or 'not enabled'}: it does not start at boot",
            "enabled",
            "systemctl enable docker",
        )


def engine_settings(seen: Seen) -> t.Iterator[Finding]:
    text = seen.get("daemon_json")
    where = "/etc/docker/daemon.json"
    if text is not None:
        try:
            data = daemon_json.parse(text if isinstance(text, str) else "[]", where)
            problems = daemon_json.problems(data)
        except (daemon_json.DaemonJsonError, RecursionError) as exc:
            yield failure(
                where,
                str(exc)[:300],
                "a file that the engine can start from",
                "correct it, or run the role docker_engine again",
            )
            return
        for line in problems:
            yield warning(
                where, line[:300], "settings that the engine knows", "correct it, or run the role docker_engine again"
            )
    info = seen.get("engine")
    if not isinstance(info, dict):
        if text is None:
            raise NotChecked("the engine does not answer, and there is no daemon.json")
        return
    if info.get("LiveRestoreEnabled") is not True:
        do = "run the role docker_engine again"
        yield warning("docker", "live-restore is off: a restart of the engine stops every workload", "on", do)


def program(seen: Seen) -> t.Iterator[Finding]:
    facts = seen.get("program")
    path = "/usr/local/bin/edge"
    if not isinstance(facts, dict) or not facts.get("there"):
        yield failure(path, "the node program is missing", f"version {seen.get('version')}", _PROVISION)
        return
    if facts.get("error"):
        yield failure(
            path,
            f"it does not run: {str(facts['error'])[:200]}",
            "a program that runs",
            "run the role node_program again",
        )
    elif facts.get("version") != seen.get("version"):
        yield warning(
            path,
            f"it has version {facts.get('version')}",
            f"{seen.get('version')}, as the controller",
            "run the role node_program again",
        )


def units(seen: Seen) -> t.Iterator[Finding]:
    wanted = [name for name in seen.get("our_units") or () if isinstance(name, str)]
    if not (seen.get("program") or {}).get("there"):
        raise NotChecked("the node program is missing")
    do = "run the role node_program again"
    for name in wanted:
        unit = _unit(seen, name)
        if unit.get("LoadState") != "loaded":
            yield failure(name, f"the unit is {unit.get('LoadState') or 'unknown'}", "loaded", do)
        elif unit.get("UnitFileState") != "enabled":
            yield failure(
                name, f"the unit is {unit.get('UnitFileState') or 'not enabled'}", "enabled", f"systemctl enable {name}"
            )
    others = seen.get("units") if isinstance(seen.get("units"), dict) else {}
    for name in sorted(str(key) for key in others or {}):
        if _unit(seen, name).get("ActiveState") == "failed" and name != "docker.service":
            again = f"see `systemctl status {name}`; once mended: `systemctl restart {name}`"
            yield failure(name, f"the unit failed ({_unit(seen, name).get('Result')})", "no failed unit", again)


def loaded(seen: Seen) -> t.Optional[_state.State]:
    """The state of the node, or None where there is none or it cannot be read, of which :func:`state` speaks."""
    text = seen.get("state")
    try:
        return _state.load(text) if isinstance(text, str) else None
    except (_state.StateError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None


def _must(seen: Seen) -> _state.State:
    found = loaded(seen)
    if found is None:
        raise NotChecked("nothing was deployed here" if seen.get("state") is None else "the state cannot be read")
    return found


def state(seen: Seen) -> t.Iterator[Finding]:
    where, text = "/var/lib/physical-ai/state.json", seen.get("state")
    if seen.get("state_error"):
        yield failure(where, str(seen["state_error"])[:300], "a state that can be read", "look at the file as root")
    if text is None:
        if not seen.get("state_error"):
            raise NotChecked("nothing was deployed here")
        return
    try:
        _state.load(text if isinstance(text, str) else "")
    except _state.StateError as exc:
        yield failure(
            where, str(exc)[:300], "a whole state", "restore it from a backup, or move it away and deploy again"
        )
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        yield failure(
            where, "it cannot be read", "a whole state", "restore it from a backup, or move it away and deploy again"
        )


def change(seen: Seen) -> t.Iterator[Finding]:
    found = _must(seen)
    if found.journal is not None and not seen.get("busy"):
        at = f"a change of {found.journal.tenant} to {found.journal.release} was cut short at {found.journal.step}"
        yield failure(
            "state",
            at,
            "no change left over",
            "edge recover; if that does not help: `journalctl -u physical-ai-recover`",
        )


def ledger(seen: Seen) -> t.Iterator[Finding]:
    if seen.get("ledger") is None:
        raise NotChecked("there is no ledger yet")
    if seen["ledger"]:
        do = "find out who changed it; `edge ledger` shows it. Keep a copy, and move it away so that a new one begins"
        yield failure("ledger", str(seen["ledger"])[:300], "a whole chain", do)


def changes(seen: Seen) -> t.Iterator[Finding]:
    """How the last change of each tenant ended."""
    for name, tenant in sorted(_must(seen).tenants.items()):
        last = tenant.last if isinstance(tenant.last, dict) else {}
        kind = last.get("class")
        if kind not in (outcome.BROKEN, outcome.INTERRUPTED, outcome.TIMED_OUT):
            continue
        said = " ".join(str(last.get("msg") or outcome.MEANINGS[kind].words).split())[:200]
        judge = failure if kind == outcome.BROKEN else warning
        yield judge(
            str(name),
            f"its last change ended {kind}: {said}",
            "a change that was proven",
            f"edge why {name}; then deploy again",
        )


def _by_name(seen: Seen) -> t.Dict[str, t.Dict[str, t.Any]]:
    return {str(item.get("Name", "")).lstrip("/"): item for item in rows(seen.get("containers"))}


def workloads(seen: Seen) -> t.Iterator[Finding]:
    """Every committed workload runs and is armed."""
    found = _must(seen)
    if seen.get("busy"):
        raise NotChecked("a change is under way, which stops and starts them")
    if seen.get("containers_error"):
        said = str(seen["containers_error"])[:200]
        yield failure(
            "docker",
            f"containers cannot be looked at: {said}",
            "an answer to `docker inspect`",
            "see `journalctl -u docker -n 50`",
        )
        return
    if seen.get("containers") is None:
        raise NotChecked("the engine does not answer")
    containers = _by_name(seen)
    for tenant, name, item in found.deployments():
        scope, have = f"{tenant}/{name}", containers.get(item.container)
        recover = f"edge recover; then `edge logs {scope}`"
        if have is None:
            yield failure(scope, f"its container {item.container} is gone", "it runs", recover)
            continue
        status = have.get("State") if isinstance(have.get("State"), dict) else {}
        yield from _running(scope, have, status or {}, number(seen.get("now")) or 0, recover)
        host = have.get("HostConfig") if isinstance(have.get("HostConfig"), dict) else {}
        policy = (host or {}).get("RestartPolicy")
        if not isinstance(policy, dict) or policy.get("Name") != "always":
            found_policy = policy.get("Name") if isinstance(policy, dict) else "unknown"
            yield failure(
                scope,
                f"its restart policy is {found_policy or 'no'}: it does not come back after a boot",
                "always",
                "edge recover",
            )


def _running(
    scope: str, have: t.Mapping[str, t.Any], status: t.Mapping[str, t.Any], now: float, recover: str
) -> t.Iterator[Finding]:
    count = number(have.get("RestartCount")) or 0
    code = status.get("ExitCode")
    if status.get("OOMKilled") is True:
        yield failure(
            scope,
            "its container ran out of its memory limit and was killed",
            "enough memory",
            "raise resources.memory in the release, or find the leak",
        )
    if status.get("Restarting") is True:
        yield failure(
            scope,
            f"it restarts again and again ({count:.0f} times, exit status {code})",
            "it runs",
            f"edge logs {scope}; `edge revert {scope}` goes back a version",
        )
    elif status.get("Running") is not True:
        yield failure(scope, f"its container does not run (exit status {code})", "it runs", recover)
    elif count >= LOOP and 0 <= now - started(status.get("StartedAt")) < RECENT:
        yield failure(
            scope,
            f"it was restarted {count:.0f} times, the last time within {RECENT // 60} minutes",
            "it runs",
            f"edge logs {scope}; `edge revert {scope}` goes back a version",
        )
    health = status.get("Health")
    if isinstance(health, dict) and health.get("Status") == "unhealthy":
        yield warning(scope, "its own health check says unhealthy", "healthy", f"edge logs {scope}")


def started(text: t.Any) -> float:
    match = _STARTED.match(text) if isinstance(text, str) else None
    return float(calendar.timegm(tuple(map(int, match.groups())))) if match else 0.0


def killed(seen: Seen) -> t.Iterator[Finding]:
    """What the kernel's log says of containers that ran out of memory and were started again since."""
    log = seen.get("kernel_log")
    if not isinstance(log, str):
        raise NotChecked(str(seen.get("kernel_log_error") or "there is no kernel log"))
    names = {str(item.get("Id", ""))[:12]: name for name, item in _by_name(seen).items()}
    counts: t.Dict[str, int] = {}
    for match in _OOM.finditer(log):
        counts[match.group(1)[:12]] = counts.get(match.group(1)[:12], 0) + 1
    for key, count in sorted(counts.items()):
        where = names.get(key) or f"container {key}"
        yield warning(
            where,
            f"the kernel killed it {count} times for want of memory",
            "enough memory",
            "raise resources.memory in the release, or find the leak",
        )


def refusals(seen: Seen) -> t.Iterator[Finding]:
    """Versions that were refused after what runs now was made."""
    for name, tenant in sorted(_must(seen).tenants.items()):
        for key, item in sorted(tenant.workloads.items()):
            since = item.current.sequence if item.current is not None else -1
            for refusal in item.refused:
                if number(refusal.sequence) is not None and number(since) is not None and refusal.sequence >= since:
                    said = " ".join(str(refusal.reason).split())[:160]
                    yield warning(
                        f"{name}/{key}",
                        f"release {refusal.release} is refused ({refusal.cause}): {said}",
                        "the version that is wanted runs",
                        f"edge why {name}/{key}; deploy a corrected version",
                    )


def holds(seen: Seen) -> t.Iterator[Finding]:
    if seen.get("holds_error"):
        yield failure(
            "/etc/physical-ai/holds.json",
            str(seen["holds_error"])[:300],
            "holds that can be read",
            "correct the file or move it away",
        )
    for item in rows(seen.get("holds")):
        scope = item.get("scope")
        yield warning(
            str(scope),
            f"{item.get('who')} {'blocks it' if item.get('blocked') else 'holds changes back'}: {item.get('reason')}",
            "no hold, or one that is still wanted",
            f"edge {'unblock' if item.get('blocked') else 'release'} {scope}",
        )


CHECKS = (
    Check("engine", "the container engine runs, answers and starts at boot", engine),
    Check("engine_settings", "`daemon.json` is valid and live-restore is on", engine_settings),
    Check("node_program", "the node program runs and has the version of the collection", program),
    Check("units", "the units of the node program are enabled, and none that matters has failed", units),
    Check("state", "`state.json` is whole", state),
    Check("change", "no change was left half done", change),
    Check("ledger", "each line of the ledger follows the one before it", ledger),
    Check("last_change", "no tenant's last change ended broken, interrupted or out of time", changes),
    Check("workloads", "every committed workload runs, is armed and does not restart again and again", workloads),
    Check("out_of_memory", "the kernel killed no container for want of memory", killed),
    Check("refused", "no version is refused that came after the one that runs", refusals),
    Check("holds", "nobody holds changes back", holds),
)
