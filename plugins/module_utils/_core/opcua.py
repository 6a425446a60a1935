# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OPC UA over TCP, as much of it as reads one value: SecurityPolicy None, anonymous. Pure: bytes in, bytes out.

:func:`conversation` yields what is to be sent and takes the next frame; whoever has the connection does both.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import struct
import typing as t
import uuid
from dataclasses import dataclass

from .idle import AnswerError, Value

HEADER = 8
"""Bytes of a frame that say what it is and how long."""
LARGEST_FRAME = 1 << 16
LARGEST_MESSAGE = 1 << 20
MOST_FRAMES = 64
SESSION_SECONDS = 10.0
"""After so long a server forgets a session whose client went away."""

_POLICY = "http://opcfoundation.org/UA/SecurityPolicy#None"
_APPLICATION = "urn:physical-ai:edge"
_NULL = struct.pack("<i", -1)
_VALUE, _NEITHER, _CLIENT, _ANONYMOUS, _NO_SECURITY = 13, 3, 1, 0, 1

OPEN_CHANNEL, CLOSE_CHANNEL = 446, 452
CREATE_SESSION, ACTIVATE_SESSION, CLOSE_SESSION, READ = 461, 467, 473, 631
ANONYMOUS_TOKEN = 321

STATUS = {
    0x80010000: "BadUnexpectedError",
    0x80020000: "BadInternalError",
    0x80030000: "BadOutOfMemory",
    0x80040000: "BadResourceUnavailable",
    0x80050000: "BadCommunicationError",
    0x80070000: "BadDecodingError",
    0x800A0000: "BadTimeout",
    0x800B0000: "BadServiceUnsupported",
    0x800C0000: "BadShutdown",
    0x800E0000: "BadServerHalted",
    0x80130000: "BadSecurityChecksFailed",
    0x801F0000: "BadUserAccessDenied",
    0x80200000: "BadIdentityTokenInvalid",
    0x80210000: "BadIdentityTokenRejected",
    0x80220000: "BadSecureChannelIdInvalid",
    0x80250000: "BadSessionIdInvalid",
    0x80310000: "BadNoCommunication",
    0x80320000: "BadWaitingForInitialData",
    0x80330000: "BadNodeIdInvalid",
    0x80340000: "BadNodeIdUnknown",
    0x80350000: "BadAttributeIdInvalid",
    0x803A0000: "BadNotReadable",
    0x80540000: "BadSecurityModeRejected",
    0x80550000: "BadSecurityPolicyRejected",
    0x80560000: "BadTooManySessions",
    0x807D0000: "BadTcpServerTooBusy",
    0x807E0000: "BadTcpMessageTypeInvalid",
    0x80800000: "BadTcpMessageTooLarge",
    0x80830000: "BadTcpEndpointUrlInvalid",
    0x808A0000: "BadNotConnected",
    0x808B0000: "BadDeviceFailure",
    0x808C0000: "BadSensorFailure",
    0x808D0000: "BadOutOfService",
    0x40900000: "UncertainLastUsableValue",
    0x40920000: "UncertainInitialValue",
}
_SCALARS = {2: "b", 3: "B", 4: "h", 5: "H", 6: "i", 7: "I", 8: "q", 9: "Q", 10: "f", 11: "d"}


def status(code: int) -> str:
    return STATUS.get(code & 0xFFFF0000, f"status 0x{code:08X}")


