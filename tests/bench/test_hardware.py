# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node with twenty devices of each kind: its facts take less than a second, and little more than reading its files once."""

from __future__ import annotations

import os
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._node import hardware
from tests.unit.plugins.module_utils._node import recorded

DEVICES, RUNS, MOST_SECONDS, MOST_RATIO = 20, 5, 1.0, 4.0


def numbered(name: str, numbers: t.Dict[str, str]) -> t.Iterator[t.Tuple[str, t.Any]]:
    """The files of a recorded node with other numbers in their paths and links."""
    for path, content in recorded.tree(name).items():
        place = path
        for old, new in numbers.items():
            place = place.replace(old, new)
            if isinstance(content, dict) and "link" in content:
                content = {"link": content["link"].replace(old, new)}
        yield place, content


def machine(root: Path) -> None:
    """Twenty GPUs, twenty USB cameras with two nodes each, twenty serial ports, twenty disks."""
    files: t.Dict[str, t.Any] = {}
    for number in range(DEVICES):
        files.update(numbered("driver-mismatch", {"0000:01:00.0": f"0000:{number + 16:02x}:00.0"}))
        cameras = {"1-2": f"{number}-2", "1-4": f"{number}-4", "usb1": f"usb{number}"}
        files.update(
            numbered("usb-cameras", {**cameras, **{f"video{node}": f"video{number}{node}" for node in range(4)}})
        )
        files.update(
            numbered("serial-ports", {"1-1": f"{number}-1", "usb1": f"usb{number}", "ttyUSB0": f"ttyUSB{number}"})
        )
        files.update(numbered("disk-wear", {"nvme0": f"nvme{number}", "0000:03": f"0000:{number + 3:02x}"}))
    recorded.lay(files, root)


def walk(root: Path) -> float:
    """Reads every file and link once."""
    began = time.perf_counter()
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = os.path.join(folder, name)
            if os.path.islink(path):
                os.readlink(path)
            elif name in names:
                with open(path, "rb") as handle:
                    handle.read()
    return time.perf_counter() - began


def facts(root: Path) -> float:
    began = time.perf_counter()
    found = hardware.read(str(root))
    seconds = time.perf_counter() - began
    counts = [len(found[key]) for key in ("gpus", "cameras", "serial_ports", "disks")]
    assert min(counts) >= DEVICES, counts
    return seconds


@pytest.mark.bench
def test_twenty_devices_of_each_kind(tmp_path: Path, figure: t.Callable[[str], None]) -> None:
    machine(tmp_path)
    pairs = [(facts(tmp_path), walk(tmp_path)) for _run in range(RUNS)]
    ours, plain = (min(pair[column] for pair in pairs) for column in (0, 1))
    figure(
        f"{DEVICES} GPUs, cameras, serial ports and disks: {ours * 1000:.0f} ms (most {MOST_SECONDS * 1000:.0f}), "
        f"reading their files once {plain * 1000:.0f} ms, ratio {ours / plain:.1f} (most {MOST_RATIO:.0f})"
    )
    assert ours < MOST_SECONDS
    assert ours <= MOST_RATIO * plain
