# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed in the hardware of a node is said in words; readings are no change."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core.hardware import gpus, shape
from ansible_collections.physical_ai.edge.plugins.plugin_utils import hardware_report

Facts = dict[str, Any]


def facts() -> Facts:
    found = shape.blank()
    gpu = dict(
        gpus.blank(), name="NVIDIA RTX 2000", pci_address="0000:01:00.0", uuid="GPU-1", memory_mib=8192, state="ok"
    )
    gpu.update(temperature_c=41, ecc={"enabled": True, "corrected": 7, "uncorrected": 0})
    camera = {
        "device": "/dev/video0",
        "role": "capture",
        "name": "Basler",
        "by_id": ["/dev/v4l/by-id/usb-Basler_1-video-index0"],
    }
    port = {"device": "/dev/ttyUSB0", "by_id": [], "by_path": ["/dev/serial/by-path/pci-1"]}
    disk = {
        "name": "nvme0n1",
        "model": "Samsung",
        "serial": "S1",
        "size_bytes": 512 * 10**9,
        "wear_percent": 79,
        "health": "ok",
    }
    found.update(
        gpus=[gpu], cameras=[camera], serial_ports=[port], disks=[disk], memory_mib=16000, kernel="6.1.0-1", cpus=8
    )
    found["driver"].update(loaded="550.54.14", library="550.54.14", cuda="12.4")
    found["jetson"] = {
        "module": "p3767-0000",
        "l4t": "36.4.3",
        "jetpack": "6.2",
        "power_mode": {"id": 0, "name": "MAXN"},
    }
    found["engine"] = {"name": "docker", "version": "26.1.5"}
    return found


def stored(found: Facts) -> str:
    return str(hardware_report.record("n1", found, "")["content"])


def put(path: str, value: Any) -> Callable[[Facts], None]:
    def change(found: Facts) -> None:
        *parents, last = path.split("/")
        place: Any = found
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place[part]
        place[int(last) if isinstance(place, list) else last] = value

    return change


CHANGES = [
    (put("gpus", []), "GPU NVIDIA RTX 2000 at 0000:01:00.0 is gone"),
    (put("gpus/0/state", "lost"), "was ok, is lost (it fell off the bus)"),
    (put("gpus/0/uuid", "GPU-2"), "was exchanged: it has another UUID"),
    (put("gpus/0/memory_mib", 4096), "memory in MiB: was 8,192, is 4,096"),
    (put("gpus/0/mig", {"enabled": True, "devices": []}), "its MIG devices changed"),
    (put("gpus/0/ecc/uncorrected", 3), "3 more memory errors that ECC could not correct"),
    (put("driver/loaded", "560.1.1"), "GPU driver: was 550.54.14, is 560.1.1"),
    (put("driver/problem", "GPU 0 is lost: restart the node"), "GPU 0 is lost: restart the node"),
    (put("cameras", []), "camera Basler usb-Basler_1-video-index0 is gone"),
    (put("serial_ports", []), "serial port pci-1 is gone"),
    (put("disks", []), "disk nvme0n1 (Samsung) is gone"),
    (put("disks/0/wear_percent", 81), "wear was 79 percent, is 81 percent, past 80 percent"),
    (put("disks/0/health", "failing"), "health: was ok, is failing"),
    (put("memory_mib", 8000), "memory in MiB: was 16,000, is 8,000"),
    (put("kernel", "6.1.0-2"), "kernel: was 6.1.0-1, is 6.1.0-2"),
    (put("jetson/l4t", "36.5.0"), "L4T: was 36.4.3, is 36.5.0"),
    (put("jetson/power_mode", {"id": 1, "name": "15W"}), "power mode: was MAXN, is 15W"),
    (put("engine/version", "27.0"), "container engine: was 26.1.5, is 27.0"),
    (put("tpm/present", True), "also changed: tpm"),
    (put("gpus/0/power_limit_w", 60), "also changed: gpus"),
]


@pytest.mark.parametrize("change, words", CHANGES)
def test_a_change_is_said_once_and_in_words(change: Callable[[Facts], None], words: str) -> None:
    now = facts()
    change(now)
    found = hardware_report.record("n1", now, stored(facts()))
    assert len(found["changes"]) == 1, found["changes"]
    assert words in found["changes"][0]
    assert found["known"]
    assert found["content"] != stored(facts())


