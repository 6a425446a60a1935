# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo saw, and what is concluded from it. Pure; the page, the table and the exit status are made of this."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.lab import traffic
from tests.lab.traffic import Answer

GOOD, BAD = "v2", "v3"


@dataclass(frozen=True)
class Outcome:
    """What one release came to on one node, as the node itself tells it. Times in seconds, None where there is none."""

    name: str
    reason: str = ""
    gap: float | None = None
    stop: float | None = None
    start: float | None = None
    revert: float | None = None

    @classmethod
    def of(cls, last: Mapping[str, Any], workload: str) -> Outcome:
        """From the node's last result: {class, msg, workloads: {name: {...}}}."""
        name, entry = str(last.get("class", "none")), last.get("workloads", {}).get(workload, {})
        went_well = name in ("success", "unchanged")
        return cls(
            name=name,
            reason="" if went_well else str(entry.get("reason") or last.get("msg", "")),
            gap=entry.get("gap_seconds"),
            stop=entry.get("stop_seconds"),
            start=entry.get("start_seconds"),
            revert=entry.get("revert_seconds"),
        )


@dataclass(frozen=True)
class Act:
    """A part of the demo. `start` is on the client's clock; None before there is any traffic."""

    key: str
    title: str
    seconds: float
    start: float | None = None

    @property
    def end(self) -> float:
        return (self.start or 0.0) + self.seconds


@dataclass(frozen=True)
class LinkCut:
    site: str
    start: float
    end: float
    noticed: float  # seconds until the controller gave up
    returned: float  # seconds from the restored link to the controller's first success


@dataclass(frozen=True)
class PowerCut:
    node: str
    cut: float
    on: float
    serving: float | None  # the first good answer after it; None if there was none


@dataclass
class NodeRecord:
    name: str
    site: str
    system: str
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    version: str = ""  # what answers at the end
    remembers: str = ""  # why the node would refuse the bad release again


@dataclass
class Record:
    nodes: list[NodeRecord]
    acts: list[Act] = field(default_factory=list)
    link: LinkCut | None = None
    power: PowerCut | None = None
    seconds: float = 0.0
    started: str = ""

    def act(self, key: str) -> Act | None:
        return next((act for act in self.acts if act.key == key), None)


@dataclass(frozen=True)
class Check:
    """One thing that had to come true."""

    text: str
    ok: bool


@dataclass(frozen=True)
class Seen:
    """How clients of one node saw one act."""

    requests: int
    failed: int
    gap: float  # the longest time without an answer
    disturbed: float  # from the last answer before the first gap to the first answer after the last one
    wrong: int  # wrong answers by the bad version


def seen(answers: Sequence[Answer], node: str, start: float, end: float) -> Seen:
    mine = [answer for answer in answers if answer.endpoint == node]
    then = traffic.between(mine, start, end)
    gaps = [gap for gap in traffic.gaps(mine) if gap.start < end and gap.end > start]
    return Seen(
        requests=len(then),
        failed=sum(not one.ok for one in then),
        gap=traffic.longest_gap(gaps, node, start, end),
        disturbed=max(gap.end for gap in gaps) - min(gap.start for gap in gaps) if gaps else 0.0,
        wrong=sum(one.ok and not one.right and one.version == BAD for one in then),
    )


def seen_in(record: Record, answers: Sequence[Answer], node: str, key: str) -> Seen | None:
    """The same for one act; None if it was not played."""
    act = record.act(key)
    if act is None or act.start is None:
        return None
    return seen(answers, node, act.start, act.end)


def checks(record: Record, answers: Sequence[Answer]) -> list[Check]:
    """What must be true for the demo to have succeeded."""
    total = len(record.nodes)
    on_good = [node for node in record.nodes if node.version == GOOD]
    reverted = [node for node in record.nodes if node.outcomes.get(BAD, Outcome("none")).name == "reverted"]
    found = [
        Check(f"{GOOD} answers on {len(on_good)} of {total} nodes", bool(total) and len(on_good) == total),
        Check(f"{BAD} was reverted on {len(reverted)} of {total} nodes", bool(total) and len(reverted) == total),
    ]
    link, power = record.link, record.power
    if link is not None:
        at_site = [seen(answers, node.name, link.start, link.end) for node in record.nodes if node.site == link.site]
        asked, failed = sum(one.requests for one in at_site), sum(one.failed for one in at_site)
        text = f"{link.site} without its link answered {asked - failed} of {asked} requests"
        found.append(Check(text, asked > 0 and failed * 100 <= asked))
    if power is not None:
        back = power.serving is not None
        after = (
            f"served again {power.serving - power.on:.1f} s after power-on" if power.serving else "did not serve again"
        )
        found.append(Check(f"{power.node} {after}, with no controller", back))
    return found


def summary(record: Record, answers: Sequence[Answer]) -> dict[str, Any]:
    """The record as JSON: what the tests read."""
    found = checks(record, answers)
    spread = traffic.latencies(answers)
    nodes = []
    for node in record.nodes:
        entry = dataclasses.asdict(node)
        entry["clients"] = {
            key: dataclasses.asdict(view)
            for key, view in ((key, seen_in(record, answers, node.name, key)) for key in (GOOD, BAD))
            if view is not None
        }
        nodes.append(entry)
    return {
        "ok": all(check.ok for check in found),
        "started": record.started,
        "seconds": round(record.seconds, 1),
        "checks": [dataclasses.asdict(check) for check in found],
        "acts": [dataclasses.asdict(act) for act in record.acts],
        "nodes": nodes,
        "link_cut": dataclasses.asdict(record.link) if record.link else None,
        "power_cut": dataclasses.asdict(record.power) if record.power else None,
        "traffic": {
            "requests": len(answers),
            "failed": sum(not answer.ok for answer in answers),
            "latency_seconds": dataclasses.asdict(spread) if spread else None,
            "accuracy": {
                version: {"answers": tally.answers, "right": tally.right}
                for version, tally in traffic.accuracy_by_version(answers).items()
            },
        },
    }
