#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workload_info
short_description: What runs on a node, what ran before, and what is refused
description:
  - Reads the state of the node program. Works while the container engine is down, and says so in RV(engine).
version_added: 0.1.0
author:
  - physical_ai.edge contributors (@physical-ai-edge)
options:
  tenant:
    description: Only this tenant.
    type: str
attributes:
  check_mode:
    support: full
    description: Only reads.
  diff_mode:
    support: N/A
    description: Only reads.
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
- name: Ask the node what it runs
  physical_ai.edge.workload_info:
  register: node

- name: Show what is refused
  ansible.builtin.debug:
    msg: "{{ node.tenants['quality'].workloads['inspection'].refused }}"
"""

RETURN = r"""
installed:
  description: Whether the node program is there. Without it, nothing of ours can run.
  type: bool
  returned: always
engine:
  description: V(up), or why the container engine does not answer.
  type: str
  returned: always
  sample: up
tenants:
  description: >-
    For each tenant its C(release), the digests of known C(releases), its C(last) result, and its C(workloads) with
    C(current), C(previous), C(running) and C(refused), and the numbers that were C(measured) of it and that later versions are
    compared with (C(baseline)).
  type: dict
  returned: always
holds:
  description: What is held back at the node, by whom and why.
  type: list
  elements: dict
  returned: always
change:
  description: The first of RV(changes), or nothing.
  type: dict
  returned: always
changes:
  description:
    - The change that is at work, and after it those of other tenants that wait for a safe moment.
    - For each its C(id), C(tenant), C(release) and C(step), and what it is C(waiting) for.
  type: list
  elements: dict
  returned: always
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _edge


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    found = _edge.status(module)
    wanted = module.params["tenant"]
    if wanted:
        found["tenants"] = {name: item for name, item in found["tenants"].items() if name == wanted}
    return found


def main() -> None:
    module = AnsibleModule(argument_spec={"tenant": {"type": "str"}}, supports_check_mode=True)
    module.exit_json(changed=False, **run(module))


if __name__ == "__main__":
    main()
