# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What openssl is told when it makes and signs certificates. Pure."""

from __future__ import annotations

import ipaddress
import re
import time
import typing as t

from .fields import Field, SpecError, listing, mapping, show, text
from .issuing import BACKDATE, CURVES, NODE, Grant, Refused, dns, network, site_name

_IN_CONFIG = re.compile(r"[\\$#\"'`]")
LARGEST_INPUT = 16 << 20
"""Characters of what a push says of one site."""
_LONG = 2524608000  # 2050
_DEFINITION = mapping(
    {
        "site": Field(site_name, required=True, doc="name of the site"),
        "dns": Field(listing(dns), default=(), doc="host names, each with those below it"),
        "ip": Field(listing(network), default=(), doc="networks"),
        "uri": Field(listing(dns), default=(), doc="hosts of identities: the name of the fleet"),
        "curve": Field(text("|".join(CURVES), " or ".join(CURVES)), default=CURVES[0], doc="of the key"),
    }
)


def stamp(when: float) -> str:
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(when))


def quoted(value: str) -> str:
    """A value as it stands in a configuration of openssl."""
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise SpecError(f"found a control character in {show(value)}")
    return _IN_CONFIG.sub(lambda match: "\\" + match.group(0), value)


def definition(where: str, data: t.Any) -> t.Dict[str, t.Any]:
    """What an issuing CA is for: its site, and the names and addresses to which it is bound, sorted."""
    found = _DEFINITION(where, data)
    for key in ("dns", "ip", "uri"):
        found[key] = sorted(set(found[key]))
    return found


def constraints(found: t.Mapping[str, t.Any]) -> t.List[str]:
    """The lines of the section that binds an issuing CA. A kind of which nothing is permitted is excluded as a whole:
    what a certificate does not mention would be free."""
    lines = [f"permitted;DNS.{number} = {name}" for number, name in enumerate(found["dns"], 1)]
    for number, item in enumerate(found["ip"], 1):
        net = ipaddress.ip_network(item)
        lines.append(f"permitted;IP.{number} = {net.network_address}/{net.netmask}")
    lines += [f"permitted;URI.{number} = {name}" for number, name in enumerate(found["uri"], 1)]
    if not found["ip"]:
        lines += ["excluded;IP.1 = 0.0.0.0/0.0.0.0", "excluded;IP.2 = ::/::"]
    # Nothing ends with it: RFC 6761 keeps the name out of use.
    lines += [f"permitted;{kind}.1 = invalid" for kind in ("DNS", "URI") if not found[kind.lower()]]
    return lines


def authority_request(common_name: str, found: t.Mapping[str, t.Any]) -> str:
    """The configuration by which openssl makes the request of an issuing CA."""
    return "\n".join(
        [
            "[req]",
            "prompt = no",
            "utf8 = yes",
            "string_mask = utf8only",
            "distinguished_name = subject",
            "req_extensions = extensions",
            "[subject]",
            f"CN = {quoted(common_name)}",
            "[extensions]",
            "basicConstraints = critical,CA:TRUE,pathlen:0",
            "keyUsage = critical,keyCertSign,cRLSign",
            "subjectKeyIdentifier = hash",
            "nameConstraints = critical,@constraints",
            "[constraints]",
            *constraints(found),
            "",
        ]
    )


def leaf_extensions(given: Grant, rsa: bool) -> t.List[str]:
    """Sections of a configuration: exactly what is allowed, nothing of what a request says."""
    kinds = (("DNS", given.dns), ("IP", given.ip), ("URI", given.uri))
    names = [f"{kind}.{number} = {quoted(value)}" for kind, values in kinds for number, value in enumerate(values, 1)]
    if not names:
        raise Refused(
            f"{given.node} has no names for a certificate {given.name}: give it one (playbook pki, site_ca_certificates)"
        )
    return [
        "[leaf]",
        "basicConstraints = critical,CA:FALSE",
        "keyUsage = critical,digitalSignature" + (",keyEncipherment" if rsa else ""),
        "extendedKeyUsage = serverAuth,clientAuth",
        "subjectKeyIdentifier = hash",
        "authorityKeyIdentifier = keyid",
        "subjectAltName = @names",
        "[names]",
        *names,
    ]


def work(directory: str, key: str, certificate: str) -> t.List[str]:
    """Sections of a configuration by which `openssl ca` works in a directory of its own."""
    return [
        "[ca]",
        "default_ca = work",
        "[work]",
        f"database = {quoted(directory)}/index.txt",
        f"serial = {quoted(directory)}/serial",
        f"crlnumber = {quoted(directory)}/number",
        f"new_certs_dir = {quoted(directory)}",
        f"private_key = {quoted(key)}",
        f"certificate = {quoted(certificate)}",
        "default_md = sha256",
        "default_days = 1",
        "policy = policy",
        "copy_extensions = none",
        "unique_subject = no",
        "preserve = yes",
        "email_in_dn = no",
        "string_mask = utf8only",
        "utf8 = yes",
        "crl_extensions = crl",
        "[policy]",
        "organizationalUnitName = optional",
        "commonName = supplied",
        "[crl]",
        "authorityKeyIdentifier = keyid",
    ]


def subject(given: Grant) -> str:
    """The subject of a leaf, as openssl takes it."""
    unit = "" if given.name == NODE else f"/OU={given.node}"
    escaped = given.common_name.replace("/", "\\/")
    return f"{unit}/CN={escaped}"


def crl_times(version: str, now: int, days: int) -> t.List[str]:
    """Options by which a list begins a little before now; OpenSSL 1.1.1 knows only how long it lives.

    :param version: what `openssl version` says.
    """
    match = re.match(r"OpenSSL (\d+)", version)
    if match is None or int(match.group(1)) < 3:
        return ["-crldays", str(days)]
    return ["-crl_lastupdate", stamp(now - BACKDATE), "-crl_nextupdate", stamp(now + days * 86400)]


def _short(when: float) -> str:
    """A time as the database of `openssl ca` has it: with two digits of the year until 2049."""
    return time.strftime("%y%m%d%H%M%SZ" if when < _LONG else "%Y%m%d%H%M%SZ", time.gmtime(when))


def index_line(item: t.Mapping[str, t.Any]) -> str:
    """A revoked certificate as the database of `openssl ca` has it."""
    reason = "" if item["reason"] == "unspecified" else f",{item['reason']}"
    revoked = min(item["time"], _LONG - 1)  # the database knows no later one
    return "\t".join(
        ["R", _short(item["not_after"]), _short(revoked) + reason, item["serial"], "unknown", f"/CN={item['node']}"]
    )
