# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of the nodes of one site: computed from numbers, or given; each inside its network, each once."""

from __future__ import annotations

import typing as t

from .errors import FleetError, Section
from .model import Entry, Site
from .network import DHCP, AddressError, Endpoint, Network, endpoint, to_text
from .ranges import RangeError, expand

WAYS = ("host", "first_host", "address")


def one(section: Section, key: str) -> Endpoint:
    """The endpoint that a key names."""
    text = section.text(key, "an IP address or a host name")
    return _endpoint(section, key, text)


def _endpoint(section: Section, key: str, text: str) -> Endpoint:
    try:
        return endpoint(text)
    except AddressError as exc:
        raise section.fail(key, repr(text), str(exc)) from exc


def endpoints(section: Section, entry: Entry, site: Site, *, optional: bool) -> list[Endpoint | None]:
    """Where each node of the entry is, on the network of the site."""
    ways = [key for key in WAYS if key in section]
    if not ways and optional:
        return [None]
    if len(ways) != 1:
        found = " and ".join(ways) if ways else "none of them"
        raise FleetError(entry.place, "", found, f"exactly one of {', '.join(WAYS)}", where=entry.where)
    if ways[0] == "address":
        return _given(section, entry, site)
    return _computed(section, ways[0], entry, site)


def _network_of(entry: Entry, site: Site) -> Network | None:
    """A zone with a network of its own counts in that one."""
    return site.zones.get(entry.zone) or site.network


def _computed(section: Section, key: str, entry: Entry, site: Site) -> list[Endpoint | None]:
    network, count = _network_of(entry, site), len(entry.hosts)
    if network is None:
        raise section.fail(key, "it in a site without cidr", "a cidr at the site, or address at the node")
    if key == "host" and count > 1:
        raise section.fail(key, f"it for {count} nodes", "first_host for a range")
    low, high = network.numbers
    number = section.number(key, f"a whole number from {low} to {high}")
    if number < low or number + count - 1 > high:
        found = str(number) if count == 1 else f"{number}, so {number} to {number + count - 1} for {count} nodes"
        raise section.fail(key, found, f"numbers from {low} to {high} in {network.text}")
    version, first = network.version, network.first + number
    return [Endpoint(to_text(version, value), None, (version, value)) for value in range(first, first + count)]


def _given(section: Section, entry: Entry, site: Site) -> list[Endpoint | None]:
    text = section.text("address", "an IP address, a host name, or dhcp")
    if text == DHCP:
        # The DHCP server knows the node by its name, and so does DNS.
        return [Endpoint(host) for host in entry.hosts]
    try:
        texts = [text] if len(entry.hosts) == 1 else expand(text)
    except RangeError as exc:
        found, _sep, allowed = str(exc).partition("; allowed: ")
        raise section.fail("address", found, allowed) from exc
    if len(texts) != len(entry.hosts):
        found = f"{len(texts)} address{'es' * (len(texts) > 1)} for {len(entry.hosts)} nodes"
        raise section.fail("address", found, "as many as there are nodes, by a range such as cam[01:12].example.com")
    network, result = _network_of(entry, site), []
    for text in texts:
        found_at = _endpoint(section, "address", text)
        if network and found_at.ip and found_at.ip[0] == network.version and found_at.ip not in network:
            raise section.fail("address", repr(text), f"an address in {network.text}, or a name")
        result.append(found_at)
    return t.cast("list[Endpoint | None]", result)


def check(site: Site) -> None:
    """Every address of a site is used once."""
    seen: dict[tuple[t.Any, ...], str] = {}
    for entry in site.entries:
        for host, found in zip(entry.hosts, entry.endpoints, strict=True):
            if found is None:
                continue
            other = seen.setdefault(found.identity, host)
            if other != host:
                text = f"{found.host} for {host}, which {other} has"
                raise FleetError(entry.place, "", text, "each address once in a site", where=entry.where)
