# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that lost its GPU is found and put right, on a simulated GPU (tests/lab/gpu.py): its device file is real.

The engine of a lab node keeps the control groups itself, so a reload of systemd takes nothing away there: the tests do that,
as systemd would. What a reload does where systemd keeps them is shown in the virtual machine (test_vm_devices.py).
"""

from __future__ import annotations

import json
import time
import typing as t

import pytest

from tests.e2e.deploying import Tenant, push
from tests.lab import gpu

if t.TYPE_CHECKING:
    from tests.lab import Lab

pytestmark = [pytest.mark.e2e, pytest.mark.must_show("B4")]
Figure = t.Callable[[str], None]


class Holder:
    """A workload with a GPU."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant, self.node = tenant, tenant.node

    def uses(self) -> bool:
        """Whether the container can open its GPU."""
        inside = ["docker", "exec", self.tenant.container(), "/bin/busybox", "sh", "-c", "exec 3<>/dev/nvidia0"]
        return self.node.exec(inside, check=False).returncode == 0

    def take_away(self) -> None:
        """What a reload of systemd does to a container that was given its GPU behind systemd's back."""
        pid = self.tenant.inspect()["State"]["Pid"]
        group = self.node.exec(f"grep devices /proc/{pid}/cgroup | cut -d: -f3", check=False).stdout.strip()
        if not group:
            pytest.skip("rights to devices are taken away by hand: control groups of version 1 are needed")
        self.node.exec(f"echo 'c 1:5 rwm' >/sys/fs/cgroup/devices{group}/devices.deny")
        assert not self.uses()

    def entries(self) -> list[dict[str, t.Any]]:
        found = json.loads(self.node.exec("edge ledger --lines 0 --json").stdout)["entries"]
        return [item for item in found if item["kind"] == "gpu"]

    def wait(self, count: int, seconds: float = 60) -> dict[str, t.Any]:
        """The ledger's word on the GPU, without anybody asking for it."""
        until = time.monotonic() + seconds
        while len(self.entries()) < count:
            assert time.monotonic() < until, "the ledger says nothing"
            time.sleep(0.5)
        return self.entries()[-1]


@pytest.fixture(scope="module")
def equipped(provisioned_lab: Lab) -> t.Iterator[Tenant]:
    node = next((item for item in provisioned_lab.nodes.values() if item.release == "trixie"), None)
    if node is None:
        pytest.skip("GPUs by CDI: a node with Docker 25 or newer (Debian 13) is needed")
    found = Tenant(node, "guarded", push(provisioned_lab, "ok-1"), 18340)
    gpu.install(node)
    found.wipe()
    yield found
    found.wipe()
    gpu.remove(node)


@pytest.fixture
def holder(equipped: Tenant) -> Holder:
    workload = equipped.workload("ok-1", requires={"gpu": {"memory_mib": 1024}}, update_lock={"mount": "/run/edge"})
    equipped.run(workload)
    return Holder(equipped)


def test_a_reload_of_systemd_touches_nothing_that_still_has_its_gpu(holder: Holder) -> None:
    before, count = holder.tenant.identity(), len(holder.entries())
    holder.node.exec("systemctl daemon-reload")
    holder.node.exec("for n in $(seq 100); do test -e /run/physical-ai/look || exit 0; sleep 0.2; done; exit 1")
    time.sleep(2)
    assert holder.tenant.identity() == before
    assert holder.uses()
    assert len(holder.entries()) == count


@pytest.mark.parametrize("event", ["systemctl daemon-reload", "apt-get install -y --reinstall chrony >/dev/null 2>&1"])
def test_a_gpu_that_was_taken_away_is_given_back_and_the_ledger_says_so(
    holder: Holder, event: str, figure: Figure
) -> None:
    """F18: after a reload of systemd, and after packages were installed."""
    before, count = holder.tenant.identity(), len(holder.entries())
    holder.take_away()
    holder.node.exec(event, timeout=120)
    entry = holder.wait(count + 1)
    assert (entry["what"], entry["workload"]) == ("put right", "guarded/app"), entry
    assert "/dev/nvidia0: it may not be opened any more" in entry["lost"][0]
    assert holder.uses()
    after = holder.tenant.identity()
    assert after[0] == before[0] and after[1] != before[1], "the same container, restarted"
    assert holder.tenant.answers() == "1"
    figure(f"after `{event.split(' >')[0]}`: {entry['lost'][0]}: {entry['msg']}")


def test_the_application_can_hold_the_restart_back(holder: Holder) -> None:
    lock = "/run/physical-ai/locks/guarded/app/update.lock"
    before, count = holder.tenant.identity(), len(holder.entries())
    holder.take_away()
    holder.node.exec(f"touch {lock}; systemctl daemon-reload")
    entry = holder.wait(count + 1)
    assert (entry["what"], entry["msg"]) == ("lost", "not restarted: the application holds its update lock")
    assert holder.tenant.identity() == before
    holder.node.exec(f"rm {lock}; systemctl daemon-reload")
    assert holder.wait(count + 2)["what"] == "put right"
    assert holder.uses()
