# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small client of OPC UA: what a server answered (recorded), and whatever else may come."""

from __future__ import annotations

import json
import struct
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import opcua
from ansible_collections.physical_ai.edge.plugins.module_utils._core.idle import AnswerError
from tests.tools.sync import ROOT

RECORDED = json.loads((ROOT / "tests/unit/fixtures/opcua.json").read_text(encoding="utf-8"))["conversations"]
FRAMES = [bytes.fromhex(frame) for frame in RECORDED[0]["frames"]]
"""Of one conversation: ACK, OPN, session created, activated, read, closed."""
MOST_SENT = 400


def talk(frames: t.Sequence[bytes], node: str = "ns=2;s=Idle") -> opcua.Result:
    """Answers with these frames, one for each that is wanted."""
    speaker = opcua.conversation("opc.tcp://plc:4840", opcua.node_id(node))
    next(speaker)
    for frame in frames:
        try:
            speaker.send(frame)
        except StopIteration as done:
            return t.cast(opcua.Result, done.value)
    raise AssertionError("it wants more frames")


def message(body: bytes, chunk: bytes = b"F", kind: bytes = b"MSG") -> bytes:
    content = struct.pack("<IIII", 6, 13, 5, 5) + body
    return kind + chunk + struct.pack("<I", 8 + len(content)) + content


def answer(service: int, rest: bytes = b"", result: int = 0) -> bytes:
    header = struct.pack("<BBHqII", 1, 0, service, 0, 1, result) + b"\0" + struct.pack("<i", -1) + b"\0\0\0"
    return message(header + rest)


def reading(value: bytes) -> bytes:
    return answer(opcua.READ + 3, struct.pack("<i", 1) + value)


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case["node"])
def test_what_a_server_said(case: t.Dict[str, t.Any]) -> None:
    found = talk([bytes.fromhex(frame) for frame in case["frames"]], case["node"])
    assert (found.value, str(found.problem) if found.problem else None) == (case["value"], case["problem"])
    assert found.farewell[:4] == b"CLOF"


@pytest.mark.parametrize(
    ("text", "binary"),
    [
        ("i=2258", "02 0000 d2080000"),
        ("ns=1;i=7", "02 0100 07000000"),
        ("ns=2;s=Robot.Idle", "03 0200 0a000000" + b"Robot.Idle".hex()),
        ("ns=3;s=a;b=c", "03 0300 05000000" + b"a;b=c".hex()),
        ("s=ns=2;x", "03 0000 06000000" + b"ns=2;x".hex()),
        ("ns=1;g=00112233-4455-6677-8899-aabbccddeeff", "04 0100 33221100 5544 7766 8899aabbccddeeff"),
        ("ns=1;b=AQI=", "05 0100 02000000 0102"),
    ],
)
def test_nodes(text: str, binary: str) -> None:
    raw = bytes.fromhex(binary)
    assert opcua.node_id(text) == raw
    reader = opcua.Reader(raw + b"x")
    assert (reader.node_id(), reader.rest()) == (raw, b"x")


@pytest.mark.parametrize(
    "text", ["", "x", "i=", "i=-1", "i=4294967296", "ns=2", "ns=;i=1", "ns=65536;i=1", "ns=2;", "s=", "ns=1;g=1", "b=*"]
)
def test_what_is_no_node(text: str) -> None:
    with pytest.raises(ValueError):
        opcua.node_id(text)


@given(st.text(max_size=40))
def test_text_is_a_node_or_a_value_error(text: str) -> None:
    try:
        raw = opcua.node_id(text)
    except ValueError:
        return
    assert opcua.Reader(raw).node_id() == raw


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("01 01 01", True),
        ("01 01 00", False),
        ("01 02 ff", -1),
        ("01 03 ff", 255),
        ("01 04 feff", -2),
        ("01 05 feff", 65534),
        ("01 06 ffffffff", -1),
        ("01 07 ffffffff", 4294967295),
        ("01 08 ffffffffffffffff", -1),
        ("01 09 ffffffffffffffff", 18446744073709551615),
        ("01 0a 0000ac41", 21.5),
        ("01 0b 0000000000803540", 21.5),
        ("01 0c 04000000 49646c65", "Idle"),
        ("01 0c ffffffff", ""),
        ("03 01 01 00000000", True),
    ],
)
def test_values(value: str, found: t.Any) -> None:
    result = talk([*FRAMES[:4], reading(bytes.fromhex(value)), FRAMES[5]])
    assert result.problem is None
    assert result.value == found and type(result.value) is type(found)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("01 81 01000000 01", "an array"),
        ("01 0d 0000000000000000", "of type 13"),
        ("01 00", "there is no value"),
        ("00", "there is no value"),
        ("02 00003480", "not good: BadNodeIdUnknown"),
        ("03 01 01 00009240", "not good: UncertainInitialValue"),
        ("02 0000ff80", "not good: status 0x80FF0000"),
        ("01 0b 0000", "cut short"),
        ("01 0c 04000000 49", "cut short"),
    ],
)
def test_what_is_no_value_says_why_and_the_session_is_closed(value: str, words: str) -> None:
    result = talk([*FRAMES[:4], reading(bytes.fromhex(value)), FRAMES[5]])
    assert words in str(result.problem)
    assert result.farewell


