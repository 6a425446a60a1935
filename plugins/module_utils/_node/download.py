# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings one file from a mirror or from its source, whole and as its sha256 says; what was cut off is gone on with.

A part that has come is kept through cuts of the link, of the power, and from one address to the next. Whether what was put
together is the file is decided by its sha256 alone: no server has to be believed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import random
import re
import ssl
import time
import typing as t
import urllib.error
import urllib.request

from .._core import models as _models
from .._core.admission import mib, reserve
from . import files
from .errors import NodeError
from .files import Paths

TRIES = 5
"""Of one address in a row, without a byte more than before."""
TIMEOUT = 3600.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_SILENCE = 30.0
_CHUNK = 1 << 18
_BUSY = (408, 425, 429)  # and 5xx: the server may do it the next time
_FULL = (errno.ENOSPC, errno.EDQUOT)


class _AgainError(Exception):
    """The network or a server that is busy: the same address may do it the next time."""


class _FinalError(Exception):
    """It is of no use to ask this address again.

    :param wrong: it has another file under that name.
    """

    def __init__(self, message: str, wrong: bool = False) -> None:
        super().__init__(message)
        self.wrong = wrong


class Part:
    """What has come so far, in `SHA256.part`; beside it, what its server said by which the same file is known again."""

    def __init__(self, paths: Paths, sha256: str) -> None:
        files.make_directory(paths.model_parts)
        self.path = f"{paths.model_parts}/{sha256}.part"
        self._about = self.path + ".json"
        self._sum = hashlib.sha256()
        self.size = 0
        with contextlib.suppress(FileNotFoundError), open(self.path, "rb") as handle:
            for chunk in iter(lambda: handle.read(_CHUNK), b""):
                self._sum.update(chunk)
                self.size += len(chunk)

    def found(self) -> str:
        return self._sum.hexdigest()

    def clear(self) -> None:
        for path in (self.path, self._about):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        self._sum, self.size = hashlib.sha256(), 0

    def append(self, chunk: bytes) -> None:
        with open(self.path, "ab") as handle:
            handle.write(chunk)
        self._sum.update(chunk)
        self.size += len(chunk)

    def validator(self, address: str) -> str:
        """For If-Range. Of another address it would say nothing."""
        try:
            about = files.read_json(self._about, {})
        except NodeError:  # a power cut tore it
            return ""
        return about.get("validator", "") if about.get("address") == address else ""

    def describe(self, address: str, validator: str) -> None:
        with contextlib.suppress(NodeError):
            files.write_json(self._about, {"address": address, "validator": validator})


def _validator(headers: t.Any) -> str:
    """A strong entity tag, else the time of the last change. Weak tags say nothing of bytes."""
    tag = headers.get("ETag") or ""
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified") or ""


