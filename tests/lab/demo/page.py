# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One self-contained HTML page of a run: no script, no font and no image from anywhere else. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tests.lab import traffic
from tests.lab.demo import chart
from tests.lab.demo.record import BAD, GOOD, NodeRecord, Outcome, Record, checks, seen_in
from tests.lab.demo.templating import render
from tests.lab.traffic import Answer


@dataclass(frozen=True)
class Card:
    """A figure worth remembering."""

    value: str
    label: str
    note: str


@dataclass(frozen=True)
class Row:
    """A node's line in the table of nodes."""

    node: NodeRecord
    good: Outcome
    bad: Outcome
    at_good: float | None
    at_bad: float | None
    wrong: int | None


def row(record: Record, answers: Sequence[Answer], node: NodeRecord) -> Row:
    good, bad = (node.outcomes.get(key, Outcome("not tried")) for key in (GOOD, BAD))
    at_good = seen_in(record, answers, node.name, GOOD)
    at_bad = seen_in(record, answers, node.name, BAD)
    return Row(
        node,
        good,
        bad,
        at_good.gap if at_good else None,
        at_bad.disturbed if at_bad else None,
        at_bad.wrong if at_bad else None,
    )


def cards(record: Record, answers: Sequence[Answer], rows: Sequence[Row]) -> Iterator[Card]:
    tallies = traffic.accuracy_by_version(answers)
    if "v1" in tallies and GOOD in tallies:
        before, after = tallies["v1"].accuracy, tallies[GOOD].accuracy
        yield Card(f"{before:.0%} to {after:.0%}", "right answers, v1 to v2", f"{tallies[GOOD].answers} answers by v2")
    gaps = [one.at_good for one in rows if one.at_good is not None]
    if gaps:
        yield Card(f"{max(gaps):.1f} s", "longest gap in service, update to v2", "as clients saw it")
    reverts = [one.bad.revert for one in rows if one.bad.revert is not None]
    if reverts:
        yield Card(f"{max(reverts):.1f} s", "slowest way back from v3", "failed probe to v2 healthy")
    if record.link is not None:
        alone = record.link.end - record.link.start
        yield Card(f"{alone:.0f} s", f"{record.link.site} served without its link", "and was reachable again after it")
    if record.power is not None and record.power.serving is not None:
        back = record.power.serving - record.power.on
        yield Card(f"{back:.1f} s", "from power-on to serving", f"{record.power.node}, no controller")
    spread = traffic.latencies(answers)
    if spread is not None:
        yield Card(f"{spread.p95 * 1000:.1f} ms", "latency, 95th percentile", f"of {len(answers)} requests")


def page(record: Record, answers: Sequence[Answer]) -> str:
    found = checks(record, answers)
    rows = [row(record, answers, node) for node in record.nodes]
    return render(
        "page.html.j2",
        record=record,
        sites=len({node.site for node in record.nodes}),
        ok=all(check.ok for check in found),
        checks=found,
        cards=list(cards(record, answers, rows)),
        rows=rows,
        # The plot is markup of our own, with everything from outside escaped in it.
        plot=Markup(chart.plot(record, answers)) if answers else "",  # noqa: S704
    )
