# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of what a gateway keeps and nobody can make again, and of files of operators.

An archive is encrypted for a certificate of the operators before it is a file, by openssl on the machine that it is of. What is
sealed for this machine alone (secrets, keys of certificates) is not in it: the next machine gets its own.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tarfile
import time
import typing as t
from dataclasses import dataclass

from .._core import backup
from .._core.backup import Manifest, Plan
from .._core.fields import SpecError
from . import _runner, faults, files, ledger
from .errors import NodeError
from .files import Paths

GATEWAY, FILES = "gateway", "files"
MANIFEST = "manifest.json"
MOST = 2 << 30
"""Bytes that an archive may have: it is made and read in memory. What a gateway keeps is small, unless more is asked for."""
_STATE_FILES = ("state.json", "ledger.jsonl", "models/pins.json", "models/names.json")
_AUTHORITY = "ca"
# Without its key the rest of a generation signs nothing, and would only be in the way of a new one.
_AUTHORITY_PUBLIC = ("issued.jsonl", "revoked.json", "allowed.json")
_AUTHORITY_PASSING = ("lock", "pace.json")
_LOCK_WAIT = 60.0


@dataclass(frozen=True)
class What:
    """What goes into an archive.

    :param authority_keys: whether the keys of the issuing CA leave this machine, encrypted.
    :param extra: more files and folders, such as the data of a registry.
    :param extra_most: bytes that each of them may have; a larger one is left out, and said.
    """

    host: str
    kind: str = GATEWAY
    authority_keys: bool = False
    extra: t.Tuple[str, ...] = ()
    extra_most: int = 256 << 20


class Content:
    """Files of an archive by their names, with their modes, and links."""

    def __init__(self) -> None:
        self.files: t.Dict[str, bytes] = {}
        self.modes: t.Dict[str, int] = {}
        self.links: t.Dict[str, str] = {}
        self.left_out: t.List[str] = []

    def add(self, name: str, path: str) -> None:
        if os.path.islink(path):
            self.links[name] = os.readlink(path)
            return
        try:
            with open(path, "rb") as handle:
                self.files[name] = handle.read()
            self.modes[name] = os.stat(path).st_mode
        except FileNotFoundError:
            return
        except OSError as exc:
            raise NodeError("backup", f"{path} cannot be read: {exc.strerror}; no backup was made") from None

    def tree(self, name: str, path: str, leave: t.Sequence[str] = ()) -> None:
        for folder, names, found in os.walk(path):
            below = os.path.relpath(folder, path)
            links = [entry for entry in names if os.path.islink(os.path.join(folder, entry))]
            for entry in sorted([*found, *links]):
                # Half a file of a change that is under way has such a name.
                if entry in leave or (entry.startswith(".") and entry.endswith(".new")):
                    continue
                whole = os.path.join(folder, entry)
                if os.path.islink(whole) or os.path.isfile(whole):
                    self.add(f"{name}/{entry}" if below == "." else f"{name}/{below}/{entry}", whole)


def _root(paths: Paths, name: str) -> str:
    """Where a file of an archive lies."""
    area, _slash, rest = name.partition("/")
    roots = {
        "state": paths.state_directory,
        "configuration": paths.configuration,
        "extra": paths.root,
        "files": paths.root,
    }
    if area not in roots:
        raise NodeError(
            "backup", f"{name} is in none of the parts of a backup that this program knows: install the newer program"
        )
    return f"{roots[area]}/{rest}"


def collect(paths: Paths, what: What) -> Content:
    """Everything that belongs into the archive."""
    found = Content()
    if what.kind == GATEWAY:
        found.tree("configuration", paths.configuration)
        for name in _STATE_FILES:
            found.add(f"state/{name}", f"{paths.state_directory}/{name}")
        authority = f"{paths.state_directory}/{_AUTHORITY}"
        if what.authority_keys:
            found.tree(f"state/{_AUTHORITY}", authority, _AUTHORITY_PASSING)
        for name in _AUTHORITY_PUBLIC:
            found.add(f"state/{_AUTHORITY}/{name}", f"{authority}/{name}")
    area = "extra" if what.kind == GATEWAY else "files"
    for path in what.extra:
        _extra(found, paths, area, path, what.extra_most)
    if not found.files:
        raise NodeError("backup", f"there is nothing on {what.host} to back up: is it the right machine?")
    return found


def _extra(found: Content, paths: Paths, area: str, path: str, most: int) -> None:
    whole = paths.root + os.path.abspath(path)
    if not os.path.exists(whole):
        raise NodeError("backup", f"{path} is not there: take it out of what is backed up, or look why it is missing")
    size = files.tree_bytes(whole) if os.path.isdir(whole) else os.path.getsize(whole)
    if size > most:
        found.left_out.append(f"{path} has {size >> 20} MiB, more than {most >> 20} MiB")
    elif os.path.isdir(whole):
        found.tree(area + os.path.abspath(path), whole)
    else:
        found.add(area + os.path.abspath(path), whole)


