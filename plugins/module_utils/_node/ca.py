# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The issuing CA of a site: its key, which is made here and never leaves, its certificate, and what it may sign.

Every key has a folder of its own, `generations/ID`; `current` is a link to the one that signs, `next` to one that waits for the
root. Both are replaced by rename, so that at every instant the key and the certificate that sign belong together. Older ones
stay until they are retired: they sign the lists of what they issued and was revoked, and prove who a node is.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import secrets
import time
import typing as t

from .._core import asn1, issuing, issuing_config
from .._core.clock import DOUBTFUL
from .._core.fields import SpecError
from . import clock, faults, files, ledger
from ._runner import run
from .errors import NodeError
from .files import Paths

LOCK_WAIT = 20.0
LINKS = ("ca.key", "ca.crt", "chain.pem")
_PLAYBOOK = "run the playbook pki"

Facts = t.Dict[str, t.Any]


@contextlib.contextmanager
def refusals() -> t.Iterator[None]:
    """What is refused is an error of the node program as any other."""
    try:
        yield
    except SpecError as exc:
        raise NodeError("certificate", str(exc)) from None


def openssl(*arguments: str, text: str = "") -> str:
    """What openssl says, where it does what it is told.

    :raises NodeError: ca, with its last word.
    """
    done = run(["openssl", *arguments], text=text)
    if done.code != 0:
        raise NodeError("ca", f"`openssl {arguments[0]}` failed: {done.said}")
    return done.out


class Authority:
    """An issuing CA in a directory.

    :param directory: by default that of the node's own; another one on a controller, for a site without a gateway.
    """

    def __init__(self, paths: Paths, directory: str = "") -> None:
        self.paths = paths
        self.directory = directory or paths.authority
        self._own = not directory

    def path(self, *parts: str) -> str:
        return "/".join([self.directory, *parts])

    def point(self, name: str) -> None:
        """Where a test may stop the program."""
        faults.reach(self.paths, f"ca_{name}")

    def note(self, what: str, **facts: t.Any) -> None:
        """Writes into the ledger of the node; a controller has none."""
        if self._own:
            ledger.note(self.paths, "authority", what=what, **facts)

    @contextlib.contextmanager
    def lock(self) -> t.Iterator[None]:
        """One change at a time. A disk that is full or cannot be written is one line, whatever met it.

        :raises NodeError: ca, busy.
        """
        try:
            files.make_directory(self.directory)
            os.chmod(self.directory, 0o700)
            with files.lock(self.path("lock"), LOCK_WAIT):
                self._clean()
                yield
        except OSError as exc:
            raise NodeError("ca", f"{exc.filename or self.directory}: {exc.strerror}; nothing was handed out") from None

    def now(self, what: str) -> int:
        """:raises NodeError: clock, where the clock cannot be believed."""
        verdict = clock.verdict(self.paths)
        if verdict.state == DOUBTFUL:
            raise NodeError("clock", f"{what} while the clock is doubtful ({verdict.reason}): set it, then ask again")
        return int(verdict.now)

    # -- generations ---------------------------------------------------------------------------------------------------

    def linked(self, name: str) -> str:
        """The ID to which `current` or `next` points, or nothing."""
        return os.path.basename(files.link_target(self.path(name)))

    def waiting(self) -> str:
        """The ID of the key that waits for the root."""
        found = self.linked("next")
        return "" if found == self.linked("current") or not self._has(found, "ca.csr") else found

    def _has(self, generation: str, name: str) -> bool:
        return bool(generation) and os.path.exists(self.path("generations", generation, name))

    def generations(self) -> t.List[str]:
        """Those that have a certificate, the one that signs first."""
        current = self.linked("current")
        found = sorted(name for name in _names(self.path("generations")) if self._has(name, "ca.crt"))
        signed = [name for name in found if name != self.waiting()]
        return sorted(signed, key=lambda name: (name != current, name))

    def certificate(self, generation: str) -> asn1.Certificate:
        text = files.read_text(self.path("generations", generation, "ca.crt")) or ""
        with refusals():
            return asn1.read_certificate(
                "the issuing CA", asn1.single(self.path(generation), text, "CERTIFICATE", "a certificate")
            )

    def definition(self, generation: str) -> Facts:
        return files.read_json(self.path("generations", generation, "definition.json"), {}) if generation else {}

    def _clean(self) -> None:
        """Takes away what a crash left: half-made keys, and requests to which nothing points any more."""
        for left in glob.glob(glob.escape(self.directory) + "/work-*"):
            files.remove_tree(left)
        if self.linked("next") and self.linked("next") == self.linked("current"):
            os.unlink(self.path("next"))
        keep = {self.linked("current"), self.linked("next")}
        for name in _names(self.path("generations")):
            if name not in keep and not self._has(name, "ca.crt"):
                files.remove_tree(self.path("generations", name))

    # -- what is allowed, issued and revoked ---------------------------------------------------------------------------

    def allowed(self) -> Facts:
        found = files.read_json(self.path("allowed.json"), None)
        if found is None:
            raise NodeError("ca", f"{self.path('allowed.json')} is missing, so nobody may have anything: {_PLAYBOOK}")
        try:
            return issuing.allowed(self.path("allowed.json"), found)
        except SpecError as exc:
            raise NodeError("ca", f"{exc}: {_PLAYBOOK}") from None

    def ready(self) -> str:
        """The ID of the generation that signs.

        :raises NodeError: where there is none.
        """
        current = self.linked("current")
        if not self._has(current, "ca.crt"):
            word = "waits for its certificate" if self.waiting() else "is not set up"
            raise NodeError("ca", f"the issuing CA {word} here ({self.directory}): {_PLAYBOOK}")
        return current

    def text(self, name: str) -> str:
        return files.read_text(self.path(name)) or ""


