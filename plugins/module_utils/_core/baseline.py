# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new version is compared with: numbers that were measured of the version that was approved before it. Pure.

A ratio always refers to the *approved* baseline of a workload on its node. What a version measures becomes that baseline
only when it is approved, so releases that each are 1.4 times slower than the one before do not add up unnoticed.
"""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass, field

from .spec import digest

Numbers = t.Mapping[str, float]

FINE, NONE_YET, UNKNOWN, SICK, BEYOND = "fine", "none yet", "unknown", "sick", "beyond"


def metric_key(probe: t.Mapping[str, t.Any]) -> str:
    """The name under which a metric's value is kept."""
    labels = ",".join(f"{key}={value}" for key, value in sorted(probe["labels"].items()))
    name = probe["name"] + (f"{{{labels}}}" if labels else "")
    return f"metric:{name}" + (f":q{probe['quantile']:g}" if "quantile" in probe else "")


def inference_key(probe: t.Mapping[str, t.Any], what: str) -> str:
    """The same for a golden request. Another question has another name: the times of the two cannot be compared."""
    return f"inference:{probe['path']}:{digest(probe['request'])[7:15]}:{what}"


def latency_key(probe: t.Mapping[str, t.Any]) -> str:
    return inference_key(probe, "p95_seconds")


def compared(probe: t.Mapping[str, t.Any], kind: str) -> str:
    """The name of the number that a probe compares with the baseline, or nothing where it compares none."""
    if kind == "metric" and ("max_ratio_to_baseline" in probe or "min_ratio_to_baseline" in probe):
        return metric_key(probe)
    return latency_key(probe) if kind == "inference" and "max_latency_ratio_to_baseline" in probe else ""


def quantile(values: t.Sequence[float], share: float) -> float:
    """The smallest of the values that at least this share of them does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True)
class Baseline:
    """`approved` counts. Where it lacks a number, the version that ran until now, measured just before, stands in for it;
    `unknown` are the numbers that could not be measured of it. `waived` says why nothing is compared at all."""

    approved: Numbers = field(default_factory=dict)
    old: Numbers = field(default_factory=dict)
    unknown: t.FrozenSet[str] = frozenset()
    waived: str = ""

    def of(self, key: str) -> t.Optional[float]:
        return self.approved[key] if key in self.approved else self.old.get(key)

    def numbers(self) -> t.Dict[str, float]:
        return dict(self.old, **self.approved)


@dataclass(frozen=True)
class Comparison:
    """`words` say what was found, with the numbers."""

    outcome: str
    words: str = ""


def times(ratio: float, limit: float) -> str:
    """A ratio with as many digits as show on which side of its limit it is."""
    shown = f"{ratio:.1f}"
    for digits in range(1, 7):
        shown = f"{ratio:.{digits}f}"
        if (float(shown) > limit) == (ratio > limit) and (float(shown) < limit) == (ratio < limit):
            break
    return shown


def compare(
    value: float,
    key: str,
    base: Baseline,
    show: t.Callable[[float], str],
    most: t.Optional[float] = None,
    least: t.Optional[float] = None,
) -> Comparison:
    """A value against its baseline; `most` and `least` are the allowed ratios."""
    known = base.of(key)
    if base.waived:
        return Comparison(NONE_YET, f"not compared: {base.waived}")
    if known is None:
        if key in base.unknown:
            return Comparison(UNKNOWN, "baseline: unknown, the version that ran before could not be measured")
        return Comparison(NONE_YET, "baseline: none yet")
    if not math.isfinite(known) or known <= 0:
        whose = "the approved baseline" if key in base.approved else "what the version that ran before measures"
        return Comparison(
            SICK,
            f"{whose} is {known:g}, with which nothing can be compared: approve a good release "
            "(`edge approve`), or use absolute limits for this probe",
        )
    ratio = value / known
    if most is not None and ratio > most:
        return Comparison(BEYOND, f"baseline {show(known)}: {times(ratio, most)} times, allowed {most:g}")
    if least is not None and ratio < least:
        return Comparison(BEYOND, f"baseline {show(known)}: {times(ratio, least)} times, wanted at least {least:g}")
    return Comparison(FINE)


class Record:
    """What the probes of one workload measured and remarked during a change, phase after phase."""

    def __init__(self) -> None:
        self.notes: t.List[str] = []
        self._before: t.Dict[str, float] = {}
        self._series: t.Dict[str, t.List[float]] = {}

    def begin(self) -> None:
        """A new phase: what it measures counts more than what was measured before."""
        self._before, self._series = self.last(), {}

    def add(self, measured: Numbers, notes: t.Iterable[str]) -> None:
        for key, value in measured.items():
            if math.isfinite(value):  # nothing else is JSON
                self._series.setdefault(key, []).append(round(value, 6))
        self.notes += [line for line in dict.fromkeys(notes) if line not in self.notes]

    def last(self) -> t.Dict[str, float]:
        return dict(self._before, **{key: values[-1] for key, values in self._series.items()})

    def settled(self) -> t.Dict[str, float]:
        """The medians of the last phase: one slow round says little of a version."""
        return dict(self._before, **{key: quantile(values, 0.5) for key, values in self._series.items()})
