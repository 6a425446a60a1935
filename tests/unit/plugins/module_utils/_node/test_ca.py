# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An issuing CA from its key to the list of what it revoked, with the real openssl."""

from __future__ import annotations

import errno
import functools
import json
import os
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._node import (
    ca,
    ca_command,
    ca_issue,
    cli,
    clock,
    faults,
    files,
    ledger,
)
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths
from ansible_collections.physical_ai.edge.plugins.module_utils._node.node import Node
from tests.unit.plugins.module_utils._node import authorities
from tests.unit.plugins.module_utils._node.authorities import (
    DEFINITION,
    Person,
    Root,
    Site,
    Verdict,
    allowed,
    identity,
    new_key,
    request,
)

DAY = 86400


class Killed(BaseException):
    """The program dies here."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    authorities.needed()
    return Root(tmp_path_factory.mktemp("operator"))


@pytest.fixture
def site(tmp_path: Path, root: Root) -> Site:
    return Site(tmp_path, root)


@pytest.fixture
def cam(tmp_path: Path) -> Person:
    return Person(tmp_path / "keys")


def set_clock(monkeypatch: pytest.MonkeyPatch, now: float, state: str = "trusted") -> None:
    monkeypatch.setattr(clock, "verdict", lambda paths: Verdict(now, state))


def refused(call: t.Callable[[], t.Any], cause: str = "certificate") -> str:
    with pytest.raises(NodeError) as caught:
        call()
    assert caught.value.cause == cause, caught.value.message
    assert "\n" not in caught.value.message
    return caught.value.message


# -- the whole life ----------------------------------------------------------------------------------------------------


def test_from_the_root_to_a_revoked_leaf(
    site: Site, cam: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issued, verified, renewed with a certificate that ran out 400 days ago, refused under another name, revoked."""
    begun = time.time()
    monkeypatch.setattr(clock, "verdict", lambda paths: Verdict(begun - 401 * DAY, "trusted"))
    monkeypatch.setattr(ca.Authority, "certificate", _older(ca.Authority.certificate, 500 * DAY))
    old = ca_issue.issue(site.authority, {"node": cam.node, "requests": {"node": cam.request()}})
    cam.keep(old)
    monkeypatch.undo()
    assert site.verify(cam, "-no_check_time") == "good"
    assert site.verify(cam) == "certificate has expired"

    cam.keep(ca_issue.renew(site.authority, cam.signed()))
    name = "kiruna-cam01.kiruna.acme.internal"
    assert site.verify(cam, "-crl_check_all", "-x509_strict", "-verify_hostname", name) == "good"
    assert site.verify(cam, "-verify_ip", "10.20.1.11", "-purpose", "sslclient") == "good"

    message = refused(lambda: ca_issue.renew(site.authority, cam.signed(node="kiruna-cam02")))
    assert identity("kiruna-cam01") in message and "kiruna-cam02 is asked for" in message

    assert len(ca_issue.revoke(site.authority, {"node": "kiruna-cam01", "reason": "keyCompromise"})) == 2
    assert site.verify(cam, "-crl_check_all") == "certificate revoked"
    assert "was revoked" in refused(lambda: ca_issue.renew(site.authority, cam.signed()))
    other = Person(tmp_path / "keys", "kiruna-cam02")
    other.ask(site.authority)
    assert site.verify(other, "-crl_check_all") == "good"


def _older(real: t.Any, seconds: int) -> t.Any:
    """An issuing CA that began earlier, for certificates of earlier."""

    def certificate(self: ca.Authority, generation: str) -> t.Any:
        found = real(self, generation)
        return type(found)(**{**found.__dict__, "not_before": found.not_before - seconds})

    return certificate


