# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release would do, from what nodes say."""

from __future__ import annotations

import typing as t

from ansible_collections.physical_ai.edge.plugins.plugin_utils import rollout

RELEASE = {
    "release": "2",
    "tenant": "quality",
    "workloads": [{"name": "app"}, {"name": "count", "select": {"edge_site": ["a"], "edge_hardware": ["jetson"]}}],
}


def node(site: str, answer: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    return {"edge_site": site, "edge_connectivity": "connected", rollout.RESULT: answer, **more}


def plan(size: int, action: str = "swap", **more: t.Any) -> dict[str, t.Any]:
    return {"plan": {"changed": True, "current": "1", "actions": {"app": action}, "bytes": size, **more}}


def look(**fleet: dict[str, t.Any]) -> tuple[bool, str]:
    found = rollout.release_check(RELEASE, fleet, list(fleet))
    return found["good"], "\n".join(found["lines"])


def test_what_changes_where_and_what_a_site_has_to_fetch() -> None:
    good, text = look(
        a1=node("a", plan(100 << 20), edge_bandwidth="20Mbit"),
        a2=node("a", plan(0, "keep"), edge_bandwidth="20Mbit"),
        b1=node("b", plan(300 << 20, unknown=["model m"])),
    )
    assert good
    assert "a1    1         app changes" in text
    assert "a2    1         nothing changes" in text
    assert "a: 100 MiB to fetch, 0.0 hours at its bandwidth" in text
    assert "b: 300 MiB to fetch; not counted, since nobody says how large: model m" in text
    assert "count runs nowhere at a: edge_hardware is not set, wanted jetson" in text
    assert "count runs nowhere at b: edge_site is b, wanted a" in text


def test_who_cannot_be_asked_is_guessed_for() -> None:
    away = {"unreachable": True, "msg": "no route"}
    good, text = look(a1=node("a", plan(10 << 20)), a2=node("a", away, edge_connectivity="intermittent"))
    assert good
    assert "a: 20 MiB to fetch; guessed for a2" in text
    good, text = look(a1=node("a", plan(10 << 20)), a2=node("a", away))
    assert not good
    assert text.endswith("it could not go out: a2")


def test_a_window_that_cannot_hold_it_is_said() -> None:
    window = {"start": "20:00", "duration": "1h"}
    size = 20 * 10**6 // 8 * 3600 * 3
    good, text = look(a1=node("a", plan(size), edge_bandwidth="20Mbit", edge_fetch_window=window))
    assert not good
    assert "3.0 hours at its bandwidth; ITS FETCH WINDOW OF 1h CANNOT HOLD THAT" in text


def test_who_refuses_it_says_why() -> None:
    good, text = look(a1=node("a", {"failed": True, "class": "refused", "msg": "it failed here before"}))
    assert not good
    assert "refuses it: it failed here before" in text
