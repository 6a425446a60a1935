# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hardware of a fleet: what is worth remembering of each node, what changed since, and a table for a person."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .table import aligned

Facts = dict[str, Any]
RESULT = "discover_found"
RECORD = "discover_record"
SCHEMA = 1
WORN = (50, 80, 90, 100)
"""Percent of wear that are worth a word when a disk passes them."""

READINGS = {"memory_used_mib", "temperature_c", "utilization_percent", "throttle_reasons"}
_LINK = {"width", "generation"}
_CLOCK = {"rtc_offset_s", "synchronized"}
_LEFT_OUT = {"unknown", "network_devices"}


def stable(hardware: Mapping[str, Any]) -> Facts:
    """The facts without the readings, which are others at every look, and without what is only known of a moment."""
    facts: Facts = {key: value for key, value in hardware.items() if key not in _LEFT_OUT}
    facts["gpus"] = [_stable_gpu(gpu) for gpu in _rows(facts.get("gpus"))]
    facts["clock"] = _without(_map(facts.get("clock")), _CLOCK)
    return facts


def _stable_gpu(gpu: Mapping[str, Any]) -> Facts:
    facts = _without(gpu, READINGS)
    facts["link"] = _without(_map(gpu.get("link")), _LINK)
    facts["ecc"] = _without(_map(gpu.get("ecc")), {"corrected"})
    return facts


def _without(facts: Mapping[str, Any], names: set[str]) -> Facts:
    return {key: value for key, value in facts.items() if key not in names}


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def record(host: str, hardware: Mapping[str, Any], before: str) -> Facts:
    """`content` of the file for a node, `changes` in words, and whether it was `known` before.

    :param before: what the file holds now, or nothing.
    """
    now = stable(hardware)
    content = json.dumps({"schema": SCHEMA, "host": host, "hardware": now}, indent=1, sort_keys=True) + "\n"
    old = _stored(before)
    if old is None:
        lines = ["what was stored cannot be read; it is written anew"] if before.strip() else []
        return {"content": content, "changes": lines, "known": False}
    return {"content": content, "changes": changes(old, json.loads(content)["hardware"]), "known": True}


