# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows a container that runs another model, and tells it so.

A container sees a directory of its own: `SHA256/FILE` for each version that may be needed, and `current`, a link to one of
them that is replaced by a rename. Which one it must be is in the state file alone, and `put_right` makes it so, whatever was
cut off where. While a new model is on trial the engine would not start the container by itself: what boots is the old model,
because it is started by the recovery, after `put_right`.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._core import models as _models
from .._core.state import Deployment, Entry, State
from . import files, models
from .engine import Engine
from .errors import NodeError
from .files import Paths

CURRENT = "current"


def mount(paths: Paths, container: str, model: t.Mapping[str, t.Any]) -> str:
    """The directory of one model of one container. It is the container's own: another one, that is on trial, sees its own."""
    return f"{paths.model_mounts}/{container}/{model['name']}"


def places(paths: Paths, deployment: Deployment) -> t.Dict[str, str]:
    """mount -> directory on the node, of each of a deployment's models."""
    return {
        entry["mount"]: mount(paths, deployment.container, entry)
        if _models.by_signal(entry)
        else models.directory(paths, entry)
        for entry in deployment.spec["models"]
    }


def deployment(old: Deployment, spec: dict, spec_digest: str, release: str, sequence: int) -> Deployment:
    """What runs after a switch: the same container with other models."""
    return Deployment(
        spec=spec,
        spec_digest=spec_digest,
        container=old.container,
        image_id=old.image_id,
        release=release,
        sequence=sequence,
        gpus=old.gpus,
    )


@contextlib.contextmanager
def _clear(wanted: Deployment) -> t.Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise NodeError(
            "node", f"the models of {wanted.container} cannot be put into place: {exc.filename}: {exc.strerror}"
        ) from None


def link(paths: Paths, wanted: Deployment) -> None:
    """Puts a deployment's models beside those that its container sees as current, which stay."""
    with _clear(wanted):
        for entry in _models.switched(wanted.spec):
            directory = mount(paths, wanted.container, entry)
            files.make_directory(paths.model_mounts)
            _readable(directory)
            target, name = f"{directory}/{entry['sha256']}", _models.file_name(entry)
            if not os.path.exists(f"{target}/{name}"):
                _readable(target)
                os.link(models.file_path(paths, entry), f"{target}/{name}")
                files.sync_directory(target)
            files.sync_directory(directory)


def _readable(directory: str) -> None:
    """For whatever user the container has, whatever umask this program was given."""
    files.make_directory(directory, 0o755)
    os.chmod(directory, 0o755)  # noqa: S103


def put_right(paths: Paths, wanted: Deployment) -> bool:
    """Makes `current` what a deployment says, in one rename for each model; True where it was something else."""
    differed = False
    for entry in _models.switched(wanted.spec):
        directory = mount(paths, wanted.container, entry)
        if files.link_target(f"{directory}/{CURRENT}") == entry["sha256"]:
            continue
        link(paths, wanted)
        with _clear(wanted):
            files.replace_link(entry["sha256"], f"{directory}/{CURRENT}")
        differed = True
    return differed


def forward(paths: Paths, engine: Engine, root: str, entry: Entry) -> None:
    """Takes the new models into service in a container that runs.

    Its restart policy is `no` from here to the end: a model that ends the container must be found out, not started again,
    and after a power cut nothing may serve it before the link is back. That is on disk before the link is another one.
    """
    if entry.old is None or entry.new is None:
        return
    engine.restart_policy("no", entry.new.container)
    files.sync_file_system(root)
    put_right(paths, entry.new)
    engine.signal(entry.new.container, _models.signals(entry.old.spec, entry.new.spec))


def doubtful(entry: Entry) -> t.List[str]:
    """The signals after which the container of a switch that is undone has its old models, whatever it has now."""
    if not entry.switches or not entry.started or entry.old is None or entry.new is None:
        return []
    return _models.signals(entry.new.spec, entry.old.spec)


def forget(paths: Paths, container: str) -> None:
    files.remove_tree(f"{paths.model_mounts}/{container}")


def collect(paths: Paths, state: State) -> None:
    """Removes what no kept deployment shows to its container."""
    wanted: t.Dict[str, t.Dict[str, t.Set[str]]] = {}
    for item in state.kept():
        for entry in _models.switched(item.spec):
            wanted.setdefault(item.container, {}).setdefault(entry["name"], {CURRENT}).add(entry["sha256"])
    for container in _names(paths.model_mounts):
        if container not in wanted:
            forget(paths, container)
            continue
        for model in _names(f"{paths.model_mounts}/{container}"):
            directory = f"{paths.model_mounts}/{container}/{model}"
            for name in _names(directory):
                if name not in wanted[container].get(model, ()):
                    files.remove_tree(f"{directory}/{name}")


def _names(directory: str) -> t.List[str]:
    return sorted(os.listdir(directory)) if os.path.isdir(directory) else []
