# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real ssh through real gateways, with nothing but what the fleet file says: no configuration of ssh anywhere."""

from __future__ import annotations

import copy
import json
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.lab import Lab

NODE, OTHER = "kiruna-cam01", "lulea-cam01"


@pytest.fixture
def document(lab: Lab) -> dict[str, t.Any]:
    """The lab's fleet file, with the key and the known hosts in it instead of in a configuration of ssh."""
    data: dict[str, t.Any] = copy.deepcopy(yaml.safe_load(lab.inventory.read_text(encoding="utf-8")))
    folder = lab.folder / "ssh"
    data["defaults"] = {
        "ansible_user": "edge",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_private_key_file": str(folder / "id_ed25519"),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={folder / 'known_hosts'} -o StrictHostKeyChecking=yes",
    }
    return data


def ansible(lab: Lab, folder: Path, data: dict[str, t.Any], *words: str) -> str:
    lab.sync()
    fleet = folder / "acme.fleet.yml"
    fleet.write_text(yaml.safe_dump(data), encoding="utf-8")
    environ = {key: value for key, value in lab.env().items() if key != "SSH_AUTH_SOCK"}
    environ["ANSIBLE_CONFIG"] = str(folder / "ansible.cfg")
    environ["ANSIBLE_INVENTORY_ENABLED"] = "physical_ai.edge.sites"
    environ["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"] = "true"
    # Short, because a path to a socket may not be long; its own, so that no kept connection hides a broken jump.
    environ["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(folder / "cp")
    environ["ANSIBLE_SSH_ARGS"] = "-F none -o ControlMaster=auto -o ControlPersist=5s"
    Path(environ["ANSIBLE_CONFIG"]).write_text("[defaults]\n", encoding="utf-8")
    argv = [words[0], "-i", str(fleet), *words[1:]]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def hostnames(lab: Lab, folder: Path, data: dict[str, t.Any]) -> dict[str, str]:
    """What each host calls itself; -o is one line for each host."""
    shown = ansible(lab, folder, data, "ansible", "all", "-o", "-m", "ansible.builtin.command", "-a", "hostname")
    return {line.split(" ", 1)[0]: line.rsplit(" ", 1)[1] for line in shown.splitlines() if "(stdout)" in line}


def test_the_key_and_the_known_hosts_of_the_fleet_file_take_ssh_through_the_gateway(
    lab: Lab, tmp_path: Path, document: dict[str, t.Any]
) -> None:
    assert hostnames(lab, tmp_path, document) == {host: host for host in lab.nodes}


def test_a_chain_of_gateways_and_a_user_from_a_template(lab: Lab, tmp_path: Path, document: dict[str, t.Any]) -> None:
    document["defaults"].update(ansible_user="{{ somebody }}", somebody="edge")
    document["regions"]["eu-north"]["sites"]["lulea"]["via"] = "kiruna-gw01"
    assert hostnames(lab, tmp_path, document) == {host: host for host in lab.nodes}


def test_a_delegated_task_goes_the_way_of_the_host_it_is_delegated_to(
    lab: Lab, tmp_path: Path, document: dict[str, t.Any]
) -> None:
    asks = {"ansible.builtin.command": "hostname", "delegate_to": OTHER, "register": "found", "changed_when": False}
    copies = {"ansible.builtin.copy": {"content": "x", "dest": "/tmp/inventory-test", "mode": "0600"}}
    reset = {"ansible.builtin.meta": "reset_connection"}
    tells = {"ansible.builtin.debug": {"msg": "it was {{ found.stdout }}"}}
    play = [{"hosts": NODE, "gather_facts": False, "tasks": [copies, asks, reset, tells]}]
    path = tmp_path / "play.yml"
    path.write_text(json.dumps(play), encoding="utf-8")
    # Without pipelining, so that files go by sftp, which has to find the same way.
    assert f"it was {OTHER}" in ansible(lab, tmp_path, document, "ansible-playbook", str(path))
