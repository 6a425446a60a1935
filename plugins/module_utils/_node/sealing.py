# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seals text so that only this node can read it again, with no link to anybody.

By `systemd-creds`: with the TPM where systemd can use it, else with the host's key. Where there is no systemd-creds (before
systemd 250) by openssl with a key file of our own: whoever takes the disk has the key with it, and the status says so.
Plain text goes through standard input and output only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import shutil
import typing as t

from ._runner import run
from .errors import NodeError
from .files import Paths, make_directory, read_text, write_atomic

SYSTEMD, OPENSSL = "systemd-creds", "openssl"
TIMEOUT = 60.0
_WITH = {
    "5a1c6a86df9d4096b1d5a65e0862f19a": "the host's key",
    "0c7cc07b117645919c4b0bea08bc20fe": "the TPM",
    "93a894094874449090caf2fc93cab553": "the TPM and the host's key",
    "faf7eb9341e3412ca1a436f95a29362f": "the TPM",
    "af4950a849134eb1a73846304ff30c05": "the TPM and the host's key",
}
"""How a sealed text begins, by the key that it was sealed with."""
# The password is 256 random bits: no number of rounds makes it harder to guess.
_ENC = ("openssl", "enc", "-aes-256-ctr", "-pbkdf2", "-iter", "1", "-md", "sha256", "-salt", "-a")


def systemd_creds() -> bool:
    return shutil.which("systemd-creds") is not None


def seal(paths: Paths, name: str, text: str) -> t.Dict[str, str]:
    """`by` and `sealed`. It is read back before it counts.

    :param name: bound to it: under another name it is not read.
    """
    by = SYSTEMD if systemd_creds() else OPENSSL
    found = {"by": by, "sealed": _by_systemd(name, text) if by == SYSTEMD else _by_openssl(paths, name, text)}
    if unseal(paths, name, found) != text:
        raise NodeError("secret", f"what {by} sealed comes back as something else: nothing was changed")
    return found


def unseal(paths: Paths, name: str, found: t.Mapping[str, str]) -> str:
    """:raises NodeError: secret, where this node cannot read it."""
    if found.get("by") == SYSTEMD:
        done = run(["systemd-creds", "decrypt", f"--name={name}", "-", "-"], TIMEOUT, text=found["sealed"])
        if done.code != 0:
            raise NodeError("secret", f"{name} cannot be unsealed: {_said(done.err)}; {_AGAIN}")
        return done.out
    return _openssl_unseal(paths, name, found.get("sealed", ""))


_AGAIN = "where its disk or TPM is another one now, deliver the secrets again (role secrets)"


def _said(err: str) -> str:
    """Of what a program said, the errors alone: never its output."""
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no reason was given"


def _by_systemd(name: str, text: str) -> str:
    """With the best key there is. A TPM that is there and does not work is no reason to have no secrets: the status tells."""
    problem = ""
    for key in ("auto", "host"):
        done = run(["systemd-creds", "encrypt", f"--name={name}", f"--with-key={key}", "-", "-"], TIMEOUT, text=text)
        if done.code == 0:
            return done.out
        problem = problem or _said(done.err)
    raise NodeError("secret", f"{name} cannot be sealed by systemd-creds: {problem}; nothing was changed")


def described(found: t.Mapping[str, str]) -> str:
    """What it is sealed with, for people."""
    if found.get("by") != SYSTEMD:
        return "a key file on the disk (this system has no systemd-creds)"
    try:
        head = base64.b64decode("".join(found["sealed"].split())[:24]).hex()[:32]
    except (binascii.Error, ValueError, KeyError):
        head = ""
    return f"systemd-creds with {_WITH[head]}" if head in _WITH else "systemd-creds"


# -- without systemd-creds: encrypted, then authenticated


def _key_file(paths: Paths) -> t.Tuple[str, bytes]:
    """(path of the file whose first line openssl reads as its password, key of the authentication). Made where there is none."""
    path = paths.secrets + "/host.key"
    content = read_text(path)
    if content is None:
        make_directory(paths.secrets)
        content = "".join(f"{os.urandom(32).hex()}\n" for dummy in range(2))
        write_atomic(path, content)
    lines = content.split()
    if len(lines) != 2:
        raise NodeError("secret", f"{path} is no key of this program; move it away, and {_AGAIN}")
    return path, bytes.fromhex(lines[1])


def _tag(key: bytes, name: str, encrypted: str) -> str:
    return hmac.new(key, f"{name}\0{encrypted}".encode(), hashlib.sha256).hexdigest()


def _by_openssl(paths: Paths, name: str, text: str) -> str:
    path, key = _key_file(paths)
    done = run([*_ENC, "-e", "-pass", f"file:{path}"], TIMEOUT, text=text)
    if done.code != 0:
        raise NodeError("secret", f"{name} cannot be sealed by openssl: {_said(done.err)}; nothing was changed")
    return f"{_tag(key, name, done.out)}\n{done.out}"


def _openssl_unseal(paths: Paths, name: str, sealed: str) -> str:
    path, key = _key_file(paths)
    tag, dummy, encrypted = sealed.partition("\n")
    if not hmac.compare_digest(tag.encode(), _tag(key, name, encrypted).encode()):
        raise NodeError("secret", f"{name} cannot be unsealed: it was not sealed here, or was changed since; {_AGAIN}")
    done = run([*_ENC, "-d", "-pass", f"file:{path}"], TIMEOUT, text=encrypted)
    if done.code != 0:
        raise NodeError("secret", f"{name} cannot be unsealed: {_said(done.err)}; {_AGAIN}")
    return done.out