# -- making ------------------------------------------------------------------------------------------------------------


def create(paths: Paths, what: What, to: str, recipients: t.Sequence[str]) -> t.Dict[str, t.Any]:
    """Writes an encrypted archive, and returns its brief.

    :param recipients: paths of certificates; the key of any one of them opens it.
    """
    if not recipients:
        raise NodeError(
            "backup",
            "wanted the certificate of at least one operator: without one the archive would be readable by all",
        )
    for path in recipients:
        _check_recipient(path)
    with _quiet(paths, what):
        found = collect(paths, what)
    made = round(time.time(), 3)
    try:
        said = backup.manifest(what.host, what.kind, made, found.files, found.modes, found.links, found.left_out)
        for name in (*found.files, *found.links):
            backup.plain(what.host, name)
    except SpecError as exc:
        raise NodeError("backup", f"{exc}; no backup was made") from None
    faults.reach(paths, "backup_encrypt:before")
    _encrypt(pack(said, found.files, found.links), to, recipients)
    with open(to, "rb") as handle:
        digest = backup.describe(handle.read(), 0)["sha256"]
    return dict(brief(said), sha256=digest, size=os.path.getsize(to), path=to)


@contextlib.contextmanager
def _quiet(paths: Paths, what: What) -> t.Iterator[None]:
    """No change goes on while its files are read, so that they are all of one moment."""
    if what.kind != GATEWAY:
        yield
        return
    with contextlib.ExitStack() as stack:
        stack.enter_context(files.lock(paths.transaction_lock, _LOCK_WAIT))
        authority = f"{paths.state_directory}/{_AUTHORITY}"
        if os.path.isdir(authority):
            stack.enter_context(files.lock(authority + "/lock", _LOCK_WAIT))
        yield


def _check_recipient(path: str) -> None:
    done = _runner.run(["openssl", "x509", "-in", path, "-noout"])
    if done.code != 0:
        raise NodeError(
            "backup",
            f"{path} is no certificate that openssl can read ({done.said}): docs/day_one.md says how to make one",
        )


