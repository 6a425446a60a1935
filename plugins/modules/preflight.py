#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Checks a node before a role changes it
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai)
description:
  - Gathers in one call what a role needs to know of a node, and checks it. Changes nothing.
  - All checks run. What they find wanting is one message with one line for each.
  - Only the checks whose options are given run, so a role pays for what it asks.
options:
  problems:
    description: What the controller found already, such as the answer of P(physical_ai.edge.unknown_inputs#lookup).
    type: list
    elements: str
    default: []
  platforms:
    description: Supported operating systems, versions by the C(ID) of C(/etc/os-release).
    type: dict
    default: {}
  min_python:
    description: Oldest Python that will do.
    type: str
    default: "3.8"
  clock:
    description: Checks that the clock of the node was set.
    type: dict
    suboptions:
      not_before:
        description: Day before which this software did not exist, as C(YYYY-MM-DD).
        type: str
        required: true
      controller:
        description: Time of the controller, in seconds since 1970.
        type: int
        default: 0
      max_days:
        description: Days that the node may be away from the controller.
        type: int
        default: 366
      policy:
        description: What a wrong clock is.
        type: str
        choices: [fail, warn, ignore]
        default: fail
  min_free_mib:
    description: Free space wanted, MiB by path.
    type: dict
    default: {}
  default_route:
    description: What a missing default route is.
    type: str
    choices: [fail, warn, ignore]
    default: ignore
  sysctl:
    description: Kernel settings that this kernel must know.
    type: list
    elements: str
    default: []
  address_pools:
    description: Chooses, or checks, the address ranges of containers.
    type: dict
    suboptions:
      pools:
        description: Ranges asked for, as C(default-address-pools) of the engine has them.
        type: list
        elements: dict
        default: []
      bip:
        description: Address and prefix asked for the default bridge.
        type: str
        default: ""
      candidates:
        description: Ranges to choose from, in this order, where none is asked for.
        type: list
        elements: str
        default: []
      avoid:
        description: Lists of ranges by the name of who uses them.
        type: dict
        default: {}
      configured:
        description: File of the engine whose ranges stay while they collide with nothing.
        type: path
        default: /etc/docker/daemon.json
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    support: none
    description: Nothing changes, so there is nothing to show.
"""

EXAMPLES = r"""
- name: Check the platform, the clock and the disk
  physical_ai.edge.preflight:
    platforms: {debian: ["12", "13"]}
    clock: {not_before: "2026-11-01", controller: "{{ now().timestamp() | int }}"}
    min_free_mib: {/var: 1024}
"""

RETURN = r"""
platform:
  description: What the node is.
  returned: success
  type: dict
  sample: {id: debian, version: "13", codename: trixie, architecture: x86_64}
address_pools:
  description: Address ranges for the networks of containers.
  returned: when O(address_pools) is given
  type: list
  elements: dict
  sample: [{base: 172.30.0.0/16, size: 24}]
bip:
  description: Address and prefix of the default bridge.
  returned: when O(address_pools) is given
  type: str
  sample: 172.30.0.1/24
"""

import os
import sys
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.physical_ai.edge.plugins.module_utils._core import address_pools, daemon_json, node_checks
from ansible_collections.physical_ai.edge.plugins.module_utils._node import files
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError

POLICY = {"type": "str", "choices": ["fail", "warn", "ignore"]}
SPEC: dict[str, t.Any] = {
    "problems": {"type": "list", "elements": "str", "default": []},
    "platforms": {"type": "dict", "default": {}},
    "min_python": {"type": "str", "default": "3.8"},
    "clock": {
        "type": "dict",
        "options": {
            "not_before": {"type": "str", "required": True},
            "controller": {"type": "int", "default": 0},
            "max_days": {"type": "int", "default": 366},
            "policy": dict(POLICY, default="fail"),
        },
    },
    "min_free_mib": {"type": "dict", "default": {}},
    "default_route": dict(POLICY, default="ignore"),
    "sysctl": {"type": "list", "elements": "str", "default": []},
    "address_pools": {
        "type": "dict",
        "options": {
            "pools": {"type": "list", "elements": "dict", "default": []},
            "bip": {"type": "str", "default": ""},
            "candidates": {"type": "list", "elements": "str", "default": []},
            "avoid": {"type": "dict", "default": {}},
            "configured": {"type": "path", "default": "/etc/docker/daemon.json"},
        },
    },
}


class Preflight:
    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params = module.params
        self.failures: list[str] = list(module.params["problems"])
        self.facts: dict[str, t.Any] = {}

    def judge(self, policy: str, lines: list[str]) -> None:
        if policy == "warn":
            for line in lines:
                self.module.warn(line)
        elif policy == "fail":
            self.failures.extend(lines)

    def check_platform(self) -> None:
        release = node_checks.os_release(files.read_text("/etc/os-release") or "")
        names = {"id": "ID", "version": "VERSION_ID", "codename": "VERSION_CODENAME"}
        self.facts["platform"] = {key: release.get(name, "") for key, name in names.items()}
        self.facts["platform"]["architecture"] = os.uname().machine
        if self.params["platforms"]:
            self.failures.extend(node_checks.platform(release, self.params["platforms"]))
        self.failures.extend(node_checks.python(tuple(sys.version_info[:3]), self.params["min_python"]))
        if os.geteuid() != 0:
            self.failures.append("user: is not root: run with become")
        if not os.path.isdir("/run/systemd/system"):
            self.failures.append("init system: is not systemd, which this collection builds on")

    def check_clock(self) -> None:
        want = self.params["clock"]
        if want and want["policy"] != "ignore":
            lines = node_checks.clock(time.time(), want["not_before"], want["controller"], want["max_days"])
            self.judge(want["policy"], lines)

    def check_disk(self) -> None:
        wanted = {path: int(mib) for path, mib in self.params["min_free_mib"].items()}
        free: dict[str, int | None] = {}
        for path in wanted:
            try:
                stats = os.statvfs(path)
            except OSError:
                free[path] = None
            else:
                free[path] = stats.f_bavail * stats.f_frsize // 2**20
        self.failures.extend(node_checks.disk(free, wanted))

    def check_network(self) -> None:
        policy = self.params["default_route"]
        routes, routes6 = (files.read_text("/proc/net/" + name) or "" for name in ("route", "ipv6_route"))
        if policy != "ignore" and not address_pools.has_default_route(routes, routes6):
            self.judge(policy, ["default route: there is none, so nothing outside the site can be reached: add one"])
        want = self.params["address_pools"]
        if want:
            self.choose_ranges(want, address_pools.routes(routes))

    def choose_ranges(self, want: dict[str, t.Any], routes: list[address_pools.Neighbour]) -> None:
        named, lines = address_pools.named(want["avoid"])
        self.failures.extend(lines)
        try:
            have = daemon_json.parse(files.read_text(want["configured"]) or "", want["configured"])
        except daemon_json.DaemonJsonError as exc:
            self.failures.append(str(exc))
            return
        choice = address_pools.choose(want["pools"], want["bip"], have, want["candidates"], named + routes)
        self.failures.extend(choice.problems)
        self.facts.update(address_pools=choice.pools, bip=choice.bip)

    def check_sysctl(self) -> None:
        keys = self.params["sysctl"]
        missing = [key for key in keys if not os.path.exists("/proc/sys/" + key.replace(".", "/"))]
        self.failures.extend(node_checks.sysctl(missing))


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    preflight = Preflight(module)
    try:
        preflight.check_platform()
        preflight.check_clock()
        preflight.check_disk()
        preflight.check_network()
        preflight.check_sysctl()
    except (OSError, ValueError, NodeError) as exc:
        module.fail_json(msg=f"preflight: {exc}")
    if preflight.failures:
        module.fail_json(msg=node_checks.summary(preflight.failures, os.uname().nodename))
    module.exit_json(changed=False, **preflight.facts)


if __name__ == "__main__":
    main()
