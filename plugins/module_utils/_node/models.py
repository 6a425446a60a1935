# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models of a node: each in a directory that is named by its sha256, read-only, whole, and kept as long as there is room.

What a kept deployment uses, and what a site has pinned, stays. Everything else is a cache, and goes when disk is short.
"""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from .._core import models as _models
from .._core.state import State
from . import files
from .download import TIMEOUT, Download
from .errors import NodeError
from .files import Paths
from .store import Store

Model = t.Mapping[str, t.Any]
SHORT = 10
"""Percent of the disk. While less is free, models that nobody uses go, those of longest ago first."""
KEEP_PARTS = 7 * 86400.0


def directory(paths: Paths, model: Model) -> str:
    return f"{paths.models}/{model['sha256']}"


def file_path(paths: Paths, model: Model) -> str:
    return f"{directory(paths, model)}/{_models.file_name(model)}"


def local_size(paths: Paths, model: Model) -> int:
    """Bytes that will be copied from a path of this node; 0 where it is here already, or comes from elsewhere.

    :raises NodeError: fetch, where only paths are given and none of them is there.
    """
    if os.path.isdir(directory(paths, model)):
        return 0
    for address in _models.addresses(model):
        path = _models.local_path(address)
        if not path:
            return 0
        if os.path.isfile(path):
            return os.path.getsize(path)
    raise NodeError(
        "fetch",
        f"{_models.label(model)}: the file {_models.local_path(model['source'])} is not on this node: "
        "copy it there or correct `source`",
    )


# -- bringing


def bring(paths: Paths, model: Model, pause: t.Callable[[float], None] = time.sleep) -> str:
    """Brings one model into the store and returns its directory; it survives a power cut when this returns."""
    target = directory(paths, model)
    if not os.path.isdir(target):
        # Not the lock of changes: a model that is fetched ahead holds back no change, but one that wants the same.
        with files.lock(f"{paths.model_locks}/{model['sha256']}", TIMEOUT):
            if not os.path.isdir(target):
                part = Download(paths, model, lambda needed: _make_room(paths, model, needed), pause).run()
                _install(paths, part, model)
    _name(target, _models.file_name(model))
    _touch(target)
    _remember(paths, model)
    return target


def _install(paths: Paths, part: str, model: Model) -> None:
    target = directory(paths, model)
    staging = target + ".new"
    files.remove_tree(staging)
    try:
        files.make_directory(paths.models, 0o755)
        os.mkdir(staging, 0o755)
        path = f"{staging}/{_models.file_name(model)}"
        os.rename(part, path)
        os.chmod(path, 0o444)
        os.chmod(staging, 0o555)  # noqa: S103 # whatever user a container has
        files.sync_file_system(staging)
        os.rename(staging, target)
    except OSError as exc:
        raise NodeError("fetch", f"{_models.label(model)} cannot be stored: {exc.strerror or exc}") from None
    finally:
        _remove(staging)
    files.sync_directory(paths.models)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(part + ".json")


def _name(target: str, name: str) -> None:
    """The file under a further name, where a release calls the same content otherwise."""
    if not os.path.exists(f"{target}/{name}"):
        os.chmod(target, 0o755)  # noqa: S103
        with contextlib.suppress(FileExistsError):
            os.link(f"{target}/{sorted(os.listdir(target))[0]}", f"{target}/{name}")
        os.chmod(target, 0o555)  # noqa: S103
        files.sync_directory(target)


def _touch(path: str) -> None:
    with contextlib.suppress(OSError):
        os.utime(path)


def _remember(paths: Paths, model: Model) -> None:
    """What it is called, for people: nothing hangs on it."""
    with contextlib.suppress(NodeError):
        names = files.read_json(paths.model_names, {})
        wanted = {"name": model["name"], "version": model["version"]}
        if names.get(model["sha256"]) != wanted:
            have = set(present(paths)) | {model["sha256"]}
            kept = {key: value for key, value in names.items() if key in have}
            files.write_json(paths.model_names, {**kept, model["sha256"]: wanted})


# -- pins


def pins(paths: Paths) -> t.List[t.Dict[str, str]]:
    """Models that stay until somebody says otherwise: `name`, `version` and `sha256` of each."""
    return files.read_json(paths.model_pins, {"pins": []})["pins"]


def save_pins(paths: Paths, wanted: t.Sequence[t.Mapping[str, str]]) -> None:
    files.write_json(paths.model_pins, {"schema": 1, "pins": list(wanted)})


# -- collecting


def present(paths: Paths) -> t.List[str]:
    """sha256 of every model that is here."""
    names = os.listdir(paths.models) if os.path.isdir(paths.models) else []
    return sorted(name for name in names if not name.endswith(".new"))


def last_used(paths: Paths, sha256: str) -> float:
    try:
        return os.stat(f"{paths.models}/{sha256}").st_mtime
    except OSError:
        return 0.0


def unused(paths: Paths, state: State) -> t.List[str]:
    """Those that neither a kept deployment nor a pin needs, the one of longest ago first."""
    needed = {*state.model_users(), *(pin["sha256"] for pin in pins(paths))}
    return sorted((item for item in present(paths) if item not in needed), key=lambda item: last_used(paths, item))


def collect(paths: Paths, state: State, everything: bool = False) -> t.List[str]:
    """Removes unused models while disk is short, or all of them, and what no download will go on with; returns which."""
    for sha256 in state.model_users():
        _touch(f"{paths.models}/{sha256}")
    _collect_parts(paths, 0.0 if everything else KEEP_PARTS, state.model_users())
    for name in os.listdir(paths.models) if os.path.isdir(paths.models) else []:
        if name.endswith(".new") and not _being_fetched(paths, name[: -len(".new")]):
            _remove(f"{paths.models}/{name}")

    def enough() -> bool:
        free, total = files.free_bytes(paths.models)
        return not everything and free * 100 >= total * SHORT

    return _remove_until(paths, unused(paths, state), enough)


def _remove_until(paths: Paths, candidates: t.Sequence[str], enough: t.Callable[[], bool]) -> t.List[str]:
    removed = []
    with files.lock(paths.pins_lock, 60.0):
        pinned = {pin["sha256"] for pin in pins(paths)}  # again: one may have come
        for sha256 in candidates:
            if enough():
                break
            if sha256 not in pinned:
                _remove(f"{paths.models}/{sha256}")
                removed.append(sha256)
    return removed


def remove(paths: Paths, sha256: str) -> None:
    _remove(f"{paths.models}/{sha256}")
    for end in ("", ".json"):
        with contextlib.suppress(OSError):
            os.unlink(f"{paths.model_parts}/{sha256}.part{end}")


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.chmod(path, 0o755)  # noqa: S103
    files.remove_tree(path)


def _make_room(paths: Paths, model: Model, needed: int) -> None:
    """The state on disk says what is used: a change writes down what it needs before it fetches."""

    def enough() -> bool:
        return files.free_bytes(paths.models)[0] >= needed

    candidates = [item for item in unused(paths, Store(paths).load()) if item != model["sha256"]]
    _remove_until(paths, candidates, enough)


def _being_fetched(paths: Paths, sha256: str) -> bool:
    try:
        with files.lock(f"{paths.model_locks}/{sha256}", 0.0):
            return False
    except NodeError:
        return True


def _collect_parts(paths: Paths, age: float, wanted: t.Collection[str]) -> None:
    for name in os.listdir(paths.model_parts) if os.path.isdir(paths.model_parts) else []:
        path, sha256 = f"{paths.model_parts}/{name}", name.partition(".")[0]
        with contextlib.suppress(OSError):
            old = abs(time.time() - os.stat(path).st_mtime) >= age  # a clock that was set counts as age
            if old and sha256 not in wanted and not _being_fetched(paths, sha256):
                os.unlink(path)


# -- showing


def overview(paths: Paths, state: State) -> t.List[t.Dict[str, t.Any]]:
    """Every model that is here, pinned or needed: what it is called, how large it is, who uses it, and since when nobody does."""
    users, pinned = state.model_users(), pins(paths)
    names = files.read_json(paths.model_names, {})
    for deployment in state.kept():
        names.update({item["sha256"]: item for item in deployment.spec["models"]})
    names.update({pin["sha256"]: pin for pin in pinned})
    rows = []
    for sha256 in sorted({*present(paths), *users, *(pin["sha256"] for pin in pinned)}):
        path = f"{paths.models}/{sha256}"
        about = names.get(sha256, {})
        rows.append(
            {
                "name": about.get("name", ""),
                "version": about.get("version", ""),
                "sha256": sha256,
                "here": os.path.isdir(path),
                "size": _size(path),
                "used_by": users.get(sha256, []),
                "pinned": [f"{pin['name']} {pin['version']}" for pin in pinned if pin["sha256"] == sha256],
                "last_used": int(last_used(paths, sha256)),
            }
        )
    return sorted(rows, key=lambda row: (row["name"], row["version"], row["sha256"]))


def _size(path: str) -> int:
    """Of the one file, which may have several names."""
    names = sorted(os.listdir(path)) if os.path.isdir(path) else []
    return os.path.getsize(f"{path}/{names[0]}") if names else 0
