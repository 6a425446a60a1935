# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release file on the controller: its form, and which of its workloads run on which node."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

KEYS = ("release", "tenant", "models", "workloads")
SELECTABLE = (
    "edge_site",
    "edge_region",
    "edge_ring",
    "edge_zone",
    "edge_hardware",
    "edge_gateway",
    "edge_connectivity",
)


class ReleaseError(ValueError):
    """A release that cannot be used; one line that names the place."""


def _hint(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""


def check(release: Any) -> None:
    """:raises ReleaseError: where the outer form is wrong; workloads are checked by the module that gets them."""
    if not isinstance(release, Mapping):
        raise ReleaseError(f"release: found {type(release).__name__}, wanted a mapping with {', '.join(KEYS)}")
    for key in release:
        if key not in KEYS:
            raise ReleaseError(f"release: unknown key '{key}'.{_hint(str(key), KEYS)} Allowed: {', '.join(KEYS)}")
    for key in ("release", "tenant", "workloads"):
        if key not in release:
            raise ReleaseError(f"release: the key '{key}' is missing")
    if not isinstance(release["release"], str):
        found = release["release"]
        raise ReleaseError(f"release: release: found {found!r}, wanted text: quote it, or YAML makes 1.1 of 1.10")
    if not isinstance(release["workloads"], Sequence) or isinstance(release["workloads"], str):
        raise ReleaseError("release: workloads: wanted a list")


def mismatch(where: str, select: Any, variables: Mapping[str, Any]) -> str:
    """Why a node with these variables is not selected, or nothing where it is.

    A key is a variable of the inventory contract or a label of the node; its values are alternatives, `!value` excludes.
    """
    if not isinstance(select, Mapping):
        raise ReleaseError(f"{where}.select: found {select!r}, wanted a mapping such as {{edge_hardware: [ipc]}}")
    labels = variables.get("edge_labels") or {}
    for key, wanted in select.items():
        if key.startswith("edge_"):
            if key not in SELECTABLE:
                raise ReleaseError(
                    f"{where}.select: '{key}' cannot be selected by.{_hint(key, SELECTABLE)} Allowed: {', '.join(SELECTABLE)}, and labels"
                )
            found = variables.get(key)
        else:
            found = labels.get(key)
        values = [wanted] if isinstance(wanted, (str, int, bool)) else list(wanted)
        reason = _compare(key, found, [_word(value) for value in values])
        if reason:
            return reason
    return ""


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _compare(key: str, found: Any, values: list[str]) -> str:
    have = "" if found is None else _word(found)
    banned = [value[1:] for value in values if value.startswith("!")]
    allowed = [value for value in values if not value.startswith("!")]
    if have in banned:
        return f"{key} is {have}, which is excluded"
    if allowed and have not in allowed:
        return f"{key} is {have or 'not set'}, wanted {' or '.join(allowed)}"
    return ""


def selected(release: Any, variables: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The workloads of a release for a node with these variables, without their `select`."""
    check(release)
    chosen = []
    for index, workload in enumerate(release["workloads"]):
        if not isinstance(workload, Mapping):
            raise ReleaseError(f"workloads[{index}]: found {workload!r}, wanted a mapping")
        select = workload.get("select") or {}
        if not mismatch(f"workloads[{index}]", select, variables):
            chosen.append({key: value for key, value in workload.items() if key != "select"})
    return chosen
