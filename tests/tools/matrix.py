# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ansible-test sanity for the Pythons of managed nodes and for later ansible-core, as far as they are here."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.tools import sanity, setup
from tests.tools.check import Counts, environment

# The oldest ansible-core is the one of .venv; these come after it, each with a Python that it supports.
LATER = {"2.20.10": "3.12", "2.21.5": "3.13"}


def count(title: str, arguments: list[str], venv: Path = setup.VENV) -> Counts:
    print(f"\n==== {title} ====", flush=True)
    done = sanity.run(arguments, environment(), venv)
    counts = Counts(len(done.ran - done.failed), len(done.failed), len(done.skipped))
    print(f"==== {title}: {counts} ====", flush=True)
    return counts


def later(version: str, python: str) -> Counts:
    title = f"ansible-core {version} on Python {python}"
    found = setup.interpreter(python)
    if found is None:
        print(f"\n==== {title}: skipped, no Python {python} on PATH or in pyenv ====")
        return Counts(skipped=1)
    venv = setup.CACHE / f"ansible-core-{version}"
    requirements = setup.CACHE / f"ansible-core-{version}.txt"
    requirements.write_text(f"ansible-core=={version}\nnetaddr==1.3.0\n", encoding="utf-8")
    setup.ensure(found, venv, requirements)
    return count(title, ["--python", python], venv)


def main() -> int:
    present = [version for version in sanity.VERSIONS if setup.interpreter(version)]
    total = count(f"compile and import on Python {', '.join(present)}", ["--test", "compile", "--test", "import"])
    for version, python in LATER.items():
        total += later(version, python)
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
