# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads files of a node, or of a recording of one, and remembers what could not be read.

Under another root than `/` no link leads out of it, no device is opened and no program is run: what programs said there is
in its folder `commands`, as `NAME.out`, `NAME.err` and `NAME.rc`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
import time
import typing as t

from .._core.hardware import values
from . import _runner
from .errors import NodeError

LARGEST = 64 * 1024
"""Bytes of a file that are read. No file of sysfs has more than a page."""
LARGEST_OUTPUT = 4 * 1024 * 1024
_MOST_LINKS = 40
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
# The kernel's ways to say that there is no such thing: known, and nothing to remark.
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO, errno.EINVAL, errno.EOPNOTSUPP, errno.ENODATA}


class _Timex(ctypes.Structure):
    """The beginning of `struct timex`, and more room than any kernel fills."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("numbers", ctypes.c_long * 4),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


class Tree:
    """Files by their path on the node."""

    def __init__(self, root: str = "/") -> None:
        self.root = os.path.realpath(root)
        self.real = self.root == "/"
        self.remarks: t.List[str] = []
        self._prefix = "" if self.real else self.root
        self._links: t.Dict[str, t.Optional[str]] = {}  # target, "" for no link, None for nothing there
        self._paths: t.Dict[str, t.Optional[str]] = {}

    def remark(self, words: str) -> None:
        self.remarks.append(words)

    def resolve(self, path: str) -> t.Optional[str]:
        """The path with no link in it, or None where nothing is there. A link leads to a place under the root, always."""
        if path not in self._paths:
            self._paths[path] = self._resolve(path)
        return self._paths[path]

    def _resolve(self, path: str) -> t.Optional[str]:
        parts = path.split("/")[::-1]
        current, hops = "", 0
        while parts:
            part = parts.pop()
            if part in ("", "."):
                continue
            if part == "..":
                current = current.rpartition("/")[0]
                continue
            target = self._target(f"{current}/{part}")
            if target is None:
                return None
            if not target:
                current += "/" + part
                continue
            hops += 1
            if hops > _MOST_LINKS:
                self.remark(f"{path}: cannot be read: its links run in a circle")
                return None
            current = "" if target.startswith("/") else current
            parts.extend(target.split("/")[::-1])
        return current or "/"

    def _target(self, step: str) -> t.Optional[str]:
        if step not in self._links:
            try:
                self._links[step] = os.readlink(self._prefix + step)
            except OSError as exc:
                self._links[step] = "" if exc.errno == errno.EINVAL else None
                if exc.errno not in _ABSENT:
                    self._failed(step, exc)
        return self._links[step]

    def _failed(self, path: str, exc: OSError) -> None:
        if exc.errno not in _ABSENT:
            self.remark(f"{path}: cannot be read: {exc.strerror}")

    def exists(self, path: str) -> bool:
        return self.resolve(path) is not None

    def link(self, path: str) -> t.Optional[str]:
        """The last part of what a link names, whether that is there or not."""
        folder, dummy, name = path.rpartition("/")
        parent = self.resolve(folder)
        target = self._target(f"{'' if parent == '/' else parent}/{name}") if parent else None
        return target.rstrip("/").rpartition("/")[2] if target else None

    def names(self, path: str) -> t.List[str]:
        """What is in a folder, sorted."""
        place = self.resolve(path)
        if place is None:
            return []
        try:
            found = sorted(os.listdir(self._prefix + place))
        except NotADirectoryError:
            self.remark(f"{path}: cannot be read: it is no folder")
            return []
        except OSError as exc:
            self._failed(path, exc)
            return []
        known = [name for name in found if name.isprintable()]
        if len(known) != len(found):
            self.remark(f"{path}: has names that are no text")
        return known

    def data(self, path: str, largest: int = LARGEST) -> t.Optional[bytes]:
        """The content of a regular file, or None. Never opens anything else: a device may act on being opened."""
        place = self.resolve(path)
        if place is None:
            return None
        try:
            if not stat.S_ISREG(os.lstat(self._prefix + place).st_mode):
                self.remark(f"{path}: cannot be read: it is no file")
                return None
            descriptor = os.open(self._prefix + place, _FLAGS)
            try:
                content = _read(descriptor, largest + 1)
            finally:
                os.close(descriptor)
        except OSError as exc:
            self._failed(path, exc)
            return None
        if len(content) > largest:
            self.remark(f"{path}: cannot be read: it is larger than {largest // 1024} KiB")
            return None
        return content

    def text(self, path: str, largest: int = LARGEST) -> t.Optional[str]:
        content = self.data(path, largest)
        return None if content is None else content.decode("utf-8", "replace")

    def line(self, path: str) -> t.Optional[str]:
        return values.line(self.text(path))

    def attributes(self, folder: str, names: t.Iterable[str]) -> t.Dict[str, t.Optional[str]]:
        return {name: self.text(f"{folder}/{name}") for name in names}

    def command(self, name: str, argv: t.Sequence[str], timeout: float) -> t.Optional[_runner.Done]:
        """What a program says; None where it is not installed, or does not end."""
        if not self.real:
            return self._recorded(name)
        program = shutil.which(argv[0], path=_runner.environment()["PATH"] + ":/usr/sbin:/sbin")
        if program is None:
            return None
        try:
            return _runner.run([program, *argv[1:]], timeout)
        except NodeError as exc:
            self.remark(f"{argv[0]}: {exc.message}")
            return None

    def _recorded(self, name: str) -> t.Optional[_runner.Done]:
        parts = [self.text(f"/commands/{name}.{suffix}", LARGEST_OUTPUT) for suffix in ("rc", "out", "err")]
        if parts == [None, None, None]:
            return None
        code = values.integer(parts[0] or "0")
        return _runner.Done(-1 if code is None else code, parts[1] or "", parts[2] or "")

    def now(self) -> t.Optional[float]:
        if self.real:
            return time.time()
        recorded = self._recorded("now")
        return values.decimal(recorded.out) if recorded else None

    def clock_status(self) -> t.Optional[int]:
        """Flags of the kernel's clock: adjtimex(2) that changes nothing."""
        if not self.real:
            recorded = self._recorded("adjtimex")
            return values.integer(recorded.out) if recorded else None
        timex = _Timex()
        try:
            answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
        except (OSError, AttributeError):
            return None
        return None if answer < 0 else int(timex.status)


def _read(descriptor: int, most: int) -> bytes:
    parts, left = [], most
    while left > 0:
        part = os.read(descriptor, left)
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
