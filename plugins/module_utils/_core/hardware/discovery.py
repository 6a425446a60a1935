# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets of the two ways in which cameras are found on a network: GigE Vision (GVCP) and ONVIF (WS-Discovery)."""

from __future__ import annotations

import struct
import typing as t
import urllib.parse

from . import values
from .values import Facts

GVCP_PORT = 3956
ONVIF_PORT = 3702
ONVIF_GROUP = "239.255.255.250"
LARGEST = 8192
"""Bytes of an answer that are read; no good one has more."""

_GVCP_HEADER = struct.Struct(">HHHH")
_DISCOVERY_COMMAND = 0x0002
_DISCOVERY_ACK = 0x0003
_ACK_SIZE = 0xF8
_XML = {
    "d": "http://schemas.xmlsoap.org/ws/2005/04/discovery",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
}
_PROBE = """<?xml version="1.0" encoding="UTF-8"?>
<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl">
<e:Header><w:MessageID>uuid:{identifier}</w:MessageID><w:To e:mustUnderstand="true">urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>
<w:Action e:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>
<e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"""


def gvcp_request(number: int) -> bytes:
    """Asks every GigE Vision camera of a segment who it is; it may answer by broadcast."""
    return struct.pack(">BBHHH", 0x42, 0x11, _DISCOVERY_COMMAND, 0, number)


def gvcp_answer(data: bytes, number: int) -> t.Optional[Facts]:
    """A camera, or None where it is no answer to that question."""
    if len(data) < _GVCP_HEADER.size + _ACK_SIZE:
        return None
    status, command, length, identifier = _GVCP_HEADER.unpack(data[:8])
    if (status, command, identifier) != (0, _DISCOVERY_ACK, number) or length < _ACK_SIZE:
        return None
    body = data[8:]
    return {
        "protocol": "gige_vision",
        "address": ".".join(str(byte) for byte in body[0x24:0x28]),
        "mac": ":".join(f"{byte:02x}" for byte in body[0x0A:0x10]),
        "manufacturer": _text(body[0x48:0x68]),
        "model": _text(body[0x68:0x88]),
        "version": _text(body[0x88:0xA8]),
        "serial": _text(body[0xD8:0xE8]),
        "name": _text(body[0xE8:0xF8]),
        "urls": [],
    }


def onvif_request(identifier: str) -> bytes:
    return _PROBE.format(identifier=identifier).encode("utf-8")


def onvif_answer(data: bytes, sender: str) -> t.List[Facts]:
    """The cameras that an answer speaks of."""
    root, dummy = values.from_xml(data.decode("utf-8", "replace"))
    if root is None:
        return []
    found = []
    for match in root.iterfind(".//d:ProbeMatch", _XML):
        urls = sorted((values.line(match.findtext("d:XAddrs", "", _XML)) or "").split())
        scopes = _scopes(match.findtext("d:Scopes", "", _XML))
        found.append(
            {
                "protocol": "onvif",
                "address": sender,
                "mac": None,
                "manufacturer": scopes.get("manufacturer"),
                "model": scopes.get("hardware"),
                "version": None,
                "serial": None,
                "name": scopes.get("name") or values.line(match.findtext("a:EndpointReference/a:Address", "", _XML)),
                "urls": urls,
            }
        )
    return found


def _scopes(text: str) -> t.Dict[str, t.Optional[str]]:
    found: t.Dict[str, t.Optional[str]] = {}
    for scope in text.split():
        key, slash, value = scope.partition("onvif://www.onvif.org/")[2].partition("/")
        if slash:
            found.setdefault(key, values.line(urllib.parse.unquote(value, errors="replace")))
    return found


def _text(data: bytes) -> t.Optional[str]:
    return values.line(data.split(b"\0", 1)[0].decode("utf-8", "replace"))
