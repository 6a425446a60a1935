# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that renews at its gateway: what it asks, how it shows who it is, and what of the answer it believes."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import os
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import renewal
from ansible_collections.physical_ai.edge.plugins.module_utils._node import (
    certificate_files,
    certificate_requests,
    certificates,
    clock,
    files,
    ledger,
)
from ansible_collections.physical_ai.edge.plugins.module_utils._node.clock import Verdict
from ansible_collections.physical_ai.edge.plugins.module_utils._node.engine import Engine
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.node import Node
from tests.unit.plugins.module_utils._node.authority import DAY, Authority, openssl

HOSTS = {"node": "cam01.kiruna.example", "quality.inspection": "inspection.kiruna.example"}


@pytest.fixture(name="root", scope="module")
def fixture_root(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("root"), "root one")


@pytest.fixture(name="site", scope="module")
def fixture_site(tmp_path_factory: pytest.TempPathFactory, root: Authority) -> Authority:
    return Authority(tmp_path_factory.mktemp("site"), "site ca kiruna", root)


class Gateway:
    """Signs what it is asked for, after it has seen who asks. `spoil` makes something else of an answer."""

    def __init__(self, folder: Path, site: Authority) -> None:
        self.folder = folder
        self.site = site
        self.asked: t.List[t.Dict[str, t.Any]] = []
        self.spoil: t.Callable[[t.Dict[str, t.Any]], t.Any] = lambda answer: answer
        self.status = 200
        self.headers: t.Dict[str, str] = {}
        self.begin, self.end = -60.0, 30 * DAY
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.answer(self)

            def log_message(self, *dummy: t.Any) -> None:
                """Nothing to say."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        request = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])).decode("utf-8"))
        self.asked.append(request)
        self.check(request)
        signed = {
            name: self.site.sign(csr, f"DNS:{HOSTS[name]}", self.begin, self.end)
            for name, csr in request["requests"].items()
        }
        found = self.spoil({"certificates": signed, "trust": "believed by nobody", "crl": self.site.crl()})
        content = found if isinstance(found, bytes) else json.dumps(found).encode("ascii")
        handler.send_response(self.status)
        for key, value in self.headers.items():
            handler.send_header(key, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        with contextlib.suppress(OSError):
            handler.wfile.write(content)

    def check(self, request: t.Dict[str, t.Any]) -> None:
        for name, content in (
            ("signature", base64.b64decode(request["signature"])),
            ("content", renewal.canonical(request)),
            ("public", openssl("x509", "-noout", "-pubkey", text=request["certificate"]).encode()),
        ):
            (self.folder / name).write_bytes(content)
        place = str(self.folder)
        openssl("dgst", "-sha256", "-verify", place + "/public", "-signature", place + "/signature", place + "/content")

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Box:
    """A node with two certificates, of which it has those that were pushed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, root: Authority, site: Authority) -> None:
        self.node = Node(files.Paths(str(folder)), Engine("false"))
        self.paths = self.node.paths
        self.site = site
        files.write_atomic(self.paths.trust_bundle, root.pem)
        self.now(0.0)
        monkeypatch.setattr(clock, "verdict", lambda paths: self.clock)
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)
        for name in HOSTS:
            csr = self.define(name)["csr"]
            assert self.define(name, site.sign(csr, f"DNS:{HOSTS[name]}"))["class"] == "success"

    def now(self, later: float, state: str = "trusted") -> None:
        self.clock = Verdict(time.time() + later, state, "a test")

    def define(self, name: str, certificate: str = "") -> t.Dict[str, t.Any]:
        wanted = {"name": name, "subject": "kiruna-cam01", "dns": [HOSTS[name]]}
        return certificate_requests.carry_out(self.node, {"definition": wanted, "certificate": certificate})

    def gateway(self, url: str) -> None:
        files.write_json(self.paths.pki_gateway, {"url": url, "node": "kiruna-cam01"})

    def serials(self) -> t.List[str]:
        found = [certificates.leaf(self.paths, name) for name in sorted(HOSTS)]
        return [item.serial if item else "" for item in found]

    def renew(self) -> t.Dict[str, t.Any]:
        return certificate_requests.renew(self.node)


