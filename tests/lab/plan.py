# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab consists of: names, addresses and routes. Pure: computes, touches nothing."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import typing as t
from dataclasses import dataclass

POOL = ipaddress.IPv4Network("10.64.0.0/12")
BLOCK_PREFIX = 20  # 16 networks of /24 for each lab: the uplink and up to 8 sites
DEFAULT_NAME = "edge"
DEFAULT_NODES = 4
MAX_NODES = 48
SITE_NAMES = ("kiruna", "lulea", "malmo", "visby", "falun", "kalmar", "umea", "lund")
RINGS = ("canary", "early", "broad")
RELEASES = ("bookworm", "trixie")
OS_NAMES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
REGISTRY_HOST = "registry.lab"
REGISTRY_PORT = 5000
APT_HOST = "apt.lab"
APT_PORT = 3142

_NAME = re.compile(r"[a-z][a-z0-9]{0,14}")


class LabError(Exception):
    """One clear line for the person at the keyboard."""


@dataclass(frozen=True)
class NodePlan:
    """One node: where it is and how it is reached."""

    host: str  # inventory host name, e.g. kiruna-cam01
    name: str  # its name inside the site, e.g. cam01
    site: str
    release: str
    address: str  # on the site network
    uplink: str  # on the uplink network; empty unless this is the gateway
    number: int  # host number inside the site's CIDR

    @property
    def is_gateway(self) -> bool:
        return bool(self.uplink)


@dataclass(frozen=True)
class SitePlan:
    """One site: a network of its own behind a gateway."""

    name: str
    ring: str
    cidr: str
    nodes: tuple[NodePlan, ...]

    @property
    def gateway(self) -> NodePlan:
        return self.nodes[0]

    @property
    def router(self) -> str:
        """The engine's own address on the site network: where 'a client at the site' is."""
        return str(ipaddress.ip_network(self.cidr)[1])


@dataclass(frozen=True)
class LabPlan:
    """A whole lab."""

    name: str
    block: str
    sites: tuple[SitePlan, ...]

    @property
    def uplink_cidr(self) -> str:
        return str(_networks(self.block)[0])

    @property
    def uplink_router(self) -> str:
        return str(_networks(self.block)[0][1])

    @property
    def registry_address(self) -> str:
        return str(_networks(self.block)[0][2])

    @property
    def apt_address(self) -> str:
        return str(_networks(self.block)[0][3])

    @property
    def uplink_network(self) -> str:
        return f"{self.prefix}-uplink"

    @property
    def prefix(self) -> str:
        return f"lab-{self.name}"

    @property
    def nodes(self) -> tuple[NodePlan, ...]:
        return tuple(node for site in self.sites for node in site.nodes)

    def network(self, site: str) -> str:
        return f"{self.prefix}-site-{site}"

    def container(self, host: str) -> str:
        return f"{self.prefix}-{host}"

    def site(self, name: str) -> SitePlan:
        for site in self.sites:
            if site.name == name:
                return site
        raise LabError(f"lab {self.name}: no site '{name}'; the sites are {', '.join(s.name for s in self.sites)}")


def _networks(block: str) -> list[ipaddress.IPv4Network]:
    return list(ipaddress.IPv4Network(block).subnets(new_prefix=24))


def check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise LabError(f"lab name '{name}': want a lower-case letter, then at most 14 lower-case letters or digits")
    return name


def site_sizes(nodes: int) -> list[int]:
    """How many nodes each site has: few sites with a gateway and at least one more node each."""
    if not 1 <= nodes <= MAX_NODES:
        raise LabError(f"{nodes} nodes asked for: want 1 to {MAX_NODES}")
    if nodes < 4:
        count = 1
    elif nodes < 8:
        count = 2
    elif nodes < 24:
        count = 4
    else:
        count = 8
    share, rest = divmod(nodes, count)
    return [share + (1 if index < rest else 0) for index in range(count)]


def choose_block(name: str, used: t.Iterable[str]) -> str:
    """The addresses of a lab: the same for a name each time, unless somebody else has them."""
    taken = [ipaddress.IPv4Network(cidr, strict=False) for cidr in used if ":" not in cidr]
    blocks = list(POOL.subnets(new_prefix=BLOCK_PREFIX))
    first = 0 if name == DEFAULT_NAME else int(hashlib.sha256(name.encode()).hexdigest(), 16) % len(blocks)
    for index in range(len(blocks)):
        block = blocks[(first + index) % len(blocks)]
        if not any(block.overlaps(other) for other in taken):
            return str(block)
    raise LabError(f"lab {name}: every /{BLOCK_PREFIX} of {POOL} overlaps a network of this machine")


def make_plan(name: str, nodes: int, block: str) -> LabPlan:
    networks = _networks(block)
    sites = []
    for index, size in enumerate(site_sizes(nodes)):
        site = SITE_NAMES[index]
        release = RELEASES[index % len(RELEASES)]
        cidr = networks[index + 1]
        members = [NodePlan(f"{site}-gw01", "gw01", site, release, str(cidr[2]), str(networks[0][11 + index]), 2)]
        for number in range(1, size):
            short = f"cam{number:02d}"
            members.append(NodePlan(f"{site}-{short}", short, site, release, str(cidr[10 + number]), "", 10 + number))
        ring = RINGS[min(index, len(RINGS) - 1)]
        sites.append(SitePlan(site, ring, str(cidr), tuple(members)))
    return LabPlan(check_name(name), block, tuple(sites))


def node_environment(plan: LabPlan, node: NodePlan, disk_mib: int) -> dict[str, str]:
    """What the start script of a node reads: see images/node/rootfs/usr/local/lib/lab/."""
    site = plan.site(node.site)
    return {
        "SITE_CIDR": site.cidr,
        "SITE_GATEWAY": "" if node.is_gateway else site.gateway.address,
        "UPLINK_ADDRESS": node.uplink,
        "UPLINK_ROUTER": plan.uplink_router,
        "DISK_MIB": str(disk_mib),
    }
