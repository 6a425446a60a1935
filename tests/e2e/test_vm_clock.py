# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that boots with another date in its hardware clock: a container has the clock of its host, so this is a virtual machine.

It is the gateway of its site, so that its certificate is renewed by itself, with an issuing CA of its own.
"""

from __future__ import annotations

import datetime
import json
import time
import typing as t
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.virtual import call, cut_and_power_on, include_role, reached, run
from tests.lab import engine, images, oci
from tests.lab.vm import Vm

pytestmark = [pytest.mark.vm, pytest.mark.e2e, pytest.mark.slow, pytest.mark.must_show("D2")]
Figure = t.Callable[[str], None]
NAME, DAY = "kiruna-gw01", 86400
PLACES = "/etc/physical-ai/pki /var/lib/physical-ai/certificates /var/lib/physical-ai/ca /run/physical-ai/clock"
# What a certificate, a key, a list of the issuing CA or a workload is made of; not what is written down of tries and times.
FILES = "find /etc/physical-ai /var/lib/physical-ai/certificates /var/lib/physical-ai/ca -name '*.crt' -o -name '*.key' -o -name '*.pem'"


@dataclass
class Box:
    vm: Vm
    folder: Path

    def play(self, playbook: str, **variables: t.Any) -> str:
        host = {
            **reached(self.vm),
            "edge_site": "kiruna",
            "edge_fleet": "acme",
            "edge_gateway": NAME,
            "edge_address": "10.0.2.15",
            "edge_networks": {"site": ["10.0.2.0/24"]},
        }
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": {NAME: host}}}), encoding="utf-8")
        given = {"site_ca_root_path": str(self.folder / "pki"), "rollout_records": "", **variables}
        return run("ansible-playbook", "-i", str(inventory), f"physical_ai.edge.{playbook}", "-e", json.dumps(given))

    def row(self) -> dict[str, t.Any]:
        (found,) = json.loads(self.vm.exec("edge certificates --json").stdout)
        return t.cast("dict[str, t.Any]", found)

    def files(self) -> list[str]:
        return self.vm.exec(f"{FILES} | sort | xargs sha256sum").stdout.splitlines()

    def answers(self) -> str:
        ask = (
            "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8010/version', timeout=20).read().decode())"
        )
        return self.vm.wait_for(f'python3 -c "{ask}"', timeout=240).strip()

    def date(self) -> float:
        return float(self.vm.exec("date +%s").stdout)

    def renews(self) -> None:
        """What the timer starts."""
        self.vm.exec("systemctl start physical-ai-certificates.service", timeout=300)

    def told(self, **more: t.Any) -> dict[str, t.Any]:
        """The next push brings the time of the controller."""
        return call(self.vm, "clock", controller_time=time.time(), **more)


@pytest.fixture(scope="module")
def box(vm: Vm, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Box]:
    found = Box(vm, tmp_path_factory.mktemp("box"))
    include_role(vm, "node_program")
    found.told()
    found.play("pki", site_ca_root_passphrase="only-in-this-test")
    found.play("rotate_certificates")
    _deploy(vm)
    yield found
    vm.exec(f"edge clock --forget; rm -rf {PLACES}; rm -f /etc/physical-ai/clock.json", check=False)
    cut_and_power_on(vm)


def _deploy(vm: Vm) -> None:
    from ansible_collections.physical_ai.edge.plugins.module_utils._core import spec
    from ansible_collections.physical_ai.edge.plugins.module_utils._core.request import Request

    engine.up()
    client = engine.client()
    digest, archive = oci.archive(b"".join(client.images.get(images.tiny(client)).save()))
    vm.put(archive, "/root/clock.tar")
    ready = {"http": {"port": 8000, "path": "/v2/health/ready", "timeout": "20s"}}
    workload = {
        "name": "app",
        "image": "registry.example.com/tiny",
        "digest": digest,
        "archive": "/root/clock.tar",
        "ports": [{"container": 8000, "host": 8010}],
        "probes": {"startup": {**ready, "within": "120s"}, "steady": {**ready, "for": "1s"}},
    }
    request = Request(uuid.uuid4().hex, "cupboard", "1", spec.render([workload]))
    vm.put(json.dumps(request.to_json()).encode(), "/root/clock-request.json")
    result = json.loads(vm.exec("edge submit /root/clock-request.json", timeout=600).stdout)
    assert result["class"] == "success", json.dumps(result)


# systemd itself does not go on in 2099: what is 15 years after the day on which it was built, it does not believe.
@pytest.mark.parametrize("year, sets", [(1970, True), (2099, True), (2039, False)])
def test_a_boot_in_another_year_loses_nothing_and_the_next_push_renews(
    box: Box, year: int, sets: bool, figure: Figure
) -> None:
    """:param sets: whether the unit of the boot may set the clock; otherwise the machine goes on in that year."""
    before, files = box.row(), box.files()
    assert before["reason"] == "valid" and before["clock"] == "trusted", before
    # It was sure of no time since this software was made: the boot cannot know better.
    services = "physical-ai-clock.service physical-ai-clock-look.timer"
    box.vm.exec(f"systemctl {'enable' if sets else 'disable'} {services}; edge clock --forget; sync")
    cut_and_power_on(box.vm, f"{year}-06-01T12:00:00")
    assert box.answers() == "1"
    booted = box.date()
    assert sets or booted > time.time() + 12 * 365 * DAY, "the hardware clock counts"
    row = box.row()
    assert row["clock"] == "doubtful" and not row["due"], row
    box.renews()
    assert box.row()["installed"]["serial"] == before["installed"]["serial"] and box.files() == files
    told = box.told()
    assert told["set"] and told["state"] == "trusted" and told["source"] == "controller", told
    assert abs(box.date() - time.time()) < 60
    box.play("rotate_certificates", rotate_all=True)
    row = box.row()
    assert row["reason"] == "valid" and row["installed"]["serial"] != before["installed"]["serial"], row
    assert box.answers() == "1"
    shown = datetime.datetime.fromtimestamp(booted, datetime.UTC).strftime("%Y-%m-%d")
    figure(
        f"real boot with {year} in the hardware clock ({'then ' if sets else 'and '}{shown} on the wall): the workload runs, nothing was "
        "renewed, expired or deleted; the push set the clock and renewed"
    )


def test_four_hundred_days_without_power(box: Box, figure: Figure) -> None:
    before = box.row()["installed"]["serial"]
    box.vm.exec("systemctl enable physical-ai-clock.service physical-ai-clock-look.timer; sync")
    cut_and_power_on(box.vm, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 400 * DAY)))
    try:
        assert box.answers() == "1"
        assert box.date() > time.time() + 399 * DAY
        box.renews()
        row = box.row()
        assert row["installed"]["serial"] != before and row["installed"]["valid"], row
    finally:
        # The controller of this test is in the present, where what was signed in the future is found and replaced.
        box.told(forget=True)
    box.renews()
    assert box.row()["reason"] == "valid" and abs(box.date() - time.time()) < 60, box.row()
    figure(
        f"real boot 400 days later: the workload runs, the gateway alone renewed ({row['installed']['days_left']:g} days left)"
    )
