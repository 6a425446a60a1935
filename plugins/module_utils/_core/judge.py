# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts of probes: what an answer says about health. Pure; the requests are made by the node program."""

from __future__ import annotations

import math
import re
import typing as t
from dataclasses import dataclass, field

from . import baseline
from .baseline import BEYOND, FINE, Baseline, Comparison

PASS, RETRY, FAIL, SICK = "pass", "retry", "fail", "sick"
NO_BASELINE = Baseline()


@dataclass(frozen=True)
class Verdict:
    """`retry` may still become healthy, `fail` will not: a ready server that answers wrongly stays wrong. `sick` says
    nothing of the version on trial: the numbers that it should be compared with are none.

    `measured` are numbers by name, `notes` are what a person should know although it passed.
    """

    result: str
    reason: str = ""
    measured: t.Mapping[str, float] = field(default_factory=dict)
    notes: t.Tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.result == PASS


OK = Verdict(PASS)
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)")
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')

Sample = t.Tuple[str, t.Dict[str, str], float]


def parse_metrics(text: str) -> t.List[Sample]:
    """(name, labels, value) of each sample of a Prometheus text; lines that are none are passed over."""
    samples: t.List[Sample] = []
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match is None or line.startswith("#"):
            continue
        try:
            value = float(match.group(3))
        except ValueError:
            continue
        samples.append((match.group(1), dict(_LABEL.findall(match.group(2) or "")), value))
    return samples


def _matches(labels: t.Mapping[str, str], wanted: t.Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in wanted.items())


