# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook replace as ansible-playbook runs it: issuing CAs are real, and the playbooks that it goes through say that they ran."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._node import ca_issue
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from tests.integration import test_pki
from tests.integration.test_pki import SECRET, SITES, Fleet, good
from tests.unit.plugins.module_utils._node import authorities
from tests.unit.plugins.module_utils._node.authorities import Person

HARDWARE = """
import json
from pathlib import Path
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule(argument_spec={"camera_ioctl": {"type": "bool"}}, supports_check_mode=True)
module.exit_json(hardware=json.loads((Path(module._remote_tmp).parent / "hardware.json").read_text()))
"""
RAN = """
- name: Say that it ran
  hosts: "{{ edge_hosts }}"
  gather_facts: false
  tasks:
    - name: Say it
      ansible.builtin.debug:
        msg: "ran NAME on {{ inventory_hostname }}{{ ', another key' if bootstrap_replace | default(false) else '' }}"
"""


class Replaced(Fleet):
    def __init__(self, folder: Path, root: Path) -> None:
        super().__init__(folder, certificate_authority=test_pki.module(), hardware_info=HARDWARE)
        self.root = root
        for name in ("bootstrap", "restore", "provision", "rotate_certificates", "secrets", "deploy"):
            text = RAN.replace("NAME", name)
            (self.path / "playbooks" / f"{name}.yml").write_text(text, encoding="utf-8")

    def is_box(self, host: str, serial: str, recorded: bool = False) -> None:
        facts = {"machine": {"serial": serial, "uuid": None, "id": f"id of {serial}"}}
        (self.node(host) / "hardware.json").write_text(json.dumps(facts), encoding="utf-8")
        if recorded:
            record = self._folder / "hardware" / f"{host}.json"
            record.parent.mkdir(exist_ok=True)
            record.write_text(json.dumps({"schema": 1, "host": host, "hardware": facts}), encoding="utf-8")

    def replace(self, node: str, **extra: Any) -> subprocess.CompletedProcess[str]:
        place = {"__site_ca_node_path": "{{ ansible_remote_tmp | dirname }}/pki"}
        given = {"replace_node": node, "site_ca_root_path": str(self.root), "site_ca_root_passphrase": SECRET, **place}
        file = self.root.with_suffix(".replace.json")
        file.write_text(json.dumps({**given, "edge_operators": "x", **extra}), encoding="utf-8")
        return self.play("physical_ai.edge.replace", SITES, "-e", f"@{file}")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Replaced:
    authorities.needed()
    folder = tmp_path_factory.mktemp("replace")
    fleet = Replaced(folder / "fleet", folder / "pki")
    good(fleet.pki(fleet.root))
    return fleet


@pytest.fixture
def fleet(made: Replaced, tmp_path: Path) -> tuple[Replaced, Person]:
    found = Replaced(tmp_path / "fleet", tmp_path / "pki")
    shutil.copytree(made.node("x").parent, found.node("x").parent, symlinks=True, dirs_exist_ok=True)
    shutil.copytree(made.root, found.root, symlinks=True)
    camera = Person(tmp_path / "keys", "kiruna-cam01")
    camera.ask(found.authority(found.root))
    return found, camera


def ran(done: subprocess.CompletedProcess[str]) -> list[str]:
    return re.findall(r'"ran (\w+ on [^"]+)"', done.stdout)


def test_a_node(fleet: tuple[Replaced, Person]) -> None:
    site, camera = fleet
    site.is_box("kiruna-cam01", "OLD1", recorded=True)
    site.is_box("kiruna-cam01", "NEW2")
    done = site.replace("kiruna-cam01", release="x")
    assert done.returncode == 0, done.stdout
    here = "on kiruna-cam01"
    steps = [f"{name} {here}" for name in ("provision", "rotate_certificates", "secrets", "deploy")]
    assert ran(done) == [f"bootstrap {here}, another key", *steps]
    assert re.findall(r'"(\w+) +\d+ s"', done.stdout) == [
        "bootstrap",
        "revoke",
        "restore",
        "provision",
        "pki",
        "certificates",
        "secrets",
        "deploy",
        "all",
    ]
    # The old box, powered on later.
    assert site.verify("kiruna-gw01", camera) == site.verify("kiruna-cam01", camera) == "certificate revoked"
    with pytest.raises(NodeError, match="revoked"):
        ca_issue.renew(site.authority(site.root), camera.signed())
    camera.ask(site.authority(site.root))  # the new one gets its first by push
    assert site.verify("kiruna-gw01", camera) == "good"
    assert "this is the box that was there before (serial number NEW2)" in " ".join(
        site.replace("kiruna-cam01").stdout.split()
    )
    assert site.verify("kiruna-gw01", camera) == "good", "nothing was revoked of it"


def test_a_gateway(fleet: tuple[Replaced, Person]) -> None:
    site, camera = fleet
    site.is_box("kiruna-gw01", "OLD1", recorded=True)
    site.is_box("kiruna-gw01", "NEW2")
    shutil.rmtree(site.node("kiruna-gw01") / "ca")
    done = site.replace("kiruna-gw01", restore_key="operator.key")
    assert done.returncode == 0, done.stdout
    assert [line.split()[0] for line in ran(done)] == [
        "bootstrap",
        "restore",
        "provision",
        *["rotate_certificates"] * 2,
    ]
    camera.leaf = camera.chain
    assert site.verify("kiruna-cam01", camera) == "certificate revoked", "what the old box could sign"
    camera.ask(site.authority(site.root))
    assert site.verify("kiruna-cam01", camera) == "good"


def test_a_box_that_nobody_wrote_down(fleet: tuple[Replaced, Person]) -> None:
    site, camera = fleet
    site.is_box("kiruna-cam01", "NEW2")
    done = site.replace("kiruna-cam01")
    assert done.returncode != 0 and "say replace_unrecorded=true" in " ".join(done.stdout.split())
    assert site.verify("kiruna-gw01", camera) == "good" and ran(done) == ["bootstrap on kiruna-cam01, another key"]
    assert site.replace("kiruna-cam01", replace_unrecorded=True).returncode == 0
    assert site.verify("kiruna-gw01", camera) == "certificate revoked"


def test_mistakes_touch_nothing(fleet: tuple[Replaced, Person]) -> None:
    site, _camera = fleet
    for node, extra, words in (
        ("kiruna-cam1", {}, "there is no host 'kiruna-cam1' in the inventory"),
        ("kiruna-cam01", {"edge_hosts": "all"}, "replace_node says which box it is"),
    ):
        done = site.replace(node, **extra)
        assert done.returncode != 0 and words in " ".join(done.stdout.split()) and not ran(done)
    (site._folder / "blocked.yml").write_text("{schema: 1, nodes: {kiruna-cam01: {reason: stolen}}}", encoding="utf-8")
    done = site.replace("kiruna-cam01")
    assert "kiruna-cam01 is blocked: stolen: let it in again first" in " ".join(done.stdout.split()) and not ran(done)
