# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of a tenant on a node: what may be delivered, what differs, who uses it, and how it is kept out of what is shown.

What is remembered and shown of a value is its fingerprint, made with a key of the node's own: nobody who reads a ledger can try
passwords against it. Nothing here says a value in an error.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import typing as t
from dataclasses import dataclass

from .fields import SpecError, show, suggestion
from .spec import SECRETS_MOUNT
from .spec_fields import SECRET_NAME, SECRET_WANTED
from .spec_fields import name as _tenant

SCHEMA = 1
CURRENT = "current"
LARGEST = 64 << 10
LARGEST_SET = 512 << 10
"""Bytes. `systemd-creds` seals at most 1 MiB at once, and a value is written as base64 twice."""
HIDDEN = "(not shown)"
RESTART, SIGNAL, NONE = "restart", "signal", "none"

_KEYS = ("schema", "id", "tenant", "secrets", "registries", "check", "force", "who", "reason")
_REGISTRY = "registry/"
_SHORTEST = 4
_SHORTEST_LINE = 8
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")

Spec = t.Mapping[str, t.Any]
Index = t.Dict[str, t.Dict[str, str]]
"""name -> `version`, as its owner calls it, and `fingerprint`."""
Values = t.Dict[str, bytes]


@dataclass(frozen=True)
class Request:
    """A tenant's whole set. Pull credentials are in it by the name of :func:`registry_key`.

    `force` takes away what is not in it also where a version of a workload names it, and waits for nobody.
    """

    id: str
    tenant: str
    values: Values
    versions: t.Dict[str, str]
    check: bool = False
    who: str = ""
    reason: str = ""
    force: bool = False


def read(data: t.Any) -> Request:
    """:raises SpecError: with one line that names the place, and never a value."""
    if not isinstance(data, dict):
        raise SpecError(f"secrets: found {type(data).__name__}, wanted a mapping with {', '.join(_KEYS)}")
    for key in data:
        if key not in _KEYS:
            raise SpecError(
                f"secrets: unknown key {show(key)}.{suggestion(str(key), _KEYS)} Allowed: {', '.join(_KEYS)}"
            )
    if data.get("schema", SCHEMA) != SCHEMA:
        raise SpecError(
            f"secrets: found schema {show(data['schema'])}, this program reads {SCHEMA}: update the node program (role node_program)"
        )
    tenant = _tenant("tenant", data.get("tenant"))
    values: Values = {}
    versions: t.Dict[str, str] = {}
    for name, item in _mapping("secrets", data.get("secrets")).items():
        where = f"secrets.{secret_name('secrets', name)}"
        values[name], versions[name] = _value(where, item)
    for host, item in _mapping("registries", data.get("registries")).items():
        key = registry_key("registries", host)
        values[key], versions[key] = _credential(f"registries.{host}", item), ""
    total = sum(map(len, values.values()))
    if total > LARGEST_SET:
        raise SpecError(
            f"secrets: found {total} bytes in all of tenant {tenant}, wanted at most {LARGEST_SET}: what is no secret belongs into `files`, models or the image"
        )
    texts = {key: data.get(key) or "" for key in ("id", "who", "reason")}
    for key, text in texts.items():
        if not isinstance(text, str):
            raise SpecError(f"{key}: found {type(text).__name__}, wanted text")
    check, force = (data.get(key) is True for key in ("check", "force"))
    return Request(tenant=tenant, values=values, versions=versions, check=check, force=force, **texts)


def _mapping(where: str, value: t.Any) -> t.Dict[str, t.Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SpecError(f"{where}: found {type(value).__name__}, wanted a mapping")
    return value


def secret_name(where: str, name: t.Any) -> str:
    if not isinstance(name, str) or not re.fullmatch(SECRET_NAME, name):
        raise SpecError(f"{where}: found the name {show(name)}, wanted {SECRET_WANTED}")
    return name


def _value(where: str, item: t.Any) -> t.Tuple[bytes, str]:
    if not isinstance(item, dict) or not isinstance(item.get("value"), str) or not set(item) <= {"value", "version"}:
        raise SpecError(f"{where}: wanted a mapping with `value`, as base64, and perhaps `version`; it is not shown")
    version = item.get("version") or ""
    if not isinstance(version, str) or len(version) > 64 or not version.isprintable():
        raise SpecError(f"{where}.version: wanted text of at most 64 letters")
    try:
        value = base64.b64decode(item["value"], validate=True)
    except (binascii.Error, ValueError):
        raise SpecError(f"{where}.value: it is no base64; it is not shown") from None
    if not value:
        raise SpecError(f"{where}: the value is empty: leave the secret out, or look at where it comes from")
    if len(value) > LARGEST:
        raise SpecError(f"{where}: found {len(value)} bytes, wanted at most {LARGEST}; it is not shown")
    return value, version


def _credential(where: str, item: t.Any) -> bytes:
    """As the engine wants it in `auths`: user and password with a colon between."""
    if not isinstance(item, dict) or set(item) != {"username", "password"}:
        raise SpecError(f"{where}: wanted a mapping with `username` and `password`; it is not shown")
    user, password = item["username"], item["password"]
    if not isinstance(user, str) or not isinstance(password, str) or not user or not password or ":" in user:
        raise SpecError(f"{where}: wanted a user without ':' and a password, both text; they are not shown")
    return f"{user}:{password}".encode()


def registry_key(where: str, host: t.Any) -> str:
    if not isinstance(host, str) or not _HOST.fullmatch(host):
        raise SpecError(f"{where}: found {show(host)}, wanted a host as in an image name, such as r.example.com:5000")
    return _REGISTRY + host


def is_registry(name: str) -> bool:
    return name.startswith(_REGISTRY)


def label(name: str) -> str:
    """A name for people."""
    return name.replace("/", " ", 1)


# -- what is remembered of them


def fingerprint(key: bytes, tenant: str, name: str, value: bytes) -> str:
    """Of equal values of two names, or of two nodes, nothing says that they are equal."""
    message = f"{tenant}\0{name}\0".encode() + value
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:16]


