# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a Fleet to what an inventory holds: groups with their variables, hosts with theirs."""

from __future__ import annotations

import dataclasses
import functools
import re
import typing as t

from . import ssh
from .errors import FleetError
from .model import Entry, Fleet, Region, Site
from .routes import Gateway, Routes
from .values import EXTRA_ARGS

_UNSAFE = re.compile(r"[^A-Za-z0-9_]")


@dataclasses.dataclass
class Group:
    variables: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    children: list[str] = dataclasses.field(default_factory=list)
    hosts: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Inventory:
    """Groups are in the order from the widest to the narrowest; so are their variables in precedence."""

    groups: dict[str, Group] = dataclasses.field(default_factory=dict)
    hosts: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Known:
    """The file of known hosts beside the fleet file, and the names in it. What is not in it is checked as before.

    `configuration` is the file that Ansible gives to ssh with -F.
    """

    path: str = ""
    names: frozenset[str] = frozenset()
    configuration: str = ""

    @functools.cached_property
    def _hosts(self) -> frozenset[str]:
        """Names without their ports: which one a host has may stand in any variable."""
        return frozenset(name.partition("]:")[0].lstrip("[") for name in self.names)

    def file(self, name: str) -> str:
        """The file, where something is pinned for this name."""
        return self.path if name in self._hosts else ""


def expand(fleet: Fleet, known: Known | None = None) -> Inventory:
    """The inventory of a fleet, or a FleetError where hosts or groups collide or cannot be reached."""
    return _Builder(fleet, known or Known()).build()


class _Builder:
    def __init__(self, fleet: Fleet, known: Known) -> None:
        self.fleet = fleet
        self.known = known
        self.routes = Routes(fleet)
        for gateway in self.routes.gateways.values():
            gateway.known_hosts = known.file(gateway.host if gateway.alias else gateway.uplink.host)
            gateway.configuration = known.configuration
        self.inventory = Inventory()
        self.source: dict[str, str] = {}  # the group's name -> what it was made from

    def build(self) -> Inventory:
        top = self.group(f"fleet_{self.fleet.name}", f"fleet {self.fleet.name}", None)
        group = self.inventory.groups[top]
        group.variables.update({"edge_fleet": self.fleet.name, "edge_ssh_args": ssh.KEEPALIVE})
        group.variables.update(dict.fromkeys(EXTRA_ARGS, "{{ edge_ssh_args }}"))
        group.variables.update(self.fleet.variables)
        for ring in self.fleet.rings:
            self.group(f"ring_{ring}", f"ring {ring}", None)
        self.group("gateways", "gateways", None)
        for region in self.fleet.regions:
            self.region(region, top)
        return self.inventory

    def group(self, name: str, source: str, where: object, parent: str = "") -> str:
        """The safe form of the name, which no other thing may have."""
        safe = _UNSAFE.sub("_", name)
        if safe not in self.inventory.groups:
            self.inventory.groups[safe] = Group()
            self.source[safe] = source
            if parent:
                self.inventory.groups[parent].children.append(safe)
        elif self.source[safe] != source:
            found = f"{source}, whose group {safe} is that of {self.source[safe]}"
            raise FleetError("the fleet file", "", found, "names that differ in more than punctuation", where=where)
        return safe

    def region(self, region: Region, top: str) -> None:
        name = self.group(f"region_{region.name}", f"region {region.name}", region.where, top)
        self.inventory.groups[name].variables.update({"edge_region": region.name, **region.variables})
        for site in region.sites:
            self.site(site, name)

    def site(self, site: Site, parent: str) -> None:
        if f"site {site.name}" in self.source.values():
            raise FleetError(site.place, "", "a site of this name in two regions", "each site once", where=site.where)
        name = self.group(f"site_{site.name}", site.place, site.where, parent)
        networks = {"site": [site.network.text]} if site.network else {}
        self.inventory.groups[name].variables.update(
            {
                "edge_site": site.name,
                "edge_gateway": site.gateway,
                "edge_zone": "",
                "edge_hardware": "",
                "edge_networks": networks,
                **site.settings.variables(),
                **site.variables,
            }
        )
        inside, outside = self.routes.inside(site), self.routes.outside(site)
        for entry in site.entries:
            is_gateway = entry.hosts == [site.gateway]
            groups = self.groups_of(site, entry, name, networks)
            self.entry(site, entry, groups, outside if is_gateway else inside)

    def groups_of(self, site: Site, entry: Entry, parent: str, networks: dict[str, list[str]]) -> list[Group]:
        """The groups that the hosts of an entry are in: its zone (and so its site) or its site, and the others."""
        names = [parent]
        if entry.zone:
            place = f"{site.place}, zone {entry.zone}"
            names = [self.group(f"{site.name}_zone_{entry.zone}", place, entry.where, parent)]
            zone = site.zones.get(entry.zone)
            variables: dict[str, t.Any] = {"edge_zone": entry.zone}
            if zone:
                variables["edge_networks"] = {**networks, "zone": [zone.text]}
            self.inventory.groups[names[0]].variables.update(variables)
        names.append(self.group(f"ring_{entry.settings.ring}", f"ring {entry.settings.ring}", entry.where))
        if entry.hardware:
            names.append(self.group(f"hardware_{entry.hardware}", f"hardware {entry.hardware}", entry.where))
        if entry.hosts == [site.gateway]:
            names.append("gateways")
        return [self.inventory.groups[name] for name in names]

    def entry(self, site: Site, entry: Entry, groups: list[Group], gateways: list[Gateway]) -> None:
        shared = self.shared_variables(site, entry)
        way = ssh.jump(gateways)
        gateway = self.routes.gateways.get(entry.hosts[0])
        # A gateway whose address is its own everywhere is known by that address, as the jump through it knows it.
        alias = bool(way) and (gateway is None or gateway.alias)
        for host, inside in zip(entry.hosts, entry.endpoints, strict=True):
            if host in self.inventory.hosts:
                found = f"the host name {host} twice"
                raise FleetError(entry.place, "", found, "each host name once", where=entry.where)
            reached = gateway.uplink if gateway else inside
            if reached is None:
                continue
            variables = {"ansible_host": reached.host, "edge_address": inside.host if inside else "", **shared}
            if reached.port:
                variables["ansible_port"] = reached.port
            known = self.known.file(host if alias else reached.host)
            if way or known:
                variables["edge_ssh_args"] = ssh.arguments(host, way, alias=alias, known_hosts=known)
            if way:
                variables.setdefault("ansible_control_path", ssh.control_path(host, reached.identity, way))
            self.inventory.hosts[host] = variables
            for group in groups:
                group.hosts.append(host)

    def shared_variables(self, site: Site, entry: Entry) -> dict[str, t.Any]:
        """What all hosts of an entry have and their groups do not say."""
        variables: dict[str, t.Any] = {}
        if entry.hardware:
            variables["edge_hardware"] = entry.hardware
        if entry.settings is not site.settings:
            outer = site.settings.variables()
            variables.update({key: value for key, value in entry.settings.variables().items() if value != outer[key]})
        return {**variables, **entry.variables}
