# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets a test stop the program at a named point, so that it can cut, kill or unplug right there.

Root writes `STEP:before` or `STEP:after` into `/run/physical-ai/pause-at`; the program then writes the same into
`/run/physical-ai/paused` and waits until `pause-at` is gone. Both lie in memory and are gone after a power cut.
"""

from __future__ import annotations

import os
import time

from .files import Paths


def reach(paths: Paths, point: str) -> None:
    """Waits here where `pause-at` names this point."""
    wanted = paths.run + "/pause-at"
    try:
        with open(wanted, encoding="utf-8") as handle:
            if handle.read().strip() != point:
                return
    except OSError:
        return
    with open(paths.run + "/paused", "w", encoding="utf-8") as handle:
        handle.write(point)
    while os.path.exists(wanted):
        time.sleep(0.02)
