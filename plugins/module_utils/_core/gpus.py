# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which GPU a workload gets: what it asks for, what the node has, and who holds what. Pure.

Sharing, and what it is worth:

========== ======================================================= ==========================================
mode       who else may use the GPU                                isolation
========== ======================================================= ==========================================
exclusive  nobody                                                  the whole GPU is the workload's own
mig        others, on other MIG devices                            memory and compute are cut by the hardware
shared     others that share too, as long as the memory they asked none: time-slicing. A workload that takes more
           for fits; of other tenants only where the site allows   memory than it asked for can starve the others
========== ======================================================= ==========================================
"""

from __future__ import annotations

import fnmatch
import typing as t
from dataclasses import dataclass

from .versions import satisfies

EXCLUSIVE, SHARED, MIG = "exclusive", "shared", "mig"


@dataclass(frozen=True)
class Gpu:
    """A GPU, or a MIG device of one, that can be given to a workload.

    `memory_mib` is None where it is unknown, and `integrated` where the GPU has none of its own: it uses the node's RAM.
    `names` are what it may be asked by: model, UUID, index, and the site's own names.
    """

    id: str
    model: str
    memory_mib: t.Optional[int] = None
    capability: t.Optional[str] = None
    integrated: bool = False
    names: t.Tuple[str, ...] = ()
    profile: str = ""
    problem: str = ""

    @property
    def title(self) -> str:
        return f"{self.model} ({self.id})" if self.id not in self.model else self.model


@dataclass(frozen=True)
class Hold:
    """What somebody has of a GPU."""

    tenant: str
    workload: str
    gpu: str
    mode: str
    memory_mib: int = 0

    @property
    def words(self) -> str:
        share = f"{self.memory_mib:,} MiB" if self.mode == SHARED else f"the whole of it ({self.mode})"
        return f"{self.tenant}/{self.workload} holds {share}"


@dataclass(frozen=True)
class Want:
    """What one workload asks for; `keep` are the GPUs that it has now and gets again where they fit."""

    tenant: str
    workload: str
    count: int = 1
    memory_mib: int = 0
    capability: str = ""
    name: str = ""
    profile: str = ""
    mode: str = EXCLUSIVE
    keep: t.Tuple[str, ...] = ()

    @property
    def words(self) -> str:
        parts = [f"{self.count} {self.mode} GPU" + ("s" if self.count > 1 else "")]
        parts += [f"{self.memory_mib:,} MiB"] if self.memory_mib else []
        parts += [f"profile {self.profile}"] if self.profile else []
        parts += [f"compute capability {self.capability}"] if self.capability else []
        parts += [f"name {self.name}"] if self.name else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Answer:
    """`chosen`: workload -> ids. `unmet`: what the node can never give. `misfits`: what others hold."""

    chosen: t.Mapping[str, t.Tuple[str, ...]]
    unmet: t.Tuple[str, ...] = ()
    misfits: t.Tuple[str, ...] = ()


def identity(facts: t.Mapping[str, t.Any]) -> str:
    """What a GPU is remembered by: its UUID, else its place."""
    return facts["uuid"] or facts["pci_address"] or f"gpu{facts['index'] or 0}"


def want(tenant: str, workload: str, asked: t.Mapping[str, t.Any], keep: t.Sequence[str] = ()) -> Want:
    """From the checked `requires.gpu` of a specification."""
    return Want(
        tenant=tenant,
        workload=workload,
        count=asked["count"],
        memory_mib=asked.get("memory_mib", 0),
        capability=asked.get("capability", ""),
        name=asked.get("name", ""),
        profile=asked.get("mig", ""),
        mode=mode(asked),
        keep=tuple(keep),
    )


def mode(asked: t.Mapping[str, t.Any]) -> str:
    """Without a word about it, who names an amount of memory shares, and who does not has the GPU alone."""
    if "mig" in asked:
        return MIG
    return asked.get("sharing") or (SHARED if "memory_mib" in asked else EXCLUSIVE)


def _named(gpu: Gpu, pattern: str) -> bool:
    names = [gpu.model, gpu.id, *gpu.names]
    return any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for name in names)


def _lacking(gpu: Gpu, wanted: Want) -> str:
    """Why this GPU can never be it, or nothing."""
    if gpu.problem:
        return gpu.problem
    if wanted.profile != gpu.profile:
        return f"its MIG profile is {gpu.profile}" if gpu.profile else "it has no MIG devices"
    if wanted.name and not _named(gpu, wanted.name):
        return "it has another name"
    if wanted.capability and not satisfies(gpu.capability, wanted.capability):
        return f"its compute capability is {gpu.capability or 'unknown'}"
    return ""


def _blocked(gpu: Gpu, wanted: Want, holds: t.Sequence[Hold], across_tenants: bool) -> str:
    """Why it cannot be given now, with the numbers, or nothing."""
    here = [hold for hold in holds if hold.gpu == gpu.id]
    who = ", ".join(hold.words for hold in here)
    if any(hold.mode != SHARED for hold in here) or (here and wanted.mode != SHARED):
        return f"{gpu.title}: {who}"
    others = [hold for hold in here if hold.tenant != wanted.tenant]
    if others and not across_tenants:
        return (
            f"{gpu.title}: {', '.join(hold.words for hold in others)}, and sharing does not isolate the memory of one tenant from another's: "
            "the site's owner allows it with `tenants_gpu_sharing: node`"
        )
    if not wanted.memory_mib or gpu.integrated:
        return ""
    if gpu.memory_mib is None:
        return f"{gpu.title}: the size of its memory is unknown"
    free = gpu.memory_mib - sum(hold.memory_mib for hold in here)
    if wanted.memory_mib <= free:
        return ""
    return f"{gpu.title}: {wanted.memory_mib:,} MiB asked, {free:,} of {gpu.memory_mib:,} MiB free" + (
        f": {who}" if who else ""
    )


def _room(gpu: Gpu, holds: t.Sequence[Hold]) -> int:
    held = sum(hold.memory_mib for hold in holds if hold.gpu == gpu.id)
    return (gpu.memory_mib or 0) - held


def _fitting(
    gpus: t.Sequence[Gpu], wanted: Want, holds: t.Sequence[Hold], across_tenants: bool
) -> t.Iterator[t.Tuple[str, ...]]:
    """Sets of GPUs that would do: what it has first, then the fullest that still has room, so that others stay whole."""
    free = [gpu for gpu in gpus if not _lacking(gpu, wanted) and not _blocked(gpu, wanted, holds, across_tenants)]
    free.sort(key=lambda gpu: (gpu.id not in wanted.keep, _room(gpu, holds), gpu.id))
    if wanted.count > 1:
        if len(free) >= wanted.count:
            yield tuple(gpu.id for gpu in free[: wanted.count])
        return
    for gpu in free:
        yield (gpu.id,)


def _holds_of(wanted: Want, ids: t.Sequence[str]) -> t.List[Hold]:
    return [Hold(wanted.tenant, wanted.workload, item, wanted.mode, wanted.memory_mib) for item in ids]


def _assign(
    gpus: t.Sequence[Gpu], wants: t.Sequence[Want], holds: t.Sequence[Hold], across_tenants: bool, budget: t.List[int]
) -> t.Optional[t.Dict[str, t.Tuple[str, ...]]]:
    """Depth first, within a budget of tries: a node has few GPUs and a tenant few workloads."""
    if not wants:
        return {}
    first, rest = wants[0], wants[1:]
    for ids in _fitting(gpus, first, holds, across_tenants):
        budget[0] -= 1
        if budget[0] < 0:
            return None
        found = _assign(gpus, rest, [*holds, *_holds_of(first, ids)], across_tenants, budget)
        if found is not None:
            return dict(found, **{first.workload: ids})
    return None


def allocate(gpus: t.Sequence[Gpu], holds: t.Sequence[Hold], wants: t.Sequence[Want], across_tenants: bool) -> Answer:
    """A GPU for every workload of one change, or a line for each that gets none.

    :param across_tenants: whether tenants may share a GPU that has no walls inside.
    """
    unmet = []
    for wanted in wants:
        fitting = [gpu for gpu in gpus if not _lacking(gpu, wanted)]
        if len(fitting) < wanted.count:
            has = "; ".join(f"{gpu.title}: {_lacking(gpu, wanted) or 'fits'}" for gpu in gpus) or "no GPU"
            unmet.append(f"GPU: {wanted.workload} asks for {wanted.words}; this node has: {has}")
    if unmet:
        return Answer({}, unmet=tuple(unmet))
    chosen = _assign(gpus, wants, holds, across_tenants, [10_000])
    if chosen is not None:
        return Answer(chosen)
    return Answer({}, misfits=tuple(_misfits(gpus, holds, wants, across_tenants)))


def _misfits(
    gpus: t.Sequence[Gpu], holds: t.Sequence[Hold], wants: t.Sequence[Want], across_tenants: bool
) -> t.Iterator[str]:
    """One after the other, as they would be given: the first that finds no room says what is in the way."""
    taken = list(holds)
    for wanted in wants:
        ids = next(_fitting(gpus, wanted, taken, across_tenants), None)
        if ids is not None:
            taken += _holds_of(wanted, ids)
            continue
        reasons = [_blocked(gpu, wanted, taken, across_tenants) for gpu in gpus if not _lacking(gpu, wanted)]
        reasons = [reason for reason in reasons if reason] or ["the GPUs that are free do not suffice for all"]
        yield (
            f"GPU: {wanted.workload} asks for {wanted.words}; {'; '.join(reasons)}: lower requires.gpu, or move a workload"
        )