def _names(directory: str) -> t.List[str]:
    return sorted(os.listdir(directory)) if os.path.isdir(directory) else []


def fingerprint(pem: str) -> str:
    """SHA-256 of the first certificate in a text, as hexadecimal digits."""
    with refusals():
        return hashlib.sha256(asn1.pem_blocks(pem, "CERTIFICATE")[0]).hexdigest()


# -- the key and its request -------------------------------------------------------------------------------------------


def ask(authority: Authority, data: t.Any) -> str:
    """The request of the next issuing CA. Its key is made here, once: asked again for the same, the same comes back."""
    with refusals():
        wanted = issuing_config.definition("definition", data)
    with authority.lock():
        waiting = authority.waiting()
        if not waiting or authority.definition(waiting).get("wanted") != wanted:
            waiting = _make(authority, wanted)
        return request(authority, waiting)


def request(authority: Authority, generation: str = "") -> str:
    """The request that waits for the root."""
    found = generation or authority.waiting()
    if not found:
        raise NodeError("ca", f"no request waits here ({authority.directory}): `edge ca init` makes one")
    return files.read_text(authority.path("generations", found, "ca.csr")) or ""


def _make(authority: Authority, wanted: Facts) -> str:
    name = f"{wanted['site']} issuing CA"[:55] + " " + secrets.token_hex(4)
    generation = name[-8:]
    place = authority.path(f"work-{generation}")
    files.make_directory(place)
    key = place + "/ca.key"
    authority.point("key:before")
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{wanted['curve']}", "-out", key)
    os.chmod(key, 0o600)
    with refusals():
        files.write_atomic(place + "/request.cnf", issuing_config.authority_request(name, wanted))
    openssl("req", "-new", "-sha256", "-key", key, "-config", place + "/request.cnf", "-out", place + "/ca.csr")
    os.unlink(place + "/request.cnf")
    files.write_json(place + "/definition.json", {"schema": 1, "subject": name, "wanted": wanted})
    files.sync_file_system(place)
    authority.point("key:after")
    files.make_directory(authority.path("generations"))
    os.rename(place, authority.path("generations", generation))
    files.sync_directory(authority.path("generations"))
    files.replace_link(f"generations/{generation}", authority.path("next"))
    authority.point("next:after")
    authority.note("key made", subject=name)
    return generation


# -- the certificate ---------------------------------------------------------------------------------------------------


