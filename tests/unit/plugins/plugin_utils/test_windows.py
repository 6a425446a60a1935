# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows in the site's own time: midnight, the nights in which the clock is set, and a slow oracle that walks the minutes."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.plugin_utils import windows

STOCKHOLM = "Europe/Stockholm"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NIGHT = {"start": "20:00", "duration": "10h"}
WEEKEND = {"days": ["sat", "sun"], "start": "02:00", "duration": "3h", "grace": "30m"}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def text(moment: datetime | None) -> str:
    return "" if moment is None else moment.strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("window", "zone", "now", "expected"),
    [
        # Winter in Stockholm is UTC+1.
        (NIGHT, STOCKHOLM, "2026-01-14 18:59", (False, "2026-01-14 19:00", "2026-01-15 05:00")),
        (NIGHT, STOCKHOLM, "2026-01-14 19:00", (True, "2026-01-14 19:00", "2026-01-15 05:00")),
        (NIGHT, STOCKHOLM, "2026-01-15 04:59", (True, "2026-01-14 19:00", "2026-01-15 05:00")),
        (NIGHT, STOCKHOLM, "2026-01-15 05:00", (False, "2026-01-15 19:00", "2026-01-16 05:00")),
        # Summer is UTC+2, Kolkata has half an hour, Auckland is a day ahead of UTC.
        (NIGHT, STOCKHOLM, "2026-07-14 18:00", (True, "2026-07-14 18:00", "2026-07-15 04:00")),
        (NIGHT, "Asia/Kolkata", "2026-01-14 14:30", (True, "2026-01-14 14:30", "2026-01-15 00:30")),
        ({**NIGHT, "days": ["mon"]}, "Pacific/Auckland", "2026-01-12 07:00", (True, "2026-01-12 07:00", "2026-01-12 17:00")),
        # `days` are those on which it starts: Saturday's window is open on Sunday morning, Sunday's own is not.
        ({**NIGHT, "days": ["sat"]}, "UTC", "2026-01-18 05:59", (True, "2026-01-17 20:00", "2026-01-18 06:00")),
        ({**NIGHT, "days": ["sat"]}, "UTC", "2026-01-18 20:00", (False, "2026-01-24 20:00", "2026-01-25 06:00")),
        # 29 March 2026: 02:00 becomes 03:00. A start that is skipped counts by the time before.
        (WEEKEND, STOCKHOLM, "2026-03-29 00:59", (False, "2026-03-29 01:00", "2026-03-29 04:00")),
        ({**WEEKEND, "start": "02:30"}, STOCKHOLM, "2026-03-29 01:30", (True, "2026-03-29 01:30", "2026-03-29 04:30")),
        (NIGHT, STOCKHOLM, "2026-03-29 04:59", (True, "2026-03-28 19:00", "2026-03-29 05:00")),
        # 25 October 2026: 03:00 becomes 02:00. A start that comes twice is the first one.
        ({**WEEKEND, "start": "02:30"}, STOCKHOLM, "2026-10-25 00:29", (False, "2026-10-25 00:30", "2026-10-25 03:30")),
        ({**WEEKEND, "start": "02:30"}, STOCKHOLM, "2026-10-25 01:45", (True, "2026-10-25 00:30", "2026-10-25 03:30")),
        # Openings that touch are one; what is always open never closes.
        ({"days": ["mon", "tue"], "start": "00:00", "duration": "1d"}, "UTC", "2026-01-12 08:00",
         (True, "2026-01-12 00:00", "2026-01-14 00:00")),
        ({"days": ["mon", "tue"], "start": "00:00", "duration": "1d"}, "UTC", "2026-01-13 08:00",
         (True, "2026-01-13 00:00", "2026-01-14 00:00")),
        ({"start": "06:00", "duration": "1d"}, "UTC", "2026-01-13 05:00", (True, "2026-01-12 06:00", "")),
        # ... but a day of 25 hours leaves one hour.
        ({"start": "06:00", "duration": "1d"}, STOCKHOLM, "2026-10-20 05:00",
         (True, "2026-10-20 04:00", "2026-10-25 04:00")),
        ({}, "UTC", "2026-01-13 05:00", (True, "", "")),
        (None, "UTC", "2026-01-13 05:00", (True, "", "")),
    ],
)  # fmt: skip
def test_state(window: Any, zone: str, now: str, expected: tuple[bool, str, str]) -> None:
    is_open, opens, closes = windows.state(window, zone, utc(now))
    assert (is_open, text(opens), text(closes)) == expected


