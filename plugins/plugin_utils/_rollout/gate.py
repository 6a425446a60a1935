# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision after each wave, over all hosts of the stage: go on, or stop and why. Pure."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

from ...module_utils._core import outcome

GO, STOP = "go", "stop"


@dataclasses.dataclass(frozen=True)
class Decision:
    verdict: str
    reason: str

    @property
    def stops(self) -> bool:
        return self.verdict == STOP


def counts(classes: Sequence[str]) -> str:
    """`3 success, 1 reverted`, in the order of the table of classes."""
    found = Counter(classes)
    return ", ".join(f"{found[name]} {name}" for name in outcome.MEANINGS if found[name]) or "none"


def decide(
    name: str,
    members: Sequence[str],
    classes: Mapping[str, str],
    allowed: int,
    min_success: int,
    *,
    last: bool,
) -> Decision:
    """:param members: the hosts of the stage as it was planned; :param classes: outcome class of those that have one.
    :param last: whether no wave of the stage is left.
    """
    known = [classes[host] for host in members if host in classes]
    failed = [item for item in known if outcome.MEANINGS[item].failure]
    good = [item for item in known if outcome.MEANINGS[item].good]
    left = len(members) - len(known)
    if len(failed) > allowed:
        what = f"{len(failed)} of {len(members)} hosts failed ({counts(failed)}), allowed are {allowed}"
        return Decision(STOP, f"stage {name}: {what}")
    hopeless = len(good) + left < min_success
    if (last and len(good) < min_success) or hopeless:
        others = counts([item for item in known if item not in set(good)])
        what = f"{len(good)} successes, at least {min_success} are needed; the others: {others}"
        return Decision(STOP, f"stage {name}: {what}")
    return Decision(GO, f"stage {name}: {counts(known)}")