def test_a_certificate_says_what_is_allowed_and_nothing_of_what_the_request_says(site: Site, cam: Person) -> None:
    asked = cam.request(
        names="URI:" + identity("kiruna-cam01"), more=["keyUsage=dataEncipherment", "extendedKeyUsage=serverAuth"]
    )
    cam.ask(site.authority, csr=asked)
    text = authorities.openssl("x509", "-noout", "-text", text=cam.leaf)
    assert "DNS:kiruna-cam01.kiruna.acme.internal, IP Address:10.20.1.11, URI:spiffe://acme/site" in text
    assert "Digital Signature" in text and "Data Encipherment" not in text and "CA:FALSE" in text
    assert "TLS Web Server Authentication, TLS Web Client Authentication" in text
    book = ca.issued(site.authority)
    assert [(item["node"], item["name"]) for item in book] == [("kiruna-cam01", "node")]
    assert book[0]["sha256"] == ca.fingerprint(cam.leaf)
    assert book[0]["not_after"] - book[0]["not_before"] <= 30 * DAY + 300
    assert (
        len(book[0]["serial"]) == 32
        and site.authority.certificate(book[0]["issuer"]).not_before <= book[0]["not_before"]
    )


def test_a_workload_has_an_identity_of_its_own_and_cannot_renew_for_its_node(
    site: Site, cam: Person, tmp_path: Path
) -> None:
    answer = cam.ask(site.authority, "quality.inspection")
    workload = Person(tmp_path / "workload")
    key = workload.key
    answer = ca_issue.issue(site.authority, {"node": cam.node, "requests": {"quality.inspection": request(key)}})
    workload.leaf = answer["certificates"]["quality.inspection"].split("-----END CERTIFICATE-----\n")[0]
    workload.leaf += "-----END CERTIFICATE-----\n"
    workload.chain = site.authority.text("chain.pem")
    assert site.verify(workload, "-crl_check_all", "-x509_strict") == "good"
    assert "a node renews its own only" in refused(lambda: ca_issue.renew(site.authority, workload.signed()))


def test_rsa_keys_are_as_good(site: Site, tmp_path: Path) -> None:
    cam = Person(tmp_path / "keys", kind="rsa2048")
    cam.ask(site.authority)
    cam.keep(ca_issue.renew(site.authority, cam.signed()))
    assert site.verify(cam, "-crl_check_all") == "good"
    assert "Key Encipherment" in authorities.openssl("x509", "-noout", "-text", text=cam.leaf)


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"subject": "/CN=kiruna-cam02"}, "'kiruna-cam02', which belongs to kiruna-cam02"),
        ({"subject": "/O=acme/CN=kiruna-cam01"}, "more than a CN"),
        ({"names": "DNS:kiruna-cam02.kiruna.acme.internal"}, "which belongs to kiruna-cam02"),
        ({"names": "URI:" + identity("kiruna-cam02")}, "which belongs to kiruna-cam02"),
        ({"names": "IP:10.20.1.12"}, "which belongs to kiruna-cam02"),
        ({"names": "IP:10.20.1.99"}, "which it may not have; it may have: kiruna-cam01.kiruna.acme.internal, 10.20"),
        ({"names": "DNS:*.kiruna.acme.internal"}, "which it may not have"),
        ({"names": "email:root@example.com"}, "an e-mail address"),
        ({"names": "otherName:1.2.3.4;UTF8:x"}, "a name of another kind"),
        ({"more": ["basicConstraints=critical,CA:TRUE"]}, "to be an authority itself (CA:TRUE)"),
        ({"more": ["keyUsage=keyCertSign"]}, "a key to sign certificates"),
        ({"more": ["keyUsage=cRLSign"]}, "to sign lists of revoked ones"),
        ({"more": ["extendedKeyUsage=codeSigning"]}, "TLS servers and clients only"),
        ({"more": ["nameConstraints=permitted;DNS:x"]}, "the extension 2.5.29.30, which nobody gets"),
    ],
)
def test_whoever_asks_for_more_than_is_allowed_gets_nothing(
    site: Site, cam: Person, more: t.Dict[str, t.Any], words: str
) -> None:
    message = refused(lambda: cam.ask(site.authority, csr=cam.request(**more)))
    assert words in message and message.startswith("the request of kiruna-cam01 for node ")
    assert ca.issued(site.authority) == []


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("rsa1024", "RSA of 1024 bits"),
        ("ed25519", "Ed25519"),
        ("P-521", "EC P-521"),
        ("secp256k1", "EC secp256k1"),
    ],
)
def test_keys_that_are_too_small_or_odd(site: Site, tmp_path: Path, kind: str, words: str) -> None:
    key = new_key(tmp_path / "odd.key", kind)
    asked = {"node": "kiruna-cam01", "requests": {"node": request(key)}}
    message = refused(lambda: ca_issue.issue(site.authority, asked))
    assert f"has a key of {words}, wanted a key of EC P-256" in message


