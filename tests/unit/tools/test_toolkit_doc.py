# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document of the NVIDIA toolkit says what the support matrix has."""

from __future__ import annotations

from tests.lab import toolkit_debs
from tests.tools import toolkit_doc


def test_the_tables_are_those_of_the_matrix() -> None:
    text = toolkit_doc.DOCUMENT.read_text(encoding="utf-8")
    assert text == toolkit_doc.document(text), "run: python -m tests.tools.toolkit_doc"


def test_the_lab_tries_what_the_matrix_says_was_tried_there() -> None:
    tried = {entry["version"] for entry in toolkit_doc.matrix()["toolkit"] if entry["why"] == "tried in the lab"}
    assert tried == set(toolkit_debs.VERSIONS)
    assert set(toolkit_doc.matrix()["packages"]) == set(toolkit_debs.DEPENDS)
