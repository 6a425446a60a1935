# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each parser on what real devices and programs say, and on noise."""

from __future__ import annotations

import json
import struct
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core.hardware import (
    block_yaml,
    cdi,
    discovery,
    disk,
    gpus,
    jetson,
    nvidia_smi,
    pci,
    proc_nvidia,
    system,
    usb,
    v4l2,
    values,
)
from tests.unit.plugins.module_utils._node import recorded

# -- nvidia-smi

SMI = {
    # file: driver, CUDA, name, architecture, memory, limit in W, ECC, corrected errors, width
    "a100-sxm4-v12": ("535.54.03", "12.2", "NVIDIA A100-SXM4-80GB", "Ampere", 81920, 500.0, True, 0, 16),
    "a10g": ("515.105.01", "11.7", "NVIDIA A10G", "Ampere", 23028, 300.0, True, 0, 8),
    "gtx-1070-ti": (None, None, "GeForce GTX 1070 Ti", None, 4096, None, None, None, 16),
    "quadro-p400": ("418.43", "10.1", "Quadro P400", None, 1998, None, None, None, 16),
    "rtx-3080-v12": ("536.40", "12.2", "NVIDIA GeForce RTX 3080", "Ampere", 10240, 336.0, None, None, 16),
    "rtx-4000-sff-ada-v13": (
        "595.84",
        "13.2",
        "NVIDIA RTX 4000 SFF Ada Generation",
        "Ada Lovelace",
        20475,
        70.0,
        False,
        None,
        16,
    ),
    "tesla-t4": ("515.105.01", "11.7", "Tesla T4", "Turing", 15360, 70.0, True, 0, 8),
}


@pytest.mark.must_show("B1")
@pytest.mark.parametrize("name", SMI)
def test_every_version_of_the_xml(name: str) -> None:
    path = recorded.recording(f"nvidia-smi/{name}.xml")
    found, remarks = nvidia_smi.parse(path.read_text(encoding="utf-8"))
    gpu = found["gpus"][0]
    seen = (found["driver"], found["cuda"], gpu["name"], gpu["architecture"], gpu["memory_mib"], gpu["power_limit_w"])
    assert (*seen, gpu["ecc"]["enabled"], gpu["ecc"]["corrected"], gpu["link"]["width"]) == SMI[name]
    assert gpu["state"] == "ok"
    assert gpu["remarks"] == {}
    assert gpu["throttle_reasons"] == []
    assert remarks == (["nvidia-smi -q -x: it counts 4 GPUs and shows 1"] if name.startswith("a100") else [])


@pytest.mark.parametrize(
    ("code", "said", "cause"),
    [
        (9, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", "no_driver"),
        (12, "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.", "no_library"),
        (15, "Unable to determine the device handle for GPU 0000:65:00.0: GPU is lost.", "lost"),
        (255, "Unable to determine the device handle for GPU0000:65:00.0: GPU is lost.", "lost"),
        (18, "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 550.90", "mismatch"),
        (6, "No devices were found", "no_gpu"),
        (255, "Failed to initialize NVML: Unknown Error", "unknown"),
        (-9, "", "unknown"),
    ],
)
def test_how_nvidia_smi_fails(code: int, said: str, cause: str) -> None:
    found = nvidia_smi.failure(code, said)
    assert found["cause"] == cause
    assert found["lost"] == (["0000:65:00.0"] if cause == "lost" else [])
    assert found["library"] == ("550.90" if cause == "mismatch" else None)


def test_query_and_listing() -> None:
    assert nvidia_smi.query("0, 00000000:01:00.0, 8.9\n1, 00000000:02:00.0, [N/A]\nnonsense\n") == {
        "0000:01:00.0": {"index": 0, "compute_capability": "8.9"},
        "0000:02:00.0": {"index": 1, "compute_capability": None},
    }
    text = "GPU 1: NVIDIA A30 (UUID: GPU-x)\n  MIG 2g.12gb     Device  0: (UUID: MIG-y)\n"
    assert nvidia_smi.listing(text) == {"1:0": {"profile": "2g.12gb", "uuid": "MIG-y"}}


def test_reasons_of_both_names() -> None:
    for word in ("event", "throttle"):
        reason = f"clocks_{word}_reason_hw_slowdown"
        folder = f"clocks_{word}_reasons"
        xml = f"<nvidia_smi_log><gpu><{folder}><{reason}>Active</{reason}></{folder}></gpu></nvidia_smi_log>"
        assert nvidia_smi.parse(xml)[0]["gpus"][0]["throttle_reasons"] == ["hw_slowdown"]


# -- other sources of GPUs


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024\nGCC version: 12",
            "550.54.14",
        ),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  560.35.03  Release Build  (x@y)", "560.35.03"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release Build  (buildbrain@x)", "540.4.0"),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.82", "470.82"),
        ("nonsense 550.54.14", None),
        (None, None),
    ],
)
def test_version_of_the_loaded_module(text: t.Optional[str], version: t.Optional[str]) -> None:
    assert proc_nvidia.version(text) == version


