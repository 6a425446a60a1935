# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether somebody whom this node trusts has signed what it is asked to run. The verdict is ssh-keygen's alone."""

from __future__ import annotations

import os
import re
import tempfile
import typing as t
from dataclasses import dataclass

from .._core import signature as _signature
from .._core.fields import SpecError
from .._core.signature import NAMESPACE, Key, Signer
from ._runner import Done, run
from .errors import NodeError
from .files import Paths, make_directory, write_atomic

VERIFIED, NOT_ENFORCED, REVERT = "verified", "not_enforced", "revert"
_KRL = b"SSHKRL\n\0"
_GOOD = re.compile(r'^Good ".*" signature for .* with \S+ key (SHA256:\S+)$', re.MULTILINE)


@dataclass(frozen=True)
class Trust:
    """Whom a node, or a controller, trusts. `krl` is whether `revoked` is a binary list, which only ssh-keygen reads."""

    signers_path: str
    signers: t.Tuple[Signer, ...]
    revoked_path: str = ""
    revoked: t.Tuple[Key, ...] = ()
    krl: bool = False


def verify(
    paths: Paths, tenant: str, release: str, text: str, signature: str, specs: t.Sequence[t.Mapping[str, t.Any]]
) -> t.Dict[str, str]:
    """What the node found, as it stands in results: `state`, and who signed.

    :raises NodeError: signature, with the reason why it is not trusted.
    """
    trust = load(paths.signers, paths.signers_revoked)
    if trust is None:
        return {"state": NOT_ENFORCED}
    make_directory(paths.run, 0o755)
    found = judge(trust, paths.run, tenant, f"release {release} of tenant {tenant}", text, signature)
    _says(text, tenant, release, specs)
    return dict(found, state=VERIFIED)


def load(signers_path: str, revoked_path: str) -> t.Optional[Trust]:
    """What is trusted here; None where nothing was written down, and so nothing is enforced.

    :raises NodeError: where it cannot be understood: then nothing is trusted.
    """
    content = _read(signers_path)
    if content is None:
        return None
    gone = _read(revoked_path) if revoked_path else None
    krl = gone is not None and gone.startswith(_KRL)
    try:
        signers = _signature.parse(signers_path, _text(signers_path, content))
        revoked = _signature.parse_keys(revoked_path, _text(revoked_path, gone)) if gone and not krl else []
    except SpecError as exc:
        raise _no(f"{exc}; until it is mended (playbook trust) no release is accepted") from None
    return Trust(signers_path, tuple(signers), revoked_path if gone is not None else "", tuple(revoked), krl)


def judge(trust: Trust, folder: str, tenant: str, what: str, text: str, signature: str) -> t.Dict[str, str]:
    """Who signed the text, where that is somebody who may sign for the tenant.

    :param folder: where files may be for a moment.
    :param what: the release, for messages.
    :raises NodeError: signature, with the precise reason.
    """
    if not signature or not text:
        raise _no(f"{what} is not signed, and only signed releases are accepted here ({_who(trust, tenant)})")
    try:
        text.encode("utf-8")
    except UnicodeError:
        raise _no(f"{what}: the file is not UTF-8 text") from None
    with tempfile.TemporaryDirectory(prefix="signature-", dir=folder) as place:  # mode 0700
        file = os.path.join(place, "signature")
        write_atomic(file, signature)
        done = _verify(trust, tenant, text, file)
        good = _GOOD.search(done.out) if done.code == 0 else None
        if good is None:
            raise _no(f"{what} is refused: {_reason(trust, tenant, text, signature, file, done)}")
    fingerprint = good.group(1)
    names = [item.key.comment for item in trust.signers if item.key.fingerprint == fingerprint]
    return {"name": names[0] if names else "", "tenant": tenant, "fingerprint": fingerprint}


