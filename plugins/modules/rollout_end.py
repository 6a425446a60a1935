#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_end
short_description: Give back the lease of a rollout, and approve what it brought
description:
  - The last that a rollout asks of a node. What the new version measured of itself becomes the baseline that later versions are
    compared with, where the stage of the node passed its gate.
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
  approve:
    description: The release that is approved; nothing is where it is empty.
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
  physical_ai.edge.rollout_end:
    tenant: quality
    rollout: {id: quality-2026.11.0-1a2b3c4d, owner: ann@ops1}
    approve: "2026.11.0"
"""

RETURN = r"""
ended:
  description: Whether the lease was this rollout's and is given back.
  type: bool
  returned: always
"""

import json
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

PROGRAM = "/usr/local/bin/edge"


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    params = module.params
    if module.check_mode or not os.path.exists(PROGRAM):
        return {"ended": False}
    if params["approve"]:
        # It says so where nothing that runs came with this release: then there is nothing to approve.
        module.run_command([PROGRAM, "approve", params["tenant"], "--release", params["approve"]])
    rollout = json.dumps(params["rollout"])
    command = [PROGRAM, "lease", params["tenant"], "--end", "--rollout", rollout]
    out = module.run_command(command, check_rc=True)[1]
    return {"ended": out.strip() == "ended"}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "tenant": {"type": "str", "required": True},
            "rollout": {"type": "dict", "required": True},
            "approve": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    # It ends what the rollout itself began: that is no change of the node.
    module.exit_json(changed=False, **run(module))


if __name__ == "__main__":
    main()
