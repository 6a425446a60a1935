# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""USB devices by their attributes in sysfs."""

from __future__ import annotations

import typing as t

from . import values
from .values import Facts

ATTRIBUTES = ("idVendor", "idProduct", "manufacturer", "product", "serial", "speed", "version", "bDeviceClass")
_HUB = 0x09
_HIGH_SPEED = 480.0


def facts(name: str, attributes: t.Mapping[str, t.Optional[str]]) -> Facts:
    """
    :param name: its place: bus and ports, such as `1-2.4`.

    `slow` is a device for USB 3 that runs at the speed of USB 2: a wrong port, cable or hub. Such a device says 2.10 there.
    """
    speed = values.decimal(attributes.get("speed"))
    version = values.decimal((attributes.get("version") or "").strip())
    return {
        "port": name,
        "vendor_id": _identifier(attributes.get("idVendor")),
        "product_id": _identifier(attributes.get("idProduct")),
        "manufacturer": values.line(attributes.get("manufacturer")),
        "product": values.line(attributes.get("product")),
        "serial": values.line(attributes.get("serial")),
        "speed_mbps": speed,
        "slow": speed is not None and version is not None and version >= 2.1 and speed <= _HIGH_SPEED and speed > 12,
    }


def is_hub(attributes: t.Mapping[str, t.Optional[str]]) -> bool:
    return values.hexadecimal(attributes.get("bDeviceClass")) == _HUB


def interface_class(attributes: t.Mapping[str, t.Optional[str]]) -> t.Optional[str]:
    """What an interface is for, in a word."""
    kind = values.hexadecimal(attributes.get("bInterfaceClass"))
    if kind == 0xEF and values.hexadecimal(attributes.get("bInterfaceSubClass")) == 0x05:
        return "usb3_vision"
    names = {0x01: "audio", 0x02: "cdc", 0x03: "hid", 0x08: "storage", 0x0A: "cdc", 0x0E: "video", 0xE0: "wireless"}
    return None if kind is None else names.get(kind, f"{kind:02x}")


def _identifier(text: t.Optional[str]) -> t.Optional[str]:
    number = values.hexadecimal(text)
    return f"{number:04x}" if number is not None and number <= 0xFFFF else None