class Reader:
    """Takes values off the front of an answer; each :raises AnswerError: where there is not enough left."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        if count < 0 or count > len(self._data) - self._at:
            raise AnswerError("the answer is cut short, or no OPC UA")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, form: str) -> t.Any:
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    def octets(self) -> bytes:
        size = self.number("i")
        return b"" if size < 0 else self.take(size)

    def text(self) -> str:
        return self.octets().decode("utf-8", "replace")

    def count(self) -> int:
        """Of an array. Each element has a byte or more, so that no number can make it endless."""
        size = self.number("i")
        if size > len(self._data) - self._at:
            raise AnswerError(f"the answer is cut short: it should have {size} elements")
        return max(0, size)

    def node_id(self) -> bytes:
        """As it is written, to be sent back."""
        begin = self._at
        form = self.number("B")
        kind = form & 0x3F
        if kind in (3, 5):
            self.take(2)
            self.octets()
        elif kind in (0, 1, 2, 4):
            self.take({0: 1, 1: 3, 2: 6, 4: 18}[kind])
        else:
            raise AnswerError(f"the answer has a NodeId of unknown form {kind}")
        if form & 0x80:
            self.octets()
        if form & 0x40:
            self.take(4)
        return self._data[begin : self._at]

    def type_id(self) -> int:
        """The number of a type of the standard."""
        raw = self.node_id()
        if raw[0] == 1 and raw[1] == 0:
            return int.from_bytes(raw[2:4], "little")
        return int.from_bytes(raw[3:7], "little") if raw[0] == 2 else -1

    def localized(self) -> str:
        mask = self.number("B")
        if mask & 1:
            self.octets()
        return self.text() if mask & 2 else ""

    def extension(self) -> None:
        self.node_id()
        if self.number("B"):
            self.octets()

    def diagnostics(self) -> None:
        for dummy in range(MOST_FRAMES):
            mask = self.number("B")
            self.take(4 * bin(mask & 0x0F).count("1"))
            if mask & 0x10:
                self.octets()
            if mask & 0x20:
                self.take(4)
            if not mask & 0x40:
                return
        raise AnswerError("the answer has diagnostics without an end")


def _octets(value: bytes) -> bytes:
    return struct.pack("<i", len(value)) + value


def _text(value: str) -> bytes:
    return _octets(value.encode("utf-8"))


def _type(number: int) -> bytes:
    return struct.pack("<BBH", 1, 0, number)


def node_id(text: str) -> bytes:
    """The binary form of `ns=2;s=Robot.Idle`, `i=2258`, `g=<uuid>` or `b=<base64>`.

    :raises ValueError: for text that is none.
    """
    head, semicolon, tail = text.partition(";")
    if not head.startswith("ns="):
        head, tail = "ns=0", text
    elif not semicolon:
        raise ValueError(text)
    namespace = int(head[3:])
    kind, value = tail[:2], tail[2:]
    try:
        if kind == "i=":
            return struct.pack("<BHI", 2, namespace, int(value))
        if kind == "s=" and value:
            return struct.pack("<BH", 3, namespace) + _text(value)
        if kind == "g=":
            return struct.pack("<BH", 4, namespace) + uuid.UUID(value).bytes_le
        if kind == "b=" and value:
            return struct.pack("<BH", 5, namespace) + _octets(base64.b64decode(value, validate=True))
    except (struct.error, binascii.Error):
        pass
    raise ValueError(text)


def size(header: bytes) -> int:
    """How many bytes follow the header of a frame.

    :raises AnswerError: for one that is none of OPC UA, or too long to be read.
    """
    if len(header) != HEADER or header[:3] not in (b"ACK", b"ERR", b"OPN", b"MSG", b"CLO"):
        raise AnswerError("the answer is not OPC UA")
    found = int(struct.unpack("<I", header[4:])[0])
    if not HEADER < found <= LARGEST_FRAME:
        raise AnswerError(f"the answer is not OPC UA: a frame of {found} bytes, allowed are up to {LARGEST_FRAME}")
    return found - HEADER


def _frame(kind: bytes, body: bytes) -> bytes:
    return kind + b"F" + struct.pack("<I", HEADER + len(body)) + body


@dataclass
class Result:
    """`problem` is why there is no value; `farewell` is sent last, and not answered."""

    value: Value = None
    problem: t.Optional[AnswerError] = None
    farewell: bytes = b""


Talk = t.Generator[bytes, bytes, t.Any]


class _Channel:
    """One connection: numbers its requests and puts the frames of an answer together."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._channel = self._token = self._number = 0
        self._session = b"\0\0"

    def _header(self) -> bytes:
        return self._session + struct.pack("<qII", 0, self._number, 0) + _NULL + struct.pack("<I", 5000) + b"\0\0\0"

    def _sequence(self) -> bytes:
        self._number += 1
        return struct.pack("<II", self._number, self._number)

    def hello(self) -> Talk:
        limits = struct.pack("<IIIII", 0, LARGEST_FRAME, LARGEST_FRAME, LARGEST_MESSAGE, MOST_FRAMES)
        frame = yield _frame(b"HEL", limits + _text(self.url))
        if frame[:3] == b"ERR":
            raise _error(frame)
        size(frame[:HEADER])
        if frame[:4] != b"ACKF" or len(frame) < HEADER + 20:
            raise AnswerError("the answer to the greeting is not OPC UA")

    def open(self) -> Talk:
        number = self._sequence()
        body = _type(OPEN_CHANNEL) + self._header() + struct.pack("<III", 0, 0, _NO_SECURITY) + _NULL
        security = struct.pack("<I", 0) + _text(_POLICY) + _NULL + _NULL
        frame = _frame(b"OPN", security + number + body + struct.pack("<I", 60000))
        answer = yield from self._answer(frame, OPEN_CHANNEL + 3)
        answer.take(4)
        self._channel, self._token = answer.number("I"), answer.number("I")

    def call(self, service: int, body: bytes) -> Talk:
        """A request; returns a :class:`Reader` of what follows the header of its answer."""
        return (yield from self._answer(self._message(b"MSG", service, body), service + 3))

    def _message(self, kind: bytes, service: int, body: bytes) -> bytes:
        secured = struct.pack("<II", self._channel, self._token) + self._sequence()
        return _frame(kind, secured + _type(service) + self._header() + body)

    def close(self) -> bytes:
        return self._message(b"CLO", CLOSE_CHANNEL, b"")

    def _answer(self, request: bytes, wanted: int) -> Talk:
        body = b""
        for dummy in range(MOST_FRAMES):
            frame = yield request
            request = b""
            last, part = _part(frame)
            body += part
            if len(body) > LARGEST_MESSAGE:
                raise AnswerError(f"the answer is longer than {LARGEST_MESSAGE} bytes")
            if last:
                return self._opened(Reader(body), wanted)
        raise AnswerError(f"the answer comes in more than {MOST_FRAMES} frames")

    @staticmethod
    def _opened(reader: Reader, wanted: int) -> Reader:
        """The answer behind its header, which tells whether the service was done."""
        found = reader.type_id()
        reader.take(12)
        result = reader.number("I")
        reader.diagnostics()
        for dummy in range(reader.count()):
            reader.octets()
        reader.extension()
        if result & 0x80000000:
            raise AnswerError(f"the OPC UA server refuses: {status(result)}")
        if found != wanted:
            raise AnswerError(f"the answer is of type {found}, wanted was {wanted}")
        return reader

    def begin(self, nonce: bytes) -> Talk:
        """Opens a session, as nobody."""
        described = _text(_APPLICATION) * 2 + b"\2" + _text("edge") + struct.pack("<I", _CLIENT) + _NULL * 3
        body = described + _NULL + _text(self.url) + _text("edge") + _octets(nonce) + _NULL
        answer = yield from self.call(
            CREATE_SESSION, body + struct.pack("<dI", SESSION_SECONDS * 1000, LARGEST_MESSAGE)
        )
        answer.node_id()
        self._session = answer.node_id()
        answer.take(8)
        answer.octets()
        answer.octets()
        return _anonymous(answer)

    def activate(self, policy: str) -> Talk:
        identity = _type(ANONYMOUS_TOKEN) + b"\1" + _octets(_text(policy))
        yield from self.call(ACTIVATE_SESSION, _NULL * 2 + _NULL + _NULL + identity + _NULL * 2)

    def read(self, node: bytes) -> Talk:
        body = struct.pack("<dIi", 0.0, _NEITHER, 1) + node + struct.pack("<I", _VALUE) + _NULL + b"\0\0" + _NULL
        answer = yield from self.call(READ, body)
        if answer.count() != 1:
            raise AnswerError("the answer has not one value")
        return data_value(answer)

    def end(self) -> Talk:
        with contextlib.suppress(AnswerError):
            yield from self.call(CLOSE_SESSION, b"\1")
        return self.close()


