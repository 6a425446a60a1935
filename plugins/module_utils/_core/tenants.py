# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tenant may use of a node: the share that the site's owner lends it. Pure.

A limit that is not written is none, but for what would open the walls between tenants: networks other than the tenant's own
and capabilities must be named to be allowed.
"""

from __future__ import annotations

import fnmatch
import typing as t
from dataclasses import dataclass, field

from .admission import mib
from .fields import Field, choice, error, integer, listing, mapping, number, size, table, text
from .names import NAME, NAME_WANTED

SCHEMA = 1
OWN, NODE = "tenant", "node"

_PORTS = text(r"\d{1,5}(-\d{1,5})?", "a port or a range such as '8000-8099'")

SHARE: t.Dict[str, Field] = {
    "cpus": Field(number(0.01, 1024), doc="CPUs of all its workloads together"),
    "memory": Field(size, doc="memory of all its workloads together; GPU memory counts where that is RAM"),
    "disk": Field(size, doc="disk of its images, models and volumes together"),
    "gpus": Field(integer(0, 64), doc="GPUs, or MIG devices, that it holds alone or shares"),
    "gpu_memory_mib": Field(integer(0, 1 << 22), doc="GPU memory of all its workloads that share, in MiB"),
    "devices": Field(listing(text()), doc="names of devices it may ask for; `*` stands for any letters"),
    "ports": Field(listing(_PORTS), doc="ports of the node it may publish, such as '8000-8099'"),
    "registries": Field(listing(text()), doc="beginnings of image names, such as registry.example.com/quality"),
    "networks": Field(
        listing(choice("bridge", "none", "host", "macvlan")),
        default=["bridge", "none"],
        doc="kinds of network; on `host` a workload reaches what others keep to loopback",
    ),
    "capabilities": Field(listing(text(r"[A-Z_]+")), default=[], doc="capabilities its workloads may keep"),
}

_FILE = mapping(
    {
        "schema": Field(integer(SCHEMA, SCHEMA), required=True, doc="1"),
        "gpu_sharing": Field(
            choice(OWN, NODE),
            default=OWN,
            doc="who may share a GPU that has no walls inside: workloads of one tenant, or all of the node",
        ),
        "tenants": Field(table(NAME, NAME_WANTED, mapping(SHARE)), required=True, doc="tenant: share"),
    }
)


@dataclass(frozen=True)
class Policy:
    """`shares` is None where the site's owner has not divided the node: every tenant may use all of it."""

    shares: t.Optional[t.Mapping[str, t.Mapping[str, t.Any]]] = None
    gpu_sharing: str = OWN

    @property
    def across_tenants(self) -> bool:
        return self.gpu_sharing == NODE


@dataclass
class Use:
    """What workloads use together; memory and disk in bytes."""

    cpus: float = 0.0
    memory: int = 0
    disk: int = 0
    gpus: t.Set[str] = field(default_factory=set)
    gpu_memory_mib: int = 0


def parse(where: str, value: t.Any) -> Policy:
    """:raises SpecError: one line that names the place."""
    if value is None:
        return Policy()
    checked = _FILE(where, value)
    for name, share in checked["tenants"].items():
        for index, entry in enumerate(share.get("ports", [])):
            low, high = _range(entry)
            if not 1 <= low <= high <= 65535:
                raise error(f"{where}.tenants.{name}.ports[{index}]", entry, "ports from 1 to 65535, the lower first")
    return Policy(checked["tenants"] or None, checked["gpu_sharing"])


def _range(entry: str) -> t.Tuple[int, int]:
    low, dummy, high = entry.partition("-")
    return int(low), int(high or low)


def _below(image: str, prefix: str) -> bool:
    prefix = prefix.rstrip("/")
    return image == prefix or image.startswith(prefix + "/")


def _listed(values: t.Sequence[str]) -> str:
    return ", ".join(values) or "none"


def forbidden(share: t.Mapping[str, t.Any], spec: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """What one workload asks for and its tenant may not have."""
    name = spec["name"]
    network = "macvlan" if isinstance(spec["network"], dict) else spec["network"]
    if network not in share["networks"]:
        yield f"network: {name} asks for {network}, allowed are {_listed(share['networks'])}"
    for capability in spec["capabilities"]:
        if capability not in share["capabilities"]:
            yield f"capability: {name} asks for {capability}, allowed are {_listed(share['capabilities'])}"
    if "registries" in share and not any(_below(spec["image"], prefix) for prefix in share["registries"]):
        yield f"registry: {name} takes {spec['image']}, allowed is what begins with {_listed(share['registries'])}"
    for device in spec.get("requires", {}).get("devices", []):
        if "devices" in share and not any(fnmatch.fnmatchcase(device, pattern) for pattern in share["devices"]):
            yield f"device: {name} asks for {device}, lent are {_listed(share['devices'])}"
    for entry in spec["ports"]:
        ranges = [_range(item) for item in share.get("ports", [])]
        if "ports" in share and not any(low <= entry["host"] <= high for low, high in ranges):
            yield f"port: {name} publishes {entry['host']}, lent are {_listed(share['ports'])}"


def exceeded(share: t.Mapping[str, t.Any], use: Use) -> t.Iterator[str]:
    """The limits that a tenant's whole set would pass, with the numbers."""
    rows: t.List[t.Tuple[str, str, float, t.Callable[[float], str]]] = [
        ("cpus", "CPU", use.cpus, lambda count: f"{count:g}"),
        ("memory", "memory", use.memory, mib),
        ("disk", "disk", use.disk, mib),
        ("gpus", "GPUs", len(use.gpus), lambda count: f"{count:g}"),
        ("gpu_memory_mib", "GPU memory", use.gpu_memory_mib, lambda count: f"{count:,.0f} MiB"),
    ]
    for key, word, used, show in rows:
        if key in share and used > share[key]:
            yield f"{word}: {show(used)} needed by all its workloads together, its share is {show(share[key])}"


def refusals(policy: Policy, tenant: str, specs: t.Sequence[t.Mapping[str, t.Any]], use: Use) -> t.List[str]:
    """One line for each limit that stands in the way of a change; nothing where the site's owner set none."""
    if policy.shares is None:
        return []
    share = policy.shares.get(tenant)
    if share is None:
        return [
            f"tenant {tenant} has no share of this node; shares have: {_listed(sorted(policy.shares))}: the site's owner lends one (role tenants)"
        ]
    lines = [line for spec in specs for line in forbidden(share, spec)] + list(exceeded(share, use))
    return [f"share of tenant {tenant}: {line}: the site's owner sets it (role tenants)" for line in lines]
