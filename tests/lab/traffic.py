# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of requests means: gaps in service, accuracy by version, latency percentiles. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """One request of the client and what came back. Times are seconds since the client started."""

    sent: float
    endpoint: str
    latency: float
    ok: bool
    version: str = ""
    right: bool = False
    error: str = ""

    @property
    def done(self) -> float:
        return self.sent + self.latency


@dataclass(frozen=True)
class Gap:
    """Service was lost at most from `start` (the last good answer) to `end` (the next one)."""

    endpoint: str
    start: float
    end: float
    failed: int
    open: bool = False

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class Tally:
    answers: int
    right: int

    @property
    def accuracy(self) -> float:
        return self.right / self.answers if self.answers else 0.0


@dataclass(frozen=True)
class Percentiles:
    p50: float
    p95: float
    p99: float
    worst: float


def percentile(values: Sequence[float], quantile: float) -> float:
    """Nearest rank: the smallest value that at least this share of all values does not exceed."""
    if not values:
        raise ValueError("no values to take a percentile of")
    if not 0 < quantile <= 1:
        raise ValueError(f"quantile is {quantile}, wanted is more than 0 and at most 1")
    return sorted(values)[math.ceil(quantile * len(values)) - 1]


def latencies(answers: Iterable[Answer]) -> Percentiles | None:
    """Of the good answers only: a refused connection is fast, and says nothing about the model."""
    good = [answer.latency for answer in answers if answer.ok]
    if not good:
        return None
    return Percentiles(percentile(good, 0.5), percentile(good, 0.95), percentile(good, 0.99), max(good))


def gaps_of_one(answers: Sequence[Answer]) -> list[Gap]:
    """Every run of failed requests of one endpoint, from the good answer before it to the good answer after it."""
    found: list[Gap] = []
    begin, failed = None, 0
    last_good: float | None = None
    for answer in answers:
        if not answer.ok:
            if begin is None:
                begin = answer.sent if last_good is None else last_good
            failed += 1
            continue
        if begin is not None:
            found.append(Gap(answer.endpoint, begin, answer.done, failed))
        begin, failed, last_good = None, 0, answer.done
    if begin is not None:
        found.append(Gap(answers[-1].endpoint, begin, answers[-1].done, failed, open=True))
    return found


def by_endpoint(answers: Iterable[Answer]) -> dict[str, list[Answer]]:
    """In the order in which they were sent, endpoints in the order of their names."""
    groups: dict[str, list[Answer]] = {}
    for answer in sorted(answers, key=lambda one: (one.endpoint, one.sent)):
        groups.setdefault(answer.endpoint, []).append(answer)
    return groups


def gaps(answers: Iterable[Answer]) -> list[Gap]:
    return [gap for group in by_endpoint(answers).values() for gap in gaps_of_one(group)]


def longest_gap(found: Iterable[Gap], endpoint: str, start: float, end: float) -> float:
    """The longest loss of service of an endpoint that overlaps the time span; 0 when there was none."""
    return max(
        (gap.seconds for gap in found if gap.endpoint == endpoint and gap.start < end and gap.end > start), default=0.0
    )


def accuracy_by_version(answers: Iterable[Answer]) -> dict[str, Tally]:
    counts: dict[str, list[int]] = {}
    for answer in answers:
        if answer.ok:
            count = counts.setdefault(answer.version, [0, 0])
            count[0] += 1
            count[1] += answer.right
    return {version: Tally(*count) for version, count in sorted(counts.items())}


def between(answers: Iterable[Answer], start: float, end: float) -> list[Answer]:
    return [answer for answer in answers if start <= answer.sent < end]
