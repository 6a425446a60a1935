# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read from recorded nodes, whole and broken."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core.hardware import gpus, shape
from ansible_collections.physical_ai.edge.plugins.module_utils._node import hardware, hardware_tree
from tests.unit.plugins.module_utils._node import recorded

Facts = t.Dict[str, t.Any]
CAMERA = "name device index role driver card bus_info by_id by_path capabilities formats usb"
USB = "port vendor_id product_id manufacturer product serial speed_mbps slow"
DISK = "name model serial size_bytes rotational removable transport wear_percent life_time health"
KEYS = {
    "gpus": set(gpus.blank()),
    "cameras": set(CAMERA.split()),
    "serial_ports": {"device", "driver", "by_id", "by_path", "usb"},
    "usb": set((USB + " classes").split()),
    "disks": set(DISK.split()),
}
JETSON = "model module soc l4t jetpack power_mode power_modes kernel"
STATES = {"ok", "lost", "no_driver", "excluded", "unknown"}


def check_shape(found: Facts) -> None:
    """Every key is there and what is unknown is said, whatever was broken."""
    blank = shape.blank()
    assert set(found) == set(blank)
    for key, value in blank.items():
        assert found[key] is None or value is None or type(found[key]) is type(value), key
        if isinstance(value, dict):
            assert set(found[key]) == set(value), key
    for key, names in KEYS.items():
        assert all(set(item) == names for item in found[key]), key
    assert found["jetson"] is None or set(found["jetson"]) == set(JETSON.split())
    assert {gpu["state"] for gpu in found["gpus"]} <= STATES
    assert json.loads(json.dumps(found)) == found
    assert all(isinstance(remark, str) and "\n" not in remark for remark in found["unknown"])
    check_unknown(found)


def check_unknown(found: Facts) -> None:
    wanted = [key for key in ("memory_mib", "cpus", "kernel") if found[key] is None]
    for number, gpu in enumerate(found["gpus"]):
        names = ("name", "memory_mib") if gpu["integrated"] else ("name", "uuid", "memory_mib")
        wanted += [f"gpus[{number}].{name}" for name in names if gpu[name] is None]
    if found["jetson"]:
        wanted += [f"jetson.{key}" for key in ("model", "module", "soc", "l4t") if found["jetson"][key] is None]
    said = {remark.split(": ")[0] for remark in found["unknown"]}
    assert set(wanted) <= said


READINGS = {"temperature_c", "memory_used_mib", "utilization_percent", "throttle_reasons", "link"}


def steady(found: Facts) -> Facts:
    """What two reads of this machine say alike: no readings, and no engine, which others may start and stop meanwhile."""
    kept = {key: value for key, value in found.items() if key not in ("engine", "cgroup", "cdi", "unknown")}
    kept["gpus"] = [{key: value for key, value in gpu.items() if key not in READINGS} for gpu in found["gpus"]]
    return kept


def read(root: Path) -> Facts:
    return hardware.read(str(root))


# -- whole


@pytest.mark.must_show("B1")
@pytest.mark.parametrize("name", recorded.NAMES)
def test_facts_of_a_recorded_node(tmp_path: Path, name: str, figure: t.Callable[[str], None]) -> None:
    found = read(recorded.unpack(name, tmp_path))
    assert found == recorded.expected(name)
    check_shape(found)
    if name == recorded.NAMES[-1]:
        figure(f"exact facts of {len(recorded.NAMES)} recorded nodes")


def test_every_fixture_says_where_it_comes_from() -> None:
    assert len(recorded.NAMES) >= 12
    for name in recorded.NAMES:
        assert "hand" in (recorded.FIXTURES / name / "ORIGIN.md").read_text(encoding="utf-8"), name


def test_the_order_of_folders_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = recorded.unpack("usb-cameras", tmp_path)
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: sorted(listdir(path), reverse=True))
    assert read(root) == recorded.expected("usb-cameras")
    assert read(root) == read(root)


def test_video_nodes_can_be_left_alone(tmp_path: Path) -> None:
    found = hardware.read(str(recorded.unpack("usb-cameras", tmp_path)), ioctl=False)
    assert [camera["role"] for camera in found["cameras"]] == ["capture", "metadata", "capture", "metadata"]
    assert not any(camera["formats"] or camera["capabilities"] for camera in found["cameras"])


def test_video_nodes_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    recorded.lay({f"/sys/class/video4linux/video{number}/name": "x" for number in (10, 9, 2)}, tmp_path)
    assert [camera["device"] for camera in read(tmp_path)["cameras"]] == ["/dev/video2", "/dev/video9", "/dev/video10"]


