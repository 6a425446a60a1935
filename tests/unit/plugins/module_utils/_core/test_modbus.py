# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of Modbus/TCP: those of its specification, and those that are none."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import modbus
from ansible_collections.physical_ai.edge.plugins.module_utils._core.idle import AnswerError

NUMBER, UNIT = 0x1501, 0x11


@pytest.mark.parametrize(
    ("table", "address", "frame"),
    [
        ("coil", 0x13, "1501 0000 0006 11 01 0013 0001"),
        ("discrete_input", 0xC4, "1501 0000 0006 11 02 00c4 0001"),
        ("holding_register", 0x6B, "1501 0000 0006 11 03 006b 0001"),
        ("input_register", 65535, "1501 0000 0006 11 04 ffff 0001"),
    ],
)
def test_requests(table: str, address: int, frame: str) -> None:
    assert modbus.request(NUMBER, UNIT, table, address) == bytes.fromhex(frame)


def test_only_functions_that_read_are_known() -> None:
    assert sorted(modbus.FUNCTIONS.values()) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("table", "frame", "value"),
    [
        ("coil", "1501 0000 0004 11 01 01 01", True),
        ("coil", "1501 0000 0004 11 01 01 fe", False),  # the other bits are padding
        ("discrete_input", "1501 0000 0004 11 02 01 ff", True),
        ("holding_register", "1501 0000 0005 11 03 02 022b", 555),
        ("input_register", "1501 0000 0005 11 04 02 ffff", 65535),
    ],
)
def test_answers(table: str, frame: str, value: t.Union[bool, int]) -> None:
    raw = bytes.fromhex(frame)
    assert modbus.remaining(raw[: modbus.HEADER]) == len(raw) - modbus.HEADER
    found = modbus.value(NUMBER, UNIT, table, raw)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("frame", "words", "silent"),
    [
        ("1501 0000 0003 11 83 01", "exception 1: illegal function", False),
        ("1501 0000 0003 11 83 02", "exception 2: illegal data address", False),
        ("1501 0000 0003 11 83 06", "exception 6: server device busy", False),
        ("1501 0000 0003 11 83 0a", "exception 10: gateway path unavailable", True),
        ("1501 0000 0003 11 83 0b", "exception 11: gateway target device failed to respond", True),
        ("1501 0000 0003 11 83 63", "exception 99: of no known name", False),
        ("1501 0001 0005 11 03 02 022b", "not Modbus/TCP: protocol 1", False),
        ("1501 0000 0002 11 03", "not Modbus/TCP: length 2, allowed are 3 to 254", False),
        ("1501 0000 ffff 11 03 02 022b", "length 65535", False),
        ("1502 0000 0005 11 03 02 022b", "to another request", False),
        ("1501 0000 0005 12 03 02 022b", r"another unit \(18, asked was 17\)", False),
        ("1501 0000 0005 11 04 02 022b", "not one to a read of a holding_register", False),
        ("1501 0000 0004 11 03 01 02", "not one to a read", False),
        ("1501 0000 0007 11 03 02 022b 0000", "not one to a read", False),
        ("1501 0000 0005 11 03 02 02", "not what it says of itself", False),
        ("1501 0000", "too short", False),
        ("", "too short", False),
    ],
)
def test_what_is_no_answer_says_why(frame: str, words: str, silent: bool) -> None:
    with pytest.raises(AnswerError, match=words) as caught:
        modbus.value(NUMBER, UNIT, "holding_register", bytes.fromhex(frame))
    assert caught.value.silent is silent


@given(st.sampled_from(sorted(modbus.FUNCTIONS)), st.binary(max_size=300), st.booleans())
def test_whatever_comes_is_a_value_or_the_one_error(table: str, tail: bytes, framed: bool) -> None:
    frame = tail
    if framed and len(tail) >= 2:
        frame = bytes.fromhex("1501 0000") + (len(tail) + 1).to_bytes(2, "big") + bytes([UNIT]) + tail
    try:
        value = modbus.value(NUMBER, UNIT, table, frame)
    except AnswerError:
        return
    assert isinstance(value, bool) if modbus.FUNCTIONS[table] <= 2 else 0 <= value <= 65535


@given(st.binary(max_size=10))
def test_a_header_never_asks_for_more_than_a_frame(header: bytes) -> None:
    with contextlib.suppress(AnswerError):
        assert 2 <= modbus.remaining(header) <= 253
