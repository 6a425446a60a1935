# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first login to nodes with a real systemd: behind a gateway, with a timer that nobody confirms, and a power cut before it runs."""

from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

import pytest

from tests.integration.modules import call

if t.TYPE_CHECKING:
    from tests.lab import Lab
    from tests.lab.node import Node
    from tests.lab.playbook import PlaybookResult

pytestmark = pytest.mark.e2e
HOST, USER, VENDOR, PASSWORD = "kiruna-cam01", "ops", "vendor", "jetson-4711"
LOCAL = "/etc/sudoers.d/physical-ai-ops /etc/ssh/sshd_config.d/00-physical-ai.conf /var/lib/physical-ai/way-back"
# The lab's nodes take no passwords; the box of a vendor does.
SHIPPED = "/etc/ssh/sshd_config.d/00-vendor.conf"
WIPE = f"userdel -rf {USER}; userdel -rf {VENDOR}; rm -rf {LOCAL} {SHIPPED}; systemctl reload ssh; true"


class Desk:
    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.known_hosts = lab, folder / "known_hosts"
        self.key = (lab.folder / "ssh" / "id_ed25519.pub").read_text(encoding="utf-8").strip()

    @property
    def node(self) -> Node:
        return self.lab.nodes[HOST]

    def bootstrap(self, *arguments: str, **more: t.Any) -> PlaybookResult:
        variables = {
            "bootstrap_user": USER,
            "bootstrap_authorized_keys": [self.key],
            "bootstrap_known_hosts": str(self.known_hosts),
            **more,
        }
        return self.lab.playbook(
            "playbooks/bootstrap.yml", "--limit", HOST, *arguments, extra_vars=variables, check=False
        )

    def state(self) -> dict[str, str]:
        """Who may come in."""
        looks = {
            "keys": f"cat /home/{USER}/.ssh/authorized_keys",
            "sudo": f"cat /etc/sudoers.d/physical-ai-{USER}",
            "sshd": "sshd -T | grep -i authentication",
            "vendor": f"passwd --status {VENDOR}",
        }
        return {name: self.node.exec(look, check=False).stdout for name, look in looks.items()}


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> t.Iterator[Desk]:
    """A box as its vendor ships it: one account with a password."""
    node = lab.nodes[HOST]
    node.exec(WIPE)
    node.exec(f"useradd --create-home --shell /bin/bash {VENDOR} && echo '{VENDOR}:{PASSWORD}' | chpasswd")
    node.exec(f"echo PasswordAuthentication yes > {SHIPPED} && systemctl reload ssh")
    node.exec(f"echo '{VENDOR} ALL=(ALL:ALL) ALL' > /etc/sudoers.d/vendor")
    yield Desk(lab, tmp_path)
    lab.heal()
    node.exec(WIPE + "; rm -f /etc/sudoers.d/vendor")


LOGIN: dict[str, t.Any] = {"bootstrap_login_user": VENDOR, "bootstrap_login_password": PASSWORD}


def test_the_first_login_by_password_behind_a_gateway(desk: Desk) -> None:
    done = desk.bootstrap(**LOGIN)
    assert done.rc == 0, done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    state = desk.state()
    assert state["keys"] == desk.key + "\n" and "passwordauthentication no" in state["sshd"]
    assert state["vendor"].split()[1] == "L"
    assert desk.known_hosts.read_text(encoding="utf-8").startswith(f"{HOST} ssh-ed25519 ")
    assert desk.node.exec("systemctl list-timers --all --no-legend 'physical-ai-way-back*'").stdout.strip() == ""
    for again in (desk.bootstrap(), desk.bootstrap("--check")):
        assert (again.rc, again.changed) == (0, 0), again.stdout


def close(desk: Desk, seconds: int) -> dict[str, t.Any]:
    """What a controller does that dies right after it."""
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHCcCUmBpomczTjSL1DWEVdPSQjj34A4He5Ur5L7BhM0 bob@example.com"
    arguments: dict[str, t.Any] = {
        "state": "closed",
        "user": USER,
        "authorized_keys": [other],
        "vendor_user": VENDOR,
        "seconds": seconds,
    }
    result = call(desk.lab, HOST, "access", **arguments)
    assert result["changed"], json.dumps(result)
    return result


def until(desk: Desk, wanted: dict[str, str], seconds: float) -> float:
    begun = time.monotonic()
    while desk.state() != wanted:
        assert time.monotonic() < begun + seconds, desk.state()
        time.sleep(1)
    return time.monotonic() - begun


def test_nobody_confirms_and_the_timer_takes_it_back(desk: Desk, figure: t.Callable[[str], None]) -> None:
    assert desk.bootstrap(bootstrap_vendor_account="keep", bootstrap_password_logins=True, **LOGIN).rc == 0
    before = desk.state()
    close(desk, 30)
    assert desk.state() != before
    took = until(desk, before, 60)
    figure(f"after 30 s without a confirmation the old ways in were back, {took:.0f} s after the change")
    done = desk.bootstrap()
    assert done.rc == 0, done.stdout


def test_a_power_cut_before_the_timer_runs(desk: Desk) -> None:
    assert desk.bootstrap(bootstrap_vendor_account="keep", bootstrap_password_logins=True, **LOGIN).rc == 0
    before = desk.state()
    close(desk, 3000)
    assert desk.state() != before
    desk.node.power_cut()
    desk.node.power_on()
    until(desk, before, 60)
    assert desk.node.exec("ls /etc/systemd/system/physical-ai-way-back.service", check=False).returncode != 0


def test_a_box_that_was_replaced(desk: Desk) -> None:
    assert desk.bootstrap(**LOGIN).rc == 0
    desk.known_hosts.write_text(f"{HOST} {' '.join(desk.key.split()[:2])}\n", encoding="utf-8")
    refused = desk.bootstrap()
    assert refused.rc != 0 and "run the playbook replace" in " ".join(refused.stdout.split())
    again = desk.bootstrap(bootstrap_replace=True)
    assert (again.rc, again.changed) == (0, 1), again.stdout
