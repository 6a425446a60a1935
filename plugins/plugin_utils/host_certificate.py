# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs host keys on the controller, with the authority of the operators. The key of the authority stays where it is."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

_VALID = re.compile(r"^\s*Valid: from (\S+) to (\S+)$", re.MULTILINE)
_KEY = re.compile(r"^\s*Public key: \S+ (SHA256:\S+)$", re.MULTILINE)
_SIGNER = re.compile(r"^\s*Signing CA: \S+ (SHA256:\S+)", re.MULTILINE)
_PRINCIPALS = re.compile(r"^\s*Principals:[ ]*\n((?:\s+\S+\n)+?)\s*Critical Options:", re.MULTILINE)


class SigningError(Exception):
    """Nothing was signed; the message is one line."""


@dataclass(frozen=True)
class Certificate:
    """What ssh-keygen shows of one."""

    key: str
    signer: str
    principals: tuple[str, ...]
    begin: datetime
    end: datetime

    def due(self, now: datetime) -> bool:
        """A third of its life is left, or it is not one of now."""
        return not self.begin <= now < self.end - (self.end - self.begin) / 3


def keygen(*arguments: str, text: str = "", askpass: bool = False) -> str:
    env = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    if not askpass:  # nobody is there to be asked for a passphrase
        env.update(SSH_ASKPASS="/bin/false", SSH_ASKPASS_REQUIRE="force")
    try:
        done = subprocess.run(
            ["ssh-keygen", *arguments], input=text, capture_output=True, text=True, check=False, timeout=60, env=env
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise SigningError(f"`ssh-keygen` cannot be run on the controller: {exc}") from None
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise SigningError(f"`ssh-keygen {arguments[0]}` failed: {lines[-1] if lines else done.returncode}")
    return done.stdout


def public(authority: str) -> str:
    """The public key of the authority, from the file beside its key or from the key itself."""
    path = Path(authority if authority.endswith(".pub") else f"{authority}.pub")
    if path.is_file():
        return " ".join(path.read_text(encoding="utf-8").split()[:2])
    if not Path(authority).is_file():
        raise SigningError(
            f"bootstrap_host_ca: there is no file {authority}: `ssh-keygen -t ed25519 -f {authority}` makes one"
        )
    return " ".join(keygen("-y", "-f", authority).split()[:2])


def fingerprint(key: str) -> str:
    return keygen("-l", "-f", "-", text=key + "\n").split()[1]


def read(text: str) -> Certificate | None:
    """A certificate, or None where it is none."""
    try:
        shown = keygen("-L", "-f", "-", text=text)
    except SigningError:
        return None
    key, signer = _KEY.search(shown), _SIGNER.search(shown)
    valid, names = _VALID.search(shown), _PRINCIPALS.search(shown)
    if not (key and signer and valid and names):
        return None
    begin, end = (datetime.fromisoformat(part) for part in valid.groups())
    return Certificate(key.group(1).rsplit("-cert", 1)[0], signer.group(1), tuple(names.group(1).split()), begin, end)


def sign(authority: str, key: str, host: str, names: Sequence[str], days: int, now: datetime, current: str = "") -> str:
    """The certificate of a host key: the one that it has, where that is good for a while.

    :param names: what ssh looks the host up by.
    :param now: in UTC, without a zone.
    """
    signer = public(authority)
    found = read(current) if current.strip() else None
    wanted = (fingerprint(key), fingerprint(signer), tuple(names))
    if found and not found.due(now) and (found.key, found.signer, found.principals) == wanted:
        return current
    with tempfile.TemporaryDirectory(prefix="edge-sign-") as folder:
        file = Path(folder, "host.pub")
        file.write_text(key + "\n", encoding="utf-8")
        begin, end = now - timedelta(hours=1), now + timedelta(days=days)
        window = f"{begin:%Y%m%d%H%M%S}:{end:%Y%m%d%H%M%S}"
        agent = ["-U"] if authority.endswith(".pub") else []
        arguments = ["-s", authority, *agent, "-h", "-I", host, "-n", ",".join(names), "-V", window]
        keygen(*arguments, "-z", str(secrets.randbits(63)), str(file))
        return Path(folder, "host-cert.pub").read_text(encoding="utf-8")