def _stored(text: str) -> Mapping[str, Any] | None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    found = data.get("hardware") if isinstance(data, dict) else None
    return found if isinstance(found, dict) else None


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What is not as it was, a line each."""
    told = {
        "gpus",
        "driver",
        "cameras",
        "serial_ports",
        "disks",
        "memory_mib",
        "cpus",
        "kernel",
        "os",
        "jetson",
        "engine",
    }
    lines = [*_gpus(old, new), *_driver(old, new), *_machine(old, new)]
    lines += _things("camera", _cameras(old), _cameras(new), _camera_words)
    lines += _things("serial port", _keyed(old, "serial_ports"), _keyed(new, "serial_ports"), _device_words)
    lines += _things("disk", _disks(old), _disks(new), _disk_words)
    lines += _worn(_disks(old), _disks(new))
    others = sorted(key for key in {*old, *new} - told if old.get(key) != new.get(key))
    rest = sorted(key for key in told if old.get(key) != new.get(key)) if not lines and not others else []
    return lines + ([f"also changed: {', '.join(others or rest)}"] if others or rest else [])


def _was(what: str, before: Any, after: Any) -> str:
    return f"{what}: was {_word(before)}, is {_word(after)}"


def _word(value: Any) -> str:
    return (
        "unknown"
        if value is None
        else f"{value:,}"
        if isinstance(value, int) and not isinstance(value, bool)
        else str(value)
    )


def _things(kind: str, old: Mapping[str, Any], new: Mapping[str, Any], words: Callable[[Any], str]) -> Iterator[str]:
    for key in old:
        if key not in new:
            yield f"{kind} {words(old[key])} is gone"
    for key in new:
        if key not in old:
            yield f"{kind} {words(new[key])} is new"


def _gpus(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = _keyed_gpus(old), _keyed_gpus(new)
    yield from _things("GPU", before, after, _gpu_words)
    for key in before.keys() & after.keys():
        was, now = before[key], after[key]
        if was.get("state") != now.get("state"):
            fell = " (it fell off the bus)" if now.get("state") == "lost" else ""
            yield f"GPU {_gpu_words(now)}: was {was.get('state')}, is {now.get('state')}{fell}"
        if was.get("uuid") and now.get("uuid") and was["uuid"] != now["uuid"]:
            yield f"GPU {_gpu_words(now)} was exchanged: it has another UUID"
        for name, what in (("memory_mib", "memory in MiB"), ("vbios", "firmware")):
            if was.get(name) != now.get(name):
                yield _was(f"GPU {_gpu_words(now)}: {what}", was.get(name), now.get(name))
        if _map(was.get("mig")) != _map(now.get("mig")):
            yield f"GPU {_gpu_words(now)}: its MIG devices changed"
        count, more = (_map(gpu.get("ecc")).get("uncorrected") for gpu in (was, now))
        if isinstance(count, int) and isinstance(more, int) and more > count:
            yield f"GPU {_gpu_words(now)}: {more - count} more memory errors that ECC could not correct"


def _keyed_gpus(facts: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """By address: a GPU that is lost has no UUID any more."""
    return {
        str(gpu.get("pci_address") or gpu.get("uuid") or f"index {gpu.get('index')}"): gpu
        for gpu in _rows(facts.get("gpus"))
    }


def _gpu_words(gpu: Mapping[str, Any]) -> str:
    name = gpu.get("name") or "of unknown model"
    return f"{name} at {gpu['pci_address']}" if gpu.get("pci_address") else str(name)


def _driver(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = _map(old.get("driver")), _map(new.get("driver"))
    for name, what in (
        ("loaded", "GPU driver"),
        ("library", "library of the GPU driver"),
        ("cuda", "CUDA of the driver"),
    ):
        if before.get(name) != after.get(name):
            yield _was(what, before.get(name), after.get(name))
    if after.get("problem") and before.get("problem") != after.get("problem"):
        yield str(after["problem"])
    elif before.get("problem") and not after.get("problem"):
        yield "the GPU driver works again"


_MACHINE = (
    ("memory_mib", "", "memory in MiB"),
    ("cpus", "", "processors"),
    ("kernel", "", "kernel"),
    ("os", "name", "operating system"),
    ("engine", "version", "container engine"),
    ("jetson", "module", "Jetson module"),
    ("jetson", "l4t", "L4T"),
    ("jetson", "jetpack", "JetPack"),
    ("jetson", "power_mode", "power mode"),
)


def _machine(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for key, inner, what in _MACHINE:
        before, after = (_map(facts.get(key)).get(inner) if inner else facts.get(key) for facts in (old, new))
        if before != after:
            yield _was(
                what, *(_map(value).get("name") if isinstance(value, Mapping) else value for value in (before, after))
            )


def _keyed(facts: Mapping[str, Any], key: str) -> dict[str, Mapping[str, Any]]:
    """By the name that stays: udev's of the device, then of its port."""
    found = {}
    for item in _rows(facts.get(key)):
        names = [*(item.get("by_id") or []), *(item.get("by_path") or []), item.get("device")]
        found[str(names[0])] = item
    return found


