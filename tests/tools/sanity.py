# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ansible-test sanity on a copy of the checkout, also where only a package index can be reached.

ansible-test keeps environments, and a script that installs pip, below the home directory. It gets a home of its own
in .cache, so that nothing of the user's is touched and the environments survive between runs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.tools import setup
from tests.tools.sync import BUILD, sync

HOME = setup.CACHE / "home"
# From the oldest that managed nodes have to the newest of controllers.
VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
COPY = BUILD / "sanity"
RUNNING = re.compile(r'^Running sanity test "([\w-]+)"')
SKIPPED = re.compile(r'^WARNING: (?:Skipping sanity test "([\w-]+)"|Required program "[\w-]+" not found)')
FAILED = re.compile(r"sanity test\(s\) listed below \(out of \d+\) failed")


@dataclass
class Outcome:
    ran: set[str]
    failed: set[str]
    skipped: set[str]


def outcome(output: str, code: int) -> Outcome:
    """What ansible-test says it did."""
    ran: set[str] = set()
    failed: set[str] = set()
    skipped: set[str] = set()
    lines = output.splitlines()
    current = ""
    for number, line in enumerate(lines):
        if match := RUNNING.match(line):
            current = match[1]
            ran.add(current)
        elif line.startswith("WARNING: Reviewing previous"):
            current = ""  # the warnings once more, after the last test
        elif (match := SKIPPED.match(line)) and (match[1] or current):
            skipped.add(match[1] or current)
        elif FAILED.search(line):
            failed.update(name.strip() for name in lines[number + 1 :] if name.strip() in ran)
    if code and not failed:
        failed.add("ansible-test")
    return Outcome(ran - skipped, failed, skipped)


def pip_version(ansible_test: Path) -> str:
    """The pip that this ansible-test installs first; its bootstrap script carries the version in its name."""
    source = (ansible_test / "_internal" / "python_requirements.py").read_text(encoding="utf-8")
    match = re.search(r"""pip=['"]([\d.]+)['"]""", source)
    if match is None:
        sys.exit(f"sanity: no pip version in {ansible_test}: ansible-core changed; adapt tests/tools/sanity.py")
    return match[1]


def prepare_home(venv: Path) -> None:
    """Place the stand-in for get-pip.py, and pip's settings: ansible-test passes no PIP_ variables on."""
    packages = next(venv.glob("lib/python3*/site-packages/ansible_test"))
    script = HOME / ".ansible" / "test" / "cache" / f"get_pip_{pip_version(packages).replace('.', '_')}.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(Path(__file__).with_name("get_pip.py"), script)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "config", "list"]
    listed = subprocess.run(pip, capture_output=True, text=True, check=True).stdout
    settings = [re.match(r"^(?::env:|global)\.([\w-]+)='(.*)'$", line) for line in listed.splitlines()]
    config = HOME / ".config" / "pip" / "pip.conf"
    config.parent.mkdir(parents=True, exist_ok=True)
    lines = {match[1]: match[2] for match in settings if match}
    text = "".join(f"{key} = {value}\n" for key, value in lines.items())
    config.write_text(f"[global]\n{text}", encoding="utf-8")


def pythons() -> Path:
    """A folder with every Python that really runs, for PATH: ansible-test trusts names, also those of dead shims."""
    folder = HOME / "pythons"
    folder.mkdir(parents=True, exist_ok=True)
    for version in VERSIONS:
        found = setup.interpreter(version)
        link = folder / f"python{version}"
        link.unlink(missing_ok=True)
        if found:
            link.symlink_to(found)
    return folder


def prepare_copy() -> Path:
    """A copy that git takes for a repository of its own: inside ours it is ignored, and ansible-test finds no file."""
    target = sync(build=COPY)
    if not (target / ".git").exists():
        subprocess.run(["git", "init", "-q", str(target)], check=True)
    return target


def run(arguments: list[str], env: dict[str, str], venv: Path = setup.VENV) -> Outcome:
    """Run ansible-test sanity, show its output as it comes, and return what it did."""
    prepare_home(venv)
    target = prepare_copy()
    command = [str(venv / "bin" / "ansible-test"), "sanity", "--color", "no", "--requirements", *arguments]
    path = [str(venv / "bin"), str(pythons()), *(p for p in env["PATH"].split(os.pathsep) if not p.endswith("shims"))]
    env = {**env, "HOME": str(HOME), "PATH": os.pathsep.join(path), "VIRTUAL_ENV": str(venv)}
    lines: list[str] = []
    with subprocess.Popen(
        command, cwd=target, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            for line in process.stdout or ():
                lines.append(line)
                print(line.replace(str(target) + "/", ""), end="", flush=True)
        except BaseException:  # a run that is stopped does not wait for the rest of it
            process.terminate()
            raise
    return outcome("".join(lines), process.returncode)
