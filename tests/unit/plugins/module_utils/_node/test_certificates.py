# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates, with real CAs and a real TLS server: what is in use is a whole, verified pair, whatever is cut off where."""

from __future__ import annotations

import errno
import json
import os
import socket
import ssl
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core.certificate_request import definition
from ansible_collections.physical_ai.edge.plugins.module_utils._node import (
    certificate_files,
    certificate_requests,
    certificate_users,
    certificates,
    cli,
    clock,
    faults,
    files,
    ledger,
    slot,
)
from ansible_collections.physical_ai.edge.plugins.module_utils._node._runner import Done, run
from ansible_collections.physical_ai.edge.plugins.module_utils._node.clock import Verdict
from ansible_collections.physical_ai.edge.plugins.module_utils._node.engine import Engine
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.node import Node
from tests.unit.plugins.module_utils._node.authority import DAY, Authority, openssl
from tests.unit.plugins.module_utils._node.tls_server import TlsServer

NAMES = "DNS:cam01.kiruna.example,IP:10.20.1.11,URI:spiffe://acme/site/kiruna/node/kiruna-cam01"
POINTS = [f"certificate_{step}:{when}" for step in slot.STEPS for when in ("before", "after")]
BACK_POINTS = [f"certificate_{step}:{when}" for step in slot.BACK_STEPS for when in ("before", "after")]


class KillError(BaseException):
    """The program ends here, with nothing cleaned up."""


@pytest.fixture(name="root", scope="module")
def fixture_root(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("root"), "root one")


@pytest.fixture(name="site", scope="module")
def fixture_site(tmp_path_factory: pytest.TempPathFactory, root: Authority) -> Authority:
    return Authority(tmp_path_factory.mktemp("site"), "site ca kiruna", root)


