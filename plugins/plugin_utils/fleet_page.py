# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet as one HTML page that needs nothing else: what runs where, what became of each site, and the waves of rollouts.

Everything that a node said is escaped: the template is the only source of markup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from . import fleet_view
from .fleet_view import clean

GOOD, SAME, WARN, BAD, AWAY = "good", "same", "warn", "bad", "away"
# A letter for each class: colour alone says nothing to many, nor on paper.
CLASSES: dict[str, tuple[str, str]] = {
    "success": ("S", GOOD),
    "unchanged": ("U", SAME),
    "reverted": ("R", BAD),
    "refused": ("F", BAD),
    "broken": ("B", BAD),
    "interrupted": ("I", WARN),
    "timed_out": ("T", WARN),
    "held": ("H", WARN),
    "skipped_contract": ("K", SAME),
    "offline_expected": ("O", AWAY),
    "offline_unexpected": ("N", BAD),
}
KINDS: dict[str, tuple[str, str]] = {
    "device": ("d", WARN),
    "gpu": ("g", WARN),
    "alarm": ("!", BAD),
    "hold": ("h", WARN),
    "release": ("r", SAME),
    "lease": ("l", SAME),
    "clock": ("c", WARN),
    "approve": ("a", SAME),
}
OTHER = ("?", SAME)
TONES = (BAD, WARN, AWAY, SAME, GOOD)
"""The worst first: it is what is drawn where several fall on one place."""
STATE_TONES = {
    fleet_view.RUNNING: GOOD,
    fleet_view.NOT_RUNNING: BAD,
    fleet_view.UNKNOWN: BAD,
    fleet_view.REFUSED: BAD,
    fleet_view.HELD: WARN,
    fleet_view.PENDING: WARN,
    fleet_view.UNDER_WAY: WARN,
    fleet_view.OFFLINE: AWAY,
}
SPAN = 30 * 86400
"""Seconds that the timeline reaches back at most."""
ROLLOUTS, LISTED = 5, 20
REAL = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
"""Before it a node's clock was wrong: such entries are in the lists and not on the line."""
STEPS = (60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400)
WIDTH, LEFT, LANE, TOP, SLOT = 1080, 150, 26, 8, 20


@dataclass(frozen=True)
class Event:
    """An entry of a node's ledger, as it is drawn."""

    site: str
    host: str
    sequence: int
    time: float
    kind: str
    name: str
    words: str
    release: str = ""
    rollout: tuple[str, str, str] = ("", "", "")

    @property
    def mark(self) -> tuple[str, str]:
        return CLASSES.get(self.name, OTHER) if self.kind == "change" else KINDS.get(self.kind, OTHER)

    @property
    def when(self) -> str:
        if self.time < REAL:
            return f"no usable time (entry {self.sequence})"
        return datetime.fromtimestamp(self.time, UTC).strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True)
class Mark:
    """What is drawn at one place of a lane: the worst of what happened there, and how much it was."""

    x: float
    letter: str
    tone: str
    title: str


@dataclass
class Rollout:
    """Rows are sites, columns are waves; a cell has a chip for each class with its number of nodes."""

    id: str
    release: str
    columns: list[tuple[str, str]] = field(default_factory=list)
    rows: list[tuple[str, list[list[tuple[str, str, int, str]]]]] = field(default_factory=list)
    totals: list[tuple[str, str, int, str]] = field(default_factory=list)


def page(view: Mapping[str, Any], collected: Mapping[str, Any]) -> str:
    """:param view: of fleet_view; :param collected: of each node, `site` and the `entries` of its ledger."""
    events = list(events_of(view, collected))
    now = _now(view)
    sites = sorted({item["site"] for item in view["hosts"].values()} | {event.site for event in events})
    drawn = [event for event in events if max(REAL, now - SPAN) <= event.time <= now + 86400]
    start = min((event.time for event in drawn), default=now - 3600)
    end = max([now, *(event.time for event in drawn)])
    timeline = [
        (site or "no site", _lane([event for event in drawn if event.site == site], start, end)) for site in sites
    ]
    folder = Path(__file__).with_name("templates")
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("fleet_page.html.j2").render(
        view=view,
        cards=list(cards(view)),
        attention=[row for row in view["rows"] if row["state"] not in (fleet_view.RUNNING, fleet_view.NOTHING)],
        tones=STATE_TONES,
        age=fleet_view.age_text,
        classes={name: CLASSES.get(name, OTHER) for name in {*CLASSES, *(row["outcome"] for row in view["rows"])}},
        legend=legend(events),
        timeline=timeline if drawn else [],
        ticks=list(_ticks(start, end)),
        size={"width": WIDTH, "left": LEFT, "lane": LANE, "top": TOP, "height": TOP + LANE * len(sites) + 24},
        lists=[(site or "no site", _latest(events, site)) for site in sites],
        rollouts=rollouts(events),
    )


def _now(view: Mapping[str, Any]) -> float:
    try:
        return datetime.fromisoformat(str(view["time"])).timestamp()
    except ValueError:
        return datetime.now(UTC).timestamp()


