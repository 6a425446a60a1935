# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models in a specification: what makes one another, where it may be fetched, and which change keeps the container."""

from __future__ import annotations

import posixpath
import typing as t
import urllib.parse

Spec = t.Mapping[str, t.Any]
Model = t.Mapping[str, t.Any]

_PLACES = ("source", "mirrors")
_SWITCHED = (*_PLACES, "version", "sha256", "file", "signal")


def _last_part(address: str) -> str:
    path = urllib.parse.urlsplit(address).path if "://" in address else address
    return posixpath.basename(urllib.parse.unquote(path).rstrip("/"))


def file_name(model: Model) -> str:
    """Name of the file in the container."""
    last = _last_part(model["source"])
    return model.get("file") or ("model" if last in ("", ".", "..") or "\0" in last else last)


def addresses(model: Model) -> t.List[str]:
    """Where the file may be, in the order in which it is looked for: mirrors first. None twice."""
    found = [item + urllib.parse.quote(_last_part(model["source"])) if item.endswith("/") else item
             for item in model.get("mirrors", [])]  # fmt: skip
    return list(dict.fromkeys([*found, model["source"]]))


def local_path(address: str) -> str:
    """The path that an address means on the node, or nothing for one of another machine."""
    if address.startswith("file://"):
        return urllib.parse.unquote(address[len("file://") :])
    return address if address.startswith("/") else ""


def shown(address: str) -> str:
    """An address as it may be shown: what stands after `?` or before `@` may be a secret."""
    if "://" not in address:
        return address
    parts = urllib.parse.urlsplit(address)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def label(model: Model) -> str:
    return f"model {model['name']} {model['version']}"


def by_signal(entry: Model) -> bool:
    """Whether another model of this entry leaves the container as it is. Specifications of before have no such key."""
    return entry.get("on_change") == "signal"


def identity(spec: Spec) -> t.Dict[str, t.Any]:
    """A specification without what can change while what runs stays the same."""
    found = []
    for entry in spec.get("models", []):
        away = _PLACES if by_signal(entry) else (*_PLACES, "on_change", "signal")
        found.append({key: value for key, value in entry.items() if key not in away})
    return {**spec, "models": found} if "models" in spec else dict(spec)


def switchable(old: Spec, new: Spec) -> bool:
    """Whether nothing differs but models of which the container is told by a signal."""

    def rest(spec: Spec) -> t.Dict[str, t.Any]:
        models = [
            {key: value for key, value in entry.items() if key not in _SWITCHED} if by_signal(entry) else entry
            for entry in identity(spec)["models"]
        ]
        return dict(spec, models=models)

    return rest(old) == rest(new)


def switched(spec: Spec) -> t.List[Model]:
    return [entry for entry in spec["models"] if by_signal(entry)]


def signals(old: Spec, new: Spec) -> t.List[str]:
    """What a container that has the models of `old` must be told so that it takes those of `new`; each signal once."""
    before = {entry["name"]: entry for entry in switched(old)}
    told = [
        entry["signal"]
        for entry in switched(new)
        if any(entry.get(key) != before.get(entry["name"], {}).get(key) for key in ("sha256", "file", "signal"))
    ]
    return list(dict.fromkeys(told))
