# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One way to refuse a fleet file: the place, the key, what was found, what is allowed."""

from __future__ import annotations

import difflib
import typing as t
from collections.abc import Iterable, Mapping


class FleetError(ValueError):
    """Something in the fleet file is not allowed. `where` is the object in the file, for its line number."""

    def __init__(self, place: str, key: str, found: str, allowed: str, *, hint: str = "", where: object = None) -> None:
        at = f"{place}, key {key!r}" if key else place
        super().__init__(f"{at}: found {found}; allowed: {allowed}" + (f"; {hint}" if hint else ""))
        self.where = where


def near(found: object, options: Iterable[str]) -> str:
    """A suggestion for what looks like a slip of the finger, or nothing."""
    close = difflib.get_close_matches(str(found), list(options), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def name_of_type(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    for kind, name in ((str, "the text"), (int, "the number"), (float, "the number")):
        if isinstance(value, kind):
            return f"{name} {str(value)!r}" if kind is str else f"{name} {value}"
    if isinstance(value, Mapping):
        return "a dictionary"
    if isinstance(value, list):
        return "a list"
    # Anything else comes from a YAML tag: a vault-encrypted value, or a date written without quotes.
    return "a value that is not plain text (encrypted, or a date without quotes)"


class Section:
    """A dictionary of the file with its place, read key by key; unknown keys are refused at once."""

    def __init__(self, data: object, place: str, keys: Iterable[str], *, key: str = "") -> None:
        if not isinstance(data, Mapping):
            raise FleetError(place, key, name_of_type(data), "a dictionary", where=data)
        self.data: Mapping[object, t.Any] = data
        self.place = place
        allowed = list(keys)
        for found in data:
            if found not in allowed:
                raise FleetError(
                    place, str(found), "an unknown key", ", ".join(allowed), hint=near(found, allowed), where=found
                )

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def fail(self, key: str, found: str, allowed: str, hint: str = "") -> FleetError:
        return FleetError(self.place, key, found, allowed, hint=hint, where=self.data.get(key))

    def text(self, key: str, allowed: str = "text", *, hint: str = "put it in quotes") -> str:
        value = self.data.get(key)
        if not isinstance(value, str):
            raise self.fail(key, name_of_type(value), allowed, hint if isinstance(value, (int, float)) else "")
        return str(value)

    def choice(self, key: str, options: Iterable[str]) -> str:
        value = self.data.get(key)
        allowed = list(options)
        if not isinstance(value, str) or value not in allowed:
            raise self.fail(key, name_of_type(value), ", ".join(allowed), near(value, allowed))
        return str(value)

    def number(self, key: str, allowed: str) -> int:
        value = self.data.get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fail(key, name_of_type(value), allowed)
        return int(value)

    def children(self, key: str, allowed: str) -> Mapping[object, t.Any]:
        """A dictionary whose keys are names, with at least one entry."""
        value = self.data.get(key)
        if not isinstance(value, Mapping) or not value:
            raise self.fail(key, name_of_type(value) if value else "nothing in it", f"a dictionary of {allowed}")
        return value
