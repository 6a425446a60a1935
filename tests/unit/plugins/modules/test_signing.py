# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules trust and release_signature: what they write and what they refuse, with real keys."""

from __future__ import annotations

import types
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core.fields import SpecError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths
from ansible_collections.physical_ai.edge.plugins.modules import release_signature, trust
from tests.unit.plugins.module_utils._node import signing
from tests.unit.plugins.module_utils._node.signing import Person


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Person]:
    signing.needed()
    folder = tmp_path_factory.mktemp("keys")
    return {name: Person(folder, name) for name in ("ann", "bob")}


class Files:
    """A node's trust, written by the module."""

    def __init__(self, root: Path) -> None:
        self.signers = root / "etc/physical-ai/signers"
        self.revoked = root / "etc/physical-ai/signers-revoked"

    def set(self, signers: t.Any, *revoked: str, none: bool = False, check: bool = False) -> dict[str, t.Any]:
        params = {"signers": signers, "revoked": list(revoked), "allow_none": none}
        return trust.run(t.cast(t.Any, types.SimpleNamespace(params=params, check_mode=check)))

    def content(self) -> dict[str, str]:
        found = self.signers.parent.iterdir() if self.signers.parent.exists() else ()
        return {path.name: path.read_text(encoding="utf-8") for path in found}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.setattr(trust.files, "Paths", lambda: Paths(str(tmp_path)))
    return Files(tmp_path)


def signer(person: Person, *tenants: str) -> dict[str, t.Any]:
    return {"tenants": list(tenants), "key": person.public}


def test_trust_is_foreseen_written_once_and_kept(files: Files, people: dict[str, Person]) -> None:
    wanted = [signer(people["ann"], "quality")]
    foreseen = files.set(wanted, people["bob"].public, check=True)
    assert foreseen["changed"] and files.content() == {}
    done = files.set(wanted, people["bob"].public)
    assert done == foreseen
    assert (done["tenants"], done["enforced"]) == (["quality"], True)
    assert done["changed_paths"] == [str(files.revoked), str(files.signers)], "what is revoked comes first"
    assert people["ann"].line("quality") in files.content()["signers"]
    assert {path.stat().st_mode & 0o777 for path in (files.signers, files.revoked)} == {0o644}
    again = files.set(wanted, people["bob"].public)
    assert (again["changed"], again["diff"]) == (False, [])


def test_a_rotation_keeps_what_was_there(files: Files, people: dict[str, Person]) -> None:
    files.set([signer(people["ann"], "quality")])
    before = files.content()["signers"]
    both = files.set([signer(people["ann"], "quality"), signer(people["bob"], "quality")])
    assert both["diff"][0]["before"] == before and both["changed_paths"] == [str(files.signers)]
    assert files.content()["signers.previous"] == before
    done = files.set(people["bob"].line("quality"), people["ann"].public)
    assert done["tenants"] == ["quality"]
    assert files.content()["signers"] == people["bob"].line("quality")


@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_wrong_permissions_are_mended(files: Files, people: dict[str, Person], mode: int) -> None:
    wanted = [signer(people["ann"], "quality")]
    files.set(wanted)
    files.signers.chmod(mode)
    done = files.set(wanted)
    assert done["changed"] and done["diff"][0]["before_header"].endswith(f"(mode {mode:04o})")
    assert files.signers.stat().st_mode & 0o777 == 0o644


def test_nobody_is_left_without_a_signer_by_accident(files: Files, people: dict[str, Person]) -> None:
    files.set([signer(people["ann"], "quality")])
    before = files.content()
    ann = people["ann"]
    for signers, revoked, words in (
        ([], [], "the node accepts releases without a signature"),
        ([signer(ann, "quality")], [ann.public], "because all of them are revoked.*the node accepts none"),
        (ann.line("quality", namespace="bundle@example.com"), [], "nobody could sign a release any more"),
    ):
        with pytest.raises(NodeError, match=words):
            files.set(signers, *revoked)
    assert files.content() == before
    done = files.set([], none=True)
    assert (done["changed"], done["enforced"], done["tenants"]) == (True, False, [])
    assert list(files.content()) == ["signers.previous"]
    assert not files.set([], none=True)["changed"]


