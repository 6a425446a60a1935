#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workload_health
short_description: Ask the workloads of a tenant how they are, by their own probes
description:
  - Runs the steady probes of what runs once more, compared with the baseline of the node, and changes nothing. Where a workload
    has none its startup probes are run, and without any it must be running.
  - Says what became of the tenant's last change too, so that a host that was lost during its change is judged by what its node did.
version_added: 0.1.0
author:
  - physical_ai.edge contributors (@physical-ai-edge)
options:
  tenant:
    description: The tenant.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: Only asks.
  diff_mode:
    support: N/A
    description: Only asks.
  platform:
    support: full
    platforms: posix
    description: Needs the node program, see M(physical_ai.edge.node_program).
requirements:
  - python >= 3.8
seealso:
  - module: physical_ai.edge.workloads
"""

EXAMPLES = r"""
- name: Ask after the soak
  physical_ai.edge.workload_health:
    tenant: quality
  register: health
"""

RETURN = r"""
healthy:
  description: Whether all workloads of the tenant pass.
  type: bool
  returned: always
reason:
  description: What is wrong, one workload after the other.
  type: str
  returned: always
workloads:
  description: For each workload whether it is C(healthy), the C(reason) and what was C(measured).
  type: dict
  returned: always
last:
  description: Class, cause, release, rollout and message of the tenant's last change.
  type: dict
  returned: always
"""

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _edge

LAST = ("release", "class", "cause", "msg", "rollout")


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    tenant = module.params["tenant"]
    if not _edge.installed():
        return {"healthy": False, "reason": f"{_edge.PROGRAM} is not on this node", "workloads": {}, "last": {}}
    code, out, err = module.run_command([_edge.PROGRAM, "health", tenant, "--json"])
    if code not in (0, 1):
        return {"healthy": False, "reason": err.strip(), "workloads": {}, "last": {}}
    found = json.loads(out)
    last = _edge.status(module)["tenants"].get(tenant, {}).get("last") or {}
    sick = [f"{name}: {item['reason']}" for name, item in sorted(found["workloads"].items()) if not item["healthy"]]
    return dict(found, reason="; ".join(sick), last={key: last[key] for key in LAST if key in last})


def main() -> None:
    module = AnsibleModule(argument_spec={"tenant": {"type": "str", "required": True}}, supports_check_mode=True)
    module.exit_json(changed=False, **run(module))


if __name__ == "__main__":
    main()
