# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a rollout that goes on: one for each node that ended, one for each wave. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .fleet_view import clean

GOOD = ("success", "unchanged")
QUIET = ("held", "skipped_contract", "offline_expected")
UNREACHABLE, UNKNOWN = "unreachable", "unknown"
CLASSES = (
    *GOOD,
    "reverted",
    "refused",
    "broken",
    "interrupted",
    "timed_out",
    *QUIET,
    "offline_unexpected",
    UNREACHABLE,
    UNKNOWN,
)


@dataclass
class Wave:
    """What is known of the wave that runs. `stage` and `number` are empty in a play that is no rollout."""

    stage: str = ""
    number: str = ""
    classes: Counter[str] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        return " ".join(word for word in (self.stage, f"wave {self.number}" if self.number else "") if word)


class Progress:
    """Takes results in the order in which they come, and gives lines with a tone: good, quiet or bad."""

    def __init__(self) -> None:
        self._wave = Wave()

    def ended(
        self, host: str, site: str, result: Mapping[str, Any], now: datetime, seconds: float | None, unreachable: bool
    ) -> list[tuple[str, str]]:
        """The line of a node; before it that of the wave that ended, where this node is in another one."""
        stage, number = _place(result)
        lines: list[tuple[str, str]] = []
        if stage or number:
            # Of an unreachable node nobody says where it belongs: it is in the wave that runs.
            if self._wave.name and (self._wave.stage, self._wave.number) != (stage, number):
                lines += self.wave_ended(now)
            self._wave.stage, self._wave.number = stage, number
        name = UNREACHABLE if unreachable else clean(result.get("class")) or UNKNOWN
        self._wave.classes[name] += 1
        took = "" if seconds is None else f"{seconds:.1f} s"
        words = "" if name in GOOD else clean(result.get("msg"), 160)
        release = clean(result.get("release"))
        cells = (_clock(now), self._wave.name, clean(site) or "-", clean(host), release, name, took, words)
        return [*lines, ("  ".join(cell for cell in cells if cell), _tone(name))]

    def wave_ended(self, now: datetime) -> list[tuple[str, str]]:
        """Nothing where no node of it ended."""
        wave, self._wave = self._wave, Wave()
        if not wave.classes:
            return []
        order = [*CLASSES, *sorted(set(wave.classes) - set(CLASSES))]
        counts = ", ".join(f"{wave.classes[name]} {name}" for name in order if wave.classes[name])
        total = sum(wave.classes.values())
        tones = {_tone(name) for name in wave.classes}
        tone = next(tone for tone in ("bad", "quiet", "good") if tone in tones)
        name = f"{wave.name} ended" if wave.name else "ended"
        return [(f"{_clock(now)}  {name}: {total} {'node' if total == 1 else 'nodes'}: {counts}", tone)]


def _place(result: Mapping[str, Any]) -> tuple[str, str]:
    found = result.get("rollout")
    if not isinstance(found, Mapping):
        return "", ""
    wave = found.get("wave")
    return clean(found.get("stage"), 60), "" if wave is None else clean(wave, 20)


def _clock(now: datetime) -> str:
    return now.strftime("%H:%M:%S")


def _tone(name: str) -> str:
    return "good" if name in GOOD else "quiet" if name in QUIET else "bad"
