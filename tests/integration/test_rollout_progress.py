# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The callback in a run of ansible-playbook, with a stand-in for the module whose results it shows."""

from __future__ import annotations

import os
import re
from pathlib import Path

import ansible_runner
import pytest

from tests.integration.stand_in import BIN, Collection

PLAY = """
- name: Roll out
  hosts: all
  gather_facts: false
  serial: 2
  tasks:
    - block:
        - name: Change
          physical_ai.edge.workloads:
            name: "{{ inventory_hostname }}"
            wave: "{{ 1 if inventory_hostname in ['cam1', 'cam2'] else 2 }}"
      rescue:
        - ansible.builtin.meta: noop
    - ansible.builtin.debug:
        msg: gate
"""
MODULE = """
from __future__ import annotations
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(argument_spec={"name": {}, "wave": {"type": "int"}})
name = "reverted" if module.params["name"] == "cam3" else "success"
module.exit_json(**{"class": name, "release": "2.0", "msg": "w", "failed": name == "reverted",
                    "rollout": {"id": "r1", "stage": "early", "wave": module.params["wave"]}})
"""


SITES = {"cam1": "kiruna", "cam2": "kiruna", "cam3": "narvik", "cam4": "narvik"}
ENABLED = {"ANSIBLE_CALLBACKS_ENABLED": "physical_ai.edge.rollout_progress"}
NODES = [
    "early wave 1  kiruna  cam1  2.0  success",
    "early wave 1  kiruna  cam2  2.0  success",
    "early wave 2  narvik  cam3  2.0  reverted  w",
    "early wave 2  narvik  cam4  2.0  success",
]
WAVES = ["early wave 1 ended: 2 nodes: 2 success", "early wave 2 ended: 2 nodes: 1 success, 1 reverted"]


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return Collection(tmp_path_factory.mktemp("progress"), workloads=MODULE)


def lines_of(stdout: str) -> tuple[list[str], list[str]]:
    """Lines of nodes, sorted, and those of waves, as they came."""
    found = re.findall(r"^\d\d:\d\d:\d\d  (.*?)\s*$", stdout, re.MULTILINE)
    lines = [re.sub(r"  \d+\.\d s", "", line) for line in found]
    return sorted(line for line in lines if "ended" not in line), [line for line in lines if "ended" in line]


def test_ansible_playbook(collection: Collection, tmp_path: Path) -> None:
    play = tmp_path / "play.yml"
    play.write_text(PLAY, encoding="utf-8")
    done = collection.play(play, SITES, **ENABLED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert lines_of(done.stdout) == (NODES, WAVES)
    assert "\r" not in done.stdout
    assert lines_of(collection.play(play, SITES).stdout) == ([], []), "it is not enabled"


def test_ansible_runner_with_its_own_stdout_callback(
    collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "play.yml").write_text(PLAY, encoding="utf-8")
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    done = ansible_runner.run(
        private_data_dir=str(tmp_path),
        playbook="play.yml",
        inventory=collection.inventory(SITES),
        quiet=True,
        envvars={**collection.environ(), **ENABLED},
    )
    assert (done.status, done.rc) == ("successful", 0)
    # Runner forces colours. What it calls verbose is every line that is no event of ansible's own.
    verbose = [re.sub(r"\x1b\[[\d;]*m", "", item["stdout"]) for item in done.events if item["event"] == "verbose"]
    assert lines_of("\n".join(verbose)) == (NODES, WAVES)
