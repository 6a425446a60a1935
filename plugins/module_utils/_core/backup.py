# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup says of itself, and what becomes of a node on which it is restored. Pure.

A node that knows more than the backup stays as it is. What was revoked, refused or issued is added up, and never forgotten.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from dataclasses import dataclass, field

from .fields import SpecError, show

SCHEMA = 1
FORMAT = "physical-ai-backup"
FIRST = "sha256:" + "0" * 64

EMPTY, OLDER, SAME, NEWER, DIVERGED = "empty", "older", "same", "newer", "diverged"
"""What the ledger of a node is to that of a backup: the node has none, has the beginning of it, the same, more, or another one."""

Json = t.Dict[str, t.Any]
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PLAIN = re.compile(r"[A-Za-z0-9_.@%+=,:~ -]+(?:/[A-Za-z0-9_.@%+=,:~ -]+)*")

# Names in an archive. What lies elsewhere on a node or a controller has its own folder.
STATE, LEDGER = "state/state.json", "state/ledger.jsonl"
ISSUED, REVOKED = "state/ca/issued.jsonl", "state/ca/revoked.json"
SIGNERS_REVOKED = "configuration/signers-revoked"
MERGED = (STATE, LEDGER, ISSUED, REVOKED, SIGNERS_REVOKED)


@dataclass(frozen=True)
class Manifest:
    """What an archive says of itself: `files` are size, mode and digest by name."""

    host: str
    kind: str
    made: float
    ledger: Json
    state: Json
    authority: Json
    files: t.Dict[str, Json]
    left_out: t.Tuple[str, ...] = ()
    links: t.Dict[str, str] = field(default_factory=dict)

    def dump(self) -> str:
        found = {
            key: getattr(self, key)
            for key in ("host", "kind", "made", "ledger", "state", "authority", "files", "links")
        }
        return (
            json.dumps({"format": FORMAT, "schema": SCHEMA, **found, "left_out": list(self.left_out)}, indent=1) + "\n"
        )


def describe(content: bytes, mode: int) -> Json:
    return {"size": len(content), "mode": mode & 0o777, "sha256": hashlib.sha256(content).hexdigest()}


def manifest(
    host: str,
    kind: str,
    made: float,
    content: t.Mapping[str, bytes],
    modes: t.Mapping[str, int],
    links: t.Optional[t.Mapping[str, str]] = None,
    left_out: t.Sequence[str] = (),
) -> Manifest:
    """The manifest of these files."""
    lines = ledger_lines(text(LEDGER, content.get(LEDGER, b"")))
    state = loads(STATE, content.get(STATE))
    return Manifest(
        host,
        kind,
        made,
        {"last": sequence(lines[-1]) if lines else 0, "digest": digest(lines[-1]) if lines else FIRST},
        {
            "sequence": state.get("sequence", 0),
            "releases": {name: item.get("release", "") for name, item in state.get("tenants", {}).items()},
        },
        {"issued": len(jsonl(ISSUED, content.get(ISSUED, b""))), "revoked": len(revoked(content.get(REVOKED)))},
        {name: describe(content[name], modes.get(name, 0o600)) for name in sorted(content)},
        tuple(left_out),
        dict(links or {}),
    )


