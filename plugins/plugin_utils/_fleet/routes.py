# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How ssh reaches each host: the gateways to pass, checked over the whole fleet."""

from __future__ import annotations

import dataclasses
import typing as t

from .errors import FleetError, near
from .model import Entry, Fleet, Site
from .network import Endpoint, Network


@dataclasses.dataclass
class Gateway:
    """A host that others are reached through."""

    host: str
    site: Site
    entry: Entry
    uplink: Endpoint
    variables: dict[str, t.Any]  # of all levels above it, for the ssh that the jump is
    alias: bool = False  # its address alone does not identify it
    known_hosts: str = ""  # the file in which its key is pinned
    configuration: str = ""  # of the ssh of the controller, where Ansible names one


class Routes:
    """The gateways of a fleet, and the chain of them in front of each site."""

    def __init__(self, fleet: Fleet) -> None:
        self.gateways: dict[str, Gateway] = {}
        for region, site in fleet.sites():
            entry = site.gateway_entry
            if entry and entry.uplink:
                variables = {**fleet.variables, **region.variables, **site.variables, **entry.variables}
                self.gateways[site.gateway] = Gateway(site.gateway, site, entry, entry.uplink, variables)
        for _region, site in fleet.sites():
            self._check_via(site)
        self._mark_aliases()
        _check_overlaps(fleet)
        _check_outside(fleet)

    def outside(self, site: Site) -> list[Gateway]:
        """The gateways to pass to reach the site from outside, first one first; without the site's own."""
        chain: list[Gateway] = []
        while site.via:
            gateway = self.gateways[site.via]
            chain.insert(0, gateway)
            site = gateway.site
        return chain

    def inside(self, site: Site) -> list[Gateway]:
        """The same for the nodes behind the site's own gateway."""
        return self.outside(site) + ([self.gateways[site.gateway]] if site.gateway else [])

    def _check_via(self, site: Site) -> None:
        seen, at = [site.name], site
        while at.via:
            gateway = self.gateways.get(at.via)
            if gateway is None:
                known = sorted(self.gateways)
                allowed = "the host name of another site's gateway" + (f": {', '.join(known[:10])}" if known else "")
                raise FleetError(at.place, "via", repr(at.via), allowed, hint=near(at.via, known), where=at.where)
            at = gateway.site
            if at.name in seen:
                circle = " -> ".join([*seen, at.name])
                allowed = "a chain that ends at a gateway without via"
                raise FleetError(site.place, "via", f"a circle: {circle}", allowed, where=site.where)
            seen.append(at.name)

    def _mark_aliases(self) -> None:
        """Two gateways behind different ones may have one address; then only a name tells their host keys apart."""
        users: dict[tuple[t.Any, ...], list[Gateway]] = {}
        for gateway in self.gateways.values():
            users.setdefault(gateway.uplink.identity, []).append(gateway)
        for gateways in users.values():
            for gateway in gateways:
                gateway.alias = len(gateways) > 1 and bool(gateway.site.via)


def _networks(site: Site) -> list[Network]:
    """The networks of a site: its own, and those of zones that are not parts of it."""
    zones = [zone for zone in site.zones.values() if zone]
    if site.network is None:
        return zones
    return [site.network, *(zone for zone in zones if not site.network.overlaps(zone))]


def _check_overlaps(fleet: Fleet) -> None:
    """Networks that are entered at one point must differ; behind different gateways they may be the same."""
    entered: dict[tuple[str, int], list[tuple[Network, Site]]] = {}
    for _region, site in fleet.sites():
        for network in _networks(site):
            point = site.gateway or site.via
            entered.setdefault((point, network.version), []).append((network, site))
    for (point, _version), networks in entered.items():
        widest: tuple[Network, Site] | None = None
        for network, site in sorted(networks, key=lambda item: (item[0].first, -item[0].size)):
            if widest and widest[0].overlaps(network) and widest[1] is not site:
                found = f"{network.text}, which overlaps {widest[0].text} of site {widest[1].name}"
                reached = f"sites behind {point}" if point else "sites that are routed directly"
                raise FleetError(
                    site.place,
                    "cidr",
                    found,
                    f"a network of its own among {reached}",
                    hint="a gateway with its own uplink makes one network in two sites possible",
                    where=site.where,
                )
            if widest is None or network.last > widest[0].last:
                widest = (network, site)


def _check_outside(fleet: Fleet) -> None:
    """What is reached from one point is reached at different addresses, whatever its site."""
    seen: dict[tuple[t.Any, ...], tuple[str, str]] = {}
    for _region, site in fleet.sites():
        gateway = site.gateway_entry
        if gateway and gateway.uplink:
            reached = [(site.gateway, gateway.uplink, gateway, "uplink")]
        else:
            reached = [
                (host, found, entry, "address")
                for entry in site.entries
                for host, found in zip(entry.hosts, entry.endpoints, strict=True)
                if found
            ]
        for host, found, entry, key in reached:
            other = seen.setdefault((site.via, *found.identity), (host, key))
            if other[0] != host:
                text = f"{found.host}, at which {other[0]} is reached"
                raise FleetError(entry.place, key, text, "an address of its own", where=entry.where)
