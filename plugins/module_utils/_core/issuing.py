# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may have which certificate, for how long and how often, and what openssl is told. Pure.

A request is only ever compared with what is allowed: what a certificate says comes from there, never from the request.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import math
import re
import time
import typing as t
from dataclasses import dataclass

from . import asn1
from .fields import Field, SpecError, boolean, error, integer, listing, mapping, show, suggestion, table, text
from .renewal import canonical

SCHEMA = 1
NODE = "node"
"""Name of a node's own certificate; that of a workload is TENANT.WORKLOAD."""
BACKDATE = 300
"""Seconds that a certificate begins before now, for clocks that are a little behind."""
SHORTEST = 3600
"""An issuing CA that has less left than this signs nothing any more."""
MOST = 64
"""Certificates in one request."""
CURVES = ("P-256", "P-384")
REASONS = ("unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation")
KEYS_WANTED = "a key of EC P-256 or EC P-384, or RSA of 2048 to 4096 bits"

_HOST = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_TENANT = r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?"
_CERTIFICATE = rf"{NODE}|{_TENANT}\.{_TENANT}"
_CERTIFICATE_WANTED = f"'{NODE}' or TENANT.WORKLOAD"
_IDENTITY = re.compile(
    rf"spiffe://(?P<fleet>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)/site/(?P<site>{_HOST})/node/(?P<node>{_HOST})"
    rf"(?:/tenant/(?P<tenant>{_TENANT})/workload/(?P<workload>{_TENANT}))?"
)
_SERVER, _CLIENT = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"
_SIGNS = {5: "to sign certificates", 6: "to sign lists of revoked ones"}
_KNOWN = (asn1.ALT_NAME, asn1.BASIC, asn1.KEY_USAGE, asn1.EXTENDED_USAGE, asn1.KEY_IDENTIFIER)

node_name = text(_HOST, "the name of a node: at most 63 letters, digits and . _ -")
site_name = text(_HOST, "the name of a site")


def dns(where: str, value: t.Any) -> str:
    """A host name, in small letters. Patterns such as *.example.com are refused: they are names of others too."""
    wanted = "a host name such as cam01.kiruna.example.com, without patterns"
    name = text(rf"{_LABEL}(?:\.{_LABEL})*", wanted)(where, value).lower()
    if len(name) > 253:
        raise error(where, value, "a host name of at most 253 characters")
    return name


def address(where: str, value: t.Any) -> str:
    try:
        return str(ipaddress.ip_address(text()(where, value)))
    except ValueError:
        raise error(where, value, "an address such as 10.20.1.11") from None


def network(where: str, value: t.Any) -> str:
    try:
        return str(ipaddress.ip_network(text()(where, value)))
    except ValueError:
        raise error(where, value, "a network such as 10.20.1.0/24, without bits behind its mask") from None


def identity(where: str, value: t.Any) -> str:
    return text(_IDENTITY.pattern, "spiffe://FLEET/site/SITE/node/NODE[/tenant/TENANT/workload/WORKLOAD]")(where, value)


_NAMES: t.Dict[str, Field] = {
    "dns": Field(listing(dns), default=(), doc="host names"),
    "ip": Field(listing(address), default=(), doc="addresses"),
    "uri": Field(listing(identity), default=(), doc="identities"),
}
_ALLOWED = mapping(
    {
        "schema": Field(integer(1, SCHEMA), required=True, doc="1"),
        "site": Field(site_name, required=True, doc="name of the site"),
        "nodes": Field(
            table(
                _HOST,
                "the name of a node",
                mapping(
                    {
                        "certificates": Field(
                            table(_CERTIFICATE, _CERTIFICATE_WANTED, mapping(_NAMES)), default={}, doc="by their names"
                        ),
                        "blocked": Field(boolean, default=False, doc="whether it gets nothing any more"),
                    }
                ),
            ),
            required=True,
            doc="who may have what",
        ),
        "lifetime_days": Field(integer(1, 397), default=30, doc="how long certificates of nodes live"),
        "per_minute": Field(integer(1, 6000), default=60, doc="certificates that are signed in a minute at most"),
    }
)


class Refused(SpecError):
    """What is asked for is not given. The message is one line for the one who asked."""