def _verify(trust: Trust, tenant: str, text: str, file: str) -> Done:
    argv = ["ssh-keygen", "-Y", "verify", "-f", trust.signers_path, "-I", tenant, "-n", NAMESPACE, "-s", file]
    return _keygen([*argv, *(["-r", trust.revoked_path] if trust.revoked_path else [])], text)


def _keygen(argv: t.Sequence[str], text: str) -> Done:
    try:
        return run(argv, text=text)
    except NodeError as exc:
        raise _no(f"{exc.message}: install openssh-client; without it no signature can be checked") from None


def _reason(trust: Trust, tenant: str, text: str, signature: str, file: str, done: Done) -> str:
    """Why ssh-keygen refused, which itself says little; the words of a newer OpenSSH would not be those of an older one."""
    try:
        key, namespace = _signature.signature(signature)
    except SpecError as exc:
        return f"{exc}; sign the file with `ssh-keygen -Y sign -n {NAMESPACE}`"
    own = [item for item in trust.signers if item.key.data == key.data and item.signs_releases]
    others = sorted({name for item in own for name in item.tenants})
    who = " ".join(filter(None, [next((item.key.comment for item in own), ""), f"({key.fingerprint})"]))
    if namespace != NAMESPACE:
        return (
            f"it was signed for '{namespace}', wanted '{NAMESPACE}': sign it with `ssh-keygen -Y sign -n {NAMESPACE}`"
        )
    if any(item.data == key.data for item in trust.revoked):
        return f"it was signed with a key that is revoked: {who}. Sign it with another key ({_who(trust, tenant)})"
    if not own:
        return f"it was signed with a key that is not known here: {who} ({_who(trust, tenant)})"
    if tenant not in others:
        return (
            f"it was signed by {who}, who may sign for {', '.join(others)} and not for {tenant} ({_who(trust, tenant)})"
        )
    if _keygen(["ssh-keygen", "-Y", "check-novalidate", "-n", NAMESPACE, "-s", file], text).code != 0:
        return f"the file is not what {who} signed: it was changed afterwards. Sign it again, or take the file that was signed"
    if trust.krl:
        return f"it was signed with a key that is revoked, or {trust.revoked_path} cannot be read: {who}"
    return f"ssh-keygen says: {done.said}"


def _who(trust: Trust, tenant: str) -> str:
    gone = {item.data for item in trust.revoked}
    names = [
        item.key.comment or item.key.fingerprint
        for item in trust.signers
        if tenant in item.tenants and item.signs_releases and item.key.data not in gone
    ]
    if names:
        return f"who may sign for {tenant}: {', '.join(sorted(set(names)))}"
    tenants = _signature.trusted(trust.signers, trust.revoked)
    return f"nobody may sign for {tenant}; there are signers for: {', '.join(tenants) or 'no tenant'}"


def _says(text: str, tenant: str, release: str, specs: t.Sequence[t.Mapping[str, t.Any]]) -> None:
    """A signature is for what the text says: another release, tenant, image or model is not signed by it."""
    try:
        said = _signature.head(text)
    except SpecError as exc:
        raise _no(str(exc)) from None
    for word, found, wanted in (("release", said[0], release), ("tenant", said[1], tenant)):
        if found != wanted:
            raise _no(f"the signed file is of {word} {found}, and not of {word} {wanted}, which was asked for")
    for spec in specs:
        wanted_digests = [spec["digest"], *[model["sha256"] for model in spec["models"]]]
        missing = _signature.contained(text, wanted_digests)
        if missing:
            raise NodeError(
                "signature",
                f"the signed file does not name {', '.join(missing)}: write each digest of images and models into the release as it is",
                workload=spec["name"],
            )


def _no(message: str) -> NodeError:
    return NodeError("signature", message)


def _read(path: str) -> t.Optional[bytes]:
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise _no(f"{path} cannot be read: {exc.strerror}; until it can, no release is accepted") from None


def _text(path: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise SpecError(f"{path}: found bytes that are no UTF-8 text") from None
