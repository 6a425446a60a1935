# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab says where an engine cannot be had. Run as its own process, as `make` does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def engine_up(path: str, **more: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": os.environ.get("HOME", "/"), **more}
    argv = [sys.executable, "-m", "tests.lab.engine", "up"]
    return subprocess.run(argv, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)


def test_an_engine_elsewhere_that_does_not_answer_is_not_replaced_by_one_here(tmp_path: Path) -> None:
    done = engine_up(os.environ["PATH"], DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"DOCKER_HOST is unix://{tmp_path}/none.sock and no engine answers there" in done.stderr


def test_without_apt_one_line_says_what_to_install(tmp_path: Path) -> None:
    script = "from tests.lab import engine; engine.apt_install(['docker.io'])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PATH": str(tmp_path), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "no apt-get on this machine" in last
    assert "install docker.io, iptables and mmdebstrap" in last
