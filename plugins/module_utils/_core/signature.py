# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed releases: who may sign for which tenant, and what a signed text says. Pure; ssh-keygen alone judges signatures.

Signers are written as OpenSSH has them (allowed_signers in ssh-keygen(1)), with names of tenants as principals. What old
versions of OpenSSH cannot read, and what would trust more than was meant, is refused here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import typing as t
from dataclasses import dataclass

from .fields import Field, SpecError, error, listing, mapping, show, suggestion, text
from .spec_fields import name, version

NAMESPACE = "physical-ai-release"
HEADER = f"# Signers of releases, by tenant (namespace {NAMESPACE}). Written by physical_ai.edge.trust."
REVOKED_HEADER = "# Keys whose signatures do not count any more. Written by physical_ai.edge.trust."
KEY_TYPES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)
_PUBLIC = "a public key in one line, such as `ssh-ed25519 AAAA... ann@example.com` (the file that ends with .pub)"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_MAGIC = b"SSHSIG"
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OPTIONS = re.compile(r'((?:[^\s"]|"[^"]*")+)[ \t]+(.*)')
_OPTION = re.compile(r'([A-Za-z-]+)(?:="([^"]*)")?(?:,|$)')
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_DIGEST = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{64}(?![0-9A-Za-z])")
_VALUE = r"""[ \t]+(?:"([^"\\]*)"|'([^']*)'|([^\s"'#&*!|>%@`{}\[\],]\S*))[ \t]*(?:[ \t]#.*)?\r?$"""


@dataclass(frozen=True)
class Key:
    """A public key: its type, its base64 and the comment behind it."""

    kind: str
    data: str
    comment: str = ""

    @property
    def fingerprint(self) -> str:
        """As OpenSSH shows it."""
        raw = hashlib.sha256(base64.b64decode(self.data)).digest()
        return "SHA256:" + base64.b64encode(raw).decode("ascii").rstrip("=")

    @property
    def line(self) -> str:
        return f"{self.kind} {self.data} {self.comment}".rstrip()


@dataclass(frozen=True)
class Signer:
    """A key and the tenants for whom it may sign. Without namespaces it may sign anything for them."""

    tenants: t.Tuple[str, ...]
    key: Key
    namespaces: t.Tuple[str, ...] = ()

    @property
    def signs_releases(self) -> bool:
        return not self.namespaces or NAMESPACE in self.namespaces


# -- keys and signers --------------------------------------------------------------------------------------------------


def key(where: str, value: t.Any) -> Key:
    """A public key as ssh-keygen writes it.

    :raises SpecError: for anything else. A private key is not shown.
    """
    if isinstance(value, str) and "PRIVATE KEY" in value:
        raise SpecError(f"{where}: found a private key, wanted {_PUBLIC}. Take it for known to others: make a new one")
    words = value.strip().split(None, 2) if isinstance(value, str) and not _CONTROL.search(value.strip()) else []
    if len(words) < 2:
        raise error(where, value, _PUBLIC)
    if words[0] not in KEY_TYPES:
        hint = suggestion(words[0], KEY_TYPES)
        raise SpecError(
            f"{where}: found a key of the type {show(words[0])}, wanted one of {', '.join(KEY_TYPES)}.{hint}"
        )
    if _kind(words[1]) != words[0]:
        raise SpecError(
            f"{where}: the key is damaged: {show(words[1])} is no {words[0]}. Copy the whole line of the .pub file"
        )
    return Key(words[0], words[1], words[2].strip() if len(words) == 3 else "")


def _kind(data: str) -> str:
    """The type that the key itself names, or nothing where it is no key."""
    try:
        raw = base64.b64decode(data, validate=True)
        kind, rest = _string(raw)
        while rest:
            dummy, rest = _string(rest)
        return kind.decode("ascii")
    except (binascii.Error, ValueError):
        return ""


def _string(raw: bytes) -> t.Tuple[bytes, bytes]:
    """The first string of SSH's wire format, and what follows it."""
    size = int.from_bytes(raw[:4], "big")
    if len(raw) < 4 + size or len(raw) < 4:
        raise ValueError("it ends too early")
    return raw[4 : 4 + size], raw[4 + size :]


def _lines(where: str, content: str) -> t.Iterator[t.Tuple[str, str]]:
    """(place, line) of what is no comment; lines end as they do for OpenSSH."""
    for number, line in enumerate(content.split("\n"), 1):
        place = f"{where}: line {number}"
        if _CONTROL.search(line):
            wanted = "Unix line ends" if line.endswith("\r") else "text"
            raise SpecError(f"{place}: found a control character, wanted {wanted}: save the file anew")
        if line.strip(" \t") and not line.lstrip(" \t").startswith("#"):
            yield place, line.strip(" \t")


def parse(where: str, content: str) -> t.List[Signer]:
    """The signers of a file.

    :raises SpecError: naming the line.
    """
    if "PRIVATE KEY" in content:
        key(where, content)
    return [_signer(place, line) for place, line in _lines(where, content)]


def _signer(place: str, line: str) -> Signer:
    match = re.match(r'(?:"([^"]*)"|([^\s"]+))[ \t]+(\S.*)', line)
    if match is None:
        raise error(place, line, f'`TENANT[,TENANT] namespaces="{NAMESPACE}" KEY`')
    tenants = []
    for word in (match.group(1) or match.group(2) or "").split(","):
        if word in KEY_TYPES:
            raise SpecError(
                f"{place}: the tenant is missing, wanted `TENANT[,TENANT] KEY`: each key is trusted for named tenants only"
            )
        if re.search(r"[*?!]", word):
            raise error(
                place, word, "the names of tenants: patterns would trust a key for tenants that do not exist yet"
            )
        tenants.append(name(f"{place}: tenant", word))
    rest = match.group(3)
    namespaces: t.Tuple[str, ...] = ()
    if rest.split(None, 1)[0] not in KEY_TYPES:
        found = _OPTIONS.match(rest)
        if found is not None and found.group(2).split(None, 1)[0] in KEY_TYPES:
            namespaces, rest = _namespaces(place, found.group(1)), found.group(2)
    return Signer(tuple(tenants), key(place, rest), namespaces)


