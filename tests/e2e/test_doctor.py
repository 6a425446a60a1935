# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor finds nothing on a healthy fleet, and each planted fault with what to do; once mended, nothing again.

The faults are real but for the GPU, whose tools and files are simulated (tests/lab/gpu.py).
"""

from __future__ import annotations

import contextlib
import json
import typing as t
from pathlib import Path

import pytest

from tests.e2e.deploying import Tenant, push
from tests.lab import gpu

if t.TYPE_CHECKING:
    from tests.lab import Lab
    from tests.lab.node import Node
    from tests.lab.playbook import PlaybookResult

pytestmark = pytest.mark.e2e
Figure = t.Callable[[str], None]
Report = dict[str, t.Any]
MISMATCH = """#!/bin/sh
echo "Failed to initialize NVML: Driver/library version mismatch"
echo "NVML library version: 550.163"
exit 18
"""
CAMERA = {"schema": 1, "devices": {"camera-line-1": {"kind": "camera", "serial": "40012345"}}}
CERTIFICATE = (
    "mkdir -p /etc/docker/certs.d/old.example.com && cd /etc/docker/certs.d/old.example.com"
    " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=old.example.com"
    " -keyout /dev/null -out ca.crt"
)


class Clinic:
    """Runs the playbook on a lab and reads what it wrote."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.output = folder / "doctor.json"

    def run(self, *hosts: Node, **more: t.Any) -> tuple[PlaybookResult, Report]:
        self.output.unlink(missing_ok=True)
        variables = {"doctor_output": str(self.output), **more}
        if hosts:
            variables["edge_hosts"] = ",".join(host.name for host in hosts)
        result = self.lab.playbook("playbooks/doctor.yml", extra_vars=variables, check=False)
        assert "Traceback" not in result.stdout + result.stderr, result.stdout
        report = json.loads(self.output.read_text(encoding="utf-8"))
        assert report["exit_code"] == result.rc, result.stdout + result.stderr
        return result, report

    def healthy(self, *hosts: Node) -> None:
        result, report = self.run(*hosts)
        assert (result.rc, report["failures"], report["warnings"]) == (0, [], [])


@pytest.fixture
def clinic(provisioned_lab: Lab, tmp_path: Path) -> Clinic:
    return Clinic(provisioned_lab, tmp_path)


@pytest.fixture
def node(provisioned_lab: Lab) -> Node:
    found = [node for node in provisioned_lab.nodes.values() if node.release == "trixie" and not node.is_gateway]
    return found[0] if found else list(provisioned_lab.nodes.values())[-1]


def put(node: Node, path: str, text: str, mode: int = 0o644) -> None:
    gpu.put(node, {path.lstrip("/"): (text, mode)})


# Each plants a fault when it is entered and mends it when it is left.


@contextlib.contextmanager
def clock(node: Node) -> t.Iterator[None]:
    node.skew_clock(-3 * 86400)
    try:
        yield
    finally:
        node.skew_clock(0)


@contextlib.contextmanager
def disk(node: Node) -> t.Iterator[None]:
    node.fill_disk(50)
    try:
        yield
    finally:
        node.free_disk()


@contextlib.contextmanager
def missing_cdi(node: Node) -> t.Iterator[None]:
    node.exec(["rm", gpu.SPECIFICATION])
    try:
        yield
    finally:
        put(node, gpu.SPECIFICATION, gpu.specification(gpu.UUID, "0", "all"))


@contextlib.contextmanager
def driver_mismatch(node: Node) -> t.Iterator[None]:
    """What is left of a driver package that was upgraded under a loaded module: new library, old module."""
    library = "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.163.01"
    put(node, "/usr/local/bin/nvidia-smi", MISMATCH, 0o755)
    put(node, library, "")
    try:
        yield
    finally:
        node.exec(["rm", "-f", "/usr/local/bin/nvidia-smi", library])