def pack(said: Manifest, content: t.Mapping[str, bytes], links: t.Mapping[str, str]) -> bytes:
    """The archive: the manifest first, and nothing of the moment in it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        rows = [(MANIFEST, said.dump().encode("utf-8"), 0o600)]
        rows += [(name, content[name], item["mode"]) for name, item in said.files.items()]
        for name, data, mode in rows:
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(data), mode, int(said.made)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _encrypt(data: bytes, to: str, recipients: t.Sequence[str]) -> None:
    """What is not encrypted never is a file."""
    temporary = f"{to}.new"
    argv = ["openssl", "cms", "-encrypt", "-binary", "-aes256", "-outform", "DER", "-out", temporary, *recipients]

    def write(stream: t.IO[bytes]) -> None:
        stream.write(data)

    try:
        files.make_directory(os.path.dirname(os.path.abspath(to)))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        done = _runner.feed(argv, write, 600)
        if done.code != 0 or not os.path.getsize(temporary):
            os.unlink(temporary)
            raise NodeError("backup", f"openssl does not encrypt the backup: {done.said}; nothing was written")
        os.replace(temporary, to)
    except OSError as exc:
        raise NodeError("backup", f"{to} cannot be written: {exc.strerror}; no backup was made") from None


def brief(said: Manifest) -> t.Dict[str, t.Any]:
    """What may be known of an archive without opening it."""
    return {
        "host": said.host,
        "kind": said.kind,
        "made": said.made,
        "ledger": said.ledger,
        "state": said.state,
        "authority": said.authority,
        "files": len(said.files),
        "left_out": list(said.left_out),
        "schema": backup.SCHEMA,
    }


# -- reading -----------------------------------------------------------------------------------------------------------


def unpack(path: str) -> t.Tuple[Manifest, t.Dict[str, bytes]]:
    """An archive that was decrypted, checked as a whole before anything of it is used.

    :raises NodeError: for what is none, is damaged, or was changed.
    """
    content: t.Dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(path, mode="r:gz") as archive:
            for member in archive:
                total += member.size
                stream = archive.extractfile(member) if member.isreg() else None
                if stream is None or member.name in content:
                    raise SpecError(
                        f"{path}: {member.name} is no plain file, or is there twice: it is no backup of this program"
                    )
                if total > MOST:
                    raise SpecError(f"{path}: has more than {MOST >> 20} MiB: it is no backup of this program")
                content[member.name] = stream.read()
        said = backup.read(path, json.loads(content.pop(MANIFEST, b"{}")))
        backup.check(path, said, content)
    except SpecError as exc:
        raise NodeError("backup", f"{exc}; nothing was restored") from None
    except (tarfile.TarError, EOFError, ValueError, OSError) as exc:
        raise NodeError(
            "backup", f"{path} cannot be read as a decrypted backup ({exc}); nothing was restored"
        ) from None
    return said, content


def look(paths: Paths, said: Manifest, host: str) -> backup.Node:
    """What is on this node under the names of the archive."""
    found = Content()
    for name in (*said.files, *said.links):
        where = _root(paths, name)
        if os.path.lexists(where) and not os.path.isdir(where):
            found.add(name, where)
        elif os.path.islink(where):
            found.links[name] = os.readlink(where)
    if said.kind == GATEWAY:  # whatever the archive has, it is by this that the two are compared
        found.add(backup.LEDGER, paths.ledger)
    return backup.Node(host, found.files, found.links)


def restore(
    paths: Paths, path: str, host: str, force: bool = False, check: bool = False, who: str = ""
) -> t.Dict[str, t.Any]:
    """Brings back what this node does not know any more.

    :param path: of an archive that was decrypted.
    :param check: only says what would be done.
    :raises NodeError: for a conflict, unless it is forced; nothing was changed then.
    """
    said, content = unpack(path)
    with _quiet(paths, What(host, said.kind)):
        try:
            plan = backup.plan(said, content, look(paths, said, host), force)
        except SpecError as exc:
            raise NodeError("backup", f"{exc}; nothing was restored") from None
        if plan.conflicts and not force:
            raise NodeError(
                "backup",
                f"{'; '.join(plan.conflicts)}. Nothing was restored; restore_force takes what does not contradict",
            )
        if (plan.write or plan.links) and not check:
            _write(paths, said, plan)
            if said.kind == GATEWAY:
                note = f"{len(plan.write)} files of the backup of {said.host}, {plan.relation}"
                ledger.note(paths, "backup", what="restored", sha256=said.ledger["digest"], msg=note, who=who)
    return {
        "changed": bool(plan.write or plan.links),
        "relation": plan.relation,
        "restored": sorted([*plan.write, *plan.links]),
        "kept": list(plan.kept),
        "conflicts": list(plan.conflicts),
        "lines": list(plan.lines),
        "host": said.host,
        "made": said.made,
    }


def _write(paths: Paths, said: Manifest, plan: Plan) -> None:
    """Revocations first, the ledger last: cut off anywhere, the same restore may simply run again."""
    wanted = sum(len(value) for value in plan.write.values())
    free = files.free_bytes(paths.state_directory)[0]
    if wanted + (1 << 20) > free:
        raise NodeError(
            "disk", f"the backup has {wanted >> 20} MiB, and {free >> 20} MiB are free; nothing was restored"
        )
    order = {backup.REVOKED: 0, backup.SIGNERS_REVOKED: 0, backup.ISSUED: 1, backup.LEDGER: 3}
    try:
        for name in sorted(plan.write, key=lambda item: (order.get(item, 2), item)):
            target = _root(paths, name)
            _no_links(paths, name, target)
            faults.reach(paths, "restore_file:before")
            if name == backup.LEDGER:
                _link(paths, plan)
            files.make_directory(os.path.dirname(target), 0o755 if name.startswith("configuration/") else 0o700)
            files.write_atomic(target, plan.write[name], said.files[name]["mode"] if name in said.files else 0o600)
        _link(paths, plan)
    except OSError as exc:
        raise NodeError(
            "backup", f"{exc.filename} cannot be written: {exc.strerror}; mend it, and restore again"
        ) from None


def _link(paths: Paths, plan: Plan) -> None:
    for name, link in sorted(plan.links.items()):
        target = _root(paths, name)
        _no_links(paths, name, target)
        files.make_directory(os.path.dirname(target))
        if not os.path.lexists(target):
            os.symlink(link, target)
            files.sync_directory(os.path.dirname(target))


def _no_links(paths: Paths, name: str, target: str) -> None:
    """Nothing is written through a link: it could lead anywhere."""
    folder = os.path.dirname(target)
    while len(folder) > len(paths.root) and folder != "/":
        if os.path.islink(folder):
            raise NodeError(
                "backup", f"{name} would be written through the link {folder}: look at it, then restore again"
            )
        folder = os.path.dirname(folder)


# -- for a controller --------------------------------------------------------------------------------------------------


def decrypt(path: str, key: str, certificate: str, to: str) -> None:
    argv = ["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", path, "-inkey", key, "-out", to]
    done = _runner.run([*argv, *(["-recip", certificate] if certificate else [])], timeout=600)
    if done.code != 0:
        raise NodeError(
            "backup",
            f"{path} cannot be opened with {key}: {done.said}; take the key of one of those for whom it was made",
        )