@dataclass(frozen=True)
class Grant:
    """What a certificate will say."""

    node: str
    name: str
    dns: t.Tuple[str, ...]
    ip: t.Tuple[str, ...]
    uri: t.Tuple[str, ...]

    @property
    def common_name(self) -> str:
        """For people; who somebody is stands in `uri`. That of a workload is never that of a node, nor one of DNS."""
        if self.name == NODE:
            return self.node
        wanted = self.name.replace(".", "/", 1)
        return wanted if len(wanted) <= 64 else f"{wanted[:55]}~{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Signed:
    """A request that the holder of a certificate signed with its key."""

    node: str
    requests: t.Mapping[str, str]
    certificate: str
    signature: bytes
    content: bytes


# -- who may have what -------------------------------------------------------------------------------------------------


def allowed(where: str, data: t.Any) -> t.Dict[str, t.Any]:
    """Checks `allowed.json`: nobody in it has a name or an identity of somebody else.

    :raises SpecError: naming the place.
    """
    found = _ALLOWED(where, data)
    owners: t.Dict[str, str] = {name.lower(): name for name in found["nodes"]}
    for node, entry in found["nodes"].items():
        own = entry["certificates"].get(NODE, {})
        for word in (*own.get("dns", ()), *own.get("ip", ())):
            if owners.setdefault(word, node) != node:
                raise SpecError(f"{where}.nodes.{node}: {word} is a name of {owners[word]} too: each has its own")
    for node, entry in found["nodes"].items():
        for name, names in entry["certificates"].items():
            place = f"{where}.nodes.{node}.certificates.{name}"
            for word in (*names["dns"], *names["ip"]):
                if owners.get(word, node) != node:
                    raise SpecError(f"{place}: {word} is a name of {owners[word]}")
            for uri in names["uri"]:
                _own_identity(place, uri, found["site"], node, name)
    return found


def _own_identity(place: str, uri: str, site: str, node: str, name: str) -> None:
    match = _IDENTITY.fullmatch(uri)
    found = match.groupdict() if match else {}
    tenant, _dot, workload = ("", "", "") if name == NODE else name.partition(".")
    wanted = {"site": site, "node": node, "tenant": tenant or None, "workload": workload or None}
    wrong = [f"{key} {found.get(key)}" for key, value in wanted.items() if found.get(key) != value]
    if wrong:
        raise SpecError(
            f"{place}: {uri} is the identity of {', '.join(wrong)}, wanted that of {node}, certificate {name}"
        )


def own_identity(rules: t.Mapping[str, t.Any], node: str) -> str:
    """The identity by which a node proves who it is.

    :raises Refused: where the node is not of this site, is blocked, or has none.
    """
    entry = _node(rules, node)
    uris = entry["certificates"].get(NODE, {}).get("uri", ())
    if not uris:
        raise Refused(f"{node} has no identity here: the playbook pki writes one down for each node of the site")
    return uris[0]


def _node(rules: t.Mapping[str, t.Any], node: str) -> t.Mapping[str, t.Any]:
    if node not in rules["nodes"]:
        raise Refused(
            f"{show(node)} is no node of the site {rules['site']}, so nothing is signed for it here."
            f"{suggestion(node, rules['nodes'])} The playbook pki writes down who is"
        )
    entry = rules["nodes"][node]
    if entry["blocked"]:
        raise Refused(
            f"{node} is blocked: nothing is signed for it until it is taken out of site_ca_blocked (playbook pki)"
        )
    return entry


def grant(rules: t.Mapping[str, t.Any], node: str, name: str) -> Grant:
    """What a node gets under this name.

    :raises Refused: where it gets nothing.
    """
    certificates = _node(rules, node)["certificates"]
    if name not in certificates:
        known = ", ".join(certificates) or "nothing"
        raise Refused(
            f"{node} may not have a certificate {show(name)}; it may have: {known} (playbook pki, site_ca_certificates)"
        )
    names = certificates[name]
    return Grant(node, name, tuple(names["dns"]), tuple(names["ip"]), tuple(names["uri"]))


def check(rules: t.Mapping[str, t.Any], wanted: Grant, asked: asn1.Asked) -> None:
    """Compares a request with what is allowed.

    :raises Refused: for whatever it asks that it does not get.
    """
    place = f"the request of {wanted.node} for {wanted.name}"
    _check_key(place, asked)
    _check_subject(place, rules, wanted, asked)
    _check_names(place, rules, wanted, asked.names)
    _check_extensions(place, asked)


