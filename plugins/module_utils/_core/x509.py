# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What certificates, requests and revocation lists say: as `openssl` (1.1.1 and 3) prints it, and their names as they are encoded.

Names are read from the encoding, because printed they can be made up: the one name `URI:x, DNS:y` looks like two. Nothing here
checks a signature; that is openssl's alone.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import ipaddress
import re
import typing as t
from dataclasses import dataclass, field

from . import asn1
from .fields import SpecError

CERTIFICATE, REQUEST, CRL = "CERTIFICATE", "CERTIFICATE REQUEST", "X509 CRL"

SHOW_CERTIFICATE = (
    *("openssl", "x509", "-noout", "-subject", "-issuer", "-serial", "-dates", "-fingerprint", "-sha256"),
    *("-nameopt", "RFC2253", "-ext", "basicConstraints"),
)
"""Prints on one certificate from standard input what :func:`certificate` reads."""
SHOW_REQUEST = ("openssl", "req", "-noout", "-subject", "-nameopt", "RFC2253")
"""Prints what :func:`request_subject` reads."""
SHOW_CRL = ("openssl", "crl", "-noout", "-text", "-nameopt", "RFC2253")
"""Prints what :func:`revocations` reads."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(r"(\w{3}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:\.\d+)? (\d{1,4})(?: GMT)?")
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s*([A-Za-z0-9+/=\s]*?)-----END \1-----")
_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_REVOKED = re.compile(r"^ +Serial Number: ([0-9A-F]+)\n +Revocation Date: (.+)$", re.MULTILINE)
_DNS, _URI, _IP = 0x82, 0x86, 0x87


@dataclass(frozen=True)
class Certificate:
    """`serial` in hexadecimal capitals, times in seconds since 1970, `fingerprint` the sha256 in small hexadecimal digits."""

    subject: str
    issuer: str
    serial: str
    not_before: int
    not_after: int
    fingerprint: str
    ca: bool = False


@dataclass(frozen=True)
class Crl:
    """A revocation list: serial -> when it was revoked. `next_update` is 0 where it does not say, `number` -1."""

    issuer: str
    last_update: int
    next_update: int
    number: int
    revoked: t.Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Names:
    """The alternative names; `other` are those of kinds that no certificate of ours has."""

    dns: t.Tuple[str, ...] = ()
    ip: t.Tuple[str, ...] = ()
    uri: t.Tuple[str, ...] = ()
    other: t.Tuple[str, ...] = ()

    def all(self) -> t.Set[str]:
        return {
            *(f"DNS:{item.lower()}" for item in self.dns),
            *(f"IP:{item}" for item in self.ip),
            *(f"URI:{item}" for item in self.uri),
            *self.other,
        }


def wanted_names(dns: t.Iterable[str] = (), ip: t.Iterable[str] = (), uri: t.Iterable[str] = ()) -> Names:
    """Names as a person writes them, in the form in which those of a certificate are."""
    return Names(tuple(dns), tuple(str(ipaddress.ip_address(item)) for item in ip), tuple(uri))


# -- PEM


def split(where: str, text: str, kind: str = CERTIFICATE) -> t.List[str]:
    """The blocks of one kind, each as PEM text that ends in a newline.

    :raises SpecError: where there is none, one is cut off, or one is of another kind.
    """
    blocks = _BLOCK.findall(text)
    begun = _BEGIN.findall(text)
    if not begun:
        raise SpecError(f"{where}: found no PEM text, wanted -----BEGIN {kind}-----")
    if len(blocks) != len(begun) or text.count("-----BEGIN") != len(begun):
        raise SpecError(f"{where}: the PEM text is cut off or torn: block {len(blocks) + 1} has no whole end")
    others = sorted(
        {label for label, dummy in blocks if label != kind and not (kind == REQUEST and "REQUEST" in label)}
    )
    if others:
        raise SpecError(f"{where}: found {', '.join(others)}, wanted {kind} only")
    for number, (dummy, body) in enumerate(blocks, 1):
        _decode(f"{where}: block {number}", body)
    return [f"-----BEGIN {label}-----\n{body.strip()}\n-----END {label}-----\n" for label, body in blocks]


def der(where: str, pem: str) -> bytes:
    """The encoding of one block."""
    found = _BLOCK.search(pem)
    if found is None:
        raise SpecError(f"{where}: found no whole PEM block")
    return _decode(where, found.group(2))


def _decode(where: str, body: str) -> bytes:
    try:
        decoded = base64.b64decode("".join(body.split()), validate=True)
        asn1.one(decoded, asn1.SEQUENCE)
    except (binascii.Error, ValueError):
        raise SpecError(f"{where}: the PEM text is cut off or torn") from None
    return decoded


# -- what openssl prints


def date(text: str) -> int:
    """Seconds since 1970 of `Nov 26 06:58:04 2026 GMT`, whatever the locale."""
    found = _DATE.fullmatch(text.strip())
    if found is None or found.group(1) not in _MONTHS:
        raise SpecError(f"a time of a certificate: found {text!r}, wanted such as 'Nov 26 06:58:04 2026 GMT'")
    month, day, hour, minute, second, year = found.groups()
    return calendar.timegm((int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second)))


def certificate(text: str) -> Certificate:
    """What :data:`SHOW_CERTIFICATE` printed."""
    found = _pairs(text)
    try:
        return Certificate(
            subject=_name(found["subject"]),
            issuer=_name(found["issuer"]),
            serial=found["serial"].upper(),
            not_before=date(found["notBefore"]),
            not_after=date(found["notAfter"]),
            fingerprint=found["sha256 fingerprint"].replace(":", "").lower(),
            ca=re.search(r"^ +CA:TRUE\b", text, re.MULTILINE) is not None,
        )
    except KeyError as exc:
        raise SpecError(f"openssl did not say the {exc.args[0]} of a certificate") from None


def request_subject(text: str) -> str:
    """The subject in what :data:`SHOW_REQUEST` printed."""
    found = _pairs(text)
    if "subject" not in found:
        raise SpecError("openssl did not say the subject of a request")
    return _name(found["subject"])


def revocations(text: str) -> Crl:
    """What :data:`SHOW_CRL` printed of one list."""

    def after(word: str) -> str:
        found = re.search(rf"^ +{word}:? *(.*)$", text, re.MULTILINE)
        return found.group(1).strip() if found else ""

    number = re.search(r"X509v3 CRL Number: *(?:critical)?\n +(0x[0-9A-Fa-f]+|\d+)", text)
    coming = after("Next Update")
    if not after("Issuer") or not after("Last Update"):
        raise SpecError("openssl did not say the issuer and the time of a revocation list")
    return Crl(
        issuer=_name(after("Issuer")),
        last_update=date(after("Last Update")),
        next_update=0 if coming in ("", "NONE") else date(coming),
        number=int(number.group(1), 0) if number else -1,
        revoked={serial: date(when) for serial, when in _REVOKED.findall(text)},
    )


def _pairs(text: str) -> t.Dict[str, str]:
    found: t.Dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(" "):
            found.setdefault(key.lower() if "ingerprint" in key else key, value.strip())
    return found


def _name(text: str) -> str:
    """`CN = x, O = y` (openssl without options) and `CN=x,O=y` in one form."""
    return re.sub(r",\s+", ",", re.sub(r"\s*=\s*", "=", text.strip()))


# -- names, from the encoding


def names(where: str, pem: str, kind: str = CERTIFICATE) -> Names:
    """The alternative names of a certificate or of a request.

    :raises SpecError: where the encoding is not what it must be.
    """
    data = der(where, pem)
    try:
        found = [value for oid, value in _extensions(data, kind) if oid == asn1.ALT_NAME]
        if len(found) > 1:
            raise ValueError
        return _general_names(found[0]) if found else Names()
    except (ValueError, IndexError):
        raise SpecError(
            f"{where}: its names cannot be read: it is torn, or made by something that we do not know"
        ) from None


def _extensions(data: bytes, kind: str) -> t.Iterator[t.Tuple[str, bytes]]:
    body = asn1.items(asn1.items(asn1.one(data, asn1.SEQUENCE))[0][1])
    if kind == CERTIFICATE:
        lists = [content for tag, content in body if tag == 0xA3]
    else:
        lists = [value for oid, value in asn1.request_attributes(body) if oid == asn1.EXTENSION_REQUEST]
    for item in lists:
        yield from asn1.extensions(asn1.one(item, asn1.SEQUENCE))


def _general_names(value: bytes) -> Names:
    dns, ip, uri, other = [], [], [], []
    for tag, content in asn1.items(asn1.one(value, asn1.SEQUENCE)):
        if tag == _DNS:
            dns.append(_plain(content))
        elif tag == _URI:
            uri.append(_plain(content))
        elif tag == _IP:
            ip.append(str(ipaddress.ip_address(content)))
        else:
            other.append(f"a name of kind {tag & 0x1F}")
    return Names(tuple(dns), tuple(ip), tuple(uri), tuple(other))


def _plain(content: bytes) -> str:
    text = content.decode("ascii")
    if not text.isprintable() or " " in text:
        raise ValueError("a name that is none")
    return text
