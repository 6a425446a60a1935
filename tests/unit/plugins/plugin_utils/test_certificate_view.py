# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.physical_ai.edge.plugins.plugin_utils.certificate_page import page
from ansible_collections.physical_ai.edge.plugins.plugin_utils.certificate_view import view

DAY = 86400


def row(days: float = 20, **more: t.Any) -> dict[str, t.Any]:
    installed = {
        "issuer": "CN=kiruna issuing CA 1",
        "not_after": 1800000000 + days * DAY,
        "days_left": days,
        "valid": days > 0,
    }
    found = {"name": "node", "installed": installed, "due": False, "reason": "valid", "renews_at": 1800000000}
    return {**found, "pending": False, "clock": "trusted", "problem": "", "endpoint": "", **more}


def fleet(**hosts: t.Any) -> dict[str, t.Any]:
    return {
        name: {"certificates_found": {"certificates": rows}} if rows is not None else {} for name, rows in hosts.items()
    }


def test_those_that_end_first_are_on_top_and_who_is_silent_is_named() -> None:
    found = view(fleet(a=[row(20)], b=[row(3), row(9, name="quality.inspection")], c=None), ["a", "b", "c"])
    assert [line.split()[0:2] for line in found["lines"][1:4]] == [
        ["b", "node"],
        ["b", "quality.inspection"],
        ["a", "node"],
    ]
    assert found["lines"][4] == "c: could not be asked"
    assert [item["host"] for item in found["rows"]] == ["b", "b", "a"] and found["problems"] == []


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (row(-1), "a/node: ran out"),
        (row(-1, clock="doubtful"), ""),
        (row(5, problem="the gateway does not answer"), "a/node: the gateway does not answer"),
        (row(installed=None), "a/node: there is none yet"),
        (row(5, revoked=True), "a/node: is revoked"),
        (row(5), ""),
    ],
)
def test_what_is_wrong(item: dict[str, t.Any], words: str) -> None:
    problems = view(fleet(a=[item]), ["a"])["problems"]
    assert (problems[0].startswith(words) and len(problems) == 1) if words else problems == []


def test_nothing_at_all() -> None:
    found = view(fleet(a=[]), ["a"])
    assert found == {"rows": [], "lines": ["no node has a certificate"], "silent": [], "problems": []}
    assert "No node has a certificate" in page(found)


def test_the_page_says_the_same_and_nothing_in_it_is_markup_of_a_node() -> None:
    evil = row(5, problem="<script>alert(1)</script>")
    late = row(20, renewed_by={"url": "http://10.20.1.2:4460/certificates", "node": "b"})
    made = page(view(fleet(a=[evil], b=[late, row(9, due=True, name="quality.inspection")], c=None), ["a", "b", "c"]))
    assert "<script>" not in made and "&lt;script&gt;alert(1)" in made
    assert "<b>3</b>certificates" in made and "<b>1</b>with a problem" in made and "Could not be asked: c" in made
    assert "http://10.20.1.2:4460/certificates" in made and "CN=kiruna issuing CA 1</th><td>3 certificates" in made
    assert made.index("What wants a look") < made.index("quality.inspection") < made.index("Who has what")
    for word in ("http-equiv", "default-src 'none'"):
        assert word in made
    assert "<link" not in made and "<img" not in made and "url(" not in made


@pytest.mark.parametrize("when", [1e18, -1e18, float("inf")])
def test_a_time_that_is_none_is_no_traceback(when: float) -> None:
    item = row(5)
    item["installed"]["not_after"] = when
    assert page(view(fleet(a=[item]), ["a"]))
