# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a fleet: what is on it, that it needs nothing else, and that no node can write markup into it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import outcome
from ansible_collections.physical_ai.edge.plugins.plugin_utils import fleet_page, fleet_view
from tests.unit.plugins.plugin_utils.statuses import SILENT, running, status, tenant, workload

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
T0 = NOW.timestamp() - 7200
VOID = {"meta", "path", "rect"}


class Page(HTMLParser):
    """Elements and texts; what is opened must be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.words.append(" ".join(data.split()))

    def texts(self, tag: str) -> int:
        return sum(name == tag for name, _attributes in self.tags)


def entry(sequence: Any, time: Any = T0, **facts: Any) -> dict[str, Any]:
    base = {"kind": "change", "tenant": "quality", "release": "2.0", "class": "success", "msg": "runs"}
    return {"sequence": sequence, "time": time, "previous": "x", **base, **facts}


def fleet(collected: dict[str, list[Any]], **results: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    hostvars = {
        host: {"status_result": result, "edge_site": host.rstrip("0123456789"), "edge_ring": "early"}
        for host, result in results.items()
    }
    found = {host: {"site": host.rstrip("0123456789"), "entries": entries} for host, entries in collected.items()}
    return fleet_view.view(hostvars, list(results), found, NOW), found


def rollout(wave: int, stage: str = "early", name: str = "r1") -> dict[str, Any]:
    return {"id": name, "stage": stage, "wave": wave}


def test_every_class_has_a_letter_of_its_own() -> None:
    assert set(fleet_page.CLASSES) == set(outcome.MEANINGS)
    letters = [letter for letter, _tone in [*fleet_page.CLASSES.values(), *fleet_page.KINDS.values(), fleet_page.OTHER]]
    assert len(set(letters)) == len(letters)
    for name, (_letter, tone) in fleet_page.CLASSES.items():
        assert (tone in (fleet_page.BAD, fleet_page.WARN)) >= outcome.MEANINGS[name].failure, name


def test_what_runs_where_and_what_wants_a_look() -> None:
    found = fleet_page.page(*fleet({}, kiruna1=running(), narvik1=SILENT))
    page = Page(found)
    assert page.words.count("kiruna1") == 1 and page.words.count("narvik1") == 2
    assert "What wants a look" in page.words and "1 of 2" in page.words
    assert "What wants a look" not in fleet_page.page(*fleet({}, kiruna1=running()))
    assert "No rollout is in what was collected." in page.words


def test_the_page_needs_nothing_from_anywhere() -> None:
    found = fleet_page.page(*fleet({"kiruna1": [entry(1, rollout=rollout(1))]}, kiruna1=running()))
    for name, attributes in Page(found).tags:
        assert name not in ("script", "link", "img", "iframe", "object", "form"), name
        assert not any(key in ("src", "href", "style") or key.startswith("on") for key in attributes)
    assert "url(" not in found and "@import" not in found and "http" not in found.replace("http-equiv", "")
    assert "prefers-color-scheme: dark" in found


def test_a_rollout_has_its_sites_as_rows_and_its_waves_as_columns() -> None:
    collected = {
        "kiruna1": [entry(1, T0, rollout=rollout(1, "canary"))],
        "kiruna2": [entry(1, T0 + 60, rollout=rollout(2, "canary"), **{"class": "reverted"})],
        "narvik1": [entry(4, T0 + 500, rollout=rollout(10)), entry(5, T0 + 600, **{"class": "held"})],
        "narvik2": [
            entry(1, T0 + 400, rollout=rollout(9)),
            entry(2, T0 + 450, rollout=rollout(9), **{"class": "broken"}),
        ],
        # As another program may write it.
        "narvik3": [entry(1, T0 + 400, rollout="r1", stage="early", wave=9)],
    }
    (found,) = fleet_page.rollouts(list(fleet_page.events_of(*fleet(collected, kiruna1=running()))))
    assert found.columns == [("canary", "1"), ("canary", "2"), ("early", "9"), ("early", "10")]
    cells = {
        site: [[(letter, number) for letter, _tone, number, _title in cell] for cell in row] for site, row in found.rows
    }
    assert cells == {
        "kiruna": [[("S", 1)], [("R", 1)], [], []],
        # A node that came twice counts as it ended; the worst is first.
        "narvik": [[], [], [("B", 1), ("S", 1)], [("S", 1)]],
    }
    assert found.totals[0] == ("B", "bad", 1, "broken: narvik2")


def test_a_lane_draws_the_worst_of_a_moment_and_a_wrong_clock_nowhere() -> None:
    entries = [
        entry(1, 12.5),
        entry(2, T0),
        entry(3, T0 + 1, **{"class": "broken"}),
        entry(4, T0 + 2, kind="device", device="camera", what="gone"),
        entry(5, T0 + 7000, kind="alarm", msg="disk"),
    ]
    view, collected = fleet({"kiruna1": entries}, kiruna1=running())
    page = Page(fleet_page.page(view, collected))
    assert page.texts("g") == 2
    (title,) = [text for text in page.words if "broken" in text and "camera gone" in text]
    assert title.index("broken") < title.index("camera gone") < title.index("success")
    # In the list it is there, at the end.
    assert "no usable time (entry 1)" in page.words
    whens = [text for text in page.words if re.match(r"2026-11-25 \d\d:|no usable", text) and "kiruna1" not in text]
    assert whens[0] == "2026-11-25 11:56:40" and whens[-1] == "no usable time (entry 1)"


def test_rollouts_and_lists_are_the_newest_and_bounded() -> None:
    entries = [entry(n, T0 + n, rollout=rollout(1, name=f"r{n:02}")) for n in range(1, 41)]
    view, collected = fleet({"kiruna1": entries}, kiruna1=running())
    events = list(fleet_page.events_of(view, collected))
    assert [item.id for item in fleet_page.rollouts(events)] == ["r40", "r39", "r38", "r37", "r36"]
    assert [event.sequence for event in fleet_page._latest(events, "kiruna")] == list(range(40, 20, -1))


EVIL = "</td><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}"


def test_no_node_writes_markup() -> None:
    bad = status(quality=tenant({"class": EVIL, "msg": EVIL, "release": EVIL}, **{EVIL: workload(running=False)}))
    bad["holds"] = [{"scope": "all", "who": EVIL, "reason": EVIL}]
    entries = [
        entry(1, msg=EVIL, release=EVIL, rollout={"id": EVIL, "stage": EVIL, "wave": EVIL}, **{"class": EVIL}),
        entry(2, kind=EVIL, device=EVIL, what=EVIL),
    ]
    view, collected = fleet(
        {"kiruna1": entries, "evil": entries}, kiruna1=bad, narvik1={"unreachable": True, "msg": EVIL}
    )
    collected["evil"]["site"] = EVIL
    found = fleet_page.page(view, collected)
    page = Page(found)
    assert not {"script", "img"} & {name for name, _attributes in page.tags}
    assert "alert(1)" in found and "{{ 7 * 7 }}" in found


SCRAPS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "stage", "wave", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = ("sequence", "time", "kind", "class", "msg", "release", "tenant", "rollout", "wave", "device", "workload")


@settings(max_examples=60)
@given(st.lists(st.dictionaries(st.sampled_from(KEYS), SCRAPS) | SCRAPS, max_size=6))
def test_whatever_is_in_a_ledger_there_is_a_page(entries: list[Any]) -> None:
    Page(fleet_page.page(*fleet({"kiruna1": entries, "gone1": entries}, kiruna1=running())))


@pytest.mark.parametrize(("span", "least", "most"), [(60, 0, 8), (3600, 3, 12), (86400, 4, 9), (30 * 86400, 4, 8)])
def test_the_axis_has_a_few_round_times(span: float, least: int, most: int) -> None:
    ticks = list(fleet_page._ticks(T0, T0 + span))
    assert least <= len(ticks) <= most
    assert all(fleet_page.LEFT < x < fleet_page.WIDTH for x, _words in ticks)
