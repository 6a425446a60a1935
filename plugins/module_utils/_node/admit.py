# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathers what a node has and what a change needs, and lets `_core` decide: does it fit, what is each workload given."""

from __future__ import annotations

import contextlib
import typing as t

from .._core import admission, tenants
from .._core.fields import SpecError
from .._core.plan import SWITCH, Change
from .._core.state import Deployment, State
from . import files, models, registry
from .archive import OciImage
from .engine import Engine, Info
from .errors import NodeError
from .fetch import Fetcher
from .files import Paths, free_bytes, tree_bytes
from .grants import Granter, ram_bytes

_LISTEN = {"tcp": "0A", "udp": "07"}


def listening() -> t.Dict[t.Tuple[int, str], str]:
    """(port, protocol) of every socket that waits on an address other than loopback or on loopback alike."""
    found: t.Dict[t.Tuple[int, str], str] = {}
    for protocol, state in _LISTEN.items():
        for name in (protocol, protocol + "6"):
            with contextlib.suppress(OSError), open(f"/proc/net/{name}", encoding="ascii") as handle:
                for line in list(handle)[1:]:
                    parts = line.split()
                    if parts[3] == state:
                        found[(int(parts[1].rsplit(":", 1)[1], 16), protocol)] = "another program on the node"
    return found


def _ports(engine: Engine, replaced: t.Collection[str]) -> t.Dict[t.Tuple[int, str], str]:
    """Who holds which port, without the containers that make room."""
    found = listening()
    freed: t.Set[t.Tuple[int, str]] = set()
    for container in engine.containers(everything=True):
        for port in container.ports:
            if container.name in replaced:
                freed.add(port)
            elif container.running or container.restart == "always":
                found[port] = f"container {container.name}"
    for port in freed:
        if found.get(port) == "another program on the node":
            del found[port]
    return found


def _host_network_ports(changes: t.Sequence[Change]) -> t.Set[t.Tuple[int, str]]:
    """Ports of workloads on the host's network that are replaced: their listener is the workload itself."""
    return {
        (entry["host"], entry["protocol"])
        for change in changes
        if change.old is not None and change.old.spec["network"] == "host"
        for entry in change.old.spec["ports"]
    }


def capacity(engine: Engine, info: Info, paths: Paths, state: State, changes: t.Sequence[Change]) -> admission.Capacity:
    replaced = {change.old.container for change in changes if change.old is not None}
    promised = tuple(
        (f"{tenant}/{workload}", ram_bytes(item))
        for tenant, workload, item in state.deployments()
        if item.container not in replaced
    )
    free, total = free_bytes(info.root)
    where = info.root
    own_free, own_total = free_bytes(paths.state_directory)
    if own_free < free:
        free, total, where = own_free, own_total, paths.state_directory
    ports = _ports(engine, replaced)
    for port in _host_network_ports(changes):
        ports.pop(port, None)
    return admission.Capacity(info.cpus, info.memory, promised, free, total, where, ports)


def _image_bytes(
    fetcher: Fetcher, engine: Engine, spec: t.Mapping[str, t.Any], have: t.Callable[[], t.Collection[str]]
) -> int:
    if fetcher.have(spec) is not None or engine.image(f"{spec['image']}@{spec['digest']}") is not None:
        return 0
    if "archive" in spec:
        return OciImage(spec["archive"], spec["digest"]).size
    remote = registry.look_up(spec["image"], spec["digest"], fetcher.credentials)
    return remote.missing(have()) if remote is not None else 0


def to_fetch(
    engine: Engine, fetcher: Fetcher, paths: Paths, specs: t.Iterable[t.Mapping[str, t.Any]]
) -> t.Tuple[int, t.List[str]]:
    """(bytes that would come over the link, what does not say how large it is)."""
    total, unknown = 0, []
    have = set(models.present(paths))
    layers = engine.layers()
    for spec in specs:
        known = fetcher.have(spec) is not None or engine.image(f"{spec['image']}@{spec['digest']}") is not None
        if not known and "archive" not in spec:
            remote = registry.look_up(spec["image"], spec["digest"], fetcher.credentials)
            total += remote.missing(layers) if remote is not None else 0
            unknown += [] if remote is not None else [spec["image"]]
        unknown += [
            f"model {model['name']}"
            for model in spec["models"]
            if model["sha256"] not in have and not model["source"].startswith(("/", "file:"))
        ]
    return total, unknown


def _model_bytes(paths: Paths, spec: t.Mapping[str, t.Any]) -> int:
    """Of those that are copied from the node itself. What comes from elsewhere tells its size when it begins to come."""
    return sum(models.local_size(paths, model) for model in spec["models"])


def _volume_bytes(paths: Paths, tenant: str, spec: t.Mapping[str, t.Any]) -> t.Tuple[int, int]:
    """(bytes that volumes may still grow, bytes of the copies that are made before the swap)."""
    grow = copies = 0
    for volume in spec["volumes"]:
        used = tree_bytes(paths.volume(tenant, spec["name"], volume["name"]) + "/data")
        grow += max(0, volume["size"] - used)
        copies += used if volume["snapshot"] == "before_swap" else 0
    return grow, copies


Grants = t.Dict[str, t.List[t.Dict[str, t.Any]]]
"""workload -> the GPUs it is given, as they are remembered in its deployment."""


