# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node accepts and what it refuses, with real keys and the real ssh-keygen."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import spec
from ansible_collections.physical_ai.edge.plugins.module_utils._core.request import Request
from ansible_collections.physical_ai.edge.plugins.module_utils._core.state import Deployment, Workload
from ansible_collections.physical_ai.edge.plugins.module_utils._node import (
    change_command,
    cli,
    ledger,
    ledger_command,
    program,
    trust,
)
from ansible_collections.physical_ai.edge.plugins.module_utils._node.engine import Info
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths
from ansible_collections.physical_ai.edge.plugins.module_utils._node.node import Node
from tests.unit.plugins.module_utils._core.specs import workload
from tests.unit.plugins.module_utils._node import signing
from tests.unit.plugins.module_utils._node.signing import Person, keygen, release, specs

GARBAGE = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> t.Dict[str, Person]:
    signing.needed()
    folder = tmp_path_factory.mktemp("keys")
    return {name: Person(folder, name) for name in ("ann", "bob", "eve", "former")}


class Site:
    """A node's files."""

    def __init__(self, root: Path, people: t.Dict[str, Person]) -> None:
        self.paths, self.people = Paths(str(root)), people
        self.configuration = root / "etc/physical-ai"
        self.configuration.mkdir(parents=True)
        ann, bob, former = people["ann"], people["bob"], people["former"]
        self.trust(ann.line("quality") + bob.line("logistics") + former.line("quality"))
        self.revoke(former.public + "\n")

    def trust(self, content: str) -> None:
        (self.configuration / "signers").write_text(content, encoding="utf-8")

    def revoke(self, content: str) -> None:
        (self.configuration / "signers-revoked").write_text(content, encoding="utf-8")

    def verify(self, text: str, signature: str, version: str = "1.0", **more: t.Any) -> t.Dict[str, str]:
        return trust.verify(self.paths, "quality", version, text, signature, specs(**more))

    def refused(self, *arguments: t.Any, **more: t.Any) -> str:
        with pytest.raises(NodeError) as caught:
            self.verify(*arguments, **more)
        assert caught.value.cause == "signature"
        assert "\n" not in caught.value.message
        run = Path(self.paths.run)
        assert not run.exists() or list(run.iterdir()) == [], "nothing is left behind"
        return caught.value.message


@pytest.fixture
def site(tmp_path: Path, people: t.Dict[str, Person]) -> Site:
    return Site(tmp_path, people)


def test_a_release_that_is_signed_by_one_who_may_is_accepted(site: Site) -> None:
    text = release()
    found = site.verify(text, site.people["ann"].sign(text))
    assert found.pop("fingerprint").startswith("SHA256:")
    assert found == {"state": "verified", "name": "ann@example.com", "tenant": "quality"}
    assert site.verify(text, site.people["ann"].sign(text).strip())["state"] == "verified"


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_other_kinds_of_keys_are_as_good(site: Site, tmp_path: Path, kind: str) -> None:
    person = Person(tmp_path, kind, kind)
    site.trust(person.line("logistics", "quality"))
    assert site.verify(release(), person.sign(release()))["name"] == f"{kind}@example.com"


def test_a_node_that_trusts_nobody_asks_for_no_signature_and_says_so(site: Site) -> None:
    os.unlink(site.paths.signers)
    assert site.verify("", "") == {"state": "not_enforced"}


def test_signers_for_something_else_sign_no_releases(site: Site) -> None:
    site.trust(site.people["ann"].line("quality", namespace="bundle@example.com"))
    message = site.refused(release(), site.people["ann"].sign(release()))
    assert "nobody may sign for quality; there are signers for: no tenant" in message


UNSIGNED = "release 1.0 of tenant quality is not signed, and only signed releases are accepted here (who may sign for quality: ann@example.com)"


@pytest.mark.parametrize(
    ("who", "text", "words"),
    [
        ("", release(), UNSIGNED),
        ("bob", release(), "it was signed by bob@example.com (SHA256:"),
        ("bob", release(), "who may sign for logistics and not for quality (who may sign for quality: ann@example.com)"),
        ("eve", release(), "it was signed with a key that is not known here: (SHA256:"),
        ("former", release(), "it was signed with a key that is revoked: former@example.com (SHA256:"),
        ("ann", release("2.0"), "the signed file is of release 2.0, and not of release 1.0"),
        ("ann", release(tenant="logistics"), "the signed file is of tenant logistics, and not of tenant quality"),
        ("ann", release(digest="sha256:" + "00" * 32), "the signed file does not name sha256:abab"),
        ("ann", release(model="00" * 32), "the signed file does not name cdcd"),
        ("ann", "release: 1.0\n", "found none, wanted one line `tenant: ...`"),
    ],
)  # fmt: skip
def test_what_is_not_trusted_is_refused_with_the_reason(site: Site, who: str, text: str, words: str) -> None:
    assert words in site.refused(text, site.people[who].sign(text) if who else "")


def test_a_wrong_digest_names_the_workload(site: Site) -> None:
    text = release()
    with pytest.raises(NodeError) as caught:
        site.verify(text, site.people["ann"].sign(text), digest="sha256:" + "00" * 32)
    assert caught.value.workload == "app"


@pytest.mark.parametrize("change", [lambda text: text + "\n", lambda text: text.replace("vision", "other"), str.strip])
def test_a_file_that_was_changed_after_it_was_signed(site: Site, change: t.Callable[[str], str]) -> None:
    text = release()
    message = site.refused(change(text), site.people["ann"].sign(text))
    assert "the file is not what ann@example.com (SHA256:" in message and "changed afterwards" in message


