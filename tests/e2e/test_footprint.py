# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""F1, F2: what the collection leaves on a stock Debian 12 and 13, and that nothing of it stays resident.

Not shown here: Ubuntu and JetPack, whose images cannot be had from Debian's archive.
"""

from __future__ import annotations

import time
import typing as t

import pytest

if t.TYPE_CHECKING:
    from tests.lab import Lab

PROGRAM_LIMIT = 384 * 1024
OWN_DISK_LIMIT_KIB = 1024
# What is looked at between changes, for a second each: nothing stays.
HOURLY = {"physical-ai-certificates.timer", "physical-ai-clock-look.timer"}
RSS = "for p in $(pgrep -x 'dockerd|containerd|chronyd'); do awk '/^(Name|VmRSS)/ {print $2}' /proc/$p/status | paste -sd' '; done"


@pytest.mark.e2e
def test_nothing_of_ours_stays_resident(provisioned_lab: Lab, figure: t.Callable[[str], None]) -> None:
    for node in provisioned_lab.nodes.values():
        processes = _processes_in(node)
        assert processes == "", f"{node.name}: {processes}"
        units = node.exec("systemctl list-units --no-legend --state=running 'physical-ai*' || true").stdout.strip()
        assert units == "", f"{node.name}: {units}"
        timers = node.exec("systemctl list-timers --all --no-legend --plain 'physical-ai*' || true").stdout
        assert {word for word in timers.split() if word.endswith(".timer")} == HOURLY, f"{node.name}: {timers}"
        size = int(node.exec("stat -c %s /usr/local/bin/edge").stdout)
        assert size < PROGRAM_LIMIT
        kept = int(
            node.exec(
                "du -sk --exclude=models --exclude=volumes /var/lib/physical-ai 2>/dev/null | cut -f1 || echo 0"
            ).stdout
            or 0
        )
        assert kept < OWN_DISK_LIMIT_KIB
        version = node.exec(". /etc/os-release; echo $PRETTY_NAME").stdout.strip()
        figure(
            f"{node.name} ({version}): 0 processes, program {size / 1024:.0f} KiB, state {kept} KiB; of the distribution: {_engine(node)}"
        )


def _processes_in(node: t.Any, seconds: float = 20.0) -> str:
    """What is still there after a while: the test before this one may have ended while the last unit of its change did."""
    until = time.monotonic() + seconds
    while True:
        found: str = node.exec("pgrep -af '/usr/local/bin/edge|physical.ai' | grep -v pgrep || true").stdout.strip()
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.5)


def _engine(node: t.Any) -> str:
    lines = node.exec(RSS).stdout.split("\n")
    return ", ".join(
        f"{name} {int(kib) / 1024:.0f} MiB" for name, kib in (line.split() for line in lines if line.strip())
    )