def _cameras(facts: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {key: item for key, item in _keyed(facts, "cameras").items() if item.get("role") != "metadata"}


def _camera_words(item: Mapping[str, Any]) -> str:
    return f"{item.get('name') or item.get('card') or ''} {_device_words(item)}".strip()


def _device_words(item: Mapping[str, Any]) -> str:
    names = [*(item.get("by_id") or []), *(item.get("by_path") or [])]
    return str(names[0]).rpartition("/")[2] if names else str(item.get("device"))


def _disks(facts: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(item.get("serial") or item.get("name")): item for item in _rows(facts.get("disks"))}


def _disk_words(item: Mapping[str, Any]) -> str:
    model = f" ({item['model']})" if item.get("model") else ""
    return f"{item.get('name')}{model}"


def _worn(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for key in old.keys() & new.keys():
        before, after = old[key].get("wear_percent"), new[key].get("wear_percent")
        if isinstance(after, int) and after != before:
            passed = [limit for limit in WORN if (before or 0) < limit <= after]
            beyond = f", past {passed[-1]} percent" if passed else ""
            yield f"disk {_disk_words(new[key])}: wear was {_word(before)} percent, is {after} percent{beyond}"
        if old[key].get("health") != new[key].get("health"):
            yield _was(f"disk {_disk_words(new[key])}: health", old[key].get("health"), new[key].get("health"))


def lines(hostvars: Mapping[str, Any], hosts: Sequence[str]) -> list[str]:
    """A table for each site, what changed, and who was not reached."""
    sites: dict[str, list[str]] = {}
    for host in hosts:
        sites.setdefault(str(hostvars[host].get("edge_site") or "no site"), []).append(host)
    shown: list[str] = []
    for site in sorted(sites):
        rows: list[tuple[str, ...]] = [("HOST", "GPUS", "JETSON", "CAMERAS", "SERIAL", "DISKS")]
        rows += [_row(host, hostvars[host]) for host in sorted(sites[site])]
        shown.append(f"site {site}")
        shown += ["  " + line for line in aligned(rows)]
    return [*shown, *_news(hostvars, sorted(hosts))]


def _row(host: str, variables: Mapping[str, Any]) -> tuple[str, ...]:
    found = _map(variables.get(RESULT)).get("hardware")
    if not isinstance(found, Mapping):
        return host, _why(variables.get(RESULT)), "", "", "", ""
    gpus = [_gpu_cell(gpu) for gpu in _rows(found.get("gpus"))]
    jetson = _map(found.get("jetson"))
    board = f"{jetson.get('module') or 'unknown'}, L4T {jetson.get('l4t') or 'unknown'}" if jetson else "-"
    disks = [_disk_cell(disk) for disk in _rows(found.get("disks"))]
    counts = (str(len(_cameras(found))), str(len(_rows(found.get("serial_ports")))))
    return host, ", ".join(gpus) or "-", board, *counts, ", ".join(disks) or "-"


def _gpu_cell(gpu: Mapping[str, Any]) -> str:
    memory = f" {gpu['memory_mib']:,} MiB" if isinstance(gpu.get("memory_mib"), int) else ""
    state = "" if gpu.get("state") == "ok" else f" ({gpu.get('state')})"
    return f"{gpu.get('name') or 'unknown model'}{memory}{state}"


def _disk_cell(disk: Mapping[str, Any]) -> str:
    size = f" {disk['size_bytes'] / 1e9:,.0f} GB" if isinstance(disk.get("size_bytes"), int) else ""
    worn = f" {disk['wear_percent']}% worn" if isinstance(disk.get("wear_percent"), int) else ""
    return f"{disk.get('name')}{size}{worn}"


def _why(result: Any) -> str:
    return "unreachable" if _map(result).get("unreachable") else "could not be asked"


def _news(hostvars: Mapping[str, Any], hosts: Sequence[str]) -> Iterator[str]:
    silent = [host for host in hosts if not isinstance(_map(hostvars[host].get(RESULT)).get("hardware"), Mapping)]
    records = {host: _map(hostvars[host].get(RECORD)) for host in hosts if host not in silent}
    first = [host for host, found in records.items() if found and not found.get("known")]
    if first:
        yield f"stored for the first time: {', '.join(first)}"
    told = [f"{host}: {line}" for host, found in records.items() for line in found.get("changes") or ()]
    yield from ["changed since last time:", *(f"  {line}" for line in told)] if told else ()
    if not told and len(first) < len(records):
        yield "nothing changed since last time"
    if silent:
        yield f"not reached, what was stored of them stays: {', '.join(silent)}"
