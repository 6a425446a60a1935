# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the clock of a node can be believed, and which time it should be set to.

A node knows the last time of which it was sure: no clock can rightly be before it (the floor), and one that is years after it
was set by something broken. Between the two a clock is plausible. It is trusted where a witness confirms it: a time server, the
controller, the gateway, or the Date header of a host that was named.

A witness counts only where what it says lies between the bounds itself: a time server that is broken does not make every node
believe in 2099. The controller came in by a key, and may say that years have passed; before the floor nobody is believed.
"""

from __future__ import annotations

import calendar
import math
import re
import time
import typing as t
from dataclasses import dataclass

from .fields import Field, SpecError, integer, listing, mapping, text

TRUSTED, PLAUSIBLE, DOUBTFUL = "trusted", "plausible", "doubtful"
TIME_SERVER, CONTROLLER, GATEWAY, HTTP = "time server", "controller", "gateway", "http"
RTC, FLOOR = "hardware clock", "last known time"
DAY = 86400.0
CLOSE = 300.0
"""Seconds within which two clocks say the same."""
MADE = float(calendar.timegm((2026, 11, 1, 0, 0, 0)))
"""When this software was made: the floor of a node that knows none. The release of this collection moves it."""
LATEST = float(calendar.timegm((9999, 1, 1, 0, 0, 0)))
MAX_AHEAD_DAYS = 1825
DRIFT = 500e-6
"""Seconds in a second by which a crystal may be wrong."""
FORGET = "where that time itself was wrong: `edge clock --forget`"
_URL = (
    r"https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?(/[\x21-\x7e]*)?|https?://\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?(/[\x21-\x7e]*)?"
)
_LOCAL = "7F7F0101"  # chrony serves its own clock where it has no other


@dataclass(frozen=True)
class Verdict:
    """What the clock says, how far that can be believed, and why, in one line."""

    now: float
    state: str
    reason: str


@dataclass(frozen=True)
class Witness:
    """What somebody says that the time is now, and by how many seconds that may be wrong."""

    name: str
    time: float
    error: float = 0.0


@dataclass(frozen=True)
class Bounds:
    """Between which times a clock is plausible. The floor may be missed by as much as two clocks may differ."""

    floor: float
    ahead: float = MAX_AHEAD_DAYS * DAY

    def before(self, moment: float) -> bool:
        return not moment >= self.floor - CLOSE

    def after(self, moment: float) -> bool:
        return not moment <= self.floor + self.ahead

    def hold(self, moment: float) -> bool:
        return not self.before(moment) and not self.after(moment)

    def believe(self, witness: Witness) -> bool:
        far = self.after(witness.time) and witness.name != CONTROLLER
        return not self.before(witness.time) and not far and witness.time < LATEST


@dataclass(frozen=True)
class Settings:
    """What `clock.json` says: hosts whose Date header counts, how many of them must agree, how far ahead is plausible."""

    http: t.Tuple[str, ...] = ()
    http_agree: int = 0
    max_ahead_days: int = MAX_AHEAD_DAYS

    @property
    def least(self) -> int:
        """More than half of the hosts, where it is not said."""
        return self.http_agree or len(self.http) // 2 + 1


_SETTINGS = mapping(
    {
        "http": Field(listing(text(_URL, "an address such as http://gw01.example.com/")), default=[]),
        "http_agree": Field(integer(0, 16), default=0),
        "max_ahead_days": Field(integer(1, 36500), default=MAX_AHEAD_DAYS),
    }
)


def settings(where: str, value: t.Any) -> Settings:
    """:raises SpecError: with the place, what was found and what is wanted."""
    found = _SETTINGS(where, value)
    if found["http_agree"] > len(found["http"]):
        raise SpecError(
            f"{where}.http_agree: found {found['http_agree']}, wanted at most the number of hosts, which is {len(found['http'])}"
        )
    return Settings(tuple(found["http"]), found["http_agree"], found["max_ahead_days"])


def moment(value: t.Any) -> t.Optional[float]:
    """A time in seconds since 1970 that a clock can have, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and 0 <= value < LATEST else None


def day(when: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(when))
    except (OverflowError, ValueError, OSError):
        return f"{when:.0f} s since 1970"