def _error(frame: bytes) -> AnswerError:
    reader = Reader(frame[HEADER:])
    code = reader.number("I")
    reason = reader.text()[:200]
    return AnswerError(f"the OPC UA server refuses: {status(code)}" + (f" ({reason})" if reason else ""))


def _part(frame: bytes) -> t.Tuple[bool, bytes]:
    """(whether it is the last, what it carries) of one frame of an answer."""
    size(frame[:HEADER])
    kind, chunk = frame[:3], frame[3:4]
    if kind == b"ERR" or chunk == b"A":
        raise _error(frame if kind == b"ERR" else frame[:HEADER] + frame[HEADER + 16 :])
    reader = Reader(frame[HEADER:])
    reader.take(4)
    if kind == b"OPN":
        for dummy in range(3):
            reader.octets()
    elif kind == b"MSG":
        reader.take(4)
    else:
        raise AnswerError("the OPC UA server ended the connection")
    reader.take(8)
    if chunk not in (b"F", b"C"):
        raise AnswerError("the answer is not OPC UA: it is neither whole nor a part")
    return chunk == b"F", reader.rest()


def _anonymous(answer: Reader) -> str:
    """The server's own name of being nobody, of an endpoint without security."""
    found = []
    for dummy in range(answer.count()):
        answer.octets()
        _application(answer)
        answer.octets()
        mode, dummy2 = answer.number("I"), answer.octets()
        for dummy3 in range(answer.count()):
            policy, kind = answer.text(), answer.number("I")
            for dummy4 in range(3):
                answer.octets()
            if kind == _ANONYMOUS:
                found.append((mode != _NO_SECURITY, policy))
        answer.octets()
        answer.take(1)
    if not found:
        raise AnswerError("the OPC UA server lets nobody in without a user: allow anonymous access for reading")
    return min(found, key=lambda item: item[0])[1]


