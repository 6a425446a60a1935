# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress

import pytest

from tests.lab import plan as lab_plan
from tests.lab.plan import LabError, choose_block, make_plan, node_environment, site_sizes


@pytest.mark.parametrize(
    ("nodes", "sizes"),
    [
        (1, [1]),
        (3, [3]),
        (4, [2, 2]),
        (5, [3, 2]),
        (6, [3, 3]),
        (8, [2, 2, 2, 2]),
        (12, [3, 3, 3, 3]),
        (48, [6] * 8),
    ],
)
def test_nodes_are_spread_over_sites(nodes: int, sizes: list[int]) -> None:
    assert site_sizes(nodes) == sizes


@pytest.mark.parametrize("nodes", [0, -1, 49])
def test_a_count_out_of_range_is_one_clear_error(nodes: int) -> None:
    with pytest.raises(LabError, match=f"{nodes} nodes asked for: want 1 to 48"):
        site_sizes(nodes)


def test_default_lab() -> None:
    plan = make_plan("edge", 4, "10.64.0.0/20")
    assert [node.host for node in plan.nodes] == ["kiruna-gw01", "kiruna-cam01", "lulea-gw01", "lulea-cam01"]
    assert [node.address for node in plan.nodes] == ["10.64.1.2", "10.64.1.11", "10.64.2.2", "10.64.2.11"]
    assert [node.uplink for node in plan.nodes] == ["10.64.0.11", "", "10.64.0.12", ""]
    assert [node.release for node in plan.nodes] == ["bookworm", "bookworm", "trixie", "trixie"]
    assert plan.container("lulea-gw01") == "lab-edge-lulea-gw01"


@pytest.mark.parametrize("nodes", [1, 4, 12, 48])
def test_no_address_is_used_twice_and_each_is_in_its_network(nodes: int) -> None:
    plan = make_plan("edge", nodes, "10.64.16.0/20")
    addresses = [node.address for node in plan.nodes] + [node.uplink for node in plan.nodes if node.uplink]
    addresses += [plan.registry_address, plan.apt_address, plan.uplink_router, *(site.router for site in plan.sites)]
    assert len(plan.nodes) == nodes
    assert len(set(addresses)) == len(addresses)
    block = ipaddress.ip_network(plan.block)
    assert all(ipaddress.ip_address(address) in block for address in addresses)
    for site in plan.sites:
        network = ipaddress.ip_network(site.cidr)
        assert all(ipaddress.ip_address(node.address) == network[node.number] for node in site.nodes)
        assert [node.is_gateway for node in site.nodes] == [True] + [False] * (len(site.nodes) - 1)


def test_a_lab_keeps_its_block_and_avoids_what_others_use() -> None:
    assert choose_block("edge", []) == "10.64.0.0/20"
    assert choose_block("edge", ["10.64.3.0/24", "172.17.0.0/16", "fd00::/64"]) == "10.64.16.0/20"
    assert choose_block("other", []) == choose_block("other", ["10.64.0.0/20"]) != "10.64.0.0/20"


def test_no_room_left() -> None:
    with pytest.raises(LabError, match=r"every /20 of 10\.64\.0\.0/12 overlaps"):
        choose_block("edge", ["10.0.0.0/8"])


@pytest.mark.parametrize("name", ["", "Edge", "a-b", "1a", "x" * 16])
def test_bad_names(name: str) -> None:
    with pytest.raises(LabError, match="want a lower-case letter"):
        make_plan(name, 4, "10.64.0.0/20")


def test_unknown_site_names_the_known_ones() -> None:
    with pytest.raises(LabError, match="no site 'oslo'; the sites are kiruna, lulea"):
        make_plan("edge", 4, "10.64.0.0/20").site("oslo")


def test_environment_of_a_gateway_and_of_a_node_behind_it() -> None:
    plan = make_plan("edge", 4, "10.64.0.0/20")
    gateway, camera = (node_environment(plan, node, 100) for node in plan.nodes[:2])
    assert gateway == {
        "SITE_CIDR": "10.64.1.0/24",
        "SITE_GATEWAY": "",
        "UPLINK_ADDRESS": "10.64.0.11",
        "UPLINK_ROUTER": "10.64.0.1",
        "DISK_MIB": "100",
    }
    assert camera["SITE_GATEWAY"] == "10.64.1.2"
    assert camera["UPLINK_ADDRESS"] == ""


def test_every_release_has_a_name_for_people() -> None:
    assert set(lab_plan.OS_NAMES) == set(lab_plan.RELEASES)
