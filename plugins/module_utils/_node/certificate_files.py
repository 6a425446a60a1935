# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and certificates, made, read and checked. The verdict is always openssl's; no key is ever an argument of a program."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import tempfile
import time
import typing as t

from .._core import x509
from .._core.fields import SpecError
from .._core.renewal import DOUBTFUL, SKEW
from .._core.x509 import Certificate, Crl
from . import files
from ._runner import Done, run
from .clock import Verdict
from .errors import NodeError
from .files import Paths

# Nothing that the system trusts counts here. Openssl 1.1.1 does not know -no-CAstore, and 3 looks there without it.
_VERIFY = ("env", "SSL_CERT_DIR=/nonexistent", "SSL_CERT_FILE=/nonexistent", "openssl", "verify", "-no-CApath")
_VERDICT = re.compile(r"error \d+ at (\d+) depth lookup: ?(.+)")
_INSTALL = "install openssl; without it no certificate can be made or checked"


def openssl(argv: t.Sequence[str], text: str = "") -> Done:
    try:
        return run(argv, text=text)
    except NodeError as exc:
        raise NodeError("program", f"{exc.message}: {_INSTALL}") from None


def _must(what: str, argv: t.Sequence[str], text: str = "") -> str:
    done = openssl(argv, text)
    if done.code != 0:
        raise _no(f"{what}: openssl says: {done.said}")
    return done.out


def _no(message: str) -> NodeError:
    return NodeError("verify", message)


@contextlib.contextmanager
def place(paths: Paths) -> t.Iterator[str]:
    """A directory in memory for files that programs want, for a moment."""
    files.make_directory(paths.run, 0o755)
    with tempfile.TemporaryDirectory(prefix="certificate-", dir=paths.run) as folder:  # mode 0700
        yield folder


# -- reading


def split(where: str, text: str, kind: str = x509.CERTIFICATE) -> t.List[str]:
    try:
        return x509.split(where, text, kind)
    except SpecError as exc:
        raise _no(str(exc)) from None


@functools.lru_cache(maxsize=64)  # the same few are asked for again and again, and never change
def _printed(pem: str, *argv: str) -> Done:
    return openssl(argv, pem)


def _of(where: str, pem: str, *argv: str) -> str:
    done = _printed(pem, *argv)
    if done.code != 0:
        raise _no(f"{where}: no certificate: openssl says: {done.said}")
    return done.out


def show(where: str, pem: str) -> Certificate:
    """What one certificate says."""
    try:
        return x509.certificate(_of(where, pem, *x509.SHOW_CERTIFICATE))
    except SpecError as exc:
        raise _no(f"{where}: {exc}") from None


def names(where: str, pem: str, kind: str = x509.CERTIFICATE) -> x509.Names:
    try:
        return x509.names(where, pem, kind)
    except SpecError as exc:
        raise _no(str(exc)) from None


def public_key(where: str, key: str) -> str:
    """The public half of a private key."""
    return _must(f"{where}: no private key", ["openssl", "pkey", "-pubout"], key)


def certified_key(where: str, pem: str) -> str:
    """The public key of a certificate."""
    return _of(where, pem, "openssl", "x509", "-noout", "-pubkey")


# -- making


def make_key(kind: str) -> str:
    family, dummy, size = kind.partition("-")
    option = f"ec_paramgen_curve:{size.upper().replace('P', 'P-')}" if family == "ec" else f"rsa_keygen_bits:{size}"
    argv = ["openssl", "genpkey", "-algorithm", family.upper(), "-pkeyopt", option]
    return _must("a key cannot be made", argv)


def make_request(paths: Paths, key_path: str, definition: t.Mapping[str, t.Any]) -> str:
    """A request for a certificate as the definition wants it, signed by the key."""
    alternative = [f"DNS:{item}" for item in definition["dns"]]
    alternative += [f"IP:{item}" for item in definition["ip"]] + [f"URI:{item}" for item in definition["uri"]]
    config = (
        "[req]\nprompt=no\ndistinguished_name=dn\nreq_extensions=ext\nstring_mask=utf8only\n"
        f"[dn]\nCN={definition['subject']}\n[ext]\nsubjectAltName={','.join(alternative)}\n"
    )
    with place(paths) as folder:
        files.write_atomic(f"{folder}/request.cnf", config)
        argv = ["openssl", "req", "-new", "-sha256", "-key", key_path, "-config", f"{folder}/request.cnf"]
        return _must(f"certificate {definition['name']}: a request cannot be made", argv)


def sign(paths: Paths, key_path: str, content: bytes) -> bytes:
    with place(paths) as folder:
        files.write_atomic(f"{folder}/content", content)
        argv = ["openssl", "dgst", "-sha256", "-sign", key_path, "-out", f"{folder}/signature", f"{folder}/content"]
        _must(f"{key_path} cannot sign", argv)
        with open(f"{folder}/signature", "rb") as handle:
            return handle.read()


# -- checking


