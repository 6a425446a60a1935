# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A swap waits for a safe moment: the application's lock, a PLC that is not idle, and the person at the machine."""

from __future__ import annotations

import json
import time
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.e2e.deploying import Tenant, push
from tests.lab.plc import IDLE_COIL, Plc

if t.TYPE_CHECKING:
    from tests.lab import Lab

pytestmark = [pytest.mark.e2e, pytest.mark.must_show("C6")]
Figure = t.Callable[[str], None]
Entries = t.Callable[[str], list[dict[str, t.Any]]]
SITE, NODE = "kiruna", "kiruna-cam01"
LONG = 120


class Change:
    """An update to version 62 that goes on while the test looks at the node."""

    def __init__(self, tenant: Tenant, workload: dict[str, t.Any]) -> None:
        self.tenant, self.node = tenant, tenant.node
        self._pool = ThreadPoolExecutor(1)
        self._result: Future[dict[str, t.Any]] = self._pool.submit(tenant.deploy, workload)

    def waiting(self) -> dict[str, t.Any]:
        """What it waits for, as soon as it does."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            change = json.loads(self.node.exec("edge status --json").stdout)["change"]
            if change and change["waiting"]:
                return t.cast(dict[str, t.Any], change["waiting"][0])
            assert not self._result.done(), self._result.result()["msg"]
            time.sleep(0.2)
        raise AssertionError("it does not wait")

    def result(self) -> dict[str, t.Any]:
        try:
            return self._result.result(LONG)
        finally:
            self._pool.shutdown()


@pytest.fixture(scope="module")
def references(provisioned_lab: Lab) -> dict[str, str]:
    return push(
        provisioned_lab, "ok-1", "ok-62"
    )  # no other test has the latter: it is to be seen whether it is fetched


@pytest.fixture
def tenant(provisioned_lab: Lab, references: dict[str, str]) -> t.Iterator[Tenant]:
    found = Tenant(provisioned_lab.nodes[NODE], "sm", references, 18280)
    found.wipe()
    found.node.exec(f"docker image rm {references['ok-62']} >/dev/null 2>&1 || true")
    yield found
    provisioned_lab.restore(SITE)
    found.node.exec("edge release sm/app; edge release every")
    found.deploy(found.workload("ok-1"), force=True)  # without a probe: what is taken away waits for its own
    found.wipe()


@pytest.fixture
def entries(tenant: Tenant) -> Entries:
    """Entries of one kind that this test made."""
    before = ledger(tenant)[-1]["sequence"] if ledger(tenant) else 0
    return lambda kind: [item for item in ledger(tenant) if item["kind"] == kind and item["sequence"] > before]


@pytest.fixture
def plc(provisioned_lab: Lab) -> t.Iterator[Plc]:
    """At the site, on this machine: it is there with the site's link cut."""
    with Plc(provisioned_lab.plan.site(SITE).router) as found:
        yield found


def probed(tenant: Tenant, plc: Plc, **settings: t.Any) -> dict[str, t.Any]:
    workload = tenant.workload("ok-62")
    asked = {"host": plc.host, "port": plc.port, "table": "coil", "address": IDLE_COIL, "equals": True}
    workload["probes"]["idle"] = {"modbus": asked, "every": "500ms", **settings}
    return workload


def lock(tenant: Tenant) -> None:
    """As the application does it."""
    tenant.node.exec(["docker", "exec", tenant.container(), "touch", "/run/edge/update.lock"])


def ledger(tenant: Tenant) -> list[dict[str, t.Any]]:
    found = json.loads(tenant.node.exec("edge ledger --lines 0 --json").stdout)
    assert found["broken"] == ""
    return t.cast(list[dict[str, t.Any]], found["entries"])


def is_fetched(tenant: Tenant) -> bool:
    return tenant.node.exec(["docker", "image", "inspect", tenant.images["ok-62"]], check=False).returncode == 0


def warnings(tenant: Tenant) -> str:
    return tenant.node.exec("journalctl --sync; journalctl --identifier edge --priority warning --output cat").stdout


def test_the_lock_holds_the_swap_and_not_the_fetch_until_its_deadline(
    tenant: Tenant, entries: Entries, figure: Figure
) -> None:
    tenant.run(tenant.workload("ok-1", update_lock={"max_wait": "8s"}))
    lock(tenant)
    identity = tenant.identity()
    assert not is_fetched(tenant)
    change = Change(tenant, tenant.workload("ok-62"))
    assert change.waiting()["what"] == "update lock"
    assert is_fetched(tenant) and tenant.answers() == "1"
    assert (
        "waiting for sm/app (update lock): the application holds its update lock"
        in tenant.node.exec("edge status").stdout
    )
    result = change.result()
    assert (result["class"], result["failed"]) == ("held", False)
    assert "the application held its update lock for 8 s" in result["msg"] and "Traceback" not in result["msg"]
    assert (tenant.identity(), tenant.answers()) == (identity, "1")
    alarm = entries("alarm")[-1]
    assert (alarm["workload"], alarm["what"], alarm["then"]) == ("app", "update lock", "held")
    assert 8 <= alarm["waited"] < 12
    assert "alarm: sm/app: the application held its update lock for 8 s; the change is held" in warnings(tenant)
    figure(f"lock: image fetched, version 1 served; held with an alarm after {alarm['waited']:g} s")


