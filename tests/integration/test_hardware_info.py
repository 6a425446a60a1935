# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module hardware_info as a task runs it, on this very machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests.integration.modules import one_line
from tests.tools.sync import ROOT
from tests.unit.plugins.module_utils._node import recorded
from tests.unit.plugins.module_utils._node.test_hardware import check_shape, steady


def call(check: bool = False, **args: t.Any) -> dict[str, t.Any]:
    """What the module returned, also when it failed."""
    argv = [str(Path(sys.executable).with_name("ansible")), "localhost", "--connection", "local"]
    argv += ["--inventory", "localhost,", "--module-name", "physical_ai.edge.hardware_info"]
    argv += ["--args", json.dumps(args)] if args else []
    argv += ["--check"] if check else []
    argv += ["--extra-vars", json.dumps({"ansible_python_interpreter": sys.executable})]
    environ = dict(os.environ, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json", ANSIBLE_LOAD_CALLBACK_PLUGINS="true")
    done = subprocess.run(argv, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    start = done.stdout.find("{")
    assert start >= 0, done.stdout + done.stderr
    result: dict[str, t.Any] = json.loads(done.stdout[start:])["plays"][0]["tasks"][0]["hosts"]["localhost"]
    return result


def test_this_machine() -> None:
    found = call()
    assert found["changed"] is False
    check_shape(found["hardware"])
    assert found["hardware"]["cpus"] == os.cpu_count()
    assert found["hardware"]["kernel"] == os.uname().release
    assert steady(call(check=True)["hardware"]) == steady(found["hardware"])


@pytest.mark.gpu
def test_the_gpus_of_this_machine() -> None:
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout
    found = call()["hardware"]
    assert [gpu["uuid"] for gpu in found["gpus"] if gpu["uuid"] not in listed] == []
    assert {gpu["state"] for gpu in found["gpus"]} == {"ok"}
    assert found["driver"]["problem"] is None


def test_a_recorded_node(tmp_path: Path) -> None:
    root = recorded.unpack("jetson-orin-nx-jp6", tmp_path)
    assert call(root=str(root))["hardware"] == recorded.expected("jetson-orin-nx-jp6")


def test_the_network_is_asked_where_it_is_named() -> None:
    assert call(interfaces=["lo"], discovery_timeout=0.2, camera_ioctl=False)["hardware"]["network_devices"] == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"root": "/no/such/folder"}, ("root: found '/no/such/folder'", "wanted a folder")),
        ({"interfaces": ["no-such-if"]}, ("interfaces: found 'no-such-if'", "wanted one of this machine", "lo")),
        ({"root": "/etc", "interfaces": ["lo"]}, ("interfaces: ", "recorded node", "leave out")),
        ({"interfaces": ["lo"], "discovery_timeout": 0}, ("discovery_timeout: found 0", "0.1 to 30 seconds")),
        ({"discovery_timeout": "nan"}, ("discovery_timeout: found nan",)),
        ({"discovery_timeout": "soon"}, ("discovery_timeout",)),
    ],
)
def test_a_wrong_option_is_one_clear_error(args: dict[str, t.Any], words: tuple[str, ...]) -> None:
    message = one_line(call(**args))
    assert all(word in message for word in words), message