def test_an_empty_folder_is_a_node_of_which_nothing_is_known(tmp_path: Path) -> None:
    found = read(tmp_path)
    check_shape(found)
    assert (found["gpus"], found["memory_mib"], found["jetson"]) == ([], None, None)
    assert "memory_mib: the kernel does not say it" in found["unknown"]
    check_shape(read(tmp_path / "missing"))


# -- what it touches

EVENTS: t.List[t.Tuple[str, str]] = []
WATCHING: t.List[bool] = []


def hook(event: str, arguments: t.Tuple[t.Any, ...]) -> None:
    if WATCHING and event in ("open", "os.listdir", "socket.__new__", "subprocess.Popen"):
        EVENTS.append((event, str(arguments[0])))


@pytest.fixture
def events() -> t.Iterator[t.List[t.Tuple[str, str]]]:
    """What the interpreter is asked to open, to list, to start and to connect."""
    if not WATCHING and hook not in getattr(sys, "edge_hooks", ()):
        sys.addaudithook(hook)
        sys.edge_hooks = (hook,)  # type: ignore[attr-defined] # a hook stays until the interpreter ends
    EVENTS.clear()
    WATCHING.append(True)
    yield EVENTS
    WATCHING.clear()


def test_a_recorded_node_is_read_within_its_folder(tmp_path: Path, events: t.List[t.Tuple[str, str]]) -> None:
    root = recorded.unpack("two-gpus", tmp_path / "node")
    (tmp_path / "secret").write_text("TOP SECRET", encoding="utf-8")
    for place, target in (
        ("etc/os-release", "../../secret"),
        ("proc/version", str(tmp_path / "secret")),
        ("etc/cdi/c.yaml", "../../../../../../../../../../etc/passwd"),
        ("sys/class/tpm", str(tmp_path)),
    ):
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            path.unlink()
        path.symlink_to(target)
    events.clear()
    found = read(root)
    outside = [event for event in events if event[0] in ("open", "os.listdir") and not event[1].startswith(str(root))]
    assert outside == []
    assert {event for event, dummy in events} == {"open", "os.listdir"}  # no socket and no process
    assert "SECRET" not in json.dumps(found)
    assert found["os"]["id"] is None


def test_nothing_is_sent_and_no_terminal_opened_on_this_machine(events: t.List[t.Tuple[str, str]]) -> None:
    found = hardware.read("/")
    check_shape(found)
    assert found["cpus"] and found["memory_mib"] and found["kernel"]
    assert [event for event in events if event[0] == "socket.__new__"] == []
    assert [event for event in events if event[0] == "open" and event[1].startswith("/dev/tty")] == []
    assert steady(hardware.read("/")) == steady(found)


@pytest.mark.parametrize("kind", ["fifo", "folder", "loop", "huge", "socket"])
def test_what_is_no_plain_file_is_not_opened(tmp_path: Path, kind: str, events: t.List[t.Tuple[str, str]]) -> None:
    path = recorded.unpack("no-gpu", tmp_path) / "proc/meminfo"
    spoil(path, kind, 0, b"")
    events.clear()
    found = read(tmp_path)
    assert found["memory_mib"] is None
    assert any(remark.startswith("/proc/meminfo: cannot be read: ") for remark in found["unknown"]), found["unknown"]
    opened = [event for event in events if event[0] == "open" and event[1].endswith("/proc/meminfo")]
    assert len(opened) == (1 if kind == "huge" else 0)


def test_an_endless_file_is_read_to_a_bound(tmp_path: Path) -> None:
    tree = hardware_tree.Tree(str(tmp_path))
    (tmp_path / "fits").write_bytes(b"x" * hardware_tree.LARGEST)
    (tmp_path / "more").write_bytes(b"x" * (hardware_tree.LARGEST + 1))
    assert len(tree.data("/fits") or b"") == hardware_tree.LARGEST
    assert tree.data("/more") is None
    assert tree.remarks == ["/more: cannot be read: it is larger than 64 KiB"]


# -- broken

KINDS = [
    "bytes",
    "cut",
    "delete",
    "folder",
    "huge",
    "loop",
    "dangling",
    "outside",
    "fifo",
    "socket",
    "words",
    "number",
    "name",
]
WORDS = [
    b"[GPU is lost]",
    b"[Unknown Error]",
    b"N/A",
    b"\xff\xfe",
    b"\0",
    b"-1",
    b"",
    b"9" * 5000,
    b"{}",
    b"[" * 3000,
    b"<",
]


