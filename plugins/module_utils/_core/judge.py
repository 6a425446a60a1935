# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts of probes: what an answer says about health. Pure; the requests are made by the node program."""

from __future__ import annotations

import math
import re
import typing as t
from dataclasses import dataclass

PASS, RETRY, FAIL = "pass", "retry", "fail"


@dataclass(frozen=True)
class Verdict:
    """`retry` may still become healthy, `fail` will not: a ready server that answers wrongly stays wrong."""

    result: str
    reason: str = ""

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


def metric(text: str, probe: t.Mapping[str, t.Any]) -> Verdict:
    value = metric_value(text, probe)
    label = probe["name"] + (f" quantile {probe['quantile']:g}" if "quantile" in probe else "")
    if value is None:
        return Verdict(RETRY, f"metric {label} has no value yet")
    if "max" in probe and value > probe["max"]:
        return Verdict(RETRY, f"metric {label} is {value:g}, allowed are at most {probe['max']:g}")
    if "min" in probe and value < probe["min"]:
        return Verdict(RETRY, f"metric {label} is {value:g}, wanted are at least {probe['min']:g}")
    return OK


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