@pytest.mark.parametrize(
    ("window", "now", "may", "then"),
    [
        (WEEKEND, "2026-01-17 00:59", False, "2026-01-17 01:00"),
        (WEEKEND, "2026-01-17 01:00", True, "2026-01-17 01:00"),
        (WEEKEND, "2026-01-17 01:30", True, "2026-01-17 01:30"),
        # Open still, and too late to begin: the next one it is.
        (WEEKEND, "2026-01-17 01:31", False, "2026-01-18 01:00"),
        (WEEKEND, "2026-01-18 03:00", False, "2026-01-24 01:00"),
        ({**WEEKEND, "grace": "0m"}, "2026-01-17 01:01", True, "2026-01-17 01:01"),
        ({**WEEKEND, "grace": "0m"}, "2026-01-17 01:02", False, "2026-01-18 01:00"),
        # A grace that is longer than the window ends with it.
        ({**WEEKEND, "grace": "5h"}, "2026-01-17 04:00", False, "2026-01-18 01:00"),
        (NIGHT, "2026-01-15 04:59", True, "2026-01-15 04:59"),
        (NIGHT, "2026-01-15 05:00", False, "2026-01-15 19:00"),
        ({}, "2026-01-15 05:00", True, "2026-01-15 05:00"),
    ],
)
def test_when_a_change_may_begin(window: Any, now: str, may: bool, then: str) -> None:
    assert windows.can_start(window, STOCKHOLM, utc(now)) is may
    assert text(windows.next_open(window, STOCKHOLM, utc(now))) == then


ZONES = (
    STOCKHOLM,
    "UTC",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kolkata",
    "Pacific/Auckland",
)
# Weeks in which clocks are set somewhere; in the last one Samoa skips a whole day.
WEEKS = ("2026-03-05", "2026-03-27", "2026-04-03", "2026-10-02", "2026-10-23", "2026-10-30", "2026-06-12", "2011-12-28")


def wall_starts(window: dict[str, Any], zone: str, first: datetime, minutes: int) -> list[datetime]:
    """Every start, found by walking the minutes as a person with a clock would: the first time that the clock shows it, and
    where it never does that day, so long after the clock was set as it would have been after the hour that is missing."""
    place = zoneinfo.ZoneInfo(zone)
    shown: dict[Any, datetime] = {}
    for number in range(minutes):
        moment = first + timedelta(minutes=number)
        local = moment.astimezone(place)
        shown.setdefault((local.date(), local.strftime("%H:%M")), moment)
    found = []
    day = first.astimezone(place).date() + timedelta(days=1)
    while day < (first + timedelta(minutes=minutes)).astimezone(place).date():
        if DAYS[day.weekday()] in window.get("days", DAYS):
            start = shown.get((day, window["start"]))
            if start is None:
                hour, minute = window["start"].split(":")
                wanted = datetime(day.year, day.month, day.day, int(hour), int(minute))
                # The last minute that the clock showed before the time that it skipped.
                before = max(
                    (datetime.fromisoformat(f"{date} {clock}"), moment)
                    for (date, clock), moment in shown.items()
                    if datetime.fromisoformat(f"{date} {clock}") < wanted
                )
                start = before[1] + (wanted - before[0])
            found.append(start)
        day += timedelta(days=1)
    return found


@st.composite
def windows_of(draw: st.DrawFn) -> dict[str, Any]:
    window: dict[str, Any] = {
        "start": f"{draw(st.integers(0, 23)):02}:{draw(st.sampled_from([0, 15, 30, 59])):02}",
        "duration": draw(st.sampled_from(["1m", "30m", "1h", "3h", "10h", "23h", "1d", "1d1h", "2d"])),
    }
    days = draw(st.lists(st.sampled_from(DAYS), unique=True))
    if days:
        window["days"] = days
    if draw(st.booleans()):
        window["grace"] = draw(st.sampled_from(["0m", "10m", "1h", "5h"]))
    return window


