# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks: how they are attached and how worn they are."""

from __future__ import annotations

import re
import typing as t

from . import values
from .values import Facts

_SECTOR = 512
_NO_DISK = re.compile(r"^(loop|ram|zram|dm-|md|sr|fd|nbd|mtdblock)[0-9]*|boot[0-9]$|rpmb$")
# ATA attributes whose normalised value counts the life left down from 100, by number.
_LIFE_LEFT = (231, 233, 202, 177, 169, 173)
_PRE_EOL = {1: "ok", 2: "warning", 3: "failing"}


def is_disk(name: str, size: t.Optional[int]) -> bool:
    """A real one, with something in it: no card reader without a card."""
    return not _NO_DISK.search(name) and bool(size)


def size_bytes(sectors: t.Optional[str]) -> t.Optional[int]:
    number = values.integer(sectors)
    return number * _SECTOR if number is not None and number >= 0 else None


def transport(path: str, mmc_type: t.Optional[str]) -> t.Optional[str]:
    """By the path of the device in /sys/devices."""
    if "/nvme/" in path or "/nvme-subsystem/" in path:
        return "nvme"
    if "/mmc_host/" in path:
        return {"MMC": "emmc", "SD": "sd"}.get(mmc_type or "", "mmc")
    for word, name in (("/usb", "usb"), ("/ata", "sata"), ("/virtio", "virtio"), ("/host", "scsi")):
        if word in path:
            return name
    return None


def emmc(life_time: t.Optional[str], pre_eol: t.Optional[str]) -> Facts:
    """Wear in steps of ten percent, the upper end of each: `0x02` is at most 20 percent worn. 0 is undefined."""
    codes = [values.hexadecimal(word) for word in (life_time or "").split()]
    known = [code for code in codes if code is not None and 1 <= code <= 11]
    return {
        "wear_percent": min(max(known) * 10, 100) if known else None,
        "life_time": codes if codes and None not in codes else None,
        "health": _PRE_EOL.get(values.hexadecimal(pre_eol) or 0) or ("failing" if 11 in known else "unknown"),
    }


def smart(text: str) -> t.Optional[Facts]:
    """Out of `smartctl --json --all`; None where it says nothing of the disk."""
    data = values.mapping(values.from_json(text))
    passed = values.mapping(data.get("smart_status")).get("passed")
    nvme = values.mapping(data.get("nvme_smart_health_information_log"))
    wear = values.integer(values.mapping(data.get("endurance_used")).get("current_percent"))
    if wear is None:
        wear = values.integer(nvme.get("percentage_used"))
    if wear is None:
        wear = _ata_wear(values.mapping(data.get("ata_smart_attributes")))
    health = {True: "ok", False: "failing"}.get(passed, "unknown") if isinstance(passed, bool) else "unknown"
    warning = values.integer(nvme.get("critical_warning"))
    if health == "ok" and warning:
        health = "warning"
    if wear is None and health == "unknown":
        return None
    return {"wear_percent": wear, "health": health}


def _ata_wear(attributes: t.Dict[str, t.Any]) -> t.Optional[int]:
    left = {}
    for item in values.sequence(attributes.get("table")):
        row = values.mapping(item)
        number, value = values.integer(row.get("id")), values.integer(row.get("value"))
        if number in _LIFE_LEFT and value is not None and 0 <= value <= 100:
            left[number] = value
    return next((100 - left[number] for number in _LIFE_LEFT if number in left), None)
