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


Group = tuple[str, ...]
"""What a budget counts by, and the values of a host for it."""


def groups_of(budget: Budget, host: Host) -> Group:
    return (*budget.by, *[host.groups.get(key, "") for key in budget.by])


def sizes(budgets: Iterable[Budget], everyone: Sequence[Host]) -> dict[Group, int]:
    """How many hosts each group of the budgets has, of all hosts of the inventory."""
    kinds = {budget.by: budget for budget in budgets}.values()
    return Counter(groups_of(budget, host) for budget in kinds for host in everyone)


class Census:
    """All hosts of the inventory, counted once by what the budgets of a policy count by."""

    def __init__(self, budgets: Iterable[Budget], everyone: Sequence[Host]) -> None:
        kinds = list({budget.by: budget for budget in budgets}.values())
        self.have = sizes(kinds, everyone)
        self.down = sizes(kinds, [host for host in everyone if host.down])
        self.keys = {key for host in everyone for key in host.groups}

    def room(self, budgets: Sequence[Budget], down: bool = True) -> dict[Group, int]:
        """How many more hosts of each group may be down at once, by the strictest budget that counts it."""
        found: dict[Group, int] = {}
        by: dict[tuple[str, ...], list[Group]] = {}
        for group in self.have:
            by.setdefault(group[: len(group) // 2], []).append(group)
        for budget in budgets:
            for group in by.get(budget.by, []):
                room = budget.max_unavailable.up(self.have[group]) - (self.down.get(group, 0) if down else 0)
                found[group] = min(room, found.get(group, room))
        return found

    def largest(self, budget: Budget) -> int:
        return max(count for group, count in self.have.items() if group[: len(group) // 2] == budget.by)


class _Waves:
    """Takes one host after the other into the first wave that has room for it.

    :param batch: the sizes of the waves, of which the last counts for all that follow.
    """

    def __init__(self, batch: Sequence[int], budgets: Sequence[Budget], room: Mapping[Group, int]) -> None:
        self._batch, self._room = batch, room
        self._kinds = list({budget.by: budget for budget in budgets}.values())
        self._used: dict[Group, list[int]] = {}
        self._filled: list[int] = []
        self._first: dict[Group, int] = {}

    def place(self, host: Host) -> int | None:
        """The wave that takes this host, or None where no wave ever does."""
        groups = [groups_of(budget, host) for budget in self._kinds]
        if any(self._room[group] < 1 for group in groups):
            return None
        wave = max(self._first.get(group, 0) for group in ((), *groups))
        while not self._takes(wave, groups):
            wave += 1
        self._take(wave, groups)
        return wave

    def _takes(self, wave: int, groups: Sequence[Group]) -> bool:
        if wave < len(self._filled) and self._filled[wave] >= _of(self._batch, wave):
            return False
        for group in groups:
            used = self._used.get(group, [])
            if wave < len(used) and used[wave] >= self._room[group]:
                return False
        return True

    def _take(self, wave: int, groups: Sequence[Group]) -> None:
        _add(self._filled, wave)
        self._advance((), self._filled, self._batch)
        for group in groups:
            used = self._used.setdefault(group, [])
            _add(used, wave)
            self._advance(group, used, (self._room[group],))

    def _advance(self, group: Group, used: list[int], limits: Sequence[int]) -> None:
        first = self._first.get(group, 0)
        while first < len(used) and used[first] >= _of(limits, first):
            first += 1
        self._first[group] = first


def _of(limits: Sequence[int], wave: int) -> int:
    """That of a wave, where the last one counts for all that follow."""
    return limits[min(wave, len(limits) - 1)]


def _add(counts: list[int], index: int) -> None:
    counts.extend([0] * (index + 1 - len(counts)))
    counts[index] += 1


def cut(
    hosts: Sequence[Host], batch: Sequence[int], budgets: Sequence[Budget], room: Mapping[Group, int]
) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """(waves, hosts that no wave can take because too many of their group are down)."""
    placing = _Waves(batch, budgets, room)
    waves: list[list[str]] = []
    crowded: list[str] = []
    for host in hosts:
        wave = placing.place(host)
        if wave is None:
            crowded.append(host.name)
            continue
        while len(waves) <= wave:
            waves.append([])
        waves[wave].append(host.name)
    return tuple(tuple(wave) for wave in waves if wave), tuple(crowded)


def plan(
    policy: Policy, hosts: Sequence[Host], everyone: Sequence[Host] = (), left_out: t.Collection[str] = ()
) -> Plan:
    """:param hosts: those that the release is for, in the order of the inventory.
    :param everyone: all hosts of the inventory, for the size of groups; `hosts` where it is not given.
    :param left_out: rings with hosts that the release is for and that were left out on purpose (--limit).
    :raises PolicyError: where the rollout could never progress.
    """
    everyone = everyone or hosts
    budgets = tuple(dict.fromkeys(budget for stage in policy.stages for budget in stage.budgets))
    census = Census(budgets, everyone)
    rings = {host.ring for host in everyone} | set(left_out)
    stages = []
    for stage in policy.stages:
        mine = {ring for ring in rings if takes(policy, stage, ring)}
        members = [host for host in hosts if host.ring in mine]
        _progresses(stage, members, census, passed_over=bool(mine & set(left_out)))
        ready = [host for host in members if not (host.done or host.offline or host.blocked)]
        batch = [size.up(len(members)) for size in stage.batch]
        waves, crowded = cut(ready, batch, stage.budgets, census.room(stage.budgets))
        stages.append(PlannedStage(stage, tuple(host.name for host in members), waves, crowded))
    offline = [host for host in hosts if host.offline and not (host.blocked or host.done)]
    late = cut(offline, [policy.late.up(len(offline))], budgets, census.room(budgets, down=False))[0]
    return Plan(tuple(stages), late)


def _progresses(stage: Stage, members: Sequence[Host], census: Census, passed_over: bool) -> None:
    """:param passed_over: whether the stage has hosts that were left out on purpose."""
    place = f"policy, stage {stage.name}"
    if not members:
        if passed_over or not stage.rings:
            return  # of `rest`, nothing may be left
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
        _limits(f"{place}, budget", budget, census)


def _limits(place: str, budget: Budget, census: Census) -> None:
    for key in budget.by:
        if key not in census.keys:
            allowed = ", ".join(sorted(census.keys)) or "edge_site"
            raise PolicyError(place, "by", f"{key!r}, which no host has", allowed)
    amount, largest = budget.max_unavailable, census.largest(budget)
    if not amount.relative and amount.count > largest:
        raise PolicyError(
            place,
            "max_unavailable",
            str(amount.count),
            f"at most {largest}, the size of the largest group of {', '.join(budget.by)}: it would limit nothing",
        )


def pace(hosts: Sequence[Host], per_site: int) -> tuple[tuple[str, ...], ...]:
    """Batches with at most so many hosts of a site each, for what goes over a site's link."""
    budget = Budget(("edge_site",), Amount(count=per_site))
    placed = [dataclasses.replace(host, groups={"edge_site": host.site}) for host in hosts]
    room = Census([budget], placed).room([budget], down=False)
    # Not by what share of a group it is: a link takes so many, however large the site.
    return cut(placed, [max(1, len(placed))], (budget,), room)[0]
