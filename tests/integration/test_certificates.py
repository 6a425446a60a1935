# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role certificates and its playbooks as ansible-playbook runs them, with the real node program and the real openssl; nodes are folders.

Kiruna has a gateway; narvik has none, so its issuing CA is on the controller.
"""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_pki import KIRUNA, SITES, Fleet, bad, good
from tests.integration.test_pki import module as authority_module
from tests.tools.sync import BUILD, ROOT
from tests.unit.plugins.module_utils._node import authorities

GATEWAY, CAMERA, BOX = SITES
WORKLOAD = "quality.inspection"
PROGRAM = """#!{python}
import sys
sys.path.insert(0, {build!r})
from ansible_collections.physical_ai.edge.plugins.module_utils._node import cli, files, node, engine
cli.Node = lambda: node.Node(files.Paths({root!r}), engine.Engine("false"))
cli.os.geteuid = lambda: 0
sys.exit(cli.main())
"""
CERTIFICATES: dict[str, Any] = {"site_ca_certificates": [{"name": WORKLOAD, "hosts": [CAMERA]}]}
RINGS = {GATEWAY: "canary", CAMERA: "early", BOX: "broad"}
STAGES: list[dict[str, Any]] = [
    {"name": "canary", "rings": ["canary"], "soak": "1s"},
    {"name": "early", "rings": ["early"]},
    {"name": "broad", "rings": "rest", "min_success": 0},
]
# What a node says of what it looks at, where a test has something to say.
SICK = """    if prove and __import__('os').path.exists(_edge.PROGRAM + ".sick"):
        out = json.dumps([dict(row, proof="nobody shows it") for row in json.loads(out)])
"""
# A node whose link breaks whenever the module certificate is to run there.
LINK = """
DOCUMENTATION = '''
name: link
short_description: local, and breaks
extends_documentation_fragment: [connection_pipelining]
'''
import os
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local
class Connection(Local):
    def exec_command(self, cmd, **more):
        if "AnsiballZ_certificate.py" in cmd and os.path.exists(os.environ["CUT"]):
            raise AnsibleConnectionFailure("the link broke")
        return super().exec_command(cmd, **more)
