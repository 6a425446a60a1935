# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts go together: policy and hosts -> stages and waves. Pure; the same answer for the same input."""

from __future__ import annotations

import dataclasses
import typing as t
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from .policy import Amount, Budget, Policy, PolicyError, Stage, takes

LATE = "late"


@dataclasses.dataclass(frozen=True)
class Host:
    """A host that the release is for. `groups` holds the values that budgets count by.

    `done`: it runs the release already. `offline`: it cannot be reached now. `blocked`: why it cannot go, as a class and
    a reason; it is neither planned nor waited for. `down`: it counts as unavailable for its groups.
    """

    name: str
    ring: str = ""
    site: str = ""
    groups: Mapping[str, str] = dataclasses.field(default_factory=dict)
    done: bool = False
    offline: bool = False
    blocked: str = ""
    down: bool = False


@dataclasses.dataclass(frozen=True)
class PlannedStage:
    """`members` are all hosts of the stage, as they count in its gate; `waves` those that still have to go."""

    stage: Stage
    members: tuple[str, ...]
    waves: tuple[tuple[str, ...], ...]
    crowded: tuple[str, ...] = ()

    @property
    def allowed(self) -> int:
        return self.stage.max_failed.down(len(self.members))


@dataclasses.dataclass(frozen=True)
class Plan:
    """`late` are the waves of hosts that were offline: open-ended, after all stages."""

    stages: tuple[PlannedStage, ...]
    late: tuple[tuple[str, ...], ...] = ()

    def waves(self) -> t.Iterator[tuple[str, tuple[str, ...]]]:
        """(stage, hosts) of each wave, in order."""
        for planned in self.stages:
            for wave in planned.waves:
                yield planned.stage.name, wave
        for wave in self.late:
            yield LATE, wave


def groups_of(budget: Budget, host: Host) -> tuple[str, ...]:
    return (*budget.by, *(host.groups.get(key, "") for key in budget.by))


def sizes(budgets: Iterable[Budget], everyone: Sequence[Host]) -> dict[tuple[str, ...], int]:
    """How many hosts each group of the budgets has, of all hosts of the inventory."""
    kinds = {budget.by: budget for budget in budgets}.values()
    return Counter(groups_of(budget, host) for budget in kinds for host in everyone)


class _Room:
    """How many hosts of each group, and how many in all, a wave still takes."""

    def __init__(self, batch: int, budgets: Sequence[Budget], everyone: Sequence[Host]) -> None:
        self._batch, self._budgets = batch, budgets
        have = sizes(budgets, everyone)
        down = sizes(budgets, [host for host in everyone if host.down])
        self._room: dict[tuple[str, ...], int] = {}
        for budget in budgets:
            for key in {groups_of(budget, host) for host in everyone}:
                room = budget.max_unavailable.up(have[key]) - down[key]
                self._room[key] = min(room, self._room.get(key, room))
        self._used: dict[tuple[str, ...], list[int]] = {}
        self._filled: list[int] = []
        self._first: dict[tuple[str, ...], int] = {}

    def place(self, host: Host) -> int | None:
        """The first wave that takes this host, or None where no wave ever does."""
        keys = list(dict.fromkeys(groups_of(budget, host) for budget in self._budgets))
        if any(self._room[key] < 1 for key in keys):
            return None
        wave = max([self._first.get(key, 0) for key in keys] + [self._first.get((), 0)])
        while not self._takes(wave, keys):
            wave += 1
        self._take(wave, keys)
        return wave

    def _takes(self, wave: int, keys: Sequence[tuple[str, ...]]) -> bool:
        if wave < len(self._filled) and self._filled[wave] >= self._batch:
            return False
        for key in keys:
            used = self._used.get(key, [])
            if wave < len(used) and used[wave] >= self._room[key]:
                return False
        return True

    def _take(self, wave: int, keys: Sequence[tuple[str, ...]]) -> None:
        _add(self._filled, wave)
        self._advance((), self._filled, self._batch)
        for key in keys:
            used = self._used.setdefault(key, [])
            _add(used, wave)
            self._advance(key, used, self._room[key])

    def _advance(self, key: tuple[str, ...], used: list[int], limit: int) -> None:
        first = self._first.get(key, 0)
        while first < len(used) and used[first] >= limit:
            first += 1
        self._first[key] = first


