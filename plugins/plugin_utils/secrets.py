# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which secrets a node gets: those that workloads selected for it use, and those that are asked for by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import release as _release


class SecretsError(ValueError):
    """Inputs that cannot be used; one line that names the place and never a value."""


def used(releases: Sequence[Any], use: Mapping[str, Any], node: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """tenant -> name -> who uses it."""
    found: dict[str, dict[str, str]] = {}
    for tenant, names in use.items():
        if not isinstance(names, Sequence) or isinstance(names, str):
            raise SecretsError(f"secrets_use.{tenant}: wanted a list of names")
        for name in names:
            found.setdefault(tenant, {})[str(name)] = f"secrets_use.{tenant}"
        found.setdefault(tenant, {})
    for release in releases:
        for workload in _release.selected(release, node):
            mine = found.setdefault(release["tenant"], {})
            for entry in workload.get("secrets") or []:
                name = entry.get("name") if isinstance(entry, Mapping) else entry
                mine[str(name)] = f"workload {workload.get('name')} of release {release['release']}"
    return found


def delivery(
    values: Mapping[str, Any],
    registries: Mapping[str, Any],
    use: Mapping[str, Any],
    releases: Sequence[Any],
    node: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """tenant -> `values` and `registries` for one node. A tenant that uses nothing here is not in it.

    :raises SecretsError: where a secret is used and there is no value of it.
    """
    found: dict[str, dict[str, Any]] = {}
    for tenant, names in used(releases, use, node).items():
        have = values.get(tenant) or {}
        missing = [f"'{name}' ({who})" for name, who in names.items() if name not in have]
        if missing:
            raise SecretsError(
                f"secrets_values.{tenant}: there is no value of {', '.join(missing)}: give it among the variables of this host or site"
            )
        found[tenant] = {
            "values": {name: have[name] for name in names},
            "registries": dict(registries.get(tenant) or {}),
        }
    return found
