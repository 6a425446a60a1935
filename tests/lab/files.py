# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a lab writes for Ansible and ssh. Pure: plan in, text out."""

from __future__ import annotations

import typing as t
from pathlib import Path

import yaml

from tests.lab.plan import REGISTRY_HOST, REGISTRY_PORT, LabPlan, NodePlan

USER = "edge"
PLUGINS = "physical_ai.edge.sites, ansible.builtin.yaml, ansible.builtin.host_list, ansible.builtin.ini"


def _variables(authority: str) -> dict[str, t.Any]:
    """What all nodes have: the lab's user, and the authority of its registry."""
    registries = [{"host": f"{REGISTRY_HOST}:{REGISTRY_PORT}", "ca": authority}]
    return {"ansible_user": USER, **({"docker_engine_registries": registries} if authority else {})}


def fleet(plan: LabPlan, authority: str = "") -> str:
    """The fleet file, read by the inventory plugin physical_ai.edge.sites."""
    sites: dict[str, t.Any] = {}
    for site in plan.sites:
        nodes: dict[str, t.Any] = {}
        for node in site.nodes:
            if node.is_gateway:
                nodes[node.name] = {"host": node.number, "uplink": node.uplink, "hardware": "ipc"}
            else:
                nodes[node.name] = {
                    "host": node.number,
                    "hardware": "industrial-pc",
                    "zone": "line-1",
                    "labels": {"camera": "basler"},
                }
        sites[site.name] = {"ring": site.ring, "cidr": site.cidr, "gateway": site.gateway.name, "nodes": nodes}
    document = {
        "plugin": "physical_ai.edge.sites",
        "fleet": plan.name,
        "rings": ["canary", "early", "broad"],
        "defaults": {**_variables(authority), "ansible_python_interpreter": "/usr/bin/python3"},
        "regions": {"eu-north": {"timezone": "Europe/Stockholm", "sites": sites}},
    }
    head = f"# Written by the lab {plan.name}; a new `up` writes it again.\n"
    return head + yaml.safe_dump(document, sort_keys=False)


def plain_inventory(plan: LabPlan, authority: str = "") -> str:
    """The same hosts without the plugin: what a hand-written inventory looks like."""
    hosts: dict[str, t.Any] = {}
    for site in plan.sites:
        for node in site.nodes:
            hosts[node.host] = {
                "ansible_host": node.uplink or node.address,
                "edge_site": site.name,
                "edge_ring": site.ring,
                "edge_gateway": site.gateway.host,
                "edge_networks": {"site": [site.cidr]},
            }
            if not node.is_gateway:
                hosts[node.host]["ansible_ssh_common_args"] = f"-o ProxyJump={USER}@{site.gateway.uplink}"
    document = {"all": {"hosts": hosts, "vars": _variables(authority)}}
    return yaml.safe_dump(document, sort_keys=False)


def ssh_config(plan: LabPlan, folder: Path) -> str:
    """For Ansible, for the jump through a gateway (which takes nothing but -F along), and for people."""
    lines = []
    for site in plan.sites:
        for node in site.nodes:
            lines += [f"Host {node.host}", f"    HostName {node.uplink or node.address}"]
            if not node.is_gateway:
                lines.append(f"    ProxyJump {USER}@{site.gateway.uplink}")
    lines += [
        "Host *",
        f"    User {USER}",
        f'    IdentityFile "{folder / "ssh" / "id_ed25519"}"',
        "    IdentitiesOnly yes",
        f'    UserKnownHostsFile "{folder / "ssh" / "known_hosts"}"',
        "    StrictHostKeyChecking yes",
        "    ConnectTimeout 10",
        "    ServerAliveInterval 5",
        "    ServerAliveCountMax 3",
    ]
    return "\n".join(lines) + "\n"


def known_hosts(plan: LabPlan, host_keys: t.Mapping[str, str]) -> str:
    lines = []
    for node in plan.nodes:
        names = ",".join(filter(None, [node.uplink, node.address, node.host]))
        kind, key = host_keys[node.host].split()[:2]
        lines.append(f"{names} {kind} {key}")
    return "\n".join(lines) + "\n"


def ansible_config(folder: Path, collections: Path, control_path: Path, forks: int) -> str:
    """The settings that a real controller of a fleet would have."""
    return f"""# Written by the lab; a new `up` writes it again.
[defaults]
inventory = {folder / "fleet.yml"}
collections_path = {collections}
local_tmp = {folder / "tmp"}
private_key_file = {folder / "ssh" / "id_ed25519"}
forks = {forks}
host_key_checking = true
inject_facts_as_vars = false
interpreter_python = /usr/bin/python3
retry_files_enabled = false
nocows = true

[inventory]
enable_plugins = {PLUGINS}
any_unparsed_is_failed = true

[connection]
pipelining = true

[ssh_connection]
pipelining = true
control_path_dir = {control_path}
ssh_args = -F "{folder / "ssh" / "config"}" -C -o ControlMaster=auto -o ControlPersist=60s
"""


def node_hosts(plan: LabPlan, node: NodePlan) -> dict[str, str]:
    """Names that a node's own hosts file carries: the uplink's services, and the nodes of its site."""
    names = {"registry.lab": plan.registry_address, "apt.lab": plan.apt_address}
    for other in plan.site(node.site).nodes:
        if other != node:
            names[other.host] = other.address
    return names
