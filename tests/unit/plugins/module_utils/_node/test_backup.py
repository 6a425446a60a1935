# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups and restores with the real openssl: what is in an archive, who can read it, and what a cut leaves."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import backup as core
from ansible_collections.physical_ai.edge.plugins.module_utils._node import _runner, backup, faults, files, ledger
from ansible_collections.physical_ai.edge.plugins.module_utils._node._runner import Done
from ansible_collections.physical_ai.edge.plugins.module_utils._node.backup import What
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths

HOST = "kiruna-gw01"


class Operator:
    def __init__(self, folder: Path, name: str) -> None:
        if not shutil.which("openssl"):
            pytest.skip("openssl is not on PATH")
        self.key, self.certificate = str(folder / f"{name}.key"), str(folder / f"{name}.crt")
        argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-days", "30"]
        subprocess.run([*argv, "-keyout", self.key, "-out", self.certificate], check=True, capture_output=True)


@pytest.fixture(scope="module")
def ann(tmp_path_factory: pytest.TempPathFactory) -> Operator:
    return Operator(tmp_path_factory.mktemp("ann"), "ann")


@pytest.fixture(scope="module")
def bob(tmp_path_factory: pytest.TempPathFactory) -> Operator:
    return Operator(tmp_path_factory.mktemp("bob"), "bob")


def gateway(folder: Path) -> Paths:
    """A gateway that has run for a while, with an issuing CA."""
    paths = Paths(str(folder))
    for name, text in (
        ("holds.json", "[]"),
        ("devices.json", "{}"),
        ("signers", "quality ssh-ed25519 AAAA\n"),
        ("pki/trust.pem", "root"),
    ):
        files.write_atomic(f"{paths.configuration}/{name}", text, 0o644)
    files.write_atomic(f"{paths.state_directory}/models/pins.json", "{}")
    files.write_atomic(f"{paths.state_directory}/secrets/sealed", "for this machine alone")
    ca = f"{paths.state_directory}/ca"
    files.write_atomic(f"{ca}/generations/abcd/ca.key", "the key of the CA")
    files.write_atomic(f"{ca}/generations/abcd/ca.crt", "its certificate")
    os.symlink("generations/abcd", f"{ca}/current")
    os.symlink("current/ca.key", f"{ca}/ca.key")
    files.write_atomic(f"{ca}/issued.jsonl", '{"serial":"01","node":"cam","name":"node","sha256":"a"}\n')
    files.write_json(f"{ca}/revoked.json", {"schema": 1, "revoked": [{"serial": "01", "reason": "keyCompromise"}]})
    for number in range(3):
        ledger.append(paths, "hold", scope="all", reason=f"{number}", who="ann")
    return paths


def make(paths: Paths, to: Path, *operators: Operator, **what: t.Any) -> t.Dict[str, t.Any]:
    return backup.create(paths, What(HOST, **what), str(to), [one.certificate for one in operators])


def opened(path: Path, operator: Operator) -> str:
    plain = f"{path}.plain"
    backup.decrypt(str(path), operator.key, operator.certificate, plain)
    return plain


@pytest.fixture
def there(tmp_path: Path) -> Paths:
    return gateway(tmp_path / "gateway")


def tree(paths: Paths) -> t.Dict[str, t.Any]:
    found = {}
    for folder, names, entries in os.walk(paths.root):
        for name in [*entries, *(one for one in names if os.path.islink(os.path.join(folder, one)))]:
            path = os.path.join(folder, name)
            if name not in ("lock", "transaction.lock"):
                found[os.path.relpath(path, paths.root)] = (
                    os.readlink(path) if os.path.islink(path) else Path(path).read_bytes()
                )
    return found


def test_an_archive_is_read_by_those_it_is_for_and_nobody_else(
    there: Paths, tmp_path: Path, ann: Operator, bob: Operator
) -> None:
    before = tree(there)
    path = tmp_path / "one.cms"
    said = make(there, path, ann, bob)
    assert (said["host"], said["ledger"]["last"], said["authority"]) == (HOST, 3, {"issued": 1, "revoked": 1})
    assert oct(path.stat().st_mode & 0o777) == "0o600" and b"ssh-ed25519" not in path.read_bytes()
    assert tree(there) == before, "a backup changes nothing"
    for operator in (ann, bob):
        manifest, content = backup.unpack(opened(path, operator))
        assert manifest.host == HOST and content["configuration/pki/trust.pem"] == b"root"
        assert not [name for name in content if "ca.key" in name or "secrets" in name or "generations" in name]
    eve = Operator(tmp_path, "eve")
    with pytest.raises(NodeError, match="cannot be opened with"):
        opened(path, eve)


