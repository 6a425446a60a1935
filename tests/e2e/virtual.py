# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work with the virtual machine that the tests of a run share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from tests.lab.vm import Vm


def reached(vm: Vm) -> dict[str, t.Any]:
    """How Ansible reaches the machine."""
    return {
        "ansible_host": "127.0.0.1",
        "ansible_port": vm.port,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(vm.image.key),
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def run(program: str, *arguments: str, **environment: str) -> str:
    """What a program of Ansible printed that ended well."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _ansible(vm: Vm, variables: dict[str, t.Any], *arguments: str, **environment: str) -> str:
    given = json.dumps({**variables, **reached(vm)})
    return run("ansible", "-i", "edge-vm,", "edge-vm", "-e", given, *arguments, **environment)


def include_role(vm: Vm, role: str, **variables: t.Any) -> str:
    """Runs a role of the collection on the machine, as on every node; returns what ansible printed."""
    return _ansible(vm, variables, "-m", "ansible.builtin.include_role", "-a", f"name=physical_ai.edge.{role}")


def call(vm: Vm, module: str, **options: t.Any) -> dict[str, t.Any]:
    """What a module of the collection returns there."""
    told = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true"}
    out = _ansible(vm, {}, "-m", f"physical_ai.edge.{module}", "-a", json.dumps(options), **told)
    found: dict[str, t.Any] = json.loads(out[out.index("{") :])["plays"][0]["tasks"][0]["hosts"]["edge-vm"]
    return found


def cut_and_power_on(vm: Vm, clock: str = "") -> None:
    """:param clock: as in `Vm.power_on`."""
    vm.power_cut()
    vm.power_on(clock)
    vm.wait_ssh()
    vm.wait_for("docker info")
