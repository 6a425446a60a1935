# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models that a site asks for by themselves, ahead of a release: `edge model -` and `edge models`."""

from __future__ import annotations

import os
import typing as t

from .._core.model_request import check
from .._core.state import State
from . import files, models
from .errors import NodeError
from .node import Node

LOCK_WAIT = 60.0
_KEYS = ("name", "version", "sha256")

Result = t.Dict[str, t.Any]


def carry_out(node: Node, data: t.Any) -> Result:
    """:param data: the keys of a model, `state`, and `check` where nothing is to be changed."""
    state, model = check(data)
    act = _present if state == "present" else _absent
    return act(node, model, bool(data.get("check")))


def _pin(model: t.Mapping[str, t.Any]) -> t.Dict[str, str]:
    return {key: model[key] for key in _KEYS}


def _shown(paths: files.Paths, model: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """What is here of a model, for a difference."""
    mine = [pin for pin in models.pins(paths) if _same(pin, model)]
    here = os.path.isdir(models.directory(paths, model))
    return {"here": here, "pinned": mine[0]["version"] if mine else ""}


def _same(pin: t.Mapping[str, t.Any], model: t.Mapping[str, t.Any]) -> bool:
    return (pin["name"], pin["sha256"]) == (model["name"], model["sha256"])


def _result(paths: files.Paths, model: t.Mapping[str, t.Any], before: t.Any, after: t.Any) -> Result:
    return {
        "changed": before != after,
        "path": models.file_path(paths, model) if after["here"] else "",
        "diff": {"before": {model["name"]: before}, "after": {model["name"]: after}},
    }


def _present(node: Node, model: t.Mapping[str, t.Any], dry: bool) -> Result:
    before = _shown(node.paths, model)
    after = {"here": True, "pinned": model["version"]}
    if dry or before == after:
        return _result(node.paths, model, before, after)
    with files.lock(node.paths.pins_lock, LOCK_WAIT):  # first: what is pinned is not collected while it is fetched
        pins = models.pins(node.paths)
        models.save_pins(node.paths, [*(pin for pin in pins if not _same(pin, model)), _pin(model)])
    try:
        models.bring(node.paths, model)
    except NodeError:
        _put_pins_back(node.paths, model, [pin for pin in pins if _same(pin, model)])
        raise
    return _result(node.paths, model, before, after)


def _put_pins_back(paths: files.Paths, model: t.Mapping[str, t.Any], mine: t.Sequence[t.Dict[str, str]]) -> None:
    with files.lock(paths.pins_lock, LOCK_WAIT):
        models.save_pins(paths, [*(pin for pin in models.pins(paths) if not _same(pin, model)), *mine])


def _absent(node: Node, model: t.Mapping[str, t.Any], dry: bool) -> Result:
    with node.lock(LOCK_WAIT):  # no change may begin to use it meanwhile
        before, after = _shown(node.paths, model), {"here": False, "pinned": ""}
        users = _users(node.paths, node.store.load(), model)
        if users:
            raise NodeError(
                "held",
                f"model {model['name']} ({model['sha256'][:12]}...) is used by {', '.join(users)}: it stays until they use another one",
            )
        if not dry and before != after:
            with files.lock(node.paths.pins_lock, LOCK_WAIT):
                left = [pin for pin in models.pins(node.paths) if not _same(pin, model)]
                models.save_pins(node.paths, left)
            models.remove(node.paths, model["sha256"])
        return _result(node.paths, model, before, after)


def _users(paths: files.Paths, state: State, model: t.Mapping[str, t.Any]) -> t.List[str]:
    """Who keeps it, other than the pin that is to go."""
    others = [
        f"the pin of {pin['name']} {pin['version']}"
        for pin in models.pins(paths)
        if pin["sha256"] == model["sha256"] and not _same(pin, model)
    ]
    return [*state.model_users().get(model["sha256"], []), *others]


def collect(node: Node) -> t.List[t.Dict[str, t.Any]]:
    """Removes every model that nobody uses; returns what went."""
    with node.lock(LOCK_WAIT):
        state = node.store.load()
        rows = models.overview(node.paths, state)
        removed = set(models.collect(node.paths, state, everything=True))
        return [row for row in rows if row["sha256"] in removed]


def overview(node: Node) -> t.List[t.Dict[str, t.Any]]:
    return models.overview(node.paths, node.store.load())


def lines(rows: t.Sequence[t.Mapping[str, t.Any]], day: t.Callable[[int], str]) -> t.List[t.Tuple[str, ...]]:
    """Rows of a table for people."""
    table: t.List[t.Tuple[str, ...]] = [("MODEL", "VERSION", "SHA256", "SIZE", "USED BY", "LAST USED")]
    for row in rows:
        users = [*row["used_by"], *(f"pinned as {item}" for item in row["pinned"])]
        size = f"{row['size'] / (1 << 20):,.1f} MiB" if row["here"] else "NOT HERE"
        when = "now" if row["used_by"] else day(row["last_used"]) if row["here"] else "-"
        table.append(
            (
                row["name"] or "-",
                row["version"] or "-",
                row["sha256"][:12],
                size,
                ", ".join(users) or "-",
                when,
            )
        )
    return table
