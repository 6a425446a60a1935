# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's names of devices: rules of udev, endpoints, and the directories of workloads."""

from __future__ import annotations

import os
import stat
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import container, devices, spec
from ansible_collections.physical_ai.edge.plugins.module_utils._core.fields import SpecError
from ansible_collections.physical_ai.edge.plugins.module_utils._core.state import Deployment, State, Workload
from ansible_collections.physical_ai.edge.plugins.module_utils._node import devices as node_devices
from ansible_collections.physical_ai.edge.plugins.module_utils._node import files, ledger
from tests.unit.plugins.module_utils._core.specs import workload

FILE = {
    "schema": 1,
    "devices": {
        "camera-line-1": {"kind": "camera", "serial": "ABC123"},
        "scale": {"kind": "serial", "port": "pci-0000:00:14.0-usb-0:2:1.0"},
        "plc": {"kind": "network", "address": "10.1.0.9", "tcp": 502},
        "lidar": {"kind": "network", "address": "fd00::7", "udp": 7502},
        "gpu-inspect": {"kind": "gpu", "serial": "GPU-1"},
    },
}
NULL, ZERO = os.makedev(1, 3), os.makedev(1, 5)


def test_rules_match_one_device_and_wake_the_program() -> None:
    found = devices.rules(devices.parse("devices.json", FILE))
    assert (
        'SUBSYSTEM=="video4linux", ATTR{index}=="0", ENV{ID_SERIAL_SHORT}=="ABC123", SYMLINK+="edge/camera-line-1"\n'
        in found
    )
    assert 'SUBSYSTEM=="tty", ENV{ID_PATH}=="pci-0000:00:14.0-usb-0:2:1.0", SYMLINK+="edge/scale"\n' in found
    assert found.count("RUN+=") == 2
    assert "plc" not in found
    assert devices.rules({}) == ""


def test_endpoints_and_where_a_workload_finds_its_devices() -> None:
    known = devices.parse("devices.json", FILE)
    assert devices.endpoint(known["lidar"]) == "udp://[fd00::7]:7502"
    rendered = spec.render([workload(requires={"devices": ["camera-line-1", "plc"]}, env={"A": "1"})])[0]
    rendered["endpoints"] = node_devices.endpoints(known, rendered)
    assert container.env_file(rendered).splitlines() == [
        "EDGE_DEVICE_CAMERA_LINE_1=/dev/edge/camera-line-1",
        "EDGE_DEVICE_PLC=tcp://10.1.0.9:502",
        "A=1",
    ]


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ({"kind": "camera"}, "camera-1: wanted one of `serial`"),
        ({"kind": "camera", "serial": "1", "port": "2"}, "wanted one of `serial`"),
        ({"kind": "camera", "serial": 'x", RUN+="/bin/sh'}, "camera-1.serial"),
        ({"kind": "camera", "serial": "A*"}, "camera-1.serial"),
        ({"kind": "camara", "serial": "1"}, "Did you mean 'camera'?"),
        ({"kind": "network", "address": "10.0.0.1"}, "one of `tcp` and `udp`"),
        ({"kind": "network", "address": "10.0.0.1", "tcp": 1, "serial": "1"}, "a network has no `serial`"),
        ({"kind": "serial", "serial": "1", "tcp": 1}, "a serial has no `tcp`"),
    ],
)
def test_a_bad_device_is_one_line(device: t.Dict[str, t.Any], words: str) -> None:
    with pytest.raises(SpecError) as raised:
        devices.parse("devices.json", {"schema": 1, "devices": {"camera-1": device}})
    assert words in str(raised.value)


