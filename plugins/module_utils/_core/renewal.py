# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a certificate is renewed: by how much of its life is left, spread over the fleet, and never by a clock that is in doubt."""

from __future__ import annotations

import hashlib
import json
import math
import typing as t
from dataclasses import dataclass

TRUSTED, PLAUSIBLE, DOUBTFUL = "trusted", "plausible", "doubtful"
LEFT = 1.0 / 3.0
"""Of its life: what is left when it is renewed."""
JITTER = 0.1
"""Of its life: by so much at most a node is earlier than that."""
SKEW = 300.0
"""Seconds by which two clocks may differ that are both right."""
TICK = 3600.0
"""Seconds over which nodes that begin together spread, and the least time between two tries of one node: what the timer says."""
LONGEST_WAIT = 6 * 3600.0

MISSING, NAMES, EXPIRED, FUTURE, DUE, ASKED = "missing", "names", "expired", "future", "due", "asked"


@dataclass(frozen=True)
class Tries:
    """How often it was tried in vain since the last certificate, when last, and when the other side wants to be asked again."""

    failures: int = 0
    at: float = 0.0
    again: float = 0.0


@dataclass(frozen=True)
class Decision:
    """Whether a certificate is wanted now, why (a word of this module, or why not), and when it will be otherwise."""

    due: bool
    reason: str
    at: float = 0.0


def share(*words: str) -> float:
    """A number from 0 to 1 that is fixed by the words, and as good as random between them."""
    digest = hashlib.sha256("\0".join(words).encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") / float(1 << 64)


def due_at(not_before: float, not_after: float, node: str, name: str) -> float:
    """The moment from which on a certificate is renewed."""
    life = not_after - not_before
    return not_after - life * (LEFT + JITTER * share(node, name))


def wait(failures: int, node: str, name: str) -> float:
    """Seconds after a try in vain: longer each time, other than the others' of the same moment, never longer than some hours."""
    if failures <= 0:
        return 0.0
    longest = min(TICK / 2 * 2.0 ** min(failures - 1, 10), LONGEST_WAIT)
    return longest * (0.75 + 0.25 * share(node, name, str(failures)))


def decide(
    validity: t.Optional[t.Tuple[float, float]],
    now: float,
    clock: str,
    node: str,
    name: str,
    tries: t.Optional[Tries] = None,
    names_differ: bool = False,
) -> Decision:
    """Whether a certificate is to be renewed now.

    :param validity: (not before, not after) of the one that is in use, where there is one.
    :param clock: how far the clock can be believed. One in doubt renews nothing: what it calls expired may be
        valid. A first certificate is asked for by any: the clock of the authority counts.
    """
    at = due_at(*validity, node, name) if validity else now
    if clock == DOUBTFUL and validity is not None:
        return Decision(False, "the clock is in doubt", at)
    reason = _reason(validity, now, clock, at, names_differ)
    if not reason:
        return Decision(False, "valid", at)
    until = _not_before(tries or Tries(), now, node, name, reason)
    if now < until:
        return Decision(False, f"{reason}, tried {tries.failures if tries else 0} times: waits", until)
    return Decision(True, reason, now)


def _reason(validity: t.Optional[t.Tuple[float, float]], now: float, clock: str, at: float, names_differ: bool) -> str:
    if validity is None:
        return MISSING
    if names_differ:
        return NAMES
    if clock == TRUSTED and validity[0] > now + SKEW:
        return FUTURE  # a clock that is not confirmed may itself be behind
    if now >= validity[1]:
        return EXPIRED
    return DUE if now >= at else ""


def _not_before(tries: Tries, now: float, node: str, name: str, reason: str) -> float:
    """When it may be tried again. A clock that was set back waits for nothing."""
    if tries.failures <= 0 or tries.at > now + SKEW:
        return 0.0
    failures = 1 if reason in (MISSING, EXPIRED) else tries.failures  # somebody does without: at each tick
    again = tries.again if tries.again <= tries.at + LONGEST_WAIT else 0.0
    return max(tries.at + wait(failures, node, name), again)


def spread(nodes: int, per_minute: int) -> float:
    """Seconds over which so many nodes must spread for a rate to be kept: twice what an even spread takes, as chance is uneven."""
    return max(TICK, 2.0 * 60.0 * nodes / per_minute)


def again(least: float, now: float, node: str) -> int:
    """Seconds after which a node asks again whom the authority refused for its pace: not before `least`, and spread over a tick."""
    return math.ceil(least + max(0.0, TICK - least) * share(node, str(int(now))))


def canonical(request: t.Mapping[str, t.Any]) -> bytes:
    """The bytes of a request that are signed: all of it but the signature."""
    rest = {key: value for key, value in request.items() if key != "signature"}
    return json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