def apart(seconds: float) -> str:
    for unit, words in ((DAY, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if abs(seconds) >= 2 * unit:
            return f"{abs(seconds) / unit:.0f} {words}"
    return f"{abs(seconds):.0f} s"


def confirms(now: float, witness: Witness) -> bool:
    return abs(now - witness.time) <= CLOSE + witness.error


def judge(now: float, bounds: Bounds, witnesses: t.Sequence[Witness] = (), from_floor: bool = False) -> Verdict:
    """
    :param from_floor: the clock was set to the last known time since, and so is behind by as long as the node was off.
    """
    if bounds.before(now):
        said = f"it says {day(now)}, which is before the last known time, {day(bounds.floor)}; {FORGET}"
        return Verdict(now, DOUBTFUL, said)
    heard = [item for item in witnesses if bounds.believe(item)]
    # A witness that may not speak of years ahead does not confirm them by being just inside what it may say.
    good = [item for item in heard if confirms(now, item) and (bounds.hold(now) or item.name == CONTROLLER)]
    bad = [item for item in heard if not confirms(now, item)]
    if good and not bad:
        return Verdict(now, TRUSTED, f"{_names(good)} says the same")
    if good and bounds.hold(now):
        return Verdict(now, PLAUSIBLE, f"{_names(good)} says the same, but {_says(bad[0])}")
    if bad:
        return Verdict(now, DOUBTFUL, f"it says {day(now)}, but {_says(bad[0])}")
    if bounds.after(now):
        said = f"it says {day(now)}, which is {apart(now - bounds.floor)} after the last known time, and nobody confirms it"
        return Verdict(now, DOUBTFUL, said)
    if from_floor:
        return Verdict(now, DOUBTFUL, "it was set to the last known time, and nobody has said since how late it is")
    return Verdict(now, PLAUSIBLE, f"it is after the last known time, {day(bounds.floor)}; nobody confirms it")


def _names(witnesses: t.Sequence[Witness]) -> str:
    return "the " + " and the ".join(item.name for item in witnesses)


def _says(witness: Witness) -> str:
    return f"the {witness.name} says {day(witness.time)}"


@dataclass(frozen=True)
class Choice:
    """A time that the clock should be set to, and who says so."""

    time: float
    source: str


def choose(
    now: float, bounds: Bounds, witnesses: t.Sequence[Witness] = (), rtc: t.Optional[float] = None
) -> t.Optional[Choice]:
    """What the clock should be set to, or None where it stays. Never a time before the floor.

    A clock that a time server sets is the time server's, also where it is wrong: two that step it would do so for ever.
    """
    if any(item.name == TIME_SERVER and confirms(now, item) for item in witnesses):
        return None
    heard = {item.name: item for item in witnesses if bounds.believe(item)}
    best = next((heard[name] for name in (CONTROLLER, GATEWAY, HTTP) if name in heard), None)
    if best is not None:
        if confirms(now, best) and now >= bounds.floor:
            return None
        return Choice(max(best.time, bounds.floor), best.name)
    right = rtc is not None and rtc >= bounds.floor and bounds.hold(rtc)
    if right and rtc is not None and not (bounds.hold(now) and now >= bounds.floor):
        return Choice(rtc, RTC)
    return Choice(bounds.floor, FLOOR) if now < bounds.floor else None


def agreed(answers: t.Mapping[str, float], least: int) -> t.Tuple[t.Optional[float], str]:
    """The time in the middle of what hosts say, where enough of them say about the same; and a word about it.

    :param answers: by the name of the host, all brought to the same instant.
    """
    if len(answers) < least:
        return None, f"{len(answers)} of the hosts answered, wanted {least}"
    middle = sorted(answers.values())[(len(answers) - 1) // 2]
    same = sum(abs(item - middle) <= CLOSE for item in answers.values())
    if same < least:
        return None, f"{same} of {len(answers)} hosts say about the same, wanted {least}"
    return middle, f"{same} of {len(answers)} hosts say about the same"


def tracking(line: str) -> t.Tuple[t.Optional[float], str]:
    """Of `chronyc -c -n tracking`: the seconds by which the clock may be wrong, or None where no time server sets it; a word."""
    cells = line.strip().split(",")
    if len(cells) < 14 or not re.fullmatch(r"[0-9A-F]{8}", cells[0]):
        return None, "chrony does not say how it is"
    if cells[13].strip() == "Not synchronised" or cells[0] == "00000000":
        return None, "chrony has no time server that answers"
    if cells[0] == _LOCAL:
        return None, "chrony has no time server, and serves its own clock"
    try:
        error = abs(float(cells[4])) + float(cells[10]) / 2 + float(cells[11])
    except ValueError:
        return None, "chrony does not say how it is"
    if not 0 <= error <= CLOSE:
        return None, f"the time of {cells[1]} is too old: it may be {apart(error)} off"
    return error, f"chrony follows {cells[1]}"
