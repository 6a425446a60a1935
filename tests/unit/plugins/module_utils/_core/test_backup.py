# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a node on which a backup is restored: nothing newer is lost, nothing revoked is forgotten."""

from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import backup
from ansible_collections.physical_ai.edge.plugins.module_utils._core.backup import Node
from ansible_collections.physical_ai.edge.plugins.module_utils._core.fields import SpecError

HOST = "kiruna-gw01"


def ledger(*words: str) -> bytes:
    """A chain as the node writes it."""
    lines: t.List[str] = []
    for number, word in enumerate(words, 1):
        previous = backup.digest(lines[-1]) if lines else backup.FIRST
        lines.append(
            json.dumps({"schema": 1, "sequence": number, "kind": word, "previous": previous}, separators=(",", ":"))
        )
    return "".join(line + "\n" for line in lines).encode()


def issued(*serials: str, of: str = "cam") -> bytes:
    return "".join(
        json.dumps({"serial": one, "node": of, "name": "node", "sha256": of + one}) + "\n" for one in serials
    ).encode()


def revoked(*serials: str) -> bytes:
    return json.dumps({"schema": 1, "revoked": [{"serial": one, "reason": "unspecified"} for one in serials]}).encode()


def state(sequence: int = 1, releases: t.Sequence[str] = (), refused: t.Sequence[str] = (), current: str = "") -> bytes:
    deployment = {"spec_digest": current} if current else None
    row = {
        "current": deployment,
        "previous": None,
        "refused": [{"spec_digest": one} for one in refused],
        "baseline": {},
    }
    tenant = {
        "release": "",
        "releases": {one: "sha256:" + one for one in releases},
        "workloads": {"app": row},
        "last": {},
    }
    empty: t.Dict[str, t.Any] = {"journal": None, "images": {}, "fetched": {}, "suspects": []}
    return json.dumps({"schema": 1, "sequence": sequence, "tenants": {"quality": tenant}, **empty}).encode()


def plan(
    there: t.Mapping[str, bytes], here: t.Mapping[str, bytes], force: bool = False, host: str = HOST
) -> backup.Plan:
    said = backup.manifest(HOST, "gateway", 1.0, there, {})
    return backup.plan(backup.read("backup", json.loads(said.dump())), there, Node(host, here), force)


WORDS = st.lists(st.sampled_from(["change", "hold", "device"]), max_size=6)
SERIALS = st.lists(st.sampled_from([f"{number:04X}" for number in range(12)]), max_size=8, unique=True)


def after(found: backup.Plan, here: t.Mapping[str, bytes]) -> t.Dict[str, bytes]:
    return {**here, **found.write}


@given(WORDS, WORDS, SERIALS, SERIALS, SERIALS, SERIALS, st.booleans())
def test_nothing_revoked_or_issued_is_ever_forgotten(
    one: t.List[str],
    two: t.List[str],
    mine: t.List[str],
    theirs: t.List[str],
    gone: t.List[str],
    lost: t.List[str],
    force: bool,
) -> None:
    here = {backup.LEDGER: ledger(*one), backup.ISSUED: issued(*mine), backup.REVOKED: revoked(*gone)}
    there = {backup.LEDGER: ledger(*two), backup.ISSUED: issued(*theirs), backup.REVOKED: revoked(*lost)}
    found = plan(there, here, force)
    assert bool(found.conflicts) == (found.relation == backup.DIVERGED)
    if found.conflicts and not force:
        assert found.write == {}
        return
    end = after(found, here)
    assert {row["serial"] for row in backup.jsonl("x", end[backup.ISSUED])} == {*mine, *theirs}
    assert {row["serial"] for row in backup.revoked(end[backup.REVOKED])} == {*gone, *lost}
    # What the node said first is where it was.
    assert (
        end[backup.ISSUED].startswith(issued(*mine))
        or json.loads(end[backup.ISSUED].split(b"\n")[0])["serial"] == mine[0]
    )
    # The ledger never becomes shorter, and its chain holds.
    lines = backup.ledger_lines(end[backup.LEDGER].decode())
    assert len(lines) >= max(len(one), len(two))
    assert [backup.sequence(line) for line in lines] == list(range(1, len(lines) + 1))
    assert [json.loads(line)["previous"] for line in lines] == [backup.FIRST, *map(backup.digest, lines[:-1])][
        : len(lines)
    ]
    # Restored once more, nothing is left to do; the node is as old as the backup, or newer.
    again = plan(there, end, force)
    assert again.write == {} and again.relation in (backup.SAME, backup.NEWER, backup.EMPTY)


@given(WORDS, st.integers(1, 4), st.sampled_from(["configuration/holds.json", "configuration/devices.json"]))
def test_a_newer_node_keeps_its_files(words: t.List[str], more: int, name: str) -> None:
    there = {backup.LEDGER: ledger(*words), name: b"yesterday"}
    here = {backup.LEDGER: ledger(*words, *["change"] * more), name: b"today"}
    found = plan(there, here)
    # Without a ledger a backup says nothing of its age, and what is there stays.
    assert found.write == {} and found.kept == (name,) and found.relation == backup.NEWER
    gone = plan(there, {backup.LEDGER: here[backup.LEDGER]})
    assert gone.write == {} and name in gone.kept
    assert plan(there, {backup.LEDGER: here[backup.LEDGER]}, force=True).write == {name: b"yesterday"}


