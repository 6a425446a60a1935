# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingerprints of the keys in a keyring, so that no gpg is needed on a node that has none.

Private to this collection: not an interface.
"""

from __future__ import annotations

import base64
import hashlib
import typing as t

BEGIN = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
END = "-----END PGP PUBLIC KEY BLOCK-----"
PUBLIC_KEY = 6


class KeyringError(ValueError):
    """What is wrong with the keyring, in a few words."""


def fingerprints(data: bytes) -> t.List[str]:
    """Of each primary key, in capitals."""
    found = [_fingerprint(body) for tag, body in _packets(binary(data)) if tag == PUBLIC_KEY]
    if not found:
        raise KeyringError("holds no public key")
    return found


def normal(fingerprint: str) -> str:
    """As people write it, with spaces or colons, to what `fingerprints` gives."""
    return "".join(fingerprint.replace(":", " ").split()).upper()


def is_armored(data: bytes) -> bool:
    return BEGIN.encode() in data


def binary(data: bytes) -> bytes:
    return _dearmor(data.decode("ascii", "replace")) if is_armored(data) else data


def armored(data: bytes) -> str:
    """As text; a keyring that is text already stays as it is."""
    if is_armored(data):
        return data.decode("ascii", "replace").strip() + "\n"
    text = base64.b64encode(data).decode("ascii")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    check = base64.b64encode(_crc24(data).to_bytes(3, "big")).decode("ascii")
    return "\n".join([BEGIN, "", *lines, "=" + check, END, ""])


def _dearmor(text: str) -> bytes:
    result = b""
    for block in text.split(BEGIN)[1:]:
        inner = block.partition(END)[0].replace("\r", "").lstrip(" ")
        dummy, blank, body = inner.partition("\n\n")
        lines = [line.strip() for line in (body if blank else inner).splitlines()]
        try:
            result += base64.b64decode("".join(line for line in lines if not line.startswith("=")), validate=True)
        except ValueError:
            raise KeyringError("is damaged: it is not base64 between its first and last line") from None
    return result


def _packets(data: bytes) -> t.Iterator[t.Tuple[int, bytes]]:
    at = 0
    while at < len(data):
        head = data[at]
        if not head & 0x80:
            raise KeyringError("is not an OpenPGP key")
        tag, at, length = _length(data, at)
        if at + length > len(data):
            raise KeyringError("is cut off")
        yield tag, data[at : at + length]
        at += length


def _length(data: bytes, at: int) -> t.Tuple[int, int, int]:
    """Tag, where the body begins, and how long it is (RFC 9580, 4.2)."""
    head = data[at]
    rest = data[at + 1 : at + 6]
    if len(rest) < 1:
        raise KeyringError("is cut off")
    if not head & 0x40:
        octets = 1 << (head & 3)
        if octets == 8 or len(rest) < octets:
            raise KeyringError("is cut off")
        return (head >> 2) & 15, at + 1 + octets, int.from_bytes(rest[:octets], "big")
    first = rest[0]
    if first < 192:
        return head & 63, at + 2, first
    if first < 224 and len(rest) > 1:
        return head & 63, at + 3, ((first - 192) << 8) + rest[1] + 192
    if first == 255 and len(rest) > 4:
        return head & 63, at + 6, int.from_bytes(rest[1:5], "big")
    raise KeyringError("is cut off, or written in parts")


def _fingerprint(body: bytes) -> str:
    version = body[0] if body else 0
    if version == 4:
        # What a fingerprint of this version is; nothing is trusted because of it alone that the owner did not name.
        return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()  # noqa: S324
    if version == 6:
        return hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    raise KeyringError(f"has a key of version {version}, wanted 4 or 6")


def _crc24(data: bytes) -> int:
    crc = 0xB704CE
    for octet in data:
        crc ^= octet << 16
        for dummy in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc & 0xFFFFFF
