# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the clock of this node can be believed."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .files import Paths

TRUSTED, PLAUSIBLE, DOUBTFUL = "trusted", "plausible", "doubtful"


@dataclass(frozen=True)
class Verdict:
    now: float
    state: str
    reason: str


def verdict(paths: Paths) -> Verdict:
    """What the clock says, and whether it can be believed."""
    return Verdict(time.time(), PLAUSIBLE, f"nothing below {paths.state_directory} says otherwise")
