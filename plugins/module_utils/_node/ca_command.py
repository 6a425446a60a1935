# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`edge ca`, and what the module certificate_authority wants of an issuing CA, on a node or in a folder of a controller."""

from __future__ import annotations

import argparse
import json
import os
import sys
import typing as t

from .._core import asn1, issuing, issuing_config
from .._core.fields import Field, SpecError, anything, boolean, listing, mapping, text
from . import ca, ca_issue, ca_serve, clock, files
from ._runner import run
from .ca import Authority, Facts
from .errors import NodeError
from .node import Node
from .terminal import Commands, say

_PEM = text(wanted="PEM")
_WANTED = mapping(
    {
        "definition": Field(anything, doc="the site, and to which names and networks it is bound"),
        "root": Field(_PEM, doc="the root that shall have signed"),
        "trust": Field(_PEM, doc="the roots that count"),
        "crl": Field(_PEM, doc="what the roots revoked"),
        "certificate": Field(_PEM, doc="what the root signed"),
        "chain": Field(_PEM, doc="authorities between it and the root"),
        "allowed": Field(anything, doc="who may have what"),
        "revoke": Field(listing(issuing.revocation), default=(), doc="what does not count any more"),
        "block": Field(listing(issuing.blocking), default=(), doc="nodes, and tenants on nodes, that are cut off"),
        "unblock": Field(listing(issuing.node_name), default=(), doc="nodes that may come back"),
        "retire": Field(boolean, default=False, doc="whether older ones end where nobody needs them"),
        "renew": Field(boolean, default=False, doc="whether there shall be another one, whatever there is"),
        "check": Field(boolean, default=False, doc="whether nothing is to be changed"),
    }
)


class Difference:
    """What changes, as a module shows it."""

    def __init__(self) -> None:
        self.parts: t.List[t.Dict[str, str]] = []

    def add(self, what: str, before: str, after: str) -> bool:
        """Returns whether they differ."""
        if before != after:
            self.parts.append({"before_header": what, "after_header": what, "before": before, "after": after})
        return before != after


def ensure(authority: Authority, data: t.Any) -> Facts:
    """Makes an issuing CA what is wanted. `csr` of the result is what the root has to sign next, or nothing; `why` says why.

    :param data: any of the keys of `_WANTED`; what is not given stays.
    """
    with ca.refusals():
        wanted = _WANTED("ca", data)
        if "allowed" in wanted:
            wanted["allowed"] = issuing.allowed("allowed", wanted["allowed"])
        if "definition" in wanted:
            wanted["definition"] = issuing_config.definition("definition", wanted["definition"])
    dry, found = wanted["check"], Difference()
    _write(authority, found, "trust.pem", _blocks(wanted.get("trust", ""), "CERTIFICATE"), dry)
    _write(authority, found, "root_crl.pem", _blocks(wanted.get("crl", ""), "X509 CRL"), dry)
    if "certificate" in wanted:
        _install(authority, found, wanted, dry)
    if "allowed" in wanted:
        _write(authority, found, "allowed.json", json.dumps(wanted["allowed"], indent=1) + "\n", dry)
    _block(authority, found, wanted, dry)
    why = reason(authority, wanted)
    csr = _csr(authority, found, wanted["definition"], dry) if why else ""
    _end(authority, found, wanted, dry)
    if not dry and authority.generations() and os.path.exists(authority.path("allowed.json")):
        with authority.lock():
            if ca_issue.refresh(authority, authority.allowed()):
                found.add("crl.pem", "", f"number {files.read_json(authority.path('crl.json'), {})['number']}\n")
    return {
        "changed": bool(found.parts),
        "diff": found.parts,
        "csr": csr,
        "why": why,
        "crl": authority.text("crl.pem"),
        "root_crl": authority.text("root_crl.pem"),
        "chain": authority.text("chain.pem"),
        "status": ca.status(authority),
    }


def _blocks(given: str, label: str) -> str:
    with ca.refusals():
        found = asn1.pem_blocks(given, label)
        if given and not found:
            raise SpecError(f"wanted blocks of {label} as PEM, found none")
        return "".join(asn1.to_pem(data, label) for data in found)