def _add(counts: list[int], index: int) -> None:
    counts.extend([0] * (index + 1 - len(counts)))
    counts[index] += 1


def cut(
    hosts: Sequence[Host], batch: int, budgets: Sequence[Budget], everyone: Sequence[Host]
) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """(waves, hosts that no wave can take because too many of their group are down)."""
    room = _Room(batch, budgets, everyone)
    waves: list[list[str]] = []
    crowded: list[str] = []
    for host in hosts:
        wave = room.place(host)
        if wave is None:
            crowded.append(host.name)
            continue
        while len(waves) <= wave:
            waves.append([])
        waves[wave].append(host.name)
    return tuple(tuple(wave) for wave in waves if wave), tuple(crowded)


def plan(policy: Policy, hosts: Sequence[Host], everyone: Sequence[Host] = ()) -> Plan:
    """:param hosts: those that the release is for, in the order of the inventory.
    :param everyone: all hosts of the inventory, for the size of groups; `hosts` where it is not given.
    :raises PolicyError: where the rollout could never progress.
    """
    everyone = everyone or hosts
    stages = []
    for stage in policy.stages:
        members = [host for host in hosts if takes(policy, stage, host.ring)]
        _progresses(policy, stage, members, everyone)
        ready = [host for host in members if not (host.done or host.offline or host.blocked)]
        waves, crowded = cut(ready, stage.batch.up(len(members)), stage.budgets, everyone)
        stages.append(PlannedStage(stage, tuple(host.name for host in members), waves, crowded))
    offline = [host for host in hosts if host.offline and not (host.blocked or host.done)]
    return Plan(tuple(stages), _late(policy, offline, everyone))


def _late(policy: Policy, offline: Sequence[Host], everyone: Sequence[Host]) -> tuple[tuple[str, ...], ...]:
    """Those that were offline, paced as well: the strictest budgets of their stages hold."""
    back = [dataclasses.replace(host, down=False) for host in everyone]
    budgets = tuple(dict.fromkeys(budget for stage in policy.stages for budget in stage.budgets))
    return cut(offline, policy.late.up(len(offline)), budgets, back)[0] if offline else ()


def _progresses(policy: Policy, stage: Stage, members: Sequence[Host], everyone: Sequence[Host]) -> None:
    place = f"policy, stage {stage.name}"
    if not members:
        if any(takes(policy, stage, host.ring) for host in everyone):
            return  # they are there, and were left out on purpose (--limit)
        rings = ", ".join(stage.rings) or "rest"
        raise PolicyError(
            place, "rings", f"{rings}, in which the release is for no host", "a stage with one host or more"
        )
    if stage.min_success > len(members):
        raise PolicyError(
            place,
            "min_success",
            str(stage.min_success),
            f"at most {len(members)}, the number of hosts of the stage: it could never succeed",
        )
    for budget in stage.budgets:
        known = {key for host in everyone for key in host.groups}
        for key in budget.by:
            if key not in known:
                raise PolicyError(
                    f"{place}, budget", "by", f"{key!r}, which no host has", ", ".join(sorted(known)) or "edge_site"
                )
        largest = max(sizes([budget], everyone).values())
        amount = budget.max_unavailable
        if not amount.relative and amount.count > largest:
            raise PolicyError(
                f"{place}, budget",
                "max_unavailable",
                str(amount.count),
                f"at most {largest}, the size of the largest group of {', '.join(budget.by)}: it would limit nothing",
            )


def pace(hosts: Sequence[Host], per_site: int) -> tuple[tuple[str, ...], ...]:
    """Batches with at most so many hosts of a site each, for what goes over a site's link."""
    budget = Budget(("edge_site",), Amount(count=per_site))
    placed = [dataclasses.replace(host, groups={"edge_site": host.site}, down=False) for host in hosts]
    return cut(placed, max(1, len(placed)), (budget,), placed)[0]