def _application(answer: Reader) -> None:
    answer.octets()
    answer.octets()
    answer.localized()
    answer.take(4)
    answer.octets()
    answer.octets()
    for dummy in range(answer.count()):
        answer.octets()


def data_value(answer: Reader) -> Value:
    """A Boolean, number or text.

    :raises AnswerError: where there is none, or it is not good.
    """
    mask = answer.number("B")
    value = variant(answer) if mask & 1 else None
    code = answer.number("I") if mask & 2 else 0
    if code & 0xC0000000:
        raise AnswerError(f"the value is not good: {status(code)}")
    if value is None:
        raise AnswerError("there is no value")
    return value


def variant(answer: Reader) -> Value:
    """None for an empty one."""
    form = answer.number("B")
    kind = form & 0x3F
    if form & 0xC0:
        raise AnswerError("the value is an array: name a node with one value")
    if kind == 0:
        return None
    if kind == 1:
        return bool(answer.number("B"))
    if kind in _SCALARS:
        return t.cast(Value, answer.number(_SCALARS[kind]))
    if kind == 12:
        return answer.text()
    raise AnswerError(f"the value is of type {kind}: wanted a Boolean, a number or text")


def conversation(url: str, node: bytes, nonce: bytes = bytes(32)) -> t.Generator[bytes, bytes, Result]:
    """Yields what is to be sent (nothing, where another frame of the same answer is wanted) and takes one whole frame.

    :raises AnswerError: for whatever comes before there is a session; later the session is closed first.
    """
    channel = _Channel(url)
    yield from channel.hello()
    yield from channel.open()
    policy = yield from channel.begin(nonce)
    result = Result()
    try:
        yield from channel.activate(policy)
        result.value = yield from channel.read(node)
    except AnswerError as exc:
        result.problem = exc
    result.farewell = yield from channel.end()
    return result
