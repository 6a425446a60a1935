# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of GPUs and of the devices that the site has named."""

from __future__ import annotations

import typing as t

from . import xid
from .doctor_finding import Check, Finding, NotChecked, Seen, failure, warning
from .doctor_machine import number, rows
from .doctor_service import loaded
from .hardware.nvidia_smi import SLOWED
from .hardware.values import mapping, texts

KIND = "nvidia.com/gpu="
HOT = 90
DAY = 86400
_CDI = "systemctl restart nvidia-cdi-refresh; where it is missing, run the role nvidia_container_toolkit"


def _hardware(seen: Seen) -> t.Dict[str, t.Any]:
    found = mapping(seen.get("hardware"))
    if not found:
        raise NotChecked(str(seen.get("hardware_error") or "the hardware was not read"))
    return found


def _gpus(seen: Seen) -> t.List[t.Dict[str, t.Any]]:
    return rows(_hardware(seen).get("gpus"))


def _users(seen: Seen) -> t.List[t.Tuple[str, t.List[t.Dict[str, t.Any]]]]:
    """(workload, the GPUs it was given) of those that were given any."""
    state = loaded(seen)
    deployments = list(state.deployments()) if state is not None else []
    return [(f"{tenant}/{name}", rows(item.gpus)) for tenant, name, item in deployments if rows(item.gpus)]


def _label(gpu: t.Mapping[str, t.Any]) -> str:
    return f"GPU {gpu.get('pci_address') or gpu.get('index') or gpu.get('name') or 0}"


def driver(seen: Seen) -> t.Iterator[Finding]:
    facts = mapping(_hardware(seen).get("driver"))
    problem = facts.get("problem")
    if isinstance(problem, str):
        found, dummy, do = problem.partition(": ")
        yield failure(
            "GPU driver",
            found,
            "a driver that works, with libraries of the same version",
            do or "run `nvidia-smi` on the node",
        )
    elif facts.get("mismatch"):
        found = f"the loaded driver is {facts.get('loaded')} and its library is {facts.get('library')}"
        yield failure("GPU driver", found, "the same version", "restart the node")
    elif not _gpus(seen) and not _users(seen):
        raise NotChecked("there is no GPU")
    elif not _gpus(seen):
        users = ", ".join(name for name, dummy in _users(seen))
        yield failure(
            "GPU driver",
            f"no GPU is found, and {users} was given one",
            "the GPU",
            "look for it: `lspci -d 10de:`, `dmesg | grep NVRM`; restart the node",
        )


def gpus(seen: Seen) -> t.Iterator[Finding]:
    found = _gpus(seen)
    if not found:
        raise NotChecked("there is no GPU")
    for gpu in found:
        yield from _state(gpu)
        yield from _memory(gpu)
        yield from _heat(gpu)


def _state(gpu: t.Mapping[str, t.Any]) -> t.Iterator[Finding]:
    state = gpu.get("state")
    if state == "lost":
        yield failure(
            _label(gpu),
            "it is lost: the driver cannot reach it",
            "a GPU that answers",
            "restart the node; if it comes again, check its seat, power and cooling",
        )
    elif state == "excluded":
        yield warning(
            _label(gpu), "the driver excludes it", "a GPU that can be used", "see NVreg_ExcludedGpus in /etc/modprobe.d"
        )


def _memory(gpu: t.Mapping[str, t.Any]) -> t.Iterator[Finding]:
    ecc = mapping(gpu.get("ecc"))
    if ecc.get("row_remap_failed") is True:
        yield failure(
            _label(gpu), "a bad place in its memory could not be set aside", "memory without errors", "exchange the GPU"
        )
    if ecc.get("retired_pages_pending") is True:
        yield warning(
            _label(gpu),
            "bad places in its memory are set aside at the next restart",
            "none waiting",
            "restart the node at the next occasion",
        )
    count = number(ecc.get("uncorrected"))
    if count:
        yield warning(
            _label(gpu),
            f"its memory had {count:.0f} errors that ECC could not correct, over its life",
            "none",
            "watch it; if the number grows, exchange the GPU",
        )


def _heat(gpu: t.Mapping[str, t.Any]) -> t.Iterator[Finding]:
    degrees = number(gpu.get("temperature_c"))
    if degrees is not None and degrees >= HOT:
        yield warning(
            _label(gpu),
            f"it has {degrees:.0f} degrees Celsius",
            f"less than {HOT}",
            "check fans, filters and the air around the node",
        )
    slow = [word for word in texts(gpu.get("throttle_reasons")) if word in SLOWED]
    if slow:
        yield warning(
            _label(gpu),
            f"it runs slower to protect itself ({', '.join(slow)})",
            "full speed",
            "check cooling and power supply",
        )


