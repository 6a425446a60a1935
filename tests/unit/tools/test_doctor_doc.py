# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document of the doctor says what the doctor does."""

from __future__ import annotations

from tests.tools import doctor_doc


def test_the_tables_are_those_of_the_code() -> None:
    text = doctor_doc.DOCUMENT.read_text(encoding="utf-8")
    assert text == doctor_doc.document(text), "run: python -m tests.tools.doctor_doc"
