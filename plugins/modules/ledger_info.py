#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ledger_info
short_description: What became of a node, from its ledger
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Returns the entries of a node's ledger - one for each change, and for each device and GPU that came or went - in order, or
    those that are new to whoever has its beginning.
  - The ledger is a chain, each entry holds the digest of the line before it in C(previous). RV(broken) says where it does not hold.
options:
  after:
    description: Only entries after this sequence number.
    type: int
    default: 0
  digest:
    description:
      - Digest of the line with the sequence O(after), as whoever has it computes it. Where the node has another line there, or none, it
        was installed anew or restored since, and all its entries are returned with RV(after=0).
    type: str
    default: ''
  lines:
    description: The last so many of these entries; V(0) for all.
    type: int
    default: 0
  status:
    description: Return RV(status) as well, so that one call to a node is enough to collect it.
    type: bool
    default: false
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
    description: Linux.
requirements:
  - python >= 3.8
seealso:
  - module: physical_ai.edge.workload_info
  - module: physical_ai.edge.fleet_ledger
"""

EXAMPLES = r"""
- name: Read the last changes of the node
  physical_ai.edge.ledger_info:
    lines: 10
  become: true
  register: found

- name: Show the releases that were tried
  ansible.builtin.debug:
    msg: "{{ found.entries | selectattr('kind', 'eq', 'change') | map(attribute='release') }}"
"""

RETURN = r"""
after:
  description: The sequence after which the entries begin; V(0) where the node has another ledger than whoever asked.
  type: int
  returned: always
entries:
  description: The entries, the oldest first.
  type: list
  elements: dict
  returned: always
last:
  description: Sequence of the last entry that the node has; V(0) where there is none.
  type: int
  returned: always
broken:
  description: Where the chain does not hold, or nothing.
  type: str
  returned: always
status:
  description: What M(physical_ai.edge.workload_info) returns.
  type: dict
  returned: with O(status=true)
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _edge
from ..module_utils._node import files, ledger
from ..module_utils._node.errors import NodeError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "after": {"type": "int", "default": 0},
            "digest": {"type": "str", "default": ""},
            "lines": {"type": "int", "default": 0},
            "status": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        found = ledger.since(files.Paths(), params["after"], params["digest"], params["lines"])
    except NodeError as exc:
        module.fail_json(msg=exc.message)
    if params["status"]:
        found["status"] = _edge.status(module)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
