# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A slot, cut off at every step and at every call that changes a file: the whole old set or the whole new one is in use."""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._node import files, slot
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.slot import File, Hooks, Reverted, Slot

POINTS = [f"{step}:{when}" for step in slot.STEPS for when in ("before", "after")]
BACK_POINTS = [f"{step}:{when}" for step in slot.BACK_STEPS for when in ("before", "after")]
CHANGING = ("rename", "replace", "symlink", "unlink", "mkdir", "fchmod", "chmod")


class KillError(BaseException):
    """The program ends here, with nothing cleaned up."""


class Service:
    """Reads the files when it is told to; `bad` are versions that it does not take into use."""

    def __init__(self, place: Slot, bad: t.Collection[str] = ()) -> None:
        self.place = place
        self.bad = bad
        self.serves = "old"
        self.reloads = 0

    def reload(self) -> None:
        self.reloads += 1
        self.serves = (self.place.read("a") or b"").decode()

    def prove(self, identity: str) -> None:
        wanted = (Path(self.place.path(identity)) / "a").read_text(encoding="ascii")
        if self.serves != wanted or self.serves in self.bad:
            raise NodeError("probe", f"it serves {self.serves}")

    def hooks(self, reach: t.Callable[[str], None] = lambda point: None) -> Hooks:
        return Hooks(reach=reach, reload=self.reload, prove=self.prove)


def content(word: str) -> t.Dict[str, File]:
    return {"a": File(word.encode()), "b": File(word.encode(), 0o600)}


@pytest.fixture(name="place")
def fixture_place(tmp_path: Path) -> Slot:
    place = Slot(str(tmp_path / "slot"))
    slot.replace(place, "old", content("old"), Hooks())
    return place


def shown(place: Slot) -> str:
    """What whoever opens the files sees; both of one version, or this fails."""
    words = {(place.read(name) or b"nothing").decode() for name in ("a", "b")}
    assert len(words) == 1, words
    return words.pop()


def die_at(point: str) -> t.Callable[[str], None]:
    def reach(here: str) -> None:
        if here == point:
            raise KillError

    return reach


def well(place: Slot, service: Service) -> None:
    assert shown(place) == service.serves == place.current()
    assert place.journal() is None
    assert place.versions() == [place.current()]
    assert sorted(os.listdir(place.directory)) == ["current", "versions"]
    assert os.readlink(place.directory + "/current") == "versions/" + place.current()


def test_replaces_a_version(place: Slot) -> None:
    service = Service(place)
    reached: t.List[str] = []
    slot.replace(place, "new", content("new"), service.hooks(reached.append))
    assert reached == POINTS and service.reloads == 1 and service.serves == "new"
    well(place, service)
    assert (os.stat(place.directory + "/current/b").st_mode & 0o777) == 0o600
    assert (os.stat(place.directory + "/current/a").st_mode & 0o777) == 0o444


@pytest.mark.parametrize("point", POINTS)
def test_cut_off_at_any_step(place: Slot, point: str) -> None:
    service = Service(place)
    with pytest.raises(KillError):
        slot.replace(place, "new", content("new"), service.hooks(die_at(point)))
    assert shown(place) in ("old", "new")
    slot.recover(place, service.hooks())
    assert place.current() == ("new" if point == "commit:after" else "old")
    well(place, service)
    slot.replace(place, "newer", content("newer"), service.hooks())
    well(place, service)


@pytest.mark.parametrize("point", BACK_POINTS)
def test_cut_off_on_the_way_back(place: Slot, point: str) -> None:
    service = Service(place, bad=["new"])
    with pytest.raises(KillError):
        slot.replace(place, "new", content("new"), service.hooks(die_at(point)))
    with pytest.raises(KillError) if point != "back_commit:after" else pytest.raises(AssertionError):  # and once more
        assert slot.recover(place, service.hooks(die_at(point))) is not None
    slot.recover(place, service.hooks())
    assert place.current() == "old"
    well(place, service)


@pytest.mark.parametrize("point", POINTS)
def test_the_next_replacement_needs_no_recovery(place: Slot, point: str) -> None:
    service = Service(place)
    with pytest.raises(KillError):
        slot.replace(place, "new", content("new"), service.hooks(die_at(point)))
    slot.replace(place, "newer", content("newer"), service.hooks())
    assert service.serves == "newer"
    well(place, service)


def cutting(real: t.Callable[..., t.Any], left: t.List[int], when: str) -> t.Callable[..., t.Any]:
    """The function, and a cut before or after its call that is the last of `left`."""

    def cut(*arguments: t.Any, **more: t.Any) -> t.Any:
        left[0] -= 1
        if left[0] == 0 and when == "before":
            raise KillError
        found = real(*arguments, **more)
        if left[0] == 0:
            raise KillError
        return found

    return cut


