# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of workloads: directories of our own, copied before a swap and put back by two renames."""

from __future__ import annotations

import os
import typing as t

from .._core.container import owner
from .._core.state import Deployment, Entry
from ._runner import run
from .errors import NodeError
from .files import Paths, make_directory, remove_tree, sync_directory, sync_file_system

_LEFT_OVER = ("discard", "data.new")


def prepare(paths: Paths, tenant: str, spec: t.Mapping[str, t.Any], user: str) -> t.Dict[str, str]:
    """Makes the directories of all volumes, for `user` where it is a number, else for root; returns name -> directory."""
    found = {}
    for volume in spec["volumes"]:
        directory = paths.volume(tenant, spec["name"], volume["name"])
        data = directory + "/data"
        if not os.path.isdir(data) and not _snapshots(directory):
            make_directory(directory)
            make_directory(data, 0o755)
            os.chown(data, *(owner(user) or (0, 0)))
            sync_directory(directory)
        found[volume["name"]] = data
    return found


def _snapshots(directory: str) -> t.List[str]:
    names = os.listdir(directory) if os.path.isdir(directory) else []
    return sorted(name for name in names if name.startswith("snapshot-") and not name.endswith(".new"))


def snapshot(paths: Paths, tenant: str, spec: t.Mapping[str, t.Any], sequence: int) -> t.Dict[str, str]:
    """Copies each volume that asks for it; a copy has its name only once it is whole and durable."""
    taken = {}
    for volume in spec["volumes"]:
        if volume["snapshot"] != "before_swap":
            continue
        directory = paths.volume(tenant, spec["name"], volume["name"])
        target = f"{directory}/snapshot-{sequence}"
        copy(directory + "/data", target)
        taken[volume["name"]] = target
    return taken


def planned(paths: Paths, tenant: str, spec: t.Mapping[str, t.Any], sequence: int) -> t.Dict[str, str]:
    """Where :func:`snapshot` will put its copies: in the journal before the first of them is made."""
    return {
        volume["name"]: f"{paths.volume(tenant, spec['name'], volume['name'])}/snapshot-{sequence}"
        for volume in spec["volumes"]
        if volume["snapshot"] == "before_swap"
    }


def copy(source: str, target: str) -> None:
    staging = target + ".new"
    remove_tree(staging)
    remove_tree(target)
    done = run(["cp", "--archive", "--reflink=auto", source, staging], timeout=3600)
    if done.code != 0:
        remove_tree(staging)
        raise NodeError(
            "data", f"the volume {source} cannot be copied before the swap: {done.said}; nothing was changed in it"
        )
    sync_file_system(staging)
    os.rename(staging, target)
    sync_directory(os.path.dirname(target))


def put_back(entry: Entry) -> t.List[str]:
    """Brings the copies of a change that is not committed back into place; safe to do again after a power cut.

    Returns what could not be done, as lines.
    """
    problems = []
    for name, saved in sorted(entry.snapshots.items()):
        directory = os.path.dirname(saved)
        data, discard = directory + "/data", directory + "/discard"
        remove_tree(saved + ".new")
        if not os.path.isdir(saved):
            if entry.started and not os.path.isdir(data):
                problems.append(f"volume {name}: neither {data} nor {saved} is there")
            continue
        if not entry.started:
            remove_tree(saved)
            continue
        if os.path.isdir(data):
            remove_tree(discard)
            os.rename(data, discard)
        os.rename(saved, data)
        sync_directory(directory)
        remove_tree(discard)
    return problems


def exchange(paths: Paths, tenant: str, previous: Deployment) -> None:
    """Puts the data that belongs to the previous version into place; the copy of today's was made before."""
    for name, saved in sorted(previous.snapshots.items()):
        directory = paths.volume(tenant, previous.spec["name"], name)
        if not os.path.isdir(saved):
            raise NodeError(
                "data",
                f"volume {name}: the copy from before the last change, {saved}, is gone; the version alone could be reverted with a new release",
            )
        staging, data, discard = directory + "/data.new", directory + "/data", directory + "/discard"
        remove_tree(staging)
        done = run(["cp", "--archive", "--reflink=auto", saved, staging], timeout=3600)
        if done.code != 0:
            raise NodeError("data", f"volume {name}: {done.said}")
        sync_file_system(staging)
        remove_tree(discard)
        os.rename(data, discard)
        os.rename(staging, data)
        sync_directory(directory)
        remove_tree(discard)


def collect(paths: Paths, kept: t.Iterable[Deployment]) -> None:
    """Removes copies that no kept version refers to, and what a power cut left half done; the data itself is never removed."""
    wanted = {path for deployment in kept for path in deployment.snapshots.values()}
    for directory, names, dummy in os.walk(paths.volumes):
        depth = directory[len(paths.volumes) :].count("/")
        if depth >= 3:
            for name in [item for item in names if item.startswith("snapshot-") or item in _LEFT_OVER]:
                if os.path.join(directory, name) not in wanted:
                    remove_tree(os.path.join(directory, name))
            names[:] = []
