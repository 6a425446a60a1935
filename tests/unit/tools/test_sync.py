# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.tools.sync import COLLECTION, sync


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "any name"
    (root / "roles" / "one" / "tasks").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / ".gitignore").write_text("/secret\n")
    (root / "galaxy.yml").write_text("name: edge\n")
    (root / "secret").write_text("not for others\n")
    (root / "roles" / "one" / "tasks" / "main.yml").write_text("---\n[]\n")
    (root / "lab").write_text("#!/bin/sh\n")
    (root / "lab").chmod(0o755)
    return root


def files(copy: Path) -> set[str]:
    return {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}


def test_copies_what_git_would_track_with_modes(checkout: Path, tmp_path: Path) -> None:
    copy = sync(checkout, tmp_path / "build")
    assert copy == tmp_path / "build" / COLLECTION
    assert files(copy) == {".gitignore", "galaxy.yml", "lab", "roles/one/tasks/main.yml"}
    assert os.access(copy / "lab", os.X_OK)
    assert not copy.is_symlink()


def test_follows_changes_and_removals(checkout: Path, tmp_path: Path) -> None:
    copy = sync(checkout, tmp_path / "build")
    before = (copy / "lab").stat().st_ino
    (checkout / "galaxy.yml").write_text("name: other\n")
    (checkout / "roles" / "one" / "tasks" / "main.yml").unlink()
    sync(checkout, tmp_path / "build")
    assert (copy / "galaxy.yml").read_text() == "name: other\n"
    assert not (copy / "roles").exists(), "an empty role folder stays"
    assert (copy / "lab").stat().st_ino == before, "an unchanged file was written again"


def test_keeps_what_tools_make_in_the_copy(checkout: Path, tmp_path: Path) -> None:
    copy = sync(checkout, tmp_path / "build")
    made = [copy / "tests" / "output" / "junit.xml", copy / ".git" / "HEAD"]
    for path in made:
        path.parent.mkdir(parents=True)
        path.write_text("kept")
    sync(checkout, tmp_path / "build")
    assert all(path.exists() for path in made)


def test_a_folder_without_git_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"sync: .* is not a git checkout"):
        sync(tmp_path, tmp_path / "build")
