# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a fleet file of any size to standard output: generate.py [SITES [NODES]], by default 100 sites and 2000 nodes.

The same numbers give the same file. Every way of the fleet file is in it: sites behind a gateway that share one
network, sites that are routed directly, sites behind a hub, zones with networks of their own, a node known by name.
"""

from __future__ import annotations

import sys

REGIONS = {
    "eu-north": "Europe/Stockholm",
    "eu-central": "Europe/Berlin",
    "na-east": "America/Toronto",
    "ap-south": "Asia/Kolkata",
}
HEAD = """\
# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# {sites} sites with {nodes} nodes, written by generate.py. docs/fleet_file.md explains every key.
---
plugin: physical_ai.edge.sites
fleet: example
rings: [canary, early, broad]
defaults:
  ansible_user: edge
swap_window: {{days: [sat, sun], start: "02:00", duration: 3h, grace: 30m}}
regions:
"""


def ring(number: int) -> str:
    return "canary" if number % 50 == 0 else "early" if number % 10 == 1 else "broad"


def site(number: int, nodes: int, region: str) -> list[str]:
    """Most sites are plants behind a gateway, and have the same private network as all the others."""
    kind = number % 10
    lines = [f"      plant{number:04}:", f"        ring: {ring(number)}"]
    gateway = kind != 7
    if kind == 7:  # routed directly: a network of its own
        lines += [f"        cidr: 10.{number // 200}.{number % 200}.0/24"]
    elif kind == 8:  # a vehicle behind the gateway of the hub of its region
        lines += ["        cidr: 192.168.1.0/24", "        connectivity: intermittent"]
        lines += [f"        via: {region}-hub-gw01"]
    else:
        lines += ["        cidr: 192.168.1.0/24"]
    if kind in (2, 8):
        lines += ["        bandwidth: 20Mbit", '        fetch_window: {start: "20:00", duration: 10h}']
    if kind == 3:
        lines += ["        zones: {line-1: {cidr: 192.168.1.0/25}, line-2: {cidr: 192.168.1.128/25}}"]
    lines += ["        labels: {customer: acme}", "        nodes:"]
    if gateway:
        lines.insert(2, "        gateway: gw01")
        uplink = f"{'172.16' if kind == 8 else '198.18'}.{number // 200}.{number % 200 + 1}"
        lines += [f"          gw01: {{host: 2, uplink: {uplink}, hardware: ipc}}"]
    cameras = (nodes - 2) // 2
    boxes = nodes - 2 - cameras
    first = 20 if kind == 3 else 101  # counted in the zone's network where it has one
    camera = "hardware: jetson-orin-nx, zone: line-1, labels: {camera: basler}"
    legacy = f"address: cell7.plant{number:04}.example.com, hardware: ipc, vars: {{legacy_port: 4840}}"
    lines += [
        f'          "cam[01:{cameras:02}]": {{first_host: 11, {camera}}}',
        f'          "box[01:{boxes:02}]": {{first_host: {first}, hardware: nuc, zone: line-2}}',
        f"          legacy: {{{legacy}}}",
    ]
    return lines if gateway else [*lines, "          srv01: {host: 2, hardware: edge-server}"]


def hub(region: str, number: int) -> list[str]:
    return [
        f"      {region}-hub:",
        "        ring: broad",
        f"        cidr: 10.100.{number}.0/24",
        "        gateway: gw01",
        "        nodes:",
        f"          gw01: {{host: 2, uplink: 198.19.0.{number + 1}, hardware: edge-server}}",
    ]


def fleet(sites: int, nodes: int) -> str:
    """A fleet file with so many sites and nodes."""
    names = list(REGIONS)
    plants = sites - len(names)
    lines: list[str] = []
    for index, (region, timezone) in enumerate(REGIONS.items()):
        lines += [f"  {region}:", f"    timezone: {timezone}", "    sites:", *hub(region, index)]
        for number in range(index, plants, len(names)):
            # The nodes are spread evenly; the first sites take what is left over.
            count, rest = divmod(nodes - len(names), plants)
            lines += site(number, count + (number < rest), region)
    return HEAD.format(sites=sites, nodes=nodes) + "\n".join(lines) + "\n"


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    sys.stdout.write(fleet(*(arguments + [100, 2000][len(arguments) :])))