def index(key: bytes, tenant: str, values: Values, versions: t.Mapping[str, str]) -> Index:
    return {
        name: {"version": versions.get(name, ""), "fingerprint": fingerprint(key, tenant, name, value)}
        for name, value in sorted(values.items())
    }


def pack(values: Values) -> str:
    """As it is sealed: ASCII."""
    encoded = {name: base64.b64encode(value).decode("ascii") for name, value in sorted(values.items())}
    return json.dumps({"schema": SCHEMA, "values": encoded})


def unpack(text: str) -> Values:
    """:raises ValueError: for what :func:`pack` did not make."""
    try:
        return {name: base64.b64decode(value) for name, value in json.loads(text)["values"].items()}
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ValueError("it is no set of secrets") from None


def changes(before: Index, after: Index) -> t.Dict[str, str]:
    """name -> new, changed or removed, of what differs."""
    found = {}
    for name in sorted({*before, *after}):
        if name not in after:
            found[name] = "removed"
        elif name not in before:
            found[name] = "new"
        elif before[name]["fingerprint"] != after[name]["fingerprint"]:
            found[name] = "changed"
    return found


def relabelled(before: Index, after: Index) -> bool:
    """Whether the same values are called by other versions."""
    return any(before[name]["version"] != after[name]["version"] for name in {*before} & {*after})


def diff(before: Index, after: Index) -> t.Dict[str, t.Dict[str, str]]:
    """Names, and whether they are there: `changed` is all that is said of a value."""
    what = changes(before, after)
    shown: t.Dict[str, t.Dict[str, str]] = {"before": {}, "after": {}}
    for name, word in what.items():
        if word != "new":
            shown["before"][label(name)] = "present"
        if word != "removed":
            shown["after"][label(name)] = "changed, not shown" if word == "changed" else "present"
    return shown


# -- who uses them


def entries(spec: Spec) -> t.List[t.Dict[str, t.Any]]:
    """Of a specification, also of one that was rendered before there were secrets."""
    return spec.get("secrets") or []


def names(spec: Spec) -> t.List[str]:
    return [entry["name"] for entry in entries(spec)]


def mount(spec: Spec) -> str:
    return spec.get("secrets_mount") or SECRETS_MOUNT


def missing(spec: Spec, have: t.Collection[str]) -> t.List[str]:
    return [name for name in dict.fromkeys(names(spec)) if name not in have]


def view(spec: Spec, have: Index) -> str:
    """Names what a container must see: other values are another name. It begins with a dot, which no file of a secret does."""
    content = [[entry["file"], have.get(entry["name"], {}).get("fingerprint", "")] for entry in entries(spec)]
    return ".v" + hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def reaction(spec: Spec, changed: t.Collection[str]) -> t.Optional[t.Tuple[str, t.List[str]]]:
    """How a workload is told that these changed: (restart, signal or none, signals), or None where it uses none of them."""
    touched = [entry for entry in entries(spec) if entry["name"] in changed]
    if not touched:
        return None
    ways = {entry["on_change"] for entry in touched}
    if RESTART in ways:
        return RESTART, []
    signals = list(dict.fromkeys(entry["signal"] for entry in touched if entry["on_change"] == SIGNAL))
    return (SIGNAL, signals) if signals else (NONE, [])


# -- keeping them out of what is shown


def hide(text: str, values: t.Iterable[bytes]) -> str:
    """Text without the values: what a workload printed may hold them. Also as base64, and line by line."""
    words: t.Set[str] = set()
    for value in values:
        plain = value.decode("utf-8", "ignore")
        encoded = base64.b64encode(value).decode("ascii")
        words.update(word for word in (plain, plain.strip(), encoded) if len(word) >= _SHORTEST)
        words.update(line.strip() for line in plain.splitlines() if len(line.strip()) >= _SHORTEST_LINE)
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, HIDDEN)
    return text


def docker_configuration(values: Values) -> str:
    """The engine's client configuration for a tenant's pull credentials; empty where it has none."""
    auths = {
        name[len(_REGISTRY) :]: {"auth": base64.b64encode(value).decode("ascii")}
        for name, value in sorted(values.items())
        if is_registry(name)
    }
    if "docker.io" in auths:
        auths["https://index.docker.io/v1/"] = auths.pop("docker.io")
    return json.dumps({"auths": auths}) if auths else ""
