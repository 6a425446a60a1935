#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: block
short_description: Cut a tenant, or all of them, off on a node
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Nothing new of a tenant that is cut off is deployed, fetched or delivered on the node. Its secrets and pull credentials are taken away,
    also where a version of a workload names them.
  - What runs goes on, without its secrets, unless O(stop) is set. A container that names secrets does not start again without them.
  - Its certificates are revoked by the issuing CA of the site, see M(physical_ai.edge.certificate_authority).
options:
  scope:
    description: A tenant, or V(all) for the node.
    type: str
    required: true
  state:
    description: V(absent) lets changes go on. Secrets come with the next delivery.
    type: str
    choices: [present, absent]
    default: present
  stop:
    description: Whether its workloads are stopped and their containers taken away. Data in volumes stays.
    type: bool
    default: false
  reason:
    description: Why, for the people at the node. Required where it is cut off.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Says what would be taken away.
  diff_mode:
    support: none
    description: The result says it in words.
  platform:
    support: full
    platforms: posix
    description: Needs the node program, see M(physical_ai.edge.node_program).
requirements:
  - python >= 3.8
seealso:
  - module: physical_ai.edge.secrets
"""

EXAMPLES = r"""
- name: Cut a tenant off
  physical_ai.edge.block:
    scope: quality
    reason: its contract ended
    stop: true
  become: true
"""

RETURN = r"""
msg:
  description: What was done, in words.
  type: str
  returned: always
secrets:
  description: Names that were taken away, by tenant.
  type: dict
  returned: success
credentials:
  description: Whether pull credentials of the node itself were taken away.
  type: bool
  returned: success
stopped:
  description: Workloads that were stopped, C(TENANT/WORKLOAD).
  type: list
  elements: str
  returned: success
problems:
  description: What could not be done, a line each.
  type: list
  elements: str
  returned: success
"""

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _edge


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    if not _edge.installed():
        # A node that was never provisioned has nothing of ours, and gets nothing.
        nothing: t.Dict[str, t.Any] = {"secrets": {}, "credentials": False, "stopped": [], "problems": []}
        return {"changed": False, "msg": "the node program is not here, so there is nothing to take away", **nothing}
    given = {key: module.params[key] for key in ("scope", "state", "stop", "reason")}
    given.update(who="ansible", check=module.check_mode)
    code, out, err = module.run_command([_edge.PROGRAM, "block", "-"], data=json.dumps(given))
    if code != 0:
        return {"failed": True, "changed": False, "msg": _edge.complaint(out, err)}
    return dict(json.loads(out))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "scope": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "stop": {"type": "bool", "default": False},
            "reason": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    module.exit_json(**run(module))


if __name__ == "__main__":
    main()