def _namespaces(place: str, options: str) -> t.Tuple[str, ...]:
    found = list(_OPTION.finditer(options))
    if "".join(item.group(0) for item in found) != options:
        raise error(place, options, f'an option such as namespaces="{NAMESPACE}"')
    names: t.List[str] = []
    for item in found:
        if item.group(1) in ("valid-after", "valid-before"):
            raise SpecError(
                f"{place}: nodes with OpenSSH older than 8.7 cannot read {item.group(1)}: take it out, and revoke the key when its time is over"
            )
        if item.group(1) != "namespaces" or not item.group(2):
            raise SpecError(f'{place}: found the option {show(item.group(1))}, wanted only namespaces="{NAMESPACE}"')
        names += [
            text(r"[A-Za-z0-9._@-]+", "the name of a namespace, without * or ?")(place, word)
            for word in item.group(2).split(",")
        ]
    return tuple(names)


def parse_keys(where: str, content: str) -> t.List[Key]:
    """The keys of a file with one public key in each line, as `ssh-keygen -r` takes it."""
    if "PRIVATE KEY" in content:
        key(where, content)
    return [key(place, line) for place, line in _lines(where, content)]


def trusted(signers: t.Iterable[Signer], revoked: t.Iterable[Key] = ()) -> t.List[str]:
    """The tenants for whom somebody can sign releases."""
    gone = {item.data for item in revoked}
    return sorted(
        {tenant for item in signers if item.signs_releases and item.key.data not in gone for tenant in item.tenants}
    )


# -- what is written on nodes ------------------------------------------------------------------------------------------

SIGNER: t.Dict[str, Field] = {
    "tenants": Field(listing(name, 1), required=True, doc="for whom the key may sign"),
    "key": Field(key, required=True, doc="the public key"),
    "name": Field(text(r"[^\x00-\x1f\x7f]*[^\x00-\x20\x7f]", "a name in one line"), doc="whose it is; by default the comment of the key"),
}  # fmt: skip
_signers = listing(mapping(SIGNER))


def signers_file(where: str, value: t.Any) -> str:
    """The content of a signers file, from a list of signers or the text of such a file; nothing where there are none.

    :raises SpecError: naming the entry or the line.
    """
    if isinstance(value, str):
        return value.rstrip("\n") + "\n" if parse(where, value) else ""
    lines = [HEADER]
    for item in _signers(where, value):
        found: Key = item["key"]
        shown = Key(found.kind, found.data, item.get("name", found.comment))
        lines.append(f'{",".join(item["tenants"])} namespaces="{NAMESPACE}" {shown.line}')
    return "\n".join(lines) + "\n" if len(lines) > 1 else ""


def revoked_file(where: str, value: t.Any) -> str:
    """The content of a file of revoked keys; nothing where there are none."""
    keys = listing(key)(where, value)
    return "\n".join([REVOKED_HEADER, *[item.line for item in keys]]) + "\n" if keys else ""


# -- signatures and signed texts ---------------------------------------------------------------------------------------


def signature(content: str) -> t.Tuple[Key, str]:
    """(key, namespace) that a signature names; it proves nothing.

    :raises SpecError: for what is no signature of ssh-keygen.
    """
    begin, end = content.find(_BEGIN), content.find(_END)
    try:
        if begin < 0 or end < begin:
            raise ValueError("it has no armor")
        raw = base64.b64decode("".join(content[begin + len(_BEGIN) : end].split()), validate=True)
        if not raw.startswith(_MAGIC) or int.from_bytes(raw[6:10], "big") != 1:
            raise ValueError("it is of another kind")
        public, rest = _string(raw[10:])
        data = base64.b64encode(public).decode("ascii")
        return Key(_kind(data) or "unknown", data), _string(rest)[0].decode("ascii", "replace")
    except (binascii.Error, ValueError):
        raise SpecError("it is not a signature of ssh-keygen") from None


def head(content: str) -> t.Tuple[str, str]:
    """(release, tenant) that a release file names.

    It is read without YAML, which nodes do not have; what could be read in two ways is refused.

    :raises SpecError: where one of them is missing, there twice, or not plain.
    """
    return version("release", _top(content, "release")), name("tenant", _top(content, "tenant"))


def _top(content: str, word: str) -> str:
    lines = re.findall(rf"^[\"']?{word}[\"']?[ \t]*:.*$", content, re.MULTILINE)
    if len(lines) != 1:
        found = "none" if not lines else f"{len(lines)} of them"
        raise SpecError(f"the signed file: found {found}, wanted one line `{word}: ...` that is not indented")
    match = re.match(rf"{word}:{_VALUE}", lines[0])
    if match is None:
        raise error("the signed file", lines[0], f'a plain line such as `{word}: "..."`')
    return next(item for item in match.groups() if item is not None)


def contained(content: str, digests: t.Iterable[str]) -> t.List[str]:
    """The digests that a signed text does not name. Comments do not count: nobody reads them as what shall run."""
    said = {found for line in content.splitlines() for found in _DIGEST.findall(_COMMENT.sub("", line))}
    return sorted({item for item in digests if item.rpartition(":")[2] not in said})
