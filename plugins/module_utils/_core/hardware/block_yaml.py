# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of YAML that programs write: mappings and lists in block style, plain and quoted scalars.

Nodes have no YAML library. Anything else (anchors, block scalars, flow style) is an error, never a guess.
"""

from __future__ import annotations

import json
import re
import typing as t

_PAIR = re.compile(r"^(\"[^\"]*\"|'[^']*'|[A-Za-z0-9_./-]+):(?:\s+(.*))?$")
_DEEPEST = 30
_Rows = t.List[t.Tuple[int, str]]


class BlockError(ValueError):
    """Not that part of YAML."""


def parse(text: str) -> t.Any:
    """
    :raises BlockError: where it is anything else.
    """
    rows: _Rows = []
    for number, raw in enumerate(text.splitlines()):
        row = raw.rstrip()
        body = row.lstrip(" ")
        if not body or body.startswith("#") or (number == 0 and row == "---"):
            continue
        if "\t" in row:
            raise BlockError("a tab")
        rows.append((len(row) - len(body), body))
    if not rows:
        return None
    rows.reverse()  # the next one is the last: popped at no cost
    value = _block(rows, rows[-1][0], 0)
    if rows:
        raise BlockError(f"unexpected {rows[-1][1][:40]!r}")
    return value


def _block(rows: _Rows, indent: int, depth: int) -> t.Any:
    if depth > _DEEPEST:
        raise BlockError("nested too deeply")
    if rows[-1][1].startswith("- ") or rows[-1][1] == "-":
        return _list(rows, indent, depth)
    return _mapping(rows, indent, depth)


def _list(rows: _Rows, indent: int, depth: int) -> t.List[t.Any]:
    items: t.List[t.Any] = []
    while rows and rows[-1][0] == indent and (rows[-1][1].startswith("- ") or rows[-1][1] == "-"):
        rest = rows.pop()[1][1:]
        body = rest.lstrip(" ")
        if not body:
            items.append(_below(rows, indent, depth))
        elif _PAIR.match(body) or body.startswith("- "):  # the item is a block that begins on this very line
            inner = indent + 1 + len(rest) - len(body)
            rows.append((inner, body))
            items.append(_block(rows, inner, depth + 1))
        else:
            items.append(_scalar(body))
    return items


def _mapping(rows: _Rows, indent: int, depth: int) -> t.Dict[str, t.Any]:
    found: t.Dict[str, t.Any] = {}
    while rows and rows[-1][0] == indent and not rows[-1][1].startswith("- "):
        row = rows.pop()[1]
        match = _PAIR.match(row)
        if match is None:
            raise BlockError(f"unexpected {row[:40]!r}")
        key, value = match.group(1).strip("\"'"), match.group(2)
        if value is not None and value != "":
            found[key] = _scalar(value)
        elif rows and rows[-1][0] == indent and rows[-1][1].startswith("- "):
            found[key] = _list(rows, indent, depth + 1)  # a list may stand below its key with no indent
        else:
            found[key] = _below(rows, indent, depth)
    return found


def _below(rows: _Rows, indent: int, depth: int) -> t.Any:
    return _block(rows, rows[-1][0], depth + 1) if rows and rows[-1][0] > indent else None


def _scalar(text: str) -> t.Any:
    if text in ("[]", "{}"):
        return [] if text == "[]" else {}
    if text.startswith("'") and text.endswith("'") and len(text) > 1:
        return text[1:-1].replace("''", "'")
    if text.startswith('"'):
        try:
            return json.loads(text)
        except ValueError:
            raise BlockError(f"unexpected {text[:40]!r}") from None
    if text[0] in "|>&*!%@`[{'":
        raise BlockError(f"unexpected {text[:40]!r}")
    if re.match(r"^-?(0|[1-9][0-9]{0,17})$", text):
        return int(text)
    return {"true": True, "false": False, "null": None, "~": None}.get(text, text)