def test_information_of_a_gpu_that_nobody_used_yet() -> None:
    text = "Model: \t\t Unknown\nGPU UUID: \t GPU-????????-????-????-????-????????????\nVideo BIOS: \t ??.??.??.??.??\nGPU Excluded:\t Yes\n"
    found = proc_nvidia.information(text)
    assert (found["uuid"], found["vbios"], found["excluded"]) == (None, None, True)


def test_pci() -> None:
    assert pci.address("00000000:01:00.0") == "0000:01:00.0"
    assert pci.address("0001:0A:1F.7") == "0001:0a:1f.7"
    assert pci.address("01:00.0") is None
    assert pci.is_gpu({"vendor": "0x10de\n", "class": "0x030200\n"})
    assert not pci.is_gpu({"vendor": "0x10de\n", "class": "0x040300\n"})
    assert not pci.is_gpu({"vendor": None, "class": "0x030000\n"})


def gpu_of(address: t.Optional[str], **more: t.Any) -> t.Dict[str, t.Any]:
    return dict(gpus.blank(), pci_address=address, index=0, name="NVIDIA X", state="ok", remarks={}, **more)


@pytest.mark.parametrize(
    ("sources", "problem"),
    [
        (gpus.Sources(), None),
        (
            gpus.Sources(pci=[{"pci_address": "0000:01:00.0", "driver": "vfio-pci"}]),
            "GPU 0000:01:00.0 is held by vfio-pci: install the NVIDIA driver, or give the GPU back to the node",
        ),
        (
            gpus.Sources(pci=[{"pci_address": "0000:01:00.0", "driver": "nvidia"}], loaded="550.1", module_loaded=True),
            "the driver 550.1 is loaded and its library libnvidia-ml is missing: install the libraries of the same version",
        ),
        (
            gpus.Sources(
                pci=[{"pci_address": "0000:01:00.0", "driver": "nvidia"}],
                loaded="550.1",
                module_loaded=True,
                library="550.1",
            ),
            "the driver 550.1 is loaded and nvidia-smi is missing: install the utilities of the same version",
        ),
        (
            gpus.Sources(
                pci=[{"pci_address": "0000:01:00.0", "driver": "nvidia"}],
                loaded="550.1",
                module_loaded=True,
                library="550.1",
                smi_present=True,
                failure={"cause": "no_gpu", "lost": [], "library": None},
            ),
            "the driver 550.1 is loaded and works with no GPU of this node: look for `NVRM` in the kernel log",
        ),
    ],
)
def test_what_keeps_a_gpu_from_working(sources: gpus.Sources, problem: t.Optional[str]) -> None:
    assert gpus.assemble(sources)[1]["problem"] == problem


