# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What numbers are compared with, and what comes of it."""

from __future__ import annotations

import math
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import baseline, spec
from ansible_collections.physical_ai.edge.plugins.module_utils._core.baseline import Baseline, Record, compare
from ansible_collections.physical_ai.edge.plugins.module_utils._core.state import Deployment, Workload

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("value", "base", "limits", "outcome", "words"),
    [
        (1.4, Baseline({"k": 1.0}), {"most": 1.5}, baseline.FINE, ""),
        (1.5, Baseline({"k": 1.0}), {"most": 1.5}, baseline.FINE, ""),
        (3.2, Baseline({"k": 1.0}), {"most": 1.5}, baseline.BEYOND, "baseline 1: 3.2 times, allowed 1.5"),
        (1.504, Baseline({"k": 1.0}), {"most": 1.5}, baseline.BEYOND, "1.504 times, allowed 1.5"),
        (9, Baseline({"k": 30.0}), {"least": 0.8}, baseline.BEYOND, "baseline 30: 0.3 times, wanted at least 0.8"),
        (0, Baseline({"k": 30.0}), {"least": 0.8}, baseline.BEYOND, "0.0 times"),
        (25, Baseline({"k": 30.0}), {"least": 0.8}, baseline.FINE, ""),
        (9, Baseline(), {"most": 1.5}, baseline.NONE_YET, "baseline: none yet"),
        (9, Baseline({"other": 1.0}), {"most": 1.5}, baseline.NONE_YET, "baseline: none yet"),
        (9, Baseline(unknown=frozenset(["k"])), {"most": 1.5}, baseline.UNKNOWN, "baseline: unknown"),
        (9, Baseline({}, {"k": 1.0}), {"most": 1.5}, baseline.BEYOND, "baseline 1: 9.0 times"),
        (9, Baseline({"k": 8.0}, {"k": 1.0}), {"most": 1.5}, baseline.FINE, ""),  # what is approved wins
        (1, Baseline({"k": 0.0}), {"most": 1.5}, baseline.SICK, "the approved baseline is 0, "),
        (1, Baseline({"k": -2.0}), {"most": 1.5}, baseline.SICK, "the approved baseline is -2, "),
        (1, Baseline({"k": NAN}), {"least": 0.1}, baseline.SICK, "the approved baseline is nan, "),
        (1, Baseline({"k": INF}), {"least": 0.1}, baseline.SICK, "the approved baseline is inf, "),
        (1, Baseline({}, {"k": 0.0}), {"most": 1.5}, baseline.SICK, "what the version that ran before measures is 0"),
    ],
)
def test_comparisons(value: float, base: Baseline, limits: t.Dict[str, float], outcome: str, words: str) -> None:
    found = compare(value, "k", base, "{:g}".format, **limits)
    assert found.outcome == outcome
    assert words in found.words
    assert (outcome == baseline.FINE) == (not found.words)


@given(st.floats(0, 1e3), st.floats(0.01, 1e3))
def test_a_ratio_is_shown_on_its_side_of_the_limit(ratio: float, limit: float) -> None:
    shown = float(baseline.times(ratio, limit))
    if abs(ratio - limit) > 1e-5:
        assert (shown > limit) == (ratio > limit)
    assert shown == pytest.approx(ratio, abs=0.06)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.floats(0, 1))
def test_a_quantile_is_the_least_value_that_enough_values_do_not_exceed(values: t.List[float], share: float) -> None:
    found = baseline.quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    lower = [value for value in values if value < found]
    assert not lower or len(lower) < share * len(values)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_quantiles_grow(values: t.List[float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert baseline.quantile(values, low) <= baseline.quantile(values, high)


def test_the_95_of_100_and_the_worst_of_few() -> None:
    assert baseline.quantile(list(range(1, 101)), 0.95) == 95
    assert baseline.quantile([3, 1, 2], 0.95) == 3
    assert baseline.quantile([7], 0.95) == 7


def metric(**more: t.Any) -> t.Dict[str, t.Any]:
    return dict({"port": 1, "name": "fps", "labels": {}}, **more)


def golden(**more: t.Any) -> t.Dict[str, t.Any]:
    return dict({"path": "/infer", "request": {"inputs": [1]}}, **more)


def test_numbers_have_names_that_tell_what_can_be_compared() -> None:
    assert baseline.metric_key(metric()) == "metric:fps"
    assert baseline.metric_key(metric(labels={"b": "2", "a": "1"}, quantile=0.95)) == "metric:fps{a=1,b=2}:q0.95"
    assert baseline.latency_key(golden()) == baseline.latency_key(golden(requests=30, timeout=1))
    assert baseline.latency_key(golden()) != baseline.latency_key(golden(request={"inputs": [2]}))
    assert baseline.latency_key(golden()).startswith("inference:/infer:")


def test_only_ratios_need_a_baseline() -> None:
    assert baseline.compared(metric(max=1), "metric") == ""
    assert baseline.compared(metric(min_ratio_to_baseline=0.5), "metric") == "metric:fps"
    assert baseline.compared(golden(max_latency=1), "inference") == ""
    assert baseline.compared(golden(max_latency_ratio_to_baseline=2), "inference") == baseline.latency_key(golden())
    assert baseline.compared({"port": 1}, "http") == ""


def test_a_record_keeps_the_last_number_and_the_typical_one_of_the_last_phase() -> None:
    record = Record()
    record.add({"cold": 9.0, "p95": 5.0, "bad": NAN}, ["one", "one"])
    record.begin()
    for value in (1.0, 2.0, 50.0):
        record.add({"p95": value}, ["one", "two"])
    assert record.last() == {"cold": 9.0, "p95": 50.0}
    assert record.settled() == {"cold": 9.0, "p95": 2.0}
    assert record.notes == ["one", "two"]


def release(workload: Workload, number: int, value: float, approve: bool) -> str:
    """One release that measures this, as a change does it; the outcome of its comparison."""
    found = compare(value, "k", Baseline(dict(workload.baseline)), "{:g}".format, most=1.5).outcome
    if found != baseline.BEYOND:
        rendered = spec.render([{"name": "app", "image": "r/app", "digest": "sha256:" + "ab" * 32}])[0]
        workload.current = Deployment(rendered, "d", f"c{number}", "i", str(number), number, measured={"k": value})
        if approve:
            workload.approve()
    return found


def test_what_is_a_little_slower_each_time_does_not_add_up() -> None:
    workload = Workload()
    assert release(workload, 1, 100, approve=True) == baseline.NONE_YET
    assert release(workload, 2, 140, approve=False) == baseline.FINE
    assert (
        release(workload, 3, 196, approve=False) == baseline.BEYOND
    )  # 1.4 times the one before, 1.96 the approved one
    assert workload.baseline == {"k": 100}
    assert workload.current is not None and workload.current.release == "2"
    assert workload.approve() and workload.baseline == {"k": 140}
    assert not workload.approve()  # again: nothing new
    assert release(workload, 3, 196, approve=False) == baseline.FINE
