# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What certificates and requests for them say, read from their bytes. Pure; whether signatures hold is openssl's to say.

The text that openssl prints for people is not read: in it a name with a comma looks like two names.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import ipaddress
import re
import typing as t
from dataclasses import dataclass

from .fields import SpecError

SEQUENCE, SET, INTEGER, BITS, OCTETS, OID, BOOLEAN = 0x30, 0x31, 0x02, 0x03, 0x04, 0x06, 0x01
LARGEST = 64 << 10
"""Bytes of one certificate or request; real ones have one or two thousand."""
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s+([A-Za-z0-9+/=\s]+?)-----END \1-----")
_COMMON_NAME, EXTENSION_REQUEST = "2.5.4.3", "1.2.840.113549.1.9.14"
ALT_NAME, BASIC, KEY_USAGE, EXTENDED_USAGE, KEY_IDENTIFIER = (
    "2.5.29.17",
    "2.5.29.19",
    "2.5.29.15",
    "2.5.29.37",
    "2.5.29.14",
)
CONSTRAINTS = "2.5.29.30"
_EC, _RSA = "1.2.840.10045.2.1", "1.2.840.113549.1.1.1"
_CURVES = {
    "1.2.840.10045.3.1.7": "EC P-256",
    "1.3.132.0.34": "EC P-384",
    "1.3.132.0.35": "EC P-521",
    "1.3.132.0.10": "EC secp256k1",
}
_OTHER_KEYS = {"1.3.101.112": "Ed25519", "1.3.101.113": "Ed448", "1.2.840.10040.4.1": "DSA"}

Item = t.Tuple[int, bytes]


@dataclass(frozen=True)
class Names:
    """Alternative names by kind; `odd` are those of other kinds, as they are shown."""

    dns: t.Tuple[str, ...] = ()
    ip: t.Tuple[str, ...] = ()
    uri: t.Tuple[str, ...] = ()
    odd: t.Tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """What a request asks for. `subject` is (attribute, value) in order; `extensions` are the bytes of each by its OID."""

    subject: t.Tuple[t.Tuple[str, str], ...]
    key: str
    key_bits: int
    names: Names
    extensions: t.Mapping[str, bytes]
    attributes: t.Tuple[str, ...]


@dataclass(frozen=True)
class Certificate:
    """What a certificate says; times are seconds since 1970."""

    serial: str
    not_before: int
    not_after: int
    names: Names
    common_name: str
    authority: bool
    extensions: t.Mapping[str, bytes]


# -- bytes -------------------------------------------------------------------------------------------------------------


def _item(data: bytes) -> t.Tuple[int, bytes, bytes]:
    """(tag, content, what follows) of the first item."""
    if len(data) < 2 or data[0] & 0x1F == 0x1F:
        raise ValueError("it ends too early")
    size, begin = data[1], 2
    if size & 0x80:
        count = size & 0x7F
        if not 1 <= count <= 4 or len(data) < 2 + count:
            raise ValueError("a length is damaged")
        size, begin = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
    if len(data) < begin + size:
        raise ValueError("it ends too early")
    return data[0], data[begin : begin + size], data[begin + size :]


def items(data: bytes) -> t.List[Item]:
    """(tag, content) of each item of a content.

    :raises ValueError: where it is cut off or damaged.
    """
    found = []
    while data:
        tag, content, data = _item(data)
        found.append((tag, content))
    return found


def one(data: bytes, tag: int) -> bytes:
    """The content of an item that stands alone.

    :raises ValueError: where it is another one, or not alone.
    """
    found, content, rest = _item(data)
    if found != tag or rest:
        raise ValueError(f"found tag {found:#04x} where {tag:#04x} should stand alone")
    return content


def _oid(data: bytes) -> str:
    arcs, value = [], 0
    for byte in data:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    if not arcs or data[-1] & 0x80:
        raise ValueError("an object identifier is damaged")
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in [first, arcs[0] - 40 * first, *arcs[1:]])


def _text(tag: int, data: bytes) -> str:
    coding = {0x1E: "utf-16-be", 0x1C: "utf-32-be", 0x14: "latin-1"}.get(tag, "utf-8")
    return data.decode(coding, "backslashreplace")


