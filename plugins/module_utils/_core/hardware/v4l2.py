# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two structures of Video4Linux2 that say what a video node is. Asking for them changes nothing."""

from __future__ import annotations

import struct
import typing as t

from . import values
from .values import Facts

QUERYCAP = 0x80685600
QUERYCAP_SIZE = 104
ENUM_FMT = 0xC0405602
ENUM_FMT_SIZE = 64
MOST_FORMATS = 64

_QUERYCAP = struct.Struct("=16s32s32sIII12x")
_FMTDESC = struct.Struct("=III32sI16x")
_DEVICE_CAPS = 0x80000000
_CAPABILITIES = {
    0x00000001: "video_capture",
    0x00000002: "video_output",
    0x00000004: "video_overlay",
    0x00001000: "video_capture_mplane",
    0x00002000: "video_output_mplane",
    0x00004000: "video_m2m_mplane",
    0x00008000: "video_m2m",
    0x00200000: "ext_pix_format",
    0x00800000: "meta_capture",
    0x01000000: "readwrite",
    0x04000000: "streaming",
    0x08000000: "meta_output",
    0x20000000: "io_mc",
}
# The first of these that a node can do says what it is for, and which list of formats it has.
_ROLES = (
    ("video_m2m", "m2m", 1),
    ("video_m2m_mplane", "m2m", 9),
    ("video_capture", "capture", 1),
    ("video_capture_mplane", "capture", 9),
    ("meta_capture", "metadata", 13),
    ("video_output", "output", 2),
    ("video_output_mplane", "output", 10),
    ("meta_output", "metadata", 14),
)


def querycap(data: bytes) -> t.Optional[Facts]:
    """What VIDIOC_QUERYCAP filled in, with the `buffer_type` to ask formats for; None where it is no such structure."""
    if len(data) != QUERYCAP_SIZE:
        return None
    driver, card, bus_info, dummy, capabilities, device_caps = _QUERYCAP.unpack(data)
    bits = device_caps if capabilities & _DEVICE_CAPS else capabilities
    names = [name for bit, name in _CAPABILITIES.items() if bits & bit]
    role, buffer_type = next(((role, kind) for name, role, kind in _ROLES if name in names), ("unknown", 0))
    return {
        "driver": _text(driver),
        "card": _text(card),
        "bus_info": _text(bus_info),
        "capabilities": names,
        "role": role,
        "buffer_type": buffer_type,
    }


def format_request(index: int, buffer_type: int) -> bytes:
    """The structure that VIDIOC_ENUM_FMT wants filled in."""
    return _FMTDESC.pack(index, buffer_type, 0, b"", 0)


def format_description(data: bytes) -> t.Optional[Facts]:
    if len(data) != ENUM_FMT_SIZE:
        return None
    dummy, dummy2, dummy3, description, code = _FMTDESC.unpack(data)
    fourcc = _text(struct.pack("<I", code & 0x7FFFFFFF)) or "????"
    return {"fourcc": fourcc, "description": _text(description)}


def _text(data: bytes) -> t.Optional[str]:
    return values.line(data.split(b"\0", 1)[0].decode("utf-8", "replace"))
