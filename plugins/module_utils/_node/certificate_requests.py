# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that are asked for: by a controller (`edge certificate -`), and by the node itself (`edge certificates --renew`)."""

from __future__ import annotations

import base64
import contextlib
import json
import time
import typing as t
import urllib.error
import urllib.request

from .._core import issuing, outcome, renewal
from .._core.certificate_request import check
from . import certificate_files, certificates, clock, files
from .certificates import Definition
from .errors import NodeError
from .files import Paths
from .node import Node
from .slot import Reverted

OWN = "node"
"""The certificate by which a node shows who it is."""
ANSWER_BYTES = 1 << 20
CALL_SECONDS, ANSWER_SECONDS = 20.0, 60.0

Result = t.Dict[str, t.Any]


# -- by a controller


def carry_out(node: Node, data: t.Any) -> Result:
    """What became of a request (see _core/certificate_request); a certificate that is refused or taken back is a result too."""
    asked = check(data)
    name = asked["definition"]["name"]
    act = _present if asked["state"] == "present" else _absent
    with certificates.lock(node.paths, name):
        try:
            return act(node, asked)
        except NodeError as exc:
            return _result(node.paths, name, _class_of(exc), exc.message)


def _class_of(exc: NodeError) -> str:
    if isinstance(exc, Reverted):
        return outcome.BROKEN if exc.broken else outcome.REVERTED
    return outcome.REFUSED


def _result(paths: Paths, name: str, word: str, msg: str, **facts: t.Any) -> Result:
    found: Result = {"class": word, "failed": outcome.MEANINGS[word].failure, "changed": False, "msg": msg}
    found.update(name=name, csr="", reason="", installed=None, diff={})
    found["installed"] = _shown(paths, name)
    found.update(facts)
    return found


def _shown(paths: Paths, name: str) -> t.Optional[t.Dict[str, t.Any]]:
    try:
        return certificates.shown(paths, name, clock.verdict(paths))
    except NodeError:
        return None  # torn by hand: whatever comes replaces it


def _state(paths: Paths, name: str, wanted: t.Optional[Definition]) -> t.Dict[str, t.Any]:
    """For a difference."""
    found = _shown(paths, name) or {}
    kept = {key: found[key] for key in ("fingerprint", "serial", "version") if key in found}
    return {"definition": wanted, "certificate": kept, "requested": bool(certificates.pending(paths, name))}


def _present(node: Node, asked: t.Mapping[str, t.Any]) -> Result:
    paths, wanted, dry = node.paths, asked["definition"], asked["check"]
    name = wanted["name"]
    before = _state(paths, name, certificates.definition(paths, name))
    waiting = certificates.pending(paths, name)
    if not dry and before["definition"] != wanted:
        certificates.define(paths, wanted)
    given = asked["certificate"]
    installed = certificates.install(node, wanted, given, dry) if given else certificates.refresh(node, wanted, dry)
    decision = certificates.decide(paths, wanted, clock.verdict(paths))
    due = (decision.due and not (dry and given)) or (asked["renew"] and not given)
    reason = (decision.reason if decision.due else renewal.ASKED) if due else ""
    csr = certificates.request(paths, wanted) if due and not dry else waiting if due else ""
    after = _state(paths, name, wanted)
    if dry:
        after["requested"] = due
        after["certificate"] = {"version": "another"} if installed else after["certificate"]
    changed = before != after or installed or (not dry and csr != waiting and bool(csr))
    word = outcome.SUCCESS if changed else outcome.UNCHANGED
    msg = _words(name, bool(installed), reason, dry)
    diff = {"before": {name: before}, "after": {name: after}}
    return _result(paths, name, word, msg, changed=changed, csr=csr, reason=reason, diff=diff)


def _words(name: str, installed: bool, reason: str, dry: bool) -> str:
    said = [("would be taken" if dry else "taken") + " into use"] if installed else []
    said += [f"another one is wanted ({reason})"] if reason else []
    return f"certificate {name}: {'; '.join(said) or 'nothing to do'}"


def _absent(node: Node, asked: t.Mapping[str, t.Any]) -> Result:
    name = asked["definition"]["name"]
    wanted = certificates.definition(node.paths, name)
    if wanted is None:
        return _result(node.paths, name, outcome.UNCHANGED, f"certificate {name}: there is none")
    before = _state(node.paths, name, wanted)
    if not asked["check"]:
        certificates.remove(node, name)
    diff = {"before": {name: before}, "after": {name: {}}}
    msg = f"certificate {name}: taken away"
    return _result(node.paths, name, outcome.SUCCESS, msg, changed=True, diff=diff, installed=None)