def test_what_fails_before_there_is_a_session_is_an_error() -> None:
    refused = b"ERRF" + struct.pack("<IIi", 8 + 8 + 4, 0x80830000, 4) + b"nope"
    with pytest.raises(AnswerError, match=r"refuses: BadTcpEndpointUrlInvalid \(nope\)"):
        talk([refused])
    with pytest.raises(AnswerError, match="refuses: BadTooManySessions"):
        talk([*FRAMES[:2], answer(397, result=0x80560000)])
    with pytest.raises(AnswerError, match="is of type 634, wanted was 464"):
        talk([*FRAMES[:2], answer(634)])
    with pytest.raises(AnswerError, match="not OPC UA"):
        talk([b"HTTP/1.1 400 Bad Request\r\n\r\n"])


def test_a_refused_user_is_told_and_the_session_is_closed() -> None:
    result = talk([*FRAMES[:3], answer(397, result=0x80210000), FRAMES[5]])
    assert "BadIdentityTokenRejected" in str(result.problem)


def test_without_anonymous_access_it_is_said_so() -> None:
    assert FRAMES[2].count(b"anonymous\0\0\0\0") == 1
    with pytest.raises(AnswerError, match="allow anonymous access"):
        talk([*FRAMES[:2], FRAMES[2].replace(b"anonymous\0\0\0\0", b"anonymous\1\0\0\0")])


def test_an_answer_in_parts_is_one_and_one_without_end_is_not_taken() -> None:
    whole = FRAMES[2][24:]
    parts = [message(whole[:100], b"C"), message(whole[100:300], b"C"), message(whole[300:])]
    assert talk([*FRAMES[:2], *parts, *FRAMES[3:]]).value is True
    with pytest.raises(AnswerError, match="more than 64 frames"):
        talk([*FRAMES[:2], *[message(b"x", b"C")] * 64])
    with pytest.raises(AnswerError, match="longer than 1048576 bytes"):
        talk([*FRAMES[:2], *[message(bytes(60000), b"C")] * 20])
    aborted = message(struct.pack("<Ii", 0x80800000, -1), b"A")
    with pytest.raises(AnswerError, match="BadTcpMessageTooLarge"):
        talk([*FRAMES[:2], message(whole[:100], b"C"), aborted])


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"MSGF" + struct.pack("<I", 8), "a frame of 8 bytes"),
        (b"MSGF" + struct.pack("<I", 0xFFFFFFFF), "a frame of 4294967295 bytes"),
        (b"SSH-2.0-", "not OPC UA"),
        (b"MSG", "not OPC UA"),
    ],
)
def test_hostile_lengths_are_not_waited_for(header: bytes, words: str) -> None:
    with pytest.raises(AnswerError, match=words):
        opcua.size(header)


def survives(frames: t.Sequence[bytes]) -> None:
    """The frames, and then the good ones, end in a result or in the one error; requests stay small."""
    speaker = opcua.conversation("opc.tcp://plc:4840", opcua.node_id("i=1"))
    assert len(next(speaker)) < MOST_SENT
    for frame in [*frames, *FRAMES * 20]:
        try:
            assert len(speaker.send(frame)) < MOST_SENT + len(frame)
        except AnswerError:
            return
        except StopIteration as done:
            assert (done.value.value is None) or done.value.problem is None
            return


@given(st.integers(0, 6), st.binary(max_size=200), st.sampled_from([b"", b"MSGF", b"MSGC", b"OPNF", b"ACKF", b"ERRF"]))
def test_any_bytes_at_any_point(good: int, data: bytes, kind: bytes) -> None:
    survives([*FRAMES[:good], kind + struct.pack("<I", 8 + len(data)) + data if kind else data])


@given(st.integers(0, 5), st.data())
def test_any_damage_to_a_good_answer(which: int, data: st.DataObject) -> None:
    frame = bytearray(FRAMES[which])
    for _number in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(frame)))
    survives([*FRAMES[:which], bytes(frame[: end or None])])


def test_diagnostics_that_lie_in_each_other_without_end_are_left() -> None:
    with pytest.raises(AnswerError, match="without an end"):
        opcua.Reader(b"\x40" * 1000).diagnostics()
    reader = opcua.Reader(b"\x4f" + bytes(16) + b"\x30" + struct.pack("<i", 1) + b"aABCDrest")
    reader.diagnostics()
    assert reader.rest() == b"rest"


def test_an_array_cannot_have_more_elements_than_bytes() -> None:
    with pytest.raises(AnswerError, match="2147483647 elements"):
        opcua.Reader(struct.pack("<i", 2147483647) + b"xx").count()