def _check_key(place: str, asked: asn1.Asked) -> None:
    if asked.key in ("EC P-256", "EC P-384") or (asked.key == "RSA" and 2048 <= asked.key_bits <= 4096):
        return
    found = f"{asked.key} of {asked.key_bits} bits" if asked.key_bits else asked.key
    raise Refused(f"{place} has a key of {found}, wanted {KEYS_WANTED}")


def _check_subject(place: str, rules: t.Mapping[str, t.Any], wanted: Grant, asked: asn1.Asked) -> None:
    good = {wanted.node, wanted.name, wanted.common_name, *wanted.dns}
    for key, value in asked.subject:
        if key == "CN" and value not in good:
            raise Refused(f"{place} asks for the subject {show(value)}{_whose(rules, wanted, value)}")
        if key not in ("CN", "2.5.4.11") or (key == "2.5.4.11" and value != wanted.node):
            raise Refused(f"{place} asks for a subject with more than a CN ({show(value)}): take it out")


def _check_names(place: str, rules: t.Mapping[str, t.Any], wanted: Grant, names: asn1.Names) -> None:
    for found in names.odd:
        raise Refused(f"{place} asks for {found}; there are names of DNS, addresses and identities only")
    for word, asked, given in (
        ("DNS name", [name.lower() for name in names.dns], wanted.dns),
        ("address", names.ip, wanted.ip),
        ("identity", names.uri, wanted.uri),
    ):
        for value in asked:
            if value not in given:
                raise Refused(f"{place} asks for the {word} {show(value)}{_whose(rules, wanted, value)}")


def _whose(rules: t.Mapping[str, t.Any], wanted: Grant, value: str) -> str:
    """The rest of a sentence: who has this name, or what there is to have."""
    for node, entry in rules["nodes"].items():
        names = entry["certificates"].values()
        held = {node, *(word for item in names for kind in ("dns", "ip", "uri") for word in item[kind])}
        if node != wanted.node and value.lower() in {word.lower() for word in held}:
            return f", which belongs to {node}"
    return f", which it may not have; it may have: {', '.join((*wanted.dns, *wanted.ip, *wanted.uri)) or wanted.node}"


def _check_extensions(place: str, asked: asn1.Asked) -> None:
    for oid in asked.attributes:
        raise Refused(
            f"{place} has the attribute {oid}, wanted none: make it without (a challenge password, for instance)"
        )
    for oid, value in asked.extensions.items():
        if oid not in _KNOWN:
            raise Refused(f"{place} asks for the extension {oid}, which nobody gets: make it without")
        try:
            _check_extension(place, oid, value)
        except (ValueError, IndexError) as exc:
            if isinstance(exc, Refused):
                raise
            raise Refused(f"{place} is damaged: the extension {oid}: {exc}") from None


def _check_extension(place: str, oid: str, value: bytes) -> None:
    if oid == asn1.BASIC and asn1.is_authority(value):
        raise Refused(f"{place} asks to be an authority itself (CA:TRUE), which no node is: make it without")
    if oid == asn1.KEY_USAGE:
        for bit in sorted(asn1.key_usage(value)):
            if bit in _SIGNS:
                raise Refused(f"{place} asks for a key {_SIGNS[bit]}, which no node does: make it without")
    if oid == asn1.EXTENDED_USAGE:
        odd = [use for use in asn1.extended_usage(value) if use not in (_SERVER, _CLIENT)]
        if odd:
            raise Refused(f"{place} asks for the use {', '.join(odd)}, wanted TLS servers and clients only")


# -- how long and how often --------------------------------------------------------------------------------------------


def day(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(when))


def window(now: int, days: int, begin: int, end: int) -> t.Tuple[int, int]:
    """From when to when a certificate is good: a little before now, and never longer than the issuing CA itself.

    :param begin, end: of the issuing CA.
    :raises Refused: outside them.
    """
    if now >= end - SHORTEST:
        raise Refused(
            f"the issuing CA ends on {day(end)} and it is {day(now)}: nothing is signed until the root signed it anew (playbook pki)"
        )
    if now < begin:
        raise Refused(f"the issuing CA begins on {day(begin)} and it is {day(now)}: is the clock right?")
    return max(now - BACKDATE, begin), min(now + days * 86400, end)


