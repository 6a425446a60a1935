# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a change fits a node: the numbers against the wishes. Pure; the numbers are gathered by the node program."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

UNPACK = 3
"""Disk bytes that one compressed byte of an image needs while it is fetched: itself and what it unpacks to."""
RESERVE_DISK = 1 << 30
RESERVE_MEMORY = 128 << 20


@dataclass(frozen=True)
class Capacity:
    """What a node has. `promised` says who may use how many bytes of memory, `ports` maps (port, protocol) to who holds it."""

    cpus: int
    memory: int
    promised: t.Tuple[t.Tuple[str, int], ...]
    disk_free: int
    disk_total: int
    disk_path: str
    ports: t.Mapping[t.Tuple[int, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wish:
    """What one new container needs, in bytes; `image` is compressed and 0 where the image is here already.

    `gpu_memory` is what it needs of a GPU that has no memory of its own: on a Jetson that is RAM, beside `memory`.
    """

    workload: str
    cpus: float
    memory: int
    image: int
    model: int
    volumes: int
    snapshots: int
    ports: t.Tuple[t.Tuple[int, str], ...]
    gpu_memory: int = 0

    @property
    def ram(self) -> int:
        return self.memory + self.gpu_memory

    @property
    def disk(self) -> int:
        return self.image * UNPACK + self.model + self.volumes + self.snapshots


def mib(count: float) -> str:
    return f"{count / (1 << 20):,.0f} MiB"


def reserve(total: int) -> int:
    """Disk that no change may use: 1 GiB, or 5 percent of a small disk. What runs needs it for its logs and data."""
    return min(RESERVE_DISK, total // 20)


def _disk(capacity: Capacity, wishes: t.Sequence[Wish]) -> t.List[str]:
    needed = sum(wish.disk for wish in wishes)
    usable = capacity.disk_free - reserve(capacity.disk_total)
    if not needed or needed <= usable:
        return []
    parts = ", ".join(f"{wish.workload} {mib(wish.disk)}" for wish in wishes if wish.disk)
    line = (
        f"disk: {mib(needed)} needed ({parts}), {mib(max(0, capacity.disk_free))} free of {mib(capacity.disk_total)} at {capacity.disk_path}, "
        f"{mib(reserve(capacity.disk_total))} of it kept back: free some disk, or use a smaller image"
    )
    return [line]


def _memory(capacity: Capacity, wishes: t.Sequence[Wish]) -> t.List[str]:
    needed = sum(wish.ram for wish in wishes)
    promised = sum(count for dummy, count in capacity.promised)
    usable = capacity.memory - promised - RESERVE_MEMORY
    if needed <= usable:
        return []
    parts = ", ".join(
        f"{wish.workload} {mib(wish.ram)}" + (f" of it {mib(wish.gpu_memory)} for the GPU" if wish.gpu_memory else "")
        for wish in wishes
    )
    holders = ", ".join(f"{who} {mib(count)}" for who, count in capacity.promised) or "nobody"
    line = (
        f"memory: {mib(needed)} asked ({parts}), {mib(max(0, usable))} free of {mib(capacity.memory)} "
        f"({mib(promised)} promised to other workloads: {holders}; {mib(RESERVE_MEMORY)} kept back): lower resources.memory or move a workload"
    )
    return [line]


def refusals(capacity: Capacity, wishes: t.Sequence[Wish]) -> t.List[str]:
    """One line for each thing that does not fit; nothing where all fits."""
    lines = _disk(capacity, wishes) + _memory(capacity, wishes)
    for wish in wishes:
        if wish.cpus > capacity.cpus:
            lines.append(
                f"CPU: {wish.workload} asks for {wish.cpus:g}, the node has {capacity.cpus}: lower resources.cpus"
            )
        for port in wish.ports:
            holder = capacity.ports.get(port)
            if holder is not None:
                lines.append(
                    f"port: {wish.workload} wants {port[0]}/{port[1]} on the node, it is held by {holder}: stop that, or publish on another port"
                )
    return lines
