# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the node has that workloads can require: its GPUs, and the versions of what drives them."""

from __future__ import annotations

import typing as t

from .._core import devices as _devices
from .._core import gpus as _gpus
from .._core.plan import Change
from .._core.state import Deployment, State
from .._core.versions import satisfies
from . import devices, idle
from .engine import Info
from .files import Paths

KIND = "nvidia.com/gpu="
RUNTIME = "nvidia"
_STATES = {
    "lost": "it fell off the bus: power-cycle the node",
    "no_driver": "its driver is not loaded",
    "excluded": "it is excluded by the driver's settings",
}


def requires(change: Change) -> t.Mapping[str, t.Any]:
    return change.spec.get("requires", {}) if change.spec is not None else {}


def _names(gpu: t.Mapping[str, t.Any], names: _devices.Devices) -> t.Tuple[str, ...]:
    own = [str(item) for item in (gpu["index"], gpu["uuid"], gpu["pci_address"]) if item is not None]
    sites = [
        name
        for name, device in names.items()
        if device["kind"] == "gpu" and (device.get("serial") or device.get("port")) in own
    ]
    return tuple(own + sites)


def _problem(gpu: t.Mapping[str, t.Any], facts: t.Mapping[str, t.Any]) -> str:
    if gpu["integrated"] and gpu["state"] == "no_driver":
        return ""  # a driver that is built into the kernel shows no module: the engine's CDI or runtime decides
    if gpu["state"] in _STATES:
        return facts["driver"]["problem"] or _STATES[gpu["state"]]
    return facts["driver"]["problem"] or "" if facts["driver"]["mismatch"] else ""


def known(facts: t.Mapping[str, t.Any], names: _devices.Devices) -> t.List[_gpus.Gpu]:
    """What can be given to workloads: GPUs, or the MIG devices of those that are cut into them."""
    found = []
    for gpu in facts["gpus"]:
        whole = _gpus.Gpu(
            id=_gpus.identity(gpu),
            model=gpu["name"] or "GPU",
            memory_mib=gpu["memory_mib"],
            capability=gpu["compute_capability"],
            integrated=gpu["integrated"],
            names=_names(gpu, names),
            problem=_problem(gpu, facts),
        )
        found += _parts(gpu, whole) if gpu["mig"]["enabled"] else [whole]
    return found


def _parts(gpu: t.Mapping[str, t.Any], whole: _gpus.Gpu) -> t.List[_gpus.Gpu]:
    return [
        _gpus.Gpu(
            id=part["uuid"] or f"{whole.id}/{part['index']}",
            model=f"{whole.model} MIG {part['profile']}",
            memory_mib=part["memory_mib"],
            capability=whole.capability,
            names=(*whole.names, part["index"]),
            profile=part["profile"] or "",
            problem=whole.problem,
        )
        for part in gpu["mig"]["devices"]
    ]


def cdi_name(gpu: _gpus.Gpu, facts: t.Mapping[str, t.Any]) -> str:
    """The engine's name of a GPU; that with its UUID where there is one, since numbers may change at a boot."""
    have = set(facts["cdi"]["devices"])
    for name in (gpu.id, *gpu.names, *(("all",) if gpu.integrated else ())):
        if KIND + name in have:
            return KIND + name
    return ""


def _look() -> t.Dict[str, t.Any]:
    # Only here: a program from one file compiles what it imports each time, and most changes ask for no hardware.
    from . import hardware  # pylint: disable=import-outside-toplevel

    return hardware.read(ioctl=False)


