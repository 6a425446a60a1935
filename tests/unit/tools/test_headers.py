# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file that can carry a comment says whose it is and under which license."""

from __future__ import annotations

from pathlib import Path

from tests.tools.sync import ROOT, listed

LICENSE = "SPDX-License-Identifier: GPL-3.0-or-later"
COPYRIGHT = "Copyright: (c) 2026, physical_ai.edge contributors"
GPL_NOTICE = "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)"
# Data, pictures and keys have no comments; the rest is written by tools or is the license itself.
NO_COMMENTS = {
    ".json",
    ".jsonl",
    ".png",
    ".svg",
    ".pem",
    ".gz",
    ".npz",
    ".npy",
    ".onnx",
    ".csv",
    ".xml",
    ".txt",
    ".out",
}
NO_HEADER = {"LICENSE", "CHANGELOG.md", "changelogs/changelog.yaml", ".gitignore", ".gitattributes"}


def can_carry(name: str) -> bool:
    path = Path(name)
    if name in NO_HEADER or path.suffix in NO_COMMENTS - (
        {".txt"} if path.stem.startswith(("requirements", "bindep")) else set()
    ):
        return False
    content = (ROOT / name).read_bytes()
    # ansible-test wants package markers empty; recorded output of real tools stays as it was.
    return bool(content) and b"\0" not in content[:4096] and "fixtures" not in path.parts


def head(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")[:1000]


def test_headers() -> None:
    files = [name for name in listed(ROOT) if can_carry(name)]
    assert "galaxy.yml" in files, "the check looks at nothing"
    missing = [f"{name}: {line}" for name in files for line in (COPYRIGHT, LICENSE) if line not in head(name)]
    assert not missing, "no such line near the top of:\n" + "\n".join(missing)


def test_modules_carry_the_notice_that_ansible_test_wants() -> None:
    modules = [name for name in listed(ROOT) if name.startswith("plugins/modules/") and can_carry(name)]
    assert modules, "the check looks at nothing"
    assert not [name for name in modules if GPL_NOTICE not in head(name)]
