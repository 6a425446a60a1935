# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet as it was read from its file: regions, sites, and entries of nodes that belong together."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterator, Mapping

from .network import Endpoint, Network

Variables = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What any level may say; the closest level wins."""

    ring: str = ""
    timezone: str = "UTC"
    connectivity: str = "connected"
    when_offline: str = "error"
    bandwidth: str = ""
    fetch_window: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    swap_window: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def variables(self) -> Variables:
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {f"edge_{key}": dict(value) if isinstance(value, Mapping) else value for key, value in values.items()}


@dataclasses.dataclass
class Entry:
    """One key under `nodes`: a node, or a range of nodes that differ only in name and address."""

    key: str
    place: str
    where: object  # the key as it stands in the file, for its line number
    hosts: list[str]  # names in the inventory
    endpoints: list[Endpoint | None]  # None: a gateway of which only the uplink is known
    hardware: str
    zone: str
    uplink: Endpoint | None
    via: str
    settings: Settings
    variables: Variables


@dataclasses.dataclass
class Site:
    name: str
    place: str
    where: object
    network: Network | None
    zones: dict[str, Network | None]
    gateway: str  # host name in the inventory, or empty
    via: str
    settings: Settings
    variables: Variables
    entries: list[Entry]

    @property
    def gateway_entry(self) -> Entry | None:
        return next((entry for entry in self.entries if self.gateway and entry.hosts == [self.gateway]), None)


@dataclasses.dataclass
class Region:
    name: str
    where: object
    variables: Variables
    sites: list[Site]


@dataclasses.dataclass
class Fleet:
    name: str
    rings: list[str]
    variables: Variables
    regions: list[Region]

    def sites(self) -> Iterator[tuple[Region, Site]]:
        for region in self.regions:
            for site in region.sites:
                yield region, site
