# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node must be before it is changed: each check returns the lines of what it found wanting.

Private to this collection: not an interface.
"""

from __future__ import annotations

import calendar
import time
import typing as t

DAY = 86400


def os_release(text: str) -> t.Dict[str, str]:
    """The fields of /etc/os-release."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


def platform(release: t.Mapping[str, str], supported: t.Mapping[str, t.Sequence[str]]) -> t.List[str]:
    found = "{} {}".format(release.get("ID", "unknown"), release.get("VERSION_ID", "unknown"))
    if release.get("VERSION_ID") in [str(version) for version in supported.get(release.get("ID", ""), [])]:
        return []
    known = ", ".join(f"{name} {version}" for name, versions in supported.items() for version in versions)
    return [f"operating system: is {found}, supported are {known}"]


def python(version: t.Sequence[int], minimum: str) -> t.List[str]:
    have, want = ".".join(map(str, version[:3])), tuple(int(part) for part in minimum.split("."))
    if tuple(version[: len(want)]) >= want:
        return []
    return [f"Python: is {have}, wanted {minimum} or later: set ansible_python_interpreter to a newer one"]


def clock(now: float, not_before: str, controller: float, days: int) -> t.List[str]:
    """A clock that has never been set is behind this software; one set wrong is far from the controller's."""
    built = calendar.timegm(time.strptime(not_before, "%Y-%m-%d"))
    fix = f"set it (date -u -s @{int(controller)}, then hwclock -w) or set baseline_clock to warn"
    if now < built:
        return [f"clock: says {_day(now)}, which is before this software was made ({not_before}): {fix}"]
    if controller and abs(now - controller) > days * DAY:
        side = "ahead of" if now > controller else "behind"
        apart = f"{abs(now - controller) / DAY:.0f} days {side} the controller ({_day(controller)})"
        return [f"clock: says {_day(now)}, which is {apart}, allowed are {days}: {fix}"]
    return []


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(moment))


def disk(free_mib: t.Mapping[str, t.Optional[int]], wanted: t.Mapping[str, int]) -> t.List[str]:
    lines = []
    for path, want in wanted.items():
        have = free_mib.get(path)
        if have is None:
            lines.append(f"disk: there is no {path}, wanted one with {want} MiB free")
        elif have < want:
            lines.append(f"disk: {path} has {have} MiB free, wanted {want}: free {want - have} MiB")
    return lines


def sysctl(missing: t.Sequence[str]) -> t.List[str]:
    return [f"sysctl: {key} is not known to this kernel: correct or remove it" for key in missing]


def summary(lines: t.Sequence[str], where: str) -> str:
    """All failures in one message, one line each."""
    count = "1 check failed" if len(lines) == 1 else f"{len(lines)} checks failed"
    return f"{count} on {where}, so the role changed nothing:\n" + "\n".join("- " + line for line in lines)
