# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a box is another one than the one that it replaces, and how long its replacement took."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from .table import aligned

KEYS = {"serial": "serial number", "uuid": "number of its maker (UUID)"}


def problems(hardware: Mapping[str, Any], host: str, before: str) -> list[str]:
    """Why a box may not be taken for a replacement, a line each.

    :param before: what the playbook discover stored of the one before, or nothing.
    """
    try:
        stored = json.loads(before) if before.strip() else None
    except ValueError:
        stored = None
    old = _machine(stored.get("hardware") if isinstance(stored, Mapping) else None)
    new = _machine(hardware)
    if not old:
        return [
            (
                f"{host}: nobody wrote down what its old box was (playbook discover), so this one may be it: look at it, and say "
                "replace_unrecorded=true"
            )
        ]
    same = [f"{words} {new[key]}" for key, words in KEYS.items() if new.get(key) and new.get(key) == old.get(key)]
    if same:
        return [
            (
                f"{host}: this is the box that was there before ({', '.join(same)}): to cut it off, use the playbook block; to install it "
                "anew, bootstrap and provision"
            )
        ]
    if new.get("id") and new.get("id") == old.get("id"):
        return [
            (
                f"{host}: its installation is that of the box before (machine-id {new['id']}): the disk moved, and with it keys that are to be "
                "revoked. Flash it anew"
            )
        ]
    if not (set(old) & set(new)):
        return [
            (
                f"{host}: what was written down of the old box ({', '.join(old)}) is not known of this one: look at it, and say "
                "replace_unrecorded=true"
            )
        ]
    return []


def _machine(hardware: Any) -> dict[str, str]:
    found = hardware.get("machine") if isinstance(hardware, Mapping) else None
    return {str(key): str(value) for key, value in found.items() if value} if isinstance(found, Mapping) else {}


def times(marks: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each step, with the seconds that it took, and one for all.

    :param marks: `step` that ended, and `at` which second; the first one is the beginning.
    """
    rows = [
        (str(after["step"]), f"{float(after['at']) - float(before['at']):.0f} s")
        for before, after in itertools.pairwise(marks)
    ]
    total = float(marks[-1]["at"]) - float(marks[0]["at"]) if marks else 0.0
    return [*aligned([*rows, ("all", f"{total:.0f} s")])]
