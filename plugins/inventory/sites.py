# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: sites
short_description: Hosts, groups and variables from a fleet file of regions, sites and nodes
version_added: 0.1.0
author:
  - physical_ai.edge contributors (@physical-ai)
description:
  - Reads a file whose name ends in C(fleet.yml) or C(fleet.yaml) and that says which sites exist, how they are
    reached and what stands in them. Every key of the file is described in C(docs/fleet_file.md).
  - Hosts are named C(<site>-<node>). Their addresses are computed from the site's network, or given.
  - Groups are C(fleet_<fleet>), C(region_<region>), C(site_<site>), C(<site>_zone_<zone>), C(ring_<ring>),
    C(hardware_<hardware>) and C(gateways); characters that group names cannot have become underscores.
  - Nodes behind a gateway are reached through it. The options for ssh are in the variable C(edge_ssh_args), which the
    plugin gives to ssh, sftp and scp by C(ansible_ssh_extra_args), C(ansible_sftp_extra_args) and
    C(ansible_scp_extra_args).
    Options of your own in C(ansible_ssh_common_args) or in the configuration are added to them, and win over them.
  - The jump through a gateway is an ssh of its own, so it does not see the options that Ansible gives to ssh. Where the
    variables of the gateway in the fleet file give it a key, known hosts or other options
    (C(ansible_ssh_private_key_file), C(ansible_ssh_common_args), C(ansible_host_key_checking)), the jump gets the
    same ones. It also gets the configuration that C(ssh_args) of the section C(ssh_connection) names with C(-F).
  - The key of a host that stands in the file C(known_hosts) beside the fleet file, where the playbook
    C(physical_ai.edge.bootstrap) pins it, is the only one that counts for this host, also for the jump through a gateway.
    Other hosts are checked as the user and the configuration have it.
  - A file with a mistake is refused as a whole, with one message that names the place, the key, what was found and what
    is allowed.
notes:
  - Ansible goes on without an inventory that could not be read, with a warning. Set C(any_unparsed_is_failed=true)
    in the section C(inventory) of C(ansible.cfg) to stop instead.
requirements:
  - netaddr
seealso:
  - name: The fleet file
    description: Every key with its type, default and an example.
    link: https://github.com/physical-ai/ansible-collection-edge/blob/main/docs/fleet_file.md
options:
  plugin:
    description: Marks the file as one for this plugin.
    type: str
    required: true
    choices:
      - physical_ai.edge.sites
  fleet:
    description: Name of the fleet.
    type: str
    required: true
  rings:
    description: The order in which sites take risk, the first to take it first.
    type: list
    elements: str
    default:
      - canary
      - early
      - broad
  defaults:
    description: Variables of all hosts of the fleet.
    type: dict
  vars:
    description:
      - Variables of all hosts of the fleet, over O(defaults).
      - Regions, sites and nodes have the same key; the closest wins.
    type: dict
  ring:
    description: The ring of all sites that do not say otherwise. Required here or at the region, site or node.
    type: str
  timezone:
    description: Time zone of the sites, by its name in the IANA database. C(UTC) where no level says otherwise.
    type: str
  connectivity:
    description: How sites are reached. C(connected) where no level says otherwise.
    type: str
    choices:
      - connected
      - intermittent
      - disconnected
  when_offline:
    description:
      - What it means that a node cannot be reached.
      - By default V(error) where O(connectivity=connected), V(expected) otherwise.
    type: str
    choices:
      - expected
      - error
  bandwidth:
    description: What a site's link carries, such as V(20Mbit).
    type: str
  fetch_window:
    description: When images and models may be fetched. Keys are C(start), C(duration), C(days) and C(grace).
    type: dict
  swap_window:
    description: When workloads may be changed. Keys as in O(fetch_window).
    type: dict
  labels:
    description: Names and texts that releases can select by. Those of a closer level are added.
    type: dict
  regions:
    description:
      - The regions by name, each with C(sites) by name, each with C(nodes) by name or range.
      - O(ring), O(timezone), O(connectivity), O(when_offline), O(bandwidth), O(fetch_window), O(swap_window), O(labels)
        and O(vars) can stand at each of these levels too.
      - A site has C(cidr), C(zones), C(gateway), C(via) and C(nodes).
      - A node has exactly one of C(host), C(first_host) and C(address), and C(hardware), C(zone); a gateway also
        C(uplink) and C(via).
    type: dict
    required: true
"""

EXAMPLES = r"""
# acme.fleet.yml: one site behind a gateway
plugin: physical_ai.edge.sites
fleet: acme
defaults:
  ansible_user: edge
