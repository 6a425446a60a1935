# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts of the probes that look at the node: GPUs, devices, and who can be reached. Pure.

Each compares with how the node was before the change (`before`). What was not there then, or is not known, is never held
against a version: a site that is cut off, a GPU that does not tell its temperature.
"""

from __future__ import annotations

import re
import typing as t

from . import xid
from .gpus import identity
from .hardware.nvidia_smi import SLOWED
from .judge import FAIL, PASS, RETRY, Verdict

Before = t.Mapping[str, t.Any]
"""`xid` (see :func:`count_xids`), `gpus` (see :func:`of_gpus`), `devices` (names), `reachable` (words). A key that is not
there is unknown."""
Facts = t.Mapping[str, t.Any]

_SLOT = re.compile(r"^(?:([0-9a-f]{1,8}):)?([0-9a-f]{2}:[0-9a-f]{2})(?:\.[0-7])?$")
GONE = {"lost": "it is lost: the driver cannot reach it", "no_driver": "its driver is not loaded"}


def _is(gpu: Facts, wanted: str) -> bool:
    """Whether this is the GPU that was given, or the one of which a part (MIG) was given."""
    whole = identity(gpu)
    return wanted == whole or any(
        wanted in (part["uuid"], f"{whole}/{part['index']}") for part in gpu["mig"]["devices"]
    )


def slot(address: str) -> str:
    """A place on the PCI bus in one form: the driver's messages write it in several. Other text stays as it is."""
    match = _SLOT.match(address.lower())
    return address if match is None else f"{int(match.group(1) or '0', 16):04x}:{match.group(2)}"


def count_xids(log: str) -> t.Dict[str, int]:
    """How often the kernel log has each error of each GPU: 'SLOT NUMBER' -> times."""
    found: t.Dict[str, int] = {}
    for event in xid.events(log):
        key = f"{slot(event.address)} {event.number}"
        found[key] = found.get(key, 0) + 1
    return found


def of_gpus(gpus: t.Sequence[Facts]) -> t.Dict[str, t.Dict[str, t.Any]]:
    """The state of each GPU and its numbers that can be judged; None where it does not tell."""
    return {identity(gpu): dict(_numbers(gpu), state=gpu["state"]) for gpu in gpus}


def _numbers(gpu: Facts) -> t.Dict[str, t.Optional[float]]:
    used, total = gpu["memory_used_mib"], gpu["memory_mib"]
    return {
        "ecc_errors": (gpu["ecc"] or {}).get("uncorrected"),
        "temperature_c": gpu["temperature_c"],
        "memory_used_ratio": round(used / total, 4) if used is not None and total else None,
    }


class _Look:
    """Collects what the probe `gpu` finds; the first reason is the verdict's."""

    def __init__(self, probe: t.Mapping[str, t.Any], before: Before) -> None:
        self.probe, self.before = probe, before
        self.measured: t.Dict[str, float] = {}
        self.notes: t.List[str] = []
        self.reasons: t.List[t.Tuple[str, str]] = []

    def verdict(self) -> Verdict:
        failed = [reason for result, reason in self.reasons if result == FAIL]
        result = FAIL if failed else (RETRY if self.reasons else PASS)
        reason = failed[0] if failed else (self.reasons[0][1] if self.reasons else "")
        return Verdict(result, reason, self.measured, tuple(self.notes))

    def xids(self, now: t.Optional[t.Mapping[str, int]], slots: t.Optional[t.Collection[str]]) -> None:
        before = self.before.get("xid")
        if now is None or before is None:
            self.notes.append("gpu: Xid: baseline: unknown, the kernel log cannot be read; not judged")
            return
        new = {
            key: count - before.get(key, 0)
            for key, count in sorted(now.items())
            if count > before.get(key, 0) and (slots is None or key.partition(" ")[0] in slots)
        }
        total, allowed = sum(new.values()), self.probe["max_new_xid"]
        self.measured["gpu:new_xid"] = total
        if total > allowed:
            key = next(iter(new))
            where, dummy, code = key.partition(" ")
            words = xid.MEANINGS.get(int(code), xid.UNKNOWN).words
            said = f"{total} new error{'s' if total > 1 else ''} of the driver since the change, allowed {allowed}"
            self.reasons.append((FAIL, f"gpu: {said}: GPU {where}: Xid {code}: {words}"))

    def one(self, gpu: Facts) -> None:
        name, found = identity(gpu), _numbers(gpu)
        before = self.had().get(name, {})
        if not self._readable(gpu, name, before.get("state")):
            return
        self._ecc(name, found["ecc_errors"], before.get("ecc_errors"))
        for key, limit, unit in (
            ("temperature_c", "max_temperature_c", " degrees Celsius"),
            ("memory_used_ratio", "max_memory_used_ratio", " of its memory in use"),
        ):
            self._limit(name, key, found[key], before.get(key), limit, unit)
        slowed = [word for word in gpu["throttle_reasons"] if word in SLOWED]
        if slowed and self.probe["fail_on_throttle"]:
            self.reasons.append((RETRY, f"gpu: GPU {name} runs slower to protect itself ({', '.join(slowed)})"))

    def had(self) -> t.Mapping[str, t.Mapping[str, t.Any]]:
        return self.before.get("gpus") or {}

    def _readable(self, gpu: Facts, name: str, before: t.Optional[str]) -> bool:
        state = gpu["state"]
        if state == "ok" or (gpu["integrated"] and state == "no_driver"):
            return True  # a driver that is built into the kernel shows no module
        words = GONE.get(state, "nvidia-smi cannot read it")
        if state in ("excluded", before):
            self.notes.append(
                f"gpu: GPU {name}: {words if state != 'excluded' else 'the driver excludes it'}: not judged"
            )
        else:
            self.reasons.append((RETRY, f"gpu: GPU {name}: {words}"))
        return False

    def _ecc(self, name: str, now: t.Optional[float], before: t.Optional[float]) -> None:
        if now is None or before is None:
            return  # most GPUs have no ECC
        new, allowed = max(0, now - before), self.probe["max_new_ecc_errors"]
        self.measured[f"gpu:{name}:new_ecc_errors"] = new
        if new > allowed:
            words = f"{new:g} new errors that ECC could not correct since the change, allowed {allowed}"
            self.reasons.append((FAIL, f"gpu: GPU {name}: {words}"))

    def _limit(
        self, name: str, key: str, now: t.Optional[float], before: t.Optional[float], limit: str, unit: str
    ) -> None:
        if now is not None:
            self.measured[f"gpu:{name}:{key}"] = now
        if limit not in self.probe:
            return
        if now is None and before is None:
            self.notes.append(f"gpu: GPU {name} does not tell its {key}: {limit} is not judged")
        elif now is None:
            self.reasons.append((RETRY, f"gpu: GPU {name} does not tell its {key} any more"))
        elif now > self.probe[limit]:
            self.reasons.append((RETRY, f"gpu: GPU {name} has {now:g}{unit}, allowed {self.probe[limit]:g}"))


