# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras that answer, on the loopback interface: real packets to real sockets."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import struct
import threading
import time
import typing as t

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core.hardware import discovery
from ansible_collections.physical_ai.edge.plugins.module_utils._node import hardware, network_discovery

pytestmark = pytest.mark.skipif("lo" not in network_discovery.interfaces(), reason="no loopback interface here")

Answer = t.Callable[[bytes], t.List[bytes]]


def gvcp_ack(request: bytes, **fields: bytes) -> bytes:
    """What a camera answers, after the GigE Vision specification (bytes of aravis' arvgvcpprivate.h)."""
    body = bytearray(0xF8)
    for offset, size, name in (
        *((0x0A, 6, "mac"), (0x24, 4, "address"), (0x48, 32, "manufacturer"), (0x68, 32, "model")),
        *((0x88, 32, "version"), (0xD8, 16, "serial"), (0xE8, 16, "name")),
    ):
        body[offset : offset + size] = fields.get(name, b"")[:size].ljust(size, b"\0")
    return struct.pack(">HHHH", 0, 3, len(body), struct.unpack(">H", request[6:8])[0]) + bytes(body)


BASLER = {
    "mac": b"\x00\x30\x53\x01\x02\x03",
    "address": b"\xc0\xa8\x05\x14",
    "manufacturer": b"Basler",
    "model": b"acA1920-40gm",
    "version": b"106750-23",
    "serial": b"22334455",
    "name": b"line-1",
}
PROBE_MATCH = """<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"><s:Body>
<d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:5f5a69c2</a:Address></a:EndpointReference>
<d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/hardware/DS-2CD2143
 onvif://www.onvif.org/name/Gate%20North</d:Scopes><d:XAddrs>http://192.168.5.30/onvif/device_service</d:XAddrs></d:ProbeMatch>
</d:ProbeMatches></s:Body></s:Envelope>"""


@contextlib.contextmanager
def responder(port: int, answer: Answer, group: str = "") -> t.Iterator[t.List[bytes]]:
    """Answers what comes to this port of the loopback interface, and keeps what came."""
    seen: t.List[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("", port))
        except OSError as exc:
            pytest.skip(f"UDP port {port} cannot be had here: {exc}")
        if group:
            server.setsockopt(
                socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton("127.0.0.1")
            )
        server.settimeout(0.05)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                with contextlib.suppress(socket.timeout):
                    data, sender = server.recvfrom(4096)
                    seen.append(data)
                    for packet in answer(data):
                        server.sendto(packet, sender)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield seen
        finally:
            stop.set()
            thread.join()


def test_a_camera_of_gige_vision_is_found_once() -> None:
    with responder(discovery.GVCP_PORT, lambda request: [gvcp_ack(request, **BASLER)] * 3) as seen:
        found, remarks = network_discovery.discover(["lo"], 0.6)
    assert found == [
        {
            "protocol": "gige_vision",
            "interface": "lo",
            "address": "192.168.5.20",
            "mac": "00:30:53:01:02:03",
            "manufacturer": "Basler",
            "model": "acA1920-40gm",
            "version": "106750-23",
            "serial": "22334455",
            "name": "line-1",
            "urls": [],
        }
    ]
    assert all(re.match(rb"^\x42\x11\x00\x02\x00\x00..$", packet, re.DOTALL) for packet in seen)
    assert 1 <= len(seen) <= 4  # two addresses, twice
    assert remarks == []


def test_a_camera_of_onvif_is_found() -> None:
    with responder(discovery.ONVIF_PORT, lambda dummy: [PROBE_MATCH.encode()], discovery.ONVIF_GROUP) as seen:
        found, dummy = network_discovery.discover(["lo"], 0.6)
    assert b"NetworkVideoTransmitter" in seen[0]
    assert len(found) == 1
    assert (found[0]["protocol"], found[0]["model"], found[0]["name"]) == ("onvif", "DS-2CD2143", "Gate North")
    assert found[0]["urls"] == ["http://192.168.5.30/onvif/device_service"]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0" * 8,
        b"noise",
        bytes(random.Random(4).choices(range(256), k=300)),
        b"<a>" * 500,
        PROBE_MATCH.encode()[:300],
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + PROBE_MATCH.encode(),
    ],
    ids=["nothing", "zeros", "a word", "random", "many tags", "cut short", "an entity"],
)
def test_noise_is_no_camera(answer: bytes) -> None:
    with responder(discovery.GVCP_PORT, lambda dummy: [answer] * 20):
        assert network_discovery.discover(["lo"], 0.3) == ([], [])


def test_an_answer_to_another_question_is_none() -> None:
    request = discovery.gvcp_request(7)
    assert discovery.gvcp_answer(gvcp_ack(request, **BASLER), 8) is None
    assert discovery.gvcp_answer(gvcp_ack(request, **BASLER)[:-1], 7) is None
    assert discovery.gvcp_answer(gvcp_ack(request), 7) is not None


def test_the_time_is_bounded_by_the_option_although_answers_do_not_end() -> None:
    flood = [b"x" * 100] * 400
    with responder(discovery.GVCP_PORT, lambda dummy: flood):
        began = time.monotonic()
        network_discovery.discover(["lo"], 0.5)
        assert time.monotonic() - began < 1.5


def test_an_interface_that_cannot_be_asked_is_said() -> None:
    found, remarks = network_discovery.discover(["no-such-if"], 0.2)
    assert found == []
    assert len(remarks) == 1
    assert remarks[0].startswith("network_devices: no-such-if: cannot be asked: ")


def test_it_is_part_of_all_facts_only_where_asked_for() -> None:
    with responder(discovery.GVCP_PORT, lambda request: [gvcp_ack(request, **BASLER)]) as seen:
        assert hardware.read("/")["network_devices"] == []
        assert seen == []
        found = hardware.read("/", interfaces=["lo"], timeout=0.5)["network_devices"]
    assert [device["serial"] for device in found] == ["22334455"]
