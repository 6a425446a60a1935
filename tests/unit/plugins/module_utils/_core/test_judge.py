# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer says about health."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import baseline, judge
from ansible_collections.physical_ai.edge.plugins.module_utils._core.baseline import Baseline

TEXT = """
# HELP inference_latency_seconds Time
# TYPE inference_latency_seconds summary
inference_latency_seconds{model="a",quantile="0.5"} 0.01
inference_latency_seconds{model="a",quantile="0.95"} 0.2
inference_latency_seconds{model="b",quantile="0.95"} 0.4 1700000000000
request_seconds_bucket{le="0.1"} 50
request_seconds_bucket{le="0.5"} 90
request_seconds_bucket{le="+Inf"} 100
empty_seconds_bucket{le="+Inf"} 0
odd_seconds_bucket{le="much"} 7
odd_seconds_bucket{le="2"} NaN
odd_seconds_bucket{le="1"} 10
odd_seconds_bucket{le="+Inf"} 10
odd_quantile{quantile="most"} 1
temperature_celsius NaN
queue 3
strange{text="a\\"b,c=d"} 1
not a sample at all
"""


def metric(**more: t.Any) -> t.Dict[str, t.Any]:
    return dict({"name": "inference_latency_seconds", "labels": {}}, **more)


@pytest.mark.parametrize(
    ("probe", "value"),
    [
        (metric(quantile=0.95), 0.4),
        (metric(quantile=0.95, labels={"model": "a"}), 0.2),
        (metric(quantile=0.99), None),
        (metric(name="request_seconds", quantile=0.5), 0.1),
        (metric(name="request_seconds", quantile=0.7), 0.3),
        (metric(name="request_seconds", quantile=0.99), 0.5),
        (metric(name="empty_seconds", quantile=0.5), None),
        (metric(name="odd_seconds", quantile=0.5), 0.5),
        (metric(name="odd_quantile", quantile=0.5), None),
        (metric(name="queue"), 3),
        (metric(name="temperature_celsius"), None),
        (metric(name="nothing"), None),
    ],
)
def test_values_of_metrics(probe: t.Dict[str, t.Any], value: t.Optional[float]) -> None:
    found = judge.metric_value(TEXT, probe)
    assert found is None if value is None else found == pytest.approx(value)


def test_labels_with_quotes_and_commas() -> None:
    assert ("strange", {"text": 'a\\"b,c=d'}, 1.0) in judge.parse_metrics(TEXT)


def test_limits_of_metrics_pass_and_fail() -> None:
    assert judge.metric(TEXT, metric(quantile=0.95, max=0.5)).passed
    assert "is 0.4, allowed are at most 0.25" in judge.metric(TEXT, metric(quantile=0.95, max=0.25)).reason
    assert "wanted are at least 5" in judge.metric(TEXT, metric(name="queue", min=5)).reason
    assert "no value yet" in judge.metric("", metric(max=1)).reason


def probe(data: t.Any, tolerance: float = 0) -> t.Dict[str, t.Any]:
    return {"path": "/infer", "expect": {"outputs": [{"name": "label", "data": data}]}, "tolerance": tolerance}


def answer(data: t.Any, name: str = "label") -> t.Dict[str, t.Any]:
    return {"outputs": [{"name": "other", "data": [9]}, {"name": name, "data": data, "shape": [1]}]}


@pytest.mark.parametrize(
    ("status", "body", "wanted", "result"),
    [
        (200, answer([7]), probe([7]), judge.PASS),
        (200, answer([[0.1, 0.9]]), probe([0.1, 0.9000001], 1e-3), judge.PASS),
        (200, answer([0.1, 0.8]), probe([0.1, 0.9], 1e-3), judge.FAIL),
        (200, answer([1]), probe([7]), judge.FAIL),
        (200, answer([7, 7]), probe([7]), judge.FAIL),
        (200, answer(["cat"]), probe(["cat"]), judge.PASS),
        (200, answer([7], "labels"), probe([7]), judge.FAIL),
        (200, "text", probe([7]), judge.FAIL),
        (200, {"outputs": 7}, probe([7]), judge.FAIL),
        (200, {"outputs": [7, {"name": [1]}]}, probe([7]), judge.FAIL),
        (200, answer(None), probe([7]), judge.FAIL),
        (200, answer([float("nan")]), probe([7]), judge.FAIL),
        (500, {"error": "x"}, probe([7]), judge.FAIL),
        (503, {"error": "loading"}, probe([7]), judge.RETRY),
        (404, {"error": "no model yet"}, probe([7]), judge.RETRY),
    ],
)
def test_a_golden_request(status: int, body: t.Any, wanted: t.Dict[str, t.Any], result: str) -> None:
    found = judge.inference(status, body, wanted)
    assert found.result == result
    assert found.passed == (found.reason == "")


FAST = {"metric:queue": 1.5}


@pytest.mark.parametrize(
    ("limits", "base", "result", "words"),
    [
        ({"max_ratio_to_baseline": 2}, FAST, judge.PASS, ""),
        ({"max_ratio_to_baseline": 1.5}, FAST, judge.RETRY, "metric queue is 3, baseline 1.5: 2.0 times, allowed 1.5"),
        (
            {"min_ratio_to_baseline": 4},
            FAST,
            judge.RETRY,
            "metric queue is 3, baseline 1.5: 2.0 times, wanted at least 4",
        ),
        ({"max_ratio_to_baseline": 9, "max": 2}, FAST, judge.RETRY, "is 3, allowed are at most 2"),
        ({"max_ratio_to_baseline": 9}, {"metric:queue": 0.0}, judge.SICK, "metric queue: the approved baseline is 0"),
        ({"max_ratio_to_baseline": 9}, {}, judge.PASS, ""),
    ],
)
def test_a_metric_against_its_baseline(
    limits: t.Dict[str, float], base: t.Dict[str, float], result: str, words: str
) -> None:
    found = judge.metric(TEXT, metric(name="queue", **limits), Baseline(base))
    assert (found.result, found.measured) == (result, {"metric:queue": 3})
    assert words in found.reason and bool(words) == bool(found.reason)
    assert found.notes == (() if base else ("metric queue: baseline: none yet",))


