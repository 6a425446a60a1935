# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import configparser
from pathlib import Path

import pytest
import yaml

from tests.lab import files
from tests.lab.plan import LabPlan, make_plan


@pytest.fixture
def plan() -> LabPlan:
    return make_plan("edge", 4, "10.64.0.0/20")


def test_fleet_file(plan: LabPlan) -> None:
    document = yaml.safe_load(files.fleet(plan))
    assert document["plugin"] == "physical_ai.edge.sites"
    lulea = document["regions"]["eu-north"]["sites"]["lulea"]
    assert (lulea["ring"], lulea["cidr"], lulea["gateway"]) == ("early", "10.64.2.0/24", "gw01")
    assert lulea["nodes"]["gw01"] == {"host": 2, "uplink": "10.64.0.12", "hardware": "ipc"}
    assert lulea["nodes"]["cam01"]["host"] == 11


def test_plain_inventory_jumps_through_the_gateway_of_the_site(plan: LabPlan) -> None:
    hosts = yaml.safe_load(files.plain_inventory(plan))["all"]["hosts"]
    assert hosts["lulea-gw01"]["ansible_host"] == "10.64.0.12"
    assert "ansible_ssh_common_args" not in hosts["lulea-gw01"]
    assert hosts["lulea-cam01"]["ansible_host"] == "10.64.2.11"
    assert hosts["lulea-cam01"]["ansible_ssh_common_args"] == "-o ProxyJump=edge@10.64.0.12"


def test_ssh_config_and_known_hosts_carry_every_way_to_a_node(plan: LabPlan) -> None:
    config = files.ssh_config(plan, Path("/labs/with space/edge"))
    assert "Host lulea-cam01\n    HostName 10.64.2.11\n    ProxyJump edge@10.64.0.12\n" in config
    assert 'IdentityFile "/labs/with space/edge/ssh/id_ed25519"' in config
    lines = files.known_hosts(plan, {node.host: f"ssh-ed25519 KEY-{node.host} comment" for node in plan.nodes})
    assert lines.splitlines()[:2] == [
        "10.64.0.11,10.64.1.2,kiruna-gw01 ssh-ed25519 KEY-kiruna-gw01",
        "10.64.1.11,kiruna-cam01 ssh-ed25519 KEY-kiruna-cam01",
    ]


def test_ansible_config_is_what_a_controller_has(plan: LabPlan) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(files.ansible_config(Path("/labs/edge"), Path("/build"), Path("/short"), forks=7))
    assert parser["defaults"]["inventory"] == "/labs/edge/fleet.yml"
    assert parser["defaults"]["forks"] == "7"
    assert parser["inventory"]["enable_plugins"].startswith("physical_ai.edge.sites,")
    assert parser["ssh_connection"]["pipelining"] == "true"


def test_a_node_knows_the_uplink_and_its_own_site_only(plan: LabPlan) -> None:
    names = files.node_hosts(plan, plan.nodes[1])
    assert names == {"registry.lab": "10.64.0.2", "apt.lab": "10.64.0.3", "kiruna-gw01": "10.64.1.2"}