@contextlib.contextmanager
def full_journal(node: Node) -> t.Iterator[None]:
    node.exec(
        "mount -t tmpfs -o size=24m,mode=2755 lab-journal /var/log/journal && mkdir /var/log/journal/$(cat /etc/machine-id)"
        " && systemctl restart systemd-journald && journalctl --flush"
        " && { dd if=/dev/zero of=/var/log/journal/fill bs=64k 2>/dev/null; true; }"
    )
    try:
        yield
    finally:
        node.exec("rm -f /var/log/journal/fill; umount --lazy /var/log/journal && systemctl restart systemd-journald")


@contextlib.contextmanager
def dead_camera(node: Node) -> t.Iterator[None]:
    """udev's name is there and nothing is behind its number. It is mended by taking the name away: the lab has no camera."""
    put(node, "/etc/physical-ai/devices.json", json.dumps(CAMERA))
    node.exec("mkdir -p /dev/edge && mknod /dev/video9 c 240 9 && ln -s ../video9 /dev/edge/camera-line-1")
    try:
        yield
    finally:
        node.exec("rm -f /dev/video9 /dev/edge/camera-line-1 /etc/physical-ai/devices.json")


@contextlib.contextmanager
def stopped_engine(node: Node) -> t.Iterator[None]:
    """Its socket still listens: whoever asks the engine something starts it."""
    node.exec("systemctl stop docker.service")
    try:
        yield
        assert node.exec(["systemctl", "is-active", "docker.service"], check=False).stdout.strip() == "inactive"
    finally:
        node.exec("systemctl start docker.service")


@contextlib.contextmanager
def expired_certificate(node: Node) -> t.Iterator[None]:
    node.skew_clock(-60 * 86400)
    try:
        node.exec(CERTIFICATE)
    finally:
        node.skew_clock(0)
    try:
        yield
    finally:
        node.exec("rm -r /etc/docker/certs.d/old.example.com")


@contextlib.contextmanager
def wrong_permissions(node: Node) -> t.Iterator[None]:
    node.exec("chmod 0755 /var/lib/physical-ai")
    try:
        yield
    finally:
        node.exec("chmod 0700 /var/lib/physical-ai")


@contextlib.contextmanager
def graphics_card(node: Node) -> t.Iterator[None]:
    gpu.install(node)
    try:
        yield
    finally:
        gpu.remove(node)


@pytest.mark.must_show("B6")
def test_nothing_is_found_on_a_healthy_fleet(clinic: Clinic, figure: Figure) -> None:
    result, report = clinic.run(doctor_format="json")
    assert (result.rc, report["failures"], report["warnings"]) == (0, [], []), report
    assert set(report["hosts"].values()) == {"healthy"}
    assert report["hosts"].keys() == clinic.lab.nodes.keys()
    assert result.changed == 1, "the report was written, and nothing else"
    _head, _mark, shown = result.stdout.partition('"msg": ')
    assert json.JSONDecoder().raw_decode(shown)[0] == report
    names = {item["check"] for items in report["not_checked"].values() for item in items}
    assert not names & {"clock", "disk", "engine", "node_program", "units", "permissions", "journal"}
    figure(f"{report['lines'][-1]}, exit status {result.rc}")


@pytest.mark.must_show("B6")
def test_it_writes_no_file_unless_it_is_told_to(clinic: Clinic, node: Node) -> None:
    result = clinic.lab.playbook("playbooks/doctor.yml", "--limit", node.name)
    assert result.changed == 0
    assert "nothing found, 1 of 1 nodes looked at" in result.stdout


FAULTS: dict[str, tuple[t.Callable[[Node], t.ContextManager[None]], str, str, str]] = {
    "clock": (clock, "clock", "3 days behind the controller", "date -u -s @"),
    "disk": (disk, "disk", "MiB free of", "docker system df"),
    "missing CDI": (missing_cdi, "cdi", "containers cannot be given it", "nvidia-cdi-refresh"),
    "driver mismatch": (driver_mismatch, "gpu_driver", "its library is 550.163", "restart the node"),
    "full journal": (full_journal, "journal", "what happens now is not written down", "journalctl --vacuum-size"),
    "dead camera": (dead_camera, "devices", "the camera does not answer", "unplug it"),
    "stopped engine": (stopped_engine, "engine", "docker.service is inactive", "systemctl start docker"),
    "expired certificate": (expired_certificate, "certificates", "it expired on", "put a new one"),
    "wrong permissions": (wrong_permissions, "permissions", "mode 0755", "chmod 0700 /var/lib/physical-ai"),
}