def gpu(
    gpus: t.Sequence[Facts],
    xids: t.Optional[t.Mapping[str, int]],
    probe: t.Mapping[str, t.Any],
    given: t.Sequence[str] = (),
    before: t.Optional[Before] = None,
) -> Verdict:
    """
    :param gpus: facts of all GPUs of the node. :param xids: as :func:`count_xids`; None where the log cannot be read.
    :param given: identities of the GPUs that the workload was given; all where none is named.
    """
    look = _Look(probe, before or {})
    if not gpus and not given and not look.had():
        return Verdict(PASS, notes=("gpu: skipped, this node has no GPU",))
    for wanted in given or look.had():
        if not any(_is(item, wanted) for item in gpus):
            look.reasons.append((RETRY, f"gpu: GPU {wanted} is not there any more"))
    chosen = [item for item in gpus if not given or any(_is(item, wanted) for wanted in given)]
    slots = {slot(item["pci_address"]) for item in chosen if item["pci_address"]} if given else None
    look.xids(xids, slots)
    for item in chosen:
        look.one(item)
    return look.verdict()


def devices(now: t.Optional[t.Sequence[str]], before: t.Optional[Before] = None) -> Verdict:
    """Names of what is there now against those of what was there before."""
    had = (before or {}).get("devices")
    if now is None or had is None:
        return Verdict(PASS, notes=("devices: baseline: unknown, so none can be missed",))
    missing = [name for name in had if name not in now]
    measured = {"devices:missing": len(missing)}
    if not missing:
        return Verdict(PASS, measured=measured)
    there = "was there before the change and is not now" if len(missing) == 1 else "were there before the change"
    return Verdict(RETRY, f"devices: {', '.join(missing)} {there}", measured)


def target(item: t.Mapping[str, t.Any]) -> str:
    """A target of `reachability` in words, which are also what it is remembered by."""
    host = f"[{item['host']}]" if ":" in item["host"] and "port" in item else item["host"]
    return f"{host}:{item['port']}" if "port" in item else host


def reachability(now: t.Mapping[str, str], before: t.Optional[Before] = None) -> Verdict:
    """:param now: target -> why it cannot be reached, or nothing."""
    had = (before or {}).get("reachable")
    if had is None:
        return Verdict(PASS, notes=("reachability: baseline: unknown, so nothing can be missed",))
    lost = [name for name in now if name in had and now[name]]
    measured = {"reachability:lost": len(lost)}
    notes = tuple(
        f"reachability: {name} was not reachable before the change either: not judged"
        for name, reason in now.items()
        if name not in had and reason
    )
    if not lost:
        return Verdict(PASS, measured=measured, notes=notes)
    more = f", and {len(lost) - 1} more" if len(lost) > 1 else ""
    words = f"reachability: {lost[0]} was reachable before the change and is not now ({now[lost[0]]}){more}"
    return Verdict(RETRY, words, measured, notes)
