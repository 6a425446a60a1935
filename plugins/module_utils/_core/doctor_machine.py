# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the machine: clock, disks, memory, route, journal, certificates, permissions."""

from __future__ import annotations

import calendar
import re
import time
import typing as t

from . import address_pools
from .clock import DOUBTFUL
from .doctor_finding import Check, Finding, NotChecked, Seen, failure, mib, warning

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_END = re.compile(r"notAfter=([A-Z][a-z]{2})\s+([0-9]{1,2}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([0-9]{4})")
DAY = 86400
SOON_DAYS = 30
WORN, VERY_WORN = 80, 95
JOURNAL_FREE = 4 << 20


def number(value: t.Any) -> t.Optional[float]:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15 else None


def rows(value: t.Any) -> t.List[t.Dict[str, t.Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def day(moment: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(moment))
    except (OverflowError, ValueError, OSError):
        return f"{moment:.0f} s since 1970"


def _apart(seconds: float) -> str:
    for unit, words in ((DAY, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {words}"
    return f"{seconds:.0f} s"


def clock(seen: Seen) -> t.Iterator[Finding]:
    now, controller = number(seen.get("now")), number(seen.get("controller"))
    if now is None:
        yield warning("clock", "it does not say the time", "a clock that runs", "look at `timedatectl` on the node")
        return
    do = f"set it: date -u -s @{controller or time.time():.0f} && hwclock -w; then see why it was wrong: `timedatectl timesync-status`, `chronyc tracking`"
    built = _day_of(seen.get("not_before"))
    if built is not None and now < built:
        yield failure(
            "clock", f"it says {day(now)}", f"a day after {seen['not_before']}, when this software was made", do
        )
        return
    if controller:
        allowed = (number(seen.get("max_minutes")) or 5) * 60
        if abs(now - controller) > allowed:
            side = "ahead of" if now > controller else "behind"
            found = f"it is {_apart(abs(now - controller))} {side} the controller ({day(now)})"
            yield failure("clock", found, f"at most {_apart(allowed)} apart", do)
            return
    yield from _doubtful(seen, do)


def _doubtful(seen: Seen, do: str) -> t.Iterator[Finding]:
    """What the node itself thinks of its clock: while that is doubtful, no certificate is renewed."""
    found = seen.get("clock")
    if isinstance(found, dict) and found.get("state") == DOUBTFUL:
        wanted = "a clock after the last known time, that nobody contradicts"
        yield failure("clock", str(found.get("reason"))[:300], wanted, f"see who says what: `edge clock`; {do}")


def _day_of(text: t.Any) -> t.Optional[float]:
    match = re.match(r"^([0-9]{4})-([0-9]{2})-([0-9]{2})$", text) if isinstance(text, str) else None
    return calendar.timegm((*map(int, match.groups()), 0, 0, 0)) if match else None


def synchronized(seen: Seen) -> t.Iterator[Finding]:
    if seen.get("container"):
        raise NotChecked("a container has the clock of its host")
    state = (seen.get("hardware", {}).get("clock") or {}).get("synchronized")
    if state is None:
        raise NotChecked("the kernel does not say it")
    if not state:
        do = "see `timedatectl`, name time servers of the site with baseline_time_servers"
        yield warning("clock", "no time server sets it", "a synchronized clock", do)


def disks(seen: Seen) -> t.Iterator[Finding]:
    """Free space and free inodes of each file system, once."""
    least = (number(seen.get("min_free_mib")) or 256) * 2**20
    done = set()
    for item in rows(seen.get("file_systems")):
        if item.get("device") in done:
            continue
        done.add(item.get("device"))
        where = str(item.get("path"))
        free, total = number(item.get("free")), number(item.get("total"))
        if free is None or not total:
            yield warning(
                where, str(item.get("error") or "its free space is unknown"), "a file system", f"look at `df {where}`"
            )
            continue
        do = f"see what is large: `du -xhd1 {where}`; `docker system df` shows what images and logs hold"
        if free < max(least, total / 100):
            yield failure(
                where, f"{mib(free)} free of {mib(total)}", f"at least {mib(max(least, total / 100))} free", do
            )
        elif free < total / 10 and free < 8 * 2**30:
            yield warning(where, f"{mib(free)} free of {mib(total)}", "a tenth of it, or 8 GiB, free", do)
        nodes, most = number(item.get("inodes_free")), number(item.get("inodes"))
        if nodes is not None and most and nodes < most / 50:
            do = f"see where many small files are: `du --inodes -xd1 {where}`"
            yield failure(where, f"{nodes:,.0f} inodes free of {most:,.0f}", "two percent of them free", do)


def wear(seen: Seen) -> t.Iterator[Finding]:
    found = rows(seen.get("hardware", {}).get("disks"))
    told = [
        item
        for item in found
        if number(item.get("wear_percent")) is not None or item.get("health") not in ("unknown", None)
    ]
    if not told:
        raise NotChecked("no disk says how worn it is (smartctl reads most)")
    do = "plan to exchange it, and keep what only it holds elsewhere too"
    for item in told:
        worn, name = number(item.get("wear_percent")), f"disk {item.get('name')}"
        if item.get("health") == "failing":
            yield failure(name, "it says that it is failing", "a healthy disk", "exchange it now: " + do)
        elif item.get("health") == "warning":
            yield warning(name, "it warns of its own state", "a healthy disk", do)
        if worn is not None and worn >= WORN:
            kind = failure if worn >= VERY_WORN else warning
            yield kind(name, f"{worn:.0f} percent of its writes are used up", f"less than {WORN} percent", do)


def memory(seen: Seen) -> t.Iterator[Finding]:
    fields = dict(re.findall(r"^(\w+):\s+([0-9]{1,15}) kB", str(seen.get("meminfo")), re.MULTILINE))
    if "MemTotal" not in fields or "MemAvailable" not in fields or not int(fields["MemTotal"]):
        raise NotChecked("the kernel does not say how much memory there is")
    total, free = (int(fields[name]) * 1024 for name in ("MemTotal", "MemAvailable"))
    do = "see who has it: `docker stats --no-stream`, `ps --sort=-rss -eo rss,comm | head`; lower limits or move a workload"
    if free < total / 50:
        yield failure("memory", f"{mib(free)} available of {mib(total)}", "a fiftieth of it available", do)
    elif free < total / 20:
        yield warning("memory", f"{mib(free)} available of {mib(total)}", "a twentieth of it available", do)
    match = re.search(r"^full .*avg60=([0-9]{1,3}\.[0-9]{1,3})", str(seen.get("pressure")), re.MULTILINE)
    if match and float(match.group(1)) >= 10:
        found = f"everything waited for memory {match.group(1)} percent of the last minute"
        yield warning("memory", found, "less than 10 percent", do)


def route(seen: Seen) -> t.Iterator[Finding]:
    routes = seen.get("routes")
    if not isinstance(routes, list) or len(routes) != 2 or not all(isinstance(item, str) for item in routes):
        raise NotChecked("the kernel does not say its routes")
    try:
        there = address_pools.has_default_route(*routes)
    except ValueError:
        yield warning("network", "the routes of the kernel cannot be read", "a default route", "look at `ip route`")
        return
    if not there:
        do = "see `ip route` and the network's configuration; without one nothing outside the site can be reached"
        yield warning("network", "there is no default route", "one", do)


def journal(seen: Seen) -> t.Iterator[Finding]:
    facts = seen.get("journal")
    if not isinstance(facts, dict):
        raise NotChecked("systemd-journald was not looked at")
    if not facts.get("persistent"):
        if facts.get("storage") not in ("volatile", "none"):
            do = "run the role baseline again; by hand: mkdir /var/log/journal && systemctl restart systemd-journald"
            yield warning(
                "journal", "/var/log/journal is missing, so a restart of the node wipes it", "a journal on disk", do
            )
        return
    path = "/var/log/journal"
    do = "free space there (`journalctl --vacuum-size=100M`, `df /var/log/journal`), then `systemctl restart systemd-journald`"
    free, used, cap = (number(facts.get(key)) for key in ("free", "used", "cap"))
    if free is not None and free < JOURNAL_FREE:
        yield failure(
            "journal",
            f"{path} has {mib(free)} free: what happens now is not written down",
            f"{mib(JOURNAL_FREE)} free",
            do,
        )
    if used is not None and cap and used > cap * 1.25 + JOURNAL_FREE:
        yield failure("journal", f"{path} has {mib(used)}", f"at most its cap of {mib(cap)}", do)
    errors = [line for line in facts.get("errors") or () if isinstance(line, str)]
    if errors and free is not None and free >= JOURNAL_FREE:
        yield warning("journal", f"journald says: {errors[-1][:200]}", "no errors in the last hour", do)


def certificates(seen: Seen) -> t.Iterator[Finding]:
    found = rows(seen.get("certificates"))
    if not found:
        raise NotChecked("there is none in /etc/docker/certs.d and /etc/physical-ai")
    now = number(seen.get("controller")) or number(seen.get("now"))
    for item in found:
        path = str(item.get("path"))
        if item.get("error"):
            yield warning(
                path,
                str(item["error"])[:200],
                "a certificate that can be read",
                f"look at `openssl x509 -in {path} -noout -text`",
            )
            continue
        end = not_after(item.get("said"))
        if end is None or now is None:
            yield warning(
                path,
                "its end is unknown",
                "a certificate with an end",
                f"look at `openssl x509 -in {path} -noout -enddate`",
            )
        elif end <= now:
            yield failure(
                path,
                f"it expired on {day(end)}",
                "one that is valid",
                "put a new one there, and run the role that wrote it again",
            )
        elif end - now < SOON_DAYS * DAY:
            wanted = f"more than {SOON_DAYS} days"
            yield warning(
                path,
                f"it expires in {(end - now) / DAY:.0f} days, on {day(end)}",
                wanted,
                "put a new one there in time",
            )


def not_after(said: t.Any) -> t.Optional[float]:
    """Seconds since 1970 out of `notAfter=Nov 24 20:55:00 2036 GMT`."""
    match = _END.search(said) if isinstance(said, str) else None
    if match is None or match.group(1) not in _MONTHS:
        return None
    parts = [int(part) for part in match.groups()[1:]]
    return float(calendar.timegm((parts[4], _MONTHS.index(match.group(1)) + 1, parts[0], parts[1], parts[2], parts[3])))


def permissions(seen: Seen) -> t.Iterator[Finding]:
    for item in rows(seen.get("modes")):
        mode, owner, path = number(item.get("mode")), number(item.get("uid")), str(item.get("path"))
        if mode is None or owner is None:
            yield warning(path, str(item.get("error") or "its mode is unknown"), "a mode", f"look at `ls -l {path}`")
            continue
        most = number(item.get("most"))
        allowed = int(0o755 if most is None else most)
        beyond = int(mode) & 0o777 & ~allowed
        if beyond:
            who = "everybody" if beyond & 0o007 else "its group"
            what = "write" if beyond & 0o022 else "read"
            found = f"mode {int(mode) & 0o7777:04o}: {who} may {what} it"
            yield failure(path, found, f"at most {allowed:04o}", f"chmod {int(mode) & allowed:04o} {path}")
        if owner != 0:
            yield failure(path, f"it belongs to user {owner:.0f}", "root", f"chown root {path}")


CHECKS = (
    Check(
        "clock",
        "the clock is after the day on which this software was made, within minutes of the controller's, and not doubtful to the node itself",
        clock,
    ),
    Check("clock_synchronized", "a time server sets the clock", synchronized),
    Check("disk", "space and inodes are free on `/`, the engine's root and `/var/lib/physical-ai`", disks),
    Check("disk_wear", "no disk is worn or failing", wear),
    Check("memory", "memory is available, and nothing waits for it", memory),
    Check("default_route", "there is a default route", route),
    Check("journal", "the system's journal is on disk, below its cap, and can be written", journal),
    Check("certificates", "certificates in `/etc/docker/certs.d` and `/etc/physical-ai` are valid for 30 days more", certificates),
    Check("permissions", "what holds secrets is root's alone, and nobody else may write the configuration, the program or the engine's socket", permissions),
)  # fmt: skip
