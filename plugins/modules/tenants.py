#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tenants
short_description: Lend each tenant a share of a node
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Writes down what each tenant may use of a node. The node itself refuses what goes beyond it before anything is fetched, with the
    numbers, whoever asks; CPU and memory are limits of the tenant's control group as well.
  - With one share written, tenants that have none are refused. Without any, the node is not divided. What runs already goes on running
    and is judged at its next change; limits of CPU and memory take effect at once.
options:
  tenants:
    description:
      - The shares by tenant. Each may have C(cpus), C(memory), C(disk), C(gpus), C(gpu_memory_mib), C(devices), C(ports), C(registries),
        C(networks) and C(capabilities). What is not written is not limited, but networks are V(bridge) and V(none) unless named, and
        capabilities none.
      - The keys are described in the collection's document C(docs/hardware.md).
    type: dict
    required: true
  gpu_sharing:
    description: >-
      Who may share a GPU that has no walls inside, by time-slicing: workloads of one tenant, V(tenant), or all of the node, V(node). A
      workload that takes more GPU memory than it asked for can then starve those of other tenants. MIG devices have walls.
    type: str
    choices: [tenant, node]
    default: tenant
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    support: full
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
  platform:
    support: full
    platforms: posix
    description: Needs systemd and the node program.
requirements:
  - python >= 3.8
  - the node program, see M(physical_ai.edge.node_program)
seealso:
  - module: physical_ai.edge.workloads
"""

EXAMPLES = r"""
- name: Divide an 8 GiB card between two teams
  physical_ai.edge.tenants:
    gpu_sharing: node
    tenants:
      quality:
        cpus: 4
        memory: 6g
        gpu_memory_mib: 5120
        devices: ["camera-line-*"]
        ports: ["8000-8099"]
        registries: [registry.example.com/quality]
      logistics:
        cpus: 2
        memory: 2g
        gpu_memory_mib: 2048
        devices: []
"""

RETURN = r"""
limited:
  description: Tenants that have a share now.
  type: list
  elements: str
  returned: always
"""

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core import tenants
from ..module_utils._core.fields import SpecError
from ..module_utils._node import files
from ..module_utils._node.errors import NodeError

PROGRAM = "/usr/local/bin/edge"


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    path = files.Paths().tenants
    value = {
        "schema": tenants.SCHEMA,
        "gpu_sharing": module.params["gpu_sharing"],
        "tenants": module.params["tenants"],
    }
    policy = tenants.parse("tenants", value)
    before = files.read_text(path) or ""
    after = json.dumps(value, indent=1, sort_keys=True) + "\n"
    # A node that was never divided, and is not now, needs no file.
    changed = before != after and bool(before or policy.shares or policy.across_tenants)
    if changed and not module.check_mode:
        files.make_directory(files.Paths().configuration, 0o755)
        files.write_atomic(path, after)
        code, out, err = module.run_command([PROGRAM, "limit"])
        if code != 0:
            module.fail_json(msg=f"the shares are written, but the limits are not set: {err.strip() or out.strip()}")
    diff = {"before_header": path, "after_header": path, "before": before, "after": after} if changed else {}
    return {"changed": changed, "diff": diff, "limited": sorted(policy.shares or {})}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "tenants": {"type": "dict", "required": True},
            "gpu_sharing": {"type": "str", "choices": ["tenant", "node"], "default": "tenant"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except (NodeError, SpecError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
