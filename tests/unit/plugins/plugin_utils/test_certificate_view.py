# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

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
        (row(5), ""),
    ],
)
def test_what_is_wrong(item: dict[str, t.Any], words: str) -> None:
    problems = view(fleet(a=[item]), ["a"])["problems"]
    assert (problems[0].startswith(words) and len(problems) == 1) if words else problems == []


def test_nothing_at_all() -> None:
    assert view(fleet(a=[]), ["a"]) == {"rows": [], "lines": ["no node has a certificate"], "problems": []}
