# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout policy: in which order, how many at once, and what stops it."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Sequence

from .._fleet.errors import FleetError, Section, name_of_type
from .._fleet.values import seconds as _seconds

REST = "rest"
ON_FAILURE = ("halt", "revert_stage", "revert_all")
_POLICY_KEYS = ("stages", "on_failure", "fetch", "lease", "late")
_STAGE_KEYS = ("name", "rings", "batch", "max_failed", "min_success", "budget", "soak", "approval")
_BUDGET_KEYS = ("by", "max_unavailable")
_FETCH_KEYS = ("ahead", "per_site", "jitter")
_AMOUNT = re.compile(r"(\d{1,3}(?:\.\d+)?)\s?%")
_STAGE_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]{0,38}[a-z0-9])?")


PolicyError = FleetError
"""A policy that cannot be used, in the words of the fleet file: the place, what was found and what is allowed."""


@dataclasses.dataclass(frozen=True)
class Amount:
    """A number of hosts, or a share of a group of them."""

    count: int = 0
    percent: float = 0.0
    relative: bool = False

    def up(self, members: int) -> int:
        """Of so many members, rounded up and at least one: the size of a batch."""
        return max(1, self.count if not self.relative else -int(-self.percent * members // 100))

    def down(self, members: int) -> int:
        """Of so many members, rounded down: how many may fail."""
        return self.count if not self.relative else int(self.percent * members // 100)

    def __str__(self) -> str:
        return f"{self.percent:g}%" if self.relative else str(self.count)


@dataclasses.dataclass(frozen=True)
class Budget:
    """At most so many hosts with the same values of `by` may be down at once."""

    by: tuple[str, ...]
    max_unavailable: Amount


@dataclasses.dataclass(frozen=True)
class Stage:
    """`rings` is empty where the stage takes every ring that no other one names. `batch` has the size of each wave, in order; the last
    one counts for all that follow."""

    name: str
    rings: tuple[str, ...] = ()
    batch: tuple[Amount, ...] = (Amount(percent=100.0, relative=True),)
    max_failed: Amount = Amount()
    min_success: int = 1
    budgets: tuple[Budget, ...] = ()
    soak: int = 0
    approval: bool = False


@dataclasses.dataclass(frozen=True)
class Policy:
    """Times in seconds. `late` is the batch in which hosts go that were offline when the rollout was planned."""

    stages: tuple[Stage, ...]
    on_failure: str = "revert_stage"
    fetch_ahead: bool = True
    fetch_per_site: int = 2
    fetch_jitter: int = 0
    lease: int = 4 * 3600
    late: Amount = Amount(percent=25.0, relative=True)


def parse(data: object, rings: Sequence[str] = ()) -> Policy:
    """:param rings: those of the inventory; a stage that names another one is refused. Empty: not checked.

    :raises PolicyError: for the first thing that is not allowed.
    """
    section = Section(data, "policy", _POLICY_KEYS)
    listed = section.data.get("stages")
    if not isinstance(listed, list) or not listed:
        raise section.fail(
            "stages", name_of_type(listed) if listed else "nothing in it", "a list of stages, one or more"
        )
    stages = tuple(_stage(item, f"policy, stage {number}", rings) for number, item in enumerate(listed, 1))
    _once(stages)
    found: dict[str, t.Any] = {"stages": stages}
    if "on_failure" in section:
        found["on_failure"] = section.choice("on_failure", ON_FAILURE)
    if "lease" in section:
        found["lease"] = _duration(section, "lease", least=60)
    if "late" in section:
        found["late"] = _amount(section, "late", least=1)
    if "fetch" in section:
        found.update(_fetch(Section(section.data["fetch"], "policy, fetch", _FETCH_KEYS)))
    return Policy(**found)


def _fetch(section: Section) -> dict[str, t.Any]:
    found: dict[str, t.Any] = {}
    if "ahead" in section:
        if not isinstance(section.data["ahead"], bool):
            raise section.fail("ahead", name_of_type(section.data["ahead"]), "true or false")
        found["fetch_ahead"] = bool(section.data["ahead"])
    if "per_site" in section:
        found["fetch_per_site"] = section.number("per_site", "a number of hosts, 1 or more")
        if found["fetch_per_site"] < 1:
            raise section.fail("per_site", str(found["fetch_per_site"]), "a number of hosts, 1 or more")
    if "jitter" in section:
        found["fetch_jitter"] = _duration(section, "jitter")
    return found


def _once(stages: Sequence[Stage]) -> None:
    names: set[str] = set()
    taken: dict[str, str] = {}
    for stage in stages:
        if stage.name in names:
            raise PolicyError("policy, stages", "name", f"{stage.name!r} twice", "a name of its own for each stage")
        names.add(stage.name)
        for ring in stage.rings or (REST,):
            if ring in taken:
                raise PolicyError(
                    f"policy, stage {stage.name}",
                    "rings",
                    f"{ring!r}, which stage {taken[ring]} has already",
                    "each ring once",
                )
            taken[ring] = stage.name


def _stage(data: object, place: str, rings: Sequence[str]) -> Stage:
    section = Section(data, place, _STAGE_KEYS)
    name = section.text("name", "a name of lower-case letters, digits, - and _")
    if not _STAGE_NAME.fullmatch(name):
        raise section.fail("name", repr(name), "a name of lower-case letters, digits, - and _, at most 40")
    section.place = f"policy, stage {name}"
    found: dict[str, t.Any] = {"name": name, "rings": _rings(section, rings)}
    if "batch" in section:
        found["batch"] = _batch(section)
    if "max_failed" in section:
        found["max_failed"] = _amount(section, "max_failed", least=0)
    if "min_success" in section:
        found["min_success"] = section.number("min_success", "a number of hosts, 0 or more")
        if found["min_success"] < 0:
            raise section.fail("min_success", str(found["min_success"]), "a number of hosts, 0 or more")
    if "soak" in section:
        found["soak"] = _duration(section, "soak")
    if "approval" in section:
        found["approval"] = section.choice("approval", ("required", "none")) == "required"
    if "budget" in section:
        given = section.data["budget"]
        found["budgets"] = tuple(
            _budget(item, section.place) for item in (given if isinstance(given, list) else [given])
        )
    return Stage(**found)


def _rings(section: Section, known: Sequence[str]) -> tuple[str, ...]:
    value = section.data.get("rings")
    if value == REST:
        return ()
    if not isinstance(value, list) or not value:
        found = name_of_type(value) if value else "nothing"
        raise section.fail("rings", found, "a list of rings, or the word rest")
    for ring in value:
        if not isinstance(ring, str) or (known and ring not in known):
            raise section.fail("rings", name_of_type(ring), "rings of the inventory: " + ", ".join(known))
    return tuple(str(ring) for ring in value)


def _budget(data: object, place: str) -> Budget:
    section = Section(data, f"{place}, budget", _BUDGET_KEYS)
    keys = section.data.get("by")
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) for key in keys):
        raise section.fail("by", name_of_type(keys), "a list such as [edge_site, edge_zone], also with names of labels")
    if "max_unavailable" not in section:
        raise section.fail("max_unavailable", "nothing", "a number of hosts, 1 or more, or a share such as 10%")
    return Budget(tuple(str(key) for key in keys), _amount(section, "max_unavailable", least=1))


def _batch(section: Section) -> tuple[Amount, ...]:
    given = section.data["batch"]
    if not isinstance(given, list):
        return (_amount(section, "batch", least=1),)
    if not given:
        raise section.fail("batch", "an empty list", "a size, or a list of them such as [1, 25%]")
    return tuple(_amount(Section({"batch": item}, section.place, ("batch",)), "batch", least=1) for item in given)


def _amount(section: Section, key: str, least: int) -> Amount:
    allowed = f"a number of hosts, {least} or more, or a share such as 25%, at most 100%"
    value = section.data.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        if value < least:
            raise section.fail(key, str(value), allowed, "nothing could ever go" if least else "")
        return Amount(count=int(value))
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise section.fail(key, name_of_type(value), allowed)
    percent = float(match.group(1))
    if percent > 100 or (least and percent <= 0):
        raise section.fail(key, repr(value), allowed)
    return Amount(percent=percent, relative=True)


def _duration(section: Section, key: str, least: int = 0) -> int:
    value = section.data.get(key)
    found = _seconds(value) if isinstance(value, str) else None
    if found is None or found < least:
        allowed = "a duration such as 30s, 10m or 2h" + (f", at least {least} s" if least else "")
        raise section.fail(key, name_of_type(value), allowed, "add the unit" if isinstance(value, int) else "")
    return found


def labels(policy: Policy) -> set[str]:
    """The names that budgets count by."""
    return {key for stage in policy.stages for budget in stage.budgets for key in budget.by}


def takes(policy: Policy, stage: Stage, ring: str) -> bool:
    """Whether a stage takes the hosts of a ring."""
    if stage.rings:
        return ring in stage.rings
    return not any(ring in other.rings for other in policy.stages)
