# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of what was collected: `HOST/ledger.jsonl`, `HOST/status.json`, and ledgers that ended as `HOST/ledger-N.jsonl`.

Every write is a rename, so whoever reads it meanwhile never sees half a file.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import fleet_ledger
from .fleet_view import brief

SCHEMA = 1
LEDGER, STATUS = "ledger.jsonl", "status.json"
_HOST = re.compile(r"[^./\0][^/\0]*")
_ENDED = re.compile(r"ledger-(\d+)\.jsonl")


class CollectionError(ValueError):
    """The directory cannot be used; one line that says where and why."""


class NoStatusError(CollectionError):
    """A file that is no status: the next collection writes it anew."""


def now_text(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Collection:
    """What was collected below one directory; `write=False` only says what would be written."""

    def __init__(self, directory: str, write: bool = True) -> None:
        self.path = Path(directory).expanduser()
        self._write_files = write

    def hosts(self) -> list[str]:
        """Names of the nodes of which there is something."""
        if not self.path.is_dir():
            return []
        return sorted(item.name for item in self.path.iterdir() if (item / STATUS).is_file())

    def last(self, host: str) -> fleet_ledger.Last:
        return fleet_ledger.last(self._read(host, LEDGER))

    def status(self, host: str) -> dict[str, Any]:
        """What was known last of a node: `time`, `site`, `ring`, `status`; empty where nothing was collected."""
        text = self._read(host, STATUS)
        if not text:
            return {}
        try:
            found = json.loads(text)
            schema = found["schema"]
        except (ValueError, KeyError, TypeError):
            raise NoStatusError(f"{self._file(host, STATUS)} is no status: delete it, or collect again") from None
        if schema != SCHEMA:
            raise CollectionError(
                f"{self._file(host, STATUS)}: found schema {schema}, this version reads {SCHEMA}: use a newer version"
            )
        return dict(found)

    def entries(self, host: str, count: int = 0) -> list[fleet_ledger.Entry]:
        """Of all ledgers that the node has had, the oldest first; `count` of them from the end, or all."""
        names = [*(name for _number, name in self._ended(host)), LEDGER]
        found: list[fleet_ledger.Entry] = []
        for name in reversed(names):
            if not count or len(found) < count:
                found = fleet_ledger.entries(self._read(host, name), count) + found
        return found[-count:] if count else found

    def ledgers(self, count: int = 0) -> dict[str, dict[str, Any]]:
        """Of each node its `site` and its `entries`."""
        return {
            host: {"site": self.status(host).get("site", ""), "entries": self.entries(host, count)}
            for host in self.hosts()
        }

    def take(self, host: str, variables: Mapping[str, Any], found: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """Writes down what a node returned (module ledger_info with `status`). Says what was new."""
        before = self._before(host)
        text = self._read(host, LEDGER)
        joined = fleet_ledger.join(text, found)
        said = [joined.said] if joined.said else []
        if joined.before:
            said.append(f"the one from before is kept as {self._keep(host, joined)}")
        if joined.text != text or not self._file(host, LEDGER).is_file():
            self._write(host, LEDGER, joined.text)
        if found.get("broken"):
            said.append(str(found["broken"]))
        record = {
            "schema": SCHEMA,
            "host": host,
            "site": str(variables.get("edge_site") or ""),
            "ring": str(variables.get("edge_ring") or ""),
            "time": now_text(now),
            "status": brief(found.get("status")),
        }
        self._write(host, STATUS, json.dumps(record, indent=1) + "\n")
        same = {**before, "time": ""} == {**record, "time": ""}
        changed = bool(joined.new or joined.before or not same)
        return {"new": joined.new, "sequence": joined.sequence, "changed": changed, "said": "; ".join(said)}

    def _before(self, host: str) -> dict[str, Any]:
        try:
            return self.status(host)
        except NoStatusError:
            return {}

    def _keep(self, host: str, joined: fleet_ledger.Joined) -> str:
        """A ledger that ended gets the next number. One that was edited here is none, and is kept for whoever asks."""
        if joined.edited:
            name = "edited.jsonl"
        else:
            ended = self._ended(host)
            if ended and self._read(host, ended[-1][1]) == joined.before:
                return ended[-1][1]  # a run that was cut off had got as far as this
            name = f"ledger-{ended[-1][0] + 1 if ended else 1}.jsonl"
        self._write(host, name, joined.before)
        return name

    def commit(self, message: str) -> str:
        """Commits what is below the directory. Says what was done.

        :raises CollectionError: where git is there and does not do it.
        """
        if self._git("rev-parse", "--is-inside-work-tree").returncode:
            return f"not committed: {self.path} is in no git repository"
        for arguments in (("add", "--", "."), ("commit", "--quiet", "--message", message, "--", ".")):
            done = self._git(*arguments)
            if done.returncode:
                words = " ".join((done.stderr or done.stdout).split())
                raise CollectionError(
                    f"{self.path}: what was collected is written, but git {arguments[0]} failed: {words}"
                )
        return f"committed: {self._git('rev-parse', '--short', 'HEAD').stdout.strip()}"

    def _git(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["git", "-C", str(self.path), *arguments]
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        except FileNotFoundError:
            raise CollectionError("collect_commit: git is not installed on this controller") from None
        except subprocess.TimeoutExpired:
            raise CollectionError(f"{self.path}: git {arguments[0]} did not end within two minutes") from None

    def _file(self, host: str, name: str) -> Path:
        if not _HOST.fullmatch(host):
            raise CollectionError(f"the host name {host!r} cannot be the name of a directory")
        return self.path / host / name

    def _ended(self, host: str) -> list[tuple[int, str]]:
        folder = self._file(host, LEDGER).parent
        names = [item.name for item in folder.iterdir()] if folder.is_dir() else []
        return sorted((int(match[1]), match[0]) for match in map(_ENDED.fullmatch, names) if match)

    def _read(self, host: str, name: str) -> str:
        path = self._file(host, name)
        try:
            return path.read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        except OSError as exc:
            raise CollectionError(f"{path} cannot be read: {exc.strerror}") from None

    def _write(self, host: str, name: str, text: str) -> None:
        path = self._file(host, name)
        if not self._write_files:
            return
        temporary = ""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=str(path.parent))
            with os.fdopen(descriptor, "wb") as handle:
                os.fchmod(handle.fileno(), 0o644)
                handle.write(text.encode("utf-8"))
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(temporary, path)
        except OSError as exc:
            if temporary:
                Path(temporary).unlink(missing_ok=True)
            raise CollectionError(f"{path} cannot be written: {exc.strerror}") from None