def _pause(tries: int) -> float:
    """Doubling, with a random part, so that the nodes of a site do not come back all at once."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**tries) * random.uniform(0.5, 1.0)  # noqa: S311 # no secret hangs on it


def _words(exc: BaseException) -> str:
    reason = getattr(exc, "reason", "") or exc
    return " ".join(str(getattr(reason, "strerror", None) or reason or type(exc).__name__).split())


class Download:
    """One model on its way. `run` returns the path of the file, whole and right, not yet synced.

    :param make_room: removes unused models until so many bytes are free.
    """

    def __init__(
        self,
        paths: Paths,
        model: t.Mapping[str, t.Any],
        make_room: t.Callable[[int], None],
        pause: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._paths = paths
        self._model = model
        self._make_room = make_room
        self._pause = pause
        self._part = Part(paths, model["sha256"])

    def run(self) -> str:
        """:raises NodeError: fetch, verify or disk; it speaks of every address that was tried."""
        failures: t.List[t.Tuple[str, _FinalError]] = []
        try:
            for address in _models.addresses(self._model):
                try:
                    self._from(address)
                except _FinalError as exc:
                    failures.append((_models.shown(address), exc))
                else:
                    return self._part.path
        except OSError as exc:
            raise self._not_stored(exc) from None
        raise self._failed(failures)

    def _failed(self, failures: t.Sequence[t.Tuple[str, _FinalError]]) -> NodeError:
        said = "; ".join(f"{address} {exc}" for address, exc in failures)
        wrong = failures[-1][1].wrong
        advice = "" if wrong else ". What runs is left as it is"
        return NodeError("verify" if wrong else "fetch", f"{_models.label(self._model)}: {said}{advice}")

    def _not_stored(self, exc: OSError) -> NodeError:
        if exc.errno in _FULL:
            self._part.clear()  # what runs needs the room more than the next try does
            message = "the disk is full; what had come was removed again. Free some and try again"
            return NodeError("disk", f"{_models.label(self._model)}: {message}")
        return NodeError("fetch", f"{_models.label(self._model)} cannot be stored: {exc.strerror or exc}")

    def _from(self, address: str) -> None:
        if self._part.size and self._part.found() == self._model["sha256"]:
            return
        path = _models.local_path(address)
        if path:
            self._copy(path)
            return
        tries, most = 0, self._part.size
        until = time.monotonic() + TIMEOUT
        while True:
            try:
                self._once(address)
                return
            except _AgainError as exc:
                tries = 0 if self._part.size > most else tries + 1
                most = max(most, self._part.size)
                if tries >= TRIES or time.monotonic() > until:
                    raise _FinalError(
                        f"cannot be fetched: {exc} ({tries} tries in a row). Is its server up and is the address right?"
                    ) from None
                self._pause(_pause(tries))

    # -- a file of the node

    def _copy(self, path: str) -> None:
        self._part.clear()
        try:
            with open(path, "rb") as handle:
                self._room(os.fstat(handle.fileno()).st_size)
                for chunk in iter(lambda: handle.read(_CHUNK), b""):
                    self._part.append(chunk)
        except FileNotFoundError:
            raise _FinalError("is not on this node: copy it there or correct `source`") from None
        except (IsADirectoryError, PermissionError) as exc:
            raise _FinalError(f"cannot be read: {exc.strerror}") from None
        if self._part.found() != self._model["sha256"]:
            raise self._wrong()

    # -- a file of a server

    def _once(self, address: str) -> None:
        """One request. It is over when the file is whole and right."""
        have = self._part.size
        request = urllib.request.Request(address)  # noqa: S310 # the schemes were checked
        if have:
            request.add_header("Range", f"bytes={have}-")
            validator = self._part.validator(address)
            if validator:
                request.add_header("If-Range", validator)
        try:
            answer = urllib.request.build_opener().open(request, timeout=_SILENCE)
        except urllib.error.HTTPError as exc:
            exc.close()
            raise self._answered(exc) from None
        except (OSError, http.client.HTTPException, ValueError) as exc:
            raise self._unreachable(exc) from None
        with contextlib.closing(answer):
            self._take(answer, address, have)

    def _answered(self, exc: urllib.error.HTTPError) -> Exception:
        if exc.code == 416:  # it is shorter there than what is here
            self._part.clear()
            return _AgainError("the server has less than came before")
        said = f"{exc.code} {exc.reason}".strip()
        if exc.code >= 500 or exc.code in _BUSY:
            return _AgainError(f"the server answers {said}")
        return _FinalError(
            f"cannot be fetched: the server answers {said}. Is the address right, and may this node read it?"
        )

    @staticmethod
    def _unreachable(exc: Exception) -> Exception:
        reason = getattr(exc, "reason", exc)
        if isinstance(reason, ssl.SSLCertVerificationError):
            return _FinalError(
                f"cannot be fetched: its certificate is not trusted ({reason.verify_message}): add its CA to the node's"
            )
        if isinstance(exc, (http.client.InvalidURL, ValueError)):
            return _FinalError(f"cannot be fetched: it is no address ({_words(exc)})")
        return _AgainError(_words(exc))

    def _take(self, answer: t.Any, address: str, have: int) -> None:
        if answer.status == 206:
            begin = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range") or "")
            if begin is None or int(begin.group(1)) != have:
                self._part.clear()
                raise _AgainError("the server sent another part than was asked for")
        else:  # no ranges there, or the file is another one
            self._part.clear()
            have = 0
        length = answer.headers.get("Content-Length") or ""
        left = int(length) if length.isdigit() and not answer.headers.get("Transfer-Encoding") else None
        self._room(left or 0)
        self._part.describe(address, _validator(answer.headers))
        self._read(answer, left)
        if self._part.found() != self._model["sha256"]:
            wrong = self._wrong()
            self._part.clear()
            # What was put together from two answers, or has no known end, may be right when it comes as a whole.
            raise _AgainError(str(wrong)) if have or left is None else wrong

    def _read(self, answer: t.Any, left: t.Optional[int]) -> None:
        """Everything that comes is kept. `read1`, because `read` loses what it had when the connection ends."""
        while left is None or left > 0:
            try:
                chunk = answer.read1(_CHUNK if left is None else min(_CHUNK, left))
            except (OSError, http.client.HTTPException) as exc:
                raise _AgainError(f"the connection was cut ({_words(exc)})") from None
            if not chunk:
                if left is None:
                    return
                raise _AgainError(f"the connection was cut, {mib(left)} before the end")
            self._part.append(chunk)
            left = None if left is None else left - len(chunk)

    def _wrong(self) -> _FinalError:
        return _FinalError(
            f"has sha256 {self._part.found()[:12]}..., {self._model['sha256'][:12]}... is wanted: "
            "publish the right file or correct `sha256`",
            wrong=True,
        )

    def _room(self, needed: int) -> None:
        for again in (False, True):
            free, total = files.free_bytes(self._part.path)
            if needed <= free - reserve(total):
                return
            if not again:
                self._make_room(needed + reserve(total))
        raise NodeError(
            "disk",
            f"{_models.label(self._model)}: {mib(needed)} are needed, {mib(free)} are free at {self._paths.models}, "
            f"{mib(reserve(total))} of it kept back: free some disk",
        )
