# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import setup
from tests.tools.sync import ROOT

FIND = ROOT / "tests" / "tools" / "find_python.sh"


def find(path: Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": str(path)}
    return subprocess.run(["/bin/sh", str(FIND)], env=env, capture_output=True, text=True, check=False)


def test_a_name_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    dead = tmp_path / "python3"
    dead.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    dead.chmod(0o755)
    (tmp_path / "python3.12").symlink_to(sys.executable)
    done = find(tmp_path)
    assert done.stdout.strip() == str(tmp_path / "python3.12")


def test_no_python_is_one_line_that_says_what_to_install(tmp_path: Path) -> None:
    done = find(tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "apt-get install python3" in done.stderr


def test_an_older_python_is_one_line() -> None:
    old = setup.interpreter("3.8") or setup.interpreter("3.9") or setup.interpreter("3.10")
    if old is None:
        pytest.skip("no Python 3.8 to 3.10 here")
    done = subprocess.run([old, str(ROOT / "tests/tools/setup.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("setup: needs Python >= 3.11, this is 3.")
    assert done.stderr.count("\n") == 1


def test_every_requirement_is_pinned_for_every_python() -> None:
    for path in (setup.REQUIREMENTS, setup.OLDEST_REQUIREMENTS):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
        assert lines
        assert not [line for line in lines if "==" not in line.split(";")[0]], path


def test_what_is_there_is_not_made_again() -> None:
    stamp = setup.VENV / ".requirements.sha256"
    before = (stamp.stat().st_mtime_ns, (setup.VENV / "pyvenv.cfg").stat().st_mtime_ns)
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/tools/setup.py")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert before == (stamp.stat().st_mtime_ns, (setup.VENV / "pyvenv.cfg").stat().st_mtime_ns)