def kernel_log(seen: Seen) -> t.Iterator[Finding]:
    """F62: what the driver reported of its GPUs in the last day of this boot."""
    log = seen.get("kernel_log")
    if not isinstance(log, str):
        raise NotChecked(str(seen.get("kernel_log_error") or "there is no kernel log"))
    now = number(seen.get("now"))
    last: t.Dict[t.Tuple[str, int], t.Tuple[int, xid.Event]] = {}
    for event in xid.events(log):
        recent = event.time is None or now is None or event.time < DAY * 365 or now - event.time <= DAY
        if recent:
            last[event.address, event.number] = last.get((event.address, event.number), (0, event))[0] + 1, event
    for (address, code), (count, event) in sorted(last.items()):
        words = f" ({event.words})" if event.words else ""
        times = f", {count} times" if count > 1 else ""
        judge = failure if event.meaning.serious else warning
        yield judge(
            f"GPU {address}",
            f"Xid {code}{times}: {event.meaning.words}{words}",
            "no such event in the last day",
            event.meaning.do,
        )


def cdi(seen: Seen) -> t.Iterator[Finding]:
    hardware = _hardware(seen)
    facts, users = mapping(hardware.get("cdi")), _users(seen)
    there = [gpu for gpu in _gpus(seen) if gpu.get("state") in ("ok", "unknown")]
    devices = texts(facts.get("devices"))
    for line in texts(facts.get("stale")):
        found = line.partition(": generate")[0]
        yield failure("CDI", found, "the numbers of the driver that runs", _CDI)
    for line in texts(facts.get("conflicts")):
        yield failure(
            "CDI",
            line,
            "one file for each device",
            "remove the file that is not kept up to date, mostly that in /etc/cdi",
        )
    if not there and not users:
        raise NotChecked("there is no GPU")
    runtimes = texts(mapping(hardware.get("engine")).get("runtimes"))
    by_cdi = [device for device in devices if device.startswith(KIND)]
    if there and not by_cdi and "nvidia" not in runtimes:
        found = (
            f"no CDI specification offers {' and '.join(_label(gpu) for gpu in there)}: containers cannot be given it"
        )
        yield failure("CDI", found, f"a device {KIND}...", _CDI)
    if by_cdi and mapping(hardware.get("engine")).get("cdi_enabled") is False:
        yield failure(
            "CDI",
            "the engine does not look at CDI specifications",
            "features.cdi in daemon.json",
            "run the role nvidia_container_toolkit again",
        )
    for scope, given in users:
        for name in sorted(str(gpu["cdi"]) for gpu in given if gpu.get("cdi")):
            if name not in devices:
                yield failure(
                    scope, f"it was given {name}, which no CDI specification offers any more", "the device", _CDI
                )


def lost(seen: Seen) -> t.Iterator[Finding]:
    """GPUs that a running container has and cannot use."""
    if not _users(seen):
        raise NotChecked("no workload was given a GPU")
    if not isinstance(seen.get("lost"), dict):
        raise NotChecked("the engine does not answer")
    for scope, lines in sorted(seen["lost"].items(), key=lambda item: str(item[0])):
        for line in texts(lines):
            yield failure(
                str(scope),
                f"its container cannot use {line}",
                "a GPU that can be used",
                "edge devices --settle puts it right",
            )


def devices(seen: Seen) -> t.Iterator[Finding]:
    """Those that the site has named, and that workloads ask for."""
    if seen.get("devices_error"):
        yield failure(
            "/etc/physical-ai/devices.json",
            str(seen["devices_error"])[:300],
            "names of devices",
            "run the role devices again",
        )
        return
    named = rows(seen.get("devices"))
    if not named:
        raise NotChecked("the site has named no device")
    for item in named:
        users = ", ".join(texts(item.get("workloads")))
        where, problem = str(item.get("name")), item.get("problem")
        if problem:
            used = f", and {users} uses it" if users else ""
            do = "check its cable and its power; if it was exchanged, correct edge_devices and run the role devices"
            judge = failure if users else warning
            yield judge(where, f"{str(problem)[:200]}{used}", "the device", do)
        elif item.get("dead"):
            found = f"its name is there, and the camera does not answer: {str(item['dead'])[:200]}"
            do = "unplug it and plug it in again, or switch its power; see `dmesg | grep -i -e uvc -e usb`"
            yield failure(where, found, "a camera that answers", do)


CHECKS = (
    Check("gpu_driver", "the driver of GPUs is loaded, matches its libraries and finds every GPU", driver),
    Check("gpu", "no GPU is lost, hot, slowed down or has memory errors", gpus),
    Check("gpu_events", "the driver reported no error of a GPU (Xid) in the last day", kernel_log),
    Check("cdi", "containers can be given each GPU, by specifications that are not stale and do not collide", cdi),
    Check("gpu_in_container", "running containers can still use the GPUs they were given", lost),
    Check("devices", "the devices that the site has named are there and answer", devices),
)