class Granter:
    """Answers for one change: what is missing, what does not fit, and what each workload is given."""

    def __init__(self, paths: Paths, state: State, info: Info, tenant: str, changes: t.Sequence[Change]) -> None:
        self._paths, self._state, self._info, self._tenant = paths, state, info, tenant
        self._changes = [change for change in changes if change.spec is not None]
        self._leaving = {change.old.container for change in changes if change.old is not None}
        named = any(requires(change) or idle.names(change.spec or {}) for change in self._changes)
        self._names = devices.known(paths) if named else {}
        looks = any({"gpu", "driver", "l4t"} & set(requires(change)) for change in self._changes)
        self._facts = _look() if looks else {}
        self._gpus = known(self._facts, self._names) if looks else []
        self._wants = [
            _gpus.want(
                tenant,
                change.name,
                requires(change)["gpu"],
                [gpu["id"] for gpu in change.old.gpus] if change.old else (),
            )
            for change in self._changes
            if "gpu" in requires(change)
        ]

    def _holds(self) -> t.List[_gpus.Hold]:
        return [
            _gpus.Hold(tenant, workload, gpu["id"], gpu["mode"], gpu["memory_mib"])
            for tenant, workload, deployment in self._state.deployments()
            if deployment.container not in self._leaving
            for gpu in deployment.gpus
        ]

    def unmet(self) -> t.List[str]:
        """What the node lacks, a line each."""
        lines = []
        for change in self._changes:
            asked = requires(change)
            lines += [
                f"{change.name}: {reason}"
                for reason in (devices.problem(self._paths, self._names, name) for name in asked.get("devices", []))
                if reason
            ]
            lines += [f"{change.name}: {line}" for line in self._versions(asked)]
            unasked = idle.unmet(self._names, change.spec or {})
            lines += [f"{change.name}: {unasked}"] if unasked else []
        return lines

    def _versions(self, asked: t.Mapping[str, t.Any]) -> t.Iterator[str]:
        jetson = self._facts.get("jetson") or {}
        driver = self._facts.get("driver") or {}
        if "l4t" in asked and not satisfies(jetson.get("l4t"), asked["l4t"]):
            yield f"L4T {asked['l4t']} is required, this node has {jetson.get('l4t') or 'none'}"
        if "driver" in asked and not satisfies(driver.get("loaded"), asked["driver"]):
            yield f"NVIDIA driver {asked['driver']} is required, this node has {driver.get('loaded') or 'none'}"

    def allocate(self, across_tenants: bool) -> _gpus.Answer:
        if not self._wants:
            return _gpus.Answer({})
        answer = _gpus.allocate(self._gpus, self._holds(), self._wants, across_tenants)
        if answer.chosen and not self._info.cdi and RUNTIME not in self._info.runtimes:
            line = "GPU: the engine cannot give any to a container, it has neither CDI nor the nvidia runtime: run the role nvidia_container_toolkit"
            return _gpus.Answer({}, unmet=(line,))
        return self._nameless(answer)

    def _nameless(self, answer: _gpus.Answer) -> _gpus.Answer:
        """Without the runtime, a GPU that no CDI specification names cannot be given."""
        if RUNTIME in self._info.runtimes:
            return answer
        by_id = {gpu.id: gpu for gpu in self._gpus}
        lost = sorted(
            {item for ids in answer.chosen.values() for item in ids if not cdi_name(by_id[item], self._facts)}
        )
        if not lost:
            return answer
        have = ", ".join(self._facts["cdi"]["devices"]) or "none"
        line = f"GPU: no CDI specification names {', '.join(lost)}; named are: {have}: `systemctl restart nvidia-cdi-refresh` writes it anew"
        return _gpus.Answer({}, unmet=(line,))

    def grants(self, workload: str, ids: t.Sequence[str]) -> t.List[t.Dict[str, t.Any]]:
        """What is remembered of the GPUs that a workload is given."""
        asked = next(want for want in self._wants if want.workload == workload)
        by_id = {gpu.id: gpu for gpu in self._gpus}
        return [
            {
                "id": item,
                "mode": asked.mode,
                # Of a GPU without memory of its own, only what was asked for can be counted.
                "memory_mib": asked.memory_mib or (0 if by_id[item].integrated else by_id[item].memory_mib or 0),
                "integrated": by_id[item].integrated,
                "cdi": cdi_name(by_id[item], self._facts) if self._info.cdi else "",
            }
            for item in ids
        ]


def ram_bytes(deployment: Deployment) -> int:
    """Memory of the node that a deployment may use: its own, and its GPU's where that is RAM."""
    gpu = sum(item["memory_mib"] for item in deployment.gpus if item["integrated"] and item["mode"] != _gpus.MIG)
    return int(deployment.spec["resources"]["memory"]) + gpu * (1 << 20)