# -- by the node itself


def renew(node: Node) -> Result:
    """Asks the gateway for every certificate that is due, and takes what comes into use. One that fails holds up no other."""
    paths = node.paths
    verdict = clock.verdict(paths)
    gateway = _gateway(paths)
    rows: t.Dict[str, t.Dict[str, t.Any]] = {}
    wanted: t.Dict[str, Definition] = {}
    for name in certificates.names(paths):
        row = rows[name] = {"class": outcome.UNCHANGED, "msg": ""}
        try:
            with certificates.lock(paths, name):
                certificates.recover_one(node, name)
                definition = certificates.definition(paths, name)
                if definition is None:
                    continue
                if certificates.refresh(node, definition):
                    row.update({"class": outcome.SUCCESS, "msg": "what it trusts was brought up to date"})
                tries = certificates.tries(paths, name)
                decision = certificates.decide(paths, definition, verdict, gateway["node"], tries)
                row["reason"] = decision.reason
                if decision.due:
                    wanted[name] = definition
        except NodeError as exc:
            row.update({"class": _class_of(exc), "msg": exc.message})
    if wanted and gateway["url"]:
        _renew_from(node, gateway, wanted, rows, verdict.now)
    elif wanted:
        for name in wanted:
            rows[name]["msg"] = (
                f"another one is wanted ({rows[name]['reason']}); no gateway renews it: it comes by push"
            )
    failed = sorted(name for name, row in rows.items() if outcome.MEANINGS[row["class"]].failure)
    msg = "; ".join(f"{name}: {rows[name]['msg']}" for name in sorted(rows) if rows[name]["msg"]) or "nothing to do"
    return {"failed": bool(failed), "msg": msg, "clock": verdict.state, "certificates": rows}


def _gateway(paths: Paths) -> t.Dict[str, str]:
    found = files.read_json(paths.pki_gateway, {})
    url, name = (found.get("url", ""), found.get("node", "")) if isinstance(found, dict) else (None, None)
    if not isinstance(url, str) or not isinstance(name, str) or (url and not url.startswith(("http://", "https://"))):
        wanted = '{"url": "http://ADDRESS:4460/", "node": NAME}'
        raise NodeError("state", f"{paths.pki_gateway}: wanted {wanted}: write it anew (playbook pki)")
    return {"url": url, "node": name}


def _renew_from(
    node: Node,
    gateway: t.Mapping[str, str],
    wanted: t.Mapping[str, Definition],
    rows: t.Dict[str, t.Dict[str, t.Any]],
    now: float,
) -> None:
    paths, again = node.paths, 0.0
    try:
        request = _signed(paths, gateway["node"], wanted)
        answer = _ask(gateway["url"], request)
        if "error" in answer:
            again = now + _seconds(answer.get("retry_after")) if answer.get("retry_after") else 0.0
            raise NodeError("fetch", f"{gateway['url']} says: {str(answer['error'])[:300]}")
        given = answer.get("certificates")
        if not isinstance(given, dict):
            raise NodeError("fetch", f"{gateway['url']} answered without certificates: is it `edge ca serve`?")
    except NodeError as exc:
        for name in wanted:
            certificates.tried(paths, name, now, exc.message, again)
            rows[name].update({"class": outcome.REFUSED, "msg": exc.message})
        return
    _take_crls(paths, answer.get("crl"), rows)
    for name, definition in wanted.items():
        try:
            if not isinstance(given.get(name), str):
                raise NodeError(
                    "fetch", f"{gateway['url']} sent no certificate {name}: may this node have it (allowed.json)?"
                )
            with certificates.lock(paths, name):
                certificates.install(node, definition, given[name])
            if name == OWN:
                _hear_the_time(paths)
            rows[name].update({"class": outcome.SUCCESS, "msg": "renewed"})
        except NodeError as exc:
            certificates.tried(paths, name, now, exc.message)
            rows[name].update({"class": _class_of(exc), "msg": exc.message})


def _hear_the_time(paths: Paths) -> None:
    """A certificate that was signed a moment ago, for a key that is as new, says what the gateway's clock says. Nobody else could."""
    found = certificates.leaf(paths, OWN)
    if found is not None:
        with contextlib.suppress(NodeError):
            clock.note(paths, clock.GATEWAY, found.not_before + issuing.BACKDATE)


