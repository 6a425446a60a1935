# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modbus/TCP, as much of it as reads one value: functions 1 to 4, never one that writes. Pure: bytes in, bytes out."""

from __future__ import annotations

import struct
import typing as t

from .idle import AnswerError

FUNCTIONS = {"coil": 1, "discrete_input": 2, "holding_register": 3, "input_register": 4}
HEADER = 7
"""Bytes that say how many follow."""

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    7: "negative acknowledge",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
_UNREACHABLE = (10, 11)
"""A gateway answered, not the device behind it."""
_SHORTEST, _LONGEST = 3, 254


def request(number: int, unit: int, table: str, address: int) -> bytes:
    """Asks for one value. `number` comes back with its answer."""
    return struct.pack(">HHHBBHH", number, 0, 6, unit, FUNCTIONS[table], address, 1)


def remaining(header: bytes) -> int:
    """How many bytes follow a header.

    :raises AnswerError: for one that is none of Modbus/TCP.
    """
    if len(header) != HEADER:
        raise AnswerError(f"the answer is too short: {len(header)} bytes")
    dummy, protocol, size, dummy2 = struct.unpack(">HHHB", header)
    if protocol != 0:
        raise AnswerError(f"the answer is not Modbus/TCP: protocol {protocol}, wanted 0")
    if not _SHORTEST <= size <= _LONGEST:
        raise AnswerError(f"the answer is not Modbus/TCP: length {size}, allowed are {_SHORTEST} to {_LONGEST}")
    return size - 1


def value(number: int, unit: int, table: str, frame: bytes) -> t.Union[bool, int]:
    """The value in an answer.

    :raises AnswerError: for anything else, whatever the bytes are.
    """
    if len(frame) - HEADER != remaining(frame[:HEADER]):
        raise AnswerError(f"the answer has {len(frame)} bytes, which is not what it says of itself")
    if struct.unpack(">H", frame[:2])[0] != number or frame[6] != unit:
        raise AnswerError(f"the answer is that to another request, or of another unit ({frame[6]}, asked was {unit})")
    function, body = FUNCTIONS[table], frame[HEADER:]
    if body[0] == function | 0x80:
        raise _exception(body[1])
    wanted = 1 if function <= 2 else 2
    if body[0] != function or body[1] != wanted or len(body) != 2 + wanted:
        raise AnswerError(f"the answer is not one to a read of a {table}: function {body[0]}, {len(body)} bytes")
    return bool(body[2] & 1) if function <= 2 else int.from_bytes(body[2:4], "big")


def _exception(code: int) -> AnswerError:
    name = EXCEPTIONS.get(code, "of no known name")
    return AnswerError(f"Modbus exception {code}: {name}", silent=code in _UNREACHABLE)
