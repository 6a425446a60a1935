# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings a node back, itself disturbed: recovery that is killed, deadlines, an engine that stays away, reboots."""

from __future__ import annotations

import json
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e import crash
from tests.e2e.crash import HERE, PAUSE, Patient, Point, Round, Watch
from tests.e2e.test_crash import KILLS
from tests.lab.node import Node

if t.TYPE_CHECKING:
    pass

pytestmark = pytest.mark.e2e
Figure = t.Callable[[str], None]
RECOVERY = "physical-ai-recover.service"
AT_BOOT = "/etc/tmpfiles.d/edge-test.conf"


@pytest.fixture
def patient(patients: list[Patient]) -> Patient:
    return patients[-1]


def broken_off(patient: Patient, point: Point, good: bool = True, **more: t.Any) -> Round:
    """A change that stands still at that point."""
    found = patient.begin(point, "program")
    found.good = good
    request = patient.request(found.new, good, **more)
    found.id = request.id
    patient.submit(request, pause=str(point))
    assert patient.wait_until_paused(str(point)), patient.answer()
    patient.judge_pause(found, patient.look())
    return found


def judged(patient: Patient, found: Round, seconds: float = crash.DEADLINE + crash.HELP_AFTER) -> Round:
    patient.rest(seconds)
    patient.judge(found, [crash.fetch(patient.node.address, port) for port in crash.PORTS.values()])
    assert not found.problems, f"{found}: {found.problems}"
    return found


def unit(found: Round) -> str:
    return f"physical-ai-change-{found.id}.service"


def pid_of(node: Node, name: str, which: str) -> str:
    return node.exec(["systemctl", "show", f"--property={which}", "--value", name]).stdout.strip()


def runs(node: Node) -> int:
    """How often recovery was started on this node since it was switched on."""
    lines = node.exec(["journalctl", "--boot", "--no-pager", "--output=cat", f"UNIT={RECOVERY}"]).stdout
    return lines.count("Starting ")


# -- recovery is killed


@pytest.mark.parametrize("step", ["revert_stop_new", "revert_data", "revert_start_old"])
def test_killed_recovery_is_followed_by_another(patient: Patient, step: str) -> None:
    """The program is killed in the change, and what systemd then runs to bring the old version back is killed too."""
    found = broken_off(patient, Point("startup_probe", "after"))
    second = f"{step}:after"
    main = pid_of(patient.node, unit(found), "MainPID")
    patient.node.exec(f"printf %s {second} >{PAUSE}.new; mv {PAUSE}.new {PAUSE}; kill -9 {main}")
    assert patient.wait_until_paused(second)
    patient.node.exec(f"kill -9 {pid_of(patient.node, unit(found), 'ControlPID')}; rm -f {PAUSE}")
    judged(patient, found)
    assert found.served == found.old
    assert patient.answer()["class"] == "interrupted"


@pytest.mark.parametrize("step", ["revert_data", "revert_start_old"])
def test_power_goes_again_during_recovery_at_boot(cut_off: list[Patient], step: str) -> None:
    patient = cut_off[0]
    found = broken_off(patient, Point("startup_probe", "after"))
    point = f"{step}:before"
    patient.node.exec(f"echo 'f {PAUSE} 0600 root root - {point}' >{AT_BOOT}")
    patient.node.exec(f"echo 'd /run/physical-ai 0755 root root -' >>{AT_BOOT}")
    patient.node.power_cut()
    patient.node.power_on(wait=False)
    paused = patient.wait_until_paused(point)
    patient.node.exec(["rm", AT_BOOT])
    assert paused
    patient.node.power_cut()
    patient.node.power_on()
    judged(patient, found)
    assert found.served == found.old


# -- a revert by a person


@pytest.mark.parametrize("kind", ["power", "program"])
def test_killed_revert_of_a_person(patient: Patient, kind: str) -> None:
    """`edge revert` brings older data with the older version; cut off, today's version has today's data again."""
    before = patient.prepare()
    patient.node.exec(f"echo older >{crash.RECORDS}")
    result = patient.deploy(patient.other(before))
    assert result["class"] == "success", result
    found = patient.begin(None, kind, "edge revert at start_new:after")
    patient.expect("start_new:after")
    patient.node.exec(f"nohup edge revert {crash.TENANT} --json >{HERE}/answer 2>&1 </dev/null & echo $! >{HERE}/pid")
    assert patient.wait_until_paused("start_new:after"), patient.answer()
    seen = patient.look()
    assert seen.journal
    assert "older" in seen.data["records"], "the older data is not in place"
    patient.judge_pause(found, seen)
    found.id = seen.journal["id"]
    KILLS[kind](patient, found)
    judged(patient, found)
    assert found.served == found.old


# -- the engine


@pytest.mark.parametrize("how", ["kill -9 $(cat /run/docker.pid)", "systemctl restart docker"])
def test_engine_start_brings_recovery(patient: Patient, how: str) -> None:
    """Whoever starts the engine: what was committed is looked after once it runs."""
    patient.prepare()
    patient.node.exec("systemctl reset-failed docker")
    before = runs(patient.node)
    patient.node.exec(how)
    patient.rest()
    assert runs(patient.node) > before
    assert patient.version()


