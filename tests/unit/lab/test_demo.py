# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo concludes and shows, from runs that are written down here."""

from __future__ import annotations

import html.parser
import re
from xml.etree import ElementTree

import pytest
import yaml

from ansible_collections.physical_ai.edge.plugins.module_utils._core import spec
from tests.lab.demo import chart, page, record, table
from tests.lab.demo.record import Act, LinkCut, NodeRecord, Outcome, PowerCut, Record
from tests.lab.demo.story import release_text
from tests.lab.traffic import Answer

REASON = "startup probe: the golden request: output 'label' is [4], expected [3] <&>"


def run() -> tuple[Record, list[Answer]]:
    """Two nodes: v1 to 5 s, v2 from 6 s, v3 at 10 s for half a second, the link of b cut at 14 s, a without power 20-24 s."""
    nodes = []
    for name in ("a-gw01", "b-gw01"):
        outcomes = {"v2": Outcome("success", gap=0.9), "v3": Outcome("reverted", REASON, revert=0.4)}
        nodes.append(NodeRecord(name, name[0], "Debian 12", outcomes, "v2", REASON))
    acts = [Act("provision", "Provision", 60.0)]
    acts += [
        Act(key, key, 4.0, start) for key, start in (("serve", 0), ("v2", 4), ("v3", 9), ("link", 14), ("power", 20))
    ]
    answers = []
    for node in nodes:
        for tick in range(280):
            sent = tick / 10
            off = 5 <= sent < 6 or 9.5 <= sent < 10 or 10.5 <= sent < 11 or (node.name[0] == "a" and 20 <= sent < 24)
            version = "v1" if sent < 5 else "v3" if 10 <= sent < 10.5 else "v2"
            answers.append(Answer(sent, node.name, 0.002, not off, "" if off else version, not off and version != "v3"))
    link, power = LinkCut("b", 14, 18, 3.0, 1.0), PowerCut("a-gw01", 20, 22, 24.002)
    return Record(nodes, acts, link, power, 123.0, "2026-11-24 10:00:00 UTC"), answers


def ok(kept: Record, answers: list[Answer]) -> bool:
    return bool(record.summary(kept, answers)["ok"])


def test_a_good_run_is_good() -> None:
    kept, answers = run()
    found = record.summary(kept, answers)
    assert found["ok"], found["checks"]
    assert [check["text"] for check in found["checks"]] == [
        "v2 answers on 2 of 2 nodes",
        "v3 was reverted on 2 of 2 nodes",
        "b without its link answered 40 of 40 requests",
        "a-gw01 served again 2.0 s after power-on, with no controller",
    ]
    assert found["traffic"]["accuracy"]["v3"] == {"answers": 10, "right": 0}


def test_one_node_that_is_not_on_v2_is_a_failure() -> None:
    kept, answers = run()
    kept.nodes[1].version = "v1"
    assert not ok(kept, answers)


@pytest.mark.parametrize("name", ["success", "broken", "refused", "interrupted"])
def test_one_node_that_did_not_revert_v3_is_a_failure(name: str) -> None:
    kept, answers = run()
    kept.nodes[0].outcomes["v3"] = Outcome(name)
    assert not ok(kept, answers)


def test_a_demo_without_nodes_is_a_failure() -> None:
    assert not ok(Record([]), [])


def test_a_node_that_does_not_come_back_is_a_failure() -> None:
    kept, answers = run()
    kept.power = PowerCut("a-gw01", 20, 22, None)
    assert not ok(kept, answers)


def test_a_site_that_stops_serving_without_its_link_is_a_failure() -> None:
    kept, answers = run()
    kept.link = LinkCut("a", 19, 25, 3.0, 1.0)
    assert not ok(kept, answers)
    kept.link = LinkCut("nowhere", 14, 18, 3.0, 1.0)
    assert not ok(kept, answers), "a cut that nobody saw shows nothing"


