# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What programs and files of NVIDIA say; texts are from NVIDIA's documents or programs unless it is said otherwise."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import nvidia_containers, nvidia_node

RELEASE = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: Wed Jan  8 01:49:37 UTC 2025\n"
PROPRIETARY = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\nGCC version:  gcc 12\n"
)
OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build  (dvs)\n"
# Made by nvidia-ctk 1.20.0 from a list with one device.
GENERATED = """---
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
    - name: "0"
      containerEdits:
        deviceNodes:
            - path: /dev/nvidia0
              major: 195
              minor: 0
            - path: /dev/nvidia-uvm
              major: 510
            - path: /dev/dri/card0
              major: 1
            - path: /dev/nvidiactl
containerEdits:
    hooks:
        - hookName: createContainer
          path: /usr/bin/nvidia-cdi-hook
          args:
            - nvidia-cdi-hook
"""
DEVICES = "Character devices:\n  1 mem\n195 nvidia\n195 nvidiactl\n508 nvidia-uvm\n\nBlock devices:\n510 nvidia-uvm\n"


def test_the_release_of_a_jetson() -> None:
    assert nvidia_node.l4t_release(RELEASE, "") == "36.4.3"
    assert nvidia_node.l4t_release("# R35 (release), REVISION: 6.4, GCID: 1", "36.4.3-1") == "35.6.4"
    assert nvidia_node.l4t_release("", "36.4.3-20250107174145") == "36.4.3"
    assert nvidia_node.l4t_release("nonsense", "") == ""


@pytest.mark.parametrize(
    ("pci", "found"),
    [
        ([("0x10de\n", "0x030000\n")], True),
        ([("0x10de", "0x030200")], True),
        ([("0x10de", "0x040300")], False),  # the sound function of a card
        ([("0x8086", "0x030000")], False),
        ([], False),
    ],
)
def test_a_gpu_on_the_bus(pci: list, found: bool) -> None:
    assert nvidia_node.has_gpu(pci) is found


def test_driver_and_libraries() -> None:
    assert [nvidia_node.loaded_driver(text) for text in (PROPRIETARY, OPEN, "")] == ["535.183.01", "570.124.06", ""]
    assert nvidia_node.library_versions(["libcuda.so.550.54.15", "libnvidia-ml.so.550.54.15", "libcuda.so.1"]) == [
        "550.54.15"
    ]
    assert nvidia_node.mismatch("535.183.01", ["535.183.01"]) == ""
    assert nvidia_node.mismatch("", ["535.183.01"]) == nvidia_node.mismatch("535.183.01", []) == ""
    line = nvidia_node.mismatch("535.183.01", ["550.54.15"])
    assert "module is 535.183.01, the libraries are 550.54.15" in line
    assert "reboot" in line


def test_packages_that_are_guarded() -> None:
    driver = [
        "nvidia-driver-550",
        "nvidia-kernel-dkms",
        "libnvidia-compute-550",
        "libcuda1",
        "nvidia-l4t-core",
        "cuda-drivers",
    ]
    kernel = ["linux-image-amd64", "linux-image-6.1.0-28-amd64", "linux-headers-generic", "linux-generic-hwe-22.04"]
    others = [
        "nvidia-container-toolkit",
        "libnvidia-container1",
        "linux-image-6.1.0-9-amd64",
        "linux-libc-dev",
        "docker.io",
        "linux-base",
    ]
    found = nvidia_node.guarded_packages([*driver, *kernel, *others], "6.1.0-28-amd64")
    assert set(found) == {*driver, *kernel}


def test_the_mode_of_the_runtime() -> None:
    text = 'mode = "no"\n[nvidia-container-runtime]\n#mode = "x"\nlog-level = "info"\nmode = "csv" # ours\n[nvidia-container-runtime.modes.cdi]\nmode = "y"\n'
    assert nvidia_node.runtime_mode(text) == "csv"
    assert nvidia_node.runtime_mode("") == "auto"


