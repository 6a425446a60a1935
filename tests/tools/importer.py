# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the collection's archive and shows it to galaxy-importer, as Galaxy does with an upload."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.tools import setup
from tests.tools.sync import sync

DIST = setup.CACHE / "dist"
# What needs a container or the network runs elsewhere: sanity is a stage of its own, ansible-lint a tool of lint.
SETTINGS = """[galaxy-importer]
RUN_ANSIBLE_TEST = False
RUN_ANSIBLE_LINT = False
RUN_FLAKE8 = False
INFRA_LOCAL_DOCKER = False
CHECK_REQUIRED_TAGS = True
CHECK_CHANGELOG = True
"""


def build(output: Path = DIST) -> Path:
    """The archive that `ansible-galaxy collection install` takes."""
    output.mkdir(parents=True, exist_ok=True)
    command = [
        str(setup.VENV / "bin" / "ansible-galaxy"),
        "collection",
        "build",
        "--force",
        "--output-path",
        str(output),
    ]
    subprocess.run(command, cwd=sync(), check=True, stdout=subprocess.DEVNULL)
    return max(output.glob("*.tar.gz"), key=lambda path: path.stat().st_mtime)


def main() -> int:
    if len(sys.argv) > 1:
        print(build(Path(sys.argv[1]).resolve()))
        return 0
    archive = build()
    config = DIST / "galaxy-importer.cfg"
    config.write_text(SETTINGS, encoding="utf-8")
    env = {**os.environ, "GALAXY_IMPORTER_CONFIG": str(config)}
    command = [sys.executable, "-m", "galaxy_importer.main", str(archive)]
    done = subprocess.run(command, cwd=DIST, env=env, text=True, capture_output=True, check=False)
    output = done.stdout + done.stderr
    print(output)
    bad = [line for line in output.splitlines() if line.startswith(("ERROR", "WARNING"))]
    return 1 if done.returncode or bad else 0


if __name__ == "__main__":
    sys.exit(main())