def test_a_new_box_gets_all_of_it_and_twice_is_once(there: Paths, tmp_path: Path, ann: Operator) -> None:
    make(there, tmp_path / "one.cms", ann, authority_keys=True)
    plain, new = opened(tmp_path / "one.cms", ann), Paths(str(tmp_path / "new"))
    foreseen = backup.restore(new, plain, HOST, check=True)
    assert foreseen["changed"] and "etc/physical-ai/signers" not in tree(new)
    done = backup.restore(new, plain, HOST, who="ann")
    assert done["restored"] == foreseen["restored"] and done["relation"] == core.EMPTY
    was, now = tree(there), tree(new)
    was.pop("var/lib/physical-ai/secrets/sealed")
    last = now.pop("var/lib/physical-ai/ledger.jsonl")
    assert last.startswith(was.pop("var/lib/physical-ai/ledger.jsonl"))
    assert now == was
    assert ledger.broken(new) == "" and ledger.read(new)[-1]["kind"] == "backup"
    assert oct(os.stat(f"{new.configuration}/signers").st_mode & 0o777) == "0o644"
    assert oct(os.stat(f"{new.state_directory}/ca/generations/abcd/ca.key").st_mode & 0o777) == "0o600"
    again = backup.restore(new, plain, HOST)
    assert not again["changed"] and again["relation"] == core.NEWER


def test_yesterday_never_downgrades(there: Paths, tmp_path: Path, ann: Operator) -> None:
    make(there, tmp_path / "one.cms", ann)
    files.write_json(f"{there.state_directory}/ca/revoked.json", {"schema": 1, "revoked": [{"serial": "02"}]})
    files.write_atomic(f"{there.configuration}/signers", "today\n", 0o644)
    os.unlink(there.devices)
    ledger.append(there, "hold", scope="all", reason="today", who="bob")
    done = backup.restore(there, opened(tmp_path / "one.cms", ann), HOST)
    assert done["relation"] == core.NEWER and done["restored"] == [core.REVOKED]
    assert done["kept"] == ["configuration/devices.json", "configuration/signers"]
    gone = files.read_json(f"{there.state_directory}/ca/revoked.json", {})["revoked"]
    assert [row["serial"] for row in gone] == ["02", "01"]
    assert Path(there.signers).read_text(encoding="utf-8") == "today\n" and not os.path.exists(there.devices)


def test_a_conflict_is_one_line_and_changes_nothing(there: Paths, tmp_path: Path, ann: Operator) -> None:
    make(there, tmp_path / "one.cms", ann)
    plain, other = opened(tmp_path / "one.cms", ann), Paths(str(tmp_path / "other"))
    ledger.append(other, "hold", scope="all", reason="another life", who="eve")
    before = tree(other)
    with pytest.raises(NodeError) as caught:
        backup.restore(other, plain, HOST)
    assert "is another one than that of the backup" in caught.value.message and "\n" not in caught.value.message
    with pytest.raises(NodeError, match="the backup is of kiruna-gw01, and this is lulea-gw01"):
        backup.restore(there, plain, "lulea-gw01")
    assert tree(other) == before
    done = backup.restore(other, plain, HOST, force=True)
    assert done["relation"] == core.DIVERGED and ledger.broken(other) == ""
    assert [entry.get("reason") for entry in ledger.read(other)][:4] == ["0", "1", "2", "another life"]


class Cut(Exception):
    pass


class Cutter:
    """Ends the program at the file with this number."""

    def __init__(self, left: int) -> None:
        self.left = left

    def reach(self, paths: Paths, point: str) -> None:
        if point == "restore_file:before":
            if not self.left:
                raise Cut
            self.left -= 1