@pytest.fixture(name="box")
def fixture_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Authority, site: Authority) -> Box:
    return Box(tmp_path / "node", monkeypatch, root, site)


@pytest.fixture(name="gateway")
def fixture_gateway(tmp_path: Path, box: Box, site: Authority) -> t.Iterator[Gateway]:
    folder = tmp_path / "gateway"
    folder.mkdir()
    gateway = Gateway(folder, site)
    box.gateway(gateway.url)
    yield gateway
    gateway.close()


def test_renews_what_is_due_and_nothing_else(box: Box, gateway: Gateway) -> None:
    assert box.renew() == {
        "failed": False,
        "msg": "nothing to do",
        "clock": "trusted",
        "certificates": {name: {"class": "unchanged", "msg": "", "reason": "valid"} for name in HOSTS},
    }
    assert gateway.asked == []
    before = box.serials()
    box.now(21 * DAY)
    found = box.renew()
    assert not found["failed"] and found["msg"] == "node: renewed; quality.inspection: renewed"
    assert len(gateway.asked) == 1, "one request for all that is due"
    assert sorted(gateway.asked[0]) == ["certificate", "node", "requests", "signature"]
    assert gateway.asked[0]["node"] == "kiruna-cam01" and sorted(gateway.asked[0]["requests"]) == sorted(HOSTS)
    assert all(old != new for old, new in zip(before, box.serials()))
    assert "PRIVATE" not in json.dumps(gateway.asked)
    assert Path(box.paths.trust_bundle).read_text(encoding="ascii") == box.site.parent.pem  # type: ignore[union-attr] # it has one
    assert Path(box.paths.crl).read_text(encoding="ascii").startswith("-----BEGIN X509 CRL-----")


def test_an_expired_certificate_still_shows_who_asks(box: Box, gateway: Gateway) -> None:
    box.now(400 * DAY)
    gateway.begin, gateway.end = 400 * DAY - 60, 430 * DAY
    assert [row["reason"] for row in box.renew()["certificates"].values()] == ["expired", "expired"]
    assert not any(row["due"] for row in certificate_requests.overview(box.node))


def test_a_clock_in_doubt_asks_nothing(box: Box, gateway: Gateway) -> None:
    for later in (-20000 * DAY, 26000 * DAY):
        box.now(later, "doubtful")
        assert box.renew()["msg"] == "nothing to do"
    assert gateway.asked == []


def test_without_a_gateway_it_comes_by_push(box: Box) -> None:
    box.now(25 * DAY)
    found = box.renew()
    assert not found["failed"] and "no gateway renews it: it comes by push" in found["msg"]


def test_without_a_certificate_of_its_own_nothing_is_asked(box: Box, gateway: Gateway) -> None:
    certificate_requests.carry_out(box.node, {"state": "absent", "definition": {"name": "node"}})
    box.now(25 * DAY)
    assert "its first one comes by push" in box.renew()["msg"] and gateway.asked == []


def big(answer: t.Any) -> bytes:
    return b'{"certificates": "' + b"x" * (2 << 20) + b'"}'