def install(authority: Authority, certificate: str, chain: str, trust: str) -> bool:
    """Takes the certificate that the root signed into use; returns whether that changed something.

    :param chain: of authorities between it and the root, mostly empty.
    :param trust: the roots that count.
    :raises NodeError: where it is not of the key that waits here, or does not lead to one of the roots.
    """
    with refusals():
        data = asn1.single("certificate", certificate, "CERTIFICATE", "the certificate of the issuing CA")
        found = asn1.read_certificate("certificate", data)
    pem = asn1.to_pem(data, "CERTIFICATE")
    with authority.lock():
        current = authority.linked("current")
        if current and files.read_text(authority.path("generations", current, "ca.crt")) == pem:
            return _links(authority)
        waiting = authority.waiting()
        if not waiting:
            raise NodeError("ca", "no key waits for this certificate here: `edge ca init`, then sign what it prints")
        _check_certificate(authority, waiting, pem, found)
        _check_chain(authority, pem, chain, trust)
        folder = authority.path("generations", waiting)
        files.write_atomic(folder + "/chain.pem", pem + "".join(_certificates(chain)), 0o644)
        authority.point("certificate:before")
        files.write_atomic(folder + "/ca.crt", pem, 0o644)
        authority.point("certificate:after")
        files.replace_link(f"generations/{waiting}", authority.path("current"))
        authority.point("current:after")
        _links(authority)
        os.unlink(authority.path("next"))
        files.sync_directory(authority.directory)
        authority.note(
            "certificate installed", subject=found.common_name, serial=found.serial, not_after=found.not_after
        )
        return True


def _links(authority: Authority) -> bool:
    """The files of the generation that signs, under names that stay."""
    changed = False
    for name in LINKS:
        if authority.linked(name) != name or not os.path.islink(authority.path(name)):
            files.replace_link(f"current/{name}", authority.path(name))
            changed = True
    return changed


def _check_certificate(authority: Authority, waiting: str, pem: str, found: asn1.Certificate) -> None:
    key = openssl("pkey", "-in", authority.path("generations", waiting, "ca.key"), "-pubout")
    if openssl("x509", "-noout", "-pubkey", text=pem) != key:
        raise NodeError(
            "ca",
            f"the certificate {found.serial} is of another key than the one that waits here: sign the request of `edge ca csr`",
        )
    with refusals():
        asked = asn1.read_request("ca.csr", request(authority, waiting))
    if not found.authority:
        raise NodeError(
            "ca", f"the certificate {found.serial} is none of an authority (CA:TRUE): sign the request as it is"
        )
    if found.extensions.get(asn1.CONSTRAINTS) != asked.extensions.get(asn1.CONSTRAINTS):
        raise NodeError(
            "ca",
            f"the certificate {found.serial} is not bound to the names of the request: sign it with its name constraints",
        )


def _certificates(text: str) -> t.List[str]:
    with refusals():
        return [asn1.to_pem(data, "CERTIFICATE") for data in asn1.pem_blocks(text, "CERTIFICATE")]


def _check_chain(authority: Authority, pem: str, chain: str, trust: str) -> None:
    if not _certificates(trust):
        raise NodeError("ca", "trust: wanted at least one root as PEM, found none")
    doubtful = clock.verdict(authority.paths).state == DOUBTFUL
    with workplace(authority) as place:
        files.write_atomic(place + "/trust.pem", "".join(_certificates(trust)))
        files.write_atomic(place + "/chain.pem", "".join(_certificates(chain)))
        files.write_atomic(place + "/ca.crt", pem)
        more = ["-untrusted", place + "/chain.pem"] if _certificates(chain) else []
        argv = ["openssl", "verify", "-trusted", place + "/trust.pem", *more, *(["-no_check_time"] if doubtful else [])]
        done = run([*argv, place + "/ca.crt"])
    if done.code != 0:
        raise NodeError(
            "ca",
            f"the certificate of the issuing CA leads to none of the roots that count: {reason(done.err or done.out)}",
        )


def reason(said: str) -> str:
    """Why `openssl verify` refused, without the paths around it."""
    for line in said.splitlines():
        if line.startswith("error ") and ": " in line:
            return line.split(": ", 1)[1].strip()
    return said.strip().splitlines()[-1] if said.strip() else "it says nothing"


@contextlib.contextmanager
def workplace(authority: Authority) -> t.Iterator[str]:
    """A folder for the files of one call of openssl. What a crash leaves of it goes with the next call."""
    place = authority.path(f"work-{secrets.token_hex(8)}")
    files.make_directory(place)
    try:
        yield place
    finally:
        files.remove_tree(place)


