# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be asked about a certificate: by the module `certificate` of the node program, and of the module by its users."""

from __future__ import annotations

import ipaddress
import typing as t

from .fields import Field, SpecError, boolean, choice, duration, error, listing, mapping, text
from .names import NAME, NAME_WANTED

KEYS = ("ec-p256", "ec-p384", "rsa-2048", "rsa-3072", "rsa-4096")
SIGNALS = ("", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH")
SCHEMA = 1

_CERTIFICATE = rf"{NAME}(?:\.{NAME})?"
_DNS = r"(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9])?)*"
# None of what means something to openssl's configuration: , ; # $ \ " ' and space.
_URI = r"[a-z][a-z0-9+.-]*:[A-Za-z0-9._~/:@%?&=+!*()-]+"
_SUBJECT = r"[A-Za-z0-9](?:[A-Za-z0-9 ._@:/-]{0,62}[A-Za-z0-9._@:/-])?"
_ENDPOINT = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}"
_PERSON = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}"

name = text(_CERTIFICATE, "the name of a certificate: 'node', or TENANT.WORKLOAD")


def _ip(where: str, value: t.Any) -> str:
    try:
        return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
    except ValueError:
        raise error(where, value, "an address such as 10.20.1.11 or fd00::1") from None


def _mode(where: str, value: t.Any) -> str:
    wanted = "a mode such as '0600' that lets nobody else read: 0400, 0440, 0600 or 0640"
    return text("0(?:400|440|600|640)", wanted)(where, value)


RELOADS: t.Dict[str, t.Dict[str, Field]] = {
    "none": {},
    "unit": {
        "unit": Field(
            text(r"[A-Za-z0-9:_.@\\-]+\.(?:service|target|socket)", "a unit of systemd such as nginx.service"),
            required=True,
            doc="unit of systemd",
        ),
        "action": Field(choice("reload", "restart"), default="reload", doc="what is done to it"),
    },
    "workload": {
        "tenant": Field(text(NAME, NAME_WANTED), required=True, doc="its tenant"),
        "workload": Field(text(NAME, NAME_WANTED), required=True, doc="its name"),
        "signal": Field(
            lambda where, value: value if value == "" else choice(*SIGNALS[1:])(where, value),
            default="",
            doc="signal to its first process; nothing to restart it",
        ),
    },
}


def _reload(where: str, value: t.Any) -> t.Dict[str, t.Any]:
    if not isinstance(value, dict):
        raise error(where, value, "a mapping with the key 'kind'")
    kind = choice(*RELOADS)(f"{where}.kind", value.get("kind"))
    given = {key: item for key, item in value.items() if key != "kind" and item is not None}
    return dict(mapping(RELOADS[kind])(where, given), kind=kind)


_PROVE = {
    "server_name": Field(
        lambda where, value: value if value == "" else text(_DNS, "a name of a host")(where, value),
        default="",
        doc="name that is asked for; nothing for the first of `dns`",
    ),
    "within": Field(duration, default="10s", doc="time until the new certificate must be shown"),
}

DEFINITION: t.Dict[str, Field] = {
    "name": Field(name, required=True, doc="'node', or TENANT.WORKLOAD"),
    "subject": Field(text(_SUBJECT, "a common name of at most 64 characters"), required=True, doc="its common name"),
    "dns": Field(listing(text(_DNS, "a name of a host")), default=[], doc="names of hosts"),
    "ip": Field(listing(_ip), default=[], doc="addresses"),
    "uri": Field(listing(text(_URI, "a URI such as spiffe://acme/site/kiruna/node/cam01")), default=[], doc="URIs"),
    "key": Field(choice(*KEYS), default="ec-p256", doc="kind of key"),
    "owner": Field(text(_PERSON, "a user or a number"), default="root", doc="owner of the key's file"),
    "group": Field(text(_PERSON, "a group or a number"), default="root", doc="group of the key's file"),
    "key_mode": Field(_mode, default="0600", doc="mode of the key's file"),
    "reload": Field(_reload, default={"kind": "none"}, doc="how its user is told of a new one"),
    "prove": Field(mapping(_PROVE), default={}, doc="how it is proven that it is in use"),
    "endpoint": Field(
        lambda where, value: value if value == "" else text(_ENDPOINT, "HOST:PORT")(where, value),
        default="",
        doc="HOST:PORT of a TLS server that must show it; nothing where there is none",
    ),
}
_definition = mapping(DEFINITION)
_REQUEST = ("state", "definition", "certificate", "renew", "check")


def definition(value: t.Any) -> t.Dict[str, t.Any]:
    """A definition with all its keys.

    :raises SpecError: with one line that names the place.
    """
    given = {key: item for key, item in value.items() if key != "schema"} if isinstance(value, dict) else value
    found = _definition("certificate", given)
    if not any(found[key] for key in ("dns", "ip", "uri")):
        raise SpecError(
            f"certificate {found['name']}: wanted at least one name in dns, ip or uri: nobody looks at a subject"
        )
    return dict(found, schema=SCHEMA)


def _named(given: t.Any) -> t.Dict[str, t.Any]:
    return {"name": name("certificate.name", given.get("name") if isinstance(given, dict) else None)}


def check(data: t.Any) -> t.Dict[str, t.Any]:
    """A request: `state` (present, absent), `definition` (of `absent` its name is enough), `certificate` (PEM, or nothing),
    `renew` (ask for another one although none is due) and `check` (change nothing).

    :raises SpecError: with one line that names the place.
    """
    if not isinstance(data, dict):
        raise error("certificate", data, "a mapping")
    for key in data:
        if key not in _REQUEST:
            raise SpecError(f"certificate: unknown key '{key}'. Allowed: {', '.join(_REQUEST)}")
    state = choice("present", "absent")("certificate.state", data.get("state") or "present")
    given = data.get("definition")
    wanted = definition(given) if state == "present" else _named(given)
    certificate = data.get("certificate") or ""
    if not isinstance(certificate, str):
        raise error("certificate.certificate", certificate, "PEM text")
    return {
        "state": state,
        "definition": wanted,
        "certificate": certificate,
        "renew": boolean("certificate.renew", data.get("renew") or False),
        "check": boolean("certificate.check", data.get("check") or False),
    }
