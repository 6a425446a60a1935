# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at a node: what is plugged in, what can be reached, what the kernel log says."""

from __future__ import annotations

import os
import socket
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._node import (
    _runner,
    files,
    hardware,
    hardware_devices,
    kernel_log,
    node_watch,
)
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.hardware_tree import Tree
from tests.unit.plugins.module_utils._node import recorded


@pytest.mark.parametrize("name", recorded.NAMES)
def test_every_camera_and_serial_port_has_a_name_of_its_own(name: str, tmp_path: Path) -> None:
    root = str(recorded.unpack(name, tmp_path))
    facts = hardware.read(root)
    found = hardware_devices.plugged(Tree(root))
    assert len(found) == len(facts["cameras"]) + len(facts["serial_ports"])
    assert len(set(found)) == len(found)
    assert hardware.read_gpus(root) == facts["gpus"]


def test_a_camera_that_is_pulled_out_is_missing(tmp_path: Path) -> None:
    for name in recorded.NAMES:
        root = recorded.unpack(name, tmp_path / name)
        videos = root / "sys/class/video4linux"
        first = next((path for path in sorted(videos.glob("video*"))), None) if videos.is_dir() else None
        if first is None:
            continue
        before = node_watch.present(files.Paths(str(root)))
        assert before is not None
        first.unlink() if first.is_symlink() else os.rename(str(first), str(tmp_path / f"{name}-gone"))
        after = node_watch.present(files.Paths(str(root)))
        assert after is not None and len(set(before) - set(after)) == 1
        return
    pytest.fail("no recorded node has a camera")


def test_the_sites_names_count_and_a_broken_list_is_unknown(tmp_path: Path) -> None:
    paths = files.Paths(str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:
        plc = {"kind": "network", "address": "127.0.0.1", "tcp": server.getsockname()[1]}
        camera = {"kind": "camera", "serial": "1"}
        files.write_json(paths.devices, {"schema": 1, "devices": {"plc": plc, "camera-1": camera}})
        assert node_watch.present(paths) == ["plc"]
    Path(paths.devices).write_text("{", encoding="utf-8")
    assert node_watch.present(paths) is None


def test_targets_are_reached_or_have_a_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        targets = [
            {"host": "127.0.0.1", "port": port},
            {"host": "127.0.0.1", "port": 1},
            {"host": "no-such-host.invalid", "port": 1},
            {"host": "a..b", "port": 1},
        ]
        found = node_watch.reach(targets, 1.0)
    assert found[f"127.0.0.1:{port}"] == ""
    assert found["127.0.0.1:1"] == "Connection refused"
    assert found["no-such-host.invalid:1"] and found["a..b:1"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may ping without a program")
@pytest.mark.parametrize(("host", "answers"), [("127.0.0.1", True), ("::1", True), ("203.0.113.77", False)])
def test_a_ping_is_answered_or_not(host: str, answers: bool) -> None:
    try:
        assert node_watch.ping(host, 0.3) is answers
    except OSError as exc:  # no IPv6, or no way there
        assert not answers or ":" in host, exc


@pytest.mark.parametrize("data", [b"", b"\x00\x00", bytes(range(16)), b"\xff" * 40])
def test_a_packet_with_its_checksum_sums_up_to_nothing(data: bytes) -> None:
    whole = data + node_watch._checksum(data).to_bytes(2, "big")
    assert node_watch._checksum(whole) == 0


def log_of(monkeypatch: pytest.MonkeyPatch, journal: _runner.Done, dmesg: t.Optional[_runner.Done] = None) -> None:
    def run(argv: t.Sequence[str], _seconds: float) -> _runner.Done:
        if argv[0] == "journalctl":
            return journal
        if dmesg is None:
            raise NodeError("program", "`dmesg` cannot be run")
        return dmesg

    monkeypatch.setattr(kernel_log, "run", run)
    monkeypatch.setattr(kernel_log, "CONTAINER", "/nonexistent")


LINE = "NVRM: Xid (PCI:0000:01:00): 31, x\n"


def test_errors_are_read_from_the_journal_or_else_from_dmesg_or_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    log_of(monkeypatch, _runner.Done(0, LINE, ""))
    assert node_watch.xids() == {"0000:01:00 31": 1}
    log_of(monkeypatch, _runner.Done(0, "", ""), _runner.Done(0, LINE * 2, ""))
    assert node_watch.xids() == {"0000:01:00 31": 2}
    log_of(monkeypatch, _runner.Done(1, "", "no journal"), _runner.Done(1, "", "not allowed"))
    assert node_watch.xids() is None
    log_of(monkeypatch, _runner.Done(0, "", ""))
    assert node_watch.xids() is None
