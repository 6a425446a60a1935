# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are replaced as a set, and come back as a set where the new ones do not work.

A slot is a directory: `versions/<id>/FILE...`, `current`, a relative link to one of them that is replaced by a rename, and
`journal.json` while a replacement is in flight. Whoever opens `current/FILE` sees the whole old set or the whole new one.
The removal of the journal is the commit: what is cut off before it is taken back by :func:`recover`.

Example::

    slot = Slot(directory)
    replace(slot, "2", {"tls.key": File(key, 0o600), "tls.crt": File(chain)}, Hooks(reload=..., prove=...))
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import typing as t
from dataclasses import dataclass

from . import files
from .errors import NodeError

STEPS = ("verify", "add", "journal", "switch", "reload", "prove", "commit")
BACK_STEPS = ("back_switch", "back_reload", "back_prove", "back_commit")

CURRENT = "current"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class File:
    """One file of a version."""

    content: bytes
    mode: int = 0o444
    uid: int = 0
    gid: int = 0


def _nothing(*dummy: t.Any) -> None:
    """What a hook does that was not given."""


@dataclass(frozen=True)
class Hooks:
    """What the owner of a slot does at the steps. Each raises NodeError to say that the new version must not stay.

    `reach` is called with `STEP:before` and `STEP:after` (for tests that cut there). `verify` runs before anything is written.
    `reload` makes whoever uses the files read them again. `prove` is called with the id that must be in use now; it is not called
    on the way back to nothing.
    """

    reach: t.Callable[[str], None] = _nothing
    verify: t.Callable[[], None] = _nothing
    reload: t.Callable[[], None] = _nothing
    prove: t.Callable[[str], None] = _nothing


class Reverted(NodeError):
    """The new version did not work, and the old one is in place again.

    `broken` is whether it could not be shown to be in use again. Then the journal stays, and :func:`recover` tries once more.
    """

    def __init__(self, cause: str, message: str, broken: bool = False) -> None:
        super().__init__(cause, message)
        self.broken = broken


class Slot:
    """The directory on disk. Whoever changes it holds a lock of its own."""

    def __init__(self, directory: str, mode: int = 0o755) -> None:
        self.directory = directory
        self._mode = mode

    @property
    def journal_path(self) -> str:
        return self.directory + "/journal.json"

    @property
    def _back(self) -> str:
        """A link to the old version, made ahead: the way back is a rename, and needs no room on a full disk."""
        return self.directory + "/.back"

    def path(self, identity: str) -> str:
        return f"{self.directory}/versions/{identity}"

    def current(self) -> str:
        """The id of what is in use; empty where nothing is."""
        return os.path.basename(files.link_target(f"{self.directory}/{CURRENT}"))

    def read(self, name: str) -> t.Optional[bytes]:
        """A file of the version in use, or None."""
        try:
            with open(f"{self.directory}/{CURRENT}/{name}", "rb") as handle:
                return handle.read()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise NodeError(
                "state", f"{self.directory}/{CURRENT}/{name} cannot be read: {exc.strerror or exc}"
            ) from None

    def versions(self) -> t.List[str]:
        directory = self.directory + "/versions"
        return sorted(item for item in _names(directory) if not item.startswith("."))

    def journal(self) -> t.Optional[t.Dict[str, t.Any]]:
        """The replacement in flight: `from` (an id, or nothing) and `to`."""
        return files.read_json(self.journal_path, None)

    # -- changing

    def add(self, identity: str, content: t.Mapping[str, File]) -> None:
        """Brings a version beside the others. It is whole, and on the disk, when this returns; what is in use is not touched."""
        for name in (identity, *content):
            if not _NAME.fullmatch(name):
                raise NodeError("state", f"{self.directory}: '{name}' is no name of a version or of a file")
        if os.path.isdir(self.path(identity)):
            self._same(identity, content)
            return
        staging = f"{self.directory}/versions/.{identity}.new"
        try:
            self._make()
            files.remove_tree(staging)
            os.mkdir(staging, 0o700)
            for name, item in content.items():
                _write(f"{staging}/{name}", item)
            os.chmod(staging, self._mode)
            files.sync_directory(staging)
            os.rename(staging, self.path(identity))
            files.sync_directory(self.directory + "/versions")
        except OSError as exc:
            files.remove_tree(staging)
            raise _no_room(f"{self.directory}: version {identity} cannot be written", exc) from None

    def _make(self) -> None:
        """Readable for whoever may use it, whatever umask this program was given."""
        for directory in (self.directory, self.directory + "/versions"):
            if not os.path.isdir(directory):
                files.make_directory(directory, self._mode)
                os.chmod(directory, self._mode)
                files.sync_directory(os.path.dirname(directory))

    def _same(self, identity: str, content: t.Mapping[str, File]) -> None:
        """A version never changes: other files want another id."""
        names = set(_names(self.path(identity)))
        if names == set(content) and all(
            _content(f"{self.path(identity)}/{name}") == item.content for name, item in content.items()
        ):
            return
        raise NodeError("state", f"{self.path(identity)} is there with other content: give the new one another id")

    def switch(self, identity: str) -> None:
        """Takes a version into use by one rename; an empty id takes the link away."""
        link = f"{self.directory}/{CURRENT}"
        try:
            if not identity:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(link)
                files.sync_directory(self.directory)
            else:
                files.replace_link(f"versions/{identity}", link)
        except OSError as exc:
            raise _no_room(f"{link} cannot be changed", exc) from None

    def begin(self, identity: str) -> None:
        """Writes down that a replacement is in flight."""
        old = self.current()
        try:
            self._make()
            if old:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._back)
                os.symlink(f"versions/{old}", self._back)
        except OSError as exc:
            raise _no_room(f"{self.directory}: the way back cannot be written down", exc) from None
        files.write_json(self.journal_path, {"schema": 1, "from": old, "to": identity})

    def go_back(self) -> bool:
        """What was in use before the replacement in flight is in use again; True where another was."""
        journal = self.journal()
        old = journal["from"] if journal else self.current()
        if old == self.current():
            return False
        ahead = os.path.basename(files.link_target(self._back))
        if not old or ahead != old:
            self.switch(old)
            return True
        try:
            os.rename(self._back, f"{self.directory}/{CURRENT}")
            files.sync_directory(self.directory)
        except OSError as exc:
            raise NodeError(
                "state", f"{self.directory}/{CURRENT} cannot be set back to {old}: {exc.strerror or exc}"
            ) from None
        return True

    def commit(self) -> None:
        """Ends a replacement, forward or back: from here on nobody takes back what is in use."""
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.journal_path)
                files.sync_directory(self.directory)
        except OSError as exc:
            raise NodeError("state", f"{self.journal_path} cannot be removed: {exc.strerror or exc}") from None
        self.collect()

    def collect(self, keep: t.Collection[str] = ()) -> None:
        """Removes every version but that in use and those to `keep`, and what a cut left over. Not while one is in flight."""
        if os.path.exists(self.journal_path):
            return
        wanted = {self.current(), *keep}
        for name in _names(self.directory + "/versions"):
            if name not in wanted:
                files.remove_tree(self.path(name))
        for link in (self._back, f"{self.directory}/.{CURRENT}.new"):
            with contextlib.suppress(OSError):
                os.unlink(link)


