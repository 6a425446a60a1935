# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models come onto a node whole and right whatever the link does, and stay as long as somebody needs them."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import state as _state
from ansible_collections.physical_ai.edge.plugins.module_utils._node import download, files, model_requests, models
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths
from ansible_collections.physical_ai.edge.plugins.module_utils._node.node import Node
from tests.unit.plugins.module_utils._node.file_server import Behaviour, served

CONTENT = bytes(range(256)) * 40
DEAD = "http://127.0.0.1:9/"  # nobody listens at discard


def model(source: str, content: bytes = CONTENT, **more: t.Any) -> t.Dict[str, t.Any]:
    return {
        "name": "digits",
        "version": "7",
        "source": source,
        "sha256": hashlib.sha256(content).hexdigest(),
        "mirrors": [],
        **more,
    }


def no_pause(dummy: float) -> None:
    """Tests do not wait."""


def bring(paths: Paths, wanted: t.Mapping[str, t.Any]) -> str:
    return models.bring(paths, wanted, no_pause)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path))


def left(paths: Paths) -> t.List[str]:
    return sorted(os.listdir(paths.model_parts)) if os.path.isdir(paths.model_parts) else []


def test_a_model_is_read_only_under_its_digest(paths: Paths) -> None:
    how = Behaviour(CONTENT)
    with served(how) as address:
        directory = bring(paths, model(address + "model.bin"))
        assert directory == f"{paths.models}/{hashlib.sha256(CONTENT).hexdigest()}"
        assert Path(directory, "model.bin").read_bytes() == CONTENT
        assert stat.S_IMODE(os.stat(directory).st_mode) == 0o555
        assert stat.S_IMODE(os.stat(f"{directory}/model.bin").st_mode) == 0o444
        assert left(paths) == []
        bring(paths, model(address + "model.bin"))
    assert len(how.asked) == 1, "what is here is not fetched again"