class Site:
    """A node's /dev in a directory: a link that udev would make, and a workload that asks for it."""

    def __init__(self, root: Path) -> None:
        self.paths = files.Paths(str(root))
        files.write_json(self.paths.devices, FILE)
        (root / "dev/edge").mkdir(parents=True)
        self._link = root / "dev/edge/camera-line-1"
        rendered = spec.render([workload(requires={"devices": ["camera-line-1", "plc"]})])[0]
        self.state = State()
        self.state.tenant("quality").workloads["app"] = Workload(Deployment(rendered, "d", "c", "i", "1", 1))

    def plug(self, target: str) -> None:
        if os.path.lexists(self._link):
            self._link.unlink()
        if target:
            self._link.symlink_to(target)

    def settle(self) -> t.Tuple[t.List[str], t.Optional[int]]:
        lines = node_devices.settle(self.paths, self.state)
        try:
            found = os.lstat(node_devices.directory(self.paths, "quality", "app") + "/camera-line-1")
        except FileNotFoundError:
            return lines, None
        assert stat.S_ISCHR(found.st_mode)
        return lines, found.st_rdev


@pytest.fixture
def site(tmp_path: Path) -> Site:
    try:
        os.mknod(tmp_path / "may", stat.S_IFCHR | 0o600, NULL)
    except PermissionError:
        pytest.skip("device files: only root may make them")
    return Site(tmp_path)


def test_a_device_that_comes_goes_and_moves_is_in_the_directory_and_in_the_ledger(site: Site) -> None:
    assert site.settle() == ([], None)
    site.plug("/dev/null")
    assert site.settle() == (["camera-line-1: arrived (1:3); quality/app"], NULL)
    assert site.settle() == ([], NULL)
    site.plug("/dev/zero")
    assert site.settle() == (["camera-line-1: moved (1:5); quality/app"], ZERO)
    site.plug("")
    assert site.settle() == (["camera-line-1: gone; quality/app"], None)
    entries = ledger.read(site.paths)
    assert [(item["what"], item["before"], item["number"]) for item in entries] == [
        ("arrived", "", "1:3"),
        ("moved", "1:3", "1:5"),
        ("gone", "1:5", ""),
    ]


def test_the_directory_is_closed_to_everybody_else(site: Site) -> None:
    site.plug("/dev/null")
    site.settle()
    assert stat.S_IMODE(os.stat(site.paths.device_nodes).st_mode) == 0o700


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("camera-line-1", "camera-line-1 (camera, serial number ABC123) is not plugged in"),
        ("camera-line-9", "camera-line-9 is not a name on this node; names are camera-line-1, gpu-inspect"),
        ("gpu-inspect", "ask for it by requires.gpu.name"),
    ],
)
def test_a_missing_device_has_a_reason(tmp_path: Path, name: str, words: str) -> None:
    known = devices.parse("devices.json", FILE)
    assert words in node_devices.problem(files.Paths(str(tmp_path)), known, name)


def test_a_network_device_is_asked(tmp_path: Path) -> None:
    known = devices.parse("x", {"schema": 1, "devices": {"plc": {"kind": "network", "address": "127.0.0.1", "tcp": 1}}})
    assert "plc at tcp://127.0.0.1:1 is not reachable: " in node_devices.problem(
        files.Paths(str(tmp_path)), known, "plc"
    )


def test_the_ledger_is_a_chain_and_a_torn_line_is_written_over(tmp_path: Path) -> None:
    paths = files.Paths(str(tmp_path))
    for number in range(3):
        ledger.append(paths, "device", device=f"d{number}")
    with open(paths.ledger, "ab") as handle:
        handle.write(b'{"schema":1,"sequence":4,"ti')
    ledger.append(paths, "device", device="d3")
    assert [(item["sequence"], item["device"]) for item in ledger.read(paths)] == [
        (1, "d0"), (2, "d1"), (3, "d2"), (4, "d3"),
    ]  # fmt: skip
    assert ledger.broken(paths) == ""
    assert [item["device"] for item in ledger.read(paths, 2)] == ["d2", "d3"]
    content = Path(paths.ledger).read_text(encoding="utf-8").replace('"d1"', '"d7"')
    Path(paths.ledger).write_text(content, encoding="utf-8")
    assert "line 3 does not follow" in ledger.broken(paths)