def check_names(where: str, pem: str, definition: t.Mapping[str, t.Any]) -> None:
    """A certificate must be for the names of its definition: all of them, and no others."""
    problem = other_names(where, pem, definition)
    if problem:
        raise _no(f"{where} {problem}: sign the request as it is, or correct the definition")


def other_names(where: str, pem: str, definition: t.Mapping[str, t.Any]) -> str:
    """How the names of a certificate differ from those of a definition; nothing where they do not.

    Its subject is the CA's to choose: nobody looks at it, who is meant is in the alternative names.
    """
    found = names(where, pem).all()
    wanted = x509.wanted_names(definition["dns"], definition["ip"], definition["uri"]).all()
    extra, missing = sorted(found - wanted), sorted(wanted - found)
    said = [f"is also for {', '.join(extra)}, which was not asked for"] if extra else []
    said += [f"is not for {', '.join(missing)}, which was asked for"] if missing else []
    return " and ".join(said)


def day(when: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(when))
    except (OverflowError, ValueError, OSError):
        return f"{when:.0f} s after 1970"


def check_times(where: str, chain: t.Sequence[Certificate], clock: Verdict) -> None:
    """Nothing may have run out, or begin later. A clock in doubt says nothing about either."""
    if clock.state == DOUBTFUL:
        return
    here = f"here it is {day(clock.now)} (this clock is {clock.state}: {clock.reason})"
    for depth, item in enumerate(chain):
        which = where if depth == 0 else f"{where}: its issuing CA '{item.subject}'"
        advice = "sign the request anew" if depth == 0 else "renew the issuing CA first, then sign the request anew"
        if clock.now >= item.not_after:
            raise _no(f"{which} ran out on {day(item.not_after)}; {here}: {advice}")
        if clock.now + SKEW < item.not_before:
            raise _no(
                f"{which} is not yet valid: it begins on {day(item.not_before)}; {here}: one of the two clocks is wrong, "
                "set that of the CA or of this node right"
            )


def check_chain(
    paths: Paths, where: str, pems: t.Sequence[str], leaf: Certificate, now: t.Optional[float], bundle: str
) -> None:
    """The chain must end in what is trusted here, at a time, or at any (None)."""
    when = ["-no_check_time"] if now is None else ["-attime", str(int(max(now, leaf.not_before)))]
    with place(paths) as folder:
        files.write_atomic(f"{folder}/leaf.pem", pems[0])
        files.write_atomic(f"{folder}/chain.pem", "".join(pems[1:]))
        chain = ["-untrusted", f"{folder}/chain.pem"] if len(pems) > 1 else []
        done = openssl([*_VERIFY, "-CAfile", bundle, *chain, *when, f"{folder}/leaf.pem"])
    if done.code == 0:
        return
    found = _VERDICT.search(done.err + done.out)
    reason = found.group(2).strip() if found else done.said
    if found and "expired" in reason and int(found.group(1)) > 0:
        reason = f"a CA above it has expired (at depth {found.group(1)})"
    raise _no(
        f"{where}: its chain does not verify against {bundle}: {reason}. It has {len(pems)} certificate(s), issued by "
        f"'{leaf.issuer}': send the leaf, then each CA above it but the root, or bring the root to the node first"
    )


def revoked(crls: t.Iterable[Crl], leaf: Certificate) -> bool:
    return any(item.issuer == leaf.issuer and leaf.serial in item.revoked for item in crls)


def read_crls(where: str, text: str) -> t.List[t.Tuple[str, Crl]]:
    """(PEM, what it says) of each revocation list."""
    found = []
    for pem in split(where, text, x509.CRL) if text.strip() else []:
        try:
            found.append((pem, x509.revocations(_must(f"{where}: no revocation list", x509.SHOW_CRL, pem))))
        except SpecError as exc:
            raise _no(f"{where}: {exc}") from None
    return found


def take_crls(paths: Paths, text: str, issuers: str) -> bool:
    """Takes revocation lists over that are newer than those here; True where any was.

    :param issuers: certificates (PEM) that may have signed them; each list must be signed by one of these.
    """
    have = {item.issuer: (pem, item) for pem, item in read_crls(paths.crl, files.read_text(paths.crl) or "")}
    before = dict(have)
    for pem, item in read_crls("the revocation list", text):
        if item.issuer in have and _age(item) <= _age(have[item.issuer][1]):
            continue
        with place(paths) as folder:
            files.write_atomic(f"{folder}/issuers.pem", issuers)
            done = openssl(["openssl", "crl", "-noout", "-verify", "-CAfile", f"{folder}/issuers.pem"], pem)
        if done.code != 0 or "verify OK" not in done.out + done.err:
            raise _no(
                f"the revocation list of '{item.issuer}' is not signed by its issuer as it is known here: left as it was"
            )
        have[item.issuer] = (pem, item)
    if have == before:
        return False
    files.write_atomic(paths.crl, "".join(have[key][0] for key in sorted(have)), 0o644)
    return True


def _age(item: Crl) -> t.Tuple[int, int]:
    return item.number, item.last_update


def key_at(path: str) -> str:
    """A private key's text, or nothing where there is none."""
    return files.read_text(path) or "" if os.path.exists(path) else ""