def wishes(
    engine: Engine, fetcher: Fetcher, paths: Paths, tenant: str, changes: t.Sequence[Change], grants: Grants
) -> t.List[admission.Wish]:
    layers: t.List[t.Set[str]] = []

    def have() -> t.Set[str]:
        if not layers:
            layers.append(engine.layers())
        return layers[0]

    result = []
    for change in changes:
        spec = change.spec
        if spec is None:
            continue
        grow, copies = _volume_bytes(paths, tenant, spec)
        result.append(
            admission.Wish(
                workload=spec["name"],
                cpus=spec["resources"]["cpus"],
                memory=spec["resources"]["memory"],
                image=_image_bytes(fetcher, engine, spec, have),
                model=_model_bytes(paths, spec),
                volumes=grow,
                snapshots=copies,
                ports=tuple((entry["host"], entry["protocol"]) for entry in spec["ports"]),
                gpu_memory=sum(gpu["memory_mib"] << 20 for gpu in grants.get(spec["name"], []) if gpu["integrated"]),
            )
        )
    return result


def _more_models(paths: Paths, spec: t.Optional[t.Mapping[str, t.Any]]) -> admission.Wish:
    """What a container that is kept needs for its new models."""
    name, size = (spec["name"], _model_bytes(paths, spec)) if spec is not None else ("", 0)
    return admission.Wish(name, 0.0, 0, image=0, model=size, volumes=0, snapshots=0, ports=())


def policy(paths: Paths) -> tenants.Policy:
    try:
        return tenants.parse(paths.tenants, files.read_json(paths.tenants, None))
    except SpecError as exc:
        raise NodeError("node", f"{exc}: run the role tenants again") from None


def _disk_of(engine: Engine, paths: Paths, deployment: Deployment) -> int:
    image = engine.image(deployment.image_id) if deployment.image_id else None
    stored = sum(tree_bytes(models.directory(paths, model)) for model in deployment.spec["models"])
    return (image.size if image else 0) + stored + sum(volume["size"] for volume in deployment.spec["volumes"])


def _new_disk(engine: Engine, fetcher: Fetcher, paths: Paths, wish: admission.Wish, spec: t.Mapping[str, t.Any]) -> int:
    image = engine.image(fetcher.have(spec) or f"{spec['image']}@{spec['digest']}")
    stored = sum(tree_bytes(models.directory(paths, model)) for model in spec["models"]) or wish.model
    size = image.size if image else wish.image * admission.UNPACK
    return size + stored + sum(volume["size"] for volume in spec["volumes"])


def _use(
    engine: Engine,
    fetcher: Fetcher,
    paths: Paths,
    kept: t.Sequence[Deployment],
    asked: t.Sequence[t.Tuple[t.Mapping[str, t.Any], admission.Wish]],
    grants: Grants,
) -> tenants.Use:
    """What a tenant's whole set will use, once the change is made."""
    use = tenants.Use()
    for item in kept:
        use.cpus += item.spec["resources"]["cpus"]
        use.memory += ram_bytes(item)
        use.disk += _disk_of(engine, paths, item)
    for spec, wish in asked:
        use.cpus += wish.cpus
        use.memory += wish.ram
        use.disk += _new_disk(engine, fetcher, paths, wish, spec)
    held = [gpu for item in kept for gpu in item.gpus] + [gpu for gpus in grants.values() for gpu in gpus]
    use.gpus = {gpu["id"] for gpu in held}
    use.gpu_memory_mib = sum(gpu["memory_mib"] for gpu in held)
    return use


class Admission:
    """Whether a change may begin. `grants` then holds what each of its workloads is given."""

    def __init__(self, engine: Engine, info: Info, paths: Paths, fetcher: Fetcher, tenant: str) -> None:
        self._engine, self._info, self._paths, self._fetcher, self._tenant = engine, info, paths, fetcher, tenant
        self.grants: Grants = {}

    def ask(self, state: State, changes: t.Sequence[Change]) -> t.List[str]:
        """A line for each thing that does not fit now.

        A container that is kept has what it needs, GPUs and all: only its new models need room.

        :raises NodeError: contract, where the node lacks something that is required.
        """
        switching = [_more_models(self._paths, change.spec) for change in changes if change.action == SWITCH]
        changes = [change for change in changes if change.action != SWITCH]
        policy_now = policy(self._paths)
        granter = Granter(self._paths, state, self._info, self._tenant, changes)
        answer = granter.allocate(policy_now.across_tenants)
        unmet = [*granter.unmet(), *answer.unmet]
        if unmet:
            raise NodeError("contract", "unmet: " + "; ".join(unmet))
        self.grants = {name: granter.grants(name, ids) for name, ids in answer.chosen.items()}
        asked = wishes(self._engine, self._fetcher, self._paths, self._tenant, changes, self.grants)
        have = capacity(self._engine, self._info, self._paths, state, changes)
        lines = [*answer.misfits, *admission.refusals(have, [*asked, *switching])]
        if policy_now.shares is not None:
            more = sum(wish.disk for wish in switching)
            lines += self._beyond_share(policy_now, state, changes, asked, more)
        return lines

    def _beyond_share(
        self,
        shares: tenants.Policy,
        state: State,
        changes: t.Sequence[Change],
        asked: t.Sequence[admission.Wish],
        more_disk: int,
    ) -> t.List[str]:
        moving = {change.name for change in changes}
        kept = [item for tenant, name, item in state.deployments() if tenant == self._tenant and name not in moving]
        specs = [change.spec for change in changes if change.spec is not None]
        use = _use(self._engine, self._fetcher, self._paths, kept, list(zip(specs, asked)), self.grants)
        use.disk += more_disk
        return tenants.refusals(shares, self._tenant, specs, use)