"""
HERE = "    _edge.PROGRAM = __import__('os').path.dirname(module._remote_tmp) + '/edge'\n"


def source(name: str, before: str) -> str:
    """The real module, whose program is that of a node that is a folder."""
    found = (ROOT / "plugins" / "modules" / f"{name}.py").read_text(encoding="utf-8")
    assert found.count(before) == 1, name
    return found.replace(before, HERE + before)


def old() -> dict[str, Any]:
    """What is there now is to be replaced, and what comes is not."""
    return {"rotate_signed_before": datetime.now(UTC).isoformat(timespec="seconds")}


def collection(folder: Path) -> Certified:
    return Certified(
        folder,
        certificate_authority=authority_module(),
        certificate=source("certificate", "    options = _given(module.params)\n"),
        certificate_info=source("certificate_info", "    if not _edge.installed():\n").replace(
            "    module.exit_json(changed=False, certificates=json",
            SICK + "    module.exit_json(changed=False, certificates=json",
        ),
        certificate_issue=source("certificate_issue", "    node, requests, path = (mod"),
    )


class Certified(Fleet):
    """A fleet with the node program on each node."""

    inconstant: tuple[str, ...] = ()
    """Nodes that may be away."""
    linked: tuple[str, ...] = ()
    """Nodes whose link is cut where the file `cut` is there."""

    def inventory(self, sites: Mapping[str, str]) -> dict[str, Any]:
        found = super().inventory(sites)
        groups: dict[str, Any] = {}
        for host, variables in found["all"]["hosts"].items():
            connectivity = "intermittent" if host in self.inconstant else "connected"
            variables.update(edge_ring=RINGS[host], edge_connectivity=connectivity)
            if host in self.linked:
                variables["ansible_connection"] = "physical_ai.edge.link"
            for group in (f"site_{SITES[host]}", f"ring_{RINGS[host]}"):
                groups.setdefault(group, {"hosts": {}})["hosts"][host] = {}
        found["all"]["children"] = groups
        return found

    def policy(self, stages: Any = None, **more: Any) -> dict[str, Any]:
        file = self._folder / "careful.json"
        file.write_text(json.dumps({"stages": stages or STAGES, **more}), encoding="utf-8")
        return {"policy": str(file)}

    def provision(self) -> None:
        for host in SITES:
            folder = self.node(host)
            for place, kept in (("etc/physical-ai/pki", "pki"), ("var/lib/physical-ai/ca", "ca")):
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                (folder / place).unlink(missing_ok=True)
                (folder / place).symlink_to(folder / kept)
            text = PROGRAM.format(python=sys.executable, build=str(BUILD), root=str(folder))
            (folder / "edge").write_text(text, encoding="utf-8")
            (folder / "edge").chmod(0o755)

    def run(
        self, playbook: str, root: Path, sites: Mapping[str, str] | None = None, *arguments: str, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        place = "{{ ansible_remote_tmp | dirname }}/pki"
        extra = {"site_ca_root_path": str(root), "__certificates_node_path": place, **more}
        file = root.with_suffix(".json")
        file.write_text(json.dumps(extra), encoding="utf-8")
        (self.path / "plugins/connection").mkdir(exist_ok=True)
        (self.path / "plugins/connection/link.py").write_text(LINK, encoding="utf-8")
        cut = {"CUT": str(self._folder / "cut")}
        return self.play(f"physical_ai.edge.{playbook}", sites or SITES, "-e", f"@{file}", *arguments, **cut)

    def rotate(self, root: Path, sites: Mapping[str, str] | None = None, *arguments: str, **more: Any) -> Any:
        return self.run("rotate_certificates", root, sites, *arguments, **more)

    def edge(self, host: str, *arguments: str) -> Any:
        done = subprocess.run(
            [str(self.node(host) / "edge"), *arguments], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def rows(self, host: str) -> dict[str, Any]:
        return {row["name"]: row for row in self.edge(host, "certificates", "--json")}

    def serials(self) -> dict[str, str]:
        return {
            f"{host}/{name}": row["installed"]["serial"]
            for host in SITES
            for name, row in self.rows(host).items()
            if row["installed"]
        }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Certified, Path]:
    """A fleet with issuing CAs, and certificates from the first run."""
    authorities.needed()
    folder = tmp_path_factory.mktemp("certificates")
    fleet, root = collection(folder / "fleet"), folder / "pki"
    good(fleet.pki(root, **CERTIFICATES))
    fleet.provision()
    foreseen = fleet.rotate(root, None, "--check")
    assert good(foreseen) > 0 and fleet.serials() == {}
    assert good(fleet.rotate(root)) > 0
    return fleet, root


@pytest.fixture
def fleet(made: tuple[Certified, Path], tmp_path: Path) -> tuple[Certified, Path]:
    """A copy of it."""
    kept, root = made
    fleet, copied = collection(tmp_path / "fleet"), tmp_path / "pki"
    shutil.copytree(kept.node("x").parent, fleet.node("x").parent, symlinks=True, dirs_exist_ok=True)
    shutil.copytree(root, copied, symlinks=True)
    fleet.provision()
    return fleet, copied


def test_each_node_has_what_it_may_have(made: tuple[Certified, Path]) -> None:
    fleet, root = made
    assert set(fleet.serials()) == {f"{host}/node" for host in SITES} | {f"{CAMERA}/{WORKLOAD}"}
    assert all(row["reason"] == "valid" and not row["problem"] for host in SITES for row in fleet.rows(host).values())
    said = {host: json.loads((fleet.node(host) / "pki/gateway.json").read_text(encoding="utf-8")) for host in SITES}
    assert said == {
        GATEWAY: {"url": "http://127.0.0.1:4460/certificates", "node": GATEWAY},
        CAMERA: {"url": "http://10.20.1.2:4460/certificates", "node": CAMERA},
        BOX: {"url": "", "node": BOX},
    }
    keys = [path for path in fleet.node("x").parent.rglob("tls.key") if not path.parent.is_symlink()]
    assert len(keys) == 4 and all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in keys)
    assert not list(root.rglob("tls.key")), "keys stay on nodes"


def test_a_run_with_nothing_to_do_asks_each_node_once(made: tuple[Certified, Path]) -> None:
    fleet, root = made
    before, done = fleet.serials(), fleet.rotate(root)
    assert good(done) == 0 and fleet.serials() == before
    ran: dict[str, int] = {}
    for task in done.stdout.split("TASK [")[1:]:
        name = task.partition("]")[0].rpartition(" : ")[2].partition(" arguments against")[0]
        ran[name] = ran.get(name, 0) + len(re.findall(r"^(?:ok|changed): ", task, re.MULTILINE))
    here = {
        "Find the policy",
        "Check what is asked for before any node is asked",
        "Cut the waves",
        "Show what it came to",
    }
    assert {name for name, times in ran.items() if times} - here == {
        "Find out what it has",  # the one task that the node is asked for
        "Find out which certificates the node may have",  # asked at its gateway
        "Validating",
        "Check inputs",
        "Check that there is an issuing CA",
        "Work out what is to be done",
    }, ran
    assert ran["Find out what it has"] == len(SITES)
    assert good(fleet.rotate(root, None, "--check")) == 0


def test_what_is_used_in_another_way_is_told_and_not_replaced(fleet: tuple[Certified, Path]) -> None:
    site, root = fleet
    before = site.serials()
    settings = {"node": {"reload": {"kind": "unit", "unit": "no-such.service"}, "key_mode": "0400"}}
    assert good(site.rotate(root, certificates_settings=settings)) > 0
    assert site.serials() == before
    row = site.rows(CAMERA)["node"]
    assert row["definition"]["reload"]["unit"] == "no-such.service" and row["installed"]["valid"]
    assert good(site.rotate(root, certificates_settings=settings)) == 0


def test_what_is_chosen_is_replaced_and_nothing_else(fleet: tuple[Certified, Path]) -> None:
    site, root = fleet
    before = site.serials()
    issuer = site.rows(CAMERA)["node"]["installed"]["issuer"]
    assert good(site.rotate(root, rotate_days_left=10, rotate_older_than=1, rotate_issuer="CN=nobody")) == 0
    assert good(site.rotate(root, rotate_issuer=issuer)) > 0
    after = site.serials()
    assert {name for name in after if after[name] != before[name]} == {name for name in after if "kiruna" in name}
    good(site.rotate(root, None, "--limit", BOX, rotate_days_left=31))
    good(site.rotate(root, None, "--limit", "site_kiruna:&ring_canary", rotate_all=True))
    last = site.serials()
    assert {name for name in last if last[name] != after[name]} == {f"{BOX}/node", f"{GATEWAY}/node"}
    good(site.rotate(root, None, "--limit", "ring_broad", rotate_older_than=-1))
    aged = site.serials()
    assert {name for name in last if last[name] != aged[name]} == {f"{BOX}/node"}


def renewed(site: Certified, before: dict[str, str]) -> set[str]:
    """The nodes with another certificate than before."""
    return {name.partition("/")[0] for name, serial in site.serials().items() if serial != before[name]}


def away(host: str, wrong: bool = True) -> dict[str, Any]:
    """How certificates are used: at this node nothing listens where it should be seen."""
    where = f"{{{{ '127.0.0.1:9' if {wrong} and inventory_hostname == '{host}' else '' }}}}"
    return {"certificates_settings": {"node": {"endpoint": where, "prove": {"within": "1s"}}}}


def test_who_is_refused_ends_it_before_it_begins(fleet: tuple[Certified, Path]) -> None:
    """Without a policy; those behind it are untouched. Where one may fail, the others go."""
    site, root = fleet
    good(site.pki(root, site_ca_blocked=[GATEWAY], **CERTIFICATES))
    before, asked = site.serials(), old()
    done = site.rotate(root, KIRUNA, rotate_all=True)
    assert done.returncode == 2 and f"{GATEWAY} is blocked" in bad(done) and f"{GATEWAY}: refused" in done.stdout
    assert renewed(site, before) == set() and "instead of rotate_all" in done.stdout
    anyone = {"stages": [{"name": "all", "rings": "rest", "max_failed": 1}]}
    done = site.rotate(root, KIRUNA, edge_without_policy=anyone, **asked)
    assert done.returncode == 2, "who failed is not forgotten"
    assert renewed(site, before) == {CAMERA} and "HALTED" not in done.stdout
    assert site.rotate(root, KIRUNA, **site.policy(**anyone), **asked).returncode == 0, "the policy allows it"


def test_a_canary_that_fails_halts_it_and_the_same_command_goes_on(fleet: tuple[Certified, Path]) -> None:
    site, root = fleet
    before, asked = site.serials(), {**site.policy(on_failure="revert_all"), **old()}
    done = site.rotate(root, None, **asked, **away(GATEWAY))
    said = bad(done)
    assert done.returncode == 2 and renewed(site, before) == set()
    assert f"{GATEWAY}: broken: certificate node: 127.0.0.1:9 does not show the certificate" in said
    assert "HALTED: stage canary: 1 of 1 hosts failed (1 broken), allowed are 0" in said

    done = site.rotate(root, None, "-e", "rollout_waves=1", **asked, **away(GATEWAY, wrong=False))
    assert good(done) > 0 and renewed(site, before) == {GATEWAY} and "2 waves are left" in done.stdout
    once = site.serials()
    done = site.rotate(root, None, **asked, **away(GATEWAY, wrong=False))
    assert good(done) > 0 and renewed(site, once) == {CAMERA, BOX}, "who has his new one drops out"
    assert f"certificates (signed before {asked['rotate_signed_before']}): 2 success, 1 unchanged" in done.stdout


def test_a_stage_later_counts_by_its_own_threshold(fleet: tuple[Certified, Path]) -> None:
    site, root = fleet
    before, asked = site.serials(), old()
    assert site.rotate(root, None, **site.policy(), **asked, **away(CAMERA)).returncode == 2
    assert renewed(site, before) == {GATEWAY, CAMERA}, "of the camera that of its workload"
    stages = [*STAGES[:1], {**STAGES[1], "max_failed": 1, "min_success": 0}, STAGES[2]]
    once = site.serials()
    assert site.rotate(root, None, **site.policy(stages), **asked, **away(CAMERA)).returncode == 0
    assert BOX in renewed(site, once) and GATEWAY not in renewed(site, once)


def test_what_is_not_well_after_the_soak_halts_it_and_is_not_forgotten(fleet: tuple[Certified, Path]) -> None:
    site, root = fleet
    before, asked = site.serials(), {**site.policy(), **old()}
    (site.node(GATEWAY) / "edge.sick").touch()
    done = site.rotate(root, None, **asked)
    assert done.returncode == 2 and renewed(site, before) == {GATEWAY}
    assert f"{GATEWAY}: broken (soak): not healthy any more after the soak: nobody shows it" in bad(done)
    again = site.rotate(root, None, **asked)
    assert again.returncode == 2 and renewed(site, before) == {GATEWAY}, "it has its new one, and that is not shown"
    (site.node(GATEWAY) / "edge.sick").unlink()
    assert good(site.rotate(root, None, **asked)) > 0 and renewed(site, before) == set(SITES)


def test_a_node_that_is_lost_in_its_wave_is_asked_what_became_of_it(fleet: tuple[Certified, Path]) -> None:
    site, root = fleet
    before, asked = site.serials(), {**site.policy(), **old()}
    site.linked = (GATEWAY,)
    cut = root.parent / "fleet" / "cut"
    cut.touch()
    done = site.rotate(root, None, **asked)
    assert done.returncode == 2 and renewed(site, before) == set()
    assert f"{GATEWAY}: interrupted: it has what it had" in bad(done)
    cut.unlink()
    assert good(site.rotate(root, None, **asked)) > 0 and renewed(site, before) == set(SITES)


def test_an_offline_node_is_classed_and_holds_up_nobody(fleet: tuple[Certified, Path]) -> None:
    """One that may be away counts nowhere; one that should be there counts as failed. Without a policy neither does."""
    site, root = fleet
    before, cut, asked = site.serials(), {**SITES, CAMERA: "nowhere"}, old()
    stages = [STAGES[0], {**STAGES[1], "min_success": 0}, STAGES[2]]
    done = site.rotate(root, cut, **site.policy(stages), **asked)
    assert done.returncode == 2 and f"{CAMERA}: offline_unexpected (unreachable)" in bad(done)
    assert renewed_but(site, before, CAMERA) == {GATEWAY}
    site.inconstant = (CAMERA,)
    done = site.rotate(root, cut, **site.policy(stages), **asked)
    assert good(done) > 0 and f"{CAMERA}: offline_expected (unreachable)" in done.stdout
    assert f"still to come: {CAMERA}; the same command brings it to them" in done.stdout
    assert renewed_but(site, before, CAMERA) == {GATEWAY, BOX}
    once = site.serials()
    assert good(site.rotate(root, None, **site.policy(stages), **asked)) > 0
    assert renewed(site, once) == {CAMERA}, "it catches up"


def renewed_but(site: Certified, before: dict[str, str], host: str) -> set[str]:
    found = renewed(site, before)
    assert host not in found
    return found


def test_a_canary_that_passed_counts_when_it_is_away(fleet: tuple[Certified, Path]) -> None:
    site, root = fleet
    site.inconstant = (BOX,)
    stages = [{"name": "canary", "rings": ["broad"]}, {"name": "others", "rings": "rest"}]
    before, asked = site.serials(), {**site.policy(stages), **old()}
    assert good(site.rotate(root, None, "-e", "rollout_waves=1", **asked)) > 0 and renewed(site, before) == {BOX}
    done = site.rotate(root, {**SITES, BOX: "nowhere"}, **asked)
    assert good(done) > 0 and renewed(site, before) == set(SITES)
    nothing = site.rotate(root, {**SITES, BOX: "nowhere"}, **asked, rollout_records="")
    assert "0 successes, at least 1 are needed" in bad(nothing)


def test_a_stage_waits_for_approval(fleet: tuple[Certified, Path]) -> None:
    site, root = fleet
    stages = [STAGES[0], {**STAGES[1], "approval": "required"}, STAGES[2]]
    before, asked = site.serials(), {**site.policy(stages), **old()}
    assert "stage early waits for approval" in bad(site.rotate(root, None, **asked))
    assert renewed(site, before) == {GATEWAY}
    assert good(site.rotate(root, None, "-e", "rollout_approve=early", **asked)) > 0
    assert renewed(site, before) == set(SITES)


@pytest.mark.slow
@pytest.mark.must_show("D1")
def test_a_new_root_goes_stage_by_stage(fleet: tuple[Certified, Path]) -> None:
    """Each phase is halted by a canary that is not well, and goes on: new trust, leaves, and the old trust goes."""
    site, root = fleet
    new: dict[str, Any] = {**CERTIFICATES, "site_ca_root_name": "root-2", "site_ca_root_common_name": "acme root 2"}
    new["site_ca_roots_old"] = ["root"]
    sick = site.node(GATEWAY) / "edge.sick"

    def roots() -> list[int]:
        return [site.trust(host).count("BEGIN CERTIFICATE") for host in SITES]

    sick.touch()
    done = site.pki(root, pki_phase="trust", **site.policy(), **new)
    assert f"{GATEWAY}: broken (probe): nobody shows it" in bad(done) and roots() == [2, 1, 1]
    again = site.pki(root, pki_phase="trust", **site.policy(), **new)
    assert f"{GATEWAY}: broken (soak): not healthy any more: nobody shows it" in bad(again) and roots() == [2, 1, 1]
    sick.unlink()
    assert good(site.pki(root, pki_phase="trust", **site.policy(), **new)) > 0 and roots() == [2, 2, 2]
    assert "in the phase issue go site by site" in bad(site.pki(root, **site.policy(), **new))
    before, asked = site.serials(), old()
    good(site.pki(root, **new))
    assert "still in use" in bad(site.pki(root, pki_phase="retire", **site.policy(), **new)) and roots() == [2, 2, 2]
    good(site.rotate(root, None, **site.policy(), **asked))
    assert renewed(site, before) == set(SITES)
    sick.touch()
    assert bad(site.pki(root, pki_phase="retire", **site.policy(), **new)) and roots() == [1, 2, 2]
    sick.unlink()
    done = site.pki(root, pki_phase="retire", **site.policy(), **new)
    assert good(done) > 0 and roots() == [1, 1, 1] and "root-2 counts alone: 2 success, 1 unchanged" in done.stdout
    rows = [row for host in SITES for row in site.edge(host, "certificates", "--json", "--prove")]
    assert len(rows) == 4 and not [row["proof"] for row in rows if row["proof"]]


def test_a_site_whose_gateway_is_away_waits(fleet: tuple[Certified, Path]) -> None:
    site, root = fleet
    before, cut = site.serials(), {**SITES, GATEWAY: "nowhere"}
    done = site.rotate(root, cut, **old())
    assert good(done) > 0 and f"{CAMERA}: offline_expected (unreachable): its gateway {GATEWAY}: " in done.stdout
    assert renewed(site, before) == {BOX} and "still to come" in done.stdout


def test_what_was_revoked_is_replaced_by_push(fleet: tuple[Certified, Path]) -> None:
    site, root = fleet
    good(site.pki(root, KIRUNA, site_ca_revoke=[{"node": CAMERA, "name": "node"}], **CERTIFICATES))
    before = site.serials()
    assert f"{CAMERA}/node: is revoked" in bad(site.run("certificates", root))
    assert good(site.rotate(root)) > 0
    after = site.serials()
    assert {name for name in after if after[name] != before[name]} == {f"{CAMERA}/node"}
    assert good(site.run("certificates", root)) == 0 == good(site.rotate(root))


def test_a_node_that_cannot_be_reached_holds_up_nobody(fleet: tuple[Certified, Path]) -> None:
    site, root = fleet
    before = site.serials()
    cut = {BOX: "nowhere", **KIRUNA}  # it would be the canary
    done = site.rotate(root, cut, rotate_all=True)
    assert good(done) > 0 and f"{BOX}: offline_expected (unreachable)" in done.stdout
    assert f"still to come: {BOX}; " in done.stdout
    after = site.serials()
    assert {name for name in after if after[name] == before[name]} == {f"{BOX}/node"}


def test_an_issuing_ca_that_is_busy_is_waited_for(fleet: tuple[Certified, Path]) -> None:
    site, root = fleet
    file = site.node(GATEWAY) / "ca/pace.json"
    file.write_text(json.dumps([time.clock_gettime(time.CLOCK_BOOTTIME)] * 60), encoding="utf-8")
    before = site.serials()
    asked: dict[str, Any] = {"rotate_all": True, "__certificates_paced": {"retries": 2, "delay": 1}}
    done = site.rotate(root, KIRUNA, "--limit", CAMERA, **asked)
    assert "try again in" in bad(done) and done.stdout.count("FAILED - RETRYING") == 2
    assert site.serials() == before
    file.unlink()
    assert good(site.rotate(root, KIRUNA, "--limit", CAMERA, **asked)) > 0
    assert site.serials()[f"{CAMERA}/node"] != before[f"{CAMERA}/node"]


def test_who_has_what_is_shown(fleet: tuple[Certified, Path], tmp_path: Path) -> None:
    site, root = fleet
    cut = {**SITES, BOX: "nowhere"}
    done = site.run("certificates", root, cut)
    assert good(done) == 0 and f"{BOX}: could not be asked" in done.stdout and "kiruna issuing CA" in done.stdout
    file = tmp_path / "out"
    good(site.run("certificates", root, cut, certificates_output="json", certificates_to=str(file)))
    rows = json.loads(file.read_text(encoding="utf-8"))
    assert {(row["site"], row["host"], row["name"]) for row in rows} == {
        ("kiruna", GATEWAY, "node"),
        ("kiruna", CAMERA, "node"),
        ("kiruna", CAMERA, WORKLOAD),
    }
    good(site.run("certificates", root, cut, certificates_output="html", certificates_to=str(file)))
    page = file.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>") and rows[0]["installed"]["serial"] in page and BOX in page
    assert "found 'xml'; allowed: table, json, html" in bad(site.run("certificates", root, certificates_output="xml"))


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"certificates_settings": {"node": {"relaod": {}}}}, "certificates_settings.node: certificate: unknown key"),
        ({"policy": "nowhere.yml"}, "policy: there is no file nowhere.yml"),
        ({"rotate_signed_before": "soon"}, "certificates_renew_signed_before: found 'soon', wanted a moment such as"),
        ({"rollout_approve": "brod"}, "rollout_approve: found brod; the policy has the stages all"),
        ({"rotate_days_left": "soon"}, "certificates_renew_days_left: found 'soon', wanted a number of days"),
        ({"certificates_setting": {}}, "certificates_setting"),
        ({"site_ca_root_path": ""}, "has no gateway: give the folder of the root"),
    ],
)
def test_mistakes_are_one_line(fleet: tuple[Certified, Path], inputs: dict[str, Any], words: str) -> None:
    site, root = fleet
    before, done = site.serials(), site.rotate(root, None, "--limit", BOX, **inputs)
    assert words in bad(done) and "Traceback" not in done.stdout and site.serials() == before
