# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The callback in a run of ansible-playbook, with a stand-in for the module whose results it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.stand_in import Collection

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


@pytest.mark.parametrize("enabled", [True, False])
def test_a_real_run(tmp_path: Path, enabled: bool) -> None:
    collection = Collection(tmp_path, workloads=MODULE)
    play = tmp_path / "play.yml"
    play.write_text(PLAY, encoding="utf-8")
    more = {"ANSIBLE_CALLBACKS_ENABLED": "physical_ai.edge.rollout_progress"} if enabled else {}
    done = collection.play(play, {"cam1": "kiruna", "cam2": "kiruna", "cam3": "narvik", "cam4": "narvik"}, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [
        re.sub(r"  \d+\.\d s", "", line[10:])
        for line in done.stdout.splitlines()
        if re.match(r"\d\d:\d\d:\d\d  ", line)
    ]
    waves = [line for line in lines if "ended" in line]
    assert waves == (
        ["early wave 1 ended: 2 nodes: 2 success", "early wave 2 ended: 2 nodes: 1 success, 1 reverted"]
        if enabled
        else []
    )
    assert sorted(set(lines) - set(waves)) == (
        [
            "early wave 1  kiruna  cam1  2.0  success",
            "early wave 1  kiruna  cam2  2.0  success",
            "early wave 2  narvik  cam3  2.0  reverted  w",
            "early wave 2  narvik  cam4  2.0  success",
        ]
        if enabled
        else []
    )
    assert "\r" not in done.stdout
