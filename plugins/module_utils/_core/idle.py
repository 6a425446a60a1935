# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the machine that a workload serves is idle: what may be asked, and what an answer says. Pure.

The protocols are in `modbus` and `opcua`; the node program asks (`_node.idle`) and waits (`_node.moment`).
"""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass

from .fields import SpecError, show

IDLE, BUSY, SILENT = "idle", "busy", "silent"
PORTS = {"modbus": 502, "opcua": 4840}
KINDS = ("modbus", "opcua", "command")
FASTEST, SLOWEST = 0.1, 60.0
"""Limits, in seconds, of the pause between two looks and of the time for one."""
_BITS = ("coil", "discrete_input")
_LONGEST = 80

Value = t.Union[None, bool, int, float, str]


class AnswerError(ValueError):
    """An answer that says nothing of idleness: one line of why. `silent` is whether there was none at all."""

    def __init__(self, message: str, silent: bool = False) -> None:
        super().__init__(message)
        self.silent = silent


@dataclass(frozen=True)
class Reading:
    """One look. `value` is what was read, fit for JSON."""

    state: str
    reason: str
    value: Value = None


def plain(value: Value) -> Value:
    """A value as it can be written down: JSON has neither infinities nor what is no number, and text may be long."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value[:_LONGEST] if isinstance(value, str) else value


def words(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return show(value) if isinstance(value, str) else str(value)


def _wanted(limits: t.Mapping[str, t.Any]) -> str:
    if "equals" in limits:
        return words(limits["equals"])
    parts = [f"{word} {words(limits[key])}" for key, word in (("min", "at least"), ("max", "at most")) if key in limits]
    return " and ".join(parts)


def _passes(value: Value, limits: t.Mapping[str, t.Any]) -> bool:
    """True and 1 are the same; text is only ever equal to text; what is no number passes no limit."""
    if "equals" in limits:
        return isinstance(value, str) == isinstance(limits["equals"], str) and value == limits["equals"]
    if not isinstance(value, (bool, int, float)):
        return False
    return value >= limits.get("min", -math.inf) and value <= limits.get("max", math.inf)


def judge(label: str, value: Value, limits: t.Mapping[str, t.Any]) -> Reading:
    """What a value says, by the limits of its probe (`equals`, or `min` and `max`)."""
    found = f"{label} is {words(value)}"
    if _passes(value, limits):
        return Reading(IDLE, found, plain(value))
    return Reading(BUSY, f"{found}, wanted {_wanted(limits)}", plain(value))


def target(probe: t.Mapping[str, t.Any]) -> str:
    """Whom a network probe asks, for a message."""
    return f"device {probe['device']}" if "device" in probe else f"{probe['host']}:{probe['port']}"


def check(where: str, settings: t.Dict[str, t.Any]) -> None:
    """What the table of keys cannot say. Fills in the port of what is asked by its address.

    :raises SpecError: one line that names the place.
    """
    found = [kind for kind in KINDS if kind in settings]
    if len(found) != 1:
        raise SpecError(f"{where}: found {', '.join(found) or 'none'}, wanted exactly one of {', '.join(KINDS)}")
    if settings["for"] and settings["for"] >= settings["max_wait"]:
        raise SpecError(
            f"{where}: found for {settings['for']:g} s and max_wait {settings['max_wait']:g} s: it could never be idle for so long; make max_wait longer"
        )
    if settings["every"] < FASTEST:
        raise SpecError(
            f"{where}.every: found {settings['every']:g} s, wanted at least {FASTEST:g} s: a PLC is no server"
        )
    kind = found[0]
    if not 0 < settings[kind]["timeout"] <= SLOWEST:
        raise SpecError(
            f"{where}.{kind}.timeout: found {settings[kind]['timeout']:g} s, wanted more than 0 s and at most {SLOWEST:g} s: "
            "meanwhile nothing else is looked at"
        )
    if kind != "command":
        _endpoint(f"{where}.{kind}", settings[kind], PORTS[kind])
        _limits(f"{where}.{kind}", settings[kind])


def _endpoint(where: str, probe: t.Dict[str, t.Any], port: int) -> None:
    if ("host" in probe) == ("device" in probe):
        raise SpecError(f"{where}: wanted one of `host` (an address) and `device` (a name of the role devices)")
    if "host" in probe:
        probe.setdefault("port", port)
    elif "port" in probe:
        raise SpecError(f"{where}.port: a device has its port in the role devices: take `port` out")


def _limits(where: str, probe: t.Mapping[str, t.Any]) -> None:
    given = [key for key in ("equals", "min", "max") if key in probe]
    if not given or ("equals" in given and len(given) > 1):
        raise SpecError(f"{where}: found {', '.join(given) or 'no limit'}, wanted either `equals`, or `min` and `max`")
    if "min" in probe and "max" in probe and probe["min"] > probe["max"]:
        raise SpecError(f"{where}: min {probe['min']:g} is above max {probe['max']:g}, so it could never be idle")
    if "table" not in probe:
        return
    if isinstance(probe.get("equals"), str):
        raise SpecError(f"{where}.equals: found {show(probe['equals'])}, wanted a number: Modbus knows no text")
    if probe["table"] in _BITS and probe.get("equals") not in (0, 1):
        raise SpecError(f"{where}: a {probe['table']} is one bit: wanted `equals: true` or `equals: false`")
