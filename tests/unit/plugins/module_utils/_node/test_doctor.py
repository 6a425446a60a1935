# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor reads: files of a node in any state, and never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Dict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import doctor as judge
from ansible_collections.physical_ai.edge.plugins.module_utils._core import state as _state
from ansible_collections.physical_ai.edge.plugins.module_utils._core.hardware import shape
from ansible_collections.physical_ai.edge.plugins.module_utils._node import doctor, doctor_files, files, ledger
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError

OPTIONS: Dict[str, Any] = {"controller": 0, "max_minutes": 5, "not_before": "2020-01-01", "min_free_mib": 1}


@pytest.fixture
def paths(tmp_path: Path) -> files.Paths:
    found = files.Paths(str(tmp_path))
    files.write_atomic(found.state, _state.dump(_state.State()))
    os.chmod(found.state_directory, 0o700)
    files.make_directory(found.configuration, 0o755)
    return found


def read(paths: files.Paths, *names: str) -> Dict[str, Any]:
    reading = doctor.Reading(paths, OPTIONS)
    for name in names:
        doctor.READERS[name](reading)
    return reading.seen


def test_everything_is_read_on_whatever_machine_this_is(paths: files.Paths) -> None:
    """No engine, no systemd: each is said by a check, none is a traceback."""
    found = judge.examine(doctor.read(paths, OPTIONS))
    json.dumps(found)
    assert not [item for item in found["findings"] if "makes no sense" in item["found"]], found
    names = {*found["checked"], *(item["check"] for item in found["not_checked"])}
    assert names == {check.name for check in judge.CHECKS}


def test_what_the_node_thinks_of_its_clock_is_read(paths: files.Paths) -> None:
    files.write_json(paths.clock, {"schema": 1, "time": 4102358400.0, "source": "time server"})
    assert read(paths, "clock")["clock"]["state"] == "doubtful"
    os.unlink(paths.clock)
    reading = doctor.Reading(paths, dict(OPTIONS, controller=int(time.time())))
    doctor.READERS["clock"](reading)
    assert reading.seen["clock"] == {"state": "trusted", "reason": "the controller says the same"}
    assert not os.path.exists(paths.run)


def test_an_event_of_a_given_log_is_found(paths: files.Paths) -> None:
    log = Path(__file__).parents[3] / "fixtures" / "kernel_log" / "xid-79.log"
    reading = doctor.Reading(paths, dict(OPTIONS, kernel_log=str(log)))
    doctor.READERS["kernel_log"](reading)
    reading.seen.update(hardware=shape.blank(), now=1795555300.0)
    assert [item["found"][:6] for item in judge.examine(reading.seen)["findings"] if item["check"] == "gpu_events"] == [
        "Xid 79"
    ]


def test_modes_and_owners_are_read_and_secrets_may_be_read_by_root_alone(paths: files.Paths) -> None:
    credentials = Path(paths.configuration, "docker", "config.json")
    credentials.parent.mkdir()
    credentials.write_text("{}", encoding="utf-8")
    credentials.chmod(0o644)
    key = Path(paths.configuration, "node.pem")
    key.write_text("-----BEGIN PRIVATE KEY-----", encoding="utf-8")
    key.chmod(0o640)
    plain = Path(paths.configuration, "devices.json")
    plain.write_text("{}", encoding="utf-8")
    plain.chmod(0o666)
    for folder in (paths.secrets, paths.secret_views, paths.pull_credentials):
        Path(folder).mkdir(parents=True, mode=0o700)
    Path(paths.secrets).chmod(0o755)
    wrong = {
        item["where"]: item["do"]
        for item in judge.examine(read(paths, "modes"))["findings"]
        if item["check"] == "permissions" and item["do"].startswith("chmod")
    }
    mine = {path: do for path, do in wrong.items() if path.startswith(paths.root)}
    assert mine == {
        paths.secrets: f"chmod 0700 {paths.secrets}",
        str(credentials): f"chmod 0600 {credentials}",
        str(key): f"chmod 0600 {key}",
        str(plain): f"chmod 0644 {plain}",
    }


