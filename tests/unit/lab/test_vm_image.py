# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import platform
from pathlib import Path

import pytest

from tests.lab import engine, vm_image
from tests.lab.plan import LabError


def test_a_change_of_the_recipe_is_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    before = vm_image.recipe_hash()
    assert vm_image.recipe_hash() == before
    monkeypatch.setitem(vm_image.FILES, "etc/hostname", "other\n")
    assert vm_image.recipe_hash() != before


def test_missing_tools_name_their_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(vm_image, "_path", lambda: str(tmp_path))
    assert vm_image.missing_tools() == vm_image.TOOLS
    program = tmp_path / "mke2fs"
    program.touch(mode=0o755)
    assert "mke2fs" not in vm_image.missing_tools()


def test_what_cannot_be_installed_is_the_reason_for_the_skip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_sources(packages: list[str], optional: object = ()) -> None:
        raise LabError("the package sources of this machine have no " + ", ".join(packages))

    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(vm_image, "_path", lambda: str(tmp_path))
    monkeypatch.setattr(engine, "apt_install", no_sources)
    with pytest.raises(vm_image.Unavailable, match=r"qemu-system-x86_64.*have no .*qemu-system-x86"):
        vm_image.ensure_tools()


def test_another_architecture_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(vm_image.Unavailable, match="this machine is aarch64"):
        vm_image.ensure_tools()