def cards(view: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(value, label, tone): the figures at the head of the page."""
    counts = view["counts"]
    hosts, states = counts["by_host"], counts["by_state"]
    yield (
        f"{hosts.get(fleet_view.ANSWERED, 0)} of {counts['hosts']}",
        f"nodes answered, at {counts['sites']} sites",
        SAME,
    )
    for state in fleet_view.STATES[::-1]:
        if states.get(state):
            yield str(states[state]), state, STATE_TONES.get(state, SAME)


def events_of(view: Mapping[str, Any], collected: Mapping[str, Any]) -> Iterator[Event]:
    for host, item in collected.items():
        known = view["hosts"].get(host, item)
        site = clean(known.get("site"))
        for entry in item.get("entries") or ():
            if isinstance(entry, Mapping):
                yield _event(site, clean(host), entry)


def _event(site: str, host: str, entry: Mapping[str, Any]) -> Event:
    time, sequence = entry.get("time"), entry.get("sequence")
    kind = clean(entry.get("kind"))
    return Event(
        site=site,
        host=host,
        sequence=sequence if isinstance(sequence, int) else 0,
        # What cannot be a time is none: beyond the year 9999 no calendar goes.
        time=float(time) if isinstance(time, (int, float)) and 0 <= time < 2e11 else 0.0,
        kind=kind,
        name=clean(entry.get("class") if kind == "change" else kind),
        words=_words(kind, entry),
        release=clean(entry.get("release")),
        rollout=rollout_of(entry),
    )


def _words(kind: str, entry: Mapping[str, Any]) -> str:
    if kind == "change":
        return clean(f"{entry.get('tenant')} {entry.get('release')}: {entry.get('msg') or entry.get('class')}")
    subject = entry.get("device") or entry.get("workload") or entry.get("name") or ""
    return clean(" ".join(str(part) for part in (subject, entry.get("what"), entry.get("msg")) if part) or kind)


def rollout_of(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    """(id, stage, wave) of the rollout that an entry belongs to, or empty texts."""
    found = entry.get("rollout")
    source: Mapping[str, Any] = found if isinstance(found, Mapping) else {**entry, "id": found}
    if not source.get("id"):
        return "", "", ""
    wave = source.get("wave")
    return clean(source["id"]), clean(source.get("stage")), clean("" if wave is None else wave)


def legend(events: Sequence[Event]) -> list[tuple[str, str, str]]:
    """(letter, tone, words) of everything that is drawn."""
    marks = {(event.mark, event.name) for event in events}
    order = [*CLASSES.values(), *KINDS.values(), OTHER]
    return [
        (letter, tone, name) for (letter, tone), name in sorted(marks, key=lambda item: (order.index(item[0]), item[1]))
    ]


def _x(time: float, start: float, end: float) -> float:
    return LEFT + 12 + (time - start) / max(end - start, 1.0) * (WIDTH - LEFT - 24)


def _lane(events: Sequence[Event], start: float, end: float) -> list[Mark]:
    slots: dict[int, list[Event]] = {}
    for event in events:
        slots.setdefault(int(_x(event.time, start, end) // SLOT), []).append(event)
    marks = []
    for slot, found in sorted(slots.items()):
        found.sort(key=lambda event: (TONES.index(event.mark[1]), -event.time))
        letter, tone = found[0].mark
        more = f"\nand {len(found) - 8} more" if len(found) > 8 else ""
        title = "\n".join(f"{event.when} {event.host}: {event.name}: {event.words}" for event in found[:8]) + more
        marks.append(Mark(slot * SLOT + SLOT / 2, letter, tone, title))
    return marks


def _ticks(start: float, end: float) -> Iterator[tuple[float, str]]:
    span = end - start
    step = next((step for step in STEPS if span / step <= 8), 30 * 86400)
    moment = (start // step + 1) * step
    while moment <= end:
        form = "%d %b" if step >= 86400 else "%d %b %H:%M" if span > 86400 else "%H:%M"
        yield _x(moment, start, end), datetime.fromtimestamp(moment, UTC).strftime(form)
        moment += step


def _latest(events: Sequence[Event], site: str) -> list[Event]:
    """Of one site, the newest first; what has no usable time comes by its sequence, at the end."""
    own = [event for event in events if event.site == site]
    own.sort(key=lambda event: (event.time if event.time >= REAL else 0.0, event.host, event.sequence), reverse=True)
    return own[:LISTED]


def rollouts(events: Sequence[Event]) -> list[Rollout]:
    """The last few, the newest first."""
    found: dict[str, list[Event]] = {}
    for event in events:
        if event.rollout[0]:
            found.setdefault(event.rollout[0], []).append(event)
    newest = sorted(found.items(), key=lambda item: (max(event.time for event in item[1]), item[0]), reverse=True)
    return [_rollout(name, own) for name, own in newest[:ROLLOUTS]]


def _rollout(name: str, events: Sequence[Event]) -> Rollout:
    began: dict[str, float] = {}
    for event in events:
        began[event.rollout[1]] = min(event.time, began.get(event.rollout[1], event.time))
    columns = sorted(
        {event.rollout[1:] for event in events}, key=lambda item: (began[item[0]], item[0], len(item[1]), item[1])
    )
    # A node that came twice in a wave, as one that was taken back, counts as it ended.
    last: dict[tuple[str, str, str], Event] = {}
    for event in sorted(events, key=lambda event: event.sequence):
        last[event.host, event.rollout[1], event.rollout[2]] = event
    whole = Rollout(name, ", ".join(sorted({event.release for event in events if event.release})), list(columns))
    for site in sorted({event.site for event in events}):
        own = [event for event in last.values() if event.site == site]
        whole.rows.append(
            (site or "no site", [_chips([e for e in own if e.rollout[1:] == column]) for column in columns])
        )
    whole.totals = _chips(list(last.values()))
    return whole


def _chips(events: Sequence[Event]) -> list[tuple[str, str, int, str]]:
    """(letter, tone, number, title) for each class, the worst first."""
    numbers = Counter((event.mark, event.name) for event in events)
    chips = []
    for (mark, name), number in sorted(numbers.items(), key=lambda item: (TONES.index(item[0][0][1]), item[0][1])):
        hosts = ", ".join(sorted(event.host for event in events if event.name == name))
        chips.append((*mark, number, clean(f"{name}: {hosts}")))
    return chips
