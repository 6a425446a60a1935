# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls one module on lab nodes, as a task of a play would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.lab import Lab
from tests.tools.sync import ROOT


def call(lab: Lab, host: str, module: str, check: bool = False, **args: Any) -> dict[str, Any]:
    """What the module returned, also when it failed."""
    lab.sync()
    argv = [str(Path(sys.executable).with_name("ansible")), host, "--become", "--diff"]
    argv += ["--module-name", f"physical_ai.edge.{module}"]
    argv += ["--args", json.dumps(args)] if args else []
    environ = lab.env()
    environ.update(ANSIBLE_STDOUT_CALLBACK="ansible.posix.json", ANSIBLE_LOAD_CALLBACK_PLUGINS="true")
    done = subprocess.run(
        [*argv, *(["--check"] if check else [])],
        env=environ,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    start = done.stdout.find("{")
    if start < 0:
        raise AssertionError(f"{module} on {host} (pid {os.getpid()}): no result: {done.stdout}{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout[start:])["plays"][0]["tasks"][0]["hosts"][host]
    return result


def one_line(result: dict[str, Any]) -> str:
    """The message of a module that failed as it should: one line, no traceback."""
    assert result.get("failed") is True, result
    message = str(result["msg"])
    assert "Traceback" not in json.dumps(result)
    assert "\n" not in message, message
    return message
