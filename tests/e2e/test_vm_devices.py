# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A camera by the site's name in a virtual machine: real udev, a real UVC camera on the kernel's USB, real containers.

The camera is plugged in and out by the kernel's own gadget and USB/IP drivers (tests/lab/vm_camera.py).
"""

from __future__ import annotations

import json
import typing as t
import uuid
from pathlib import Path

import pytest

from tests.e2e.virtual import call, cut_and_power_on, include_role
from tests.lab import engine, images, oci
from tests.lab.vm import Vm
from tests.tools.sync import ROOT

pytestmark = [pytest.mark.vm, pytest.mark.e2e, pytest.mark.slow, pytest.mark.must_show("B5")]
Figure = t.Callable[[str], None]
NAME = "camera-line-1"
ASK = {"port": 8000, "path": "/version", "timeout": "20s"}
PORTS = ["platform-vhci_hcd.0-usb-0:1:1.0", "platform-vhci_hcd.0-usb-0:2:1.0"]


class Line:
    """A workload that asks for `camera-line-1`, and the camera."""

    def __init__(self, vm: Vm) -> None:
        self.vm = vm
        self.number = 0

    def camera(self, *words: str) -> None:
        self.vm.exec(["python3", "/root/camera.py", *words])

    def deploy(self, **more: t.Any) -> dict[str, t.Any]:
        from ansible_collections.physical_ai.edge.plugins.module_utils._core import spec
        from ansible_collections.physical_ai.edge.plugins.module_utils._core.request import Request

        workload = {**self.workload, **more}
        self.number += 1
        request = Request(uuid.uuid4().hex, "line", f"c{self.number}", spec.render([workload]))
        self.vm.put(json.dumps(request.to_json()).encode(), "/root/line.json")
        return json.loads(self.vm.exec("edge submit /root/line.json", timeout=600).stdout)

    def bring(self) -> None:
        client = engine.client()
        digest, archive = oci.archive(b"".join(client.images.get(images.tiny(client)).save()))
        self.vm.put(archive, "/root/line.tar")
        self.workload = {
            "name": "inspect",
            "image": "registry.example.com/tiny",
            "digest": digest,
            "archive": "/root/line.tar",
            "user": "1000:1000",
            "requires": {"devices": [NAME]},
            "probes": {"startup": {"http": ASK, "within": "120s"}, "steady": {"http": ASK, "for": "1s"}},
        }

    def container(self) -> tuple[str, str]:
        """Name, and when it was started."""
        state = json.loads(self.vm.exec("edge status --json").stdout)
        name = state["tenants"]["line"]["workloads"]["inspect"]["container"]
        return name, self.vm.exec(["docker", "inspect", "--format", "{{.State.StartedAt}}", name]).stdout.strip()

    def opens(self) -> bool:
        """Whether the container, as its user, can open the camera for reading and writing."""
        inside = f"exec 3<>/dev/edge/{NAME}"
        done = self.vm.exec(["docker", "exec", self.container()[0], "/bin/busybox", "sh", "-c", inside], check=False)
        return done.returncode == 0

    def images(self) -> str:
        """What the engine has; other tests of the run may have brought some."""
        return self.vm.exec("docker images --all --quiet --no-trunc | sort -u").stdout

    def is_there(self) -> bool:
        done = self.vm.exec(["docker", "exec", self.container()[0], "/bin/busybox", "ls", "/dev/edge"])
        return NAME in done.stdout.split()

    def wait(self, there: bool) -> None:
        """Until the name is, or is not, in the container, with nobody's help."""
        name = self.container()[0]
        look = f"docker exec {name} /bin/busybox ls /dev/edge | grep -qx {NAME}"
        self.vm.wait_for(look if there else f"! {{ {look}; }}", timeout=60)

    def link(self) -> str:
        return self.vm.exec(f"readlink -f /dev/edge/{NAME} || true").stdout.strip()

    def ledger(self) -> list[dict[str, t.Any]]:
        found = json.loads(self.vm.exec("edge ledger --lines 0 --json").stdout)
        assert not found["broken"]
        return [item for item in found["entries"] if item["kind"] == "device"]

    def last(self) -> tuple[str, list[str]]:
        entry = self.ledger()[-1]
        assert entry["device"] == NAME
        return entry["what"], entry["workloads"]

    def name_by(self, **match: str) -> None:
        include_role(self.vm, "devices", devices_names={NAME: {"kind": "camera", **match}})


