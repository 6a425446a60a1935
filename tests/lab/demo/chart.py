# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plot of the whole run as one inline SVG: a band for each node, a dot for each answer. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from tests.lab import traffic
from tests.lab.demo.record import BAD, GOOD, Record
from tests.lab.traffic import Answer

WIDTH, LEFT, RIGHT, TOP, AXIS = 1080, 144, 14, 40, 30
LABEL = 34  # room for "12.3 s"
FAST = 0.0005
DECADES = (0.001, 0.01, 0.1, 1.0)
SHORT = {"serve": "v1 serves", GOOD: "update to v2", BAD: "v3 tried", "link": "link cut", "power": "power cut"}


class Scale:
    """Seconds to x, and inside a band latency to y (logarithmic: a millisecond and a timeout fit in one picture)."""

    def __init__(self, answers: Sequence[Answer], bands: int) -> None:
        self.end = max([answer.done for answer in answers] or [1.0])
        self.slow = max([0.01] + [answer.latency for answer in answers if answer.ok])
        self.band = 86 if bands <= 4 else 52
        self.gap = 10

    def x(self, seconds: float) -> float:
        inside = min(max(seconds, 0.0), self.end) / self.end
        return round(LEFT + inside * (WIDTH - LEFT - RIGHT), 1)

    def y(self, latency: float) -> float:
        low, high = math.log10(FAST), math.log10(self.slow * 1.2)
        part = (math.log10(max(latency, FAST)) - low) / (high - low)
        return round((1 - min(part, 1.0)) * self.band, 1)

    def top(self, index: int) -> int:
        return TOP + index * (self.band + self.gap)


def ticks(end: float) -> list[int]:
    """Round times for the axis, about ten of them."""
    steps = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
    step = next((step for step in steps if end / step <= 12), steps[-1])
    return list(range(0, int(end) + 1, step))


def dots(scale: Scale, answers: Sequence[Answer]) -> Iterator[str]:
    """One path for each version; points that fall on the same half pixel are drawn once."""
    points: dict[str, set[tuple[float, float]]] = {}
    for answer in answers:
        if answer.ok:
            point = (round(scale.x(answer.sent) * 2) / 2, round(scale.y(answer.latency) * 2) / 2)
            points.setdefault(answer.version, set()).add(point)
    for version, places in sorted(points.items()):
        path = "".join(f"M{x:g} {y:g}h0" for x, y in sorted(places))
        yield f'<path class="dot {escape(version)}" d="{path}"/>'


def outages(scale: Scale, answers: Sequence[Answer]) -> Iterator[str]:
    """A bar for each time without an answer, with its seconds where there is room for them."""
    found = traffic.gaps(answers)
    starts = [scale.x(gap.start) for gap in found] + [float(WIDTH)]
    for index, gap in enumerate(found):
        start, width = starts[index], max(2.0, scale.x(gap.end) - starts[index])
        words = f"no answer for {gap.seconds:.2f} s ({gap.failed} requests failed)"
        shape = f'x="{start}" y="0" width="{width:.1f}" height="{scale.band}"'
        yield f'<rect class="out" {shape}><title>{words}</title></rect>'
        if width > LABEL:
            yield f'<text class="mark" x="{start + width / 2:.1f}" y="13" text-anchor="middle">{gap.seconds:.1f} s</text>'
        elif starts[index + 1] - start - width > LABEL:
            yield f'<text class="mark" x="{start + width + 4:.1f}" y="13">{gap.seconds:.1f} s</text>'


def band(scale: Scale, record: Record, index: int, answers: Sequence[Answer]) -> Iterator[str]:
    node = record.nodes[index]
    yield f'<g transform="translate(0 {scale.top(index)})">'
    yield f'<rect class="band" x="{LEFT}" y="0" width="{WIDTH - LEFT - RIGHT}" height="{scale.band}"/>'
    for decade in DECADES:
        if decade <= scale.slow * 1.2:
            y = scale.y(decade)
            label = f"{decade * 1000:g} ms" if decade < 1 else f"{decade:g} s"
            yield f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>'
            yield f'<text class="tick" x="{LEFT - 6}" y="{y + 3}" text-anchor="end">{label}</text>'
    if record.link is not None and node.site == record.link.site:
        start, end = scale.x(record.link.start), scale.x(record.link.end)
        yield (
            f'<rect class="cut" x="{start}" y="0" width="{end - start:.1f}" height="{scale.band}">'
            f"<title>{escape(node.site)} has no link</title></rect>"
        )
    yield from outages(scale, answers)
    yield from dots(scale, answers)
    yield f'<text class="name" x="0" y="{scale.band / 2 + 4:g}">{escape(node.name)}</text></g>'


def accuracy(scale: Scale, answers: Sequence[Answer], top: int, height: int) -> Iterator[str]:
    """The share of right answers over all nodes, second by second."""
    right: dict[int, list[bool]] = {}
    for answer in answers:
        if answer.ok:
            right.setdefault(int(answer.sent), []).append(answer.right)
    yield f'<g transform="translate(0 {top})">'
    yield f'<rect class="band" x="{LEFT}" y="0" width="{WIDTH - LEFT - RIGHT}" height="{height}"/>'
    for share in (0, 50, 100):
        y = height * (1 - share / 100)
        yield f'<path class="grid" d="M{LEFT} {y:g}H{WIDTH - RIGHT}"/>'
        yield f'<text class="tick" x="{LEFT - 6}" y="{y + 3:g}" text-anchor="end">{share} %</text>'
    line = " ".join(
        f"{scale.x(second + 0.5)},{height * (1 - sum(marks) / len(marks)):.1f}"
        for second, marks in sorted(right.items())
    )
    yield f'<polyline class="accuracy" points="{line}"/>'
    yield f'<text class="name" x="0" y="{height / 2 - 2:g}">right</text>'
    yield f'<text class="name" x="0" y="{height / 2 + 12:g}">answers</text></g>'


def acts(scale: Scale, record: Record, bottom: int) -> Iterator[str]:
    """Where each act begins, and its name above the bands: in a second line where the first is taken."""
    taken = 0.0
    for act in record.acts:
        if act.start is not None:
            x, words = scale.x(act.start), SHORT.get(act.key, act.key)
            line = 14 if x >= taken else 28
            taken = x + 8 * len(words) if line == 14 else taken
            yield f'<path class="act" d="M{x} {line - 10}V{bottom}"/>'
            yield f'<text class="label" x="{x + 5}" y="{line}">{escape(words)}</text>'


def plot(record: Record, answers: Sequence[Answer]) -> str:
    scale = Scale(answers, len(record.nodes))
    groups = traffic.by_endpoint(answers)
    share_top, share_height = scale.top(len(record.nodes)), 60
    bottom = share_top + share_height
    height = bottom + AXIS
    label = "Latency of every answer over the whole run, one band for each node, and the share of right answers"
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">']
    for index, node in enumerate(record.nodes):
        parts += band(scale, record, index, groups.get(node.name, []))
    parts += accuracy(scale, answers, share_top, share_height)
    parts += acts(scale, record, bottom)
    for second in ticks(scale.end):
        x = scale.x(second)
        parts.append(f'<path class="grid" d="M{x} {bottom}v4"/>')
        parts.append(f'<text class="tick" x="{x}" y="{bottom + 17}" text-anchor="middle">{second} s</text>')
    return "\n".join([*parts, "</svg>"])