def test_who_is_not_there_or_blocked_gets_nothing(site: Site, cam: Person, tmp_path: Path) -> None:
    stranger = Person(tmp_path / "keys", "kiruna-cam03")
    message = refused(lambda: stranger.ask(site.authority))
    assert "'kiruna-cam03' is no node of the site kiruna" in message and "Did you mean 'kiruna-cam02'?" in message
    assert "may not have a certificate 'quality.other'" in refused(lambda: cam.ask(site.authority, "quality.other"))
    cam.ask(site.authority)
    rules = allowed()
    rules["nodes"]["kiruna-cam01"]["blocked"] = True
    site.allow(rules)
    assert "kiruna-cam01 is blocked" in refused(lambda: cam.ask(site.authority))
    assert "kiruna-cam01 is blocked" in refused(lambda: ca_issue.renew(site.authority, cam.signed()))


def test_damaged_requests_are_one_line(site: Site, cam: Person) -> None:
    good = cam.request()
    lines = good.splitlines()
    for bad, words in (
        ("nothing", "found 0 whole"),
        (good[: len(good) // 2], "found 0 whole of 1 that begin"),
        (good + good, "alone, found 2 blocks"),
        ("\n".join([lines[0], *lines[2:]]) + "\n", "damaged"),
        (cam.key.read_text(encoding="utf-8"), "Take the key for known to others"),
        ("x" * 200000, "too much"),
    ):
        assert words in refused(functools.partial(cam.ask, site.authority, csr=bad))
    # Changed after it was signed: what it says is right, but it was not made with the key.
    body = "".join(lines[1:-1])
    changed = body[:-10] + ("A" if body[-10] != "A" else "B") + body[-9:]
    forged = "\n".join([lines[0], changed, lines[-1], ""])
    assert "was not made with its own key" in refused(lambda: cam.ask(site.authority, csr=forged))
    assert ca.issued(site.authority) == []


def test_only_the_holder_of_the_key_renews(site: Site, cam: Person, tmp_path: Path) -> None:
    cam.ask(site.authority)
    thief = Person(tmp_path / "thief")
    thief.leaf = cam.leaf
    assert "was not signed with the key" in refused(lambda: ca_issue.renew(site.authority, thief.signed()))
    asked = cam.signed()
    asked["requests"] = {"node": thief.request()}
    assert "or was changed on its way" in refused(lambda: ca_issue.renew(site.authority, asked))
    assert "wanted base64" in refused(lambda: ca_issue.renew(site.authority, dict(cam.signed(), signature="%")))
    missing = {key: value for key, value in cam.signed().items() if key != "signature"}
    assert "'signature' is missing" in refused(lambda: ca_issue.renew(site.authority, missing))


def test_a_certificate_of_another_authority_proves_nothing(site: Site, cam: Person, tmp_path: Path, root: Root) -> None:
    """A gateway that was replaced: its issuing CA does not count here, though the root is the same."""
    other = Site(tmp_path / "other", root)
    cam.ask(other.authority)
    assert "was not issued here" in refused(lambda: ca_issue.renew(site.authority, cam.signed()))


# -- time --------------------------------------------------------------------------------------------------------------


def test_a_doubtful_clock_signs_nothing_but_revokes(site: Site, cam: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    cam.ask(site.authority)
    before = site.authority.text("crl.pem")
    set_clock(monkeypatch, 0, "doubtful")
    message = refused(lambda: cam.ask(site.authority), "clock")
    assert message == "nothing is signed while the clock is doubtful (the test says so): set it, then ask again"
    refused(lambda: ca_issue.renew(site.authority, cam.signed()), "clock")
    assert len(ca_issue.revoke(site.authority, {"node": "kiruna-cam01"})) == 1
    assert site.authority.text("crl.pem") == before
    assert "signs nothing: the clock is doubtful" in "\n".join(ca.lines(ca.status(site.authority)))
    monkeypatch.undo()
    ca_issue.crl(site.authority)
    assert site.verify(cam, "-crl_check_all") == "certificate revoked"


def test_a_leaf_never_outlives_the_issuing_ca(site: Site, cam: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    own = site.authority.certificate(site.authority.ready())
    set_clock(monkeypatch, own.not_after - 2 * DAY)
    cam.ask(site.authority)
    assert ca.issued(site.authority)[-1]["not_after"] == own.not_after
    set_clock(monkeypatch, own.not_after + DAY)
    message = refused(lambda: cam.ask(site.authority))
    assert message.startswith("the issuing CA ends on ") and "playbook pki" in message
    set_clock(monkeypatch, own.not_before - DAY)
    assert "is the clock right?" in refused(lambda: cam.ask(site.authority))


def test_no_more_than_so_many_in_a_minute(site: Site, cam: Person) -> None:
    site.allow(allowed(per_minute=2))
    cam.ask(site.authority)
    cam.ask(site.authority)
    message = refused(lambda: cam.ask(site.authority), "pace")
    assert "signs 2 certificates in a minute" in message and message.split("try again in ")[1].split()[1] == "s"
    files.write_atomic(site.authority.path("pace.json"), "broken")
    cam.ask(site.authority)
    assert len(ca.issued(site.authority)) == 3


def test_the_list_is_made_anew_when_a_third_of_its_life_is_over(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ca_issue.crl(site.authority)
    assert ca_issue.crl(site.authority) == first
    made = files.read_json(site.authority.path("crl.json"), {})
    assert made["until"] - made["made"] == 30 * DAY
    set_clock(monkeypatch, made["made"] + 11 * DAY)
    assert ca_issue.crl(site.authority) != first
    assert files.read_json(site.authority.path("crl.json"), {})["number"] > made["number"]
    os.unlink(site.authority.path("crl.json"))
    ca_issue.crl(site.authority)
    assert files.read_json(site.authority.path("crl.json"), {})["number"] > made["number"]


# -- the issuing CA itself ---------------------------------------------------------------------------------------------


def test_the_key_stays_and_is_for_root_only(site: Site) -> None:
    for folder, _folders, names in os.walk(site.authority.directory):
        assert os.stat(folder).st_mode & 0o077 == 0
        for name in names:
            if name == "ca.key" and not os.path.islink(os.path.join(folder, name)):
                assert os.stat(os.path.join(folder, name)).st_mode & 0o777 == 0o600
    assert "PRIVATE" not in json.dumps(ca_command.ensure(site.authority, {})) + json.dumps(ledger.read(site.paths))


def test_only_what_the_root_signed_as_it_was_asked_is_installed(site: Site, tmp_path: Path) -> None:
    root, authority = site.root, site.authority
    before = os.readlink(authority.path("current"))
    csr = ca.ask(authority, dict(DEFINITION, curve="P-384"))
    assert ca.ask(authority, dict(DEFINITION, curve="P-384")) == csr, "asked again, the same request"
    wanted = dict(DEFINITION, curve="P-384")
    other = request(new_key(tmp_path / "other.key"), "/CN=x")
    stranger = Root(tmp_path / "stranger", "another root")
    for pem, words in (
        (root.sign(other, wanted), "is of another key"),
        (root.sign(csr, dict(wanted, dns=["acme.internal"])), "not bound to the names of the request"),
        (root.sign(csr, wanted, drop="nameConstraints"), "not bound to the names of the request"),
        (root.sign(csr, wanted, drop="basicConstraints"), "none of an authority"),
        (stranger.sign(csr, wanted), "leads to none of the roots that count"),
    ):
        assert words in refused(functools.partial(ca.install, authority, pem, "", root.pem), "ca")
        assert os.readlink(authority.path("current")) == before
    assert "found none" in refused(lambda: ca.install(authority, root.sign(csr, wanted), "", ""), "ca")
    good = root.sign(csr, wanted)
    assert ca.install(authority, good, "", root.pem) and not ca.install(authority, good, "", root.pem)
    assert os.readlink(authority.path("current")) != before and authority.text("ca.crt") == good
    assert "no key waits" in refused(lambda: ca.install(authority, root.sign(csr, wanted), "", root.pem), "ca")


def test_an_issuing_ca_is_bound_to_its_site(site: Site, cam: Person) -> None:
    """Were it to sign for others, nobody would believe it."""
    rules = allowed()
    rules["nodes"]["kiruna-cam01"]["certificates"]["node"]["dns"].append("www.example.com")
    site.allow(rules)
    cam.ask(site.authority)
    assert site.verify(cam) == "permitted subtree violation"
    rules = allowed()
    rules["nodes"]["kiruna-cam01"]["certificates"]["node"]["ip"].append("192.0.2.1")
    site.allow(rules)
    cam.ask(site.authority)
    assert site.verify(cam) == "permitted subtree violation"


def test_a_new_issuing_ca_takes_over_while_the_old_one_still_proves(site: Site, cam: Person) -> None:
    cam.ask(site.authority)
    old = site.authority.ready()
    site.renewed()
    assert site.authority.ready() != old and len(site.authority.generations()) == 2
    assert site.verify(cam, "-crl_check_all") == "good"
    left = refused(lambda: ca.retire(site.authority, old), "ca")
    assert "still in use" in left and "kiruna-cam01/node" in left
    assert "that signs" in refused(lambda: ca.retire(site.authority, site.authority.ready()), "ca")
    cam.keep(ca_issue.renew(site.authority, cam.signed()))
    assert site.verify(cam, "-crl_check_all") == "good"
    assert ca.retire(site.authority, old) and not ca.retire(site.authority, old)
    assert site.authority.generations() == [site.authority.ready()]
    assert not os.path.exists(site.authority.path("generations", old))


def test_revoking(site: Site, cam: Person) -> None:
    cam.ask(site.authority)
    cam.ask(site.authority, "quality.inspection")
    (row,) = ca_issue.revoke(site.authority, {"node": cam.node, "name": "quality.inspection"})
    assert row["name"] == "quality.inspection" and site.verify(cam, "-crl_check_all") == "good"
    assert ca_issue.revoke(site.authority, {"serial": row["serial"].lower().lstrip("0")}) == []
    assert "nothing was issued here for 0" in refused(lambda: ca_issue.revoke(site.authority, {"serial": "AB"}), "ca")
    assert "either a node or a serial" in refused(lambda: ca_issue.revoke(site.authority, {}))
    assert [item["what"] for item in ledger.read(site.paths)] == ["key made", "certificate installed", "revoked"]


def test_what_is_missing_is_named(tmp_path: Path, root: Root) -> None:
    authority = ca.Authority(Paths(str(tmp_path)))
    asked = {"node": "kiruna-cam01", "requests": {"node": "x"}}
    assert "allowed.json is missing" in refused(lambda: ca_issue.issue(authority, asked), "ca")
    files.write_json(authority.path("allowed.json"), allowed())
    assert "is not set up here" in refused(lambda: ca_issue.issue(authority, asked), "ca")
    assert "no request waits" in refused(lambda: ca.request(authority), "ca")
    ca.ask(authority, DEFINITION)
    assert "waits for its certificate" in refused(lambda: ca_issue.issue(authority, asked), "ca")
    files.write_atomic(authority.path("allowed.json"), '{"schema": 1}')
    assert "'site' is missing" in refused(lambda: ca_issue.issue(authority, asked), "ca")


# -- crashes -----------------------------------------------------------------------------------------------------------

POINTS = ("key:before", "key:after", "next:after", "certificate:before", "certificate:after", "current:after")


@pytest.mark.parametrize("point", POINTS)
def test_killed_while_it_is_replaced_the_old_one_signs_or_the_new_one(
    site: Site, cam: Person, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    kill_at(monkeypatch, f"ca_{point}")
    with pytest.raises(Killed):
        site.renewed()
    monkeypatch.undo()
    cam.ask(site.authority)
    assert site.verify(cam, "-crl_check_all") == "good"
    site.renewed()
    cam.ask(site.authority)
    assert site.verify(cam, "-crl_check_all") == "good"
    left = [name for name in os.listdir(site.authority.directory) if name.startswith(("work-", "next"))]
    assert left == [] and set(site.authority.generations()) == set(os.listdir(site.authority.path("generations")))


@pytest.mark.parametrize("point", ["sign:before", "sign:after", "record:before", "record:after", "crl:after"])
def test_killed_while_it_signs_nothing_is_out_that_is_not_written_down(
    site: Site, cam: Person, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    kill_at(monkeypatch, f"ca_{point}")
    with pytest.raises(Killed):
        cam.ask(site.authority)
    monkeypatch.undo()
    assert len(ca.issued(site.authority)) == (1 if point in ("record:after", "crl:after") else 0)
    cam.ask(site.authority)
    assert site.verify(cam, "-crl_check_all") == "good"
    assert [item["sha256"] for item in ca.issued(site.authority)][-1] == ca.fingerprint(cam.leaf)


@pytest.mark.parametrize("point", ["revoke:after", "crl:after"])
def test_killed_while_it_revokes_the_next_list_has_it(
    site: Site, cam: Person, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    cam.ask(site.authority)
    kill_at(monkeypatch, f"ca_{point}")
    with pytest.raises(Killed):
        ca_issue.revoke(site.authority, {"node": cam.node})
    monkeypatch.undo()
    assert "was revoked" in refused(lambda: ca_issue.renew(site.authority, cam.signed()))
    ca_issue.crl(site.authority)
    assert site.verify(cam, "-crl_check_all") == "certificate revoked"


def kill_at(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    def reach(paths: Paths, point: str) -> None:
        if point == wanted:
            raise Killed

    monkeypatch.setattr(faults, "reach", reach)


def test_a_torn_line_is_written_over(site: Site, cam: Person) -> None:
    cam.ask(site.authority)
    with open(site.authority.path("issued.jsonl"), "ab") as handle:
        handle.write(b'{"serial": "12')
    cam.ask(site.authority)
    assert len(ca.issued(site.authority)) == 2


def test_a_full_disk_hands_nothing_out(site: Site, cam: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite

    def full(descriptor: int, data: bytes, offset: int) -> int:
        if data.startswith(b'{"serial"'):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", full)
    message = refused(lambda: cam.ask(site.authority), "ca")
    assert message.endswith("issued.jsonl cannot be written: No space left on device; so nothing is handed out")
    monkeypatch.undo()
    real_open = os.open

    def none(path: t.Any, *arguments: t.Any, **more: t.Any) -> int:
        if str(path).endswith(".new"):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return real_open(path, *arguments, **more)

    monkeypatch.setattr(os, "open", none)
    assert "No space left on device; nothing was handed out" in refused(lambda: cam.ask(site.authority), "ca")
    monkeypatch.undo()
    assert ca.issued(site.authority) == []


# -- what a push wants -------------------------------------------------------------------------------------------------


def test_a_push_makes_it_what_is_wanted_and_the_second_changes_nothing(tmp_path: Path, root: Root, cam: Person) -> None:
    authority = ca.Authority(Paths(str(tmp_path / "controller")), str(tmp_path / "a 'site' of $ours" / "ca"))
    wanted = {
        "definition": DEFINITION,
        "root": root.pem,
        "trust": root.pem,
        "allowed": allowed(),
        "crl": root.revoked(),
    }
    dry = ca_command.ensure(authority, dict(wanted, check=True))
    assert (dry["changed"], dry["csr"], dry["why"]) == (True, "", "there is none yet")
    assert not os.path.exists(authority.directory)
    first = ca_command.ensure(authority, wanted)
    assert first["changed"] and first["status"]["state"] == "waiting"
    again = ca_command.ensure(authority, wanted)
    assert not again["changed"] and again["csr"] == first["csr"]
    signed = dict(wanted, certificate=root.sign(first["csr"]))
    assert ca_command.ensure(authority, dict(signed, check=True))["changed"]
    done = ca_command.ensure(authority, signed)
    assert done["changed"] and not done["csr"] and done["status"]["state"] == "ready" and "X509 CRL" in done["crl"]
    for data in (signed, wanted):
        same = ca_command.ensure(authority, data)
        assert not same["changed"] and same["diff"] == [] and not same["csr"]
    cam.ask(authority)
    assert ledger.read(authority.paths) == [], "a controller has no ledger of a node"
    other = ca_command.ensure(authority, dict(wanted, definition=dict(DEFINITION, dns=["kiruna.example.com"])))
    assert other["why"] == "its names or networks are others now" and other["csr"]


def test_a_new_root_wants_a_new_issuing_ca_and_the_old_one_retires(site: Site, cam: Person, tmp_path: Path) -> None:
    cam.ask(site.authority)
    new = Root(tmp_path / "new", "acme root 2")
    both = site.root.pem + new.pem
    trust = ca_command.ensure(site.authority, {"trust": both})
    assert trust["changed"] and not trust["csr"], "first only the trust"
    wanted = {"definition": DEFINITION, "root": new.pem, "trust": both}
    asked = ca_command.ensure(site.authority, wanted)
    assert asked["why"] == "it leads to another root"
    ca_command.ensure(site.authority, dict(wanted, certificate=new.sign(asked["csr"])))
    assert "still in use" in refused(lambda: ca_command.ensure(site.authority, dict(wanted, retire=True)), "ca")
    cam.keep(ca_issue.renew(site.authority, cam.signed()))
    done = ca_command.ensure(site.authority, dict(wanted, trust=new.pem, retire=True))
    assert done["changed"] and len(done["status"]["generations"]) == 1
    site.root = new
    assert site.verify(cam, "-crl_check_all") == "good"


def test_an_issuing_ca_of_which_a_third_is_left_is_replaced(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    own = site.authority.certificate(site.authority.ready())
    wanted = {"definition": DEFINITION, "root": site.root.pem}
    assert ca_command.ensure(site.authority, wanted)["why"] == ""
    set_clock(monkeypatch, own.not_after - (own.not_after - own.not_before) / 3)
    assert "a third of its life" in ca_command.ensure(site.authority, wanted)["why"]
    set_clock(monkeypatch, own.not_after + DAY, "doubtful")
    assert ca_command.ensure(site.authority, wanted)["why"] == ""


def test_the_command(
    site: Site, cam: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(cli, "Node", lambda: Node(site.paths))

    def edge(*argv: str, given: t.Any = None) -> t.Tuple[int, str, str]:
        file = tmp_path / "input"
        file.write_text(json.dumps(given), encoding="utf-8")
        with open(str(file), encoding="utf-8") as handle:
            monkeypatch.setattr("sys.stdin", handle)
            code = cli.main(["ca", *argv])
        out, err = capsys.readouterr()
        return code, out, err

    asked = {"node": cam.node, "requests": {"node": cam.request()}}
    code, out, _err = edge("issue", "-", given=asked)
    assert code == 0 and set(json.loads(out)) == {"certificates", "trust", "crl"}
    assert edge("init", "-", given=DEFINITION)[1] == edge("csr")[1] != ""
    assert edge("status")[1].startswith("issuing CA: ready")
    assert json.loads(edge("status", "--json")[1])["issued"] == 1
    assert edge("revoke", "kiruna-cam01/node", "--reason", "superseded")[1].startswith("revoked: kiruna-cam01/node ")
    assert edge("revoke", "kiruna-cam01")[1] == "they were revoked already\n"
    assert edge("crl")[1].startswith("-----BEGIN X509 CRL-----")
    code, _out, err = edge("revoke", "kiruna-cam09")
    assert code == 2 and err.startswith("edge: nothing was issued here for kiruna-cam09") and err.count("\n") == 1
    assert "issuing CA: revoked: kiruna-cam01/node" in _ledger(site, monkeypatch, capsys)


def _ledger(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    cli.main(["ledger"])
    return capsys.readouterr()[0]


# -- cut off -----------------------------------------------------------------------------------------------------------


def test_who_is_cut_off_gets_nothing_and_loses_what_he_has(site: Site, cam: Person) -> None:
    cam.ask(site.authority)
    found = ca_command.ensure(site.authority, {"block": [{"node": "kiruna-cam01", "reason": "keyCompromise"}]})
    assert found["changed"] and found["root_crl"] == site.authority.text("root_crl.pem")
    assert [item["after_header"] for item in found["diff"]] == ["revoked", "allowed.json"]
    assert cam.leaf and "is blocked" in refused(lambda: cam.ask(site.authority))
    refused(lambda: ca_issue.renew(site.authority, cam.signed()))
    assert site.verify(cam, "-crl_check") == "certificate revoked"
    assert not ca_command.ensure(site.authority, {"block": [{"node": "kiruna-cam01"}]})["changed"], "again is nothing"
    assert ca_command.ensure(site.authority, {"unblock": ["kiruna-cam01"]})["changed"]
    cam.ask(site.authority)


def test_a_tenant_on_a_node_is_cut_off(site: Site, cam: Person) -> None:
    rules = {name: list(entry["certificates"]) for name, entry in site.authority.allowed()["nodes"].items()}
    assert rules["kiruna-cam01"] == ["node", "quality.inspection"]
    cam.ask(site.authority)
    cam.ask(site.authority, "quality.inspection")
    ca_command.ensure(site.authority, {"block": [{"node": "kiruna-cam01", "tenant": "quality"}]})
    after = {name: list(entry["certificates"]) for name, entry in site.authority.allowed()["nodes"].items()}
    assert after == {**rules, "kiruna-cam01": ["node"]}
    assert [item["name"] for item in ca.revocations(site.authority)["revoked"]] == ["quality.inspection"]
    cam.ask(site.authority)  # the node's own goes on


def test_to_block_in_check_mode_changes_nothing(site: Site, cam: Person) -> None:
    cam.ask(site.authority)
    before = (site.authority.text("allowed.json"), site.authority.text("crl.pem"))
    found = ca_command.ensure(site.authority, {"block": [{"node": "kiruna-cam01"}], "check": True})
    assert found["changed"] and (site.authority.text("allowed.json"), site.authority.text("crl.pem")) == before


def test_who_is_not_of_the_site_is_no_mistake(site: Site) -> None:
    """The record of a fleet names nodes of all sites."""
    assert not ca_command.ensure(site.authority, {"block": [{"node": "narvik-box01"}, {"node": "kiruna-cam01"}]})["csr"]


def test_killed_between_the_word_and_the_list_it_is_done_again(
    site: Site, cam: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    cam.ask(site.authority)

    def die(_paths: Paths, point: str) -> None:
        if point.endswith("block:after"):
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(faults, "reach", die)
        with pytest.raises(Killed):
            ca_command.ensure(site.authority, {"block": [{"node": "kiruna-cam01"}]})
    assert "is blocked" in refused(lambda: cam.ask(site.authority)), "nothing more is issued from the first moment"
    found = ca_command.ensure(site.authority, {"block": [{"node": "kiruna-cam01"}]})
    assert "revoked" in [item["after_header"] for item in found["diff"]]
