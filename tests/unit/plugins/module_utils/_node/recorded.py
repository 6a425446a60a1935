# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded nodes: one text file each, unpacked into a folder, because git and archives do not carry all that sysfs has."""

from __future__ import annotations

import json
import shutil
import typing as t
from pathlib import Path

import pytest

from tests.tools.sync import ROOT

FIXTURES = ROOT / "tests/unit/fixtures/hardware"
NAMES = sorted(path.parent.name for path in FIXTURES.glob("*/tree.json"))
# Recordings from real devices that belong to others: beside the checkout, or absent.
RECORDINGS = ROOT.parent / "shared/data"


def tree(name: str) -> t.Dict[str, t.Any]:
    """Files by path: text, `{"link": target}`, `{"hex": bytes}` or `{"recording": file}`."""
    found: t.Dict[str, t.Any] = json.loads((FIXTURES / name / "tree.json").read_text(encoding="utf-8"))
    return found


def expected(name: str) -> t.Dict[str, t.Any]:
    found: t.Dict[str, t.Any] = json.loads((FIXTURES / name / "expected.json").read_text(encoding="utf-8"))
    return found


def recording(name: str) -> Path:
    path = RECORDINGS / name
    if not path.is_file():
        pytest.skip(f"no recording {name}: there is no folder shared/data beside the checkout")
    return path


def unpack(name: str, root: Path) -> Path:
    """A node under `root`."""
    lay(tree(name), root)
    return root


def lay(files: t.Mapping[str, t.Any], root: Path) -> None:
    for path, content in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            place.write_bytes(content.encode("utf-8"))
        elif "link" in content:
            place.symlink_to(content["link"])
        elif "hex" in content:
            place.write_bytes(bytes.fromhex(content["hex"]))
        else:
            shutil.copyfile(str(recording(content["recording"])), str(place))