def _seconds(value: t.Any) -> float:
    return min(float(value), renewal.LONGEST_WAIT) if isinstance(value, (int, float)) and value > 0 else 0.0


def _take_crls(paths: Paths, text: t.Any, rows: t.Dict[str, t.Dict[str, t.Any]]) -> None:
    """Revocation lists that the gateway handed out. One that cannot be taken over is no reason to go without a certificate."""
    if not isinstance(text, str) or not text.strip():
        return
    try:
        issuers = (files.read_text(paths.trust_bundle) or "") + "".join(certificates.chain(paths, OWN)[1:])
        certificate_files.take_crls(paths, text, issuers)
    except NodeError as exc:
        rows.setdefault(OWN, {"class": outcome.UNCHANGED, "msg": ""})["crl"] = exc.message


def _signed(paths: Paths, name: str, wanted: t.Mapping[str, Definition]) -> t.Dict[str, t.Any]:
    """A request that shows by the node's own certificate, expired or not, who asks."""
    own = certificates.chain(paths, OWN)
    if not own:
        raise NodeError(
            "verify",
            f"this node has no certificate '{OWN}' yet, by which it could show who it is: its first one comes by push (playbook pki)",
        )
    requests = {}
    for item, definition in wanted.items():
        with certificates.lock(paths, item):
            requests[item] = certificates.request(paths, definition)
    request: t.Dict[str, t.Any] = {"node": name, "requests": requests, "certificate": own[0]}
    key = f"{certificates.slot(paths, OWN).directory}/current/{certificates.KEY}"
    signature = certificate_files.sign(paths, key, renewal.canonical(request))
    return dict(request, signature=base64.b64encode(signature).decode("ascii"))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *dummy: t.Any, **dummy2: t.Any) -> None:
        """The address that was written down, and no other."""


def _ask(url: str, request: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """One POST, no proxy, no redirect; bounded in time and size."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
    call = urllib.request.Request(  # noqa: S310 # the scheme was checked
        url, json.dumps(request).encode("ascii"), {"Content-Type": "application/json"}, method="POST"
    )
    until = time.monotonic() + ANSWER_SECONDS
    try:
        try:
            response = opener.open(call, timeout=CALL_SECONDS)
        except urllib.error.HTTPError as exc:
            response = exc  # its body says why
        with response:
            content = _read(response, until)
            status = response.status if hasattr(response, "status") else response.getcode()
    except (OSError, ValueError, urllib.error.URLError) as exc:
        reason = getattr(exc, "reason", exc)
        raise NodeError("fetch", f"{url} does not answer: {reason}") from None
    try:
        answer = json.loads(content.decode("utf-8"))
        if not isinstance(answer, dict) or (status != 200 and "error" not in answer):
            raise ValueError
    except ValueError:
        raise NodeError(
            "fetch", f"{url} answered {status} with something that is no answer of `edge ca serve`"
        ) from None
    return answer


def _read(response: t.Any, until: float) -> bytes:
    parts: t.List[bytes] = []
    size = 0
    while True:
        part = response.read1(1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
        if size > ANSWER_BYTES or time.monotonic() > until:
            raise ValueError(f"more than {ANSWER_BYTES >> 20} MiB or {ANSWER_SECONDS:g} s")


# -- showing


def overview(node: Node, prove: bool = False) -> t.List[t.Dict[str, t.Any]]:
    """`renewed_by` is who renews, and what this node is called there: as it is written down, or nothing where it is torn."""
    try:
        gateway = _gateway(node.paths)
    except NodeError:
        gateway = {"url": "", "node": ""}
    return [dict(row, renewed_by=gateway) for row in certificates.overview(node, gateway["node"], prove)]


def lines(rows: t.Sequence[t.Mapping[str, t.Any]], day: t.Callable[[float], str]) -> t.List[t.Tuple[str, ...]]:
    """Rows of a table for people."""
    table: t.List[t.Tuple[str, ...]] = [("CERTIFICATE", "ISSUER", "ENDS", "DAYS LEFT", "RENEWED", "STATE")]
    for row in rows:
        found = row["installed"] or {}
        when = "now" if row["due"] else day(row["renews_at"]) if row["renews_at"] else "-"
        state = row["problem"] or row.get("proof") or row["reason"]
        state += " (requested)" if row["pending"] else ""
        ends = day(found["not_after"]) if found else "-"
        left = f"{found['days_left']:g}" if found else "-"
        table.append((row["name"], found.get("issuer", "-"), ends, left, when, state))
    return table
