# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the dictionary of a fleet file to a Fleet: every key read, checked and named when it is wrong."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from . import addresses, values
from .errors import FleetError, Section, name_of_type, near
from .model import Entry, Fleet, Region, Settings, Site
from .network import AddressError, Network, network
from .ranges import RangeError, expand

PLUGIN = "physical_ai.edge.sites"
RINGS = ("canary", "early", "broad")
CONNECTIVITY = ("connected", "intermittent", "disconnected")
WHEN_OFFLINE = ("expected", "error")
DEFAULT_WHEN_OFFLINE = {"connected": "error", "intermittent": "expected", "disconnected": "expected"}

SETTINGS = tuple(field.name for field in dataclasses.fields(Settings))
FLEET_KEYS = ("plugin", "fleet", "rings", "defaults", "vars", "regions", *SETTINGS)
REGION_KEYS = ("vars", "sites", *SETTINGS)
SITE_KEYS = ("cidr", "zones", "gateway", "via", "vars", "nodes", *SETTINGS)
NODE_KEYS = ("host", "first_host", "address", "uplink", "via", "hardware", "zone", "vars", *SETTINGS)
# The longest label of a host name in DNS; the name of the node is made from it.
LONGEST_NAME = 63


def parse(data: object) -> Fleet:
    """The fleet of a file, or a FleetError that says what to change."""
    if data is None or data == {}:
        raise FleetError("the fleet file", "", "an empty file", "a dictionary with plugin, fleet and regions")
    section = Section(data, "the fleet file", FLEET_KEYS)
    if section.data.get("plugin") != PLUGIN:
        raise section.fail("plugin", name_of_type(section.data.get("plugin")), PLUGIN)
    section.text("fleet")
    name = values.name(section.data["fleet"], "the fleet file, key 'fleet'")
    rings = _rings(section)
    settings = _settings(section, Settings(), rings)
    variables = {**values.variables(section, "defaults"), **values.variables(section, "vars")}
    found = section.children("regions", "at least one region")
    return Fleet(name, rings, variables, [_region(key, value, settings, rings) for key, value in found.items()])


def _rings(section: Section) -> list[str]:
    if "rings" not in section:
        return list(RINGS)
    found = section.data["rings"]
    if not isinstance(found, list) or not found:
        text = name_of_type(found) if found else "nothing in it"
        raise section.fail("rings", text, "a list of names, the first to take risk first")
    names = [values.name(ring, "the fleet file, key 'rings'") for ring in found]
    if len(set(names)) < len(names):
        raise section.fail("rings", "a name twice", "each name once")
    return names


def _settings(section: Section, outer: Settings, rings: list[str]) -> Settings:
    """The settings of this level over those of the level above."""
    found: dict[str, t.Any] = {}
    if "ring" in section:
        found["ring"] = section.choice("ring", rings)
    if "connectivity" in section:
        # What offline means follows from it, unless this level or a closer one says otherwise.
        found["connectivity"] = section.choice("connectivity", CONNECTIVITY)
        found["when_offline"] = DEFAULT_WHEN_OFFLINE[found["connectivity"]]
    if "when_offline" in section:
        found["when_offline"] = section.choice("when_offline", WHEN_OFFLINE)
        if found["when_offline"] == "error" and found.get("connectivity", outer.connectivity) == "disconnected":
            raise section.fail("when_offline", "'error' with connectivity disconnected", "expected")
    if "timezone" in section:
        found["timezone"] = values.timezone(section, "timezone")
    if "bandwidth" in section:
        found["bandwidth"] = values.bandwidth(section, "bandwidth")
    for key in ("fetch_window", "swap_window"):
        if key in section:
            found[key] = values.window(section, key)
    if "labels" in section:
        found["labels"] = values.labels(section, outer.labels)
    return dataclasses.replace(outer, **found) if found else outer


def _region(key: object, data: object, outer: Settings, rings: list[str]) -> Region:
    name = values.name(key, "the fleet file, key 'regions'")
    section = Section(data, f"region {name}", REGION_KEYS)
    settings = _settings(section, outer, rings)
    sites = [
        _site(site, value, settings, rings, name)
        for site, value in section.children("sites", "at least one site").items()
    ]
    return Region(name, key, values.variables(section, "vars"), sites)


def _site(key: object, data: object, outer: Settings, rings: list[str], region: str) -> Site:
    name = values.name(key, f"region {region}, key 'sites'", host=True)
    section = Section(data, f"site {name}", SITE_KEYS)
    settings = _settings(section, outer, rings)
    site = Site(
        name=name,
        place=section.place,
        where=key,
        network=_network(section, "cidr") if "cidr" in section else None,
        zones=_zones(section) if "zones" in section else {},
        gateway=section.text("gateway", "the name of a node of this site") if "gateway" in section else "",
        via=section.text("via", "the host name of another site's gateway") if "via" in section else "",
        settings=settings,
        variables=values.variables(section, "vars"),
        entries=[],
    )
    nodes = section.children("nodes", "at least one node")
    site.entries = [_entry(node, value, site, rings) for node, value in nodes.items()]
    _check_gateway(section, site)
    addresses.check(site)
    return site