def test_engine_stays_away_and_is_started_by_hand(patient: Patient) -> None:
    """The engine cannot be started during the change. When a person has mended it, the old version comes back by itself."""
    found = broken_off(patient, Point("start_new", "before"), deadline=300)
    node = patient.node
    node.exec(
        f"systemctl mask --runtime --quiet docker.service docker.socket; systemctl stop docker.socket docker; rm -f {PAUSE}"
    )
    answer = patient.answer(200)
    assert answer["class"] == "interrupted", answer
    assert "engine" in answer["msg"], answer
    node.exec("systemctl unmask --runtime --quiet docker.service docker.socket; systemctl start docker.socket docker")
    found.kind = "power"
    judged(patient, found)
    assert found.served == found.old


def test_engine_that_cannot_start_bans_no_image(patient: Patient) -> None:
    """The new container is gone with its engine: that says nothing of the image, which is tried again the next time."""
    found = broken_off(patient, Point("steady_probe", "before"))
    patient.node.exec(
        f"systemctl reset-failed docker; docker kill $(docker ps --quiet --latest); kill -9 $(cat /run/docker.pid); rm -f {PAUSE}"
    )
    found.kind = "engine"
    judged(patient, found)
    refused = [item["refused"] for item in patient.look().state["tenants"][crash.TENANT]["workloads"].values()]
    assert not any(refused), refused


# -- the deadline


def test_deadline(patient: Patient, figure: Figure) -> None:
    """A change that takes too long is ended by systemd, and the old version serves again."""
    found = broken_off(patient, Point("startup_probe", "before"), deadline=4)
    watch = Watch(patient.node.address)
    watch.start()
    answer = patient.answer(60)
    assert answer["class"] == "timed_out", answer
    patient.let_go()
    judged(patient, found)
    assert found.served == found.old
    figure(f"deadline 4 s: the old version served {watch.stop()[1]:.1f} s after the change had begun to hang")


# -- two at once


def test_second_change_waits_for_the_first(patient: Patient) -> None:
    found = broken_off(patient, Point("steady_probe", "before"))
    second = patient.request(found.old)
    text = json.dumps(second.to_json())
    patient.node.exec(f"cat >{HERE}/second.json <<'END'\n{text}\nEND")
    patient.node.exec(f"nohup edge submit {HERE}/second.json >{HERE}/second 2>&1 </dev/null &")
    time.sleep(2)
    assert "under way" in patient.node.exec(["edge", "status"]).stdout
    patient.let_go()
    assert patient.answer()["class"] == "success"
    patient.rest()
    answer = json.loads(patient.node.exec(["cat", f"{HERE}/second"]).stdout)
    assert answer["class"] == "success", answer
    assert patient.version() == found.old


# -- the disk


def test_disk_that_fills_up_during_the_swap(patient: Patient) -> None:
    """No state can be written any more: the way back needs no disk, and the next change works when there is some."""
    found = broken_off(patient, Point("stop_old", "after"))
    patient.node.fill_disk(leave_mib=20)
    patient.node.exec(f"dd if=/dev/zero of=/var/lib/physical-ai/fill bs=4k 2>/dev/null; rm -f {PAUSE}", check=False)
    try:
        deadline = time.monotonic() + 60
        while {crash.fetch(patient.node.address, port) for port in crash.PORTS.values()} != {found.old}:
            assert time.monotonic() < deadline, "the old version does not serve while the disk is full"
            time.sleep(0.5)
    finally:
        patient.node.exec(["rm", "-f", "/var/lib/physical-ai/fill"])
        patient.node.free_disk()
    judged(patient, found)
    assert found.served == found.old


# -- shutting down and switching on


def test_orderly_shutdown_in_the_middle_of_a_change(patient: Patient) -> None:
    """systemd ends the change before the engine goes, so the old version is back before the power is off."""
    found = broken_off(patient, Point("startup_probe", "before"))
    began = time.monotonic()
    patient.node.power_off()
    off = time.monotonic() - began
    patient.node.power_on()
    judged(patient, found)
    assert found.served == found.old
    assert off < 45, f"the shutdown took {off:.0f} s"


def test_cold_starts_without_a_link(cut_off: list[Patient], figure: Figure) -> None:
    """Three power cycles of every node, with nobody to ask: all workloads are up, and recovery had nothing to do."""
    worst = []

    def cycles(patient: Patient) -> None:
        version = patient.prepare()
        for _rest in range(3):
            patient.node.power_cut()
            began = time.monotonic()
            patient.node.power_on()
            patient.rest()
            worst.append(time.monotonic() - began)
            assert patient.version() == version

    with ThreadPoolExecutor(len(cut_off)) as pool:
        list(pool.map(cycles, cut_off))
    figure(f"{len(worst)} cold starts with the link cut: all workloads up, worst {max(worst):.1f} s after power-on")
