# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address ranges for containers that collide neither with the site nor with what the node can reach.

Private to this collection: not an interface.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass

from .names import BRIDGES

Network = ipaddress.IPv4Network

# Bridges that the engine itself made: their routes are the result of an earlier choice, not a neighbour.
_OURS = re.compile(rf"^(docker0|docker_gwbridge|br-[0-9a-f]{{12}}|{BRIDGES}[0-9a-f]{{10}}|veth.*|lo)$")


@dataclass(frozen=True)
class Neighbour:
    """A range in use, and the words that say who uses it."""

    network: Network
    owner: str


@dataclass(frozen=True)
class Choice:
    bip: str
    pools: t.List[t.Dict[str, t.Any]]
    problems: t.List[str]


def network(text: str) -> t.Optional[Network]:
    """The IPv4 range, None for IPv6; ValueError for anything else."""
    parsed = ipaddress.ip_network(text, strict=False)
    return parsed if isinstance(parsed, Network) else None


def routes(proc_net_route: str) -> t.List[Neighbour]:
    """Directly known IPv4 ranges of /proc/net/route, without the default route and the engine's own bridges."""
    found = []
    for line in proc_net_route.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or _OURS.match(fields[0]) or int(fields[7], 16) == 0:
            continue
        address, mask = (ipaddress.IPv4Address(bytes.fromhex(fields[i])[::-1]) for i in (1, 7))
        found.append(Neighbour(Network(f"{address}/{mask}"), "route over " + fields[0]))
    return found


def has_default_route(proc_net_route: str, proc_net_ipv6_route: str) -> bool:
    for line in proc_net_route.splitlines()[1:]:
        fields = line.split()
        if len(fields) >= 8 and fields[1] == fields[7] == "00000000" and int(fields[3], 16) & 1:
            return True
    for line in proc_net_ipv6_route.splitlines():
        fields = line.split()
        if len(fields) == 10 and not int(fields[0], 16) and fields[1] == "00" and fields[9] != "lo":
            return True
    return False


def named(avoid: t.Mapping[str, t.Sequence[str]]) -> t.Tuple[t.List[Neighbour], t.List[str]]:
    """The ranges of `{site: [cidr], zone: [cidr]}`, and a line for each that is none."""
    found, problems = [], []
    for name, ranges in avoid.items():
        for text in ranges:
            try:
                parsed = network(text)
            except ValueError:
                problems.append(f"network of the {name}: {text!r} is no address range, wanted one like 10.20.1.0/24")
                continue
            if parsed is not None:
                found.append(Neighbour(parsed, "network of the " + name))
    return found, problems


def collisions(what: str, mine: Network, neighbours: t.Sequence[Neighbour]) -> t.List[str]:
    return [
        f"{what} {mine} collides with {neighbour.network} ({neighbour.owner}): choose another range"
        for neighbour in neighbours
        if mine.overlaps(neighbour.network)
    ]


def choose(
    pools: t.Sequence[t.Mapping[str, t.Any]],
    bip: str,
    configured: t.Mapping[str, t.Any],
    candidates: t.Sequence[str],
    neighbours: t.Sequence[Neighbour],
) -> Choice:
    """What is asked for is checked. Else what is configured stays while it is free. Else the first free candidate."""
    if pools or bip:
        return _asked(pools, bip, candidates, neighbours)
    kept = _configured(configured)
    if kept is not None and not _check(kept[0], kept[1], neighbours):
        return Choice(kept[1], kept[0], [])
    return _first_free(candidates, neighbours)


def _asked(
    pools: t.Sequence[t.Mapping[str, t.Any]], bip: str, candidates: t.Sequence[str], neighbours: t.Sequence[Neighbour]
) -> Choice:
    plain = [{"base": str(pool["base"]), "size": int(pool["size"])} for pool in pools]
    if not plain:
        free = _first_free(candidates, neighbours)
        return Choice(bip, free.pools, free.problems + _check([], bip, neighbours))
    problems = _check(plain, bip, neighbours)
    if problems or bip:
        return Choice(bip, plain, problems)
    return Choice(_first_address(plain[0]), plain, [])


def _configured(data: t.Mapping[str, t.Any]) -> t.Optional[t.Tuple[t.List[t.Dict[str, t.Any]], str]]:
    pools, bip = data.get("default-address-pools"), data.get("bip")
    if not isinstance(pools, list) or not pools or not isinstance(bip, str):
        return None
    return pools, bip


def _first_free(candidates: t.Sequence[str], neighbours: t.Sequence[Neighbour]) -> Choice:
    tried: t.List[str] = []
    for text in candidates:
        pools = [{"base": text, "size": 24}]
        found = _check(pools, "", neighbours)
        if not found:
            return Choice(_first_address(pools[0]), pools, [])
        tried.extend(found)
    return Choice(
        "",
        [],
        ["no free range for containers: " + line for line in tried] or ["no candidate range for containers is given"],
    )


def _first_address(pool: t.Mapping[str, t.Any]) -> str:
    """The bridge takes the first subnet of the pool; the engine then hands out the others."""
    first = next(Network(pool["base"]).subnets(new_prefix=pool["size"]))
    return "{}/{}".format(first[1], pool["size"])


def _check(pools: t.Sequence[t.Mapping[str, t.Any]], bip: str, neighbours: t.Sequence[Neighbour]) -> t.List[str]:
    found: t.List[str] = []
    for pool in pools:
        try:
            base, size = Network(pool["base"]), int(pool["size"])
        except (ValueError, KeyError, TypeError):
            found.append(f"address pool {dict(pool)!r}: wanted {{base: 172.30.0.0/16, size: 24}}")
            continue
        if not base.prefixlen <= size <= 30:
            found.append(f"address pool {base}: size {size} is not between {base.prefixlen} and 30")
        found.extend(collisions("address pool", base, neighbours))
    if bip:
        try:
            found.extend(collisions("bridge address", ipaddress.IPv4Interface(bip).network, neighbours))
        except ValueError:
            found.append(f"bridge address {bip!r}: wanted one like 172.30.0.1/24")
    return found