def test_bad_trust_changes_nothing(files: Files, people: dict[str, Person]) -> None:
    files.set([signer(people["ann"], "quality")])
    before = files.content()
    with pytest.raises(SpecError, match=r"signers: line 2: found '\*'"):
        files.set(people["ann"].line("quality") + "* x\n")
    with pytest.raises(SpecError, match=r"revoked\[0\]: found 'bob'"):
        files.set([signer(people["ann"], "quality")], "bob")
    short = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAACQC7vJ0Q5w7xWQ== short@example.com"
    with pytest.raises(NodeError, match=r"the key short@example.com \(ssh-rsa\) cannot be used on this node"):
        files.set([{"tenants": ["quality"], "key": short}])
    assert files.content() == before


class Desk:
    """A folder with a release on a controller."""

    def __init__(self, folder: Path, people: dict[str, Person]) -> None:
        self.folder, self.people = folder, people
        self.path = folder / "1.0.yml"
        self.path.write_text(signing.release(), encoding="utf-8")
        (folder / "signers").write_text(people["ann"].line("quality"), encoding="utf-8")

    def sign(self, name: str) -> None:
        text = self.path.read_bytes().decode("utf-8")
        (self.folder / "1.0.yml.sig").write_text(self.people[name].sign(text), encoding="utf-8")

    def ask(self, **more: t.Any) -> dict[str, t.Any]:
        params: dict[str, t.Any] = {"path": str(self.path), "revoked": None, "tenant": None}
        params.update(signers=str(self.folder / "signers"), **more)
        module = types.SimpleNamespace(params=params, tmpdir=str(self.folder))
        return release_signature.run(t.cast(t.Any, module), str(self.path) + ".sig")

    def refused(self, **more: t.Any) -> str:
        with pytest.raises(NodeError) as caught:
            self.ask(**more)
        assert caught.value.cause == "signature" and "\n" not in caught.value.message
        return caught.value.message


@pytest.fixture
def desk(tmp_path: Path, people: dict[str, Person]) -> Desk:
    return Desk(tmp_path, people)


def test_the_controller_finds_out_who_signed(desk: Desk) -> None:
    desk.sign("ann")
    found = desk.ask()
    assert (found["signer"], found["principal"], found["release"]) == ("ann@example.com", "quality", "1.0")
    assert found["msg"] == "release 1.0 of tenant quality is signed by ann@example.com"


def test_line_ends_are_not_changed_on_the_way(desk: Desk) -> None:
    desk.path.write_bytes(signing.release().replace("\n", "\r\n").encode("utf-8"))
    desk.sign("ann")
    assert desk.ask()["signer"] == "ann@example.com"


def test_the_controller_refuses_with_the_reason(desk: Desk, tmp_path: Path) -> None:
    assert "is not signed" in desk.refused()
    desk.sign("bob")
    assert "a key that is not known here" in desk.refused()
    (tmp_path / "signers").write_text(
        desk.people["ann"].line("quality") + desk.people["bob"].line("logistics"), encoding="utf-8"
    )
    assert "who may sign for logistics and not for quality" in desk.refused()
    desk.sign("ann")
    assert "is of tenant quality, wanted tenant logistics" in desk.refused(tenant="logistics")
    (tmp_path / "gone").write_text(desk.people["ann"].public, encoding="utf-8")
    assert "a key that is revoked" in desk.refused(revoked=str(tmp_path / "gone"))
    assert "revoked: there is no file" in desk.refused(revoked=str(tmp_path / "absent"))
    (tmp_path / "signers").unlink()
    assert "signers: there is no file" in desk.refused()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "found bytes that are no UTF-8 text"),
        (b"{}", "found none, wanted one line `release: ...`"),
    ],
)
def test_what_is_no_release_is_refused(desk: Desk, content: bytes, words: str) -> None:
    desk.path.write_bytes(content)
    assert words in desk.refused()
    desk.path.unlink()
    assert "cannot be read: No such file" in desk.refused()
