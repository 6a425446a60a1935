# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock of a node: who says what the time is, what follows from it, and setting it where it is wrong.

The last known time is written down seldom, and only by a clock that is trusted; it never goes back. What the controller, the
gateway or a host has said is kept in memory together with the age of the running kernel, which no step of the clock touches: it
speaks of now also after the clock was set.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
import typing as t
from dataclasses import dataclass

from .._core import clock as _clock
from .._core.clock import (
    CONTROLLER,
    FLOOR,
    GATEWAY,
    HTTP,
    RTC,
    TIME_SERVER,
    TRUSTED,
    Bounds,
    Settings,
    Verdict,
    Witness,
)
from .._core.fields import SpecError
from .._core.hardware.system import STA_UNSYNC
from . import clock_hosts, faults, hardware_tree, ledger
from ._runner import run
from .errors import NodeError
from .files import Paths, lock, make_directory, read_json, read_text, write_json

SCHEMA = 1
SELDOM = 1800.0
"""Seconds by which the last known time may be behind: flash wears out."""
LASTS = 7 * _clock.DAY
"""Seconds for which it counts what was said: then the crystal may be as wrong as two clocks may differ."""
SOURCES = (CONTROLLER, GATEWAY, HTTP)
_SECONDS = 3.0
_LOCK_WAIT = 5.0
_RTC = "/sys/class/rtc/rtc0/since_epoch"
_FLOOR_MARK = "set"
_CONTAINER = ("/run/systemd/container", "/.dockerenv", "/run/.containerenv")


@dataclass(frozen=True)
class Rung:
    """One of those that may know the time: what it says that it is now, or why it says nothing."""

    name: str
    time: t.Optional[float]
    note: str
    error: float = 0.0


@dataclass(frozen=True)
class Look:
    """The clock, all that is known of the time at the same instant, and what follows."""

    now: float
    age: float
    settings: Settings
    bounds: Bounds
    rungs: t.Tuple[Rung, ...]
    from_floor: bool
    written: float

    @property
    def witnesses(self) -> t.List[Witness]:
        return [
            Witness(item.name, item.time, item.error)
            for item in self.rungs
            if item.time is not None and item.name in (*SOURCES, TIME_SERVER)
        ]

    @property
    def rtc(self) -> t.Optional[float]:
        return next((item.time for item in self.rungs if item.name == RTC), None)

    @property
    def verdict(self) -> Verdict:
        return _clock.judge(self.now, self.bounds, self.witnesses, self.from_floor)

    @property
    def choice(self) -> t.Optional[_clock.Choice]:
        return _clock.choose(self.now, self.bounds, self.witnesses, self.rtc)


def wall() -> float:
    return time.time()


