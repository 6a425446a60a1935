# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ledgers that are collected: what comes continues what is there, and what is thrown away comes back the same."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._node import ledger as node_ledger
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths
from ansible_collections.physical_ai.edge.plugins.plugin_utils import fleet_ledger
from ansible_collections.physical_ai.edge.plugins.plugin_utils.collection import Collection, CollectionError
from tests.unit.plugins.plugin_utils.statuses import ledger, running

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 25, 13, 0, tzinfo=UTC)
SITE = {"edge_site": "kiruna", "edge_ring": "canary"}


class Node:
    """A real ledger of a node, asked as the module does."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths(str(root))

    def change(self, count: int = 1) -> None:
        for number in range(count):
            node_ledger.append(
                self.paths, "change", tenant="quality", release=f"{number}.0", **{"class": "success", "msg": "\u00fc"}
            )

    def reinstall(self) -> None:
        os.unlink(self.paths.ledger)

    def collect(self, collection: Collection, now: datetime = NOW) -> dict[str, Any]:
        last = collection.last("cam1")
        found = node_ledger.since(self.paths, last.sequence, last.digest)
        # Through JSON, as a result of a module.
        return collection.take("cam1", SITE, json.loads(json.dumps({**found, "status": running()})), now)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "node")


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return Collection(str(tmp_path / "fleet-ledger"))


def text(collection: Collection, name: str = "ledger.jsonl") -> str:
    return (collection.path / "cam1" / name).read_text(encoding="utf-8")


def test_only_what_is_new_comes_and_the_file_is_the_nodes_own(node: Node, collection: Collection) -> None:
    node.change(3)
    assert node.collect(collection) == {"new": 3, "sequence": 3, "changed": True, "said": ""}
    node.change(2)
    assert node.collect(collection)["new"] == 2
    assert text(collection) == Path(node.paths.ledger).read_text(encoding="utf-8")
    before = os.stat(collection.path / "cam1" / "ledger.jsonl")
    assert node.collect(collection, LATER) == {"new": 0, "sequence": 5, "changed": False, "said": ""}
    assert os.stat(collection.path / "cam1" / "ledger.jsonl").st_ino == before.st_ino, "written without need"
    record = collection.status("cam1")
    assert (record["time"], record["site"], record["ring"]) == ("2026-11-25T13:00:00Z", "kiruna", "canary")
    assert collection.hosts() == ["cam1"]


def test_a_directory_that_was_thrown_away_is_the_same_again(node: Node, collection: Collection, tmp_path: Path) -> None:
    for count in (1, 4, 2):
        node.change(count)
        node.collect(collection)
    again = Collection(str(tmp_path / "again"))
    node.collect(again)
    assert text(again) == text(collection)


def test_a_node_that_was_installed_anew_begins_a_new_ledger_and_the_old_one_is_kept(
    node: Node, collection: Collection
) -> None:
    node.change(3)
    node.collect(collection)
    old = text(collection)
    node.reinstall()
    found = node.collect(collection)
    assert "the node has begun a new ledger" in found["said"] and "kept as ledger-1.jsonl" in found["said"]
    assert (text(collection), text(collection, "ledger-1.jsonl")) == ("", old)
    # Also where the new one is longer by now, and a second time.
    node.change(5)
    assert node.collect(collection)["said"] == ""
    node.reinstall()
    node.change(8)
    found = node.collect(collection)
    assert "ledger-2.jsonl" in found["said"] and found["new"] == 8
    assert [entry["sequence"] for entry in collection.entries("cam1")] == [1, 2, 3, *range(1, 6), *range(1, 9)]
    assert [entry["sequence"] for entry in collection.entries("cam1", 2)] == [7, 8]


def test_a_run_that_was_cut_off_after_it_kept_the_old_one_does_not_keep_it_twice(
    node: Node, collection: Collection
) -> None:
    node.change(2)
    node.collect(collection)
    (collection.path / "cam1" / "ledger-1.jsonl").write_text(text(collection), encoding="utf-8")
    node.reinstall()
    node.change()
    assert "ledger-1.jsonl" in node.collect(collection)["said"]
    assert not (collection.path / "cam1" / "ledger-2.jsonl").exists()


@pytest.mark.parametrize("edit", [("0.0", "9.9"), ('{"schema"', "{schema")])
def test_a_collected_file_that_was_edited_is_collected_anew(
    node: Node, collection: Collection, edit: tuple[str, str]
) -> None:
    node.change(3)
    node.collect(collection)
    good = text(collection)
    (collection.path / "cam1" / "ledger.jsonl").write_text(good.replace(*edit, 1), encoding="utf-8")
    found = node.collect(collection)
    assert "changed by hand" in found["said"] and "edited.jsonl" in found["said"]
    assert text(collection) == good and len(collection.entries("cam1")) == 3


def test_a_ledger_that_was_edited_at_the_node_is_collected_as_far_as_it_holds(
    node: Node, collection: Collection
) -> None:
    node.change(5)
    path = Path(node.paths.ledger)
    path.write_text(
        path.read_text(encoding="utf-8").replace('"3.0"', '"9.9"').replace('"2.0"', '"8.8"'), encoding="utf-8"
    )
    for _time in range(2):
        found = node.collect(collection)
        assert "entry 4 does not follow entry 3" in found["said"] and "line 4 does not follow" in found["said"]
        assert "2 entries from there on were not collected" in found["said"]
    assert len(collection.entries("cam1")) == 3


def test_check_mode_writes_nothing(node: Node, tmp_path: Path) -> None:
    node.change(2)
    found = node.collect(Collection(str(tmp_path / "fleet-ledger"), write=False))
    assert found["new"] == 2 and not (tmp_path / "fleet-ledger").exists()


@given(st.lists(st.integers(0, 4), max_size=6), st.integers(0, 3))
def test_pieces_of_any_size_make_the_whole(sizes: list[int], extra: int) -> None:
    whole = ledger(sum(sizes) + extra)
    content, sequence = "", 0
    for size in [*sizes, extra]:
        joined = fleet_ledger.join(content, {"after": sequence, "entries": whole[sequence : sequence + size]})
        assert (joined.said, joined.before, joined.new) == ("", "", size)
        content, sequence = joined.text, sequence + size
        assert fleet_ledger.last(content).sequence == sequence
    assert fleet_ledger.entries(content) == whole


@pytest.mark.parametrize(
    ("came", "words"),
    [
        ([7], "what follows entry 2 is no entry"),
        ([{"sequence": "3", "previous": "x"}], "what follows entry 2 is no entry"),
        ([{"sequence": True, "previous": "x"}], "is no entry"),
        ([{"sequence": 3, "previous": "sha256:other"}], "entry 3 does not follow entry 2"),
        (ledger(1), "entry 1 does not follow entry 2"),
    ],
)
def test_what_does_not_follow_is_left_out(came: list[Any], words: str) -> None:
    have = "".join(fleet_ledger.line(entry) + "\n" for entry in ledger(2))
    joined = fleet_ledger.join(have, {"after": 2, "entries": came})
    assert (joined.text, joined.new) == (have, 0) and words in joined.said


@pytest.mark.parametrize(
    ("host", "words"), [("../etc", "cannot be the name"), ("a/b", "cannot be the name"), (".git", "cannot be the name")]
)
def test_a_host_name_leaves_the_directory_never(collection: Collection, host: str, words: str) -> None:
    with pytest.raises(CollectionError, match=words):
        collection.take(host, SITE, {"after": 0, "entries": [], "status": running()}, NOW)


def test_a_status_that_cannot_be_read_is_named_and_written_anew(node: Node, collection: Collection) -> None:
    node.collect(collection)
    path = collection.path / "cam1" / "status.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(CollectionError, match="is no status"):
        collection.status("cam1")
    assert node.collect(collection)["changed"] and collection.status("cam1")["site"] == "kiruna"


def test_what_a_newer_version_wrote_is_left_as_it_is(node: Node, collection: Collection) -> None:
    node.collect(collection)
    path = collection.path / "cam1" / "status.json"
    path.write_text('{"schema": 2}', encoding="utf-8")
    node.change()
    with pytest.raises(CollectionError, match="found schema 2, this version reads 1"):
        node.collect(collection)
    assert path.read_text(encoding="utf-8") == '{"schema": 2}' and text(collection) == ""


def git(path: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    return subprocess.run(
        ["git", "-C", str(path), *settings, *arguments], check=True, capture_output=True, text=True
    ).stdout


def test_it_commits_what_it_wrote_and_nothing_else(
    node: Node, collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{key}_NAME", "t")
        monkeypatch.setenv(f"GIT_{key}_EMAIL", "t@example.com")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    node.change(2)
    node.collect(collection)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "no git repository" in collection.commit("x")
    git(tmp_path, "init", "-q")
    (tmp_path / "other").write_text("mine", encoding="utf-8")
    git(tmp_path, "add", "other")
    assert collection.commit("Collect 1 node").startswith("committed: ")
    assert git(tmp_path, "show", "--format=%s", "--name-only").split("\n")[0] == "Collect 1 node"
    assert "other" not in git(tmp_path, "show", "--format=", "--name-only")
    with pytest.raises(CollectionError, match="git commit failed"):
        collection.commit("nothing is new")