def pace(times: t.Iterable[float], now: float, count: int, per_minute: int) -> t.Tuple[int, t.List[float]]:
    """(seconds to wait, times to remember) for `count` more; 0 is that they are signed now.

    :param times, now: of a clock that nobody sets; times after now are of an earlier boot.
    """
    recent = sorted(moment for moment in times if now - 60 < moment <= now)
    free = per_minute - len(recent)
    # More than fits into a minute is signed when nothing else was.
    if count <= free or not recent:
        return 0, [*recent, *[now] * count]
    moment = recent[min(count - free, len(recent)) - 1]
    return math.ceil(moment + 60 - now + 0.001), recent


def due(now: float, begin: float, end: float) -> bool:
    """Whether no more than a third of a life is left."""
    return end - now <= (end - begin) / 3


# -- requests ----------------------------------------------------------------------------------------------------------


def _requests(where: str, value: t.Any) -> t.Dict[str, str]:
    found = table(_CERTIFICATE, _CERTIFICATE_WANTED, text(wanted="a certificate request as PEM"))(where, value)
    if not 0 < len(found) <= MOST:
        raise error(where, value, f"1 to {MOST} requests")
    return found


_PLAIN = {
    "node": Field(node_name, required=True, doc="the name of the node"),
    "requests": Field(_requests, required=True, doc="certificate requests by the names of certificates"),
}
_SIGNED = {
    **_PLAIN,
    "certificate": Field(text(wanted="a certificate as PEM"), required=True, doc="the node's certificate of now"),
    "signature": Field(text(wanted="base64"), required=True, doc="over the rest, by the key of that certificate"),
}


def plain_request(data: t.Any) -> t.Dict[str, t.Any]:
    """What a push asks: `node` and `requests`."""
    return mapping(_PLAIN)("request", data)


def signed_request(data: t.Any) -> Signed:
    """What a node asks by itself."""
    found = mapping(_SIGNED)("request", data)
    try:
        signature = base64.b64decode(found["signature"], validate=True)
    except (binascii.Error, ValueError):
        raise error("request.signature", found["signature"], "base64") from None
    rest = {key: value for key, value in data.items() if key != "signature"}
    return Signed(found["node"], found["requests"], found["certificate"], signature, canonical(rest))


_REVOKE = mapping(
    {
        "node": Field(node_name, doc="all certificates of this node"),
        "name": Field(text(_CERTIFICATE, _CERTIFICATE_WANTED), doc="of the node, only those of this name"),
        "serial": Field(text(r"[0-9A-Fa-f]{1,40}", "a serial number in hexadecimal digits"), doc="only this one"),
        "reason": Field(text("|".join(REASONS), f"one of {', '.join(REASONS)}"), default=REASONS[0], doc="why"),
    }
)


_BLOCK = mapping(
    {
        "node": Field(node_name, required=True, doc="who is cut off"),
        "tenant": Field(text(_TENANT, "the name of a tenant"), doc="only this one, on that node"),
        "reason": Field(text("|".join(REASONS), f"one of {', '.join(REASONS)}"), default=REASONS[0], doc="why"),
    }
)


def blocking(where: str, data: t.Any) -> t.Dict[str, str]:
    return _BLOCK(where, data)


def cut_off(wanted: t.Mapping[str, str], item: t.Mapping[str, t.Any]) -> bool:
    """Whether a block is of this certificate."""
    mine = "tenant" not in wanted or item["name"].startswith(wanted["tenant"] + ".")
    return item["node"] == wanted["node"] and mine


def blocked(rules: t.Mapping[str, t.Any], wanted: t.Mapping[str, str]) -> t.Dict[str, t.Any]:
    """What is allowed, without a node, or a tenant on it. Who is not in it gets nothing as it is."""
    nodes = dict(rules["nodes"])
    entry = nodes.get(wanted["node"])
    if entry is not None and "tenant" in wanted:
        kept = {
            name: item
            for name, item in entry["certificates"].items()
            if not cut_off(wanted, {"node": wanted["node"], "name": name})
        }
        nodes[wanted["node"]] = dict(entry, certificates=kept)
    elif entry is not None:
        nodes[wanted["node"]] = dict(entry, blocked=True)
    return dict(rules, nodes=nodes)


def revocation(where: str, data: t.Any) -> t.Dict[str, str]:
    found = _REVOKE(where, data)
    if ("node" in found) == ("serial" in found):
        raise SpecError(f"{where}: wanted either a node or a serial number")
    if "serial" in found:
        found["serial"] = f"{int(found['serial'], 16):032X}"
    return found
