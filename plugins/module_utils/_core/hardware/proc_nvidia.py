# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the NVIDIA kernel module under /proc/driver/nvidia."""

from __future__ import annotations

import re
import typing as t

from . import pci, values
from .values import Facts

_VERSION = re.compile(r"^NVRM version:.*?\s([0-9]{3,4}(?:\.[0-9]{1,4}){1,2})\s", re.MULTILINE)
_PLAIN = re.compile(r"^[0-9]{3,4}(?:\.[0-9]{1,4}){1,2}$")


def version(text: t.Optional[str]) -> t.Optional[str]:
    """The version of the loaded module, out of /proc/driver/nvidia/version."""
    match = _VERSION.search((text or "") + "\n")
    return match.group(1) if match else None


def module_version(text: t.Optional[str]) -> t.Optional[str]:
    """The same out of /sys/module/nvidia/version."""
    found = values.line(text)
    return found if found and _PLAIN.match(found) else None


def information(text: t.Optional[str]) -> Facts:
    """One GPU, out of its file `information`. What the driver has not asked the GPU yet is full of question marks there."""
    rows = {}
    for row in (text or "").splitlines():
        key, colon, value = row.partition(":")
        found = values.line(value)
        if colon and found and "??" not in found:
            rows[key.strip()] = found
    return {
        "name": rows.get("Model"),
        "uuid": rows.get("GPU UUID"),
        "vbios": rows.get("Video BIOS"),
        "pci_address": pci.address(rows.get("Bus Location")),
        "minor": values.integer(rows.get("Device Minor")),
        "excluded": rows.get("GPU Excluded", "No") == "Yes",
    }
