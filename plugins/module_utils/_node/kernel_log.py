# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of the kernel, of this boot."""

from __future__ import annotations

import os
import typing as t

from ._runner import run

LINES = "20000"
CONTAINER = "/run/systemd/container"


def read(seconds: float = 10.0) -> t.Tuple[t.Optional[str], str]:
    """The log, or None and why not. In a container the log of the kernel is that of its host, so only what its own journal
    has counts.

    :raises NodeError: where a program cannot be run or takes too long.
    """
    argv = ["journalctl", "--dmesg", "--boot", "--output", "short-unix", "--no-pager", "--quiet", "--lines", LINES]
    done = run(argv, seconds)
    if done.code == 0 and done.out.strip():
        return done.out, ""
    if not os.path.exists(CONTAINER):
        other = run(["dmesg"], seconds)
        if other.code == 0:
            return other.out, ""
    return None, "the journal has no lines of the kernel" + (": " + done.said if done.code else "")
