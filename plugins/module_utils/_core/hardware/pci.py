# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs on the PCI bus, as sysfs shows them with no driver at all."""

from __future__ import annotations

import re
import typing as t

from . import values
from .values import Facts

NVIDIA = 0x10DE
_DISPLAY = 0x03
_ADDRESS = re.compile(r"^([0-9a-fA-F]{4,8}):([0-9a-fA-F]{2}):([0-9a-fA-F]{2})\.([0-7])$")
# PCIe generation by transfer rate, as `current_link_speed` says it.
_GENERATION = {"2.5": 1, "5.0": 2, "5": 2, "8.0": 3, "8": 3, "16.0": 4, "16": 4, "32.0": 5, "32": 5, "64.0": 6, "64": 6}


def address(text: t.Any) -> t.Optional[str]:
    """`00000000:01:00.0` of the driver as the `0000:01:00.0` of the kernel."""
    match = _ADDRESS.match(text.strip()) if isinstance(text, str) else None
    if match is None:
        return None
    domain, bus, device, function = match.groups()
    return f"{int(domain, 16):04x}:{bus}:{device}.{function}".lower()


def is_gpu(attributes: t.Mapping[str, t.Optional[str]]) -> bool:
    """A display or 3D controller of NVIDIA; the audio function beside it is none."""
    kind = values.hexadecimal(attributes.get("class"))
    return values.hexadecimal(attributes.get("vendor")) == NVIDIA and kind is not None and kind >> 16 == _DISPLAY


def link(attributes: t.Mapping[str, t.Optional[str]]) -> Facts:
    return {
        "width": _width(attributes.get("current_link_width")),
        "max_width": _width(attributes.get("max_link_width")),
        "generation": _generation(attributes.get("current_link_speed")),
        "max_generation": _generation(attributes.get("max_link_speed")),
    }


def numa_node(text: t.Optional[str]) -> t.Optional[int]:
    number = values.integer(text)
    return number if number is not None and number >= 0 else None  # -1: the machine has no nodes


def _width(text: t.Optional[str]) -> t.Optional[int]:
    number = values.integer(text)
    return number if number is not None and 0 < number <= 32 else None  # 255 and 0: no link


def _generation(text: t.Optional[str]) -> t.Optional[int]:
    return _GENERATION.get((text or "").split(" ")[0].strip())
