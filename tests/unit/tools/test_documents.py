# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documents point at exists."""

from __future__ import annotations

import re
from pathlib import Path

from tests.tools.sync import ROOT, listed

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
TARGET = re.compile(r"^([a-z0-9-]+):", re.MULTILINE)
COMMAND = re.compile(r"`?\bmake ((?:[a-z0-9-]+ ?)+)`|^make ([a-z-]+)$", re.MULTILINE)
PLAYBOOK = re.compile(r"ansible-playbook physical_ai\.edge\.([a-z_]+)|^\| `physical_ai\.edge\.([a-z_]+)`", re.MULTILINE)


def documents() -> list[Path]:
    return [ROOT / name for name in listed(ROOT) if name.endswith(".md")]


def anchors(text: str) -> set[str]:
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in HEADING.findall(text)}


def test_links_lead_somewhere() -> None:
    broken = []
    for document in documents():
        for link in LINK.findall(document.read_text(encoding="utf-8")):
            if "://" in link:
                continue
            name, _hash, anchor = link.partition("#")
            target = (document.parent / name).resolve() if name else document
            if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
                broken.append(f"{document.relative_to(ROOT)}: {link}")
    assert not broken


def test_make_has_the_targets_that_are_named() -> None:
    targets = set(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    named = {
        word
        for document in documents()
        for groups in COMMAND.findall(document.read_text(encoding="utf-8"))
        for word in " ".join(groups).split()
    }
    assert {"demo", "test"} <= named
    assert named <= targets


def test_the_playbooks_that_are_named_exist() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in documents())
    named = {one or other for one, other in PLAYBOOK.findall(text)}
    assert "provision" in named
    assert named <= {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