def _network(section: Section, key: str) -> Network:
    text = section.text(key, "a network such as 10.20.1.0/24")
    try:
        return network(text)
    except AddressError as exc:
        raise section.fail(key, repr(text), str(exc)) from exc


def _zones(section: Section) -> dict[str, Network | None]:
    zones: dict[str, Network | None] = {}
    for key, value in section.children("zones", "zones, each with its cidr").items():
        name = values.name(key, f"{section.place}, key 'zones'")
        zone = Section({} if value is None else value, f"{section.place}, zone {name}", ("cidr",))
        zones[name] = _network(zone, "cidr") if "cidr" in zone else None
        for other, found in zones.items():
            if other != name and found and zones[name] and found.overlaps(t.cast("Network", zones[name])):
                raise zone.fail("cidr", f"{found.text}, which overlaps zone {other}", "a network of its own")
    return zones


def _entry(key: object, data: object, site: Site, rings: list[str]) -> Entry:
    names = _names(key, site)
    section = Section({} if data is None else data, f"{site.place}, node {key}", NODE_KEYS)
    zone = ""
    if "zone" in section:
        zone = section.choice("zone", site.zones) if site.zones else _optional_name(section, "zone")
    entry = Entry(
        key=str(key),
        place=section.place,
        where=key,
        hosts=[f"{site.name}-{name}" for name in names],
        endpoints=[],
        hardware=_optional_name(section, "hardware"),
        zone=zone,
        uplink=addresses.one(section, "uplink") if "uplink" in section else None,
        via=section.text("via", "the host name of another site's gateway") if "via" in section else "",
        settings=_settings(section, site.settings, rings),
        variables=values.variables(section, "vars"),
    )
    if not entry.settings.ring:
        raise FleetError(site.place, "ring", "nothing", ", ".join(rings), where=site.where)
    is_gateway = names == [site.gateway]
    entry.endpoints = addresses.endpoints(section, entry, site, optional=is_gateway and "uplink" in section)
    return entry


def _optional_name(section: Section, key: str) -> str:
    return values.name(section.data[key], f"{section.place}, key {key!r}") if key in section else ""


def _names(key: object, site: Site) -> list[str]:
    place = f"{site.place}, key 'nodes'"
    if not isinstance(key, str):
        values.name(key, place, host=True)
    try:
        names = expand(str(key))
    except RangeError as exc:
        found, _sep, allowed = str(exc).partition("; allowed: ")
        raise FleetError(f"{site.place}, node {key}", "", found, allowed, where=key) from exc
    for name in names:
        values.name(name, place, host=True)
        if len(site.name) + 1 + len(name) > LONGEST_NAME:
            found = f"the host name {site.name}-{name} of {len(site.name) + 1 + len(name)} characters"
            raise FleetError(place, "", found, f"at most {LONGEST_NAME}", where=key)
    return names


def _check_gateway(section: Section, site: Site) -> None:
    """The gateway is one node of the site that can be reached from outside; its full name replaces the short one."""
    if not site.gateway:
        _check_uplinks(site)
        return
    known = [name.removeprefix(f"{site.name}-") for entry in site.entries for name in entry.hosts]
    if site.gateway not in known:
        hint = near(site.gateway, known)
        raise section.fail("gateway", repr(site.gateway), f"a node of this site: {_some(known)}", hint)
    site.gateway = f"{site.name}-{site.gateway}"
    entry = site.gateway_entry
    if entry is None:
        raise section.fail("gateway", f"{site.gateway} within a range of nodes", "a node with an entry of its own")
    _check_uplinks(site)
    if entry.via and site.via:
        raise section.fail("via", "it at the site and at its gateway", "one of the two")
    site.via = site.via or entry.via
    if entry.uplink is None:
        node: Mapping[str, t.Any] = section.data["nodes"][entry.where]
        if "address" not in node:
            allowed = "the address at which the gateway is reached from outside"
            raise FleetError(entry.place, "uplink", "nothing", allowed, where=entry.where)
        entry.uplink = entry.endpoints[0]


def _check_uplinks(site: Site) -> None:
    """Only a gateway is reached from outside."""
    for entry in site.entries:
        for key, found in (("uplink", entry.uplink), ("via", entry.via)):
            if found and entry is not site.gateway_entry:
                text = "it on a node that is not its site's gateway"
                raise FleetError(entry.place, key, text, "uplink and via on the gateway only", where=entry.where)


def _some(names: list[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