@pytest.mark.parametrize("kind", ["gpus", "cameras", "serial_ports", "disks"])
def test_what_came_is_new(kind: str) -> None:
    before = facts()
    before[kind] = []
    (line,) = hardware_report.record("n1", facts(), stored(before))["changes"]
    assert line.endswith("is new")


def test_a_driver_that_works_again_is_good_news() -> None:
    before = facts()
    before["driver"]["problem"] = "the driver is not loaded"
    assert hardware_report.record("n1", facts(), stored(before))["changes"] == ["the GPU driver works again"]


def test_readings_are_no_change() -> None:
    now = facts()
    now["gpus"][0].update(
        temperature_c=88, memory_used_mib=4000, utilization_percent=99, throttle_reasons=["hw_slowdown"]
    )
    now["gpus"][0]["ecc"]["corrected"] = 9
    now["gpus"][0]["link"]["generation"] = 1
    now["clock"].update(rtc_offset_s=5, synchronized=True)
    now["unknown"] = ["clock.source: the kernel does not say it"]
    found = hardware_report.record("n1", now, stored(facts()))
    assert (found["content"], found["changes"]) == (stored(facts()), [])


def test_a_camera_on_another_number_is_the_same_camera() -> None:
    now = facts()
    now["cameras"][0]["device"] = "/dev/video2"
    assert hardware_report.record("n1", now, stored(facts()))["changes"] == ["also changed: cameras"]


@pytest.mark.parametrize("before", ["", "{", "[]", '{"hardware": 1}', "null", "\0"])
def test_a_file_that_holds_nothing_of_use_is_written_anew(before: str) -> None:
    found = hardware_report.record("n1", facts(), before)
    assert not found["known"]
    assert bool(found["changes"]) == bool(before.strip())
    assert json.loads(found["content"])["host"] == "n1"


@pytest.mark.parametrize("broken", [{"gpus": 3}, {"disks": [1, None]}, {"cameras": None, "driver": []}, {"clock": "x"}])
def test_a_file_of_another_form_is_compared_as_far_as_it_goes(broken: Facts) -> None:
    text = json.dumps({"hardware": {**facts(), **broken}})
    assert hardware_report.record("n1", facts(), text)["known"]


def hostvars() -> dict[str, Facts]:
    records = {
        "a1": hardware_report.record("a1", facts(), stored(facts())),
        "b1": hardware_report.record("b1", dict(facts(), cameras=[]), stored(facts())),
    }
    known = {host: {"discover_found": {"hardware": facts()}, "discover_record": item} for host, item in records.items()}
    return {
        "a1": {"edge_site": "kiruna", **known["a1"]},
        "b1": {"edge_site": "lulea", **known["b1"]},
        "b2": {"edge_site": "lulea", "discover_found": {"unreachable": True}},
        "b3": {"edge_site": "lulea", "discover_found": {"failed": True}},
    }


def test_the_table_shows_each_site_what_changed_and_who_was_not_reached() -> None:
    shown = hardware_report.lines(hostvars(), ["b3", "b2", "b1", "a1"])
    text = "\n".join(shown)
    assert shown[0] == "site kiruna"
    assert "NVIDIA RTX 2000 8,192 MiB" in shown[2]
    assert "p3767-0000, L4T 36.4.3" in shown[2]
    assert "nvme0n1 512 GB 79% worn" in shown[2]
    assert "changed since last time:\n  b1: camera Basler" in text
    assert "b2    unreachable" in text
    assert "b3    could not be asked" in text
    assert shown[-1] == "not reached, what was stored of them stays: b2, b3"


def test_nothing_changed_is_said() -> None:
    variables = {"a1": copy.deepcopy(hostvars()["a1"])}
    assert hardware_report.lines(variables, ["a1"])[-1] == "nothing changed since last time"
    variables["a1"]["discover_record"]["known"] = False
    assert hardware_report.lines(variables, ["a1"])[-1] == "stored for the first time: a1"
