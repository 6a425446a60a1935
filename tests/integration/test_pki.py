# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook pki as ansible-playbook runs it, with the real openssl and community.crypto; nodes are folders.

Kiruna has a gateway; narvik has none, so its issuing CA is on the controller.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._node import ca, ca_issue
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths
from tests.integration.stand_in import Collection
from tests.tools.sync import ROOT
from tests.unit.plugins.module_utils._node import authorities
from tests.unit.plugins.module_utils._node.authorities import Person

SITES = {"kiruna-gw01": "kiruna", "kiruna-cam01": "kiruna", "narvik-box01": "narvik"}
ADDRESSES = {"kiruna-gw01": "10.20.1.2", "kiruna-cam01": "10.20.1.11", "narvik-box01": "10.30.1.5"}
KIRUNA = {host: site for host, site in SITES.items() if site == "kiruna"}
SECRET = "correct horse battery"


def module() -> str:
    """The real module, on a node that is a folder."""
    source = (ROOT / "plugins" / "modules" / "certificate_authority.py").read_text(encoding="utf-8")
    here = 'module.params["path"] or os.path.dirname(module._remote_tmp) + "/ca"'
    found = source.replace('path = module.params["path"]\n', f"path = {here}\n")
    found = found.replace('if not module.params["path"] and', "if False and")
    assert found.count("module._remote_tmp") == 1 and "if False and" in found
    return found


