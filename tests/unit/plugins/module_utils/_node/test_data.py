# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data of volumes: copied before a swap, put back by renames, whatever point a power cut came at."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import spec, state
from ansible_collections.physical_ai.edge.plugins.module_utils._node import data
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths
from tests.unit.plugins.module_utils._core.specs import workload

VOLUMES = [
    {"name": "state", "mount": "/data", "size": "1m", "snapshot": "before_swap"},
    {"name": "cache", "mount": "/cache", "size": "1m"},
]


class Volume:
    """One workload's volumes below a folder of the test, and a change of it in flight."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths(str(root))
        (self.spec,) = spec.render([workload(volumes=VOLUMES)])
        user = f"{os.getuid()}:{os.getgid()}"
        self.data = Path(data.prepare(self.paths, "t", self.spec, user)["state"])
        (self.data / "schema").write_text("1", encoding="utf-8")
        planned = data.planned(self.paths, "t", self.spec, 7)
        self.entry = state.Entry("app", new=self.deployment(), started=True, snapshots=planned)

    def deployment(self, **more: t.Any) -> state.Deployment:
        return state.Deployment(self.spec, "sha256:x", "edge-t-app-1", "sha256:1", "1", 1, **more)

    def snapshot(self) -> None:
        assert data.snapshot(self.paths, "t", self.spec, 7) == self.entry.snapshots

    def migrate(self) -> None:
        (self.data / "schema").write_text("2", encoding="utf-8")

    @property
    def schema(self) -> str:
        return (self.data / "schema").read_text(encoding="utf-8")

    @property
    def beside(self) -> t.Set[str]:
        return set(os.listdir(str(self.data.parent))) - {"data"}


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path)


def test_only_volumes_that_ask_for_it_are_copied(volume: Volume) -> None:
    assert list(volume.entry.snapshots) == ["state"]
    volume.snapshot()
    assert volume.beside == {"snapshot-7"}


def test_data_comes_back_and_again_after_a_power_cut(volume: Volume) -> None:
    volume.snapshot()
    volume.migrate()
    for dummy in range(3):
        assert data.put_back(volume.entry) == []
        assert (volume.schema, volume.beside) == ("1", set())


def test_data_comes_back_from_between_the_two_renames(volume: Volume) -> None:
    volume.snapshot()
    volume.migrate()
    volume.data.rename(volume.data.with_name("discard"))
    assert data.put_back(volume.entry) == []
    assert (volume.schema, volume.beside - {"discard"}) == ("1", set())


def test_a_copy_that_was_not_finished_is_thrown_away_and_the_data_stays(volume: Volume) -> None:
    os.makedirs(volume.entry.snapshots["state"] + ".new")
    volume.entry.started = False
    assert data.put_back(volume.entry) == []
    assert (volume.schema, volume.beside) == ("1", set())


def test_before_the_new_version_started_the_data_is_that_of_the_old_one(volume: Volume) -> None:
    volume.snapshot()
    (volume.data / "schema").write_text("newer than the copy", encoding="utf-8")
    volume.entry.started = False
    assert data.put_back(volume.entry) == []
    assert (volume.schema, volume.beside) == ("newer than the copy", set())


def test_data_that_is_nowhere_is_said(volume: Volume) -> None:
    volume.data.rename(volume.data.with_name("stolen"))
    (line,) = data.put_back(volume.entry)
    assert "volume state: neither" in line


def test_a_volume_that_the_change_would_have_made_is_not_missed(volume: Volume) -> None:
    volume.data.rename(volume.data.with_name("never-made"))
    volume.entry.started = False
    assert data.put_back(volume.entry) == []


def test_a_person_takes_a_version_back_with_its_data_and_the_copy_stays(volume: Volume) -> None:
    volume.snapshot()
    volume.migrate()
    previous = volume.deployment(snapshots=volume.entry.snapshots)
    data.exchange(volume.paths, "t", previous)
    assert (volume.schema, volume.beside) == ("1", {"snapshot-7"})
    data.collect(volume.paths, [previous])
    assert volume.beside == {"snapshot-7"}
    data.collect(volume.paths, [])
    assert (volume.schema, volume.beside) == ("1", set())
    with pytest.raises(NodeError, match=r"volume state: the copy from before the last change.*is gone"):
        data.exchange(volume.paths, "t", previous)


def test_what_a_copy_left_half_done_is_collected(volume: Volume) -> None:
    for name in ("snapshot-3.new", "data.new", "discard"):
        (volume.data.parent / name).mkdir()
    data.collect(volume.paths, [])
    assert (volume.schema, volume.beside) == ("1", set())


def test_a_volume_whose_data_is_under_way_is_not_made_anew(volume: Volume) -> None:
    """Between the renames there is no `data`: an empty one in its place would be taken for it."""
    volume.snapshot()
    volume.data.rename(volume.data.with_name("discard"))
    data.prepare(volume.paths, "t", volume.spec, "")
    assert not volume.data.exists()