@pytest.fixture(scope="module")
def line(vm: Vm) -> Line:
    engine.up()
    include_role(vm, "node_program")
    vm.put(Path(ROOT / "tests/lab/vm_camera.py"), "/root/camera.py")
    found = Line(vm)
    found.bring()
    found.name_by(serial="LAB-0001")
    return found


def test_a_missing_camera_skips_the_change_with_its_reason(line: Line, figure: Figure) -> None:
    """F21: before anything is fetched, and it bans nothing: the same change goes through when the camera is there."""
    before = line.images()
    result = line.deploy()
    assert (result["class"], result["cause"], result["failed"]) == ("skipped_contract", "contract", False)
    assert f"{NAME} (camera, serial number LAB-0001) is not plugged in" in result["msg"]
    assert line.images() == before, "something was fetched"
    figure(result["msg"])
    line.camera("plug", "0")
    line.vm.wait_for(f"test -c /dev/edge/{NAME}", timeout=60)
    done = line.deploy()
    assert done["class"] == "success", done["msg"]
    assert line.opens()
    assert line.last() == ("arrived", [])


def test_a_camera_that_is_replugged_on_another_port_reaches_its_container_again(line: Line, figure: Figure) -> None:
    """F24: with no controller, and the container is not touched."""
    before = line.container()
    line.camera("unplug")
    line.wait(there=False)
    assert line.last() == ("gone", ["line/inspect"])
    assert line.link() == ""
    line.camera("plug", "1")
    line.wait(there=True)
    assert line.opens()
    assert line.last() == ("arrived", ["line/inspect"])
    assert PORTS[1] in line.vm.exec("ls /dev/v4l/by-path").stdout
    assert line.container() == before
    figure("unplugged and replugged on another port: same name, same container, both in the ledger")


def test_a_reload_of_systemd_leaves_the_camera_to_its_container(line: Line, figure: Figure) -> None:
    """Control groups of version 2 with systemd's driver, where a reload writes the rules of devices anew."""
    before = line.container()
    line.vm.exec("systemctl daemon-reload")
    line.vm.wait_for("! test -e /run/physical-ai/look", timeout=60)
    assert line.opens()
    assert line.container() == before
    figure("camera still opens in its container after `systemctl daemon-reload`")


def test_a_camera_that_is_gone_at_boot_and_comes_later(line: Line, figure: Figure) -> None:
    cut_and_power_on(line.vm)  # the camera is not plugged in after it
    line.vm.wait_for(f"docker ps --format '{{{{.Names}}}}' | grep -qx {line.container()[0]}", timeout=240)
    assert line.last() == ("gone", ["line/inspect"])
    assert not line.is_there()
    before = line.container()
    shown = line.vm.exec("edge status").stdout
    assert f"device {NAME}: not plugged in; used by line/inspect" in shown
    line.camera("plug", "0")
    line.wait(there=True)
    assert line.opens()
    assert line.container() == before
    assert line.last() == ("arrived", ["line/inspect"])
    figure("gone at boot: the workload runs without it, the ledger says it; plugged in later it is there again")


def test_a_name_by_port_belongs_to_whatever_is_plugged_in_there(line: Line) -> None:
    """A broken camera is replaced by another one: no name has to be changed."""
    line.name_by(port=PORTS[0])
    line.wait(there=True)
    line.camera("unplug")
    line.wait(there=False)
    line.camera("plug", "1")
    line.vm.wait_for(f"ls /dev/v4l/by-path | grep -q {PORTS[1]}", timeout=60)
    assert not line.is_there(), "it is plugged in elsewhere"
    line.camera("unplug")
    line.camera("plug", "0")
    line.wait(there=True)
    assert line.opens()


def test_hardware_info_knows_the_camera(line: Line) -> None:
    """F23: the label follows the camera within seconds."""
    found = call(line.vm, "hardware_info")["hardware"]["cameras"]
    camera = next(item for item in found if item["usb"])
    assert camera["usb"]["serial"] == "LAB-0001"
    assert camera["role"] == "capture"
    label = f"hw.device.{NAME}"
    assert call(line.vm, "labels_info")["labels"][label] == "present"
    line.camera("unplug")
    line.wait(there=False)
    assert call(line.vm, "labels_info")["labels"][label] == "missing"
    line.camera("plug", "0")
    line.wait(there=True)