def replace(slot: Slot, identity: str, content: t.Mapping[str, File], hooks: Hooks) -> None:
    """Takes a new version into use, or leaves the old one so.

    What an earlier replacement left in flight is taken back first; its users are told by this one's reload.

    :raises Reverted: where it was in use, did not work, and is not any more.
    :raises NodeError: where nothing was changed.
    """
    slot.go_back()
    with _step(hooks, "verify"):
        hooks.verify()
    with _step(hooks, "add"):
        slot.add(identity, content)
    with _step(hooks, "journal"):
        slot.begin(identity)
    try:
        with _step(hooks, "switch"):
            slot.switch(identity)
        with _step(hooks, "reload"):
            hooks.reload()
        with _step(hooks, "prove"):
            hooks.prove(identity)
    except NodeError as exc:
        problem = _return(slot, hooks)
        raise Reverted(exc.cause, exc.message + (f"; and then: {problem}" if problem else ""), bool(problem)) from None
    with _step(hooks, "commit"):
        slot.commit()


def recover(slot: Slot, hooks: Hooks) -> t.Optional[t.Dict[str, t.Any]]:
    """Takes back a replacement that was cut off, and tells the users; returns its journal, or None where there was none.

    :raises Reverted: where the old version is in place and its users could not be told: the journal stays.
    """
    journal = slot.journal()
    if journal is None:
        slot.collect()
        return None
    problem = _return(slot, hooks)
    if problem:
        raise Reverted("node", f"{slot.directory}: the old version is in place, but {problem}", True)
    return journal


def _return(slot: Slot, hooks: Hooks) -> str:
    """The way back; says what went wrong on it, or nothing. Users are told also where the link was back already:
    who cut it off may have done so before they were."""
    try:
        with _step(hooks, "back_switch"):
            slot.go_back()
        with _step(hooks, "back_reload"):
            hooks.reload()
        with _step(hooks, "back_prove"):
            if slot.current():
                hooks.prove(slot.current())
        with _step(hooks, "back_commit"):
            slot.commit()
    except (NodeError, OSError) as exc:
        return str(exc)
    return ""


@contextlib.contextmanager
def _step(hooks: Hooks, name: str) -> t.Iterator[None]:
    hooks.reach(f"{name}:before")
    yield
    hooks.reach(f"{name}:after")


def _names(directory: str) -> t.List[str]:
    return sorted(os.listdir(directory)) if os.path.isdir(directory) else []


def _content(path: str) -> bytes:
    with open(path, "rb") as handle:
        return handle.read()


def _write(path: str, item: File) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(item.content)
        handle.flush()
        if os.geteuid() == 0:
            os.fchown(handle.fileno(), item.uid, item.gid)
        os.fchmod(handle.fileno(), item.mode)  # after the owner, who would lose the bits
        os.fsync(handle.fileno())


def _no_room(what: str, exc: OSError) -> NodeError:
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return NodeError("disk", f"{what}: the disk is full; the old version is in use. Free some and try again")
    return NodeError("state", f"{what}: {exc.strerror or exc}; the old version is in use")