def test_the_same_content_under_another_name_is_one_file_with_two(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(CONTENT)
    directory = bring(paths, model(str(tmp_path / "model.bin")))
    bring(paths, model(str(tmp_path / "gone.bin"), file="best.bin"))
    assert sorted(os.listdir(directory)) == ["best.bin", "model.bin"]
    assert os.stat(f"{directory}/best.bin").st_nlink == 2
    assert stat.S_IMODE(os.stat(directory).st_mode) == 0o555


def test_a_redirect_is_followed_with_the_range(paths: Paths) -> None:
    how = Behaviour(CONTENT, cuts=[100])
    with served(how) as address:
        bring(paths, model(address + "moved/model.bin"))
    assert [item.get("range") for item in how.asked if item["path"] == "/model.bin"] == [None, "bytes=100-"]


@settings(max_examples=40)
@given(
    cuts=st.lists(st.integers(0, len(CONTENT)), max_size=4),
    ranges=st.booleans(),
    etag=st.sampled_from([None, '"one"', 'W/"weak"']),
    length=st.booleans(),
)
def test_cut_anywhere_it_comes_whole(cuts: t.List[int], ranges: bool, etag: t.Optional[str], length: bool) -> None:
    how = Behaviour(CONTENT, ranges=ranges, etag=etag, length=length, cuts=list(cuts))
    with tempfile.TemporaryDirectory() as root, served(how) as address:
        paths = Paths(root)
        directory = bring(paths, model(address + "model.bin"))
        assert Path(directory, "model.bin").read_bytes() == CONTENT
        assert left(paths) == []


@settings(max_examples=30)
@given(at=st.integers(1, len(CONTENT) - 1))
def test_what_has_come_is_not_fetched_again(at: int) -> None:
    how = Behaviour(CONTENT, cuts=[at])
    with tempfile.TemporaryDirectory() as root, served(how) as address:
        bring(Paths(root), model(address + "model.bin"))
    assert how.sent == len(CONTENT)
    assert (how.asked[1]["range"], how.asked[1]["if-range"]) == (f"bytes={at}-", '"one"')


@settings(max_examples=30)
@given(torn=st.binary(max_size=2 * len(CONTENT)), about=st.sampled_from(["", "{", '{"address": "x"}', None]))
def test_whatever_a_power_cut_left_never_becomes_a_model(torn: bytes, about: t.Optional[str]) -> None:
    how = Behaviour(CONTENT)
    with tempfile.TemporaryDirectory() as root, served(how) as address:
        paths, wanted = Paths(root), model(address + "model.bin")
        os.makedirs(paths.model_parts)
        part = Path(paths.model_parts, wanted["sha256"] + ".part")
        part.write_bytes(torn)
        if about is not None:
            Path(str(part) + ".json").write_text(about, encoding="utf-8")
        directory = bring(paths, wanted)
        assert Path(directory, "model.bin").read_bytes() == CONTENT


def test_a_half_made_directory_is_not_a_model(paths: Paths) -> None:
    how = Behaviour(CONTENT)
    with served(how) as address:
        wanted = model(address + "model.bin")
        os.makedirs(models.directory(paths, wanted) + ".new")
        assert models.present(paths) == []
        bring(paths, wanted)
    assert models.present(paths) == [wanted["sha256"]]


def test_a_whole_part_needs_no_server(paths: Paths) -> None:
    wanted = model(DEAD + "model.bin")
    os.makedirs(paths.model_parts)
    Path(paths.model_parts, wanted["sha256"] + ".part").write_bytes(CONTENT)
    bring(paths, wanted)


def test_a_file_that_changed_meanwhile_comes_whole(paths: Paths) -> None:
    """The tag is another one: the server sends all of it, and what came before is not mixed in."""
    how = Behaviour(CONTENT, cuts=[500], bodies=[b"old" * 5000, CONTENT], etags=['"old"', '"new"'])
    with served(how) as address:
        bring(paths, model(address + "model.bin"))
    assert [item.get("if-range") for item in how.asked] == [None, '"old"']


def test_a_server_that_lies_about_ranges_is_asked_for_all(paths: Paths) -> None:
    how = Behaviour(CONTENT, cuts=[500], shift=7)
    with served(how) as address:
        bring(paths, model(address + "model.bin"))
    assert "range" not in how.asked[-1]


def test_a_mix_of_two_files_is_found_out_and_fetched_as_a_whole(paths: Paths) -> None:
    """No tag, and the file changed between the cut and the rest: only the digest can tell."""
    how = Behaviour(CONTENT, etag=None, cuts=[500], bodies=[b"\0" * len(CONTENT), CONTENT])
    with served(how) as address:
        bring(paths, model(address + "model.bin"))
    assert [item.get("range") for item in how.asked] == [None, "bytes=500-", None]


# -- classes of errors


def test_the_network_is_tried_again_with_longer_and_longer_pauses(paths: Paths) -> None:
    pauses: t.List[float] = []
    with pytest.raises(NodeError, match=r"cannot be fetched: .*refused.*5 tries in a row.*What runs is left") as caught:
        models.bring(paths, model(DEAD + "model.bin"), pauses.append)
    assert caught.value.cause == "fetch"
    assert len(pauses) == download.TRIES - 1
    assert all(0.5 * 2**number <= pause <= 2**number for number, pause in enumerate(pauses, 1))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(paths: Paths, status: int) -> None:
    how = Behaviour(CONTENT, statuses=[status, status])
    with served(how) as address:
        bring(paths, model(address + "model.bin"))
    assert len(how.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_clear_no_is_taken_for_one(paths: Paths, status: int) -> None:
    how = Behaviour(CONTENT, statuses=[status] * 3)
    with served(how) as address, pytest.raises(NodeError, match=f"model digits 7: .*answers {status}") as caught:
        bring(paths, model(address + "model.bin?token=geheim"))
    assert (caught.value.cause, len(how.asked)) == ("fetch", 1)
    assert "geheim" not in caught.value.message


def test_another_file_is_fetched_once_and_not_kept(paths: Paths) -> None:
    how = Behaviour(b"x" * 300)
    with served(how) as address, pytest.raises(
        NodeError, match=r"has sha256 .* is wanted: publish the right"
    ) as caught:
        bring(paths, model(address + "model.bin"))
    assert (caught.value.cause, len(how.asked), left(paths)) == ("verify", 1, [])
    assert models.present(paths) == []


def test_a_cut_link_leaves_its_part_for_the_next_try(paths: Paths) -> None:
    how = Behaviour(CONTENT, cuts=[700, *[0] * 20])
    with served(how) as address:
        with pytest.raises(NodeError, match="the connection was cut"):
            bring(paths, model(address + "model.bin"))
        how.cuts.clear()
        bring(paths, model(address + "model.bin"))
    assert how.sent == len(CONTENT)


# -- mirrors and paths


def test_mirrors_come_first_and_go_on_where_one_was_cut(paths: Paths) -> None:
    mirror, source = Behaviour(CONTENT, cuts=[900, *[0] * 20]), Behaviour(CONTENT)
    with served(mirror) as near, served(source) as far:
        bring(paths, model(far + "model.bin", mirrors=[DEAD, near]))
    assert mirror.asked and source.sent == len(CONTENT) - 900
    assert "if-range" not in source.asked[0], "another server's tag says nothing"


@pytest.mark.parametrize("bad", [Behaviour(b"other"), Behaviour(CONTENT, statuses=[404])], ids=["wrong", "absent"])
def test_a_mirror_that_is_wrong_does_not_hinder(paths: Paths, bad: Behaviour, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(CONTENT)
    with served(bad) as near:
        bring(paths, model(f"file://{tmp_path}/model.bin", mirrors=[near]))


def test_every_address_that_failed_is_told(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"other")
    wanted = model(f"{tmp_path}/model.bin", mirrors=[f"file://{tmp_path}/none/"])
    with pytest.raises(NodeError, match=r"none/model\.bin is not on this node.*; .*model\.bin has sha256") as caught:
        bring(paths, wanted)
    assert caught.value.cause == "verify"


def test_the_size_of_what_is_copied_is_known_before(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(CONTENT)
    there, away = str(tmp_path / "model.bin"), str(tmp_path / "away.bin")
    assert models.local_size(paths, model(there)) == len(CONTENT)
    assert models.local_size(paths, model(away, mirrors=[there])) == len(CONTENT)
    assert models.local_size(paths, model(away, mirrors=["http://mirror/"])) == 0
    with pytest.raises(NodeError, match=r"away\.bin is not on this node: copy it there"):
        models.local_size(paths, model(away))
    bring(paths, model(there))
    assert models.local_size(paths, model(there)) == 0


# -- disk


def test_a_full_disk_says_so_and_keeps_no_part(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def append(self: download.Part, chunk: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with served(Behaviour(CONTENT, cuts=[500])) as address:
        monkeypatch.setattr(download.Part, "append", append)
        with pytest.raises(NodeError, match=r"disk is full.*removed again.*Free some") as caught:
            bring(paths, model(address + "model.bin"))
    assert (caught.value.cause, left(paths)) == ("disk", [])


def put(paths: Paths, content: bytes, age: float = 0.0) -> str:
    """A model that is here, used last so long ago."""
    source = Path(paths.root, "source.bin")
    source.write_bytes(content)
    wanted = model(str(source), content)
    os.utime(bring(paths, wanted), (2e9 - age, 2e9 - age))
    return wanted["sha256"]


@pytest.fixture
def disk(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., None]:
    """A disk of 1000 blocks; each model of the store takes 100 of it."""

    def have(taken: int) -> None:
        def free(dummy: str) -> t.Tuple[int, int]:
            return 1000 - taken - 100 * len(models.present(paths)), 1000

        monkeypatch.setattr(files, "free_bytes", free)

    return have


def test_room_is_made_of_unused_models_oldest_first(paths: Paths, disk: t.Callable[..., None]) -> None:
    old, young, middle = put(paths, b"1", 30), put(paths, b"2", 10), put(paths, b"3", 20)
    disk(500)
    with served(Behaviour(b"x" * 340)) as address:
        found = os.path.basename(bring(paths, model(address + "model.bin", b"x" * 340)))
    assert old not in models.present(paths) and middle not in models.present(paths)
    assert set(models.present(paths)) == {young, found}


def test_where_no_room_can_be_made_nothing_is_fetched(paths: Paths, disk: t.Callable[..., None]) -> None:
    pinned = put(paths, b"1", 30)
    models.save_pins(paths, [{"name": "digits", "version": "7", "sha256": pinned}])
    disk(700)
    how = Behaviour(b"x" * 340)
    with served(how) as address, pytest.raises(
        NodeError, match=r"are needed, .* are free at .*free some disk"
    ) as caught:
        bring(paths, model(address + "model.bin", b"x" * 340))
    assert (caught.value.cause, models.present(paths), left(paths)) == ("disk", [pinned], [])


def using(sha256: str, name: str = "app") -> _state.State:
    spec = {"models": [{"name": "digits", "version": "7", "sha256": sha256}]}
    have = _state.State()
    deployment = _state.Deployment(spec, "sha256:s", "edge-t-app-1", "i", "1.0", 1)
    have.tenant("t").workloads[name] = _state.Workload(current=deployment)
    return have


def test_unused_models_stay_until_disk_is_short(paths: Paths, disk: t.Callable[..., None]) -> None:
    used, spare = put(paths, b"1", 50), put(paths, b"2", 30)
    disk(0)
    assert models.collect(paths, using(used)) == [] and len(models.present(paths)) == 2
    disk(750)
    assert models.collect(paths, using(used)) == [spare]
    assert models.present(paths) == [used], "what is used stays although disk is short"


def test_all_unused_models_go_when_asked(paths: Paths) -> None:
    used, spare, pinned = put(paths, b"1"), put(paths, b"2"), put(paths, b"3")
    models.save_pins(paths, [{"name": "x", "version": "1", "sha256": pinned}])
    assert models.collect(paths, using(used), everything=True) == [spare]
    assert set(models.present(paths)) == {used, pinned}


def test_old_parts_and_half_made_directories_go(paths: Paths) -> None:
    os.makedirs(paths.model_parts)
    os.makedirs(f"{paths.models}/{'b' * 64}.new")
    for name, age in (("a" * 64, 8 * 86400), ("c" * 64, 60)):
        path = Path(paths.model_parts, name + ".part")
        path.write_bytes(b"x")
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    models.collect(paths, _state.State())
    assert left(paths) == ["c" * 64 + ".part"] and os.listdir(paths.models) == []


# -- asked for by themselves


@pytest.fixture
def node(paths: Paths) -> Node:
    return Node(paths)


def ask(node: Node, source: str, state: str = "present", **more: t.Any) -> t.Dict[str, t.Any]:
    data = {**model(source), "state": state, **more}
    return model_requests.carry_out(node, data)


def test_a_model_is_pinned_once_and_let_go_once(node: Node, tmp_path: Path) -> None:
    source = tmp_path / "model.bin"
    source.write_bytes(CONTENT)
    foreseen = ask(node, str(source), check=True)
    assert foreseen["changed"] and models.present(node.paths) == [] and models.pins(node.paths) == []
    done = ask(node, str(source))
    assert done == foreseen and Path(done["path"]).read_bytes() == CONTENT
    assert not ask(node, str(source))["changed"]
    assert models.collect(node.paths, _state.State(), everything=True) == []
    (row,) = model_requests.overview(node)
    assert (row["name"], row["version"], row["size"], row["pinned"]) == ("digits", "7", len(CONTENT), ["digits 7"])
    sha256 = row["sha256"]
    gone = {"name": "digits", "sha256": sha256, "state": "absent"}
    assert model_requests.carry_out(node, {**gone, "check": True})["changed"] and models.present(node.paths)
    assert model_requests.carry_out(node, gone)["changed"]
    assert models.present(node.paths) == [] and models.pins(node.paths) == []
    assert not model_requests.carry_out(node, gone)["changed"]


def test_what_is_used_is_not_let_go_and_says_by_whom(node: Node, tmp_path: Path) -> None:
    source = tmp_path / "model.bin"
    source.write_bytes(CONTENT)
    ask(node, str(source))
    ask(node, str(source), name="numbers")
    have = using(model("")["sha256"], "inspection")
    have.tenant("t").workloads["inspection"].previous = have.tenant("t").workloads["inspection"].current
    node.store.save(have)
    with pytest.raises(
        NodeError, match=r"is used by t/inspection, t/inspection \(previous version\), the pin of numbers 7"
    ):
        ask(node, str(source), state="absent")
    assert len(models.pins(node.paths)) == 2 and models.present(node.paths)


def test_a_fetch_that_fails_leaves_the_pins_as_they_were(node: Node, tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="is not on this node"):
        ask(node, str(tmp_path / "none.bin"))
    assert models.pins(node.paths) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sha256": "abc"}, "model.sha256: found 'abc', wanted 64 hexadecimal digits"),
        ({"source": "ftp://x/y"}, "model.source: found 'ftp://x/y'"),
        ({"mirrors": "http://x/"}, "model.mirrors: found 'http://x/', wanted a list"),
        ({"state": "presnt"}, "model.state: found 'presnt'.*Did you mean 'present'"),
        ({"sorce": "x"}, "sorce"),
    ],
)
def test_bad_requests_are_told_in_one_line(node: Node, change: t.Dict[str, t.Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        model_requests.carry_out(node, {**model("/srv/m"), **change})
    assert not os.path.exists(node.paths.state_directory)


def test_the_table_names_who_uses_a_model(node: Node, tmp_path: Path) -> None:
    source = tmp_path / "model.bin"
    source.write_bytes(CONTENT)
    bring(node.paths, model(str(source)))
    node.store.save(using(model("")["sha256"]))
    rows = model_requests.lines(model_requests.overview(node), str)
    assert rows[1] == ("digits", "7", model("")["sha256"][:12], "0.0 MiB", "t/app", "now")
