# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledgers of a fleet, collected from its nodes: what comes must continue what is there. Pure.

The nodes' ledgers are the truth: what is collected can be thrown away and is the same when it is collected again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

FIRST = "sha256:" + "0" * 64
"""What the first entry of a ledger names as the line before it."""

Entry = dict[str, Any]


@dataclass(frozen=True)
class Last:
    """The end of what is there: what a node is asked to continue. `broken` says where its chain does not hold."""

    sequence: int = 0
    digest: str = ""
    broken: str = ""


@dataclass(frozen=True)
class Joined:
    """What was there and what came. `before` is the old content where this is another ledger, to be kept aside; `edited` where
    it was not the node's."""

    text: str
    new: int
    sequence: int
    before: str = ""
    said: str = ""
    edited: bool = False


def line(entry: Mapping[str, Any]) -> str:
    """An entry as the line that it was on its node, byte for byte: the next entry has its digest."""
    return json.dumps(entry, separators=(",", ":"))


def digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()


def entries(text: str, count: int = 0) -> list[Entry]:
    """The entries of a file, the oldest first; the last `count` lines, or all. Lines that are none are passed over."""
    rows = text.splitlines()
    return [entry for entry in map(_entry, rows[-count:] if count else rows) if entry is not None]


def _entry(row: str) -> Entry | None:
    try:
        found = json.loads(row)
    except ValueError:
        return None
    return found if _is_entry(found) else None


def _is_entry(found: Any) -> bool:
    if not isinstance(found, dict):
        return False
    number = found.get("sequence")
    return isinstance(number, int) and not isinstance(number, bool) and isinstance(found.get("previous"), str)


def last(text: str) -> Last:
    """Where a collected ledger ends. One that was changed by hand is asked for anew, from its beginning."""
    before: str | None = None
    sequence = 0
    for number, row in enumerate(text.splitlines(), 1):
        entry = _entry(row)
        if entry is None:
            return Last(broken=f"line {number} is no entry")
        if before is not None and entry["previous"] != digest(before):
            return Last(broken=f"line {number} does not follow the line before it")
        before, sequence = row, entry["sequence"]
    return Last(sequence, digest(before) if before is not None else "")


def join(text: str, found: Mapping[str, Any]) -> Joined:
    """What a node returned behind what was collected of it.

    :param found: `after` and `entries` of the module ledger_info.
    """
    have = last(text)
    after = found.get("after")
    if text and (have.broken or after != have.sequence):
        said = (
            f"what was collected was changed by hand ({have.broken}): it was collected anew"
            if have.broken
            else "the node has begun a new ledger: it was installed anew, or restored"
        )
        joined = _append("", Last(), found, [said])
        return replace(joined, before=text, edited=bool(have.broken))
    return _append(text, have, found, [])


def _append(text: str, have: Last, found: Mapping[str, Any], words: list[str]) -> Joined:
    came = found.get("entries")
    came = came if isinstance(came, list) else []
    rows: list[str] = []
    previous, sequence = have.digest or FIRST, have.sequence
    for index, entry in enumerate(came):
        wrong = _wrong(entry, previous, sequence)
        if wrong:
            words.append(f"{wrong}; {len(came) - index} entries from there on were not collected")
            break
        rows.append(line(entry))
        previous, sequence = digest(rows[-1]), entry["sequence"]
    whole = text + "".join(f"{row}\n" for row in rows)
    return Joined(whole, len(rows), sequence, said="; ".join(words))


def _wrong(entry: Any, previous: str, sequence: int) -> str:
    """Why an entry cannot stand behind what is there, or nothing."""
    if not _is_entry(entry):
        return f"what follows entry {sequence} is no entry"
    if entry["previous"] != previous or entry["sequence"] <= sequence:
        return f"entry {entry['sequence']} does not follow entry {sequence}: the ledger was changed by hand at the node"
    return ""