def _write(authority: Authority, found: Difference, name: str, content: str, dry: bool) -> None:
    if content and found.add(name, authority.text(name), content) and not dry:
        with authority.lock():
            files.write_atomic(authority.path(name), content)


def _install(authority: Authority, found: Difference, wanted: Facts, dry: bool) -> None:
    before = authority.text("ca.crt")
    if _blocks(wanted["certificate"], "CERTIFICATE") == before:
        return
    if not dry:
        trust = authority.text("trust.pem")
        ca.install(authority, wanted["certificate"], wanted.get("chain", ""), trust)
    found.add("ca.crt", before, wanted["certificate"])


def reason(authority: Authority, wanted: Facts) -> str:
    """Why the root has to sign another issuing CA, or nothing."""
    if "definition" not in wanted:
        return ""
    current = authority.linked("current")
    if current not in authority.generations():
        return "there is none yet"
    if wanted["renew"]:
        return "another one was asked for"
    if authority.definition(current).get("wanted") != wanted["definition"]:
        return "its names or networks are others now"
    if "root" in wanted and not _signed_by(authority, wanted["root"]):
        return "it leads to another root"
    own, verdict = authority.certificate(current), clock.verdict(authority.paths)
    if verdict.state != ca.DOUBTFUL and issuing.due(verdict.now, own.not_before, own.not_after):
        return f"a third of its life is left: it ends on {issuing.day(own.not_after)}"
    return ""


def _signed_by(authority: Authority, root: str) -> bool:
    with authority.lock(), ca.workplace(authority) as place:
        files.write_atomic(place + "/root.pem", root)
        chain = ["-untrusted", authority.path("chain.pem")]
        argv = ["openssl", "verify", "-no_check_time", "-trusted", place + "/root.pem", *chain]
        return run([*argv, authority.path("ca.crt")]).code == 0


def _csr(authority: Authority, found: Difference, definition: Facts, dry: bool) -> str:
    waiting = authority.waiting()
    known = bool(waiting) and authority.definition(waiting).get("wanted") == definition
    before = json.dumps(authority.definition(authority.linked("current")).get("wanted", {}), indent=1) + "\n"
    if not known:
        found.add("issuing CA", before + "signs\n", json.dumps(definition, indent=1) + "\nwaits for the root\n")
    if dry:
        return ca.request(authority, waiting) if known else ""
    return ca.ask(authority, definition)


def _block(authority: Authority, found: Difference, wanted: Facts, dry: bool) -> None:
    """Where nothing is allowed yet, nobody has anything, and what is written down later says who is blocked."""
    if not (wanted["block"] or wanted["unblock"]) or not os.path.exists(authority.path("allowed.json")):
        return
    rules = authority.allowed()
    nodes = {
        name: dict(entry, blocked=entry["blocked"] and name not in wanted["unblock"])
        for name, entry in rules["nodes"].items()
    }
    after = dict(rules, nodes=nodes)
    for item in wanted["block"]:
        after = issuing.blocked(after, item)
        for row in ca_issue.to_block(authority, item) if dry else ca_issue.block(authority, item):
            found.add("revoked", "", f"{row['node']}/{row['name']} {row['serial']}\n")
    before, content = (json.dumps(value, indent=1) + "\n" for value in (rules, after))
    if found.add("allowed.json", before, content) and not dry:
        with authority.lock():
            files.write_atomic(authority.path("allowed.json"), content)


def _end(authority: Authority, found: Difference, wanted: Facts, dry: bool) -> None:
    """What does not count any more."""
    for item in wanted["revoke"]:
        if dry:
            gone = {row["serial"] for row in ca.revocations(authority)["revoked"]}
            new = [row for row in ca.issued(authority) if ca_issue.meant(item, row) and row["serial"] not in gone]
        else:
            new = ca_issue.revoke(authority, item)
        for row in new:
            found.add("revoked", "", f"{row['node']}/{row['name']} {row['serial']}\n")
    if wanted["retire"]:
        for name in authority.generations()[1:]:
            if not dry:
                ca.retire(authority, name)
            found.add("issuing CA", f"{name} was replaced\n", "")


