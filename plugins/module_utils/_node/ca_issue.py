# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an issuing CA does: it signs, renews, revokes, and says what is revoked.

A certificate is written down before it is handed out: none is out there that cannot be revoked.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
import typing as t

from .._core import asn1, issuing, issuing_config
from . import ca, clock, files
from ._runner import run
from .ca import Authority, Facts, openssl
from .errors import NodeError

CRL_LEAST_DAYS = 7
"""A list of revoked certificates lives as long as the certificates of nodes, and at least this long."""


class Pace(NodeError):
    """Too many certificates in a minute."""

    def __init__(self, wait: int, per_minute: int) -> None:
        super().__init__(
            "pace",
            f"the issuing CA signs {per_minute} certificates in a minute, which is used up: try again in {wait} s",
        )
        self.wait = wait


# -- signing -----------------------------------------------------------------------------------------------------------


def issue(authority: Authority, data: t.Any) -> Facts:
    """Signs what a push asks for: `node` and `requests` by the names of certificates."""
    with ca.refusals():
        wanted = issuing.plain_request(data)
    with authority.lock():
        return _issue(authority, authority.allowed(), wanted["node"], wanted["requests"])


def renew(authority: Authority, data: t.Any) -> Facts:
    """Signs what a node asks for by itself, which it signed with the key of its certificate of now.

    That certificate may have run out: it proves who asks, unless it is revoked.
    """
    with ca.refusals():
        signed = issuing.signed_request(data)
    with authority.lock():
        rules = authority.allowed()
        authority.ready()
        _prove(authority, rules, signed)
        return _issue(authority, rules, signed.node, signed.requests)


def _prove(authority: Authority, rules: Facts, signed: issuing.Signed) -> None:
    with ca.refusals():
        identity = issuing.own_identity(rules, signed.node)
        data = asn1.first("certificate", signed.certificate, "CERTIFICATE", "the node's certificate of now")
        found = asn1.read_certificate("certificate", data)
    if identity not in found.names.uri:
        whose = ", ".join(found.names.uri) or found.common_name
        raise _no(
            f"the certificate {found.serial} is that of {whose}, and {signed.node} is asked for: a node renews its own only"
        )
    gone = [item for item in ca.revocations(authority)["revoked"] if item["serial"] == found.serial]
    if gone:
        raise _no(
            f"the certificate {found.serial} of {signed.node} was revoked on {issuing.day(gone[0]['time'])} "
            f"({gone[0]['reason']}): it gets a new one by push only"
        )
    with ca.workplace(authority) as place:
        _check_signature(authority, place, asn1.to_pem(data, "CERTIFICATE"), signed, found.serial)


def _check_signature(authority: Authority, place: str, pem: str, signed: issuing.Signed, serial: str) -> None:
    mine = [files.read_text(authority.path("generations", name, "ca.crt")) or "" for name in authority.generations()]
    files.write_atomic(place + "/mine.pem", "".join(mine))
    files.write_atomic(place + "/leaf.pem", pem)
    files.write_atomic(place + "/signed", signed.content)
    files.write_atomic(place + "/signature", signed.signature)
    # -trusted keeps the authorities of the system out; -partial_chain, because what counts is that it was signed here.
    argv = [
        "openssl",
        "verify",
        "-no_check_time",
        "-partial_chain",
        "-purpose",
        "sslclient",
        "-trusted",
        place + "/mine.pem",
    ]
    done = run([*argv, place + "/leaf.pem"])
    if done.code != 0:
        raise _no(
            f"the certificate {serial} was not issued here: {ca.reason(done.err or done.out)}; "
            f"{signed.node} gets a new one by push (playbook rotate_certificates)"
        )
    files.write_atomic(place + "/key.pem", openssl("x509", "-in", place + "/leaf.pem", "-noout", "-pubkey"))
    argv = ["openssl", "dgst", "-sha256", "-verify", place + "/key.pem", "-signature", place + "/signature"]
    if run([*argv, place + "/signed"]).code != 0:
        raise _no(
            f"the request was not signed with the key of the certificate {serial} of {signed.node}, or was changed on its way"
        )


def _no(message: str) -> NodeError:
    return NodeError("certificate", message)


def _issue(authority: Authority, rules: Facts, node: str, requests: t.Mapping[str, str]) -> Facts:
    generation = authority.ready()
    now = authority.now("nothing is signed")
    own = authority.certificate(generation)
    todo = []
    with ca.refusals():
        begin, end = issuing.window(now, rules["lifetime_days"], own.not_before, own.not_after)
        for name, text in sorted(requests.items()):
            given = issuing.grant(rules, node, name)
            asked = asn1.read_request(f"the request of {node} for {name}", text)
            issuing.check(rules, given, asked)
            todo.append((given, asked, text))
    _pace(authority, len(todo), rules["per_minute"])
    signed, records = {}, []
    for given, asked, text in todo:
        pem, record = _sign(authority, generation, given, asked, text, begin, end)
        signed[given.name] = pem
        records.append(record)
    authority.point("record:before")
    _append(authority.path("issued.jsonl"), records)
    authority.point("record:after")
    chain = files.read_text(authority.path("generations", generation, "chain.pem")) or ""
    refresh(authority, rules)
    return {
        "certificates": {name: pem + chain for name, pem in signed.items()},
        "trust": authority.text("trust.pem"),
        "crl": authority.text("root_crl.pem") + authority.text("crl.pem"),
    }


