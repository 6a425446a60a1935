# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that look like an input of a role and are none.

ansible-core checks the inputs that a role declares, and says nothing about `docker_engine_adress_pools`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

# A name that long with that few wrong letters is no coincidence.
NEAR_LENGTH, NEAR_DISTANCE = 8, 2


def declared(role_path: Path) -> set[str]:
    """The inputs of all entry points in the role's meta/argument_specs.yml."""
    for name in ("argument_specs.yml", "argument_specs.yaml"):
        path = role_path / "meta" / name
        if path.is_file():
            specs: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
            return {option for spec in specs.values() for option in spec.get("options", {})}
    raise ValueError(f"{role_path}/meta/argument_specs.yml: is missing, wanted the inputs of the role")


def siblings(role_path: Path) -> list[str]:
    """The names of the roles beside this one, whose inputs may begin with this one's name."""
    return [path.name for path in role_path.parent.iterdir() if path.is_dir() and path.name != role_path.name]


def unknown(role: str, inputs: set[str], others: Iterable[str], names: Iterable[str]) -> list[str]:
    """One line for each variable that was probably meant for the role."""
    longer = tuple(f"{other}_" for other in others if other.startswith(f"{role}_"))
    foreign = tuple(f"{other}_" for other in others)
    lines = []
    start = len(role) + 1
    for name in sorted(set(names) - inputs):
        if name.startswith(f"{role}_") and not (longer and name.startswith(longer)):
            near = difflib.get_close_matches(name[start:], [known[start:] for known in sorted(inputs)], n=1)
            hint = f"did you mean {role}_{near[0]}?" if near else f"the role has {', '.join(sorted(inputs))}"
            lines.append(f"variable {name}: is no input of the role {role}: {hint}")
        elif len(name) >= NEAR_LENGTH and not name.startswith(("_", "ansible_", *foreign)):
            near = [known for known in sorted(inputs) if distance(name, known, NEAR_DISTANCE) <= NEAR_DISTANCE]
            if near:
                lines.append(f"variable {name}: is nearly an input of the role {role}: did you mean {near[0]}?")
    return lines


def distance(one: str, other: str, limit: int) -> int:
    """Letters to insert, delete or change; anything above the limit is limit + 1."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
        if min(row) > limit:
            return limit + 1
    return row[-1]
