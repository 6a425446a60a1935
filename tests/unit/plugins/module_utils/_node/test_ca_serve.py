# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one request of HTTP, over a real socket."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import issuing_http
from ansible_collections.physical_ai.edge.plugins.module_utils._node import ca_serve, clock, units
from tests.unit.plugins.module_utils._node import authorities
from tests.unit.plugins.module_utils._node.authorities import Person, Root, Site, allowed


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    authorities.needed()
    folder = tmp_path_factory.mktemp("site")
    return Site(folder, Root(folder / "operator"))


@pytest.fixture(scope="module")
def cam(site: Site) -> Person:
    cam = Person(site.folder / "keys")
    cam.ask(site.authority)
    return cam


def talk(
    site: Site, raw: bytes, deadline: float = 5.0, leave_open: bool = False
) -> t.Tuple[int, t.Dict[str, t.Any], str]:
    """(status, body, line for the journal)."""
    ours, theirs = socket.socketpair()
    said: t.List[str] = []

    def serve() -> None:
        said.append(ca_serve.serve(site.authority, theirs.fileno(), theirs.fileno(), deadline))
        theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    with ours:
        ours.settimeout(20)
        ours.sendall(raw)
        if not leave_open:
            ours.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(ours)
        answer.begin()
        body = json.loads(answer.read())
    thread.join()
    assert "\n" not in said[0]
    return answer.status, body, said[0]


def post(data: t.Any, head: str = f"POST {issuing_http.PATH} HTTP/1.1") -> bytes:
    body = data if isinstance(data, bytes) else json.dumps(data).encode("utf-8")
    return f"{head}\r\nHost: gw\r\nContent-Length: {len(body)}\r\n\r\n".encode("ascii") + body


def test_a_node_renews(site: Site, cam: Person) -> None:
    status, body, line = talk(site, post(cam.signed()), leave_open=True)
    assert (status, line) == (200, "200: signed node")
    assert set(body) == {"certificates", "trust", "crl"} and body["trust"] == site.root.pem
    cam.keep(body)
    assert site.verify(cam, "-crl_check_all") == "good"


def test_refusals_have_a_status_and_one_line(site: Site, cam: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    status, body, line = talk(site, post(cam.signed(node="kiruna-cam02")))
    assert status == 403 and "kiruna-cam02 is asked for" in body["error"] and line == f"403: {body['error']}"
    assert talk(site, post(["no", "mapping"]))[0] == 403
    monkeypatch.setattr(clock, "verdict", lambda paths: authorities.Verdict(0, "doubtful"))
    assert talk(site, post(cam.signed()))[0] == 503


def test_too_many_are_told_when(site: Site, cam: Person) -> None:
    site.allow(allowed(per_minute=1))
    status, body, _line = talk(site, post(cam.signed()))
    assert status == 429 and "try again in" in body["error"]
    site.allow(allowed())


@pytest.mark.parametrize(
    ("raw", "status", "words"),
    [
        (post({}, "GET /certificates HTTP/1.1"), 405, "POST only"),
        (post({}, "POST /other HTTP/1.1"), 404, "there is only /certificates"),
        (post({}, "POST /certificates HTTP/2.0"), 400, "wanted HTTP/1.1"),
        (post({}, "POST /certificates"), 400, "no request of HTTP"),
        (post(b"{nonsense"), 400, "wanted JSON"),
        (post(b"[" * 100000), 400, "wanted JSON"),
        (b"POST /certificates HTTP/1.1\r\n\r\n", 411, "Content-Length"),
        (b"POST /certificates HTTP/1.1\r\nContent-Length: 262145\r\n\r\n", 413, "at most 262144"),
        (b"POST /certificates HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 411, "Content-Length"),
        (b"POST /certificates HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, "twice"),
        (b"POST /certificates HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}", 411, "Transfer"),
        (b"POST /certificates HTTP/1.1\r\nContent-Length: 9\r\n\r\n{}", 400, "ended too early"),
        (b"", 400, "ended too early"),
        (b"A" * 9000, 413, "the head of the request has more than 8192"),
        (b"\xff\xfe\r\n\r\n", 400, "no request of HTTP"),
    ],
)
def test_anything_else_is_refused(site: Site, raw: bytes, status: int, words: str) -> None:
    found, body, _line = talk(site, raw)
    assert found == status and words in body["error"] and "\n" not in body["error"]


def test_one_who_says_nothing_is_not_waited_for(site: Site) -> None:
    begun = time.monotonic()
    status, body, _line = talk(site, b"POST /certificates HTTP/1.1\r\n", deadline=0.3, leave_open=True)
    assert status == 408 and "in time" in body["error"] and time.monotonic() - begun < 5


def test_one_who_reads_nothing_is_not_waited_for(site: Site, cam: Person, tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    theirs.setblocking(False)
    with ours, theirs:
        begun = time.monotonic()
        ca_serve._send(theirs.fileno(), b"x" * 10_000_000, begun + 0.3)
        assert time.monotonic() - begun < 5


def test_the_unit_is_shut_in() -> None:
    service = units.AUTHORITY["physical-ai-ca@.service"]
    for line in ("ProtectSystem=strict", "NoNewPrivileges=yes", "PrivateNetwork=yes", "CapabilityBoundingSet=\n"):
        assert line in service
    assert f"ListenStream={issuing_http.PORT}\n" in units.AUTHORITY[units.AUTHORITY_SOCKET]
    assert not set(units.AUTHORITY) & {*units.UNITS, *units.TRIGGERED}, "only the node that has the CA has them"