def test_cut_off_anywhere_the_same_restore_goes_on(
    there: Paths, tmp_path: Path, ann: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(there, tmp_path / "one.cms", ann, authority_keys=True)
    plain = opened(tmp_path / "one.cms", ann)
    wanted = Paths(str(tmp_path / "wanted"))
    backup.restore(wanted, plain, HOST)
    expected = {name: text for name, text in tree(wanted).items() if not name.endswith("ledger.jsonl")}
    for stop in range(12):
        new = Paths(str(tmp_path / f"new-{stop}"))
        monkeypatch.setattr(faults, "reach", Cutter(stop).reach)
        cut = False
        try:
            backup.restore(new, plain, HOST)
        except Cut:
            cut = True
        monkeypatch.undo()
        # Until the ledger is there nothing says that the node is as old as the backup.
        assert os.path.exists(new.ledger) != cut
        if cut:
            backup.restore(new, plain, HOST)
        assert {name: text for name, text in tree(new).items() if not name.endswith("ledger.jsonl")} == expected
        if not cut:
            return
    raise AssertionError("the restore was cut at every point that there is, and there are more")


def test_a_full_disk_and_a_broken_recipient_leave_nothing(
    there: Paths, tmp_path: Path, ann: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.crt").write_text("nothing", encoding="utf-8")
    with pytest.raises(NodeError, match="is no certificate that openssl can read"):
        backup.create(there, What(HOST), str(tmp_path / "x.cms"), [str(tmp_path / "bad.crt")])
    with pytest.raises(NodeError, match="wanted the certificate of at least one operator"):
        backup.create(there, What(HOST), str(tmp_path / "x.cms"), [])
    with pytest.raises(NodeError, match="is not there: take it out"):
        make(there, tmp_path / "x.cms", ann, extra=("/srv/registry",))
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(NodeError, match=r"cannot be written: .*; no backup was made"):
        make(there, tmp_path / "file/x.cms", ann)
    monkeypatch.setattr(_runner, "feed", lambda argv, write, timeout: Done(1, "No space left on device", ""))
    with pytest.raises(NodeError, match="No space left on device; nothing was written"):
        make(there, tmp_path / "x.cms", ann)
    assert not list(tmp_path.glob("x.cms*"))


def test_more_data_is_taken_by_size(there: Paths, tmp_path: Path, ann: Operator) -> None:
    for name, size in (("small", 10), ("large", 3 << 20)):
        path = Path(f"{there.root}/srv/{name}/data")
        path.parent.mkdir(parents=True)
        path.write_bytes(os.urandom(size))
    said = make(there, tmp_path / "one.cms", ann, extra=("/srv/small", "/srv/large"), extra_most=1 << 20)
    assert said["left_out"] == ["/srv/large has 3 MiB, more than 1 MiB"]
    new = Paths(str(tmp_path / "new"))
    backup.restore(new, opened(tmp_path / "one.cms", ann), HOST)
    assert Path(f"{new.root}/srv/small/data").read_bytes() == Path(f"{there.root}/srv/small/data").read_bytes()


def test_files_of_operators(tmp_path: Path, ann: Operator) -> None:
    paths = Paths(str(tmp_path / "controller"))
    (tmp_path / "controller/home").mkdir(parents=True)
    (tmp_path / "controller/home/signer").write_text("a private key", encoding="utf-8")
    make(paths, tmp_path / "one.cms", ann, kind="files", extra=("/home/signer",))
    ledger.append(paths, "hold", scope="all", reason="a controller that is a node too", who="ann")
    (tmp_path / "controller/home/signer").unlink()
    done = backup.restore(paths, opened(tmp_path / "one.cms", ann), HOST)
    assert done["restored"] == ["files/home/signer"]
    assert (tmp_path / "controller/home/signer").read_text(encoding="utf-8") == "a private key"


@pytest.mark.parametrize("harm", ["truncated", "no archive", "link", "changed", "elsewhere", "no manifest"])
def test_what_is_no_backup_is_one_line(there: Paths, tmp_path: Path, ann: Operator, harm: str) -> None:
    make(there, tmp_path / "one.cms", ann)
    plain = Path(opened(tmp_path / "one.cms", ann))
    if harm == "truncated":
        plain.write_bytes(plain.read_bytes()[:200])
    elif harm == "no archive":
        plain.write_bytes(b"nothing of the kind")
    else:
        manifest, content = backup.unpack(str(plain))
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            data = json.loads(manifest.dump())
            if harm == "elsewhere":
                name = "state/../../../etc/cron.d/evil"
                data["files"][name], content[name] = core.describe(b"x", 0o600), b"x"
            if harm == "changed":
                content["configuration/signers"] = b"eve"
            rows = [] if harm == "no manifest" else [("manifest.json", json.dumps(data).encode())]
            for name, value in [*rows, *content.items()]:
                member = tarfile.TarInfo(name)
                member.size = len(value)
                archive.addfile(member, io.BytesIO(value))
            if harm == "link":
                member = tarfile.TarInfo("configuration/link")
                member.type, member.linkname = tarfile.SYMTYPE, "/etc"
                archive.addfile(member)
        plain.write_bytes(buffer.getvalue())
    new = Paths(str(tmp_path / "new"))
    with pytest.raises(NodeError) as caught:
        backup.restore(new, str(plain), HOST)
    assert caught.value.message.endswith("nothing was restored") and "\n" not in caught.value.message
    assert not os.path.exists(new.configuration)


def test_nothing_is_written_through_a_link(there: Paths, tmp_path: Path, ann: Operator) -> None:
    make(there, tmp_path / "one.cms", ann)
    new = Paths(str(tmp_path / "new"))
    files.make_directory(new.configuration)
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", f"{new.configuration}/pki")
    with pytest.raises(NodeError, match="would be written through the link"):
        backup.restore(new, opened(tmp_path / "one.cms", ann), HOST)
    assert list((tmp_path / "elsewhere").iterdir()) == []
