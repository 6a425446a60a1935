# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that nobody signed, or the wrong one did, is refused with the reason: before contact, and by the node itself."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from tests.e2e.deploying import Tenant, push, sentence
from tests.unit.plugins.module_utils._node import signing
from tests.unit.plugins.module_utils._node.signing import Person

if t.TYPE_CHECKING:
    from tests.lab import Lab
    from tests.lab.playbook import PlaybookResult

pytestmark = [pytest.mark.e2e, pytest.mark.must_show("C8")]
Figure = t.Callable[[str], None]
HOST, TENANT = "kiruna-cam01", "signed"
WIPE = "rm -f /etc/physical-ai/signers*"


class Desk:
    """Where people sign releases, and the node that is to run them."""

    def __init__(self, lab: Lab, tenant: Tenant, folder: Path) -> None:
        self.lab, self.tenant, self.folder = lab, tenant, folder
        self.people = {name: Person(folder, name) for name in ("ann", "next", "bob", "eve")}
        self.number = 0

    def signers(self, *names: str) -> str:
        """A file on the controller: bob signs for another tenant, everybody else for ours."""
        path = self.folder / "signers"
        lines = [self.people[name].line("logistics" if name == "bob" else TENANT) for name in names]
        path.write_text("".join(lines), encoding="utf-8")
        return str(path)

    def trust(self, *names: str, revoked: t.Sequence[str] = ()) -> None:
        gone = [self.people[name].public for name in revoked]
        variables = {"edge_signers": self.signers(*names), "trust_revoked": gone}
        self.lab.playbook("playbooks/trust.yml", "--limit", HOST, extra_vars=variables)

    def text(self, image: str) -> str:
        """The next release, as a person would write it: not one line of JSON."""
        self.number += 1
        workload = json.dumps(self.tenant.workload(image))
        return f'# the next one\nrelease: "1.{self.number}"\ntenant: {TENANT}\nworkloads:\n  - {workload}\n'

    def release(self, image: str, signer: str = "") -> Path:
        text = self.text(image)
        path = self.folder / f"1.{self.number}.yml"
        path.write_text(text, encoding="utf-8")
        if signer:
            path.with_name(f"{path.name}.sig").write_text(self.people[signer].sign(text), encoding="utf-8")
        return path

    def deploy(self, path: Path, *arguments: str, **variables: t.Any) -> PlaybookResult:
        variables["release"] = str(path)
        return self.lab.playbook("playbooks/deploy.yml", "--limit", HOST, *arguments, extra_vars=variables, check=False)

    def has(self, image: str) -> bool:
        inspect = ["docker", "image", "inspect", self.tenant.images[image]]
        return self.tenant.node.exec(inspect, check=False).returncode == 0


@pytest.fixture(scope="module")
def desk(provisioned_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Desk]:
    signing.needed()
    images = push(provisioned_lab, "ok-1", "ok-72")  # no other test has the latter
    tenant = Tenant(provisioned_lab.nodes[HOST], TENANT, images, 18360)
    tenant.node.exec(WIPE)
    tenant.wipe()
    found = Desk(provisioned_lab, tenant, tmp_path_factory.mktemp("signing"))
    found.trust("ann", "bob")
    yield found
    provisioned_lab.heal()
    tenant.node.exec(WIPE)
    tenant.wipe()


@pytest.fixture
def running(desk: Desk) -> t.Iterator[Desk]:
    """Version 1 runs, signed, and version 2 is not on the node. After the test the same container runs, untouched."""
    desk.trust("ann", "bob")
    done = desk.deploy(desk.release("ok-1", "ann"))
    assert done.rc == 0, done.stdout
    desk.tenant.node.exec(f"docker image rm -f {desk.tenant.images['ok-72']} >/dev/null 2>&1 || true")
    before = desk.tenant.identity()
    yield desk
    assert desk.tenant.identity() == before
    assert desk.tenant.answers() == "1"


BAD = [
    ("", f"of tenant {TENANT} is not signed, and only signed releases are accepted here"),
    ("bob", f"who may sign for logistics and not for {TENANT}"),
    ("eve", "it was signed with a key that is not known here"),
]


@pytest.mark.parametrize(("signer", "words"), BAD, ids=["unsigned", "other-tenant", "unknown"])
def test_the_playbook_refuses_before_contact(running: Desk, signer: str, words: str, figure: Figure) -> None:
    """The link of the site is cut: whoever tried to reach the node would say that it cannot be reached."""
    path = running.release("ok-72", signer)
    running.lab.cut("kiruna")
    try:
        done = running.deploy(path, edge_signers=running.signers("ann", "bob"))
    finally:
        running.lab.restore("kiruna")
    assert done.rc != 0 and words in done.stdout, done.stdout
    assert "UNREACHABLE" not in done.stdout
    figure(f"signed by {signer or 'nobody'}: refused on the controller, the node not reached")