def _pace(authority: Authority, count: int, per_minute: int) -> None:
    path = authority.path("pace.json")
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    try:
        times = [float(moment) for moment in files.read_json(path, [])]
    except (NodeError, TypeError, ValueError):
        times = []  # it only says how busy the last minute was
    wait, times = issuing.pace(times, now, count, per_minute)
    if wait:
        raise Pace(wait, per_minute)
    files.write_json(path, times)


def _sign(
    authority: Authority, generation: str, given: issuing.Grant, asked: asn1.Asked, text: str, begin: int, end: int
) -> t.Tuple[str, Facts]:
    serial = f"{secrets.randbits(127) or 1:032X}"
    with ca.workplace(authority) as place:
        with ca.refusals():
            sections = issuing_config.leaf_extensions(given, asked.key == "RSA")
            _work(authority, place, generation, sections)
            files.write_atomic(place + "/serial", serial + "\n")
        files.write_atomic(place + "/request.csr", text)
        authority.point("sign:before")
        done = run(
            [
                *["openssl", "ca", "-batch", "-notext", "-config", place + "/work.cnf", "-in", place + "/request.csr"],
                *["-out", place + "/leaf.pem", "-subj", issuing_config.subject(given), "-extensions", "leaf"],
                *["-startdate", issuing_config.stamp(begin), "-enddate", issuing_config.stamp(end)],
            ]
        )
        authority.point("sign:after")
        pem = files.read_text(place + "/leaf.pem") or ""
    # openssl ends well, with an empty file, where a request was not signed with the key in it.
    if done.code == 0 and not pem:
        raise _no(
            f"the request of {given.node} for {given.name} was not made with its own key, or was changed since: make a new one"
        )
    if done.code != 0:
        raise NodeError("ca", f"openssl does not sign for {given.node}: {done.said}")
    with ca.refusals():
        data = asn1.single("leaf.pem", pem, "CERTIFICATE", "a certificate")
        found = asn1.read_certificate("leaf.pem", data)
    if (found.serial, found.names) != (serial, asn1.Names(given.dns, given.ip, given.uri)):
        raise NodeError("ca", f"openssl signed something else than was wanted for {given.node}: it is thrown away")
    record = {
        "serial": serial,
        "name": given.name,
        "node": given.node,
        "not_before": found.not_before,
        "not_after": found.not_after,
        "sha256": hashlib.sha256(data).hexdigest(),
        "issuer": generation,
    }
    return asn1.to_pem(data, "CERTIFICATE"), record


def _work(authority: Authority, place: str, generation: str, sections: t.Sequence[str] = ()) -> None:
    """The folder in which `openssl ca` works: nothing of it stays."""
    folder = authority.path("generations", generation)
    config = [*issuing_config.work(place, folder + "/ca.key", folder + "/ca.crt"), *sections, ""]
    files.write_atomic(place + "/work.cnf", "\n".join(config))
    files.write_atomic(place + "/index.txt", "")
    files.write_atomic(place + "/index.txt.attr", "unique_subject = no\n")


def _append(path: str, records: t.Sequence[Facts]) -> None:
    """Writes lines down for good. Half a line of an earlier power cut is written over."""
    content = "".join(json.dumps(item, separators=(",", ":")) + "\n" for item in records).encode("utf-8")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            end = _whole(descriptor)
            os.ftruncate(descriptor, end)
            if os.pwrite(descriptor, content, end) != len(content):
                raise OSError(28, "No space left on device")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        files.sync_directory(os.path.dirname(path))
    except OSError as exc:
        raise NodeError("ca", f"{path} cannot be written: {exc.strerror}; so nothing is handed out") from None


