# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements on versions, such as `>=36` or `>=36.4, <37`. Pure."""

from __future__ import annotations

import re
import typing as t

from .fields import error

_PART = re.compile(r"\s*(>=|<=|==|!=|>|<)\s*(\d+(?:\.\d+)*)\s*")
WANTED = "a requirement such as '>=36', '<37' or '>=36.4, <37'"

_HOLDS: t.Dict[str, t.Callable[[int], bool]] = {
    ">=": lambda order: order >= 0,
    "<=": lambda order: order <= 0,
    "==": lambda order: order == 0,
    "!=": lambda order: order != 0,
    ">": lambda order: order > 0,
    "<": lambda order: order < 0,
}


def numbers(version: str) -> t.Tuple[int, ...]:
    """The numbers at the beginning of a version: (36, 4, 3) of '36.4.3-20250107'; nothing where it begins otherwise."""
    match = re.match(r"\s*[Rr]?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in match.group(1).split(".")) if match else ()


def _compare(have: t.Sequence[int], want: t.Sequence[int]) -> int:
    """-1, 0, 1; as many places count as both name, so 36.4.3 is == 36.4 and not > 36."""
    places = min(len(have), len(want))
    left, right = tuple(have[:places]), tuple(want[:places])
    return (left > right) - (left < right)


def requirement(where: str, value: t.Any) -> str:
    """A check for a field: the requirement in its one written form."""
    if not isinstance(value, str) or not value.strip():
        raise error(where, value, WANTED)
    parts = []
    for part in value.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise error(where, value, WANTED)
        parts.append("".join(match.groups()))
    return ", ".join(parts)


def satisfies(version: t.Optional[str], wanted: str) -> bool:
    """Whether a version meets a requirement that :func:`requirement` has checked. An unknown version meets none."""
    have = numbers(version or "")
    if not have:
        return False
    for part in wanted.split(","):
        match = _PART.fullmatch(part)
        if match is None or not _HOLDS[match.group(1)](_compare(have, numbers(match.group(2)))):
            return False
    return True