def allowed(authority: Authority, node: str) -> Facts:
    """Certificates that a node may have, by name, each with `dns`, `ip` and `uri`."""
    nodes = authority.allowed()["nodes"]
    if node not in nodes:
        raise NodeError("certificate", f"{node} is no node of this site: run the playbook pki after a node was added")
    if nodes[node]["blocked"]:
        raise NodeError("certificate", f"{node} is blocked: it gets no certificate")
    return dict(nodes[node]["certificates"])


# -- the command -------------------------------------------------------------------------------------------------------


def arguments(command: argparse.ArgumentParser) -> None:
    """`edge ca ...`."""
    verbs = command.add_subparsers(dest="verb", metavar="WHAT", required=True)

    def add(name: str, about: str, takes_input: bool = False) -> argparse.ArgumentParser:
        verb = verbs.add_parser(name, help=about, description=about)
        if takes_input:
            verb.add_argument("input", choices=["-"], help="JSON on standard input")
        return verb

    add("status", "what this issuing CA is").add_argument("--json", action="store_true", help="as JSON")
    add("init", "make a key here, and the request that the root signs", True)
    add("csr", "the request that waits for the root")
    add(
        "install",
        "take what the root signed into use, and what is allowed (for the module certificate_authority)",
        True,
    )
    add("issue", "sign certificates for a node of this site, as far as it may have them", True)
    add("allowed", "which certificates a node of this site may have, with which names").add_argument("node")
    verb = add("revoke", "take certificates back, also such as ran out")
    verb.add_argument("who", nargs="?", default="", metavar="NODE[/NAME]", help="all of a node, or those of one name")
    verb.add_argument("--serial", default="", help="only this one")
    verb.add_argument("--reason", default=issuing.REASONS[0], choices=issuing.REASONS, help="why")
    add("crl", "the list of what is revoked").add_argument("--now", action="store_true", help="make it anew")
    verb = add("retire", "end an older issuing CA, whose certificates nobody needs any more")
    verb.add_argument("generation", metavar="ID", help="as status shows it")
    verb.add_argument("--force", action="store_true", help="even where they are needed")
    add("serve", "answer one request of HTTP on standard input (for the unit)")


def execute(authority: Authority, given: argparse.Namespace) -> str:
    """Does what was typed; returns what it has to say."""
    if given.verb == "serve":
        sys.stderr.write(ca_serve.serve(authority) + "\n")
        return ""
    if given.verb == "status":
        found = ca.status(authority)
        return json.dumps(found, indent=1) if given.json else "\n".join(ca.lines(found))
    if given.verb == "init":
        return ca.ask(authority, _input()).rstrip()
    if given.verb == "csr":
        return ca.request(authority).rstrip()
    if given.verb == "crl":
        return ca_issue.crl(authority, given.now).rstrip()
    if given.verb == "retire":
        done = ca.retire(authority, given.generation, given.force)
        return f"retired: {given.generation}" if done else f"there is no older issuing CA {given.generation}"
    if given.verb == "allowed":
        return json.dumps(allowed(authority, given.node), indent=1)
    if given.verb == "revoke":
        return _revoke(authority, given)
    verb = {"install": ensure, "issue": ca_issue.issue}[given.verb]
    return json.dumps(verb(authority, _input()))


def _input() -> t.Any:
    content = sys.stdin.read(issuing_config.LARGEST_INPUT + 1)
    if len(content) > issuing_config.LARGEST_INPUT:
        raise NodeError("program", f"standard input has more than {issuing_config.LARGEST_INPUT} characters")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise NodeError("program", "standard input is no JSON") from None


def _revoke(authority: Authority, given: argparse.Namespace) -> str:
    node, _slash, name = given.who.partition("/")
    wanted = {"node": node, "name": name, "serial": given.serial, "reason": given.reason}
    new = ca_issue.revoke(authority, {key: value for key, value in wanted.items() if value})
    rows = [f"revoked: {item['node']}/{item['name']} {item['serial']}" for item in new]
    return "\n".join(rows or ["they were revoked already"])


def _ca(node: Node, arguments: argparse.Namespace) -> int:
    said = execute(Authority(node.paths), arguments)
    if said:
        say(said)
    return 0


COMMANDS: Commands = {"ca": (arguments, _ca)}
