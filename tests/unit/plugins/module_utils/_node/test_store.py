# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""State and results on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core.state import Entry, Journal, State
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths
from ansible_collections.physical_ai.edge.plugins.module_utils._node.store import KEEP_RESULTS, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Paths(str(tmp_path)))


def test_the_end_of_a_change_and_its_result_are_one_write(store: Store) -> None:
    state = State(journal=Journal("a1", "quality", "1.0", "commit", "boot", [Entry("front", stopping=True)]))
    store.save(state)
    assert store.load().journal == state.journal
    store.close(state, "quality", {"id": "a1", "class": "success"})
    found = store.load()
    assert found.journal is None
    assert found.tenants["quality"].last == {"id": "a1", "class": "success"}


def test_what_a_cut_left_beside_the_state_is_not_read(store: Store, tmp_path: Path) -> None:
    store.save(State(sequence=3))
    (tmp_path / "var/lib/physical-ai/.state.json.new").write_text('{"sequence": 4', encoding="utf-8")
    assert store.load().sequence == 3


def test_a_torn_state_is_refused_and_left(store: Store, tmp_path: Path) -> None:
    store.save(State())
    path = tmp_path / "var/lib/physical-ai/state.json"
    path.write_text(path.read_text(encoding="utf-8")[:40], encoding="utf-8")
    with pytest.raises(NodeError, match="left as it is"):
        store.load()
    assert len(path.read_text(encoding="utf-8")) == 40


def test_the_newest_result_stays_although_the_clock_was_set_back(store: Store) -> None:
    for number in range(KEEP_RESULTS):
        store.write_result(f"old-{number}", {})
        os.utime(store.result_path(f"old-{number}"), (2e9, 2e9 + number))
    store.write_result("new", {"class": "success"})
    assert os.path.exists(store.result_path("new"))
    store.write_result("newer", {})
    assert len(os.listdir(os.path.dirname(store.result_path("new")))) <= KEEP_RESULTS + 1
