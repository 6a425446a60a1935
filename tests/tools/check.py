# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the stages of the tests, each with a heading and its time, and ends with one true line of numbers.

A pytest test, a lint tool, a sanity test and a molecule scenario count as one each.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from tests.tools import sanity, setup
from tests.tools.sync import BUILD, COLLECTION, ROOT, sync

BIN = setup.VENV / "bin"
PLUGINS = BUILD / COLLECTION / "plugins"


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: list[str] = field(default_factory=list)  # one line for each failure

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.reasons + other.reasons,
        )

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def environment() -> dict[str, str]:
    """The tools find each other, the copy of the collection, and no settings or caches of the user."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MOLECULE_"))}
    env.pop("PYTHONPATH", None)
    env["PATH"] = f"{BIN}{os.pathsep}{env.get('PATH', os.defpath)}"
    env["ANSIBLE_COLLECTIONS_PATH"] = str(BUILD)
    env["ANSIBLE_HOME"] = str(setup.CACHE / "ansible")
    env["VIRTUAL_ENV"] = str(setup.VENV)
    return env


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def tool(name: str, command: list[str], cwd: Path = ROOT, extra: dict[str, str] | None = None) -> Counts:
    """One program that passes or fails as a whole."""
    print(f"-- {name}", flush=True)
    started = time.monotonic()
    code = subprocess.run(command, cwd=cwd, env={**environment(), **(extra or {})}, check=False).returncode
    print(f"-- {name}: {'failed' if code else 'passed'} ({clock(time.monotonic() - started)})", flush=True)
    return Counts(failed=1, reasons=[name]) if code else Counts(passed=1)


def pytest(arguments: list[str], python: Path = BIN / "python") -> Counts:
    """Run pytest; how many passed comes from tests/conftest.py, and a run that breaks is a failure."""
    counts_file = setup.CACHE / f"counts-{os.getpid()}.json"
    counts_file.unlink(missing_ok=True)
    command = [str(python), "-m", "pytest", "--counts", str(counts_file), *arguments]
    code = subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode
    if not counts_file.exists():
        return Counts(failed=1, reasons=[f"pytest {arguments[0]}: it broke off with {code}"])
    read = json.loads(counts_file.read_text(encoding="utf-8"))
    counts_file.unlink()
    counts = Counts(read["passed"], read["failed"], read["skipped"], read["reasons"])
    if read["must_show"]:
        print(read["must_show"], flush=True)
    if code and not counts.failed:
        print(f"pytest ended with {code}: {'no test was found' if code == 5 else 'see above'}", flush=True)
        counts.failed = 1
        counts.reasons.append(f"pytest {arguments[0]}: ended with {code}")
    return counts


def lint() -> Counts:
    sync()
    for name in ("ruff", "mypy", "importer"):
        (setup.CACHE / name).mkdir(exist_ok=True)
    caches = {"RUFF_CACHE_DIR": str(setup.CACHE / "ruff")}
    checked = [str(path) for path in (PLUGINS, ROOT / "tests") if path.exists()]
    counts = tool("ruff check", ["ruff", "check", "."], extra=caches)
    counts += tool("ruff format", ["ruff", "format", "--check", "."], extra=caches)
    counts += tool("mypy", ["mypy", "--cache-dir", str(setup.CACHE / "mypy"), *checked])
    counts += tool("yamllint", ["yamllint", "--strict", "."])
    counts += tool("ansible-lint", ["ansible-lint", "--strict", "--offline", "-q"])
    counts += tool("changelog fragments", ["antsibull-changelog", "lint"])
    counts += tool("plugin documentation", ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "."])
    counts += tool("galaxy-importer", [str(BIN / "python"), "-m", "tests.tools.importer"])
    return counts


def unit() -> Counts:
    # More than the cores of a small machine, because many tests wait most of the time; those of a file stay together.
    many = ["-q", "-n", "3", "--dist", "loadfile"]
    counts = pytest(["tests/unit", *many])
    oldest = setup.oldest()
    if oldest is None:
        print("unit tests of node code on Python 3.8: skipped, no Python 3.8 to 3.10 found on PATH or in pyenv")
        return counts + Counts(skipped=1)
    print(f"-- node code on {oldest.parents[1].name}", flush=True)
    return counts + pytest(["tests/unit/plugins/module_utils", *many], oldest)


def sanity_tests() -> Counts:
    done = sanity.run(["--python", f"{sys.version_info.major}.{sys.version_info.minor}"], environment())
    reasons = [f"ansible-test sanity {name}" for name in sorted(done.failed)]
    return Counts(len(done.ran - done.failed), len(done.failed), len(done.skipped), reasons)


def engine_and(run: Callable[[], Counts]) -> Counts:
    """What runs on the lab needs a container engine; where there is none and none can be had, one failure says so."""
    started = tool("container engine", [str(BIN / "python"), "-m", "tests.lab.engine", "up"])
    return run() if not started.failed else started


def labs() -> set[str]:
    """The labs of this checkout: the lab keeps a folder for each, as long as it is up."""
    return {path.parent.name for path in (ROOT / ".lab").glob("*/lab.json")}


def stop_labs(before: set[str]) -> None:
    """Leave nothing running that was started here: labs that were not there before, and the engine if it was not."""
    python = str(BIN / "python")
    for name in sorted(labs() - before):
        subprocess.run([python, "-m", "tests.lab", "--name", name, "down"], cwd=ROOT, env=environment(), check=False)
    subprocess.run([python, "-m", "tests.lab.engine", "down"], cwd=ROOT, env=environment(), check=False)


SHORT = "not slow and not bench"
TIMES = ("--durations=60", "--durations-min=10")


def integration() -> Counts:
    # Nodes that are folders are in nobody's way: side by side, and before those of the lab, which need the machine for themselves.
    counts = pytest(["tests/integration", "-m", f"not lab and {SHORT}", "-n", "2", "--dist", "worksteal", *TIMES])
    return counts + pytest(["tests/integration", "-m", f"lab and {SHORT}", *TIMES])


def e2e() -> Counts:
    return pytest(["tests/e2e", "-m", SHORT, *TIMES])


def bench() -> Counts:
    return pytest(["tests/bench"])


def molecule() -> Counts:
    """Each scenario in the copy, where its playbooks find the collection by name."""
    target = sync()
    counts = Counts()
    for path in sorted((ROOT / "molecule").glob("*/molecule.yml")):
        scenario = path.parent.name
        counts += tool(f"molecule {scenario}", ["molecule", "test", "--scenario-name", scenario], cwd=target)
    if counts == Counts():
        print("no scenario was found in molecule/")
        return Counts(failed=1)
    return counts


STAGES: dict[str, Callable[[], Counts]] = {
    "lint": lint,
    "unit": unit,
    "sanity": sanity_tests,
    "integration": lambda: engine_and(integration),
    "molecule": lambda: engine_and(molecule),
    "e2e": lambda: engine_and(e2e),
    "bench": bench,
}


def run_stages(names: list[str], stop: bool = False) -> Counts:
    before = labs()
    try:
        total, rows = each_stage(names)
    finally:
        if stop:
            stop_labs(before)
    if len(names) > 1:
        print(f"\n{'stage':12} {'passed':>7} {'failed':>7} {'skipped':>8} {'time':>7}")
        print("\n".join(rows))
        # Once more at the end: what came before is long.
        print("".join(f"failed: {line}\n" for line in total.reasons), end="")
    print(total, flush=True)
    return total


def each_stage(names: list[str]) -> tuple[Counts, list[str]]:
    total = Counts()
    rows: list[str] = []
    begun = time.monotonic()
    for name in names:
        print(f"\n==== {name} ====", flush=True)
        print(f"-- free: {shutil.disk_usage(ROOT).free >> 30} GiB of disk", flush=True)
        started = time.monotonic()
        counts = STAGES[name]()
        took = clock(time.monotonic() - started)
        print(f"==== {name}: {counts} ({took}) ====", flush=True)
        rows.append(f"{name:12} {counts.passed:7} {counts.failed:7} {counts.skipped:8} {took:>7}")
        total += counts
    rows.append(
        f"{'whole':12} {total.passed:7} {total.failed:7} {total.skipped:8} {clock(time.monotonic() - begun):>7}"
    )
    return total, rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(STAGES))
    parser.add_argument("--must-show", metavar="PART", help="run what shows the items of this part")
    parser.add_argument(
        "--stop-lab", action="store_true", help="leave no lab and no engine running that was started here"
    )
    arguments = parser.parse_args()
    # A run that is told to stop cleans up as one that ends.
    signal.signal(signal.SIGTERM, lambda *_unused: sys.exit("check: stopped"))
    unknown = [name for name in arguments.stages if name not in STAGES]
    if unknown:
        parser.error(f"no stage {unknown[0]!r}: there are {', '.join(STAGES)}")
    if arguments.must_show:
        return 1 if engine_and(lambda: pytest(["tests", "--must-show", arguments.must_show])).failed else 0
    return 1 if run_stages(arguments.stages, arguments.stop_lab).failed else 0


if __name__ == "__main__":
    sys.exit(main())