def test_power_modes_go_by_their_names() -> None:
    assert nvidia_node.power_mode("NV Power Mode: MODE_30W\n2\n") == "MODE_30W"
    listed = "POWER_MODEL: ID=0 NAME=MAXN\n\tCPU_ONLINE...\nPOWER_MODEL: ID=2 NAME=MODE_30W\nPM_CONFIG: DEFAULT=MODE_30W(2)\n"
    assert nvidia_node.power_modes(listed) == {"MAXN": "0", "MODE_30W": "2"}
    assert nvidia_node.wants_reboot("NVPM WARN: Reboot required for changing to this power mode: 2\n")
    assert not nvidia_node.wants_reboot("")


def test_device_numbers_that_are_no_longer_right() -> None:
    devices = nvidia_node.proc_devices(DEVICES)
    assert devices == {"mem": 1, "nvidia": 195, "nvidiactl": 195, "nvidia-uvm": 508}
    as_json = json.dumps({"devices": [{"deviceNodes": [{"path": "/dev/nvidia-uvm", "major": 510}]}]})
    for text in (GENERATED, as_json):
        assert nvidia_node.wrong_majors(text, devices) == ["/dev/nvidia-uvm has major 510, the kernel has 508"]
    assert nvidia_node.wrong_majors(GENERATED, {"mem": 1}) == []  # no module is loaded, so nothing is known
    assert nvidia_node.wrong_majors("{broken", devices) == []


def test_stale_specifications() -> None:
    static, made = "/etc/cdi/nvidia.yaml", "/var/run/cdi/nvidia.yaml"
    devices = nvidia_node.proc_devices(DEVICES)
    good = GENERATED.replace("510", "508")
    assert nvidia_node.stale({static: good}, devices, static, made, False) == {}
    assert list(nvidia_node.stale({static: good, made: good}, devices, static, made, True)) == [static]
    assert list(nvidia_node.stale({made: GENERATED, "/etc/cdi/other.yaml": good}, devices, static, made, True)) == [
        made
    ]


@given(st.text(max_size=200))
def test_any_text_is_read_without_a_traceback(text: str) -> None:
    nvidia_node.specification_majors(text)
    nvidia_node.specification_majors("{" + text)
    nvidia_node.proc_devices(text)
    nvidia_node.runtime_mode(text)
    nvidia_node.power_modes(text)
    nvidia_node.l4t_release(text, text)
    nvidia_node.loaded_driver(text)


def test_containers_that_were_given_a_gpu() -> None:
    hosts = {
        "cdi": {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=0"]}]},
        "gpus": {"DeviceRequests": [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}]},
        "runtime": {"Runtime": "nvidia"},
        "device": {"Devices": [{"PathOnHost": "/dev/nvidia0"}]},
        "camera": {"Runtime": "runc", "Devices": [{"PathOnHost": "/dev/video0"}], "DeviceRequests": None},
    }
    inspected = json.dumps([{"Name": f"/{name}", "HostConfig": host} for name, host in hosts.items()])
    assert nvidia_containers.with_gpu(inspected) == ["cdi", "device", "gpus", "runtime"]
    assert nvidia_containers.with_gpu("") == []


@pytest.mark.parametrize(
    ("code", "answer", "verdict"),
    [
        (0, "GPU 0: NVIDIA RTX 4000 Ada", nvidia_containers.HAS),
        (255, "Failed to initialize NVML: Unknown Error", nvidia_containers.LOST),
        (127, 'exec: "nvidia-smi": executable file not found in $PATH', nvidia_containers.UNKNOWN),
        (126, "OCI runtime exec failed", nvidia_containers.UNKNOWN),
    ],
)
def test_what_a_container_says_of_its_gpu(code: int, answer: str, verdict: str) -> None:
    assert nvidia_containers.verdict(code, answer) == verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("cuInit 999", "restart nvidia-cdi-refresh.service"),
        ("cuInit 100", "no device reached the container"),
        ("unresolvable CDI devices nvidia.com/gpu=all", "no CDI specification"),
        ("OSError: libcuda.so.1: cannot open shared object file", "driver's library"),
        ("?", "nvidia-smi"),
    ],
)
def test_what_to_do_where_cuda_does_not_start(answer: str, words: str) -> None:
    assert words in nvidia_containers.cuda_advice(answer)