def age() -> float:
    """Seconds since the boot, sleep included. No step of the clock touches it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def step(moment: float) -> None:
    """:raises OSError: EPERM in a container, also in one that may do it: it would set the clock of its host."""
    if any(os.path.exists(path) for path in _CONTAINER):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))
    time.clock_settime(time.CLOCK_REALTIME, moment)


def verdict(paths: Paths) -> Verdict:
    """What the clock says, and how far that can be believed. Only reads, asks nobody outside of the node, and never raises."""
    return look(paths).verdict


def look(paths: Paths, settings: t.Optional[Settings] = None, controller: t.Optional[float] = None) -> Look:
    """
    :param settings: instead of those that are written down.
    :param controller: what the controller says that the time is now, instead of what it said earlier.
    """
    chosen, problem = (settings, "") if settings is not None else _settings(paths)
    known, who, written = _last_known(paths)
    error, said = time_server(paths)  # takes a while: the clocks are read after it
    now, running = wall(), age()
    rungs = [Rung(FLOOR, known, who), _rtc(paths)]
    rungs += [_heard(paths, name, running) for name in SOURCES]
    if controller is not None:
        rungs = [Rung(CONTROLLER, controller, "said now") if item.name == CONTROLLER else item for item in rungs]
    rungs.append(Rung(TIME_SERVER, None if error is None else now, said, error or 0.0))
    if problem:
        rungs.append(Rung("settings", None, problem))
    marked = _read(f"{paths.clock_heard}/{_FLOOR_MARK}.json").get("source") == FLOOR
    bounds = Bounds(known, chosen.max_ahead_days * _clock.DAY)
    return Look(now, running, chosen, bounds, tuple(rungs), marked, written)


def _read(path: str) -> t.Dict[str, t.Any]:
    """What a file says that may be missing or broken; then nothing."""
    with contextlib.suppress(NodeError):
        found = read_json(path, {})
        if isinstance(found, dict):
            return found
    return {}


def _settings(paths: Paths) -> t.Tuple[Settings, str]:
    try:
        return _clock.settings(paths.clock_settings, read_json(paths.clock_settings, {})), ""
    except (NodeError, SpecError) as exc:
        return Settings(), f"{exc}; it is not used: run the playbook provision again"


def _last_known(paths: Paths) -> t.Tuple[float, str, float]:
    """The time, who was sure of it, and what is on disk (0 for nothing)."""
    found = _read(paths.clock)
    written = _clock.moment(found.get("time"))
    made = "when this software was made"
    if written is None:
        return _clock.MADE, made + (f"; {paths.clock} cannot be read" if os.path.exists(paths.clock) else ""), 0.0
    if written < _clock.MADE:
        return _clock.MADE, made, written
    return written, f"confirmed by the {found.get('source') or 'unknown'}", written


def _rtc(paths: Paths) -> Rung:
    try:
        text = read_text(paths.root + _RTC)
    except NodeError:
        return Rung(RTC, None, "it does not say the time: its battery may be empty")
    if text is None:
        return Rung(RTC, None, "there is none")
    found = _clock.moment(int(text)) if text.strip().isdigit() else None
    return Rung(RTC, found, "" if found is not None else "it does not say the time")


def _heard(paths: Paths, name: str, running: float) -> Rung:
    found = _read(f"{paths.clock_heard}/{name}.json")
    said, at = _clock.moment(found.get("time")), _clock.moment(found.get("at"))
    if said is None or at is None:
        return Rung(name, None, "it has said nothing since the boot")
    passed = running - at
    if not 0 <= passed <= LASTS:
        return Rung(name, None, f"what it said is {_clock.apart(passed)} old")
    return Rung(name, said + passed, f"said {_clock.apart(passed)} ago", passed * _clock.DRIFT)


def time_server(paths: Paths) -> t.Tuple[t.Optional[float], str]:
    """Seconds by which a clock may be wrong that a time server sets, or None where none does; and a word about it."""
    if paths.root:
        return None, "not asked under another root"
    with contextlib.suppress(NodeError):
        done = run(["chronyc", "-c", "-n", "tracking"], _SECONDS)
        if done.code == 0:
            return _clock.tracking(done.out)
    # Of systemd-timesyncd and others the kernel knows it. What timedatectl says is this.
    status = hardware_tree.Tree().clock_status()
    if status is None:
        return None, "the kernel does not say whether one sets the clock"
    return (None, "none sets the clock") if status & STA_UNSYNC else (1.0, "the kernel says that one sets the clock")


def note(paths: Paths, source: str, said: t.Any, at: t.Optional[float] = None) -> None:
    """Keeps until the next boot what somebody says that the time is.

    :param source: controller, gateway or http.
    :param said: seconds since 1970.
    :param at: the age of the kernel at that moment, where it is not now.
    :raises NodeError: where it is none of these, or no time.
    """
    moment = _clock.moment(said)
    if source not in SOURCES:
        raise NodeError("program", f"source: found {source!r}, wanted one of {', '.join(SOURCES)}")
    if moment is None:
        raise NodeError("program", f"time of the {source}: found {said!r}, wanted seconds since 1970")
    make_directory(paths.run, 0o755)
    write_json(f"{paths.clock_heard}/{source}.json", {"time": moment, "at": age() if at is None else at})


def keep(paths: Paths, found: t.Optional[Look] = None) -> bool:
    """Moves the last known time forward where the clock is trusted and has gone on for a while; says whether it did.

    :raises NodeError: where it cannot be written; the old one is in place.
    """
    found = look(paths) if found is None else found
    if found.verdict.state != TRUSTED:
        return False
    with contextlib.suppress(OSError):
        os.unlink(f"{paths.clock_heard}/{_FLOOR_MARK}.json")
    if found.now - found.written < SELDOM:
        return False
    make_directory(paths.run, 0o755)
    with lock(f"{paths.run}/clock.lock", _LOCK_WAIT):
        if found.now <= _last_known(paths)[2]:  # somebody else was faster
            return False
        faults.reach(paths, "clock_keep:before")
        who = next(item.name for item in found.witnesses if _clock.confirms(found.now, item))
        write_json(paths.clock, {"schema": SCHEMA, "time": round(found.now, 3), "source": who})
    return True


def forget(paths: Paths, who: str) -> str:
    """For a last known time that was wrong itself, as after a time server that was in the future."""
    known, dummy, written = _last_known(paths)
    if not written:
        return "no last known time is written down"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(paths.clock)
    msg = f"the last known time, {_clock.day(known)}, is forgotten"
    ledger.note(paths, "clock", what="forgotten", source="", was=written, to=0.0, who=who, msg=msg)
    return msg


def ask_hosts(paths: Paths, settings: Settings) -> str:
    """Asks the named hosts, and keeps what enough of them agree on. Ends within a few seconds, whatever they do."""
    if not settings.http:
        return "no host is named"
    answers = clock_hosts.ask(settings.http, age)
    running = age()
    times = {url: said + running - at for url, (said, at, dummy) in answers.items() if said is not None}
    found, word = _clock.agreed(times, settings.least)
    if found is None:
        problems = "; ".join(f"{url}: {why}" for url, (said, dummy, why) in sorted(answers.items()) if said is None)
        return word + (f" ({problems})" if problems else "")
    note(paths, HTTP, found, running)
    return word


def correct(
    paths: Paths,
    network: bool = True,
    dry: bool = False,
    settings: t.Optional[Settings] = None,
    controller: t.Optional[float] = None,
) -> t.Dict[str, t.Any]:
    """Sets the clock where it is wrong and somebody knows better, and moves the last known time.

    :param network: whether hosts may be asked, where nobody else confirms the clock.
    :param dry: only says what it would do.
    :param settings: as in :func:`look`, and `controller` too.
    """
    began = age()

    def again() -> Look:
        return look(paths, settings, None if controller is None else controller + age() - began)

    found, asked = again(), ""
    if network and found.settings.http and found.verdict.state != TRUSTED:
        asked = ask_hosts(paths, found.settings)
        found = again()
    choice, msg, permitted = found.choice, "", True
    moved = choice is not None
    if choice is not None:
        moved, permitted, msg = _set(paths, found, choice, dry)
        if not dry and moved:
            found = again()
    if not dry:
        try:
            found = again() if keep(paths, found) else found
        except NodeError as exc:
            msg = "; ".join(filter(None, (msg, exc.message)))
    source = choice.source if choice else ""
    return dict(report(found), set=moved, source=source, permitted=permitted, asked=asked, msg=msg)


def _set(paths: Paths, found: Look, choice: _clock.Choice, dry: bool) -> t.Tuple[bool, bool, str]:
    """(whether it was or would be set, whether it may be, what to say)."""
    target = choice.time + age() - found.age
    words = f"from {_clock.day(found.now)} to {_clock.day(target)}, by the {choice.source}"
    if dry:
        return True, True, f"the clock would be set {words}"
    make_directory(paths.run, 0o755)
    mark = f"{paths.clock_heard}/{_FLOOR_MARK}.json"
    try:
        # First the mark: a clock that was set to the floor must at no moment look as if it were right.
        write_json(mark, {"source": choice.source})
        faults.reach(paths, "clock_set:before")
        step(target)
    except OSError as exc:
        with contextlib.suppress(OSError):
            os.unlink(mark)
        why = "a container has the clock of its host" if exc.errno == errno.EPERM else str(exc.strerror)
        return False, False, f"the clock should be set {words}, and cannot be set here: {why}"
    if abs(target - found.now) > _clock.CLOSE:
        ledger.note(
            paths,
            "clock",
            what="set",
            source=choice.source,
            was=round(found.now, 3),
            to=round(target, 3),
            who="",
            msg=words,
        )
    return True, True, f"the clock was set {words}"


def report(found: Look) -> t.Dict[str, t.Any]:
    """All of it as it stands in JSON."""
    verdict_now, choice = found.verdict, found.choice
    used = {item.name for item in found.witnesses if found.bounds.believe(item) and _clock.confirms(found.now, item)}
    return {
        "now": round(found.now, 3),
        "state": verdict_now.state,
        "reason": verdict_now.reason,
        "floor": found.bounds.floor,
        "max_ahead_days": found.settings.max_ahead_days,
        "should_be": None if choice is None else {"time": round(choice.time, 3), "source": choice.source},
        "rungs": [
            {
                "name": item.name,
                "time": None if item.time is None else round(item.time, 3),
                "error": round(item.error, 3),
                "note": item.note,
                "used": item.name in used or (choice is not None and choice.source == item.name),
            }
            for item in found.rungs
        ],
    }


def shown(when: t.Optional[float]) -> str:
    return "-" if when is None else _clock.day(when)


def table(found: t.Mapping[str, t.Any]) -> t.List[t.Sequence[str]]:
    """A report as rows for a person."""
    rows: t.List[t.Sequence[str]] = [("WHO", "SAYS", "AWAY", "USED", "NOTE")]
    for item in found["rungs"]:
        away = "-" if item["time"] is None else _clock.apart(found["now"] - item["time"])
        rows.append((item["name"], shown(item["time"]), away, "yes" if item["used"] else "no", item["note"]))
    return rows
