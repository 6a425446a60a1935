# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook block as ansible-playbook runs it: issuing CAs are real, nodes are folders with a stand-in for their program."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.physical_ai.edge.plugins.module_utils._node import ca_issue
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from tests.integration import test_pki
from tests.integration.test_pki import SECRET, SITES, Fleet, good
from tests.unit.plugins.module_utils._node import authorities
from tests.unit.plugins.module_utils._node.authorities import Person

CUT = {**SITES, "kiruna-cam01": "nowhere"}
NODE = """
import json
from pathlib import Path
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule(argument_spec={"scope": {}, "state": {}, "stop": {"type": "bool"}, "reason": {}}, supports_check_mode=True)
asked = Path(module._remote_tmp).parent / "asked"
asked.parent.mkdir(parents=True, exist_ok=True)
with asked.open("a") as handle:
    handle.write(json.dumps(module.params) + chr(10))
module.exit_json(changed=True, msg=f"{module.params['scope']}: {module.params['state']}")
"""


class Blocked(Fleet):
    """`root` is the folder of the root."""

    def __init__(self, folder: Path, root: Path) -> None:
        super().__init__(folder, certificate_authority=test_pki.module(), block=NODE)
        self.root = root

    def block(
        self, sites: Mapping[str, str] | None = None, root: bool = False, **extra: Any
    ) -> subprocess.CompletedProcess[str]:
        given: dict[str, Any] = {"__site_ca_node_path": "{{ ansible_remote_tmp | dirname }}/pki", **extra}
        if root:
            given.update(site_ca_root_path=str(self.root), site_ca_root_passphrase=SECRET)
        file = self.root.with_suffix(".block.json")
        file.write_text(json.dumps(given), encoding="utf-8")
        return self.play("physical_ai.edge.block", sites or SITES, "-e", f"@{file}")

    def record(self) -> Any:
        file = self._folder / "blocked.yml"
        return yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None

    def asked(self, host: str) -> list[dict[str, Any]]:
        file = self.node(host) / "asked"
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Blocked:
    authorities.needed()
    folder = tmp_path_factory.mktemp("block")
    fleet = Blocked(folder / "fleet", folder / "pki")
    good(fleet.pki(fleet.root, site_ca_certificates=[{"name": "quality.inspection", "hosts": ["kiruna-cam01"]}]))
    return fleet


@pytest.fixture
def fleet(made: Blocked, tmp_path: Path) -> tuple[Blocked, Person]:
    """A copy of it, with a camera that has a certificate, and one for its workload."""
    found = Blocked(tmp_path / "fleet", tmp_path / "pki")
    shutil.copytree(made.node("x").parent, found.node("x").parent, symlinks=True, dirs_exist_ok=True)
    shutil.copytree(made.root, found.root, symlinks=True)
    camera = Person(tmp_path / "keys", "kiruna-cam01")
    camera.ask(found.authority(found.root))
    camera.ask(found.authority(found.root), "quality.inspection")
    return found, camera


def rows(done: subprocess.CompletedProcess[str]) -> dict[tuple[str, str], str]:
    """The table, `(what, where)` -> done or WAITS."""
    found = re.findall(r'"(record|node|issuing CA|list) +(\S+) +(done|WAITS)', done.stdout)
    assert found, done.stdout + done.stderr
    return {(what, where): word for what, where, word in found if what != "record"}


def test_a_node_that_answers(fleet: tuple[Blocked, Person]) -> None:
    site, camera = fleet
    done = site.block(block_node="kiruna-cam01", block_reason="stolen")
    assert done.returncode == 0, done.stdout
    assert set(rows(done).values()) == {"done"} and ("list", "kiruna-cam01") not in rows(done)
    assert site.record() == {
        "schema": 1,
        "nodes": {"kiruna-cam01": {"reason": "stolen", "since": site.record()["nodes"]["kiruna-cam01"]["since"]}},
    }
    assert [item["scope"] for item in site.asked("kiruna-cam01")] == ["all"] and not site.asked("kiruna-gw01")
    assert site.verify("kiruna-gw01", camera) == "certificate revoked"
    with pytest.raises(NodeError, match="is blocked"):
        ca_issue.renew(site.authority(site.root), camera.signed())
    # What comes after keeps to it, and finds nothing more to do.
    good(site.pki(site.root))
    assert site.authority(site.root).allowed()["nodes"]["kiruna-cam01"]["blocked"]
    assert good(site.pki(site.root)) == 0

    done = site.block(block_node="kiruna-cam01", block_state="absent")
    assert done.returncode == 0, done.stdout
    assert site.record() == {"schema": 1} and site.asked("kiruna-cam01")[-1]["state"] == "absent"
    camera.ask(site.authority(site.root))
    assert site.verify("kiruna-gw01", camera) == "good"


