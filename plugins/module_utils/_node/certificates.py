# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of a node: each a slot with its key, its chain and what it trusts, beside its definition.

A key is made here and never leaves. While a certificate is asked for, the new key waits in `pending/`; it is taken into use
together with its certificate, or not at all.
"""

from __future__ import annotations

import contextlib
import grp
import hashlib
import json
import os
import pwd
import typing as t

from .._core import renewal
from .._core.certificate_request import definition as check_definition
from .._core.fields import SpecError
from .._core.renewal import Decision
from .._core.x509 import Certificate
from . import certificate_files, clock, faults, files, ledger
from . import slot as slots
from .certificate_users import LOCK_WAIT, User
from .clock import Verdict
from .errors import NodeError
from .files import Paths
from .node import Node
from .slot import File, Hooks, Reverted, Slot

KEY, CHAIN, TRUST = "tls.key", "tls.crt", "ca.crt"
_ASKED = ("subject", "dns", "ip", "uri", "key")
"""Keys of a definition of which a request speaks."""

Definition = t.Dict[str, t.Any]


def names(paths: Paths) -> t.List[str]:
    found = os.listdir(paths.certificates) if os.path.isdir(paths.certificates) else []
    return sorted(item for item in found if os.path.exists(f"{paths.certificates}/{item}/definition.json"))


def slot(paths: Paths, name: str) -> Slot:
    return Slot(f"{paths.certificates}/{name}")


def lock(paths: Paths, name: str) -> t.ContextManager[None]:
    return files.lock(f"{paths.run}/certificates/{name}.lock", LOCK_WAIT)


def _definition_path(paths: Paths, name: str) -> str:
    return f"{paths.certificates}/{name}/definition.json"


def definition(paths: Paths, name: str) -> t.Optional[Definition]:
    """What is wanted of a certificate; None where nobody wants one of this name."""
    path = _definition_path(paths, name)
    content = files.read_json(path, None)
    if content is None:
        return None
    if isinstance(content, dict) and content.get("schema", 1) > 1:
        raise NodeError("state", f"{path} is of a newer version of this program: update it (role node_program)")
    try:
        return check_definition(content)
    except SpecError as exc:
        raise NodeError("state", f"{path}: {exc}") from None


def define(paths: Paths, wanted: Definition) -> None:
    directory = f"{paths.certificates}/{wanted['name']}"
    files.make_directory(directory, 0o755)
    os.chmod(directory, 0o755)  # noqa: S103 # containers see it as theirs
    files.write_json(_definition_path(paths, wanted["name"]), wanted)


# -- what is in use


def chain(paths: Paths, name: str) -> t.List[str]:
    """The certificates in use, the leaf first; empty where there are none."""
    content = slot(paths, name).read(CHAIN)
    return certificate_files.split(f"certificate {name}", content.decode("ascii", "replace")) if content else []


def leaf(paths: Paths, name: str) -> t.Optional[Certificate]:
    pems = chain(paths, name)
    return certificate_files.show(f"certificate {name}", pems[0]) if pems else None


def decide(
    paths: Paths, wanted: Definition, verdict: Verdict, node_name: str = "", tries: t.Optional[renewal.Tries] = None
) -> Decision:
    """Whether another certificate is wanted now."""
    name = wanted["name"]
    pems = chain(paths, name)
    found = certificate_files.show(f"certificate {name}", pems[0]) if pems else None
    validity = (float(found.not_before), float(found.not_after)) if found else None
    differ = bool(pems) and bool(certificate_files.other_names("it", pems[0], wanted))
    who = node_name or wanted["subject"]
    return renewal.decide(validity, verdict.now, verdict.state, who, name, tries, differ)


# -- asking for one


def _pending(paths: Paths, name: str) -> str:
    return f"{paths.certificates}/{name}/pending"


def pending(paths: Paths, name: str) -> str:
    """The request that waits for a certificate, or nothing."""
    return files.read_text(_pending(paths, name) + "/request.pem") or ""


def request(paths: Paths, wanted: Definition) -> str:
    """The request for a certificate: the one that waits, or a new one with a new key."""
    name, directory = wanted["name"], _pending(paths, wanted["name"])
    asked = json.dumps({key: wanted[key] for key in _ASKED}, sort_keys=True)
    if files.read_text(directory + "/asked.json") == asked and _fits(paths, name):
        return pending(paths, name)
    forget_request(paths, name)
    files.make_directory(directory, 0o700)
    key = certificate_files.make_key(wanted["key"])
    files.write_atomic(f"{directory}/{KEY}", key, 0o600)
    text = certificate_files.make_request(paths, f"{directory}/{KEY}", wanted)
    files.write_atomic(directory + "/request.pem", text, 0o600)
    files.write_atomic(directory + "/asked.json", asked, 0o600)  # last: now it is whole
    return text


def _fits(paths: Paths, name: str) -> bool:
    """Whether what waits is whole, and its key is not in use already (a cut came before it was taken away)."""
    key = certificate_files.key_at(f"{_pending(paths, name)}/{KEY}")
    return bool(key and pending(paths, name)) and key.encode("ascii", "replace") != slot(paths, name).read(KEY)


def forget_request(paths: Paths, name: str) -> None:
    files.remove_tree(_pending(paths, name))


# -- installing


def _trust(paths: Paths) -> str:
    text = files.read_text(paths.trust_bundle)
    if not text or not text.strip():
        raise NodeError(
            "verify", f"there is no {paths.trust_bundle}: bring what is trusted to the node first (playbook pki)"
        )
    return "".join(certificate_files.split(paths.trust_bundle, text))


def _key_for(paths: Paths, name: str, pem: str) -> str:
    """The key of this node that a certificate is for: the one that waits, or the one in use."""
    where = f"certificate {name}"
    wanted = certificate_files.certified_key(where, pem)
    mine = [certificate_files.key_at(f"{_pending(paths, name)}/{KEY}"), (slot(paths, name).read(KEY) or b"").decode()]
    for key in mine:
        if key and certificate_files.public_key(f"{where}: its key", key) == wanted:
            return key
    has = "its request and the one in use" if all(mine) else "its request" if mine[0] else "the one in use"
    raise NodeError(
        "verify",
        f"{where}: it is for another key than {has} on this node: sign the request that this node makes (state present)"
        if any(mine)
        else f"{where}: this node has no key for it: ask for a request first (state present), and sign that",
    )


def _content(wanted: Definition, key: str, pems: t.Sequence[str], trust: str) -> t.Dict[str, File]:
    uid, gid = _owner(wanted)
    return {
        KEY: File(key.encode("ascii"), int(wanted["key_mode"], 8), uid, gid),
        CHAIN: File("".join(pems).encode("ascii")),
        TRUST: File(trust.encode("ascii")),
    }


def _owner(wanted: Definition) -> t.Tuple[int, int]:
    owner, group = wanted["owner"], wanted["group"]
    try:
        uid = int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid
        gid = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError as exc:
        raise NodeError(
            "node", f"certificate {wanted['name']}: {exc.args[0]}: make it on this node, or correct owner and group"
        ) from None
    return uid, gid


def _identity(content: t.Mapping[str, File]) -> str:
    """Fixed by what is in it. Of the key only its mode: the certificate says which it is."""
    key = content[KEY]
    words = [content[CHAIN].content.decode("ascii"), content[TRUST].content.decode("ascii"), key.mode, key.uid, key.gid]
    return hashlib.sha256(json.dumps(words).encode("ascii")).hexdigest()[:16]


def check(
    paths: Paths, wanted: Definition, pems: t.Sequence[str], verdict: Verdict, times: bool = True
) -> t.List[Certificate]:
    """Whether a chain may be taken into use here; returns what its certificates say.

    :param times: whether it must be valid now.
    """
    where = f"certificate {wanted['name']}"
    found = [certificate_files.show(where, pem) for pem in pems]
    if found[0].ca:
        raise NodeError(
            "verify", f"{where}: the first certificate is that of a CA: send the leaf first, then its issuers"
        )
    certificate_files.check_names(where, pems[0], wanted)
    if times:
        certificate_files.check_times(where, found, verdict)
    now = verdict.now if times and verdict.state != renewal.DOUBTFUL else None
    certificate_files.check_chain(paths, where, pems, found[0], now, paths.trust_bundle)
    if times and _revoked(paths, found[0]):
        raise NodeError("verify", f"{where}: serial {found[0].serial} of '{found[0].issuer}' is revoked ({paths.crl})")
    return found


def _revoked(paths: Paths, found: Certificate) -> bool:
    crls = certificate_files.read_crls(paths.crl, files.read_text(paths.crl) or "")
    return certificate_files.revoked([item for dummy, item in crls], found)


def install(node: Node, wanted: Definition, text: str, dry: bool = False) -> bool:
    """Takes a certificate into use, as one transaction; False where it is in use already. The caller holds its lock.

    :param text: the leaf, then each CA above it but the root, in PEM.
    :raises Reverted: where it was in use and did not work; the old one is in use again.
    :raises NodeError: where it is refused, and nothing was changed.
    """
    name, where = wanted["name"], f"certificate {wanted['name']}"
    try:
        pems = certificate_files.split(where, text)
        key = _key_for(node.paths, name, pems[0])
        content = _content(wanted, key, pems, _trust(node.paths))
        changed = _replace(node, wanted, content, pems, dry)
    except NodeError as exc:
        if not dry:
            what = "reverted" if isinstance(exc, Reverted) else "refused"
            ledger.note(node.paths, "certificate", name=name, what=what, reason=exc.message)
        raise
    if changed and not dry:
        forget_request(node.paths, name)
        forget_tries(node.paths, name)
    return changed


def refresh(node: Node, wanted: Definition, dry: bool = False) -> bool:
    """The same certificate, with what is trusted now and with the owner and mode that are wanted now; False where it is so."""
    found = _refreshed(node.paths, wanted)
    return found is not None and _replace(node, wanted, *found, dry, times=False)


def stale(paths: Paths, wanted: Definition) -> bool:
    """Whether the certificate in use is to be refreshed, or its replacement was cut off. Whether that can be done, it does not say."""
    place, found = slot(paths, wanted["name"]), _refreshed(paths, wanted)
    return place.journal() is not None or (found is not None and place.current() != _identity(found[0]))


def _refreshed(paths: Paths, wanted: Definition) -> t.Optional[t.Tuple[t.Dict[str, File], t.List[str]]]:
    """The content that it would have, and its chain; None where there is none, or where it is about to be replaced as a whole."""
    pems = chain(paths, wanted["name"])
    key = slot(paths, wanted["name"]).read(KEY)
    if not pems or not key or not os.path.exists(paths.trust_bundle):
        return None
    content = _content(wanted, key.decode("ascii"), pems, _trust(paths))
    return None if certificate_files.other_names("it", pems[0], wanted) else (content, pems)


def _replace(
    node: Node,
    wanted: Definition,
    content: t.Dict[str, File],
    pems: t.Sequence[str],
    dry: bool,
    times: bool = True,
) -> bool:
    place, identity = slot(node.paths, wanted["name"]), _identity(content)
    if place.journal() is None and place.current() == identity:
        return False
    verdict = clock.verdict(node.paths)
    if dry:
        check(node.paths, wanted, pems, verdict, times)
        return True
    user = User(node, wanted)
    with user.held():
        hooks = _hooks(node, place, user, lambda: check(node.paths, wanted, pems, verdict, times))
        slots.replace(place, identity, content, hooks)
    found = certificate_files.show(wanted["name"], pems[0])
    ledger.note(
        node.paths,
        "certificate",
        name=wanted["name"],
        what="installed" if times else "refreshed",
        serial=found.serial,
        fingerprint=found.fingerprint,
        not_after=found.not_after,
        reason="" if user.ran else "its user does not run: it reads it when it starts",
    )
    return True


def _hooks(node: Node, place: Slot, user: User, verify: t.Callable[[], t.Any] = lambda: None) -> Hooks:
    def prove(identity: str) -> None:
        directory = place.path(identity)
        pem = certificate_files.split(directory, files.read_text(f"{directory}/{CHAIN}") or "")[0]
        user.prove(directory, certificate_files.show(directory, pem).fingerprint)

    return Hooks(
        reach=lambda point: faults.reach(node.paths, f"certificate_{point}"),
        verify=lambda: verify() and None,
        reload=user.reload,
        prove=prove,
    )


# -- after a crash


def put_back(paths: Paths) -> None:
    """The files only, before anything is started that reads them. Who uses them already is told by :func:`recover`."""
    for name in names(paths):
        with contextlib.suppress(NodeError), lock(paths, name):
            slot(paths, name).go_back()


def recover(node: Node) -> t.List[str]:
    """Takes back every replacement that was cut off, and tells the users; returns what could not be put right."""
    problems = []
    for name in names(node.paths):
        try:
            with lock(node.paths, name):
                recover_one(node, name)
        except NodeError as exc:
            problems.append(f"certificate {name}: {exc.message}")
    return problems


def recover_one(node: Node, name: str) -> None:
    place, wanted = slot(node.paths, name), definition(node.paths, name)
    if place.journal() is None or wanted is None:
        place.collect()
        return
    user = User(node, wanted)
    with user.held():
        slots.recover(place, _hooks(node, place, user))
    ledger.note(
        node.paths,
        "certificate",
        name=name,
        what="recovered",
        reason="its replacement was cut off: the old one is in use",
    )


# -- taking away


def remove(node: Node, name: str) -> None:
    """Takes a certificate, its key and its definition away. Who uses it is not told."""
    directory = f"{node.paths.certificates}/{name}"
    gone = f"{node.paths.certificates}/.{name}.gone"
    files.remove_tree(gone)
    try:
        os.rename(directory, gone)
    except OSError as exc:
        raise NodeError("state", f"{directory} cannot be removed: {exc.strerror}") from None
    files.sync_directory(node.paths.certificates)
    files.remove_tree(gone)
    ledger.note(node.paths, "certificate", name=name, what="removed", reason="")


# -- tries


def _tries_path(paths: Paths, name: str) -> str:
    return f"{paths.certificates}/{name}/tries.json"


def tries(paths: Paths, name: str) -> renewal.Tries:
    found = files.read_json(_tries_path(paths, name), {})
    try:
        return renewal.Tries(int(found["failures"]), float(found["at"]), float(found.get("again", 0)))
    except (KeyError, TypeError, ValueError):
        return renewal.Tries()


def last_problem(paths: Paths, name: str) -> str:
    found = files.read_json(_tries_path(paths, name), {})
    return str(found.get("reason", "")) if isinstance(found, dict) else ""


def tried(paths: Paths, name: str, now: float, reason: str, again: float = 0.0) -> None:
    """Remembers a try in vain. A full disk is no reason to fail: it is tried too early then."""
    failures = tries(paths, name).failures + 1
    with contextlib.suppress(NodeError):
        files.write_json(
            _tries_path(paths, name), {"failures": failures, "at": now, "again": again, "reason": reason[:400]}
        )


def forget_tries(paths: Paths, name: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(_tries_path(paths, name))


# -- showing


def shown(paths: Paths, name: str, verdict: Verdict) -> t.Optional[t.Dict[str, t.Any]]:
    """What is in use, for people and modules; no key."""
    found = leaf(paths, name)
    if found is None:
        return None
    return {
        "subject": found.subject,
        "issuer": found.issuer,
        "serial": found.serial,
        "fingerprint": found.fingerprint,
        "not_before": found.not_before,
        "not_after": found.not_after,
        "days_left": round((found.not_after - verdict.now) / 86400, 1),
        "valid": found.not_before <= verdict.now + renewal.SKEW and verdict.now < found.not_after,
        "version": slot(paths, name).current(),
    }


def _proof(node: Node, wanted: Definition, verdict: Verdict) -> str:
    """Why what is in use would not be taken into use now: it is not verified any more, or not shown. Empty where it would."""
    name = wanted["name"]
    place, pems, user = slot(node.paths, name), chain(node.paths, name), User(node, wanted)
    if not pems:
        return f"certificate {name}: there is none"
    try:
        check(node.paths, wanted, pems, verdict)
        user.check_alive()
        _hooks(node, place, user).prove(place.current())
    except NodeError as exc:
        return exc.message
    return ""


def overview(node: Node, node_name: str = "", prove: bool = False) -> t.List[t.Dict[str, t.Any]]:
    """Every certificate that is wanted here: what is in use, when it is renewed, and what a push would have to do.

    `wanted` says whether another one is, also while this node waits before it asks again.

    :param prove: say as `proof` what is wrong with what is in use, by the checks and the handshake of the transaction.
    """
    verdict = clock.verdict(node.paths)
    rows = []
    for name in names(node.paths):
        row: t.Dict[str, t.Any] = {"name": name, "installed": None, "due": False, "reason": "", "renews_at": 0}
        row.update(pending=bool(pending(node.paths, name)), clock=verdict.state, problem="", endpoint="")
        row.update(definition=None, wanted=False, stale=False, revoked=False)
        try:
            wanted = definition(node.paths, name)
            if wanted is not None:
                row.update(definition=wanted, endpoint=wanted["endpoint"])
                found = decide(node.paths, wanted, verdict, node_name, tries(node.paths, name))
                row.update(due=found.due, reason=found.reason, renews_at=int(found.at))
                row["wanted"] = found.due or decide(node.paths, wanted, verdict, node_name).due
            row["installed"] = shown(node.paths, name, verdict)
            row["problem"] = last_problem(node.paths, name)
            if slot(node.paths, name).journal() is not None:
                row["problem"] = "a replacement is in flight, or was cut off: `edge certificates --recover`"
            used = leaf(node.paths, name)
            row["revoked"] = used is not None and _revoked(node.paths, used)
            row["stale"] = wanted is not None and stale(node.paths, wanted)
            if prove and wanted is not None:
                row["proof"] = _proof(node, wanted, verdict)
        except NodeError as exc:
            row["problem"] = exc.message
        rows.append(row)
    return rows
