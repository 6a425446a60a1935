# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guarantee 2: whatever is killed at whatever step, a node serves the old version or the committed new one.

The steps come from the program's own list, so a new step is covered by itself.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import json
import os
import random
import signal
import subprocess
import sys
import time
import typing as t
import uuid
from pathlib import Path

import pytest

from tests.e2e import crash
from tests.e2e.crash import HERE, PAUSE, Patient, Point, Round, Watch
from tests.tools.sync import ROOT

if t.TYPE_CHECKING:
    from tests.lab import Lab

pytestmark = pytest.mark.e2e
Figure = t.Callable[[str], None]
MOMENTS = 4  # kills at random moments in a short run; a long one makes more


# -- kinds of kill


def power(patient: Patient, _found: Round) -> None:
    patient.node.power_cut()
    patient.node.power_on()


def shutdown(patient: Patient, _found: Round) -> None:
    """Somebody shuts the node down in an orderly way while a change is under way."""
    patient.node.exec(f"(sleep 0.3; rm -f {PAUSE}) >/dev/null 2>&1 &")
    patient.node.power_off()
    patient.node.power_on()


def engine(patient: Patient, _found: Round) -> None:
    # Debian's unit gives up after three starts in a minute; here it is killed more often than that.
    patient.node.exec(f"systemctl reset-failed docker; kill -9 $(cat /run/docker.pid); rm -f {PAUSE}")


def program(patient: Patient, found: Round) -> None:
    unit = f"physical-ai-change-{found.id}.service"
    patient.node.exec(
        f"pid=$(systemctl show --property=MainPID --value {unit}); [ $pid = 0 ] || kill -9 $pid; rm -f {PAUSE}"
    )


def module(patient: Patient, _found: Round) -> None:
    """The process that waits for the result."""
    patient.node.exec(f"kill -9 $(cat {HERE}/pid); rm -f {PAUSE}")


KILLS: dict[str, t.Callable[[Patient, Round], None]] = {
    "power": power,
    "shutdown": shutdown,
    "engine": engine,
    "program": program,
    "module": module,
}


def at_point(patient: Patient, point: Point, kind: str) -> Round:
    """One change, killed exactly there."""
    found = patient.begin(point, kind)
    request = patient.request(found.new, found.good)
    found.id = request.id
    patient.submit(request, pause=str(point))
    if not patient.wait_until_paused(str(point)):
        found.problems.append(f"the change did not come by this point: {patient.answer()['msg']}")
        return found
    patient.judge_pause(found, patient.look())
    return kill_and_judge(patient, found)


def at_moment(patient: Patient, kind: str, seconds: float, good: bool, swap: str) -> Round:
    """One change, killed so many seconds after it was asked for."""
    found = patient.begin(None, kind, f"after {seconds:.2f} s of a {'good' if good else 'bad'} {swap}")
    found.good = good
    request = patient.request(found.new, good, swap)
    found.id = request.id
    patient.submit(request)
    time.sleep(seconds)
    return kill_and_judge(patient, found)


def kill_and_judge(patient: Patient, found: Round) -> Round:
    watch = Watch(patient.node.address)
    watch.start()
    began = time.monotonic()
    KILLS[found.kind](patient, found)
    patient.rest()
    found.to_rest = time.monotonic() - began
    answers, found.to_service = watch.stop()
    patient.judge(found, answers)
    if found.kind in ("program", "engine"):
        judge_answer(patient, found)
    return found


def judge_answer(patient: Patient, found: Round) -> None:
    """Who waited on the node hears what became of the change."""
    told = patient.answer()
    wanted = {found.new: {"success"}, found.old: {"interrupted", "reverted", "refused"}}.get(found.served, set())
    if told["class"] not in wanted:
        found.problems.append(f"{found.served} runs, and the one who waits is told '{told['class']}': {told['msg']}")


def random_works(count: int, kinds: t.Sequence[str], say: Figure) -> list[crash.Work]:
    seed = int(os.environ.get("EDGE_CRASH_SEED") or random.SystemRandom().randrange(1 << 32))
    say(f"seed {seed} (EDGE_CRASH_SEED={seed} repeats it)")
    chance = random.Random(seed)
    works: list[crash.Work] = []
    for number in range(count):
        kind, seconds, good = kinds[number % len(kinds)], chance.uniform(0.2, 5.0), chance.random() < 0.7
        swap = chance.choice(["fetch_then_stop", "stop_then_fetch"])
        works.append(functools.partial(at_moment, kind=kind, seconds=seconds, good=good, swap=swap))
    return works


def works_of(kinds: t.Sequence[str], everything: bool) -> list[crash.Work]:
    cases = crash.one_point_of_each_step(kinds)
    if everything:
        cases = [(point, kind) for point in crash.points() for kind in kinds]
    return [functools.partial(at_point, point=point, kind=kind) for point, kind in cases]