def test_a_gpu_with_no_bus_to_be_seen() -> None:
    smi = {"driver": "550.1", "cuda": "12.4", "gpus": [gpu_of("0000:01:00.0", memory_mib=8192)]}
    found, driver, dummy = gpus.assemble(gpus.Sources(smi=smi, smi_present=True))
    assert [(gpu["state"], gpu["memory_mib"]) for gpu in found] == [("ok", 8192)]
    assert driver["problem"] is None


def test_an_excluded_gpu() -> None:
    device = {"pci_address": "0000:01:00.0", "driver": "nvidia"}
    sources = gpus.Sources(pci=[device], proc={"0000:01:00.0": {"excluded": True}}, module_loaded=True)
    assert gpus.assemble(sources)[0][0]["state"] == "excluded"


# -- Jetson

JETPACK_OF = jetson.jetpack  # a parameter has that name


@pytest.mark.parametrize(
    ("release", "package", "l4t", "jetpack"),
    [
        ("# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic", None, "36.4.3", "6.2"),
        ("# R36 (release), REVISION: 4.7, GCID: 1, BOARD: generic", None, "36.4.7", "6.2.1"),
        ("# R36 (release), REVISION: 3.0, GCID: 1", None, "36.3.0", "6.0"),
        ("# R35 (release), REVISION: 4.1, GCID: 1", None, "35.4.1", "5.1.2"),
        ("# R38 (release), REVISION: 2.1, GCID: 1", None, "38.2.1", "7.0"),
        ("# R99 (release), REVISION: 1.0, GCID: 1", None, "99.1.0", None),
        (None, "36.5.0-20260115194252", "36.5.0", "6.2.2"),
        ("", "36.4.3-20250107174145", "36.4.3", "6.2"),
        (None, "nonsense", None, None),
        (None, None, None, None),
    ],
)
def test_l4t(
    release: t.Optional[str], package: t.Optional[str], l4t: t.Optional[str], jetpack: t.Optional[str]
) -> None:
    found = jetson.l4t(release, package)
    assert (found, JETPACK_OF(found)) == (l4t, jetpack)


@pytest.mark.parametrize(
    ("compatible", "module", "soc"),
    [
        ("nvidia,p3768-0000+p3767-0000\0nvidia,p3767-0000\0nvidia,tegra234\0", "p3767-0000", "tegra234"),
        ("nvidia,p3737-0000+p3701-0005\0nvidia,p3701-0005\0nvidia,tegra234\0", "p3701-0005", "tegra234"),
        ("nvidia,p2972-0000\0nvidia,tegra194\0", "p2972-0000", "tegra194"),
        ("raspberrypi,4-model-b\0brcm,bcm2711\0", None, None),
        ("", None, None),
    ],
)
def test_board(compatible: str, module: t.Optional[str], soc: t.Optional[str]) -> None:
    names = jetson.strings(compatible)
    assert (jetson.module(names), jetson.soc(names), jetson.is_jetson(names, None)) == (module, soc, soc is not None)


def test_power_modes() -> None:
    assert jetson.power_mode("NV Power Mode: MODE_30W\n2\n") == {"id": 2, "name": "MODE_30W"}
    assert jetson.power_mode("NV Fan Mode:quiet\nNV Power Mode: MAXN\n0\n") == {"id": 0, "name": "MAXN"}
    assert jetson.power_mode("NVPM ERROR: must be root") is None
    assert jetson.power_modes("< POWER_MODEL ID=1 NAME=15W >\n<POWER_MODEL ID=0 NAME=MAXN>") == [
        {"id": 0, "name": "MAXN"},
        {"id": 1, "name": "15W"},
    ]


# -- CDI

