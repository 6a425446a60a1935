# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a site may fetch and when it may change: the windows of the fleet file, in the site's own time.

A window starts by the clock on the site's wall and lasts as long as it says, in real time: a window of three hours has three
hours also in the night in which the clock is set. What the clock skips or shows twice is read as RFC 5545 does: a start that
is skipped counts by the time before the clock was set (02:30 is then 03:30), one that comes twice is the first.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from ._fleet import values
from ._fleet.errors import Section

State = tuple[bool, "datetime | None", "datetime | None"]

DAY = timedelta(days=1)
FAR = timedelta(days=400)
"""Further nobody looks: what does not close within it, as a window of 24h every day, is said to stay open."""
MINUTE = timedelta(minutes=1)
_BANDWIDTH = re.compile(r"(\d+(?:\.\d+)?)(kbit|Mbit|Gbit)")
_BITS = {"kbit": 1e3, "Mbit": 1e6, "Gbit": 1e9}


class WindowError(ValueError):
    """A window, time zone or bandwidth that cannot be used; one line that says what is allowed."""


@dataclass(frozen=True)
class Window:
    """A span that comes back. `days` are those on which it starts, Monday is 0; `grace` is None where any moment will do."""

    start: time
    duration: timedelta
    days: frozenset[int]
    grace: timedelta | None


@dataclass(frozen=True)
class Opening:
    """One time at which a window is open, in UTC; `end` is not part of it."""

    start: datetime
    end: datetime

    def holds(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


def read(window: Any, place: str = "window") -> Window | None:
    """None where there is no window, which means always.

    :raises WindowError: for what is no window.
    """
    if window is None or window == {}:
        return None
    try:
        found = values.window(Section({place: window}, "the inventory", (place,)), place)
    except ValueError as exc:
        raise WindowError(str(exc)) from None
    hour, minute = (int(part) for part in found["start"].split(":"))
    days = frozenset(values.DAYS.index(day) for day in found.get("days", values.DAYS))
    grace = _duration(found["grace"]) if "grace" in found else None
    return Window(time(hour, minute), _duration(found["duration"]), days, grace)


def _duration(text: str) -> timedelta:
    return timedelta(seconds=values.seconds(text) or 0)


def zone(name: str) -> tzinfo:
    """:raises WindowError: for a name that the zone data of this controller does not have, or where it has none."""
    if name in ("", "UTC"):
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        if not zoneinfo.available_timezones():
            raise WindowError(
                f"edge_timezone: {name!r} cannot be looked up: this controller has no time zone data; install the "
                "package tzdata of the distribution or of Python (pip install tzdata)"
            ) from None
        allowed = "a name of the IANA time zone database, such as Europe/Stockholm"
        raise WindowError(f"edge_timezone: found {name!r}; allowed: {allowed}") from None


def state(window: Any, timezone_name: str, now: datetime) -> State:
    """Whether it is open, since when or from when, and until when; without a window: open, with no such times.

    Openings that touch are one: `closes` is when the site really has to be done. Where that is more than a year away, it
    is None.
    """
    span, moment, place = read(window), _utc(now), zone(timezone_name)
    if span is None:
        return True, None, None
    current = [item for item in _openings(span, place, moment - span.duration, moment) if item.holds(moment)]
    if current:
        return True, max(item.start for item in current), _close(span, place, moment)
    following = next((item for item in _openings(span, place, moment, moment + FAR) if item.start > moment), None)
    if following is None:
        return False, None, None
    return False, following.start, _close(span, place, following.start)


def can_start(window: Any, timezone_name: str, now: datetime) -> bool:
    """Whether a change may begin now: while the window is open, and with `grace` only in that first part of it.

    The minute in which a window opens counts with any `grace`: nobody meets an instant.
    """
    span, moment, place = read(window), _utc(now), zone(timezone_name)
    if span is None:
        return True
    for item in _openings(span, place, moment - span.duration, moment):
        last = item.end if span.grace is None else item.start + max(span.grace, MINUTE)
        if item.holds(moment) and moment <= last:
            return True
    return False


def next_open(window: Any, timezone_name: str, now: datetime) -> datetime:
    """When a change may begin: now, where it may, or when the window opens next.

    :raises WindowError: where that is never.
    """
    moment = _utc(now)
    if can_start(window, timezone_name, moment):
        return moment
    span = read(window)
    openings = _openings(span, zone(timezone_name), moment, moment + FAR) if span is not None else iter(())
    for item in openings:
        if item.start > moment:
            return item.start
    raise WindowError(f"window: {window!r} does not open within {FAR.days} days")


def hours_needed(size: int, bandwidth: str) -> float | None:
    """Hours in which a link carries so many bytes; None where nobody said what it carries.

    :raises WindowError: for what is no bandwidth.
    """
    if not bandwidth:
        return None
    match = _BANDWIDTH.fullmatch(bandwidth)
    if match is None or not float(match[1]):
        allowed = "a number with its unit: kbit, Mbit or Gbit, such as 20Mbit"
        raise WindowError(f"edge_bandwidth: found {bandwidth!r}; allowed: {allowed}")
    return size * 8 / (float(match[1]) * _BITS[match[2]]) / 3600


def fits(window: Any, hours: float | None) -> bool:
    """Whether so many hours are done in one opening. What nobody knows is taken to fit."""
    span = read(window)
    return span is None or hours is None or timedelta(hours=hours) <= span.duration


def _utc(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise WindowError(f"window: found the time {now.isoformat()} without a zone; allowed: a time in UTC")
    return now.astimezone(UTC)


def _openings(span: Window, place: tzinfo, since: datetime, until: datetime) -> Iterator[Opening]:
    """Every opening that starts from `since` to `until`, both included, in order."""
    day = _local_date(since, place) - DAY
    last = _local_date(until, place) + DAY
    while day <= last:
        if day.weekday() in span.days:
            start = datetime.combine(day, span.start, place).astimezone(UTC)
            if since <= start <= until:
                yield Opening(start, start + span.duration)
        day += DAY


def _local_date(moment: datetime, place: tzinfo) -> date:
    return moment.astimezone(place).date()


def _close(span: Window, place: tzinfo, moment: datetime) -> datetime | None:
    """Until when it stays open from a moment at which it is open."""
    end = moment
    for item in _openings(span, place, moment - span.duration, moment + FAR):
        if item.start > end:
            return end
        end = max(end, item.end)
    return end if end < moment + FAR else None