def test_clients_saw_one_gap_with_v2_and_two_with_v3() -> None:
    kept, answers = run()
    update, tried = (record.seen_in(kept, answers, "a-gw01", key) for key in ("v2", "v3"))
    assert update is not None and tried is not None
    assert update.gap == update.disturbed == pytest.approx(1.1)
    assert tried.gap == pytest.approx(0.6)
    assert tried.disturbed == pytest.approx(1.6)
    assert (update.wrong, tried.wrong) == (0, 5)
    assert record.seen_in(kept, answers, "a-gw01", "provision") is None


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ({}, Outcome("none")),
        (
            {"class": "success", "msg": "runs", "workloads": {"digits": {"gap_seconds": 1.5, "stop_seconds": 0.5}}},
            Outcome("success", gap=1.5, stop=0.5),
        ),
        (
            {"class": "reverted", "msg": "m", "workloads": {"digits": {"reason": "wrong", "revert_seconds": 2.0}}},
            Outcome("reverted", "wrong", revert=2.0),
        ),
        ({"class": "refused", "msg": "the disk is full", "workloads": {}}, Outcome("refused", "the disk is full")),
        ({"class": "refused", "msg": "known", "workloads": {"digits": {}}}, Outcome("refused", "known")),
    ],
)
def test_the_outcome_is_what_the_node_says(last: dict[str, object], expected: Outcome) -> None:
    assert Outcome.of(last, "digits") == expected


def test_the_table_has_a_line_for_each_node_and_each_check() -> None:
    kept, answers = run()
    lines = table.text(kept, answers).splitlines()
    assert lines[1].split() == ["a-gw01", "v2", "success", "1.1", "s", "reverted", "0.4", "s", "1.6", "s", "5"]
    assert sum(line.startswith("yes  ") for line in lines) == 4
    kept.nodes[0].version = ""
    assert "NO   v2 answers on 1 of 2 nodes" in table.text(kept, answers)
    assert table.text(Record(kept.nodes), []).splitlines()[1].startswith("a-gw01  nothing")


class Page(html.parser.HTMLParser):
    """Collects what would be loaded from elsewhere, and whether all elements are closed."""

    VOID = ("meta", "link", "br", "img", "hr", "input")

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [tag] if tag in ("script", "link", "img", "iframe", "object") else []
        self.loads += [f"{key}={value}" for key, value in attrs if key in ("src", "href", "xlink:href", "srcset")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing() -> None:
    kept, answers = run()
    text = page.page(kept, answers)
    parser = Page()
    parser.feed(text)
    assert parser.loads == []
    assert parser.open == []
    assert not re.search(r"url\(|@import|https?://", text)
    assert "Everything went as it should" in text
    assert "prefers-color-scheme: dark" in text
    assert "[4], expected [3] &lt;&amp;&gt;" in text, "what a node says is text, not markup"


def test_the_page_of_a_run_that_broke_off_says_so() -> None:
    text = page.page(Record([NodeRecord("a-gw01", "a", "Debian 12")]), [])
    assert "Not everything went as it should" in text
    assert "<svg" not in text


def test_the_plot_shows_every_version_gap_and_fault() -> None:
    kept, answers = run()
    root = ElementTree.fromstring(chart.plot(kept, answers))  # noqa: S314 (markup of our own)
    classes = [element.get("class") for element in root.iter()]
    assert {"dot v1", "dot v2", "dot v3", "accuracy", "cut"} <= set(classes)
    assert classes.count("out") == 7, "three gaps on each node, and the power cut"
    words = [element.text for element in root.iter() if element.get("class") == "label"]
    assert words == ["v1 serves", "update to v2", "v3 tried", "link cut", "power cut"]
    for element in root.iter():
        for key in ("x", "width"):
            assert 0 <= float(element.get(key, "0")) <= chart.WIDTH


@pytest.mark.parametrize(("end", "expected"), [(5, 1), (60, 5), (130, 20), (100_000, 600)])
def test_the_axis_has_round_times(end: float, expected: int) -> None:
    found = chart.ticks(end)
    assert found[:2] == [0, expected]


def test_the_release_file_is_one_that_a_node_takes() -> None:
    reference = "registry.lab:5000/digits@sha256:" + "1" * 64
    release, text = release_text("v2", reference)
    document = yaml.safe_load(text)
    spec.check_release(document["release"])
    (rendered,) = spec.render(document["workloads"], networks={"site": ["10.1.2.0/24"]})
    assert rendered["digest"].endswith("1" * 64)
    assert rendered["probes"]["startup"]["inference"]["expect"]["outputs"][0]["data"] == [3, 5, 8]
    assert document["release"] == release == release_text("v2", reference)[0]
    assert release_text("v2", reference.replace("1", "2"))[0] != release, "other content, other version"
