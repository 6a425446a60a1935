# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab import traffic
from tests.lab.traffic import Answer, Gap, Tally


def series(marks: str, endpoint: str = "a", latency: float = 0.01) -> list[Answer]:
    """'++-+' is two good answers, a failure and a good answer, one every tenth of a second."""
    return [Answer(index / 10, endpoint, latency, ok=mark == "+", version="v1") for index, mark in enumerate(marks)]


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ("", []),
        ("+++", []),
        ("++--+", [Gap("a", 0.11, 0.41, 2)]),
        ("--+", [Gap("a", 0.0, 0.21, 2)]),
        ("+--", [Gap("a", 0.01, 0.21, 2, open=True)]),
        ("+-+-+", [Gap("a", 0.01, 0.21, 1), Gap("a", 0.21, 0.41, 1)]),
    ],
)
def test_gaps_run_from_the_last_good_answer_to_the_next(marks: str, expected: list[Gap]) -> None:
    found = traffic.gaps(series(marks))
    assert [(g.failed, g.open) for g in found] == [(g.failed, g.open) for g in expected]
    for gap, want in zip(found, expected, strict=True):
        assert (gap.start, gap.end) == pytest.approx((want.start, want.end))


def test_endpoints_are_told_apart_however_their_answers_are_mixed() -> None:
    mixed = sorted(series("+-+", "a") + series("+++", "b"), key=lambda answer: -answer.sent)
    assert [gap.endpoint for gap in traffic.gaps(mixed)] == ["a"]


@given(st.text(alphabet="+-", max_size=60))
def test_every_failure_is_in_exactly_one_gap(marks: str) -> None:
    found = traffic.gaps(series(marks))
    assert sum(gap.failed for gap in found) == marks.count("-")
    assert all(gap.seconds > 0 for gap in found)
    assert all(one.end <= two.start for one, two in itertools.pairwise(found))


def test_the_longest_gap_counts_only_what_overlaps_the_span() -> None:
    found = [Gap("a", 1, 2, 5), Gap("a", 10, 14, 20), Gap("b", 1, 9, 50)]
    assert traffic.longest_gap(found, "a", 0, 5) == 1
    assert traffic.longest_gap(found, "a", 12, 13) == 4
    assert traffic.longest_gap(found, "a", 3, 9) == 0


@pytest.mark.parametrize(("quantile", "expected"), [(0.01, 1), (0.5, 50), (0.95, 95), (0.99, 99), (1, 100)])
def test_percentiles_are_values_that_occurred(quantile: float, expected: int) -> None:
    assert traffic.percentile(list(range(100, 0, -1)), quantile) == expected


@pytest.mark.parametrize(("values", "quantile"), [([], 0.5), ([1.0], 0), ([1.0], 1.1)])
def test_percentiles_of_nothing_are_an_error(values: list[float], quantile: float) -> None:
    with pytest.raises(ValueError, match=r"no values|quantile is"):
        traffic.percentile(values, quantile)


def test_failures_do_not_make_the_latency_look_good() -> None:
    slow = [Answer(0, "a", 0.5, ok=True, version="v1")]
    spread = traffic.latencies(slow + series("----", latency=0.001))
    assert spread is not None
    assert (spread.p50, spread.worst) == (0.5, 0.5)
    assert traffic.latencies(series("--")) is None


def test_accuracy_is_counted_by_the_version_that_answered() -> None:
    answers = [
        Answer(0, "a", 0.1, ok=True, version="v2", right=True),
        Answer(1, "a", 0.1, ok=True, version="v2", right=True),
        Answer(2, "a", 0.1, ok=True, version="v3", right=False),
        Answer(3, "a", 0.1, ok=False, error="refused"),
    ]
    tallies = traffic.accuracy_by_version(answers)
    assert tallies == {"v2": Tally(2, 2), "v3": Tally(1, 0)}
    assert [tally.accuracy for tally in tallies.values()] == [1.0, 0.0]
    assert Tally(0, 0).accuracy == 0


def test_between_is_half_open() -> None:
    assert [answer.sent for answer in traffic.between(series("++++"), 0.1, 0.3)] == [0.1, 0.2]