def test_a_signature_for_another_purpose(site: Site) -> None:
    message = site.refused(release(), site.people["ann"].sign(release(), "git"))
    assert "it was signed for 'git', wanted 'physical-ai-release'" in message


@pytest.mark.parametrize("signature", ["garbage", GARBAGE, "\n"])
def test_what_is_no_signature(site: Site, signature: str) -> None:
    assert "it is not a signature of ssh-keygen" in site.refused(release(), signature)


def test_text_that_cannot_be_written_is_refused(site: Site) -> None:
    assert "not UTF-8" in site.refused(release() + "\ud800", site.people["ann"].sign(release()))


def test_signers_that_cannot_be_read_trust_nobody(site: Site) -> None:
    good = site.people["ann"].sign(release())
    site.trust(site.people["ann"].line("quality") + "* everything\n")
    assert "signers: line 2: found '*'" in site.refused(release(), good)
    site.trust(site.people["ann"].line("quality"))
    site.revoke("what is this\n")
    assert "signers-revoked: line 1: found a key of the type 'what'" in site.refused(release(), good)
    (site.configuration / "signers").write_bytes(b"\xff\xfe")
    assert "no UTF-8 text" in site.refused(release(), good)


def test_a_revocation_list_of_openssh_counts_too(site: Site, tmp_path: Path) -> None:
    good = site.people["ann"].sign(release())
    keygen("-k", "-f", str(site.configuration / "signers-revoked"), str(site.people["former"].path) + ".pub")
    assert site.verify(release(), good)["state"] == "verified"
    keygen("-k", "-u", "-f", str(site.configuration / "signers-revoked"), str(site.people["ann"].path) + ".pub")
    assert "it was signed with a key that is revoked" in site.refused(release(), good)


def test_a_key_is_rotated_and_the_old_one_taken_away(site: Site) -> None:
    old, new = site.people["ann"], site.people["eve"]
    site.trust(old.line("quality") + new.line("quality"))
    for person in (old, new):
        assert site.verify(release(), person.sign(release()))["name"] == f"{person.name}@example.com"
    site.trust(new.line("quality"))
    assert "not known here" in site.refused(release(), old.sign(release()))
    assert site.verify(release(), new.sign(release()))["state"] == "verified"


def test_without_ssh_keygen_nothing_is_accepted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    good = site.people["ann"].sign(release())
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "`ssh-keygen` cannot be run" in site.refused(release(), good)


# -- the program -------------------------------------------------------------------------------------------------------


class Idle:
    """An engine that runs nothing, and does not expect to be asked for anything that changes something."""

    def containers(self) -> t.List[t.Any]:
        return []

    def info(self) -> Info:
        return Info("28.0", "/", "systemd", 4, 8 << 30, False)


@pytest.fixture
def node(site: Site) -> Node:
    return Node(site.paths, t.cast(t.Any, Idle()))


def ask(**more: t.Any) -> Request:
    more.setdefault("specs", spec.render([workload()]))
    return Request(id="a1", tenant="quality", release="1.0", **more)


def test_the_node_refuses_before_it_asks_the_engine_for_anything(node: Node) -> None:
    result = program.apply(node, ask(force=True, signed_text="release: 1.0\n# geheim", signature="garbage"))
    assert (result["class"], result["cause"], result["changed"]) == ("refused", "signature", False)
    assert result["workloads"]["app"]["class"] == "refused"
    entry = ledger.read(node.paths)[-1]
    assert (entry["class"], entry["cause"], entry["msg"]) == ("refused", "signature", result["msg"])
    assert node.store.load().tenants["quality"].last == result
    assert node.store.load().tenants["quality"].workloads == {}
    for root, _folders, names in os.walk(node.paths.root):
        for name in names:
            assert b"geheim" not in Path(root, name).read_bytes()


def test_the_plan_the_result_and_the_ledger_say_who_signed(
    node: Node, site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = release()
    request = ask(specs=[], signed_text=text, signature=site.people["ann"].sign(text))
    assert plan(node, request, tmp_path, capsys)["signer"]["name"] == "ann@example.com"
    result = program.apply(node, request)
    assert result["class"] == "success" and result["signer"]["name"] == "ann@example.com"
    node.store.close(node.store.load(), "quality", result)
    assert ledger.read(node.paths)[-1]["signer"] == result["signer"]
    assert ledger_command.entry(ledger.read(node.paths)[-1]).startswith(
        "release 1.0 of quality, signed by ann@example.com: success"
    )
    assert plan(node, ask(), tmp_path, capsys)["untrusted"] == UNSIGNED


def plan(node: Node, request: Request, folder: Path, capsys: pytest.CaptureFixture[str]) -> t.Dict[str, t.Any]:
    path = folder / "request.json"
    path.write_text(json.dumps(request.to_json()), encoding="utf-8")
    assert change_command._plan(node, cli.parse(["plan", str(path)])) == 0
    found: t.Dict[str, t.Any] = json.loads(capsys.readouterr().out)
    return found


def test_only_what_ran_here_comes_back_without_a_signature(node: Node) -> None:
    old, new = spec.render([workload()])[0], spec.render([workload(command=["x"])])[0]
    state = node.store.load()
    state.tenant("quality").workloads["app"] = Workload(
        current=Deployment(new, spec.digest(new), "edge-quality-app-2", "sha256:2", "2.0", 2),
        previous=Deployment(old, spec.digest(old), "edge-quality-app-1", "sha256:1", "1.0", 1),
    )
    assert program.signer(node, state, ask(specs=[dict(old, endpoints={})], revert=True)) == {"state": "revert"}
    never = spec.render([workload(command=["y"])])
    for request in (ask(specs=never, revert=True), ask(specs=[old])):
        with pytest.raises(NodeError, match="is not signed"):
            program.signer(node, state, request)