OLD_ORDER = """\
cdiVersion: "0.5.0"
kind: nvidia.com/gpu
devices:
  # the first
  - name: "0"
    containerEdits:
      deviceNodes:
        - path: /dev/nvidia0
          major: 195
  - name: 'GPU-a'
    containerEdits: {}
containerEdits:
  hooks: []
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (OLD_ORDER, {"kind": "nvidia.com/gpu", "devices": ["0", "GPU-a"], "nodes": [("/dev/nvidia0", 195)]}),
        ("kind: a.b/c\ndevices:\n- name: 7\n- name: true\n- name:\n", {"kind": "a.b/c", "devices": ["7"], "nodes": []}),
    ],
)
def test_cdi_file(text: str, value: t.Any) -> None:
    found, remarks = cdi.parse(text, "x.yaml")
    assert {**found, "nodes": sorted(found["nodes"])} == value
    assert remarks == []


@pytest.mark.parametrize(
    "text",
    [
        "a: &x 1",
        "a: |\n  b",
        "a: {b: c}",
        "\ta: 1",
        "a\nb",
        "- a\n b: c",
        'a: "b',
        "a: 1\n  b: 2",
        "- " * 5000 + "a",
        "a:\n",
        "\n".join(" " * depth + "a:" for depth in range(100)),
    ],
)
def test_yaml_that_no_program_writes_here_is_no_guess(text: str) -> None:
    found, remarks = cdi.parse(text, "x.yaml")
    assert found == {"kind": None, "devices": [], "nodes": []}
    assert len(remarks) == 1


def test_block_yaml() -> None:
    text = "---\na:\n- b: 1\n  c:\n    d: 'it''s'\n- - x\n  - 1.5\n-\n  e: true\nf: []\ng: \"h: i\"\nj: null\n"
    assert block_yaml.parse(text) == {
        "a": [{"b": 1, "c": {"d": "it's"}}, ["x", "1.5"], {"e": True}],
        "f": [],
        "g": "h: i",
        "j": None,
    }


SCALARS = st.one_of(
    st.integers(-(10**9), 10**9), st.text("abc xyz", min_size=1).map(str.strip).filter(bool), st.booleans()
)
DATA = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=5),
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ijkl", min_size=1), inner, max_size=3),
    ),
    min_size=1,
    max_size=4,
)


@given(DATA)
def test_what_a_yaml_library_writes_in_block_style_is_read_back(data: t.Any) -> None:
    yaml = pytest.importorskip("yaml")
    for indent in (2, 4):
        text = yaml.safe_dump(data, default_flow_style=False, indent=indent, width=10**6)
        assert block_yaml.parse(text) == data


def test_conflicts_and_order_of_folders() -> None:
    def spec(*names: str, major: int = 195) -> t.Dict[str, t.Any]:
        return {"kind": "nvidia.com/gpu", "devices": list(names), "nodes": [("/dev/nvidia0", major)]}

    files = [("/etc/cdi", "/etc/cdi/a", spec("0", "1")), ("/etc/cdi", "/etc/cdi/b", spec("0", "1", major=1))]
    files.append(("/var/run/cdi", "/var/run/cdi/c", spec("0", "0")))
    found = cdi.assemble(files, {"nvidia-frontend": 195})
    assert found["devices"] == ["nvidia.com/gpu=0"]  # the later folder decides
    assert found["conflicts"] == ["nvidia.com/gpu=1: /etc/cdi/a and /etc/cdi/b both have it, so no engine offers it"]
    assert found["stale"] == [
        "/etc/cdi/b: /dev/nvidia0 has major number 1, the kernel says 195: generate the file anew"
    ]
    assert cdi.assemble(files, {})["stale"] == []  # the module is not loaded: nothing to compare with


# -- Video4Linux2


def querycap(capabilities: int, device: int) -> bytes:
    return struct.pack(
        "=16s32s32sIII12x", b"tegra-video", b"vi-output, imx477", b"platform:tegra", 1, capabilities, device
    )


@pytest.mark.parametrize(
    ("capabilities", "device", "role"),
    [
        (0x84200001, 0x04200001, "capture"),
        (0x85A00001, 0x04A00000, "metadata"),
        (0x84201000, 0x04201000, "capture"),
        (0x84008000, 0x04008000, "m2m"),
        (0x84204000, 0x04204000, "m2m"),
        (0x84000002, 0x04000002, "output"),
        (0x04000001, 0, "capture"),  # an old driver: no capabilities of the node itself
        (0x80000001, 0, "unknown"),
    ],
)
def test_role_of_a_video_node(capabilities: int, device: int, role: str) -> None:
    found = v4l2.querycap(querycap(capabilities, device))
    assert found is not None
    assert (found["role"], found["driver"], found["card"]) == (role, "tegra-video", "vi-output, imx477")


def test_formats() -> None:
    request = v4l2.format_request(3, 1)
    assert (len(request), request[:8]) == (v4l2.ENUM_FMT_SIZE, struct.pack("=II", 3, 1))
    data = struct.pack("=III32sI16x", 0, 1, 0, b"10-bit Bayer RGRG/GBGB", int.from_bytes(b"RG10", "little"))
    assert v4l2.format_description(data) == {"fourcc": "RG10", "description": "10-bit Bayer RGRG/GBGB"}
    assert v4l2.format_description(b"") is None
    assert v4l2.querycap(b"x") is None


def test_numbers_of_the_ioctls_are_those_of_the_kernel_header() -> None:
    def request(direction: int, size: int, number: int) -> int:
        return direction << 30 | size << 16 | ord("V") << 8 | number

    assert request(2, v4l2.QUERYCAP_SIZE, 0) == v4l2.QUERYCAP
    assert request(3, v4l2.ENUM_FMT_SIZE, 2) == v4l2.ENUM_FMT


# -- disks, USB, the machine


@pytest.mark.parametrize(
    ("life_time", "pre_eol", "wear", "health"),
    [
        ("0x01 0x01", "0x01", 10, "ok"),
        ("0x02 0x0a", "0x02", 100, "warning"),
        ("0x0b 0x01", "0x03", 100, "failing"),
        ("0x0b 0x01", None, 100, "failing"),
        ("0x00 0x00", "0x00", None, "unknown"),
        (None, None, None, "unknown"),
        ("rubbish", "0xzz", None, "unknown"),
    ],
)
def test_wear_of_emmc(life_time: t.Optional[str], pre_eol: t.Optional[str], wear: t.Optional[int], health: str) -> None:
    found = disk.emmc(life_time, pre_eol)
    assert (found["wear_percent"], found["health"]) == (wear, health)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (
            {"smart_status": {"passed": True}, "endurance_used": {"current_percent": 5}},
            {"wear_percent": 5, "health": "ok"},
        ),
        ({"smart_status": {"passed": False}}, {"wear_percent": None, "health": "failing"}),
        ({"smart_status": {"passed": "yes"}}, None),
        ({"smart_status": [], "ata_smart_attributes": {"table": 3}}, None),
        ([], None),
    ],
)
def test_smart(data: t.Any, found: t.Any) -> None:
    assert disk.smart(json.dumps(data)) == found


def test_disks() -> None:
    names = ["sda", "loop0", "zram0", "dm-0", "mmcblk0", "mmcblk0boot0", "nvme0n1", "sr0", "md127", "vda", "ram3"]
    assert [name for name in names if disk.is_disk(name, 1)] == ["sda", "mmcblk0", "nvme0n1", "vda"]
    assert not disk.is_disk("sda", 0)


@pytest.mark.parametrize(
    ("speed", "version", "slow"),
    [
        ("480", " 2.00", False),
        ("480", " 2.10", True),
        ("480", " 3.20", True),
        ("5000", " 3.20", False),
        ("12", " 2.10", False),
        ("", "", False),
    ],
)
def test_a_usb3_device_at_the_speed_of_usb2(speed: str, version: str, slow: bool) -> None:
    assert usb.facts("1-1", {"speed": speed, "version": version})["slow"] is slow


NOVEMBER = 1795000000  # 2026-11-18


@pytest.mark.parametrize(
    ("version", "year"),
    [
        ("Linux version 6.1.0-13-amd64 (x) (gcc) #1 SMP PREEMPT_DYNAMIC Debian 6.1.55-1 (2023-09-29)", 2023),
        ("Linux version 5.15.148-tegra (b) (gcc) #1 SMP PREEMPT Tue Jan 7 17:14:38 PST 2025", 2025),
        ("Linux version 6.8.0-48-generic (b) #48~22.04.1-Ubuntu SMP PREEMPT_DYNAMIC Mon Oct  7 11:24:13 UTC 2", None),
        (None, None),
    ],
)
def test_year_of_the_kernel(version: t.Optional[str], year: t.Optional[int]) -> None:
    assert system.kernel_year(version) == year


def test_sane_clock() -> None:
    assert system.sane(NOVEMBER, 2023) is True
    assert system.sane(NOVEMBER, None) is True
    assert system.sane(10, 2023) is False
    assert system.sane(NOVEMBER, 2027) is False
    assert system.sane(NOVEMBER + 12 * 366 * 86400, 2023) is False
    assert system.sane(None, 2023) is None
    assert system.sane(-1e300, None) is False


def test_the_rest_of_the_machine() -> None:
    assert system.cpus("0-3,8-11\n") == 8
    assert system.cpus("0") == 1
    assert system.cpus("3-0") is None
    assert system.cpus("x") is None
    assert system.synchronized(0x2001, False) is True
    assert system.synchronized(0x40, True) is False
    assert system.synchronized(None, False) is None
    assert system.secure_boot(True, b"\6\0\0\0\1", True) == "enabled"
    assert system.secure_boot(True, b"\6\0\0", True) == "unknown"
    assert system.secure_boot(True, None, True) == "unsupported"
    assert system.secure_boot(False, None, False) == "unsupported"
    facts, driver, remarks = system.engine(1, json.dumps({"ServerErrors": ["Cannot connect to the Docker daemon"]}))
    assert (facts["version"], driver) == (None, None)
    assert remarks == ["engine: docker info: Cannot connect to the Docker daemon"]


# -- noise


@given(st.text(), st.binary(max_size=400))
def test_noise_is_nothing(text: str, data: bytes) -> None:
    for parse in (nvidia_smi.parse, nvidia_smi.query, nvidia_smi.listing, proc_nvidia.version, proc_nvidia.information):
        parse(text)
    for other in (
        jetson.strings,
        jetson.power_mode,
        jetson.power_modes,
        cdi.majors,
        disk.smart,
        system.kernel_year,
        system.cpus,
    ):
        other(text)
    jetson.l4t(text, text)
    cdi.parse(text, "x.yaml")
    cdi.parse(text, "x.json")
    system.engine(0, text)
    for decode in (v4l2.querycap, v4l2.format_description):
        decode(data)
    discovery.gvcp_answer(data, 1)
    discovery.onvif_answer(data, "192.0.2.1")
    assert values.line(text) is None or str(values.line(text)).isprintable()


KEYS = [
    *(
        "kind",
        "devices",
        "name",
        "containerEdits",
        "deviceNodes",
        "path",
        "major",
        "ServerVersion",
        "ServerErrors",
        "Runtimes",
    ),
    *("CDISpecDirs", "CgroupDriver", "smart_status", "passed", "nvme_smart_health_information_log", "percentage_used"),
    *("critical_warning", "endurance_used", "current_percent", "ata_smart_attributes", "table", "id", "value"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
)


@given(JSON)
def test_json_of_the_wrong_shape_is_nothing(data: t.Any) -> None:
    text = json.dumps(data)
    cdi.assemble([("/etc/cdi", "x", cdi.parse(text, "x.json")[0])], {"nvidia": 195})
    json.dumps([disk.smart(text), system.engine(0, text)])


def test_hostile_nesting_and_numbers_are_nothing() -> None:
    assert values.from_json("[" * 100_000) is None
    assert values.from_json('{"a":' * 100_000) is None
    assert values.from_xml("<a>" * 100_000)[0] is None
    assert values.integer("9" * 5000) is None
    assert values.integer(10**40) is None
    assert values.integer(True) is None