@pytest.mark.must_show("B6")
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_with_what_to_do_and_gone_once_mended(
    clinic: Clinic, node: Node, figure: Figure, name: str
) -> None:
    plant, check, found, do = FAULTS[name]
    with graphics_card(node) if name == "missing CDI" else contextlib.nullcontext():
        clinic.healthy(node)
        with plant(node):
            result, report = clinic.run(node)
            assert result.rc == 2, result.stdout
            assert {item["check"] for item in report["failures"]} == {check}, report
            first = report["failures"][0]
            assert first["host"] == node.name
            assert found in first["found"], first
            assert do in first["do"], first
            assert first["wanted"]
            assert f"-> {first['do']}" in report["lines"][2]
        clinic.healthy(node)
    figure(f"{name}: {first['found']} -> {first['do']}")


@pytest.mark.must_show("B6")
@pytest.mark.parametrize("how", ["its link is cut", "its power is cut"])
def test_an_unreachable_gateway_is_named_once_with_the_nodes_behind_it(
    clinic: Clinic, figure: Figure, how: str
) -> None:
    lab = clinic.lab
    site = next(iter(lab.sites))
    gateway, behind = lab.gateway(site), [node.name for node in lab.sites[site] if not node.is_gateway]
    try:
        if how == "its link is cut":
            lab.cut(site)
        else:
            gateway.power_cut()
        result, report = clinic.run()
        assert result.rc == 2, result.stdout
        (failure,) = report["failures"]
        assert (failure["check"], failure["host"], failure["where"]) == ("gateway", gateway.name, site)
        for name in behind:
            assert name in failure["found"]
        assert "link and power" in failure["do"]
        assert report["hosts"] == {
            node.name: "unreachable" if node.site == site else "healthy" for node in lab.nodes.values()
        }
    finally:
        gateway.power_on()
        lab.restore(site)
    clinic.healthy()
    figure(f"unreachable gateway, {how}: {failure['found']}")


def test_warnings_alone_end_with_status_1(clinic: Clinic, node: Node) -> None:
    node.exec(["edge", "hold", "quality", "--reason", "shift 2 runs until six"])
    try:
        result, report = clinic.run(node)
    finally:
        node.exec(["edge", "release", "quality"])
    assert result.rc == 1, result.stdout + result.stderr
    (warning,) = report["warnings"]
    assert "shift 2 runs until six" in warning["found"]
    assert warning["do"] == "edge release quality"
    clinic.healthy(node)


def test_a_workload_that_does_not_run_is_found_and_recover_mends_it(clinic: Clinic, node: Node) -> None:
    tenant = Tenant(node, "quality", push(clinic.lab, "ok-1"), 18300)
    try:
        tenant.run(tenant.workload("ok-1"))
        clinic.healthy(node)
        node.exec(["docker", "stop", "--time", "1", tenant.container()])
        dummy, report = clinic.run(node)
        assert [item["found"].partition(" (")[0] for item in report["failures"]] == ["its container does not run"]
        assert report["failures"][0]["do"].startswith("edge recover")
        node.exec("edge recover")
        clinic.healthy(node)
        node.exec(["docker", "update", "--restart", "no", tenant.container()])
        node.exec(
            "cp -p /var/lib/physical-ai/ledger.jsonl /root/ledger; sed -i '$s/previous/foregone/' /var/lib/physical-ai/ledger.jsonl"
        )
        dummy, report = clinic.run(node)
        assert {item["check"] for item in report["failures"]} == {"workloads", "ledger"}
        node.exec("cp -p /root/ledger /var/lib/physical-ai/ledger.jsonl; edge recover")
        clinic.healthy(node)
    finally:
        tenant.wipe()