@pytest.mark.must_show("D3")
@pytest.mark.parametrize("name", CHANGING)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("bad", [(), ("new",)])
def test_cut_off_at_any_change_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, when: str, bad: t.Tuple[str, ...]
) -> None:
    """The n-th call of a function, for every n until it is not called that often."""
    real = getattr(os, name)
    for number in range(1, 50):
        place = Slot(str(tmp_path / str(number)))
        slot.replace(place, "old", content("old"), Hooks())
        service, left = Service(place, bad), [number]

        monkeypatch.setattr(os, name, cutting(real, left, when))
        with contextlib.suppress(KillError, NodeError):
            slot.replace(place, "new", content("new"), service.hooks())
        monkeypatch.setattr(os, name, real)
        assert shown(place) in ("old", "new")
        slot.recover(place, service.hooks())
        assert shown(place) == service.serves and service.serves not in bad
        assert place.journal() is None
        slot.replace(place, "newer", content("newer"), service.hooks())
        well(place, service)
        if left[0] > 0:
            assert number > 1 or name == "mkdir"
            return
    raise AssertionError("there is no end")


def test_the_first_version_that_does_not_work_leaves_nothing(tmp_path: Path) -> None:
    place = Slot(str(tmp_path / "slot"))
    service = Service(place, bad=["new"])
    with pytest.raises(Reverted) as caught:
        slot.replace(place, "new", content("new"), service.hooks())
    assert not caught.value.broken and caught.value.message == "it serves new"
    assert place.current() == "" and place.versions() == [] and place.journal() is None
    slot.replace(place, "newer", content("newer"), service.hooks())
    well(place, service)


def test_what_does_not_work_is_taken_back(place: Slot) -> None:
    service = Service(place, bad=["new"])
    with pytest.raises(Reverted) as caught:
        slot.replace(place, "new", content("new"), service.hooks())
    assert caught.value.cause == "probe" and not caught.value.broken
    assert service.reloads == 2
    well(place, service)


def test_a_way_back_that_fails_is_gone_again(place: Slot) -> None:
    service = Service(place, bad=["new", "old"])
    with pytest.raises(Reverted) as caught:
        slot.replace(place, "new", content("new"), service.hooks())
    assert caught.value.broken and shown(place) == "old"
    with pytest.raises(Reverted, match="the old version is in place, but it serves old"):
        slot.recover(place, service.hooks())
    service.bad = ()
    assert slot.recover(place, service.hooks()) == {"schema": 1, "from": "old", "to": "new"}
    well(place, service)


def test_what_is_refused_before_it_begins_changes_nothing(place: Slot) -> None:
    def verify() -> None:
        raise NodeError("verify", "no")

    with pytest.raises(NodeError) as caught:
        slot.replace(place, "new", content("new"), Hooks(verify=verify))
    assert not isinstance(caught.value, Reverted)
    assert place.versions() == ["old"] and shown(place) == "old"


@pytest.mark.parametrize("name", ["mkdir", "symlink", "fsync", "rename"])
def test_a_full_disk_leaves_the_old_version(place: Slot, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Every call of one kind fails; the way back must need none of those that want room."""
    service = Service(place)

    def full(*dummy: t.Any, **dummy2: t.Any) -> t.NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, name, full)
        with pytest.raises(NodeError) as caught:
            slot.replace(place, "new", content("new"), service.hooks())
        assert "disk is full" in caught.value.message
    slot.recover(place, service.hooks())
    well(place, service)


def test_the_way_back_needs_no_room(place: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(place, bad=["new"])

    def full(*dummy: t.Any, **dummy2: t.Any) -> t.NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    def reach(point: str) -> None:
        if point == "prove:before":
            for name in ("symlink", "mkdir", "link"):
                monkeypatch.setattr(os, name, full)
            monkeypatch.setattr(files, "write_atomic", full)

    with pytest.raises(Reverted) as caught:
        slot.replace(place, "new", content("new"), service.hooks(reach))
    assert not caught.value.broken
    well(place, service)


@pytest.mark.parametrize("name", ["rename", "unlink"])
def test_a_disk_that_cannot_be_written_is_said_in_one_line(
    place: Slot, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    service = Service(place)
    with pytest.raises(KillError):
        slot.replace(place, "new", content("new"), service.hooks(die_at("switch:after")))

    def read_only(*dummy: t.Any, **dummy2: t.Any) -> t.NoReturn:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr(os, name, read_only)
        with pytest.raises(NodeError, match="Read-only file system"):
            slot.recover(place, service.hooks())
    slot.recover(place, service.hooks())
    well(place, service)


def test_an_id_stands_for_its_content(place: Slot) -> None:
    slot.replace(place, "old", content("old"), Hooks())
    with pytest.raises(NodeError, match="with other content"):
        place.add("old", content("other"))
    for name in ("../x", ".hidden", "a/b", ""):
        with pytest.raises(NodeError, match="is no name"):
            place.add(name, content("x"))