WRONG = judge.Verdict(judge.FAIL, "the golden request: output 'label' is [1], expected [7]")


def golden(**more: t.Any) -> t.Dict[str, t.Any]:
    return dict(probe([7]), request={}, requests=30, **more)


P95 = baseline.latency_key(golden())
RATIO = baseline.inference_key(golden(), "wrong_ratio")


@pytest.mark.parametrize(
    ("wrong", "took", "more", "result", "words"),
    [
        (0, 0.152, {}, judge.PASS, ""),
        (1, 0.152, {}, judge.FAIL, "is [1], expected [7] (1 of 30 answers wrong)"),
        (3, 0.152, {"max_wrong": 0.1}, judge.PASS, ""),
        (4, 0.152, {"max_wrong": 0.1}, judge.FAIL, "(4 of 30 answers wrong)"),
        (0, 0.152, {"max_latency": 0.1}, judge.RETRY, "p95 latency 152 ms over 30 requests, allowed 100 ms"),
        (0, 0.152, {"max_latency": 0.2}, judge.PASS, ""),
        (
            0,
            0.152,
            {"max_latency_ratio_to_baseline": 1.5},
            judge.RETRY,
            "the golden request: p95 latency 152 ms over 30 requests, baseline 48 ms: 3.2 times, allowed 1.5",
        ),
        (0, 0.0052, {"max_latency": 0.005}, judge.RETRY, "p95 latency 5.2 ms over 30 requests, allowed 5 ms"),
        (0, 0.07, {"max_latency_ratio_to_baseline": 1.5}, judge.PASS, ""),
    ],
)
def test_a_round_of_golden_requests(wrong: int, took: float, more: t.Dict[str, t.Any], result: str, words: str) -> None:
    answers = [WRONG] * wrong + [judge.OK] * (30 - wrong)
    found = judge.golden_round(answers, [took] * 30, golden(**more), Baseline({P95: 0.048}))
    assert found.result == result
    assert words in found.reason and bool(words) == bool(found.reason)
    assert found.measured[RATIO] == pytest.approx(wrong / 30)
    if result != judge.FAIL:
        assert found.measured[P95] == took


def test_one_slow_answer_of_many_is_not_the_p95_and_of_few_it_is() -> None:
    slow = [1.0] + [0.01] * 29
    assert judge.golden_round([judge.OK] * 30, slow, golden(max_latency=0.1)).passed
    few = dict(golden(max_latency=0.1), requests=2)
    assert "1000 ms over 2 requests" in judge.golden_round([judge.OK] * 2, slow[:2], few).reason


def test_a_round_that_had_no_time_to_end_is_no_pass() -> None:
    found = judge.golden_round([judge.OK] * 12, [0.5] * 12, golden())
    assert (found.result, found.measured[P95]) == (judge.RETRY, 0.5)
    late = judge.golden_round([judge.OK] * 12, [0.5] * 12, golden(max_latency=0.1))
    assert "500 ms over 12 requests, allowed 100 ms" in late.reason
    assert "only 12 of 30 were answered in time" in found.reason


@pytest.mark.parametrize(("base", "note"), [({}, "baseline: none yet"), ({P95: 0.0}, "")])
def test_a_missing_baseline_is_said_and_a_sick_one_is_a_verdict(base: t.Dict[str, float], note: str) -> None:
    wanted = golden(max_latency_ratio_to_baseline=1.5)
    found = judge.golden_round([judge.OK] * 30, [0.1] * 30, wanted, Baseline(base))
    if note:
        assert found.passed and found.notes == (f"the golden request: p95 latency: {note}",)
    else:
        assert found.result == judge.SICK and "approve a good release" in found.reason


def test_an_http_status() -> None:
    assert judge.http(200, {"path": "/", "status": 200}).passed
    assert judge.http(503, {"path": "/x", "status": 200}).reason == "GET /x answered 503, wanted 200"


LINES = st.text(alphabet='abz_{}=",\\ .+-0123456789NaInfle#\n', max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["outputs", "name", "data", "x"]), inner, max_size=3)
    ),
)


@given(LINES, st.none() | st.just(0.5))
def test_any_text_has_a_verdict(text: str, quantile: t.Optional[float]) -> None:
    wanted = metric(name="a", max=1)
    if quantile is not None:
        wanted["quantile"] = quantile
    for candidate in (text, text + 'a_bucket{le="' + text + '"} 1\n', 'a{quantile="' + text + '"} 1'):
        assert judge.metric(candidate, wanted).result in (judge.OK.result, judge.RETRY)


@given(JSON)
def test_any_answer_has_a_verdict(body: t.Any) -> None:
    for candidate in (body, {"outputs": body}, {"outputs": [{"name": "label", "data": body}]}):
        assert judge.inference(200, candidate, probe([7])).result in (judge.PASS, judge.FAIL)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=8, unique=True), st.floats(0.01, 1))
def test_a_quantile_lies_within_the_buckets(bounds: t.List[float], quantile: float) -> None:
    text = "".join(f'h_bucket{{le="{bound!r}"}} {index + 1}\n' for index, bound in enumerate(sorted(bounds)))
    found = judge.metric_value(text, metric(name="h", quantile=quantile))
    assert found is not None and 0 <= found <= max(bounds) * (1 + 1e-9)
