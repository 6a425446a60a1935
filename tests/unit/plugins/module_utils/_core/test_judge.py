# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer says about health."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import judge

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
