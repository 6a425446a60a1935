# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person at the machine holds back and lets go, and that it is written down."""

from __future__ import annotations

import json
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core.state import Entry, Journal, State
from ansible_collections.physical_ai.edge.plugins.module_utils._node import (
    holds,
    ledger,
    ledger_command,
    status_command,
)
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths
from ansible_collections.physical_ai.edge.plugins.module_utils._node.node import Node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(Paths(str(tmp_path)))


def written(node: Node) -> t.List[t.Tuple[str, ...]]:
    return [(item["kind"], item["scope"], item["who"], *item.get("what", [])) for item in ledger.read(node.paths)]


def lock(node: Node) -> Path:
    path = Path(node.paths.update_lock("quality", "app"))
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def under_way(node: Node, step: str = "hold") -> None:
    node.store.save(State(journal=Journal("c1", "quality", "2.0", step, "boot", [Entry("app")])))


def test_a_hold_and_its_end_are_written_down(node: Node) -> None:
    holds.hold(node, "quality", "shift 2", "anna")
    assert holds.covering(node, "quality/app") == [{"scope": "quality", "reason": "shift 2", "who": "anna"}]
    assert holds.release(node, "quality", "bo") == ["released: quality"]
    assert holds.release(node, "quality", "bo") == ["'quality' was not held"]
    assert written(node) == [("hold", "quality", "anna"), ("release", "quality", "bo", "hold")]


def test_a_workloads_lock_goes_too_and_another_hold_stays(node: Node) -> None:
    holds.hold(node, "all", "audit", "anna")
    lock(node).write_text("", encoding="utf-8")
    (said,) = holds.release(node, "quality/app", "bo")
    assert said.startswith("unlocked: quality/app")
    assert not lock(node).exists()
    assert [item["scope"] for item in holds.covering(node, "quality/app")] == ["all"]
    assert written(node)[-1] == ("release", "quality/app", "bo", "lock")


def test_only_a_workloads_own_release_takes_its_lock(node: Node) -> None:
    lock(node).write_text("", encoding="utf-8")
    for scope in ("quality", "all", "every", "quality/other", "../quality/app", "quality/app/..", "/"):
        holds.release(node, scope, "bo")
    assert lock(node).exists() and written(node) == []


@pytest.mark.parametrize("kind", ["directory", "link"])
def test_a_lock_of_any_make_can_be_taken_away(node: Node, kind: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine").write_text("", encoding="utf-8")
    if kind == "directory":
        (lock(node) / "inside").mkdir(parents=True)
    else:
        lock(node).symlink_to(other)
    holds.release(node, "quality/app", "bo")
    assert not lock(node).exists() and not lock(node).is_symlink()
    assert (other / "mine").exists()


def test_now_is_said_of_the_change_that_waits(node: Node) -> None:
    under_way(node)
    lock(node).write_text("", encoding="utf-8")
    said = holds.release(node, "quality/app", "bo", now=True)
    assert said[-1] == "the change under way does not wait for quality/app any longer"
    path = Path(node.paths.go_ahead("quality", "app"))
    assert json.loads(path.read_text(encoding="utf-8")) == {"id": "c1", "who": "bo"}
    (entry,) = ledger.read(node.paths)
    assert (entry["what"], entry["id"]) == (["lock", "now"], "c1")


@pytest.mark.parametrize(
    ("step", "scope", "words"),
    [
        ("", "quality/app", "no change of quality/app under way"),
        ("hold", "quality/other", "no change of quality/other under way"),
        ("hold", "other/app", "no change of other/app under way"),
        ("hold", "quality", "wanted TENANT/WORKLOAD"),
        ("hold", "all", "wanted TENANT/WORKLOAD"),
        ("start_new", "quality/app", "does not wait any longer: it is at step start_new"),
    ],
)
def test_now_without_a_change_that_waits_changes_nothing(node: Node, step: str, scope: str, words: str) -> None:
    if step:
        under_way(node, step)
    holds.hold(node, scope, "x", "anna")
    lock(node).write_text("", encoding="utf-8")
    with pytest.raises(NodeError, match=words):
        holds.release(node, scope, "bo", now=True)
    assert node.store.holds() and lock(node).exists()
    assert not Path(node.paths.go_ahead("quality")).exists()


def test_a_ledger_that_cannot_be_written_does_not_keep_a_person_from_releasing(node: Node) -> None:
    holds.hold(node, "quality", "x", "anna")
    path = Path(node.paths.ledger)
    path.unlink()
    path.mkdir()
    said = holds.release(node, "quality", "bo")
    assert said[0] == "released: quality" and said[1].startswith("not written down: ")
    assert node.store.holds() == []


def test_many_writers_make_one_chain(node: Node) -> None:
    """A change and people write at the same time."""

    def write(number: int) -> None:
        for _count in range(20):
            ledger.append(node.paths, "hold", scope=f"t{number}", reason="x", who="anna")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = ledger.read(node.paths)
    assert [item["sequence"] for item in entries] == list(range(1, 81))
    assert ledger.broken(node.paths) == ""


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            {"kind": "alarm", "tenant": "q", "workload": "app", "what": "idle probe", "reason": "coil 3 is 0", "waited": 600.0, "then": "held"},
            "q/app waited 600 s for its idle probe: coil 3 is 0; then held",
        ),
        ({"kind": "hold", "scope": "q", "who": "anna", "reason": "shift"}, "q by anna: shift"),
        ({"kind": "release", "scope": "q/app", "who": "bo", "what": ["lock", "now"]}, "q/app by bo: lock, now"),
    ],
)  # fmt: skip
def test_the_ledger_in_words(entry: t.Dict[str, t.Any], words: str) -> None:
    assert ledger_command.entry(entry) == words


def test_status_says_what_is_waited_for() -> None:
    row = {"workload": "app", "what": "idle probe", "reason": "coil 3 is 0", "since": 0, "until": 600, "then": "held"}
    change = {"id": "c", "tenant": "q", "release": "2", "step": "hold", "waiting": [row]}
    found = {"engine": "up", "tenants": {}, "devices": [], "holds": [], "changes": [change]}
    lines = list(status_command.lines(found))
    assert lines[1] == "under way: release 2 of q, at step hold"
    assert lines[2].startswith("waiting for q/app (idle probe): coil 3 is 0; since ")
    assert lines[2].endswith(" at the latest, then held")