def retire(authority: Authority, generation: str, force: bool = False) -> bool:
    """Ends an older issuing CA: its key goes, and what it issued proves nothing any more.

    :raises NodeError: while a node has nothing newer than what it issued, unless forced.
    """
    with authority.lock():
        if generation == authority.linked("current"):
            raise NodeError("ca", f"{generation} is the issuing CA that signs: install another one first")
        if generation not in authority.generations():
            return False
        left = behind(authority, generation)
        if left and not force:
            raise NodeError(
                "ca",
                f"still in use under the issuing CA {generation}: {', '.join(left[:10])}{' and more' if len(left) > 10 else ''}; "
                "renew them first, or wait until they end",
            )
        serial = authority.certificate(generation).serial
        gone = authority.path(f"work-{generation}")
        os.rename(authority.path("generations", generation), gone)
        files.sync_directory(authority.path("generations"))
        files.remove_tree(gone)
        authority.note("retired", subject=generation, serial=serial)
        return True


def behind(authority: Authority, generation: str) -> t.List[str]:
    """NODE/NAME of certificates of this generation that live still and have no newer one."""
    newest: t.Dict[str, Facts] = {}
    for item in issued(authority):
        newest[f"{item['node']}/{item['name']}"] = item
    revoked = {item["serial"] for item in revocations(authority)["revoked"]}
    now = clock.verdict(authority.paths).now
    return sorted(
        name
        for name, item in newest.items()
        if item["issuer"] == generation and item["not_after"] > now and item["serial"] not in revoked
    )


# -- books -------------------------------------------------------------------------------------------------------------


def issued(authority: Authority) -> t.List[Facts]:
    """Every certificate that was ever signed here, in order. A line that a power cut tore was never handed out."""
    found = []
    for line in (files.read_text(authority.path("issued.jsonl")) or "").split("\n")[:-1]:
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found


def revocations(authority: Authority) -> Facts:
    return files.read_json(authority.path("revoked.json"), {"schema": 1, "revoked": []})


def status(authority: Authority) -> Facts:
    """What this issuing CA is, for people and for the module."""
    current, waiting, verdict = authority.linked("current"), authority.waiting(), clock.verdict(authority.paths)
    generations = authority.generations()
    state = "ready" if current in generations else "waiting" if waiting else "absent"
    rows = []
    for name in generations:
        found = authority.certificate(name)
        rows.append(
            {
                "id": name,
                "signs": name == current,
                "subject": found.common_name,
                "serial": found.serial,
                "not_before": found.not_before,
                "not_after": found.not_after,
                "wanted": authority.definition(name).get("wanted", {}),
                "behind": [] if name == current else behind(authority, name),
            }
        )
    books = issued(authority)
    return {
        "state": state,
        "directory": authority.directory,
        "generations": rows,
        "waiting": authority.definition(waiting).get("wanted", {}),
        "issued": len(books),
        "alive": sum(item["not_after"] > verdict.now for item in books),
        "revoked": len(revocations(authority)["revoked"]),
        "crl": files.read_json(authority.path("crl.json"), {}),
        "clock": {"state": verdict.state, "reason": verdict.reason, "now": int(verdict.now)},
    }


def lines(found: Facts) -> t.Iterator[str]:
    """Status as text."""
    yield f"issuing CA: {found['state']} ({found['directory']})"
    for row in found["generations"]:
        word = "signs" if row["signs"] else f"older, {len(row['behind'])} certificates left"
        yield f"{row['subject']}: {word}; ends {issuing.day(row['not_after'])}; serial {row['serial']}"
    if found["waiting"]:
        yield "a key waits for the root: `edge ca csr` shows its request"
    yield f"issued: {found['issued']}, of which {found['alive']} live; revoked: {found['revoked']}"
    if found["crl"]:
        yield f"list of revoked certificates: number {found['crl']['number']}, good until {issuing.day(found['crl']['until'])}"
    if found["clock"]["state"] == DOUBTFUL:
        yield f"signs nothing: the clock is doubtful ({found['clock']['reason']}; it says {time.ctime(found['clock']['now'])})"