def read(where: str, data: t.Any) -> Manifest:
    """:raises SpecError: for what is no manifest, or that of a newer program."""
    if not isinstance(data, dict) or data.get("format") != FORMAT or not isinstance(data.get("schema"), int):
        raise SpecError(f"{where}: is no backup of this program: there is no manifest of the format {FORMAT} in it")
    if data["schema"] > SCHEMA:
        raise SpecError(
            f"{where}: has schema {data['schema']}, this program reads up to {SCHEMA}: install the newer program"
        )
    try:
        found = Manifest(
            str(data["host"]),
            str(data["kind"]),
            float(data["made"]),
            dict(data["ledger"], last=int(data["ledger"]["last"]), digest=str(data["ledger"]["digest"])),
            dict(data["state"]),
            dict(data["authority"]),
            {str(name): dict(item) for name, item in data["files"].items()},
            tuple(data["left_out"]),
            {str(name): str(target) for name, target in data["links"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise SpecError(
            f"{where}: the manifest is damaged ({type(exc).__name__}: {exc}): take another backup"
        ) from None
    for name in (*found.files, *found.links):
        plain(where, name)
    for name, target in found.links.items():
        # A link leads to something beside it, so that nothing is written or read through it elsewhere.
        if target.startswith("/") or ".." in target.split("/"):
            raise SpecError(f"{where}: the link {show(name)} leads out of its folder: it is no backup of this program")
    return found


def plain(where: str, name: str) -> str:
    """A name that stays below the folder into which it is written."""
    if not _PLAIN.fullmatch(name) or any(part in ("", ".", "..") for part in name.split("/")):
        raise SpecError(f"{where}: the file {show(name)} has no plain name: it is no backup of this program")
    return name


def check(where: str, found: Manifest, content: t.Mapping[str, bytes]) -> None:
    """:raises SpecError: where a file is missing, is another one, or was added."""
    for name, item in found.files.items():
        if name not in content:
            raise SpecError(f"{where}: {name} is missing in it: the backup is damaged, take another one")
        if hashlib.sha256(content[name]).hexdigest() != item.get("sha256"):
            raise SpecError(f"{where}: {name} is not what the manifest says: the backup is damaged, take another one")
    for name in sorted(set(content) - set(found.files)):
        raise SpecError(f"{where}: {name} is not in the manifest: somebody added it")


# -- reading -----------------------------------------------------------------------------------------------------------


def text(where: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise SpecError(f"{where}: found bytes that are no UTF-8 text") from None


def loads(where: str, content: t.Optional[bytes]) -> Json:
    if not content:
        return {}
    try:
        found = json.loads(text(where, content))
    except ValueError:
        raise SpecError(f"{where}: is not JSON") from None
    if not isinstance(found, dict):
        raise SpecError(f"{where}: is no mapping")
    return found


def jsonl(where: str, content: bytes) -> t.List[Json]:
    """Whole lines; one that a power cut tore is none."""
    rows = []
    for number, line in enumerate(text(where, content).split("\n")[:-1], 1):
        try:
            row = json.loads(line)
            row["serial"] = str(row["serial"])
        except (ValueError, KeyError, TypeError):
            raise SpecError(f"{where}: line {number} is no entry") from None
        rows.append(row)
    return rows


def revoked(content: t.Optional[bytes]) -> t.List[Json]:
    found = loads(REVOKED, content)
    schema = found.get("schema", 1)
    if not isinstance(schema, int) or schema > 1:
        raise SpecError(f"{REVOKED}: has schema {schema}, this program reads 1: install the newer program")
    rows = found.get("revoked", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "serial" in row for row in rows):
        raise SpecError(f"{REVOKED}: has an entry without a serial number")
    return rows


# -- the ledger --------------------------------------------------------------------------------------------------------


def digest(line: str) -> str:
    return "sha256:" + hashlib.sha256(line.encode("utf-8")).hexdigest()


def sequence(line: str) -> int:
    try:
        return int(json.loads(line)["sequence"])
    except (ValueError, KeyError, TypeError):
        return 0


def ledger_lines(content: str) -> t.List[str]:
    return content.split("\n")[:-1]


def relation(node: t.Sequence[str], backup: t.Sequence[str]) -> str:
    """What the ledger of the node is to that of the backup."""
    if list(node) == list(backup):
        return SAME if node else EMPTY
    if not node:
        return EMPTY
    shorter = min(len(node), len(backup))
    if list(node[:shorter]) != list(backup[:shorter]):
        return DIVERGED
    return OLDER if len(node) < len(backup) else NEWER


def chained(backup: t.Sequence[str], node: t.Sequence[str]) -> t.List[str]:
    """The entries of the backup, and behind them those of the node that are not among them, bound to them anew."""
    known = set(backup)
    lines = list(backup)
    for line in node:
        if line in known:
            continue
        entry = json.loads(line)
        entry["sequence"] = (sequence(lines[-1]) if lines else 0) + 1
        entry["previous"] = digest(lines[-1]) if lines else FIRST
        lines.append(json.dumps(entry, separators=(",", ":")))
    return lines


# -- adding up ---------------------------------------------------------------------------------------------------------


def merge_issued(node: t.Sequence[Json], backup: t.Sequence[Json]) -> t.Tuple[t.List[Json], t.List[str]]:
    """All that was ever issued, and a line for each serial number that was given to two certificates."""
    rows = {row["serial"]: row for row in node}
    conflicts = []
    merged = list(node)
    for row in backup:
        known = rows.get(row["serial"])
        if known is None:
            rows[row["serial"]] = row
            merged.append(row)
        elif known.get("sha256") != row.get("sha256"):
            conflicts.append(
                f"the serial number {row['serial']} is that of two certificates: {known.get('node')}/{known.get('name')} on the node, "
                f"{row.get('node')}/{row.get('name')} in the backup"
            )
    return merged, conflicts


def merge_revoked(node: t.Sequence[Json], backup: t.Sequence[Json]) -> t.List[Json]:
    """All that was ever revoked: what the node says of one counts."""
    known = {row["serial"] for row in node}
    merged = list(node)
    for row in backup:
        if row["serial"] not in known:
            known.add(row["serial"])
            merged.append(row)
    return merged


def merge_lines(node: str, backup: str) -> str:
    """A list in a file, one entry a line: what the backup has more is added at its end."""
    known = set(node.splitlines())
    missing = [line for line in backup.splitlines() if line.strip() and line not in known and not line.startswith("#")]
    if not missing:
        return node
    start = node if not node or node.endswith("\n") else node + "\n"
    return start + "".join(line + "\n" for line in dict.fromkeys(missing))


def merge_state(node: Json, backup: Json) -> Json:
    """What a node remembers, with what it has forgotten: releases that it has seen, what it has refused, baselines.

    What runs is never taken from a backup: its containers are not in it. The node's own word comes first everywhere.
    """
    if not backup:
        return node
    start: Json = {
        "sequence": 0,
        "tenants": {},
        "journal": None,
        "images": {},
        "fetched": {},
        "suspects": [],
        "schema": backup.get("schema", 1),
    }
    merged: Json = json.loads(json.dumps(node or start))
    merged["sequence"] = max(merged.get("sequence", 0), backup.get("sequence", 0))
    for name, theirs in backup.get("tenants", {}).items():
        mine = merged["tenants"].setdefault(name, {"release": "", "releases": {}, "workloads": {}, "last": {}})
        # The newest are at the end, and only so many are kept.
        mine["releases"] = {
            **{key: value for key, value in theirs["releases"].items() if key not in mine["releases"]},
            **mine["releases"],
        }
        for workload, row in theirs["workloads"].items():
            empty: Json = {"current": None, "previous": None, "refused": [], "baseline": {}}
            own = mine["workloads"].setdefault(workload, empty)
            # What runs here was taken, whatever was refused before.
            running = (own.get("current") or {}).get("spec_digest")
            seen = {item["spec_digest"] for item in own["refused"]} | {running}
            own["refused"] = [item for item in row["refused"] if item["spec_digest"] not in seen] + own["refused"]
            own["baseline"] = own.get("baseline") or row.get("baseline", {})
    return merged


# -- the plan ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """What a restore does: `write` is new content by name, `kept` what stays although the backup has something else."""

    relation: str
    write: t.Dict[str, bytes] = field(default_factory=dict)
    links: t.Dict[str, str] = field(default_factory=dict)
    kept: t.Tuple[str, ...] = ()
    conflicts: t.Tuple[str, ...] = ()
    lines: t.Tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    """What is there where the backup goes: content by the same names, and links."""

    host: str
    content: t.Mapping[str, bytes]
    links: t.Mapping[str, str] = field(default_factory=dict)


def plan(found: Manifest, content: t.Mapping[str, bytes], node: Node, force: bool = False) -> Plan:
    """What becomes of a node on which this backup is restored.

    :param force: conflicts are said and decided for the node, except that its ledger is bound to that of the backup.
    :raises SpecError: for content that cannot be understood; nothing is restored then.
    """
    mine, theirs = (ledger_lines(text(LEDGER, side.get(LEDGER, b""))) for side in (node.content, content))
    now = relation(mine, theirs)
    conflicts = []
    if found.host != node.host:
        conflicts.append(f"the backup is of {found.host}, and this is {node.host}")
    if now == DIVERGED:
        conflicts.append(
            f"the ledger of this node ({len(mine)} entries) is another one than that of the backup ({len(theirs)} entries): "
            "the node was installed anew and has run since, or its ledger was changed"
        )
    write, clash = _added_up(content, node, now)
    conflicts += clash
    kept = []
    for name in sorted(set(content) - set(MERGED)):
        have = node.content.get(name)
        if have == content[name]:
            continue
        # That something is not there any more is news too, where the node is newer.
        if now == OLDER or (have is None and (force or now in (EMPTY, SAME))):
            write[name] = content[name]
        else:
            kept.append(name)
    links = {name: target for name, target in found.links.items() if name not in node.links and (force or now != NEWER)}
    # Of what is a link on one side and a file on the other, the node's stays.
    links = {name: target for name, target in links.items() if name not in node.content}
    write = {name: value for name, value in write.items() if name not in node.links and value != node.content.get(name)}
    if conflicts and not force:
        return Plan(now, conflicts=tuple(conflicts))
    lines = tuple(_said(now, write, links, kept))
    return Plan(now, write, links, tuple(kept), tuple(conflicts), lines)


def _added_up(content: t.Mapping[str, bytes], node: Node, now: str) -> t.Tuple[t.Dict[str, bytes], t.List[str]]:
    """The files that are added up and not replaced, and what does not fit."""
    have = node.content
    write: t.Dict[str, bytes] = {}
    conflicts: t.List[str] = []
    if LEDGER in content:
        mine, theirs = (ledger_lines(text(LEDGER, side.get(LEDGER, b""))) for side in (have, content))
        if now in (EMPTY, OLDER):
            write[LEDGER] = "".join(line + "\n" for line in theirs).encode("utf-8")
        elif now == DIVERGED:
            write[LEDGER] = "".join(line + "\n" for line in chained(theirs, mine)).encode("utf-8")
    if STATE in content:
        before, backup = loads(STATE, have.get(STATE)), loads(STATE, content[STATE])
        after = merge_state(before, backup)
        # A node whose ledger goes on from there has its reasons for whatever it does not remember any more.
        if after != before and not (before and now in (SAME, NEWER)):
            write[STATE] = (json.dumps(after, indent=1) + "\n").encode("utf-8")
    if ISSUED in content:
        rows = jsonl(ISSUED, have.get(ISSUED, b""))
        merged, conflicts = merge_issued(rows, jsonl(ISSUED, content[ISSUED]))
        if len(merged) != len(rows):
            write[ISSUED] = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in merged).encode("utf-8")
    if REVOKED in content:
        gone = revoked(have.get(REVOKED))
        all_gone = merge_revoked(gone, revoked(content[REVOKED]))
        if len(all_gone) != len(gone):
            write[REVOKED] = (json.dumps({"schema": 1, "revoked": all_gone}, indent=1) + "\n").encode("utf-8")
    if SIGNERS_REVOKED in content:
        before_text = text(SIGNERS_REVOKED, have.get(SIGNERS_REVOKED, b""))
        write[SIGNERS_REVOKED] = merge_lines(before_text, text(SIGNERS_REVOKED, content[SIGNERS_REVOKED])).encode(
            "utf-8"
        )
    return write, conflicts


_WORDS = {
    EMPTY: "nothing is known here, so all of the backup counts",
    OLDER: "the node is older than the backup, which counts",
    SAME: "the node is as old as the backup",
    NEWER: "the node is newer than the backup, so it stays as it is and only learns what was revoked, refused and issued",
    DIVERGED: "the entries of this node follow those of the backup from now on",
}


def _said(now: str, write: t.Mapping[str, bytes], links: t.Mapping[str, str], kept: t.Sequence[str]) -> t.Iterator[str]:
    yield _WORDS[now]
    for name in sorted([*write, *links]):
        yield f"{'added up' if name in MERGED and name != LEDGER else 'restored'}: {name}"
    for name in kept:
        yield f"kept as it is here: {name}"
    if kept and now == NEWER:
        yield "what is missing here was taken away since, or lost: restore_force brings it back"