@settings(max_examples=30)
@given(windows_of(), st.sampled_from(ZONES), st.sampled_from(WEEKS), st.integers(4 * 1440, 6 * 1440))
@example({"start": "02:30", "duration": "1h"}, STOCKHOLM, "2026-03-27", 5 * 1440)
@example({"start": "02:00", "duration": "1h"}, "Australia/Lord_Howe", "2026-04-03", 5 * 1440)
def test_it_says_what_an_oracle_finds_minute_by_minute(
    window: dict[str, Any], zone: str, week: str, offset: int
) -> None:
    first = utc(week) - timedelta(days=4)
    now = first + timedelta(minutes=offset)
    length = windows._duration(window["duration"])
    starts = wall_starts(window, zone, first, 16 * 1440)
    inside = [start for start in starts if start <= now < start + length]
    is_open, opens, closes = windows.state(window, zone, now)
    assert is_open is bool(inside)
    if is_open:
        assert opens == max(inside)
        end = now
        while any(start <= end < start + length for start in starts) and end < now + timedelta(days=4):
            end += timedelta(minutes=1)
        assert closes == end or ((closes is None or closes > end) and end == now + timedelta(days=4))
    else:
        assert opens == min(start for start in starts if start > now)
    grace = windows._duration(window["grace"]) if "grace" in window else length
    soon = [start for start in inside if now <= start + max(grace, timedelta(minutes=1))]
    assert windows.can_start(window, zone, now) is bool(soon)


@given(windows_of(), st.sampled_from(ZONES), st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)))
def test_a_change_may_begin_at_the_time_that_was_named(window: dict[str, Any], zone: str, moment: datetime) -> None:
    now = moment.replace(tzinfo=UTC)
    then = windows.next_open(window, zone, now)
    assert then >= now and windows.can_start(window, zone, then) and windows.state(window, zone, then)[0]
    assume(then > now)
    assert not windows.can_start(window, zone, now + (then - now) / 2)
    assert not windows.can_start(window, zone, then - timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("size", "bandwidth", "hours"),
    [
        (9_000_000_000, "20Mbit", 1.0),
        (450_000_000, "1000kbit", 1.0),
        (450_000_000_000, "1Gbit", 1.0),
        (0, "20Mbit", 0.0),
        (1_125_000_000, "2.5Mbit", 1.0),
        (10**12, "", None),
    ],
)
def test_hours_needed(size: int, bandwidth: str, hours: float | None) -> None:
    assert windows.hours_needed(size, bandwidth) == (hours if hours is None else pytest.approx(hours))


@pytest.mark.parametrize(
    ("window", "hours", "does"),
    [(NIGHT, 10, True), (NIGHT, 10.001, False), ({}, 1e6, True), (None, 1, True), (NIGHT, None, True)],
)
def test_fits(window: Any, hours: float | None, does: bool) -> None:
    assert windows.fits(window, hours) is does


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: windows.state({"start": "25:00", "duration": "1h"}, "UTC", utc("2026-01-01")), "key 'start': found '25:00'"),
        (lambda: windows.state({"start": "20:00"}, "UTC", utc("2026-01-01")), "start and duration are required"),
        (lambda: windows.state({**NIGHT, "day": ["mon"]}, "UTC", utc("2026-01-01")), "did you mean 'days'?"),
        (lambda: windows.state({**NIGHT, "grace": "soon"}, "UTC", utc("2026-01-01")), "a duration such as 30m"),
        (lambda: windows.state("20:00", "UTC", utc("2026-01-01")), "a dictionary"),
        (lambda: windows.state(NIGHT, "Europe/Kiruna", utc("2026-01-01")), "found 'Europe/Kiruna'; allowed: a name of the IANA"),
        (lambda: windows.state(NIGHT, "../etc/passwd", utc("2026-01-01")), "found '../etc/passwd'"),
        (lambda: windows.state(NIGHT, "UTC", datetime(2026, 1, 1)), "without a zone"),
        (lambda: windows.hours_needed(1, "20"), "edge_bandwidth: found '20'; allowed"),
        (lambda: windows.hours_needed(1, "0Mbit"), "edge_bandwidth: found '0Mbit'"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_clear_line(call: Any, words: str) -> None:
    with pytest.raises(windows.WindowError) as caught:
        call()
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_controller_without_zone_data_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", missing)
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    with pytest.raises(windows.WindowError, match="tzdata"):
        windows.zone(STOCKHOLM)
    assert windows.state(NIGHT, "UTC", utc("2026-01-14 20:00"))[0]
