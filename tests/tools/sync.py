# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies the checkout to .build/ansible_collections/physical_ai/edge, where ansible finds the collection.

The checkout may have any name and place, and ansible-test refuses a symlink, so this is a real copy of what git
tracks or would track. Only what changed is written; what is gone from the checkout goes from the copy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build"
COLLECTION = Path("ansible_collections", "physical_ai", "edge")
# Made inside the copy by the tools that run there.
KEEP = {".git", "__pycache__", ".ansible", ".mypy_cache", ".pytest_cache", ".ruff_cache"}


def listed(root: Path) -> list[str]:
    """The files that git tracks or would track, relative to root."""
    # A checkout of another user (sudo make ...) is fine to read.
    command = ["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"]
    try:
        out = subprocess.run(command, check=True, capture_output=True).stdout
    except FileNotFoundError:
        raise SystemExit("sync: git is not installed: apt-get install git") from None
    except subprocess.CalledProcessError as exc:
        raise SystemExit(f"sync: {root} is not a git checkout: {exc.stderr.decode().strip()}") from None
    names = {os.fsdecode(name) for name in out.split(b"\0") if name}
    return sorted(name for name in names if (root / name).is_file() or (root / name).is_symlink())


def same(source: Path, target: Path) -> bool:
    try:
        have = target.lstat()
    except FileNotFoundError:
        return False
    want = source.lstat()
    return (have.st_size, have.st_mtime_ns, have.st_mode) == (want.st_size, want.st_mtime_ns, want.st_mode)


def copy(source: Path, target: Path) -> None:
    """Copy by rename, so that a run that reads the copy now never sees half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".sync-", dir=str(target.parent)) as temporary:
        new = Path(temporary, "new")
        shutil.copy2(str(source), str(new), follow_symlinks=False)
        os.replace(str(new), str(target))


def drop_empty(folder: Path, stop: Path) -> None:
    """An empty folder under roles/ would be taken for a role."""
    while folder != stop:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def prune(target: Path, keep: set[str]) -> None:
    for folder, folders, files in os.walk(str(target)):
        folders[:] = [name for name in folders if name not in KEEP and not name.startswith(".sync-")]
        where = Path(folder).relative_to(target)
        if where == Path("tests"):
            folders[:] = [name for name in folders if name != "output"]
        for name in files:
            if str(where / name) not in keep:
                Path(folder, name).unlink(missing_ok=True)
                drop_empty(Path(folder), target)


def sync(root: Path = ROOT, build: Path = BUILD) -> Path:
    """Bring the copy up to date and return it."""
    target = build / COLLECTION
    names = listed(root)
    for name in names:
        if not same(root / name, target / name):
            copy(root / name, target / name)
    prune(target, set(names))
    return target


if __name__ == "__main__":
    print(sync(ROOT, Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else BUILD))
