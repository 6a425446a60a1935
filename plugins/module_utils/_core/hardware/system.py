# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine itself: clock, boot, control groups, memory, engine."""

from __future__ import annotations

import calendar
import re
import typing as t

from . import values
from .values import Facts, Remarks

STA_UNSYNC = 0x40
_DATE = re.compile(r"\(([0-9]{4})-([0-9]{2})-([0-9]{2})\)")
_DATE_IN_WORDS = re.compile(
    r"\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +[0-9]{1,2} [0-9:]{8}(?: [A-Z]+)? ([0-9]{4})\b"
)
_LEFT_IN = re.compile(r"(?i)o\.?e\.?m|default|not |none|serial|unknown|system|0123456789|123456789|n/a|empty|chassis")
_FIRST_YEAR = 2024
_YEARS = 10
_RTC_STEP = 5


def kernel_year(proc_version: t.Optional[str]) -> t.Optional[int]:
    """The year in which the running kernel was built: no clock of this node can rightly be before it."""
    text = values.line(proc_version) or ""
    match = _DATE.search(text)
    if match:
        return int(match.group(1))
    match = _DATE_IN_WORDS.search(text)
    return int(match.group(2)) if match else None


def sane(now: t.Optional[float], built: t.Optional[int]) -> t.Optional[bool]:
    """Whether the clock says a year between that of the kernel and ten years later."""
    if now is None:
        return None
    if not 0 <= now < 2**40:
        return False
    first = built or _FIRST_YEAR
    start, end = (calendar.timegm((year, 1, 1, 0, 0, 0)) for year in (first, first + _YEARS + 1))
    return start <= now < end


def synchronized(status: t.Optional[int], timesyncd: bool) -> t.Optional[bool]:
    """:param status: flags of the clock in the kernel, see adjtimex(2)."""
    if status is None:
        return True if timesyncd else None
    return not status & STA_UNSYNC


def rtc_offset(rtc: t.Optional[str], now: t.Optional[float]) -> t.Optional[int]:
    """Seconds by which the hardware clock is ahead, in steps of five: two reads in a row say the same."""
    number = values.integer(rtc)
    return None if number is None or now is None else round((number - now) / _RTC_STEP) * _RTC_STEP


def secure_boot(efi: bool, variable: t.Optional[bytes], variables: bool) -> str:
    """:param variables: whether the variables of the firmware can be seen at all."""
    if not efi:
        return "unsupported"
    if variable is not None and len(variable) == 5:  # four bytes of attributes, one of value
        return {0: "disabled", 1: "enabled"}.get(variable[4], "unknown")
    return "unsupported" if variables and variable is None else "unknown"


def tpm(present: bool, major: t.Optional[str]) -> Facts:
    version = {"2": "2.0", "1": "1.2"}.get(values.line(major) or "") if present else None
    return {"present": present, "version": version}


def machine(serials: t.Sequence[t.Optional[str]], uuid: t.Optional[str], machine_id: t.Optional[str]) -> Facts:
    """By what this machine is told apart from others of its kind: the first serial number that is none of those that makers leave in."""
    found = [number for number in map(_number, serials) if number]
    return {"serial": found[0] if found else None, "uuid": _number(uuid), "id": values.line(machine_id)}


def _number(value: t.Optional[str]) -> t.Optional[str]:
    number = values.line(value)
    if number is None or len(set(number.replace("-", ""))) < 3 or _LEFT_IN.search(number):
        return None
    return number


def memory_mib(meminfo: t.Optional[str]) -> t.Optional[int]:
    match = re.search(r"^MemTotal:\s+([0-9]{1,15}) kB", meminfo or "", re.MULTILINE)
    return int(match.group(1)) // 1024 if match else None


def cpus(present: t.Optional[str]) -> t.Optional[int]:
    """How many, out of a list of ranges such as `0-3,8-11`."""
    total = 0
    for part in (values.line(present) or "").split(","):
        match = re.match(r"^([0-9]{1,5})(?:-([0-9]{1,5}))?$", part.strip())
        if match is None:
            return None
        total += int(match.group(2) or match.group(1)) - int(match.group(1)) + 1
    return total if total > 0 else None


def operating_system(release: t.Mapping[str, str]) -> Facts:
    names = {"id": "ID", "version": "VERSION_ID", "codename": "VERSION_CODENAME", "name": "PRETTY_NAME"}
    return {key: values.line(release.get(name)) for key, name in names.items()}


def engine(code: int, out: str) -> t.Tuple[Facts, t.Optional[str], Remarks]:
    """What `docker info` says, as JSON; and the driver of its control groups."""
    data = values.mapping(values.from_json(out))
    version = values.line(data.get("ServerVersion"))
    facts: Facts = {"name": "docker", "version": version, "cdi_enabled": None, "cdi_spec_dirs": [], "runtimes": []}
    if version is None:
        words = values.texts(data.get("ServerErrors"))
        return facts, None, [f"engine: docker info: {words[0] if words else f'says nothing (exit status {code})'}"]
    facts["cdi_spec_dirs"] = values.texts(data.get("CDISpecDirs"))
    facts["cdi_enabled"] = bool(facts["cdi_spec_dirs"])
    facts["runtimes"] = sorted(values.texts(list(values.mapping(data.get("Runtimes")))))
    return facts, values.line(data.get("CgroupDriver")), []