def spoil(path: Path, kind: str, number: int, content: bytes) -> None:
    """Breaks one file, or what is above it."""
    if kind == "name":
        path.parent.joinpath(os.fsdecode(b"video\xff\n" + content[:20].replace(b"/", b"").replace(b"\0", b""))).mkdir(
            exist_ok=True
        )
        return
    if not (path.is_symlink() or path.is_file()):
        return
    before = path.read_bytes() if path.is_file() else b"../somewhere"
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind in ("loop", "dangling", "outside"):
        path.symlink_to({"loop": path.name, "dangling": "/no/where", "outside": "/proc/self/environ"}[kind])
    elif kind == "fifo":
        os.mkfifo(str(path))
    elif kind == "socket":
        os.mknod(str(path), 0o140600)
    elif kind != "delete":
        path.write_bytes(broken(before, kind, number, content))


def broken(before: bytes, kind: str, number: int, content: bytes) -> bytes:
    at = number % (len(before) + 1)
    word = WORDS[number % len(WORDS)]
    return {
        "bytes": before[:at] + content + before[at + len(content) :],
        "cut": before[:at],
        "huge": before * (hardware_tree.LARGEST // max(1, len(before)) + 2) + b"x" * hardware_tree.LARGEST,
        "words": word,
        "number": b"".join(
            word if piece.isdigit() and index % 7 == number % 7 else piece for index, piece in enumerate(pieces(before))
        ),
    }[kind]


def pieces(text: bytes) -> t.List[bytes]:
    """The text with its numbers apart."""
    found: t.List[bytes] = []
    for byte in (text[index : index + 1] for index in range(len(text))):
        if found and found[-1].isdigit() == byte.isdigit():
            found[-1] += byte
        else:
            found.append(byte)
    return found


Damage = t.List[t.Tuple[int, str, int, bytes]]
DAMAGE = st.lists(
    st.tuples(st.integers(0, 10**6), st.sampled_from(KINDS), st.integers(0, 10**6), st.binary(max_size=60)),
    min_size=1,
    max_size=5,
)


@pytest.mark.must_show("B1")
@pytest.mark.parametrize("name", recorded.NAMES)
def test_broken_nodes_are_read_to_the_end(name: str, long_run: bool, figure: t.Callable[[str], None]) -> None:
    """Any files of a node replaced by noise, folders, links in circles, pipes, or nothing: all keys, and no exception."""
    files = sorted(recorded.tree(name))
    with tempfile.TemporaryDirectory() as folder:
        recorded.unpack(name, Path(folder))  # skips here, where a recording is missing
    examples = 300 if long_run else 20

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(DAMAGE)
    @example([(number, "delete", 0, b"") for number in range(len(files))])
    @example([(number, "folder", 0, b"") for number in range(len(files))])
    @example([(number, "words", number, b"") for number in range(len(files))])
    def check(damage: Damage) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = recorded.unpack(name, Path(folder))
            for number, kind, where, content in damage:
                spoil(root / files[number % len(files)].lstrip("/"), kind, where, content)
            found = hardware.read(folder)
            check_shape(found)
            assert hardware.read(folder) == found

    check()
    if name == recorded.NAMES[-1]:
        figure(f"{examples} kinds of damage to each of {len(recorded.NAMES)} nodes, all keys every time")


@pytest.mark.parametrize("largest", [0, 1, 40, 400])
def test_output_of_nvidia_smi_that_was_cut_short_is_said(tmp_path: Path, largest: int) -> None:
    path = recorded.unpack("two-gpus", tmp_path) / "commands/nvidia-smi-q-x.out"
    path.write_bytes(path.read_bytes()[:largest])
    found = read(tmp_path)
    check_shape(found)
    assert [gpu["pci_address"] for gpu in found["gpus"]] == ["0000:01:00.0", "0000:17:00.0"]
    assert any(remark.startswith("nvidia-smi -q -x: it is no XML") for remark in found["unknown"])
    assert found["driver"]["problem"] is not None


def test_output_of_nvidia_smi_that_expands_without_end_is_refused(tmp_path: Path) -> None:
    path = recorded.unpack("two-gpus", tmp_path) / "commands/nvidia-smi-q-x.out"
    path.write_text('<!DOCTYPE x [<!ENTITY a "b">]><nvidia_smi_log>&a;</nvidia_smi_log>', encoding="utf-8")
    assert "nvidia-smi -q -x: it declares entities" in read(tmp_path)["unknown"]