regions:
  eu-north:
    timezone: Europe/Stockholm
    sites:
      kiruna:
        ring: canary
        cidr: 10.20.1.0/24
        gateway: gw01
        nodes:
          gw01: {host: 2, uplink: 203.0.113.7, hardware: ipc}
          "cam[01:12]": {first_host: 11, hardware: jetson-orin-nx, zone: line-1, labels: {camera: basler}}
          legacy: {address: cell7.kiruna.example.com, hardware: ipc}
---
# small.fleet.yml: two sites that are routed directly, without gateways
plugin: physical_ai.edge.sites
fleet: small
rings: [canary, broad]
connectivity: intermittent
regions:
  home:
    sites:
      lab: {ring: canary, cidr: 192.0.2.0/26, nodes: {box01: {host: 10}}}
      shop:
        ring: broad
        cidr: 2001:db8:7::/64
        swap_window: {days: [sat, sun], start: "02:00", duration: 3h, grace: 30m}
        nodes: {"box[01:03]": {first_host: 1, vars: {inspection_threshold: 0.8}}}
"""

import itertools
import os
import shlex
import typing as t

from ansible import constants as C
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.plugins.loader import connection_loader
from ansible.template import trust_as_template

from ansible_collections.physical_ai.edge.plugins.plugin_utils import known_hosts
from ansible_collections.physical_ai.edge.plugins.plugin_utils._fleet.errors import FleetError
from ansible_collections.physical_ai.edge.plugins.plugin_utils._fleet.expand import Inventory, Known, expand
from ansible_collections.physical_ai.edge.plugins.plugin_utils._fleet.network import NETADDR_ERROR
from ansible_collections.physical_ai.edge.plugins.plugin_utils._fleet.parse import parse

if t.TYPE_CHECKING:
    from ansible.inventory.data import InventoryData
    from ansible.parsing.dataloader import DataLoader


class InventoryModule(BaseInventoryPlugin):
    NAME = "physical_ai.edge.sites"

    def verify_file(self, path: str) -> bool:
        return super().verify_file(path) and path.endswith(("fleet.yml", "fleet.yaml"))

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        if NETADDR_ERROR is not None:
            raise AnsibleParserError(
                "The inventory plugin physical_ai.edge.sites needs the Python library netaddr: pip install netaddr."
            ) from NETADDR_ERROR
        # Templates of the file are the user's own and stay trusted; encrypted values stay so until they are used.
        data = loader.load_from_file(path, cache="none", trusted_as_template=True)
        try:
            found = expand(parse(data), known(path))
        except FleetError as exc:
            raise AnsibleParserError(f"{path}: {exc}", obj=exc.where) from None
        try:
            self.populate(found)
        except AnsibleError as exc:
            raise AnsibleParserError(f"{path}: the inventory refused it.") from exc

    def populate(self, found: Inventory) -> None:
        # Groups and their children first: a host joins its groups' parents once, when it is added.
        for name, group in found.groups.items():
            self.inventory.add_group(name)
            for key, value in group.variables.items():
                self.inventory.set_variable(name, key, trusted(value))
        for name, group in found.groups.items():
            for child in group.children:
                self.inventory.add_child(name, child)
        for host, variables in found.hosts.items():
            self.inventory.add_host(host)
            for key, value in variables.items():
                self.inventory.set_variable(host, key, trusted(value))
        for name, group in found.groups.items():
            for host in group.hosts:
                self.inventory.add_child(name, host)


def configuration() -> str:
    """The file that the settings of Ansible give to ssh with -F."""
    connection_loader.get("ssh", class_only=True)  # its settings are known with it
    given = C.config.get_config_value("ssh_args", plugin_type="connection", plugin_name="ssh")
    try:
        words = shlex.split(given or "")
    except ValueError:  # the connection says so
        return ""
    found = [word[2:] or after for word, after in itertools.pairwise([*words, ""]) if word.startswith("-F")]
    return found[-1] if found else ""


def known(path: str) -> Known:
    """What is pinned beside the fleet file, and how this controller uses ssh."""
    file = os.path.join(os.path.dirname(os.path.abspath(path)), known_hosts.NAME)
    try:
        with open(file, encoding="utf-8", errors="replace") as handle:
            return Known(file, known_hosts.names(handle.read()), configuration())
    except FileNotFoundError:
        return Known(configuration=configuration())
    except OSError as exc:
        raise AnsibleParserError(
            f"{file} cannot be read: {exc.strerror}; without it no host key can be checked."
        ) from exc


def trusted(value: t.Any) -> t.Any:
    """Trust the text that the plugin made from checked parts of the file; leave the tags of what the file gives."""
    if value.__class__ is str:  # what comes from the file is of a subclass, with its origin and trust
        return trust_as_template(value)
    if value.__class__ is dict:
        return {key: trusted(item) for key, item in value.items()}
    if value.__class__ is list:
        return [trusted(item) for item in value]
    return value