def _time(tag: int, data: bytes) -> int:
    match = re.fullmatch(r"(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z", data.decode("ascii"))
    if match is None or tag not in (0x17, 0x18):
        raise ValueError("a time is damaged")
    year, *rest = (int(part) for part in match.groups())
    if tag == 0x17:
        year += 1900 if year >= 50 else 2000
    return calendar.timegm((year, *rest))


def pem_blocks(text: str, label: str) -> t.List[bytes]:
    """The blocks of this kind in a text, in order."""
    try:
        return [
            base64.b64decode("".join(body.split()), validate=True) for kind, body in _PEM.findall(text) if kind == label
        ]
    except (binascii.Error, ValueError):
        raise SpecError(f"a block of {label} is no base64") from None


def to_pem(data: bytes, label: str) -> str:
    body = base64.b64encode(data).decode("ascii")
    lines = [body[begin : begin + 64] for begin in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def first(where: str, text: t.Any, label: str, wanted: str) -> bytes:
    """The first block of PEM in a text, all of whose blocks are of this kind.

    :raises SpecError: where there is none, or something of another kind, such as a private key.
    """
    if not isinstance(text, str) or len(text) > LARGEST * 2:
        raise SpecError(f"{where}: wanted {wanted} as PEM, found {'too much' if isinstance(text, str) else 'no text'}")
    if "PRIVATE KEY" in text:
        raise SpecError(
            f"{where}: found a private key, wanted {wanted}. Take the key for known to others: make a new one"
        )
    found = pem_blocks(text, label)
    begun = text.count("-----BEGIN ")
    if not found or len(found) != begun:
        raise SpecError(
            f"{where}: wanted {wanted}, a block of PEM from BEGIN {label} to END {label}, "
            f"found {len(found)} whole of {begun} that begin"
        )
    return found[0]


def single(where: str, text: t.Any, label: str, wanted: str) -> bytes:
    """As :func:`first`, where there is no other."""
    found = first(where, text, label, wanted)
    if text.count("-----BEGIN ") > 1:
        raise SpecError(f"{where}: wanted {wanted} alone, found {text.count('-----BEGIN ')} blocks of PEM")
    return found


# -- parts -------------------------------------------------------------------------------------------------------------


def _name(data: bytes) -> t.Tuple[t.Tuple[str, str], ...]:
    found = []
    for tag, group in items(data):
        if tag != SET:
            raise ValueError("a subject is damaged")
        for _tag, pair in items(group):
            (kind, oid), (value_tag, value) = items(pair)
            if kind != OID:
                raise ValueError("a subject is damaged")
            found.append(("CN" if _oid(oid) == _COMMON_NAME else _oid(oid), _text(value_tag, value)))
    return tuple(found)


def _key(data: bytes) -> t.Tuple[str, int]:
    (algorithm_tag, algorithm), (bits_tag, bits) = items(data)
    if (algorithm_tag, bits_tag) != (SEQUENCE, BITS):
        raise ValueError("a key is damaged")
    parts = items(algorithm)
    oid = _oid(parts[0][1])
    if oid == _EC:
        named = len(parts) > 1 and parts[1][0] == OID
        return (_CURVES.get(_oid(parts[1][1]), "EC of another curve") if named else "EC of a curve without a name"), 0
    if oid == _RSA:
        (_n, modulus), (_e, exponent) = items(one(bits[1:], SEQUENCE))
        odd = int.from_bytes(exponent, "big") != 65537
        return "RSA" + (" with an odd exponent" if odd else ""), int.from_bytes(modulus, "big").bit_length()
    return _OTHER_KEYS.get(oid, oid), 0


def extensions(data: bytes) -> t.Iterator[t.Tuple[str, bytes]]:
    """(OID, bytes) of each, of the content of a list of extensions."""
    for _tag, item in items(data):
        parts = items(item)
        oid, value = _oid(parts[0][1]), parts[-1]
        if parts[0][0] != OID or value[0] != OCTETS or len(parts) not in (2, 3):
            raise ValueError("an extension is damaged")
        yield oid, value[1]


def _extensions(data: bytes) -> t.Dict[str, bytes]:
    found: t.Dict[str, bytes] = {}
    for oid, value in extensions(data):
        if oid in found:
            raise ValueError(f"the extension {oid} is there twice")
        found[oid] = value
    return found


def request_attributes(body: t.Iterable[Item]) -> t.Iterator[t.Tuple[str, bytes]]:
    """(OID, content of its set) of each, among the items of a request's body."""
    for tag, content in body:
        for _tag, pair in items(content) if tag == 0xA0 else []:
            (_kind, oid), (_set, value) = items(pair)
            yield _oid(oid), value


def names(data: bytes) -> Names:
    """Of the bytes of the extension with alternative names."""
    kinds: t.Dict[str, t.List[str]] = {"dns": [], "ip": [], "uri": [], "odd": []}
    for tag, value in items(one(data, SEQUENCE)):
        if tag == 0x82:
            kinds["dns"].append(value.decode("ascii", "backslashreplace"))
        elif tag == 0x86:
            kinds["uri"].append(value.decode("ascii", "backslashreplace"))
        elif tag == 0x87 and len(value) in (4, 16):
            kinds["ip"].append(str(ipaddress.ip_address(value)))
        else:
            label = {0x81: "an e-mail address", 0xA4: "a directory name", 0xA0: "a name of another kind"}
            kinds["odd"].append(label.get(tag, f"a name of kind {tag & 0x1F}"))
    return Names(**{kind: tuple(values) for kind, values in kinds.items()})


def is_authority(data: bytes) -> bool:
    """Of the bytes of the extension basicConstraints."""
    parts = items(one(data, SEQUENCE))
    return bool(parts) and parts[0] == (BOOLEAN, b"\xff")


def key_usage(data: bytes) -> t.Set[int]:
    """Numbers of the bits that are set, of the bytes of the extension keyUsage."""
    bits = one(data, BITS)[1:]
    return {8 * index + bit for index, byte in enumerate(bits) for bit in range(8) if byte & 0x80 >> bit}


def extended_usage(data: bytes) -> t.List[str]:
    return [_oid(value) for _tag, value in items(one(data, SEQUENCE))]


# -- whole -------------------------------------------------------------------------------------------------------------


def read_request(where: str, text: t.Any) -> Asked:
    """:raises SpecError: for what is no request of PKCS #10."""
    data = single(where, text, "CERTIFICATE REQUEST", "a certificate request")
    try:
        info, _algorithm, _signature = items(one(data, SEQUENCE))
        _version, subject, key, *rest = items(info[1])
        attributes: t.Dict[str, bytes] = {}
        for oid, value in request_attributes(rest):
            if oid in attributes:
                raise ValueError(f"the attribute {oid} is there twice")
            attributes[oid] = value
        wanted = attributes.pop(EXTENSION_REQUEST, b"")
        extensions = _extensions(one(wanted, SEQUENCE)) if wanted else {}
        found = names(extensions[ALT_NAME]) if ALT_NAME in extensions else Names()
        return Asked(_name(subject[1]), *_key(key[1]), found, extensions, tuple(attributes))
    except (ValueError, IndexError, UnicodeDecodeError) as exc:
        raise SpecError(f"{where}: the certificate request is damaged: {exc}. Make a new one") from None


def read_certificate(where: str, data: bytes) -> Certificate:
    """:raises SpecError: for what is no certificate of X.509."""
    try:
        body, _algorithm, _signature = items(one(data, SEQUENCE))
        parts = items(body[1])
        if parts[0][0] == 0xA0:
            parts = parts[1:]
        (kind, serial), _algorithm, _issuer, validity, subject, _key_info, *rest = parts
        if kind != INTEGER:
            raise ValueError("the serial number is missing")
        begin, end = items(validity[1])
        more = next((content for tag, content in rest if tag == 0xA3), b"")
        extensions = _extensions(one(more, SEQUENCE)) if more else {}
        common = [value for key, value in _name(subject[1]) if key == "CN"]
        return Certificate(
            serial=f"{int.from_bytes(serial, 'big'):032X}",
            not_before=_time(*begin),
            not_after=_time(*end),
            names=names(extensions[ALT_NAME]) if ALT_NAME in extensions else Names(),
            common_name=common[-1] if common else "",
            authority=BASIC in extensions and is_authority(extensions[BASIC]),
            extensions=extensions,
        )
    except (ValueError, IndexError, UnicodeDecodeError) as exc:
        raise SpecError(f"{where}: the certificate is damaged: {exc}") from None
