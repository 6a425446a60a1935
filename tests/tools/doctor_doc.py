# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the tables of docs/doctor.md from the checks that the doctor makes, and the GPU errors that it knows.

python -m tests.tools.doctor_doc
"""

from __future__ import annotations

import sys

from tests.tools.sync import BUILD, ROOT

sys.path.insert(0, str(BUILD))

from ansible_collections.physical_ai.edge.plugins.module_utils._core import doctor, xid

DOCUMENT = ROOT / "docs" / "doctor.md"


def checks() -> str:
    rows = [f"| `{check.name}` | {check.about} |" for check in doctor.CHECKS]
    return "\n".join(["| check | what is wanted |", "|---|---|", *rows])


def events() -> str:
    rows = [
        f"| {number} | {item.words} | {'failure' if item.serious else 'warning'} | {item.do} |"
        for number, item in sorted(xid.MEANINGS.items())
    ]
    return "\n".join(["| Xid | what it means | is a | what to do |", "|---|---|---|---|", *rows])


TABLES = {"checks": checks, "xid": events}


def document(before: str) -> str:
    """The text with what stands between its markers made anew."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}: made by tests/tools/doctor_doc.py -->", f"<!-- end of {name} -->"
        head, _mark, rest = before.partition(begin)
        _old, _end, tail = rest.partition(end)
        before = f"{head}{begin}\n\n{table()}\n\n{end}{tail}"
    return before


if __name__ == "__main__":
    DOCUMENT.write_text(document(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
