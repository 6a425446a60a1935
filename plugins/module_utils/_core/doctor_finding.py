# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check of the doctor says: the words that all of its checks share."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

FAILURE, WARNING = "failure", "warning"
Seen = t.Dict[str, t.Any]
"""What was read on a node, mostly as it was read: see `_node/doctor.py`."""


class NotChecked(Exception):
    """A check does not apply here; the message says why."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be, in one line each."""

    severity: str
    where: str
    found: str
    wanted: str
    do: str


@dataclass(frozen=True)
class Check:
    """`about` says what is wanted, for the documentation; `judge` finds what is not so."""

    name: str
    about: str
    judge: t.Callable[[Seen], t.Iterable[Finding]]


def failure(where: str, found: str, wanted: str, do: str) -> Finding:
    return Finding(FAILURE, where, found, wanted, do)


def warning(where: str, found: str, wanted: str, do: str) -> Finding:
    return Finding(WARNING, where, found, wanted, do)


def mib(count: float) -> str:
    return f"{count / 2**20:,.0f} MiB"