def test_a_person_releases_it_on_a_node_with_no_link(
    tenant: Tenant, entries: Entries, provisioned_lab: Lab, figure: Figure
) -> None:
    tenant.run(tenant.workload("ok-1", update_lock={"max_wait": f"{LONG}s"}))
    lock(tenant)
    change = Change(tenant, tenant.workload("ok-62"))
    change.waiting()
    provisioned_lab.cut(SITE)
    began = time.monotonic()
    said = tenant.node.exec("edge release sm/app").stdout
    assert "unlocked: sm/app" in said
    result = change.result()
    seconds = time.monotonic() - began
    assert result["class"] == "success", result["msg"]
    assert tenant.answers() == "62"
    released = entries("release")[-1]
    assert (released["scope"], released["what"]) == ("sm/app", ["lock"]) and released["who"]
    assert entries("alarm") == []
    figure(f"released at the node with the link cut: version 62 committed {seconds:.1f} s later")


def test_a_plc_that_is_not_idle_holds_the_swap_and_not_the_fetch(
    tenant: Tenant, plc: Plc, provisioned_lab: Lab, figure: Figure
) -> None:
    tenant.run(tenant.workload("ok-1"))
    plc.idle(False)
    change = Change(tenant, probed(tenant, plc, max_wait=f"{LONG}s", **{"for": "2s"}))
    row = change.waiting()
    assert row["what"] == "idle probe" and "coil 0 is false, wanted true" in row["reason"]
    assert is_fetched(tenant) and tenant.answers() == "1"
    provisioned_lab.cut(SITE)
    plc.idle(True)
    began = time.monotonic()
    result = change.result()
    seconds = time.monotonic() - began
    assert result["class"] == "success", result["msg"]
    assert seconds >= 2 and tenant.answers() == "62"
    figure(f"PLC (pymodbus) idle for 2 s, link cut: version 62 committed after {seconds:.1f} s")


def test_a_plc_that_stays_busy_holds_with_an_alarm(tenant: Tenant, entries: Entries, plc: Plc, figure: Figure) -> None:
    """F58."""
    tenant.run(tenant.workload("ok-1"))
    identity = tenant.identity()
    plc.idle(False)
    held = tenant.deploy(probed(tenant, plc, max_wait="5s"))
    assert (held["class"], held["failed"]) == ("held", False)
    assert "not idle within 5 s" in held["msg"] and tenant.identity() == identity
    alarm = entries("alarm")[-1]
    assert (alarm["what"], alarm["value"], alarm["then"]) == ("idle probe", False, "held")
    assert "alarm: sm/app: not idle within 5 s" in warnings(tenant)
    plc.idle(True)
    assert tenant.deploy(probed(tenant, plc, max_wait="5s"))["class"] == "success"
    figure(f"busy PLC: held with an alarm after {alarm['waited']:g} s; idle: swapped by the next run")


def test_then_swap_goes_on_and_the_alarm_says_so(tenant: Tenant, entries: Entries, plc: Plc) -> None:
    tenant.run(tenant.workload("ok-1"))
    plc.idle(False)
    result = tenant.deploy(probed(tenant, plc, max_wait="2s", then="swap"))
    assert result["class"] == "success" and "swapped all the same" in result["msg"]
    assert entries("alarm")[-1]["then"] == "swap"
    assert tenant.answers() == "62"


def test_now_goes_on_with_a_busy_plc_and_no_link(
    tenant: Tenant, entries: Entries, plc: Plc, provisioned_lab: Lab
) -> None:
    tenant.run(tenant.workload("ok-1"))
    plc.idle(False)
    change = Change(tenant, probed(tenant, plc, max_wait=f"{LONG}s"))
    change.waiting()
    provisioned_lab.cut(SITE)
    assert "does not wait for sm/app any longer" in tenant.node.exec("edge release sm/app --now").stdout
    result = change.result()
    assert result["class"] == "success", result["msg"]
    released = entries("release")[-1]
    assert released["what"] == ["now"] and released["id"] == result["id"]
    again = tenant.node.exec("edge release sm/app --now", check=False)
    assert again.returncode != 0 and "no change of sm/app under way" in again.stderr


def test_a_plc_that_does_not_answer_is_not_idle_and_a_hold_ends_the_wait(
    tenant: Tenant, entries: Entries, plc: Plc
) -> None:
    tenant.run(tenant.workload("ok-1"))
    workload = probed(tenant, plc, max_wait=f"{LONG}s")
    workload["probes"]["idle"]["modbus"]["port"] = 1
    change = Change(tenant, workload)
    assert "Connection refused" in change.waiting()["reason"]
    tenant.node.exec("edge hold sm --reason 'shift two runs until six'")
    result = change.result()
    assert result["class"] == "held" and "shift two runs until six" in result["msg"]
    assert entries("alarm") == []
    tenant.node.exec("edge release sm")


def test_a_device_that_the_site_does_not_name_is_said_before_anything_is_fetched(tenant: Tenant) -> None:
    workload = tenant.workload("ok-62")
    workload["probes"]["idle"] = {"opcua": {"device": "robot-9", "node": "ns=2;s=Robot.Idle", "equals": True}}
    result = tenant.deploy(workload)
    assert result["class"] == "skipped_contract" and "device robot-9 is not a name on this node" in result["msg"]
    assert not is_fetched(tenant)


def test_a_command_in_the_container_that_runs(tenant: Tenant) -> None:
    tenant.run(tenant.workload("ok-1"))
    workload = tenant.workload("ok-62")
    asked = {"command": ["/bin/busybox", "test", "!", "-e", "/tmp/welding"]}
    workload["probes"]["idle"] = {"command": asked, "max_wait": "3s", "every": "500ms"}
    tenant.node.exec(["docker", "exec", tenant.container(), "touch", "/tmp/welding"])
    result = tenant.deploy(workload)
    assert result["class"] == "held" and "the command /bin/busybox ended with 1" in result["msg"]
    tenant.node.exec(["docker", "exec", tenant.container(), "rm", "/tmp/welding"])
    assert tenant.deploy(workload)["class"] == "success"
