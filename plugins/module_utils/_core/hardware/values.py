# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values out of what devices, kernels and programs say. Nothing here raises: what makes no sense is None."""

from __future__ import annotations

import json
import re
import typing as t

if t.TYPE_CHECKING:
    from xml.etree import ElementTree

Facts = t.Dict[str, t.Any]
Remarks = t.List[str]

_INTEGER = re.compile(r"^\s*([+-]?[0-9]{1,18})(?![0-9.])")
_DECIMAL = re.compile(r"^\s*([+-]?[0-9]{1,15}(?:\.[0-9]{1,9})?)(?![0-9.])")
_HEXADECIMAL = re.compile(r"^\s*(?:0x)?([0-9a-fA-F]{1,16})\s*$")
_LONGEST = 200
_LARGEST = 2**63


def line(value: t.Any) -> t.Optional[str]:
    """The first line with its ends stripped of blanks and NUL, what cannot be printed as `?`; None where nothing is left."""
    if not isinstance(value, str):
        return None
    stripped = value.strip("\0 \t\r\n\v\f")
    first = stripped.split("\n", 1)[0].split("\0", 1)[0].strip()[:_LONGEST]
    return "".join(char if char.isprintable() else "?" for char in first) or None


def integer(value: t.Any) -> t.Optional[int]:
    """The whole number that a text begins with (`81920 MiB`), or a number of JSON."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -_LARGEST < value < _LARGEST else None
    match = _INTEGER.match(value) if isinstance(value, str) else None
    return int(match.group(1)) if match else None


def decimal(value: t.Any) -> t.Optional[float]:
    """The number that a text begins with (`70.00 W`)."""
    match = _DECIMAL.match(value) if isinstance(value, str) else None
    return float(match.group(1)) if match else None


def hexadecimal(value: t.Any) -> t.Optional[int]:
    match = _HEXADECIMAL.match(value) if isinstance(value, str) else None
    return int(match.group(1), 16) if match else None


def mapping(value: t.Any) -> t.Dict[str, t.Any]:
    """The value where it is a mapping, else an empty one, so that a chain of keys can be followed into anything."""
    return value if isinstance(value, dict) else {}


def sequence(value: t.Any) -> t.List[t.Any]:
    return value if isinstance(value, list) else []


def texts(value: t.Any) -> t.List[str]:
    """The texts of a list, each as one clean line."""
    return [found for found in (line(item) for item in sequence(value)) if found]


def from_json(text: str) -> t.Any:
    """The value, or None: output cut short, hostile nesting, anything."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def from_xml(text: str) -> t.Tuple[t.Optional[ElementTree.Element], str]:
    """The root element, or None and why. Entities are refused: no device declares any, and old parsers expand them without end."""
    from xml.etree import ElementTree  # only where a tool or a device says something in XML

    if "<!ENTITY" in text:
        return None, "it declares entities"
    try:
        return ElementTree.fromstring(text), ""  # noqa: S314 # entities are refused above
    except (ElementTree.ParseError, ValueError) as exc:
        return None, f"it is no XML: {exc}"


def version_key(version: str) -> t.Tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]{1,9}", version))


def same_version(one: str, other: str) -> bool:
    """Whether they agree as far as both go: programs cut `550.90.07` to `550.90`."""
    return all(left == right for left, right in zip(version_key(one), version_key(other)))
