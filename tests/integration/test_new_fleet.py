# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the demo to machines of one's own: what new_fleet writes is read by the real plugin and the real code."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from ansible_collections.physical_ai.edge.plugins.module_utils._core import spec
from tests.tools.setup import VENV

MACHINES = ["192.168.1.11", "192.168.1.12", "cell7.example.com"]
IMAGE = "registry.example.com/team/app@sha256:" + "a" * 64


def ansible(program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0"}
    env.pop("ANSIBLE_CONFIG", None)
    command = [str(VENV / "bin" / program), *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def new_fleet(cwd: Path, *options: str, **variables: object) -> subprocess.CompletedProcess[str]:
    values = {"new_fleet_path": "acme", "new_fleet_machines": MACHINES, **variables}
    given = json.dumps({key: value for key, value in values.items() if value is not None})
    return ansible("ansible-playbook", "physical_ai.edge.new_fleet", "-e", given, *options, cwd=cwd)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user")
    done = new_fleet(folder, new_fleet_machines=", ".join(MACHINES), new_fleet_user="ubuntu", new_fleet_image=IMAGE)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "acme"


def test_the_inventory_has_the_machines(fleet: Path) -> None:
    done = ansible("ansible-inventory", "--list", cwd=fleet)
    assert done.returncode == 0, done.stderr
    hosts = json.loads(done.stdout)["_meta"]["hostvars"]
    assert [hosts[f"site1-node0{number}"]["ansible_host"] for number in (1, 2, 3)] == MACHINES
    assert [hosts[f"site1-node0{number}"]["edge_ring"] for number in (1, 2, 3)] == ["canary", "broad", "broad"]
    assert {host["ansible_user"] for host in hosts.values()} == {"ubuntu"}


def test_the_release_is_valid_and_has_the_image(fleet: Path) -> None:
    release = yaml.safe_load((fleet / "releases" / "0.1.0.yml").read_text(encoding="utf-8"))
    (rendered,) = spec.render(release["workloads"])
    assert f"{rendered['image']}@{rendered['digest']}" == IMAGE
    assert spec.check_release(release["release"]) == "0.1.0"


def test_every_file_is_what_its_name_says(fleet: Path) -> None:
    for path in fleet.rglob("*.yml"):
        assert yaml.safe_load(path.read_text(encoding="utf-8")), path
    assert not [path for path in fleet.rglob("*") if path.is_file() and "{{" in path.read_text(encoding="utf-8")]


def test_a_second_run_changes_nothing_and_keeps_edits(fleet: Path) -> None:
    mine = fleet / "releases" / "0.1.0.yml"
    before = mine.read_text(encoding="utf-8")
    mine.write_text(before + "# mine\n", encoding="utf-8")
    done = new_fleet(fleet.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" in done.stdout
    assert mine.read_text(encoding="utf-8") == before + "# mine\n"
    mine.write_text(before, encoding="utf-8")


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    done = new_fleet(tmp_path, "--check", "--diff")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "+plugin: physical_ai.edge.sites" in done.stdout
    assert not (tmp_path / "acme").exists()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"new_fleet_users": "ubuntu"}, "new_fleet_user"),
        ({"new_fleet_site": "Site 1"}, "new_fleet_site is 'Site 1', wanted are lower-case letters"),
        ({"new_fleet_machines": ["10.0.0.1", "10.0.0.1"]}, "each once"),
        ({"new_fleet_image": "registry.example.com/team/app:1.0"}, "wanted is an image with its digest"),
        ({"new_fleet_machines": None}, "new_fleet_machines"),
    ],
)
def test_a_bad_input_is_one_clear_error(tmp_path: Path, variables: dict[str, object], words: str) -> None:
    done = new_fleet(tmp_path, **variables)
    assert done.returncode != 0
    assert words in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "acme").exists()
