# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small values of a fleet file: names, durations, windows, bandwidth, time zones, variables, labels."""

from __future__ import annotations

import re
import typing as t
import zoneinfo
from collections.abc import Mapping

from .errors import FleetError, Section, name_of_type, near

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WINDOW_KEYS = ("days", "start", "duration", "grace")
LONGEST = 7 * 24 * 3600

_HOST_PART = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_BANDWIDTH = re.compile(r"(?=.*[1-9])\d+(\.\d+)?(kbit|Mbit|Gbit)")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")

# Set by the plugin from keys of the file: a variable of the same name would say the same thing twice.
KEY_OF_VARIABLE = {
    "ansible_host": "address",
    "edge_fleet": "fleet",
    "edge_region": "regions",
    "edge_site": "sites",
    "edge_ring": "ring",
    "edge_zone": "zone",
    "edge_hardware": "hardware",
    "edge_labels": "labels",
    "edge_gateway": "gateway",
    "edge_address": "address",
    "edge_networks": "cidr",
    "edge_connectivity": "connectivity",
    "edge_when_offline": "when_offline",
    "edge_timezone": "timezone",
    "edge_fetch_window": "fetch_window",
    "edge_swap_window": "swap_window",
    "edge_bandwidth": "bandwidth",
}
# How the plugin hands its options to ssh, sftp and scp; users' own options go in ansible_ssh_common_args.
EXTRA_ARGS = ("ansible_ssh_extra_args", "ansible_sftp_extra_args", "ansible_scp_extra_args")


def name(value: object, place: str, *, host: bool = False) -> str:
    """A name that becomes part of a host name (host) or of a group name."""
    allowed = (
        "lower-case letters, digits and hyphens, with a letter or digit at both ends"
        if host
        else "letters, digits, hyphens, underscores and dots, with a letter or digit at both ends"
    )
    if not isinstance(value, str):
        hint = "put the name in quotes" if isinstance(value, (int, float)) else ""
        raise FleetError(place, "", f"{name_of_type(value)} as a name", allowed, hint=hint, where=value)
    if not (_HOST_PART if host else _NAME).fullmatch(value):
        raise FleetError(place, "", f"the name {str(value)!r}", allowed, where=value)
    return str(value)


def seconds(text: str) -> int | None:
    """`1h30m` in seconds; None where it is not a duration."""
    match = _DURATION.fullmatch(text)
    if not match or not text:
        return None
    parts = [int(part or 0) for part in match.groups()]
    return sum(count * unit for count, unit in zip(parts, (86400, 3600, 60, 1), strict=True))


def duration(section: Section, key: str, *, zero: bool = False) -> str:
    allowed = "a duration such as 30m, 10h or 1h30m, at most 7d"
    value = section.text(key, allowed, hint="add the unit")
    found = seconds(value)
    if found is None or found > LONGEST or (found == 0 and not zero):
        raise section.fail(key, repr(value), allowed)
    return value


def window(outer: Section, key: str) -> dict[str, t.Any]:
    """A time span that comes back: {days, start, duration, grace}; start and duration are required."""
    section = Section(outer.data[key], f"{outer.place}, {key}", WINDOW_KEYS)
    for needed in ("start", "duration"):
        if needed not in section:
            raise section.fail(needed, "nothing", "start and duration are required")
    start = section.text("start", 'a time of day such as "20:00"')
    if not _CLOCK.fullmatch(start):
        raise section.fail("start", repr(start), 'a time of day such as "20:00", from 00:00 to 23:59')
    result: dict[str, t.Any] = {"start": start, "duration": duration(section, "duration")}
    if "days" in section:
        result["days"] = days(section)
    if "grace" in section:
        result["grace"] = duration(section, "grace", zero=True)
    return result


def days(section: Section) -> list[str]:
    value = section.data["days"]
    allowed = f"a list of {', '.join(DAYS)}, each once"
    if not isinstance(value, list) or not value:
        raise section.fail("days", name_of_type(value) if value else "nothing in it", allowed)
    for day in value:
        if day not in DAYS:
            raise section.fail("days", name_of_type(day), allowed, near(day, DAYS))
    if len(set(value)) < len(value):
        raise section.fail("days", "a day twice", allowed)
    return [str(day) for day in value]


def bandwidth(section: Section, key: str) -> str:
    allowed = "a number with its unit: kbit, Mbit or Gbit, such as 20Mbit"
    value = section.text(key, allowed, hint="add the unit")
    if not _BANDWIDTH.fullmatch(value):
        raise section.fail(key, repr(value), allowed)
    return value


def timezone(section: Section, key: str) -> str:
    allowed = "a name of the IANA time zone database, such as Europe/Stockholm"
    value = section.text(key, allowed)
    try:
        zoneinfo.ZoneInfo(value)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        known = zoneinfo.available_timezones()
        # A controller without any time zone data cannot tell; the nodes have theirs.
        if known or not _NAME.fullmatch(value.replace("/", "-")):
            raise section.fail(key, repr(value), allowed, near(value, known)) from None
    return value


def variables(section: Section, key: str) -> dict[str, t.Any]:
    """Variables as they stand: encrypted values and templates are for whoever uses them."""
    value = section.data.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise section.fail(key, name_of_type(value), "a dictionary of variables")
    return {variable(section, key, found, value[found]): value[found] for found in value}


def variable(section: Section, key: str, found: object, value: object) -> str:
    place = f"{section.place}, {key}"
    if not isinstance(found, str) or not _VARIABLE.fullmatch(found):
        text = f"{name_of_type(found)} as the name of a variable"
        raise FleetError(place, "", text, "letters, digits and underscores, no digit first", where=found)
    if found in KEY_OF_VARIABLE:
        hint = f"use the key {KEY_OF_VARIABLE[found]!r} of the file"
        raise FleetError(place, found, "a variable that the plugin sets", "other variables", hint=hint, where=found)
    if found in EXTRA_ARGS and not (isinstance(value, str) and "edge_ssh_args" in value):
        raise FleetError(
            place,
            found,
            "a value that drops the way through the gateway",
            "a value with {{ edge_ssh_args }} in it",
            hint="options of your own go in 'ansible_ssh_common_args'",
            where=found,
        )
    return str(found)


def labels(section: Section, outer: Mapping[str, str]) -> Mapping[str, str]:
    """Labels of this level over those of the levels above."""
    value = section.data["labels"]
    if not isinstance(value, Mapping):
        raise section.fail("labels", name_of_type(value), "a dictionary of names and texts")
    result = dict(outer)
    for key, text in value.items():
        label = name(key, f"{section.place}, labels")
        if not isinstance(text, str):
            place, hint = f"{section.place}, labels", "put it in quotes" if isinstance(text, (bool, int, float)) else ""
            raise FleetError(place, label, name_of_type(text), "text", hint=hint, where=key)
        result[label] = text  # as it stands: it may be a template, or marked as none
    return result
