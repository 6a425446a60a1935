# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.base import NODES
from tests.lab.images import Context


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    (tmp_path / "sub" / "run").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "sub" / "run").chmod(0o755)
    return tmp_path


def test_the_hash_follows_content_mode_and_arguments_only(folder: Path) -> None:
    first = Context.of(folder).digest({"A": "1"})
    (folder / "Dockerfile").touch()
    assert Context.of(folder).digest({"A": "1"}) == first
    assert Context.of(folder).digest({"A": "2"}) != first
    assert Context.of(folder, {"busybox": b"x"}).digest({"A": "1"}) != first
    (folder / "sub" / "run").chmod(0o644)
    assert Context.of(folder).digest({"A": "1"}) != first


def test_modes_do_not_depend_on_the_umask_of_the_checkout(folder: Path) -> None:
    (folder / "Dockerfile").chmod(0o600)
    with tarfile.open(fileobj=Context.of(folder, {"busybox": b"x"}).tar()) as archive:
        modes = {member.name: oct(member.mode) for member in archive}
    assert modes == {"Dockerfile": "0o644", "sub/run": "0o755", "busybox": "0o755"}


def test_a_changed_recipe_is_another_image() -> None:
    recipe = NODES["bookworm"]
    assert replace(recipe, packages=(*recipe.packages, "curl")).tag != recipe.tag
    assert recipe.tag.startswith("physical-ai-lab/node-base:bookworm-")


def test_the_recipe_takes_security_updates() -> None:
    argv = NODES["trixie"].command(Path("/keyring"))
    assert argv[-4:][0] == "-"
    assert "--keyring=/keyring" in argv
    assert [source.split()[2] for source in argv[-3:]] == ["trixie", "trixie-updates", "trixie-security"]
