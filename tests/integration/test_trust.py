# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role trust and its module on a real node: check mode, twice, diff mode, rotation, revocation, bad input."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.integration.modules import call, one_line
from tests.unit.plugins.module_utils._node import signing
from tests.unit.plugins.module_utils._node.signing import Person

if t.TYPE_CHECKING:
    from tests.lab import Lab
    from tests.lab.playbook import PlaybookResult

HOST = "lulea-cam01"
SIGNERS, REVOKED = "/etc/physical-ai/signers", "/etc/physical-ai/signers-revoked"


@pytest.fixture
def people(tmp_path: Path) -> tuple[Person, Person]:
    signing.needed()
    return Person(tmp_path, "ann"), Person(tmp_path, "bob")


@pytest.fixture
def clean(provisioned_lab: Lab) -> t.Iterator[Lab]:
    wipe = f"rm -f {SIGNERS}* {REVOKED}*"
    provisioned_lab.nodes[HOST].exec(wipe)
    yield provisioned_lab
    provisioned_lab.nodes[HOST].exec(wipe)


def run(lab: Lab, *arguments: str, **variables: t.Any) -> PlaybookResult:
    return lab.playbook("playbooks/trust.yml", "--limit", HOST, "--diff", *arguments, extra_vars=variables, check=False)


def content(lab: Lab, path: str) -> str:
    return lab.nodes[HOST].exec(f"cat {path} 2>/dev/null || true").stdout


def test_the_role_tells_the_truth_and_the_second_run_does_nothing(
    clean: Lab, people: tuple[Person, Person], tmp_path: Path
) -> None:
    ann, bob = people
    (tmp_path / "signers").write_text(ann.line("quality"), encoding="utf-8")
    (tmp_path / "revoked").write_text(f"# gone\n\n{bob.public}\n", encoding="utf-8")
    wanted = {"edge_signers": str(tmp_path / "signers"), "edge_signers_revoked": str(tmp_path / "revoked")}

    foreseen = run(clean, "--check", **wanted)
    assert (foreseen.rc, foreseen.changed) == (0, 1), foreseen.stdout
    assert content(clean, SIGNERS) == ""
    done = run(clean, **wanted)
    assert (done.rc, done.changed) == (0, 1), done.stdout

    def shown(stdout: str) -> list[str]:
        return [line for line in stdout.splitlines() if line.startswith(("+", "-"))]

    assert shown(foreseen.stdout) == shown(done.stdout)
    assert f"+{ann.line('quality').strip()}" in shown(done.stdout)
    assert content(clean, SIGNERS) == ann.line("quality")
    assert bob.public in content(clean, REVOKED)
    modes = clean.nodes[HOST].exec(["stat", "-c", "%U %a", SIGNERS, REVOKED]).stdout.split("\n")
    assert modes[:2] == ["root 644", "root 644"]
    for again in (run(clean, **wanted), run(clean, "--check", **wanted)):
        assert (again.rc, again.changed) == (0, 0), again.stdout


def test_a_list_rotates_and_revokes(clean: Lab, people: tuple[Person, Person]) -> None:
    ann, bob = people
    one = {"tenants": ["quality"], "key": ann.public}
    two = {"tenants": ["quality", "logistics"], "key": bob.public, "name": "build server"}
    assert run(clean, trust_signers=[one]).changed == 1
    assert run(clean, trust_signers=[one, two]).changed == 1
    assert "build server" in content(clean, SIGNERS)
    assert "build server" not in content(clean, SIGNERS + ".previous")
    assert run(clean, trust_signers=[two], trust_revoked=[ann.public]).changed == 1
    assert ann.public not in content(clean, SIGNERS) and ann.public in content(clean, REVOKED)
    assert run(clean, trust_signers=[two]).changed == 1
    assert content(clean, REVOKED) == ""


def test_bad_input_is_one_line_and_changes_nothing(clean: Lab, people: tuple[Person, Person]) -> None:
    ann = people[0]
    good = [{"tenants": ["quality"], "key": ann.public}]
    call(clean, HOST, "trust", signers=good)
    before = content(clean, SIGNERS)
    for arguments, words in (
        ({"signers": []}, "nobody could sign a release any more: give at least one signer"),
        ({"signers": good, "revoked": [ann.public]}, "because all of them are revoked"),
        ({"signers": [{"tenants": ["*"], "key": ann.public}]}, "signers[0].tenants[0]: found '*'"),
        ({"signers": [{"tenants": ["quality"], "key": "ssh-ed25519 AAAA"}]}, "the key is damaged"),
    ):
        assert words in one_line(call(clean, HOST, "trust", **arguments))
    assert content(clean, SIGNERS) == before
    absent = run(clean, edge_signers="/nowhere/signers")
    assert absent.rc != 0 and "there is no file /nowhere/signers: give the path of a file" in absent.stdout
    unknown = run(clean, trust_signers=good, trust_revokde=[])
    assert unknown.rc != 0 and "did you mean trust_revoked?" in unknown.stdout
    assert run(clean, trust_allow_none=True).changed == 1
    assert content(clean, SIGNERS) == ""