@pytest.mark.parametrize("check", [[], ["--check"]], ids=["run", "check"])
@pytest.mark.parametrize(("signer", "words"), BAD, ids=["unsigned", "other-tenant", "unknown"])
def test_the_node_refuses_by_itself(running: Desk, signer: str, words: str, check: list[str], figure: Figure) -> None:
    """F33: a controller that asks for no signature does not make a node run what is not signed."""
    done = running.deploy(running.release("ok-72", signer), *check)
    assert done.rc != 0 and words in done.stdout, done.stdout
    assert not running.has("ok-72"), "nothing was fetched"
    if not check:
        entry = json.loads(running.tenant.node.exec("edge ledger --lines 1 --json").stdout)["entries"][-1]
        assert (entry["class"], entry["cause"]) == ("refused", "signature"), entry
        figure(f"signed by {signer or 'nobody'}: the node says: {entry['msg']}")


@pytest.mark.parametrize("force", [False, True])
def test_what_was_changed_after_it_was_signed(running: Desk, force: bool) -> None:
    path = running.release("ok-1", "ann")
    text = path.read_text(encoding="utf-8")
    one, two = (running.tenant.images[name].partition("@")[2] for name in ("ok-1", "ok-72"))
    path.write_text(text.replace(one, two), encoding="utf-8")
    done = running.deploy(path, workloads_force=force)
    assert done.rc != 0 and "it was changed afterwards" in done.stdout, done.stdout
    assert not running.has("ok-72")


def test_a_good_signature_does_not_cover_another_image(running: Desk) -> None:
    """What asks for a workload that the signed file does not name, as a controller in wrong hands would."""
    text = running.text("ok-1")
    more = {"signed_text": text, "signature": running.people["ann"].sign(text)}
    result = running.tenant.deploy(running.tenant.workload("ok-72"), release=f"1.{running.number}", **more)
    assert (result["class"], result["cause"]) == ("refused", "signature")
    assert f"the signed file does not name {running.tenant.images['ok-72'].partition('@')[2]}" in sentence(result)
    assert not running.has("ok-72")


def test_a_key_is_rotated_and_a_revoked_one_refused(running: Desk, figure: Figure) -> None:
    running.trust("ann", "next", "bob")
    for signer in ("ann", "next"):
        path, both = running.release("ok-1", signer), running.signers("ann", "next")
        done = running.deploy(path, edge_signers=both)
        assert done.rc == 0, done.stdout
        assert f"is signed by {signer}@example.com" in running.deploy(path, "-v", edge_signers=both).stdout
    running.trust("ann", "next", "bob", revoked=["ann"])
    done = running.deploy(running.release("ok-72", "ann"))
    assert done.rc != 0 and "it was signed with a key that is revoked: ann@example.com" in done.stdout, done.stdout
    assert not running.has("ok-72")
    done = running.deploy(running.release("ok-1", "next"))
    assert done.rc == 0, done.stdout
    figure("old and new key signed side by side, then the old one was revoked and refused; what ran was not touched")


def test_the_ledger_says_who_signed_and_the_way_back_needs_no_signature(desk: Desk) -> None:
    desk.trust("ann")
    for image in ("ok-1", "ok-72"):
        done = desk.deploy(desk.release(image, "ann"))
        assert done.rc == 0, done.stdout
    last = json.loads(desk.tenant.node.exec("edge ledger --lines 1 --json").stdout)["entries"][-1]
    assert (last["class"], last["signer"]["state"], last["signer"]["name"]) == (
        "success",
        "verified",
        "ann@example.com",
    )
    assert ", signed by ann@example.com: success" in desk.tenant.node.exec("edge ledger --lines 1").stdout
    desk.trust("ann", "next", revoked=["ann"])
    back = json.loads(desk.tenant.node.exec(f"edge revert {TENANT} --json", timeout=120).stdout)
    assert (back["class"], back["signer"]) == ("success", {"state": "revert"}), back["msg"]
    assert desk.tenant.answers() == "1"


def test_nothing_of_the_file_stays_on_the_node(running: Desk) -> None:
    """The release file may hold values that are nobody else's business."""
    text = running.text("ok-1") + "# geheim-4711\n"
    path = running.folder / f"1.{running.number}.yml"
    path.write_text(text, encoding="utf-8")
    path.with_name(f"{path.name}.sig").write_text(running.people["ann"].sign(text), encoding="utf-8")
    done = running.deploy(path, "-vvv")
    assert done.rc == 0, done.stdout
    assert "geheim-4711" not in done.stdout
    look = "grep -rl geheim-4711 /var/lib/physical-ai /etc/physical-ai /run/physical-ai /tmp /root 2>/dev/null; journalctl -o cat | grep geheim-4711"
    assert running.tenant.node.exec(look, check=False).stdout == ""