class Fleet(Collection):
    def inventory(self, sites: Mapping[str, str]) -> dict[str, Any]:
        found = super().inventory(sites)
        for host, variables in found["all"]["hosts"].items():
            site = SITES[host]
            variables.update(edge_site=site, edge_fleet="acme", edge_address=ADDRESSES[host])
            variables.update(edge_networks={"site": [re.sub(r"\d+$", "0/24", ADDRESSES[host])]})
            variables.update(edge_gateway="kiruna-gw01" if site == "kiruna" else "")
        return found

    def pki(self, root: Path, sites: Mapping[str, str] | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
        place = "{{ ansible_remote_tmp | dirname }}/pki"
        extra = {
            "site_ca_root_path": str(root),
            "site_ca_root_passphrase": SECRET,
            "__site_ca_node_path": place,
            **more,
        }
        file = root.with_suffix(".json")
        file.write_text(json.dumps(extra), encoding="utf-8")
        check = ["--check"] if more.pop("check", False) else []
        return self.play("physical_ai.edge.pki", sites or SITES, "-e", f"@{file}", "--diff", *check)

    def authority(self, root: Path, site: str = "kiruna") -> ca.Authority:
        place = self.node("kiruna-gw01") / "ca" if site == "kiruna" else root / "sites" / site / "ca"
        return ca.Authority(Paths(str(self.node("controller"))), str(place))

    def trust(self, host: str, name: str = "trust.pem") -> str:
        return (self.node(host) / "pki" / name).read_text(encoding="utf-8")

    def verify(self, host: str, person: Person) -> str:
        """What a node says of a certificate, by what the playbook gave it."""
        folder = self.node(host) / "verify"
        folder.mkdir(exist_ok=True)
        for name, text in (("leaf", person.leaf), ("chain", person.chain)):
            (folder / name).write_text(text, encoding="utf-8")
        pki = self.node(host) / "pki"
        argv = ["openssl", "verify", "-trusted", str(pki / "trust.pem"), "-untrusted", "chain"]
        argv += ["-CRLfile", str(pki / "crl.pem"), "-crl_check_all", "leaf"]
        done = subprocess.run(argv, cwd=folder, text=True, capture_output=True, check=False)
        return "good" if done.returncode == 0 else ca.reason(done.stderr)


def good(done: subprocess.CompletedProcess[str]) -> int:
    """How many tasks changed something."""
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PRIVATE KEY" not in done.stdout and SECRET not in done.stdout
    return sum(int(count) for count in re.findall(r"changed=(\d+)", done.stdout))


def bad(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode != 0, done.stdout
    return " ".join(done.stdout.split())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Fleet, Path]:
    """A fleet after the first run."""
    authorities.needed()
    folder = tmp_path_factory.mktemp("pki")
    fleet, root = Fleet(folder / "fleet", certificate_authority=module()), folder / "pki"
    done = fleet.pki(root, check=True)
    assert done.returncode == 0 and "one would be made" in done.stdout and not root.exists()
    assert good(fleet.pki(root)) > 0
    return fleet, root


@pytest.fixture
def fleet(made: tuple[Fleet, Path], tmp_path: Path) -> tuple[Fleet, Path, Person]:
    """A copy of it, with a camera that has a certificate."""
    source, root = made
    fleet, kept = Fleet(tmp_path / "fleet", certificate_authority=module()), tmp_path / "pki"
    shutil.copytree(source.node("x").parent, fleet.node("x").parent, symlinks=True, dirs_exist_ok=True)
    shutil.copytree(root, kept, symlinks=True)
    camera = Person(tmp_path / "keys", "kiruna-cam01")
    camera.ask(fleet.authority(kept))
    return fleet, kept, camera


def test_the_second_run_changes_nothing(made: tuple[Fleet, Path]) -> None:
    fleet, root = made
    assert good(fleet.pki(root)) == 0
    assert good(fleet.pki(root, check=True)) == 0


def test_each_site_has_an_issuing_ca_and_nodes_trust_the_root(fleet: tuple[Fleet, Path, Person]) -> None:
    site, root, camera = fleet
    assert "ENCRYPTED PRIVATE KEY" in (root / "root.key").read_text(encoding="utf-8")
    assert all(site.verify(host, camera) == "good" for host in ("kiruna-gw01", "kiruna-cam01"))
    assert "unable to get certificate CRL" in site.verify("narvik-box01", camera)
    box = Person(root.parent / "keys", "narvik-box01")
    box.ask(site.authority(root, "narvik"))
    assert site.verify("narvik-box01", box) == "good"
    assert not list(root.glob("sites/kiruna/**/ca.key")), "the key of a gateway's issuing CA is on the gateway only"
    rules = site.authority(root).allowed()
    assert rules["nodes"]["kiruna-cam01"]["certificates"]["node"] == {
        "dns": ["kiruna-cam01.kiruna.acme.internal"],
        "ip": ["10.20.1.11"],
        "uri": ["spiffe://acme/site/kiruna/node/kiruna-cam01"],
    }
    assert "narvik-box01" not in rules["nodes"]


def test_what_is_revoked_reaches_nodes(fleet: tuple[Fleet, Path, Person]) -> None:
    site, root, camera = fleet
    gone = [{"node": "kiruna-cam01"}]
    good(site.pki(root, KIRUNA, site_ca_revoke=gone, site_ca_blocked=["kiruna-cam01"]))
    assert site.verify("kiruna-gw01", camera) == "certificate revoked"
    assert site.authority(root).allowed()["nodes"]["kiruna-cam01"]["blocked"]


def test_a_new_root_without_an_outage(fleet: tuple[Fleet, Path, Person]) -> None:
    """New trust first, then issuing CAs and leaves, then the old trust goes; at every step the camera is believed."""
    site, root, camera = fleet
    new: dict[str, Any] = {"site_ca_root_name": "root-2", "site_ca_root_common_name": "acme root 2"}
    extra: dict[str, Any] = {**new, "site_ca_roots_old": ["root"]}
    good(site.pki(root, pki_phase="trust", **extra))
    assert site.trust("kiruna-gw01").count("BEGIN CERTIFICATE") == 2 and site.verify("kiruna-gw01", camera) == "good"

    cut = {**SITES, "kiruna-cam01": "nowhere"}
    assert "kiruna-cam01: not told yet which roots count" in bad(site.pki(root, cut, **extra))
    good(site.pki(root, **extra))
    assert site.verify("kiruna-gw01", camera) == "good"
    assert good(site.pki(root, **extra)) == 0

    assert "still in use" in bad(site.pki(root, pki_phase="retire", **extra))
    assert site.trust("kiruna-cam01").count("BEGIN CERTIFICATE") == 2, "the old root stays where it is needed"
    camera.keep(ca_issue.renew(site.authority(root), camera.signed()))
    assert site.verify("kiruna-gw01", camera) == "good"
    good(site.pki(root, pki_phase="retire", **extra))
    assert site.trust("kiruna-cam01").count("BEGIN CERTIFICATE") == 1
    assert site.verify("kiruna-cam01", camera) == "good"
    assert good(site.pki(root, **new)) == 0


def test_a_gateway_that_was_replaced(fleet: tuple[Fleet, Path, Person]) -> None:
    site, root, camera = fleet
    shutil.rmtree(site.node("kiruna-gw01") / "ca")
    message = bad(site.pki(root, KIRUNA))
    assert "kiruna-gw01 has no issuing CA, and the root has signed one for the site kiruna" in message
    good(site.pki(root, KIRUNA, site_ca_replaced=True))
    assert site.verify("kiruna-gw01", camera) == "unable to get certificate CRL", (
        "nobody says what the lost one revoked"
    )
    camera.leaf = camera.chain
    assert site.verify("kiruna-gw01", camera) == "certificate revoked"
    camera.ask(site.authority(root))
    assert site.verify("kiruna-cam01", camera) == "good"
    assert good(site.pki(root, KIRUNA)) == 0


def test_a_request_that_asks_for_more_is_not_signed(fleet: tuple[Fleet, Path, Person]) -> None:
    """A gateway in wrong hands."""
    site, root, _camera = fleet
    authority = site.authority(root)
    ca.ask(authority, {"site": "kiruna", "dns": ["acme.internal"], "ip": ["0.0.0.0/0"], "uri": ["acme"]})
    waiting = Path(authority.path("generations", authority.waiting()))
    named = json.loads((waiting / "definition.json").read_text(encoding="utf-8"))
    # It says that it is what is wanted, and is not.
    domains = ["kiruna.acme.internal", "kiruna.example.com"]
    named["wanted"].update(dns=domains, ip=["10.20.1.0/24"])
    (waiting / "definition.json").write_text(json.dumps(named), encoding="utf-8")
    message = bad(site.pki(root, KIRUNA, site_ca_domains=domains))
    assert "the request of the issuing CA is not signed: names that it may sign: found ['DNS:acme.internal'" in message


def test_mistakes_are_one_line(fleet: tuple[Fleet, Path, Person]) -> None:
    site, root, _camera = fleet
    assert "found fewer than 12 characters" in bad(site.pki(root, site_ca_root_passphrase="short"))
    assert "there is no host kiruna-cam1 in the inventory" in bad(
        site.pki(root, site_ca_certificates=[{"name": "quality.inspection", "hosts": ["kiruna-cam1"]}])
    )
    (root / "root.crt").rename(root / "away.crt")
    assert "found .key alone, wanted both .key and .crt" in bad(site.pki(root))
