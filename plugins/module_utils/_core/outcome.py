# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The classes in which a change of a node can end, and what each of them says to a gate."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

SUCCESS = "success"
UNCHANGED = "unchanged"
REVERTED = "reverted"
REFUSED = "refused"
BROKEN = "broken"
INTERRUPTED = "interrupted"
TIMED_OUT = "timed_out"
HELD = "held"
SKIPPED_CONTRACT = "skipped_contract"
OFFLINE_EXPECTED = "offline_expected"
OFFLINE_UNEXPECTED = "offline_unexpected"


@dataclass(frozen=True)
class Meaning:
    """Whether a class is a failure, and whether it is evidence that the release is good."""

    failure: bool
    evidence: bool
    words: str

    @property
    def good(self) -> bool:
        """Evidence that the release is good."""
        return self.evidence and not self.failure


MEANINGS: t.Dict[str, Meaning] = {
    SUCCESS: Meaning(False, True, "the new version runs and was proven"),
    UNCHANGED: Meaning(False, True, "the node ran this already"),
    REVERTED: Meaning(True, True, "the new version failed; the old one runs again, healthy"),
    REFUSED: Meaning(True, False, "the node did not begin: nothing that runs was touched"),
    BROKEN: Meaning(True, True, "neither the new nor the old version is healthy"),
    INTERRUPTED: Meaning(True, False, "the change was cut short; the old version runs again"),
    TIMED_OUT: Meaning(True, False, "the change took longer than its deadline; the old version runs again"),
    HELD: Meaning(False, False, "a person, the application or a machine that is not idle holds back the swap"),
    SKIPPED_CONTRACT: Meaning(False, False, "the node lacks something that the release requires"),
    OFFLINE_EXPECTED: Meaning(False, False, "not reachable, as it may be"),
    OFFLINE_UNEXPECTED: Meaning(True, False, "not reachable, and it should be"),
}
