# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes .venv with what tests/requirements.txt pins; does nothing when it is there already.

Standard library only: this is the first thing that runs on a fresh machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
CACHE = ROOT / ".cache"
REQUIREMENTS = ROOT / "tests" / "requirements.txt"
# The oldest Python of managed nodes has its own, because the tools above need a newer one.
OLDEST_REQUIREMENTS = ROOT / "tests" / "requirements-oldest.txt"


def stop(message: str) -> NoReturn:
    sys.exit(f"setup: {message}")


def works(python: Path) -> bool:
    try:
        return subprocess.run([str(python), "-c", "import pip"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def as_root() -> list[str]:
    """The prefix that makes a command run as root, or an end with one line."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        return ["sudo"]
    stop("needs root: run as root or install sudo")


def install_venv_module() -> None:
    """Debian and Ubuntu ship Python without ensurepip; the rest comes as a package of its own."""
    package = f"python3.{sys.version_info.minor}-venv"
    if not shutil.which("apt-get"):
        stop(f"{sys.executable} cannot make virtual environments: install its venv and ensurepip modules")
    print(f"setup: installing {package}", flush=True)
    prefix = as_root()
    command = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    subprocess.run([*command, "update"], check=False, stdout=subprocess.DEVNULL)
    if subprocess.run([*command, "install", "-y", package], check=False, stdout=subprocess.DEVNULL).returncode:
        stop(f"{package} could not be installed: install it (apt-get install {package}) and run again")


def make_venv(python: str, venv: Path) -> None:
    if works(venv / "bin" / "python"):
        return
    shutil.rmtree(venv, ignore_errors=True)
    print(f"setup: making {venv.relative_to(ROOT)} with {python}", flush=True)
    command = [python, "-m", "venv", str(venv)]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0 and works(venv / "bin" / "python"):
        return
    if python != sys.executable:
        stop(f"{python} -m venv {venv} failed: install the venv module of that Python")
    shutil.rmtree(venv, ignore_errors=True)
    install_venv_module()
    if subprocess.run(command, check=False).returncode:
        stop(f"{python} -m venv {venv} failed: see above")


def pip_install(venv: Path, requirements: Path) -> None:
    """Install and show how far it is: the whole takes a minute or two."""
    total = sum("==" in line for line in requirements.read_text(encoding="utf-8").splitlines())
    print(f"setup: installing the packages of {requirements.relative_to(ROOT)} (about {total}; once)", flush=True)
    command = [str(venv / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", "-r", str(requirements)]
    started, done, lines = time.monotonic(), 0, []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            lines.append(line)
            done += line.startswith(("Collecting ", "Requirement already satisfied"))
            if line.startswith("Collecting ") and done % 10 == 0:
                print(f"setup: {done} of about {total}: {line.split()[1]}", flush=True)
            if line.startswith("Installing collected"):
                print("setup: unpacking", flush=True)
    if pip.returncode:
        sys.stderr.write("".join(lines[-15:]))
        stop(f"pip could not install {requirements.relative_to(ROOT)}: is a package index reachable (pip config list)?")
    print(f"setup: done in {time.monotonic() - started:.0f} s", flush=True)


def ensure(python: str, venv: Path, requirements: Path) -> None:
    """The stamp in the environment is the hash of what it was made from."""
    stamp = venv / ".requirements.sha256"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if works(venv / "bin" / "python") and stamp.exists() and stamp.read_text(encoding="ascii") == digest:
        return
    make_venv(python, venv)
    pip_install(venv, requirements)
    stamp.write_text(digest, encoding="ascii")


def interpreter(version: str) -> str | None:
    """A Python of this version, from PATH or pyenv, that really runs."""
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
    for candidate in [*map(str, found), shutil.which(f"python{version}")]:
        if candidate and works(Path(candidate)):
            return candidate
    return None


def oldest() -> Path | None:
    """An environment with the oldest Python below ours, for the code of managed nodes (3.8 is their floor)."""
    for version in ("3.8", "3.9", "3.10"):
        python = interpreter(version)
        if python:
            venv = CACHE / f"python{version}"
            ensure(python, venv, OLDEST_REQUIREMENTS)
            return venv / "bin" / "python"
    return None


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever starts this by hand may have any Python
        stop(f"needs Python >= 3.11, this is {sys.version.split()[0]}")
    if not shutil.which("git"):
        stop("git is not installed: apt-get install git")
    CACHE.mkdir(exist_ok=True)
    with open(CACHE / "setup.lock", "w", encoding="ascii") as lock:  # two runs at once make one environment
        fcntl.flock(lock, fcntl.LOCK_EX)
        ensure(sys.executable, VENV, REQUIREMENTS)


if __name__ == "__main__":
    main()
