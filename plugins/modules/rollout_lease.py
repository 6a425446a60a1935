#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_lease
short_description: Take the lease of a rollout on a node, or give it back and approve what it brought
description:
  - While a rollout has the lease of a tenant on a node, every other rollout of that tenant, and every change outside of one, is
    refused there with the name of its owner. M(physical_ai.edge.workloads) takes it by itself; on the gateway of a site it is taken
    for the whole site.
  - With V(absent) it is given back. What the new version measured of itself becomes the baseline that later versions are compared
    with, where O(approve) names it.
version_added: 0.1.0
author:
  - physical_ai.edge contributors (@physical-ai-edge)
options:
  tenant:
    description: The tenant.
    type: str
    required: true
  rollout:
    description: The rollout, with C(id) and C(owner).
    type: dict
    required: true
  state:
    description: Whether the lease is taken or given back.
    type: str
    choices: [present, absent]
    default: present
  approve:
    description: With V(absent), the release that is approved; nothing is where it is empty.
    type: str
    default: ''
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: Nothing that is worth showing changes.
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
- name: End the rollout here
  physical_ai.edge.rollout_lease:
    tenant: quality
    state: absent
    rollout: {id: quality-2026.11.0-1a2b3c4d, owner: ann@ops1}
    approve: "2026.11.0"
"""

RETURN = r"""
held:
  description: Whether this rollout has the lease now.
  type: bool
  returned: always
class:
  description: V(refused), where somebody else has it.
  type: str
  returned: on failure
"""

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _edge


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    params = module.params
    if module.check_mode or not _edge.installed():
        return {"held": False}
    rollout = json.dumps({key: params["rollout"].get(key) for key in ("id", "owner")})
    if params["state"] == "present":
        code, out, err = module.run_command([_edge.PROGRAM, "lease", params["tenant"], "--take", "--rollout", rollout])
        if code == 0:
            return {"held": True}
        message = _edge.complaint(out, err)
        return {"failed": True, "class": "refused", "cause": "lease", "msg": message, "held": False}
    if params["approve"]:
        # It says so where nothing that runs came with this release: then there is nothing to approve.
        module.run_command([_edge.PROGRAM, "approve", params["tenant"], "--release", params["approve"]])
    module.run_command([_edge.PROGRAM, "lease", params["tenant"], "--end", "--rollout", rollout], check_rc=True)
    return {"held": False}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "tenant": {"type": "str", "required": True},
            "rollout": {"type": "dict", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "approve": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    # It is the word of a rollout and not a change of the node.
    module.exit_json(changed=False, **run(module))


if __name__ == "__main__":
    main()