def _whole(descriptor: int) -> int:
    """Where the last whole line ends."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    begin = max(0, size - (1 << 16))
    return begin + os.pread(descriptor, size - begin, begin).rfind(b"\n") + 1


# -- revoking ----------------------------------------------------------------------------------------------------------


def revoke(authority: Authority, data: t.Any) -> t.List[Facts]:
    """Takes certificates back, also such as ran out, which could still prove who asks; returns those that were not yet."""
    with ca.refusals():
        wanted = issuing.revocation("revoke", data)
    with authority.lock():
        known = ca.revocations(authority)
        gone = {item["serial"] for item in known["revoked"]}
        chosen = [item for item in ca.issued(authority) if meant(wanted, item)]
        if not chosen:
            what = wanted.get("serial") or f"{wanted['node']} {wanted.get('name', '')}".strip()
            raise NodeError(
                "ca",
                f"nothing was issued here for {what}, so there is nothing to revoke; `edge ca status` says what this is",
            )
        new = [item for item in chosen if item["serial"] not in gone]
        _revoke(authority, known, new, wanted["reason"])
        if authority.generations():
            refresh(authority, authority.allowed())
        return new


def _revoke(authority: Authority, known: Facts, new: t.Sequence[Facts], reason: str) -> None:
    """Whatever the clock says: that it does not count any more must not wait for it."""
    if not new:
        return
    now = int(clock.verdict(authority.paths).now)
    kept = ("serial", "node", "name", "issuer", "not_after")
    more = [dict({key: item[key] for key in kept}, time=now, reason=reason) for item in new]
    files.write_json(authority.path("revoked.json"), dict(known, revoked=[*known["revoked"], *more]))
    authority.point("revoke:after")
    for item in more:
        authority.note(
            "revoked", subject=f"{item['node']}/{item['name']}", serial=item["serial"], reason=item["reason"]
        )


def to_block(authority: Authority, wanted: t.Mapping[str, str]) -> t.List[Facts]:
    """What was issued to a node, or to a tenant on it, and is not revoked yet; also such as ran out, which prove who asks."""
    gone = {item["serial"] for item in ca.revocations(authority)["revoked"]}
    return [item for item in ca.issued(authority) if issuing.cut_off(wanted, item) and item["serial"] not in gone]


def block(authority: Authority, wanted: t.Mapping[str, str]) -> t.List[Facts]:
    """Cuts a node, or a tenant on it, off: first nothing more is issued, then what was issued is revoked. Returns the latter."""
    with authority.lock():
        rules = authority.allowed()
        changed = issuing.blocked(rules, wanted)
        if changed != rules:
            files.write_atomic(authority.path("allowed.json"), json.dumps(changed, indent=1) + "\n")
        authority.point("block:after")
        new = to_block(authority, wanted)
        _revoke(authority, ca.revocations(authority), new, wanted["reason"])
        if authority.generations():
            refresh(authority, changed)
        return new


def meant(wanted: t.Mapping[str, str], item: Facts) -> bool:
    """Whether a revocation is of this certificate."""
    if "serial" in wanted:
        return item["serial"] == wanted["serial"]
    return item["node"] == wanted["node"] and wanted.get("name", item["name"]) == item["name"]


def crl(authority: Authority, force: bool = False) -> str:
    """The list of what is revoked, made anew where that is due."""
    with authority.lock():
        authority.ready()
        refresh(authority, authority.allowed(), force)
        return authority.text("crl.pem")


def refresh(authority: Authority, rules: Facts, force: bool = False) -> bool:
    """Makes the list anew where it does not say all, or a third of its life is over; not while the clock is doubtful."""
    verdict = clock.verdict(authority.paths)
    if verdict.state == ca.DOUBTFUL:
        return False
    now = int(verdict.now)
    alive = [name for name in authority.generations() if authority.certificate(name).not_after > now]
    revoked = ca.revocations(authority)["revoked"]
    said = json.dumps([alive, [[item["serial"], item["reason"]] for item in revoked]])
    covers = hashlib.sha256(said.encode("utf-8")).hexdigest()
    last = files.read_json(authority.path("crl.json"), {})
    fresh = last.get("covers") == covers and last["made"] <= now < last["made"] + (last["until"] - last["made"]) / 3
    if fresh and not force and os.path.exists(authority.path("crl.pem")):
        return False
    days = max(CRL_LEAST_DAYS, rules["lifetime_days"])
    number = max(last.get("number", 0) + 1, now)
    parts = [
        _list(authority, name, [item for item in revoked if item["issuer"] == name], number, now, days)
        for name in alive
    ]
    files.write_atomic(authority.path("crl.pem"), "".join(parts), 0o644)
    authority.point("crl:after")
    facts = {"number": number, "made": now, "until": now + days * 86400, "covers": covers}
    files.write_json(authority.path("crl.json"), facts)
    return True


def _list(authority: Authority, generation: str, revoked: t.Sequence[Facts], number: int, now: int, days: int) -> str:
    with ca.workplace(authority) as place:
        with ca.refusals():
            _work(authority, place, generation)
        files.write_atomic(place + "/index.txt", "".join(issuing_config.index_line(item) + "\n" for item in revoked))
        digits = f"{number:X}"
        files.write_atomic(place + "/number", digits.rjust(len(digits) + len(digits) % 2, "0") + "\n")
        openssl(
            *["ca", "-gencrl", "-config", place + "/work.cnf", "-out", place + "/crl.pem"],
            *issuing_config.crl_times(openssl("version"), now, days),
        )
        with ca.refusals():
            return asn1.to_pem(
                asn1.single(
                    "crl.pem", files.read_text(place + "/crl.pem"), "X509 CRL", "a list of revoked certificates"
                ),
                "X509 CRL",
            )