def report(done: list[Round], figure: Figure) -> None:
    kinds = collections.Counter(found.kind for found in done)
    ends = collections.Counter("old" if found.served == found.old else "new" for found in done if not found.problems)
    worst = max((found.to_service for found in done), default=0.0)
    rest = max((found.to_rest for found in done), default=0.0)
    figure(
        f"{len(done)} kills ({', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}): "
        f"{ends['old']} ended on the old version, {ends['new']} on the new one, "
        f"worst time to service {worst:.1f} s, to rest {rest:.1f} s"
    )
    problems = crash.failures(done)
    assert not problems, "\n".join([f"{len(problems)} of {len(done)} rounds:", *problems])


# -- every step


@pytest.mark.slow
@pytest.mark.must_show("A3")
def test_power_and_engine(cut_off: list[Patient], figure: Figure, long_run: bool) -> None:
    """At the next start the node serves one whole version: with no controller and no network."""
    works = works_of(["power", "engine"], long_run)
    works += random_works(max(MOMENTS, 108 - len(works)) if long_run else MOMENTS, ["power", "engine"], figure)
    report(crash.run_all(cut_off, works), figure)


def in_time(done: list[Round], figure: Figure) -> None:
    limit = crash.DEADLINE + crash.HELP_AFTER
    late = [f"{found}: {found.to_service:.0f} s" for found in done if found.to_service > limit]
    assert not late, f"over {limit} s: {late}"
    report(done, figure)


@pytest.mark.must_show("A4")
def test_program_and_waiter(cut_off: list[Patient], figure: Figure, long_run: bool) -> None:
    """No power cycle and no help: within the deadline and 30 s the node serves one whole version."""
    works = works_of(["program", "module"], long_run) + random_works(MOMENTS, ["program"], figure)
    in_time(crash.run_all(cut_off, works), figure)


# -- through ansible and ssh


def link(lab: Lab, patient: Patient, ansible: subprocess.Popen[str]) -> None:
    """The site's link goes, and comes back when all is over. Nobody waits for ssh to notice."""
    lab.cut(patient.node.site)
    patient.let_go()
    patient.rest()
    os.killpg(ansible.pid, signal.SIGKILL)
    lab.restore(patient.node.site)


def remote_module(_lab: Lab, patient: Patient, _ansible: subprocess.Popen[str]) -> None:
    """The module on the node, and the program that it started to wait."""
    patient.node.exec(
        f"pid=$(pgrep -f 'edge submit -$'); kill -9 $(ps -o ppid= -p $pid) $pid; rm -f {PAUSE}",
    )


def controller(_lab: Lab, patient: Patient, ansible: subprocess.Popen[str]) -> None:
    os.killpg(ansible.pid, signal.SIGKILL)
    patient.let_go()


REMOTE: dict[str, t.Callable[[Lab, Patient, subprocess.Popen[str]], None]] = {
    "link": link,
    "module over ssh": remote_module,
    "controller": controller,
}


def through_ansible(patient: Patient, lab: Lab, point: Point, kind: str) -> Round:
    """One task of ansible on one node, and what asked for the change is gone at that point."""
    found = patient.begin(point, kind)
    patient.expect(str(point))
    task = {
        "tenant": crash.TENANT,
        "release": f"{found.new}.{uuid.uuid4().hex[:8]}",
        "workloads": patient.workloads(found.new, found.good),
        "undeclared": "remove",
        "deadline": crash.DEADLINE,
    }
    command = [str(Path(sys.executable).with_name("ansible")), patient.node.name, "--become"]
    command += ["-m", "physical_ai.edge.workloads", "-a", json.dumps(task)]
    with subprocess.Popen(
        command, env=lab.env(), cwd=ROOT, text=True, start_new_session=True, stdout=subprocess.PIPE
    ) as ansible:
        if not patient.wait_until_paused(str(point)):
            os.killpg(ansible.pid, signal.SIGKILL)
            found.problems.append(f"the change did not come by this point: {ansible.communicate()[0][-500:]}")
            return found
        watch = Watch(patient.node.address)
        watch.start()
        began = time.monotonic()
        REMOTE[kind](lab, patient, ansible)
        patient.rest()
        found.to_rest = time.monotonic() - began
        answers, found.to_service = watch.stop()
        patient.judge(found, answers)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(ansible.pid, signal.SIGKILL)
    return found


@pytest.mark.slow
@pytest.mark.must_show("A4")
def test_through_ansible(provisioned_lab: Lab, patients: list[Patient], figure: Figure, long_run: bool) -> None:
    """The link, the module or the controller goes while a task runs on a node behind a gateway."""
    behind = [next(item for item in patients if item.node is nodes[-1]) for nodes in provisioned_lab.sites.values()]
    assert not any(patient.node.is_gateway for patient in behind)
    cases = crash.one_point_of_each_step(list(REMOTE))
    if long_run:
        cases = [(point, kind) for point in crash.points() for kind in REMOTE]
    works = [functools.partial(through_ansible, lab=provisioned_lab, point=point, kind=kind) for point, kind in cases]
    in_time(crash.run_all(behind, works), figure)