def test_a_change_that_is_under_way_is_seen_and_not_disturbed(paths: files.Paths) -> None:
    assert read(paths, "state_files")["busy"] is False
    with files.lock(paths.transaction_lock, 1):
        assert read(paths, "state_files")["busy"] is True
    assert read(paths, "state_files")["busy"] is False
    with files.lock(paths.transaction_lock, 0):
        pass


def test_a_ledger_that_was_edited_is_found(paths: files.Paths) -> None:
    assert "ledger" not in read(paths, "state_files")
    ledger.append(paths, "change", tenant="q")
    ledger.append(paths, "change", tenant="q")
    assert read(paths, "state_files")["ledger"] == ""
    text = Path(paths.ledger).read_text(encoding="utf-8").replace('"q"', '"x"', 1)
    Path(paths.ledger).write_text(text, encoding="utf-8")
    assert "line 2" in read(paths, "state_files")["ledger"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_certificates_are_read_each_of_a_bundle(paths: files.Paths) -> None:
    folder = Path(paths.configuration)
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9"]
    doctor.run([*argv, "-subj", "/CN=a", "-keyout", "/dev/null", "-out", str(folder / "a.crt")], 20.0)
    one = (folder / "a.crt").read_text(encoding="utf-8")
    (folder / "both.pem").write_text(one + one, encoding="utf-8")
    (folder / "none.crt").write_text("hello", encoding="utf-8")
    (folder / "torn.crt").write_text(one[:60] + one[90:], encoding="utf-8")
    found = [item for item in read(paths, "certificates")["certificates"] if item["path"].startswith(paths.root)]
    by_name = [(Path(item["path"]).name, "notAfter=" in item.get("said", "")) for item in found]
    assert by_name == [
        ("a.crt", True),
        ("both.pem", True),
        ("both.pem", True),
        ("none.crt", False),
        ("torn.crt", False),
    ]
    findings = [
        item
        for item in judge.examine({"certificates": found, "now": 1e9})["findings"]
        if item["check"] == "certificates"
    ]
    assert len(findings) == 2


@pytest.mark.parametrize(
    "word, size", [("256M", 256 << 20), ("1G", 1 << 30), ("4096", 4096), ("", None), ("10%", None), ("x", None)]
)
def test_sizes_of_the_journal(word: str, size: Any) -> None:
    assert doctor_files.size(word) == size


@pytest.mark.parametrize(
    "make, words", [("file", "no device"), ("missing", "cannot be opened"), ("null", "does not say what it is")]
)
def test_what_is_no_camera_does_not_answer(tmp_path: Path, make: str, words: str) -> None:
    path = tmp_path / "camera"
    if make == "file":
        path.write_text("", encoding="utf-8")
    if make == "null":
        path.symlink_to("/dev/null")
    assert words in doctor.silent(str(path))


@settings(max_examples=60)
@given(
    st.sampled_from(["state", "ledger", "holds", "devices"]),
    st.binary(max_size=40)
    | st.sampled_from([b"[]", b"{}", b"null", b'{"schema": 1}', b'{"schema": 1, "devices": 3}', b"[1]"]),
)
def test_rotten_files_are_findings_and_never_a_traceback(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = files.Paths(folder)
        path = Path(getattr(paths, name))
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        reading = doctor.Reading(paths, OPTIONS)
        for reader in ("state_files", "containers", "devices", "modes", "certificates", "file_systems", "journal"):
            try:
                doctor.READERS[reader](reading)
            except doctor._BROKEN as exc:
                reading.seen[f"{reader}_error"] = doctor._reason(exc)
        json.dumps(judge.examine(reading.seen))


def test_certificates_lists_and_secrets_are_read_and_nothing_of_a_key_or_value(paths: files.Paths) -> None:
    for reader in ("own_certificates", "revocation_lists", "sealed_secrets"):
        assert read(paths, reader)[reader] == []
    files.write_json(f"{paths.secrets}/q/committed.json", {"schema": 1, "names": {}, "by": "openssl", "sealed": "torn"})
    (row,) = read(paths, "sealed_secrets")["sealed_secrets"]
    assert row["tenant"] == "q" and row["problem"]
    files.write_atomic(paths.crl, "-----BEGIN X509 CRL-----\ntorn\n")
    with pytest.raises(NodeError, match="torn"):
        read(paths, "revocation_lists")