@pytest.fixture(name="other", scope="module")
def fixture_other(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other"), "root two")


class Box:
    """A node that wants the certificate `node`, whose user is a unit that this test is."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, root: Authority, site: Authority) -> None:
        self.node = Node(files.Paths(str(folder)), Engine("false"))
        self.paths = self.node.paths
        self.site = site
        self.clock = Verdict(time.time(), "plausible", "nobody confirms it")
        self.server: t.Optional[TlsServer] = None
        self.unit = "active"
        self.asked: t.List[str] = []
        self.wanted: t.Dict[str, t.Any] = {
            "name": "node",
            "subject": "kiruna-cam01",
            "dns": ["cam01.kiruna.example"],
            "ip": ["10.20.1.11"],
            "uri": ["spiffe://acme/site/kiruna/node/kiruna-cam01"],
        }
        self.trust(root.pem)
        monkeypatch.setattr(clock, "verdict", lambda paths: self.clock)
        monkeypatch.setattr(certificate_users, "run", self._systemctl)
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no power is cut here, and it takes most of the time

    def _systemctl(self, argv: t.Sequence[str], timeout: float = 60.0) -> Done:
        if argv[:2] == ["systemctl", "is-active"]:
            return Done(0 if self.unit == "active" else 3, self.unit + "\n", "")
        self.asked.append(" ".join(argv))
        if self.server is not None:
            self.server.reload()
        return Done(0, "", "")

    def trust(self, *pems: str) -> None:
        files.write_atomic(self.paths.trust_bundle, "".join(pems), 0o644)

    def ask(self, certificate: str = "", **more: t.Any) -> t.Dict[str, t.Any]:
        return certificate_requests.carry_out(
            self.node, dict({"state": "present", "definition": self.wanted, "certificate": certificate}, **more)
        )

    def csr(self) -> str:
        found = self.ask(renew=True)
        assert not found["failed"], found
        return found["csr"]

    def first(self) -> None:
        found = self.ask(self.site.sign(self.csr(), NAMES))
        assert found["class"] == "success", found

    def serve(self) -> TlsServer:
        """The unit reads the pair from now on, and is looked at."""
        self.server = TlsServer(self.directory + "/current")
        self.wanted.update(
            reload={"kind": "unit", "unit": "nginx.service"}, endpoint=self.server.endpoint, prove={"within": 0.3}
        )
        assert not self.ask()["failed"]
        return self.server

    @property
    def directory(self) -> str:
        return f"{self.paths.certificates}/node"

    @property
    def fingerprint(self) -> str:
        found = certificates.leaf(self.paths, "node")
        return found.fingerprint if found else ""

    def matching(self) -> None:
        """What is in use is one whole pair that verifies."""
        now = self.directory + "/current"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(now + "/tls.crt", now + "/tls.key")
        openssl("verify", "-no-CApath", "-CAfile", now + "/ca.crt", "-untrusted", now + "/tls.crt", now + "/tls.crt")

    def well(self) -> None:
        self.matching()
        assert certificates.slot(self.paths, "node").journal() is None
        assert certificates.slot(self.paths, "node").versions() == [
            os.path.basename(os.readlink(self.directory + "/current"))
        ]
        if self.server is not None:
            assert self.server.shows() == self.fingerprint


@pytest.fixture(name="box")
def fixture_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Authority, site: Authority) -> t.Iterator[Box]:
    box = Box(tmp_path / "node", monkeypatch, root, site)
    yield box
    if box.server is not None:
        box.server.close()


def stop_at(monkeypatch: pytest.MonkeyPatch, point: str) -> t.List[str]:
    """The program ends at this point, once."""
    reached: t.List[str] = []

    def reach(paths: files.Paths, here: str) -> None:
        if here == point and not reached:
            reached.append(here)
            raise KillError

    monkeypatch.setattr(faults, "reach", reach)
    return reached


# -- the way it goes


def test_a_first_certificate(box: Box) -> None:
    found = box.ask()
    assert (found["class"], found["changed"], found["reason"]) == ("success", True, "missing")
    assert found["installed"] is None and "PRIVATE" not in json.dumps(found)
    again = box.ask()
    assert (again["class"], again["changed"], again["csr"]) == ("unchanged", False, found["csr"])
    text = openssl("req", "-noout", "-text", "-verify", text=found["csr"])
    assert "DNS:cam01.kiruna.example, IP Address:10.20.1.11, URI:spiffe://acme" in text and "NIST CURVE: P-256" in text
    taken = box.ask(box.site.sign(found["csr"], NAMES))
    assert (taken["class"], taken["changed"], taken["csr"], taken["reason"]) == ("success", True, "", "")
    assert taken["installed"]["fingerprint"] == box.fingerprint and 29 < taken["installed"]["days_left"] <= 30
    assert taken["installed"]["issuer"] == "CN=site ca kiruna" and taken["installed"]["valid"]
    box.well()
    modes = {
        name: oct(os.stat(f"{box.directory}/current/{name}").st_mode & 0o777)
        for name in ("tls.key", "tls.crt", "ca.crt")
    }
    assert modes == {"tls.key": "0o600", "tls.crt": "0o444", "ca.crt": "0o444"}
    assert not os.path.exists(box.directory + "/pending")
    again = box.ask()
    assert (again["class"], again["changed"], again["csr"]) == ("unchanged", False, "")
    assert [(item["kind"], item["what"]) for item in ledger.read(box.paths)] == [("certificate", "installed")]


def test_the_same_certificate_again_changes_nothing(box: Box) -> None:
    chain = box.site.sign(box.csr(), NAMES)
    assert box.ask(chain)["changed"] and not box.ask(chain)["changed"]


def test_a_renewal_is_seen_by_a_handshake(box: Box) -> None:
    box.first()
    server = box.serve()
    before = server.shows()
    found = box.ask(box.site.sign(box.csr(), NAMES))
    assert found["class"] == "success"
    assert server.shows(box.directory + "/current/ca.crt", "cam01.kiruna.example") == box.fingerprint != before
    assert box.asked == ["systemctl reload nginx.service"]
    box.well()


def test_rsa_and_other_owners(box: Box) -> None:
    box.wanted.update(key="rsa-2048", key_mode="0640", group="4711")
    assert "Public-Key: (2048 bit)" in openssl("req", "-noout", "-text", text=box.csr())
    box.first()
    found = os.stat(box.directory + "/current/tls.key")
    assert found.st_mode & 0o777 == 0o640
    assert found.st_gid == (4711 if os.geteuid() == 0 else os.getegid())
    box.wanted.update(key_mode="0440")  # the same certificate, for others to read
    assert box.ask()["changed"] and not box.ask()["changed"]
    assert os.stat(box.directory + "/current/tls.key").st_mode & 0o777 == 0o440
    box.wanted.update(group="no-such-group")
    assert "no-such-group" in box.ask()["msg"]


def test_check_mode_tells_and_changes_nothing(box: Box) -> None:
    found = box.ask(check=True)
    assert (found["changed"], found["csr"], found["reason"]) == (True, "", "missing")
    assert not os.path.exists(box.paths.certificates)
    chain = box.site.sign(box.csr(), NAMES)
    found = box.ask(chain, check=True)
    assert (found["changed"], found["reason"]) == (True, "") and box.fingerprint == ""
    assert box.ask(chain[:-50], check=True)["class"] == "refused"
    assert ledger.read(box.paths) == []
    assert box.ask(chain)["changed"] and not box.ask(chain, check=True)["changed"]


def test_other_names_want_another_certificate(box: Box) -> None:
    box.first()
    box.wanted["dns"] = ["cam01.kiruna.example", "cam01"]
    found = box.ask()
    assert found["reason"] == "names" and "DNS:cam01," in openssl("req", "-noout", "-text", text=found["csr"])
    box.wanted["dns"].append("third")
    assert box.ask()["csr"] != found["csr"], "a request for other names than those wanted now does not wait on"


def test_taken_away(box: Box) -> None:
    box.first()
    gone = {"state": "absent", "definition": {"name": "node"}}
    assert certificate_requests.carry_out(box.node, dict(gone, check=True))["changed"]
    box.well()
    assert certificate_requests.carry_out(box.node, gone)["changed"]
    assert os.listdir(box.paths.certificates) == []
    assert not certificate_requests.carry_out(box.node, gone)["changed"]


# -- what is refused


def refused(box: Box, certificate: str) -> str:
    before = box.fingerprint
    found = box.ask(certificate)
    assert found["class"] == "refused" and found["failed"] and not found["changed"], found
    assert "\n" not in found["msg"]
    assert box.fingerprint == before
    if before:
        box.well()
    return found["msg"]


@pytest.mark.must_show("D4")
@pytest.mark.parametrize("had", [True, False])
def test_what_is_refused_with_one_line(box: Box, had: bool, tmp_path: Path, root: Authority, other: Authority) -> None:
    if had:
        box.first()
    csr, site = box.csr(), box.site
    good = site.sign(csr, NAMES)
    key = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    (tmp_path / "key").write_text(key, encoding="ascii")
    stranger = openssl("req", "-new", "-key", str(tmp_path / "key"), "-subj", "/CN=kiruna-cam01")
    assert "it is for another key than" in refused(box, site.sign(stranger, NAMES))
    assert "cut off or torn" in refused(box, good[: len(good) // 2 + 100])
    assert "found no PEM text" in refused(box, "nothing")
    assert "found PRIVATE KEY, wanted CERTIFICATE" in refused(box, good + key)
    assert "is also for DNS:kiruna-gw01, which was not asked for" in refused(
        box, site.sign(csr, NAMES + ",DNS:kiruna-gw01")
    )
    assert "is not for IP:10.20.1.11, which was asked for" in refused(
        box, site.sign(csr, NAMES.replace("IP:10.20.1.11,", ""))
    )
    assert "its chain does not verify" in refused(box, other.sign(csr, NAMES))
    assert "its chain does not verify" in refused(box, good[: good.index("-----END") + 26]), "without the issuing CA"
    assert "that of a CA: send the leaf first" in refused(
        box, site.issue(csr, f"basicConstraints=CA:TRUE\nsubjectAltName={NAMES}\n", -60, DAY) + site.chain
    )
    assert "ran out on" in refused(box, site.sign(csr, NAMES, -3 * DAY, -2 * DAY))
    assert "is not yet valid: it begins on" in refused(box, site.sign(csr, NAMES, DAY, 5 * DAY))
    old = Authority(tmp_path, "site ca old", root, -30 * DAY, -1 * DAY)
    assert "its issuing CA 'CN=site ca old' ran out on" in refused(box, old.sign(csr, NAMES))
    narrow = Authority(tmp_path, "site ca narrow", root, constraints="permitted;DNS:lulea.example")
    assert "permitted subtree violation" in refused(box, narrow.sign(csr, NAMES))
    what = {item["what"] for item in ledger.read(box.paths)[1 if had else 0 :]}
    assert what == {"refused"}
    assert box.ask(good)["class"] == "success"


@pytest.mark.must_show("D4")
def test_a_revoked_certificate_is_refused(box: Box, tmp_path: Path, root: Authority) -> None:
    box.site = Authority(tmp_path, "site ca strict", root)
    chain = box.site.sign(box.csr(), NAMES)
    box.site.revoke(chain[: chain.index("-----END") + 26])
    files.write_atomic(box.paths.crl, box.site.crl())
    assert "is revoked" in refused(box, chain)
    box.first()


def test_without_anything_that_is_trusted(box: Box) -> None:
    chain = box.site.sign(box.csr(), NAMES)
    os.unlink(box.paths.trust_bundle)
    assert "bring what is trusted to the node first" in refused(box, chain)


def test_what_the_system_trusts_does_not_count(
    box: Box, tmp_path: Path, other: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").write_text(other.pem, encoding="ascii")
    store = tmp_path / "certs"
    store.mkdir()
    digest = openssl("x509", "-noout", "-subject_hash", text=other.pem).strip()
    (store / f"{digest}.0").write_text(other.pem, encoding="ascii")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(store))
    assert "does not verify" in refused(box, other.sign(box.csr(), NAMES))


@pytest.mark.must_show("D4")
def test_a_full_disk(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.first()
    chain = box.site.sign(box.csr(), NAMES)
    real = os.mkdir

    def full(path: str, mode: int = 0o777) -> None:
        if str(path).endswith(".new"):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, mode)

    with monkeypatch.context() as patched:
        patched.setattr(os, "mkdir", full)
        assert "the disk is full; the old version is in use" in refused(box, chain)
    assert box.ask(chain)["class"] == "success"


# -- what is taken back


def test_a_server_that_does_not_show_it_gets_the_old_one_back(box: Box) -> None:
    box.first()
    server = box.serve()
    before = box.fingerprint
    server.deaf = True
    found = box.ask(box.site.sign(box.csr(), NAMES))
    assert found["class"] == "reverted" and "does not show the certificate" in found["msg"]
    assert box.fingerprint == before == server.shows() and found["installed"]["fingerprint"] == before
    assert box.asked == ["systemctl reload nginx.service"] * 2
    box.well()
    assert ledger.read(box.paths)[-1]["what"] == "reverted"
    server.deaf = False
    assert box.ask(box.site.sign(box.csr(), NAMES))["class"] == "success", "the same request is still there"


def test_a_server_that_died_is_started_with_the_old_one(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.first()
    server = box.serve()

    def reload(self: TlsServer) -> None:
        box.unit = "active" if box.unit == "failed" else "failed"
        self.context = self._load() if box.unit == "active" else ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    monkeypatch.setattr(TlsServer, "reload", reload)
    found = box.ask(box.site.sign(box.csr(), NAMES))
    assert found["class"] == "reverted" and "but nothing (" in found["msg"]
    assert box.asked == ["systemctl reload nginx.service", "systemctl restart nginx.service"]
    assert server.shows() == box.fingerprint


def test_who_does_not_run_reads_it_later(box: Box) -> None:
    box.first()
    box.serve()
    box.unit, box.server = "inactive", None
    found = box.ask(box.site.sign(box.csr(), NAMES))
    assert found["class"] == "success" and box.asked == []
    assert "does not run" in ledger.read(box.paths)[-1]["reason"]


# -- cut off


@pytest.mark.must_show("D3")
@pytest.mark.parametrize("point", POINTS)
def test_cut_off_at_any_step(box: Box, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    box.first()
    server = box.serve()
    before = box.fingerprint
    chain = box.site.sign(box.csr(), NAMES)
    with monkeypatch.context() as patched:
        reached = stop_at(patched, point)
        with pytest.raises(KillError):
            box.ask(chain)
    assert reached == [point]
    box.matching()
    certificates.put_back(box.paths)
    box.matching()
    assert certificates.recover(box.node) == []
    assert (box.fingerprint == before) == (point != "certificate_commit:after")
    box.well()
    assert box.ask(chain)["class"] in ("success", "unchanged")
    assert box.fingerprint != before and server.shows() == box.fingerprint
    box.well()
    assert box.ask()["csr"] == ""


@pytest.mark.must_show("D3")
@pytest.mark.parametrize("cut", ["pending", "tries"])
def test_cut_off_after_the_commit_a_key_in_use_is_not_asked_for_again(
    box: Box, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    chain = box.site.sign(box.csr(), NAMES)

    def die(*dummy: t.Any) -> t.NoReturn:
        raise KillError

    with monkeypatch.context() as patched:
        patched.setattr(certificates, "forget_request" if cut == "pending" else "forget_tries", die)
        with pytest.raises(KillError):
            box.ask(chain)
    box.well()
    csr = box.csr()
    assert certificate_files.public_key(
        "it", Path(box.directory, "current/tls.key").read_text(encoding="ascii")
    ) not in (openssl("req", "-noout", "-pubkey", text=csr))
    assert box.ask(box.site.sign(csr, NAMES))["class"] == "success"


@pytest.mark.must_show("D3")
@pytest.mark.parametrize("point", BACK_POINTS)
def test_cut_off_on_the_way_back(box: Box, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    box.first()
    server = box.serve()
    before = box.fingerprint
    server.deaf = True
    with monkeypatch.context() as patched:
        reached = stop_at(patched, point)
        with pytest.raises(KillError):
            box.ask(box.site.sign(box.csr(), NAMES))
    assert reached == [point]
    box.matching()
    server.deaf = False
    assert certificates.recover(box.node) == []
    assert box.fingerprint == before
    box.well()


@pytest.mark.must_show("D3")
@pytest.mark.parametrize("point", POINTS)
def test_a_first_one_that_is_cut_off(box: Box, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    chain = box.site.sign(box.csr(), NAMES)
    with monkeypatch.context() as patched:
        stop_at(patched, point)
        with pytest.raises(KillError):
            box.ask(chain)
    certificates.recover(box.node)
    assert bool(box.fingerprint) == (point == "certificate_commit:after")
    assert box.ask(chain)["class"] in ("success", "unchanged")
    box.well()


@pytest.mark.parametrize("number", range(1, 5))
def test_a_request_that_is_cut_off_is_made_again_or_whole(
    box: Box, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real, left = files.write_atomic, [number]

    def write(*arguments: t.Any, **more: t.Any) -> None:
        real(*arguments, **more)
        if "/pending/" in arguments[0]:
            left[0] -= 1
            if left[0] == 0:
                raise KillError

    with monkeypatch.context() as patched:
        patched.setattr(files, "write_atomic", write)
        if number < 4:
            with pytest.raises(KillError):
                box.ask()
        else:
            box.ask()
    box.first()


def test_what_cannot_be_put_right_is_said_and_tried_again(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.first()
    server = box.serve()
    with monkeypatch.context() as patched:
        stop_at(patched, "certificate_reload:after")
        with pytest.raises(KillError):
            box.ask(box.site.sign(box.csr(), NAMES))
    server.deaf = True
    problems = certificates.recover(box.node)
    assert len(problems) == 1 and "the old version is in place, but" in problems[0]
    assert "cut off" in certificate_requests.overview(box.node)[0]["problem"]
    box.matching()
    server.deaf = False
    assert certificates.recover(box.node) == []
    box.well()


# -- clocks


def test_a_clock_in_doubt_neither_renews_nor_refuses(box: Box) -> None:
    """1970: everything is 'not yet valid'. 2099: everything has 'run out'."""
    for now in (0.0, 4.07e9):
        box.clock = Verdict(now, "doubtful", "before the last known time")
        if not box.fingerprint:
            box.first()
        else:
            assert box.ask(box.site.sign(box.csr(), NAMES))["class"] == "success"
        found = box.ask()
        assert (found["csr"], found["reason"], found["changed"]) == ("", "", False)
        assert certificate_requests.renew(box.node)["msg"] == "nothing to do"
        box.well()


def test_one_that_was_issued_in_the_future_is_replaced(box: Box) -> None:
    box.clock = Verdict(time.time() + 3 * DAY, "plausible", "nobody confirms it")
    assert box.ask(box.site.sign(box.csr(), NAMES, 2 * DAY, 30 * DAY))["class"] == "success"
    box.clock = Verdict(time.time(), "plausible", "nobody confirms it")
    assert box.ask()["reason"] == ""
    box.clock = Verdict(time.time(), "trusted", "chrony")
    assert box.ask()["reason"] == "future"


def test_four_hundred_days_in_the_cupboard(box: Box) -> None:
    box.first()
    box.clock = Verdict(time.time() + 400 * DAY, "trusted", "chrony")
    found = box.ask()
    assert found["reason"] == "expired" and found["csr"]
    box.matching()
    chain = box.site.sign(found["csr"], NAMES, 399 * DAY, 430 * DAY)
    assert box.ask(chain)["class"] == "success"


# -- what is trusted changes


def test_new_trust_first_then_leaves_then_the_old_goes(box: Box, root: Authority, other: Authority) -> None:
    box.first()
    server = box.serve()
    first = box.fingerprint
    box.trust(root.pem, other.pem)
    found = box.ask()
    assert found["changed"] and box.fingerprint == first and not box.ask()["changed"]
    assert Path(box.directory, "current/ca.crt").read_text(encoding="ascii") == root.pem + other.pem
    box.well()
    assert box.ask(other.sign(box.csr(), NAMES))["class"] == "success"
    assert server.shows(box.directory + "/current/ca.crt", "cam01.kiruna.example") == box.fingerprint != first
    box.trust(other.pem)
    assert box.ask()["changed"]
    box.well()
    box.trust(root.pem)
    assert box.ask()["class"] == "refused", "what is in use would not be verified by what is trusted"
    box.matching()


def test_what_is_in_use_is_looked_at_as_when_it_was_taken(box: Box, root: Authority, other: Authority) -> None:
    def proof() -> str:
        (row,) = certificate_requests.overview(box.node, prove=True)
        assert (row["proof"] or row["reason"]) in certificate_requests.lines([row], str)[-1][-1]
        return str(row["proof"])

    box.csr()
    assert "there is none" in proof()
    box.first()
    assert proof() == ""
    server = box.serve()
    assert proof() == "" and not box.asked, "nobody is told"
    box.trust(other.pem)
    assert "does not verify" in proof()
    box.trust(root.pem)
    box.unit = "failed"
    assert "nginx.service failed" in proof()
    box.unit = "inactive"
    assert proof() == "", "somebody stopped it"
    box.unit = "active"
    server.socket.shutdown(socket.SHUT_RDWR)
    assert f"{server.endpoint} does not show the certificate" in proof()
    assert "proof" not in certificate_requests.overview(box.node)[0]


def test_what_a_push_would_have_to_do_is_said(box: Box, root: Authority, other: Authority) -> None:
    def said() -> t.Tuple[bool, bool]:
        (row,) = certificate_requests.overview(box.node)
        assert row["definition"] == certificates.definition(box.paths, "node")
        return row["wanted"], row["stale"]

    box.csr()
    assert said() == (True, False), "none is there yet"
    box.first()
    assert said() == (False, False)
    box.trust(root.pem, other.pem)
    assert said() == (False, True) and box.ask()["changed"] and said() == (False, False)
    box.wanted["key_mode"] = "0400"
    certificates.define(box.paths, definition(box.wanted))
    assert said() == (False, True)
    Path(box.paths.pki_gateway).write_text("torn", encoding="ascii")
    assert certificate_requests.overview(box.node)[0]["renewed_by"] == {"url": "", "node": ""}


# -- workloads


class Container:
    def __init__(self, running: bool) -> None:
        self.running = running


class SignalledEngine(Engine):
    """One container, and what was done to it."""

    def __init__(self) -> None:
        super().__init__("false")
        self.events: t.List[str] = []
        self.running = True

    def inspect(self, *names: str) -> t.List[t.Any]:
        return [Container(self.running)]

    def signal(self, name: str, signals: t.Sequence[str]) -> None:
        self.events += [f"{item} {name}" for item in signals]

    def restart(self, name: str, seconds: float) -> None:
        self.events.append(f"restart {name} {seconds:g}")


@pytest.mark.parametrize(("signal", "event"), [("SIGHUP", "SIGHUP c1"), ("", "restart c1 7")])
@pytest.mark.parametrize("running", [True, False])
def test_a_workload_is_told(box: Box, monkeypatch: pytest.MonkeyPatch, signal: str, event: str, running: bool) -> None:
    engine = SignalledEngine()
    engine.running = running
    box.node.engine = engine
    deployment = type("Deployment", (), {"container": "c1", "spec": {"stop_timeout": 7.0}})
    monkeypatch.setattr(certificate_users.User, "_deployment", lambda self: deployment)
    box.wanted["reload"] = {"kind": "workload", "tenant": "quality", "workload": "inspection", "signal": signal}
    box.first()
    assert engine.events == ([event] if running else [])


@pytest.mark.parametrize(
    ("said", "events"),
    [
        ({"on_change": "signal", "signal": "SIGUSR1"}, ["SIGUSR1 c1"]),
        ({"on_change": "restart", "signal": "SIGHUP"}, ["restart c1 7"]),
        ({"on_change": "none", "signal": "SIGHUP"}, []),
        (None, []),
    ],
    ids=["signal", "restart", "none", "no identity"],
)
def test_the_release_says_how_its_workload_is_told(box: Box, said: t.Any, events: t.List[str]) -> None:
    engine = SignalledEngine()
    box.node.engine = engine
    box.wanted["name"] = "quality.inspection"
    spec = {"stop_timeout": 7.0, **({"identity": dict(said, mount="/run/identity")} if said else {})}
    deployment = type("Deployment", (), {"container": "c1", "spec": spec})
    workload = type("Workload", (), {"current": deployment})
    tenant = type("Tenant", (), {"workloads": {"inspection": workload}})
    box.node.store.load = lambda: type("State", (), {"tenants": {"quality": tenant}})  # type: ignore[method-assign,assignment,return-value]
    box.first()
    assert engine.events == events
    box.wanted["reload"] = {"kind": "unit", "unit": "nginx.service"}
    assert certificate_users.way(box.node, definition(box.wanted))["unit"] == "nginx.service", "who says it counts"


def test_the_certificate_of_a_workload_that_is_not_there_yet_tells_nobody(box: Box) -> None:
    """As on a new box: the workload is deployed with its certificate, so nothing shows it before."""
    box.wanted.update(name="quality.inspection", endpoint="localhost:1", prove={"within": 0.3})
    box.first()
    assert certificates.leaf(box.paths, "quality.inspection")
    assert "does not run" in ledger.read(box.paths)[-1]["reason"]


@pytest.mark.parametrize("running", [True, False])
def test_a_workload_that_looks_by_itself_shows_it_where_it_runs(box: Box, running: bool) -> None:
    engine = SignalledEngine()
    engine.running, box.node.engine = running, engine
    box.wanted.update(name="quality.inspection", endpoint="localhost:1", prove={"within": 0.3})
    deployment = type("Deployment", (), {"container": "c1", "spec": {}})
    workload = type("Workload", (), {"current": deployment})
    tenant = type("Tenant", (), {"workloads": {"inspection": workload}})
    box.node.store.load = lambda: type("State", (), {"tenants": {"quality": tenant}})  # type: ignore[method-assign,assignment,return-value]
    found = box.ask(box.site.sign(box.csr(), NAMES))
    assert found["class"] == ("reverted" if running else "success"), found["msg"]


def test_a_workload_that_is_being_swapped_is_not_touched(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.wanted["reload"] = {"kind": "workload", "tenant": "quality", "workload": "inspection"}
    monkeypatch.setattr(certificate_users, "LOCK_WAIT", 0.1)
    chain = box.site.sign(box.csr(), NAMES)
    with box.node.lock(0):
        assert "another change is under way" in box.ask(chain)["msg"]
    assert box.ask(chain)["class"] == "success"


# -- definitions and the command


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "../x"}, "certificate.name: found"),
        ({"dns": ["a,DNS:b"]}, "certificate.dns"),
        ({"dns": [], "ip": [], "uri": []}, "at least one name"),
        ({"ip": ["10.20.1"]}, "certificate.ip"),
        ({"uri": ["spiffe://a,DNS:b"]}, "certificate.uri"),
        ({"uri": ["spiffe://a/$ENV::HOME"]}, "certificate.uri"),
        ({"subject": "x\n[ext]"}, "certificate.subject"),
        ({"key": "rsa-1024"}, "wanted one of ec-p256"),
        ({"key_mode": "0644"}, "lets nobody else read"),
        ({"endpoint": "somewhere"}, "HOST:PORT"),
        ({"reload": {"kind": "unit"}}, "the key 'unit' is missing"),
        ({"reload": {"kind": "workload", "tenant": "a", "workload": "b", "signal": "SIGKILL"}}, "wanted one of SIGHUP"),
        ({"nmae": "x"}, "unknown key"),
    ],
)
def test_definitions_that_are_refused(box: Box, change: t.Dict[str, t.Any], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("[", r"\[")) as caught:
        definition(dict(box.wanted, **change))
    assert "\n" not in str(caught.value)


def test_the_command(box: Box, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cli, "Node", lambda: box.node)
    monkeypatch.setattr(cli.os, "geteuid", lambda: 0)
    assert cli.main(["certificates"]) == 0
    assert capsys.readouterr().out == "no certificate is wanted here\n"
    box.first()
    assert cli.main(["certificates"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["CERTIFICATE", "ISSUER", "ENDS", "DAYS", "LEFT", "RENEWED", "STATE"]
    assert lines[1].startswith("node         CN=site ca kiruna  ") and lines[1].endswith("  valid")
    assert cli.main(["certificates", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)[0]
    assert row["installed"]["fingerprint"] == box.fingerprint and row["reason"] == "valid"
    assert cli.main(["certificates", "--recover"]) == 0
    assert cli.main(["certificates", "--renew"]) == 0
    assert capsys.readouterr().out == "nothing to do\n"
    assert cli.main(["ledger"]) == 0
    assert "certificate: node installed" in capsys.readouterr().out


def test_no_key_is_told_to_anybody(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in arguments, the ledger, results or files that others may read."""
    real, seen = run, []

    def watched(argv: t.Sequence[str], timeout: float = 60.0, stdin: t.Any = None, text: str = "") -> Done:
        seen.append(" ".join(argv))
        return real(argv, timeout, stdin, text)

    monkeypatch.setattr(certificate_files, "run", watched)
    said = json.dumps([box.ask(), box.ask(box.site.sign(box.csr(), NAMES)), certificate_requests.overview(box.node)])
    key = Path(box.directory, "current/tls.key").read_text(encoding="ascii")
    secret = "".join(key.splitlines()[1:-1])[:40]
    for text in (*seen, said, Path(box.paths.ledger).read_text(encoding="utf-8")):
        assert secret not in text and "PRIVATE" not in text
    for folder, dummy, names in os.walk(box.paths.root):
        for name in names:
            path = os.path.join(folder, name)
            if secret in Path(path).read_text(encoding="utf-8").replace("\n", ""):
                assert os.stat(path).st_mode & 0o077 == 0 and name == "tls.key"


def test_a_definition_of_a_newer_version_is_left(box: Box) -> None:
    box.first()
    path = Path(box.directory, "definition.json")
    path.write_text(json.dumps(dict(json.loads(path.read_text(encoding="ascii")), schema=2)), encoding="ascii")
    with pytest.raises(NodeError, match="of a newer version"):
        certificates.definition(box.paths, "node")
    assert "newer version" in certificate_requests.overview(box.node)[0]["problem"]