def _number(text: str) -> float:
    """NaN for what is none: a server may write anything into a label."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _of_buckets(
    samples: t.Iterable[Sample], name: str, wanted: t.Mapping[str, str], quantile: float
) -> t.Optional[float]:
    """The quantile of a histogram, by linear interpolation in its bucket, summed over label sets."""
    totals: t.Dict[float, float] = {}
    for sample, labels, value in samples:
        if sample == name + "_bucket" and "le" in labels and _matches(labels, wanted):
            bound = _number(labels["le"])
            if math.isnan(bound) or math.isnan(value):
                continue
            totals[bound] = totals.get(bound, 0.0) + value
    bounds = sorted(totals)
    if not bounds or totals[bounds[-1]] <= 0:
        return None
    rank = quantile * totals[bounds[-1]]
    lower, below = 0.0, 0.0
    for bound in bounds:
        if totals[bound] >= rank:
            if math.isinf(bound):
                return lower
            inside = totals[bound] - below
            return bound if inside <= 0 else lower + (bound - lower) * (rank - below) / inside
        lower, below = bound, totals[bound]
    return lower


def metric_value(text: str, probe: t.Mapping[str, t.Any]) -> t.Optional[float]:
    """The value that a metric probe speaks of, or None where there is none. Several series: the largest."""
    samples, name, wanted = parse_metrics(text), probe["name"], probe["labels"]
    quantile = probe.get("quantile")
    if quantile is None:
        values = [value for sample, labels, value in samples if sample == name and _matches(labels, wanted)]
    else:
        values = [
            value
            for sample, labels, value in samples
            if sample == name
            and "quantile" in labels
            and _number(labels["quantile"]) == quantile
            and _matches(labels, wanted)
        ]
    values = [value for value in values if not math.isnan(value)]
    if values:
        return max(values)
    return None if quantile is None else _of_buckets(samples, name, wanted, quantile)


def metric(text: str, probe: t.Mapping[str, t.Any], base: Baseline = NO_BASELINE) -> Verdict:
    value = metric_value(text, probe)
    label = "metric " + probe["name"] + (f" quantile {probe['quantile']:g}" if "quantile" in probe else "")
    if value is None:
        return Verdict(RETRY, f"{label} has no value yet")
    key = baseline.metric_key(probe)
    measured = {key: value}
    if "max" in probe and value > probe["max"]:
        return Verdict(RETRY, f"{label} is {value:g}, allowed are at most {probe['max']:g}", measured)
    if "min" in probe and value < probe["min"]:
        return Verdict(RETRY, f"{label} is {value:g}, wanted are at least {probe['min']:g}", measured)
    if not baseline.compared(probe, "metric"):
        return Verdict(PASS, measured=measured)
    most, least = probe.get("max_ratio_to_baseline"), probe.get("min_ratio_to_baseline")
    found = baseline.compare(value, key, base, "{:g}".format, most, least)
    return _against(found, label, f"{label} is {value:g}", measured)


def _against(found: Comparison, label: str, said: str, measured: t.Mapping[str, float]) -> Verdict:
    """The verdict on a comparison with the baseline. One that is not there is not held against a version."""
    if found.outcome == baseline.SICK:
        return Verdict(SICK, f"{label}: {found.words}", measured)
    if found.outcome == BEYOND:
        return Verdict(RETRY, f"{said}, {found.words}", measured)
    return Verdict(PASS, measured=measured, notes=() if found.outcome == FINE else (f"{label}: {found.words}",))


def http(status: int, probe: t.Mapping[str, t.Any]) -> Verdict:
    if status == probe["status"]:
        return OK
    return Verdict(RETRY, f"GET {probe['path']} answered {status}, wanted {probe['status']}")


def _short(value: t.Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _flat(value: t.Any) -> t.List[t.Any]:
    if isinstance(value, (list, tuple)):
        return [item for part in value for item in _flat(part)]
    return [value]


def _same(found: t.Any, wanted: t.Any, tolerance: float) -> bool:
    numbers = isinstance(found, (int, float)) and isinstance(wanted, (int, float))
    return abs(found - wanted) <= tolerance if numbers else found == wanted


def inference(status: int, answer: t.Any, probe: t.Mapping[str, t.Any]) -> Verdict:
    """Compares the outputs that are expected by name; others, and other fields, may be anything."""
    if status in (404, 425, 429, 502, 503, 504):
        return Verdict(RETRY, f"the golden request to {probe['path']} answered {status}")
    if status != 200 or not isinstance(answer, dict):
        return Verdict(FAIL, f"the golden request to {probe['path']} answered {status}: {_short(answer)}")
    listed = answer.get("outputs")
    outputs = {
        item["name"]: item
        for item in (listed if isinstance(listed, list) else ())
        if isinstance(item, dict) and isinstance(item.get("name"), str)
    }
    for wanted in probe["expect"]["outputs"]:
        found = outputs.get(wanted["name"])
        if found is None:
            return Verdict(
                FAIL,
                f"the golden request: no output '{wanted['name']}' in the answer; it has: {_short(sorted(outputs))}",
            )
        have, want = _flat(found.get("data")), _flat(wanted["data"])
        if len(have) != len(want) or not all(_same(a, b, probe["tolerance"]) for a, b in zip(have, want)):
            return Verdict(
                FAIL, f"the golden request: output '{wanted['name']}' is {_short(have)}, expected {_short(want)}"
            )
    return OK


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.2g} ms"


def enough_wrong(wrong: int, probe: t.Mapping[str, t.Any]) -> bool:
    """Whether so many wrong answers fail a round, whatever the answers that are still to come."""
    return wrong > probe.get("max_wrong", 0.0) * probe.get("requests", 1)


def golden_round(
    answers: t.Sequence[Verdict],
    latencies: t.Sequence[float],
    probe: t.Mapping[str, t.Any],
    base: Baseline = NO_BASELINE,
) -> Verdict:
    """The verdict on a round of golden requests: the verdict on each, and how long each took."""
    requests = probe.get("requests", 1)
    wrong = [answer for answer in answers if not answer.passed]
    measured = {baseline.inference_key(probe, "wrong_ratio"): len(wrong) / len(answers)}
    if enough_wrong(len(wrong), probe):
        of_all = f" ({len(wrong)} of {len(answers)} answers wrong)" if requests > 1 else ""
        return Verdict(FAIL, wrong[-1].reason + of_all, measured)
    verdict = _round_latency(latencies, probe, base, measured)
    if verdict.passed and len(answers) < requests:
        words = f"the golden request: only {len(answers)} of {requests} were answered in time"
        return Verdict(RETRY, words, verdict.measured)
    return verdict


def _round_latency(
    latencies: t.Sequence[float], probe: t.Mapping[str, t.Any], base: Baseline, measured: t.Mapping[str, float]
) -> Verdict:
    key, slow, count = baseline.latency_key(probe), baseline.quantile(latencies, 0.95), len(latencies)
    measured = dict(measured, **{key: slow})
    said = f"the golden request: p95 latency {milliseconds(slow)} over {count} request{'s' if count > 1 else ''}"
    if "max_latency" in probe and slow > probe["max_latency"]:
        return Verdict(RETRY, f"{said}, allowed {milliseconds(probe['max_latency'])}", measured)
    most = probe.get("max_latency_ratio_to_baseline")
    if most is None:
        return Verdict(PASS, measured=measured)
    found = baseline.compare(slow, key, base, milliseconds, most)
    return _against(found, "the golden request: p95 latency", said, measured)
