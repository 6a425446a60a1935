# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of known hosts of a fleet: which host keys are pinned, and what a host that shows one means. Pure.

Names are in clear text, each host on lines of its own. What people add to the file stays as it is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NAME = "known_hosts"
AUTHORITY, REVOKED = "@cert-authority", "@revoked"
KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
"""Kinds of host keys, the one that is asked for first in front."""


class PinError(Exception):
    """A key is not pinned; the message says why and what to do."""


@dataclass(frozen=True)
class Pin:
    """One line: `marker` is empty for a host key."""

    names: tuple[str, ...]
    kind: str
    data: str
    marker: str = ""

    @property
    def line(self) -> str:
        return " ".join(filter(None, [self.marker, ",".join(self.names), self.kind, self.data]))

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.data)


def fingerprint(data: str) -> str:
    """As ssh-keygen prints it."""
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return "damaged"
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode("ascii").rstrip("=")


def read(line: str) -> Pin | None:
    """A line, or None where it is a comment, hashed or none at all."""
    words = line.split()
    marker = words.pop(0) if words and words[0] in (AUTHORITY, REVOKED) else ""
    if len(words) < 3 or words[0].startswith(("#", "|")):
        return None
    return Pin(tuple(words[0].split(",")), words[1], words[2], marker)


def pins(text: str) -> list[Pin]:
    return [pin for pin in map(read, text.splitlines()) if pin is not None]


def names(text: str) -> frozenset[str]:
    """All names that a key or an authority is written down for."""
    return frozenset(name for pin in pins(text) if pin.marker != REVOKED for name in pin.names)


def of(text: str, name: str, marker: str = "") -> list[Pin]:
    return [pin for pin in pins(text) if name in pin.names and pin.marker == marker]


def without(text: str, name: str) -> str:
    """The file where nothing is known of this host: other names on its lines stay known."""
    lines = []
    for line in text.splitlines():
        pin = read(line)
        if pin is None or name not in pin.names or pin.marker == REVOKED:
            lines.append(line)
            continue
        left = tuple(item for item in pin.names if item != name)
        if left:
            lines.append(Pin(left, pin.kind, pin.data, pin.marker).line)
    return "".join(line + "\n" for line in lines)


def added(text: str, pin: Pin) -> str:
    return (text if not text or text.endswith("\n") else text + "\n") + pin.line + "\n"


def pinned(text: str, host: str, shown: Pin, expected: Sequence[str] = (), replace: bool = False) -> str:
    """The file in which the key that a host showed is pinned.

    :param host: its name in the inventory, for messages.
    :param expected: fingerprints that somebody read at the box itself; without any, what is shown first is believed.
    :param replace: the box was replaced, so that what was known of it does not count any more.
    :raises PinError: where another key is pinned, the key is not the expected one, is revoked, or is that of another host.
    """
    name = shown.names[0]
    for pin in pins(text):
        if pin.marker == REVOKED and (pin.kind, pin.data) == (shown.kind, shown.data):
            raise PinError(f"{host} shows the key {shown.fingerprint}, which is revoked in the file of known hosts")
    if expected and shown.fingerprint not in expected:
        raise PinError(
            f"{host} shows the key {shown.fingerprint}, and bootstrap_host_key_fingerprints has {', '.join(expected)}: "
            "somebody else answers at this address, or the fingerprint is of another key"
        )
    known = of(text, name)
    if any((pin.kind, pin.data) == (shown.kind, shown.data) for pin in known):
        return text
    if known and not replace:
        raise PinError(
            f"{host} shows the key {shown.fingerprint} ({shown.kind}), and {', '.join(_told(known))} is pinned for {name}: "
            "nothing was sent to it. Where the box was replaced, run the playbook replace; otherwise somebody else answers"
        )
    for other in _others(text, name, shown):
        raise PinError(
            f"{host} shows the key {shown.fingerprint}, which is pinned for {other}: two boxes of one image, or one box at two "
            "addresses. Make a new host key on the box (`rm /etc/ssh/ssh_host_*; ssh-keygen -A`) and start again"
        )
    return added(without(text, name), shown)


def _told(known: Iterable[Pin]) -> list[str]:
    return [f"{pin.fingerprint} ({pin.kind})" for pin in known]


def _others(text: str, name: str, shown: Pin) -> list[str]:
    return sorted(
        {
            other
            for pin in pins(text)
            if not pin.marker and (pin.kind, pin.data) == (shown.kind, shown.data)
            for other in pin.names
            if other != name
        }
    )


def certified(text: str, name: str, authority: Pin) -> str:
    """The file in which a host is known by a certificate of this authority, and by no key of its own any more."""
    line = Pin((name,), authority.kind, authority.data, AUTHORITY)
    if of(text, name, AUTHORITY) == [line] and not of(text, name):
        return text
    return added(without(text, name), line)


def quoted(path: str) -> str:
    """A path as the value of an option of ssh, which knows percent signs and spaces."""
    return '"' + path.replace("%", "%%") + '"'
