# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import address_pools

# Recorded on a gateway: default over eth1, a site on eth0, the engine's own bridges, a VPN host route.
ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth1\t00000000\t0130420A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0031420A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
docker0\t00001AAC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
br-0123456789ab\t00011AAC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
edge-0123456789\t00021AAC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
wg0\t05401FAC\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0
"""
NO_DEFAULT = "\n".join(line for line in ROUTES.splitlines() if not line.startswith("eth1"))
ZERO = "0" * 32
ROUTES6 = f"fe80{'0' * 28} 40 {ZERO} 00 {ZERO} 00000100 00000001 00000000 00000001 eth0\n"
DEFAULT6 = f"{ZERO} 00 {ZERO} 00 fe80{'0' * 27}1 00000400 00000001 00000000 00000003 eth0\n"
LO6 = f"{ZERO} 00 {ZERO} 00 {ZERO} ffffffff 00000001 00000000 00200200       lo\n"
CANDIDATES = ["172.30.0.0/16", "172.26.0.0/16"]


def neighbours(*ranges: str) -> list:
    found, problems = address_pools.named({"site": ranges})
    assert not problems
    return found


def test_routes_without_default_and_without_the_engines_own() -> None:
    found = [(str(one.network), one.owner) for one in address_pools.routes(ROUTES)]
    assert found == [("10.66.49.0/24", "route over eth0"), ("172.31.64.5/32", "route over wg0")]


@pytest.mark.parametrize(
    ("routes", "routes6", "there"),
    [
        (ROUTES, "", True),
        (NO_DEFAULT, "", False),
        (NO_DEFAULT, ROUTES6 + LO6, False),
        (NO_DEFAULT, DEFAULT6, True),
        ("", "", False),
    ],
)
def test_default_route(routes: str, routes6: str, there: bool) -> None:
    assert address_pools.has_default_route(routes, routes6) is there


def test_site_ranges() -> None:
    found, problems = address_pools.named({"site": ["10.20.1.0/24", "fd00::/64"], "zone": ["10.20.300.0/24"]})
    assert [str(one.network) for one in found] == ["10.20.1.0/24"]
    assert problems == ["network of the zone: '10.20.300.0/24' is no address range, wanted one like 10.20.1.0/24"]


@pytest.mark.parametrize(
    ("near", "configured", "bip", "base"),
    [
        ([], {}, "172.30.0.1/24", "172.30.0.0/16"),
        (["172.30.7.0/24"], {}, "172.26.0.1/24", "172.26.0.0/16"),
        (["172.16.0.0/13"], {}, "172.30.0.1/24", "172.30.0.0/16"),
        # What is configured stays while it is free, even where an earlier candidate is free again.
        (
            [],
            {"bip": "172.26.0.1/24", "default-address-pools": [{"base": "172.26.0.0/16", "size": 24}]},
            "172.26.0.1/24",
            "172.26.0.0/16",
        ),
        (
            ["172.26.0.0/24"],
            {"bip": "172.26.0.1/24", "default-address-pools": [{"base": "172.26.0.0/16", "size": 24}]},
            "172.30.0.1/24",
            "172.30.0.0/16",
        ),
        ([], {"bip": 7, "default-address-pools": "x"}, "172.30.0.1/24", "172.30.0.0/16"),
    ],
)
def test_the_range_is_found(near: list, configured: dict, bip: str, base: str) -> None:
    choice = address_pools.choose([], "", configured, CANDIDATES, neighbours(*near))
    assert (choice.bip, choice.pools, choice.problems) == (bip, [{"base": base, "size": 24}], [])


def test_no_range_is_left() -> None:
    choice = address_pools.choose([], "", {}, CANDIDATES, neighbours("172.16.0.0/12"))
    assert [line.split(":")[0] for line in choice.problems] == ["no free range for containers"] * 2
    assert "172.26.0.0/16 collides with 172.16.0.0/12 (network of the site)" in choice.problems[1]


def test_the_range_asked_for_gives_the_bridge_its_first_network() -> None:
    choice = address_pools.choose([{"base": "10.9.0.0/16", "size": 26}], "", {}, CANDIDATES, [])
    assert (choice.bip, choice.problems) == ("10.9.0.1/26", [])


@pytest.mark.parametrize(
    ("pools", "bip", "words"),
    [
        (
            [{"base": "10.20.0.0/16", "size": 24}],
            "",
            "address pool 10.20.0.0/16 collides with 10.20.1.0/24 (network of the site)",
        ),
        ([{"base": "10.21.0.0/16", "size": 12}], "", "size 12 is not between 16 and 30"),
        ([{"base": "10.21.0.1/16", "size": 24}], "", "wanted {base: 172.30.0.0/16, size: 24}"),
        ([], "10.20.1.9/24", "bridge address 10.20.1.0/24 collides with 10.20.1.0/24 (network of the site)"),
        ([], "10.20.1", "bridge address '10.20.1': wanted one like 172.30.0.1/24"),
    ],
)
def test_a_collision_of_what_was_asked_for_is_an_error(pools: list, bip: str, words: str) -> None:
    choice = address_pools.choose(pools, bip, {}, CANDIDATES, neighbours("10.20.1.0/24"))
    assert len(choice.problems) == 1
    assert words in choice.problems[0]
