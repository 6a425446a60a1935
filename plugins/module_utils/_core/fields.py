# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declarative checks for nested data: one clear line that names the place, what was found and what is wanted.

A check is a function ``(where, value) -> normalised value`` that raises :class:`SpecError`. A mapping is a dict of
:class:`Field`; the same table validates, fills in defaults, and is printed as documentation.

Example::

    CHECK = mapping({"port": Field(integer(1, 65535), required=True, doc="container port")})
    CHECK("probes.startup.http", {"port": 8000})   # {"port": 8000}
"""

from __future__ import annotations

import difflib
import math
import re
import typing as t
from dataclasses import dataclass

Check = t.Callable[[str, t.Any], t.Any]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*([bkmgt]?)i?b?$", re.IGNORECASE)
_SIZE_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class SpecError(ValueError):
    """Bad input. The message is one line for the person who wrote it."""


@dataclass(frozen=True)
class Field:
    """One key of a mapping: its check, whether it must be there, its default and a line of documentation."""

    check: Check
    required: bool = False
    default: t.Any = None
    doc: str = ""


def show(value: t.Any) -> str:
    """A value as it is shown in an error: short, on one line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def error(where: str, found: t.Any, wanted: str) -> SpecError:
    return SpecError(f"{where}: found {show(found)}, wanted {wanted}")


def suggestion(word: str, known: t.Iterable[str]) -> str:
    """' Did you mean x?' or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""


def text(pattern: str = "", wanted: str = "text") -> Check:
    """Non-empty text that matches a pattern as a whole. Numbers are refused: YAML would have changed them."""
    compiled = re.compile(pattern) if pattern else None

    def check(where: str, value: t.Any) -> str:
        if not isinstance(value, str) or not value:
            raise error(where, value, wanted)
        if compiled and not compiled.fullmatch(value):
            raise error(where, value, wanted)
        return value

    return check


def choice(*allowed: str) -> Check:
    def check(where: str, value: t.Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            hint = suggestion(value, allowed) if isinstance(value, str) else ""
            raise SpecError(f"{where}: found {show(value)}, wanted one of {', '.join(allowed)}.{hint}")
        return value

    return check


def boolean(where: str, value: t.Any) -> bool:
    if not isinstance(value, bool):
        raise error(where, value, "true or false")
    return value


def integer(low: int, high: int) -> Check:
    def check(where: str, value: t.Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise error(where, value, f"a whole number from {low} to {high}")
        return value

    return check


def number(low: float, high: float) -> Check:
    def check(where: str, value: t.Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise error(where, value, f"a number from {low:g} to {high:g}")
        return float(value)

    return check


def duration(where: str, value: t.Any) -> float:
    """Seconds, from '90s', '2m', '1h30m', '500ms' or a number of seconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    if isinstance(value, str) and value:
        parts = _DURATION.findall(value)
        if parts and "".join(n + u for n, u in parts) == value:
            return sum(float(n) * _DURATION_UNITS[u] for n, u in parts)
    raise error(where, value, "a duration such as 90s, 2m or 1h30m")


def size(where: str, value: t.Any) -> int:
    """Bytes, from '2g', '256m', '64k' (powers of 1024) or a number of bytes."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = _SIZE.match(value.strip()) if isinstance(value, str) else None
    if match and float(match.group(1)) > 0:
        return int(float(match.group(1)) * _SIZE_UNITS[match.group(2).lower()])
    raise error(where, value, "a size such as 512m or 2g")


class listing:  # a check like the functions beside it, whose parts can be looked into
    """A list of values of one kind."""

    def __init__(self, element: Check, least: int = 0) -> None:
        self.element = element
        self.least = least

    def __call__(self, where: str, value: t.Any) -> list:
        if not isinstance(value, (list, tuple)) or len(value) < self.least:
            raise error(where, value, f"a list of at least {self.least}" if self.least else "a list")
        return [self.element(f"{where}[{index}]", item) for index, item in enumerate(value)]


def scalar(where: str, value: t.Any) -> str:
    """Text, number or boolean, as the text a container sees in its environment."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise error(where, value, "text, a number or a boolean")


def anything(where: str, value: t.Any) -> t.Any:
    return value


def table(key_pattern: str, wanted: str, element: Check) -> Check:
    """A dict with free keys of one form and values of one kind."""
    compiled = re.compile(key_pattern)

    def check(where: str, value: t.Any) -> dict:
        if not isinstance(value, dict):
            raise error(where, value, "a mapping")
        for key in value:
            if not isinstance(key, str) or not compiled.fullmatch(key):
                raise error(where, key, wanted)
        return {key: element(f"{where}.{key}", item) for key, item in sorted(value.items())}

    return check


class mapping:  # a check like the functions beside it, whose parts can be looked into
    """A dict with known keys: unknown ones are refused with the nearest known name, defaults are filled in."""

    def __init__(self, fields: t.Mapping[str, Field]) -> None:
        self.fields = fields

    def __call__(self, where: str, value: t.Any) -> dict:
        fields = self.fields
        if not isinstance(value, dict):
            raise error(where, value, f"a mapping with the keys {', '.join(sorted(fields))}")
        for key in value:
            if key not in fields:
                hint = suggestion(str(key), fields)
                raise SpecError(f"{where}: unknown key {show(key)}.{hint} Allowed: {', '.join(sorted(fields))}")
        result = {}
        for key, field in fields.items():
            if value.get(key) is not None:
                result[key] = field.check(f"{where}.{key}", value[key])
            elif field.required:
                raise SpecError(f"{where}: the key '{key}' is missing: {field.doc}")
            elif field.default is not None:
                result[key] = field.check(f"{where}.{key}", field.default)
        return result