def test_an_older_node_is_brought_forward_and_an_empty_one_gets_everything() -> None:
    there = {backup.LEDGER: ledger("a", "b", "c"), "configuration/holds.json": b"[]", "state/models/pins.json": b"{}"}
    older = plan(there, {backup.LEDGER: ledger("a"), "configuration/holds.json": b"[1]"})
    assert (older.relation, older.write) == (backup.OLDER, there)
    empty = plan(there, {"configuration/holds.json": b"[1]"})
    assert empty.relation == backup.EMPTY and empty.kept == ("configuration/holds.json",)
    assert set(empty.write) == {backup.LEDGER, "state/models/pins.json"}
    assert plan(there, there).write == {} and plan(there, there).relation == backup.SAME


def test_conflicts_are_one_line_each_and_change_nothing() -> None:
    there = {backup.LEDGER: ledger("a", "b"), backup.ISSUED: issued("0001")}
    other = plan(there, {backup.LEDGER: ledger("a", "x"), backup.ISSUED: issued("0001", of="eve")})
    assert other.write == {} and len(other.conflicts) == 2
    assert "is another one than that of the backup (2 entries)" in other.conflicts[0]
    assert (
        "the serial number 0001 is that of two certificates: eve/node on the node, cam/node in the backup"
        in other.conflicts[1]
    )
    assert plan(there, {}, host="lulea-gw01").conflicts == ("the backup is of kiruna-gw01, and this is lulea-gw01",)
    forced = plan(there, {backup.LEDGER: ledger("a", "x"), backup.ISSUED: issued("0001", of="eve")}, force=True)
    kinds = [json.loads(line)["kind"] for line in backup.ledger_lines(forced.write[backup.LEDGER].decode())]
    assert kinds == ["a", "b", "x"]
    assert backup.ISSUED not in forced.write  # what the node says of a serial number counts


def test_what_runs_is_never_taken_from_a_backup() -> None:
    there = {backup.LEDGER: ledger("a"), backup.STATE: state(9, ["1.0", "1.1"], ["bad", "good"], current="yesterday")}
    fresh = json.loads(plan(there, {}).write[backup.STATE])
    app = fresh["tenants"]["quality"]["workloads"]["app"]
    assert app["current"] is None and app["previous"] is None and fresh["journal"] is None
    assert fresh["sequence"] == 9 and list(fresh["tenants"]["quality"]["releases"]) == ["1.0", "1.1"]
    assert [item["spec_digest"] for item in app["refused"]] == ["bad", "good"]
    here = {backup.STATE: state(12, ["1.1", "2.0"], ["worse"], current="good")}
    merged = json.loads(plan(there, here).write[backup.STATE])
    app = merged["tenants"]["quality"]["workloads"]["app"]
    assert merged["sequence"] == 12 and app["current"] == {"spec_digest": "good"}
    assert [item["spec_digest"] for item in app["refused"]] == ["bad", "worse"]
    assert list(merged["tenants"]["quality"]["releases"]) == ["1.0", "1.1", "2.0"]
    newer = {backup.LEDGER: ledger("a", "b"), backup.STATE: state(12)}
    assert plan(there, newer).write == {}


def test_revoked_signers_are_added_up_also_on_a_newer_node() -> None:
    there = {backup.LEDGER: ledger("a"), backup.SIGNERS_REVOKED: b"ssh-ed25519 AAAA ann\nssh-ed25519 BBBB bob\n"}
    found = plan(there, {backup.LEDGER: ledger("a", "b"), backup.SIGNERS_REVOKED: b"ssh-ed25519 BBBB bob\n"})
    assert found.write == {backup.SIGNERS_REVOKED: b"ssh-ed25519 BBBB bob\nssh-ed25519 AAAA ann\n"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "is no backup of this program"),
        ([], "is no backup of this program"),
        ({"format": backup.FORMAT, "schema": 2}, "has schema 2, this program reads up to 1: install the newer program"),
        ({"format": backup.FORMAT, "schema": 1}, "the manifest is damaged"),
    ],
)
def test_what_is_no_manifest(data: t.Any, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        backup.read("backup", data)


@pytest.mark.parametrize("name", ["/etc/shadow", "../x", "state/../../x", "state//x", "", "state/a\nb", "state/./x"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="no plain name"):
        backup.plain("backup", name)


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_a_changed_or_added_file_is_noticed(one: bytes, two: bytes) -> None:
    said = backup.manifest(HOST, "gateway", 1.0, {"configuration/a": one}, {})
    backup.check("backup", said, {"configuration/a": one})
    for content in ({}, {"configuration/a": one + b"x"}, {"configuration/a": one, "configuration/b": two}):
        with pytest.raises(SpecError):
            backup.check("backup", said, content)


@given(
    st.dictionaries(
        st.sampled_from(["schema", "revoked", "tenants", "x"]),
        st.none() | st.integers() | st.lists(st.integers()) | st.text(),
    )
)
def test_a_broken_backup_is_one_error(data: t.Dict[str, t.Any]) -> None:
    content = json.dumps(data).encode()
    for name in (backup.REVOKED, backup.ISSUED):
        try:
            plan({name: content + b"\n"}, {})
        except SpecError as exc:
            assert "\n" not in str(exc)