def test_a_node_that_cannot_be_reached_waits_for_the_next_contact(fleet: tuple[Blocked, Person]) -> None:
    site, camera = fleet
    done = site.block(CUT, block_node="kiruna-cam01", block_reason="stolen")
    assert done.returncode == 2, done.stdout
    assert rows(done)[("node", "kiruna-cam01")] == "WAITS"
    assert "kiruna-cam01" in site.record()["nodes"], "playbooks pass over it from now on"
    assert rows(done)[("issuing CA", "kiruna")] == "done"
    assert site.verify("kiruna-gw01", camera) == "certificate revoked"
    done = site.block(block_node="kiruna-cam01", block_reason="stolen")
    assert done.returncode == 0 and site.verify("kiruna-gw01", camera) == "certificate revoked"


def test_a_gateway_that_cannot_be_reached_does_it_at_the_next_push(fleet: tuple[Blocked, Person]) -> None:
    site, camera = fleet
    done = site.block({**SITES, "kiruna-gw01": "nowhere"}, block_node="kiruna-cam01", block_reason="stolen")
    assert done.returncode == 2 and rows(done)[("node", "kiruna-cam01")] == "done"
    assert rows(done)[("issuing CA", "kiruna")] == "WAITS"
    assert site.verify("kiruna-cam01", camera) == "good"
    good(site.pki(site.root))
    assert site.verify("kiruna-cam01", camera) == "certificate revoked"


def test_a_tenant_on_some_nodes(fleet: tuple[Blocked, Person]) -> None:
    site, camera = fleet
    done = site.block(block_tenant="quality", edge_hosts="kiruna-cam01", block_reason="unpaid", block_stop=True)
    assert done.returncode == 0, done.stdout
    (asked,) = site.asked("kiruna-cam01")
    assert (asked["scope"], asked["stop"]) == ("quality", True) and not site.asked("kiruna-gw01")
    revoked = json.loads((site.node("kiruna-gw01") / "ca" / "revoked.json").read_text(encoding="utf-8"))["revoked"]
    assert [item["name"] for item in revoked] == ["quality.inspection"]
    assert site.verify("kiruna-gw01", camera) == "good", "the node itself is well"
    more = [{"name": "quality.inspection", "hosts": ["kiruna-cam01"]}]
    good(site.pki(site.root, site_ca_certificates=more))
    assert list(site.authority(site.root).allowed()["nodes"]["kiruna-cam01"]["certificates"]) == ["node"]
    assert site.block(block_tenant="quality", edge_hosts="kiruna-cam01", block_state="absent").returncode == 0
    good(site.pki(site.root, site_ca_certificates=more))
    assert len(site.authority(site.root).allowed()["nodes"]["kiruna-cam01"]["certificates"]) == 2


def test_a_site(fleet: tuple[Blocked, Person]) -> None:
    site, camera = fleet
    box = Person(site.root.parent / "keys", "narvik-box01")
    box.ask(site.authority(site.root, "narvik"))
    done = site.block(root=True, block_site="kiruna", block_reason="closed")
    assert done.returncode == 0, done.stdout
    assert rows(done)[("issuing CA", "kiruna")] == "done" and rows(done)[("list", "narvik-box01")] == "done"
    camera.leaf = camera.chain
    assert site.verify("narvik-box01", camera) == site.verify("kiruna-cam01", camera) == "certificate revoked"
    assert site.verify("narvik-box01", box) == "good"
    assert good(site.pki(site.root)) == 0, "no push gives it another one"

    done = site.block(root=True, block_site="kiruna", block_state="absent")
    assert done.returncode == 0, done.stdout
    camera.ask(site.authority(site.root))
    assert site.verify("kiruna-gw01", camera) == "good"


def test_a_site_without_a_gateway_waits_for_the_root(fleet: tuple[Blocked, Person]) -> None:
    site, _camera = fleet
    box = Person(site.root.parent / "keys", "narvik-box01")
    box.ask(site.authority(site.root, "narvik"))
    done = site.block(block_node="narvik-box01", block_reason="sold")
    assert done.returncode == 2 and rows(done)[("issuing CA", "narvik")] == "WAITS"
    assert site.block(root=True, block_node="narvik-box01", block_reason="sold").returncode == 0
    with pytest.raises(NodeError, match="is blocked"):
        box.ask(site.authority(site.root, "narvik"))


def test_mistakes_change_nothing(fleet: tuple[Blocked, Person]) -> None:
    site, _camera = fleet
    mistakes: list[tuple[dict[str, Any], str]] = [
        ({}, "found 0 of them, wanted one"),
        ({"block_node": "kiruna-cam01", "block_site": "kiruna", "block_reason": "x"}, "found 2 of them"),
        ({"block_node": "kiruna-cam1", "block_reason": "x"}, "there is no host kiruna-cam1 in the inventory"),
        ({"block_node": "kiruna-cam01"}, "block_reason: say why"),
        ({"block_site": "kirun", "block_reason": "x"}, "there is no site kirun in the inventory"),
        ({"block_site": "kiruna", "block_reason": "x"}, "give site_ca_root_path"),
    ]
    for extra, words in mistakes:
        done = site.block(**extra)
        assert done.returncode != 0 and words in " ".join(done.stdout.split()), (words, done.stdout)
    assert site.record() is None and not site.asked("kiruna-cam01")