@pytest.mark.parametrize(
    ("spoil", "status", "words"),
    [
        (lambda answer: {"error": "node kiruna-cam01 is blocked"}, 403, "says: node kiruna-cam01 is blocked"),
        (lambda answer: {"error": "busy", "retry_after": 1800}, 429, "says: busy"),
        (lambda answer: b"<html>", 200, "no answer of `edge ca serve`"),
        (lambda answer: b"\xff\xfe", 200, "no answer of `edge ca serve`"),
        (lambda answer: [], 200, "no answer of `edge ca serve`"),
        (lambda answer: {"certificates": []}, 200, "answered without certificates"),
        (lambda answer: answer, 500, "answered 500"),
        (lambda answer: {"certificates": {}}, 200, "sent no certificate node"),
        (lambda answer: {"certificates": {"node": 5}}, 200, "sent no certificate node"),
        (big, 200, "more than 1 MiB"),
    ],
)
def test_answers_that_are_no_use(
    box: Box, gateway: Gateway, spoil: t.Callable[[t.Any], t.Any], status: int, words: str
) -> None:
    box.now(21 * DAY)
    before = box.serials()
    gateway.spoil, gateway.status = spoil, status
    found = box.renew()
    assert found["failed"] and words in found["msg"] and "\n" not in found["msg"]
    assert box.serials() == before
    again = box.renew()
    assert len(gateway.asked) == 1 and "waits" in again["certificates"]["node"]["reason"]
    row = certificate_requests.overview(box.node)[0]
    assert words in row["problem"] and row["wanted"] and not row["due"], "a push need not wait"
    assert row["renewed_by"]["node"] == "kiruna-cam01"
    gateway.spoil, gateway.status = (lambda answer: answer), 200
    box.now(21 * DAY + 3600)
    assert not box.renew()["failed"] and box.serials() != before
    assert certificate_requests.overview(box.node)[0]["problem"] == ""


def test_a_gateway_that_is_not_there_or_says_nothing(
    box: Box, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.now(21 * DAY)
    silent = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    box.gateway(f"http://127.0.0.1:{silent.server_address[1]}/")
    monkeypatch.setattr(certificate_requests, "CALL_SECONDS", 0.2)
    assert "does not answer: timed out" in box.renew()["msg"]
    silent.server_close()
    box.now(22 * DAY)
    assert "does not answer: [Errno 111] Connection refused" in box.renew()["msg"]


def test_goes_nowhere_else(box: Box, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    box.now(21 * DAY)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    gateway.status, gateway.headers = 302, {"Location": gateway.url + "elsewhere"}
    assert "answered 302" in box.renew()["msg"] and len(gateway.asked) == 1
    box.gateway("file:///etc/passwd")
    with pytest.raises(Exception, match="write it anew"):
        box.renew()


def test_one_that_is_wrong_holds_up_no_other(box: Box, gateway: Gateway) -> None:
    def swap(answer: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
        answer["certificates"]["node"] = answer["certificates"]["quality.inspection"]
        answer["certificates"]["unasked"] = "x"
        return answer

    gateway.spoil = swap
    box.now(21 * DAY)
    found = box.renew()
    assert found["failed"] and "it is for another key" in found["certificates"]["node"]["msg"]
    assert found["certificates"]["quality.inspection"]["class"] == "success"
    assert not os.path.exists(box.paths.certificates + "/unasked")


def test_a_list_of_revocations_that_is_older_or_of_another_is_not_taken(box: Box, tmp_path: Path) -> None:
    old, new = box.site.crl(), box.site.crl()
    other = Authority(tmp_path, "site ca kiruna")
    (other.folder / "crlnumber").write_text("FFFF\n", encoding="ascii")
    issuers = Path(box.paths.trust_bundle).read_text(encoding="ascii") + box.site.pem
    assert certificate_files.take_crls(box.paths, new, issuers)
    for text in (old, new):
        assert not certificate_files.take_crls(box.paths, text, issuers)
    for text, words in (
        (other.crl(), "not signed by its issuer"),
        ("junk", "found no PEM text"),
        (new[:-30], "cut off"),
    ):
        with pytest.raises(NodeError, match=words):
            certificate_files.take_crls(box.paths, text, issuers)
    assert Path(box.paths.crl).read_text(encoding="ascii") == new


def test_a_list_that_cannot_be_taken_is_no_reason_to_go_without(box: Box, gateway: Gateway) -> None:
    gateway.spoil = lambda answer: dict(answer, crl="junk")
    box.now(21 * DAY)
    found = box.renew()
    assert not found["failed"] and "found no PEM text" in found["certificates"]["node"]["crl"]


def test_what_was_cut_off_is_put_right_first(box: Box, gateway: Gateway) -> None:
    place = certificates.slot(box.paths, "node")
    place.begin("another")
    assert box.renew()["msg"] == "nothing to do" and place.journal() is None
    assert [item["what"] for item in ledger.read(box.paths)][-1] == "recovered"
