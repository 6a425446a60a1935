# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: one line for each thing that became of this node, in order, each bound to the one before it by its digest.

Kinds of entries, with what each says beside `sequence` and `time`:

- change: what a change ended as: id, tenant, release, class, cause, msg, workloads (name: class)
  and where there are any: rollout (id, stage, wave), who, reason, ticket, force, signer, measured, baseline, reasons (of what failed)
- approve: what a release measured is the baseline from now on: tenant, release, baseline, who
- lease: a lease of a rollout was taken over or ended by hand: tenant, what, id, owner, msg
- device: a device came or went: device, what, number, before, workloads
- gpu: a workload lost its GPU: workload, what, msg, lost
- alarm: a swap waited its longest time in vain: id, tenant, workload, what (update lock, idle probe), reason, waited (seconds),
  value (last read), then (held, swap)
- certificate: what became of one: name, what (installed, refreshed, refused, reverted, recovered, removed), reason, and of what was
  installed: serial, fingerprint, not_after
- secrets: a tenant's secrets were delivered: id, tenant, class, cause, msg, names (name: new, changed, removed), fingerprints
  (name: made with a key of the node's own), workloads (name: class), who, reason
- authority: the issuing CA of the site: what (key made, certificate installed, revoked, retired), subject, serial, not_after, reason
- backup: a backup was restored here: what, sha256 (of the last entry of its ledger), msg, who
- block: a tenant, or all of them, was cut off or let in again: scope, what (blocked, unblocked), msg, reason, who, secrets (names by
  tenant), credentials (whether those of the node were taken away), stopped (tenant/workload)
- hold: a person holds changes back: scope, reason, who
- clock: the clock was set, or the last known time forgotten: what (of set, forgotten), source, was, to (seconds), who, msg
- release: a person takes away what held back: scope, what (of hold, lock, now), who, id (the change that goes on now)
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
import typing as t

from .errors import NodeError
from .files import Paths, make_directory, sync_directory

SCHEMA = 1
TAIL = 1 << 16
FIRST = "sha256:" + "0" * 64


def _digest(line: str) -> str:
    return "sha256:" + hashlib.sha256(line.encode("utf-8")).hexdigest()


def _last(descriptor: int) -> t.Tuple[int, t.Optional[str]]:
    """(where the next line goes, the last whole line); a line that a power cut tore is not counted and is written over."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    begin = max(0, size - TAIL)
    content = os.pread(descriptor, size - begin, begin)
    end = content.rfind(b"\n") + 1
    lines = content[:end].splitlines()
    return begin + end, lines[-1].decode("utf-8", "replace") if lines else None


def append(paths: Paths, kind: str, **facts: t.Any) -> t.Dict[str, t.Any]:
    """Writes one entry down for good.

    The sequence orders entries, never the clock: a node may think that it is 1970.

    :param kind: one of those that the module lists.
    :raises NodeError: state, where it cannot be written.
    """
    try:
        make_directory(paths.state_directory)
        descriptor = os.open(paths.ledger, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise NodeError("state", f"{paths.ledger} cannot be opened: {exc.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # a person's word is written down while a change is under way
        end, last = _last(descriptor)
        entry = {
            "schema": SCHEMA,
            "sequence": _sequence(last) + 1,
            "time": round(time.time(), 3),
            "kind": kind,
            **facts,
        }
        entry["previous"] = _digest(last) if last is not None else FIRST
        os.ftruncate(descriptor, end)
        os.pwrite(descriptor, (json.dumps(entry, separators=(",", ":")) + "\n").encode("utf-8"), end)
        os.fsync(descriptor)
    except OSError as exc:
        raise NodeError("state", f"{paths.ledger} cannot be written: {exc.strerror}") from None
    finally:
        os.close(descriptor)
    sync_directory(paths.state_directory)
    return entry


def _sequence(line: t.Optional[str]) -> int:
    if line is None:
        return 0
    try:
        return int(json.loads(line)["sequence"])
    except (ValueError, KeyError, TypeError):
        return 0


def note(paths: Paths, kind: str, **facts: t.Any) -> None:
    """As :func:`append`, for a moment in which a full disk must not be in the way of what matters more."""
    with contextlib.suppress(NodeError):
        append(paths, kind, **facts)


def read(paths: Paths, count: int = 0) -> t.List[t.Dict[str, t.Any]]:
    """Entries, the oldest first; `count` of them from the end, or all. Lines that are none are passed over."""
    try:
        with open(paths.ledger, encoding="utf-8", errors="replace") as handle:
            lines = handle.read().splitlines()
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise NodeError("state", f"{paths.ledger} cannot be read: {exc.strerror}") from None
    entries = []
    for line in lines[-count:] if count else lines:
        with contextlib.suppress(ValueError):
            entries.append(json.loads(line))
    return entries


def since(paths: Paths, after: int = 0, digest: str = "", count: int = 0) -> t.Dict[str, t.Any]:
    """What is new to somebody who has the entries up to `after`, and the `last` sequence.

    :param digest: of the last line that the asker has. Where it is another here, the asker knows another ledger (of this node
      before it was installed anew, or restored): all entries are new then, and `after` is 0.
    :param count: the last so many of them; 0 for all.
    """
    lines = _lines(paths)
    numbered = [(number, line) for number, line in ((_sequence(line), line) for line in lines) if number > 0]
    if after and digest and not any(number == after and _digest(line) == digest for number, line in numbered):
        after = 0
    new = [json.loads(line) for number, line in numbered if number > after]
    last = numbered[-1][0] if numbered else 0
    return {"after": after, "last": last, "entries": new[-count:] if count else new, "broken": _broken(paths, lines)}


def _lines(paths: Paths) -> t.List[str]:
    """Whole lines; one that a power cut tore is none."""
    try:
        with open(paths.ledger, encoding="utf-8", errors="replace") as handle:
            text = handle.read()
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise NodeError("state", f"{paths.ledger} cannot be read: {exc.strerror}") from None
    return text.split("\n")[:-1]


def broken(paths: Paths) -> str:
    """Where the chain does not hold, or nothing."""
    try:
        with open(paths.ledger, encoding="utf-8", errors="replace") as handle:
            lines = handle.read().splitlines()
    except OSError:
        return ""
    return _broken(paths, lines)


def _broken(paths: Paths, lines: t.Sequence[str]) -> str:
    previous = FIRST
    for number, line in enumerate(lines, 1):
        try:
            found = json.loads(line)["previous"]
        except (ValueError, KeyError, TypeError):
            return f"{paths.ledger}: line {number} is no entry"
        if found != previous:
            return f"{paths.ledger}: line {number} does not follow the line before it: it was changed by hand"
        previous = _digest(line)
    return ""
