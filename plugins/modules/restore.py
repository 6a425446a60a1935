#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
short_description: Bring back from a backup what a node does not know any more
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Compares the ledger of the node with that of the backup. A node that knows nothing gets all of it, one that is older is brought
    forward, and one that is newer stays as it is.
  - What was revoked, refused and issued is added up in every case, so that nothing of it is forgotten and no serial number given twice.
  - What runs is never taken from a backup. It comes back by a rollout.
  - A backup of another node, or a ledger that is another one, is a conflict. Nothing is changed then, unless O(force) is set.
options:
  path:
    description: The archive, decrypted, on this host.
    type: path
    required: true
  host:
    description: Name of the host in the inventory.
    type: str
    required: true
  force:
    description:
      - Whether to go on where something contradicts. The entries of the node then follow those of the backup in the ledger, its own
        files stay, and what is missing is brought back also where the node is newer.
    type: bool
    default: false
  who:
    description: Who restores, for the ledger.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Says what would be done.
  diff_mode:
    support: none
    description: Files may hold what is nobody else's business. Their names are returned.
  platform:
    support: full
    platforms: posix
    description: Needs what the node program needs.
requirements:
  - python >= 3.8
seealso:
  - module: physical_ai.edge.backup
"""

EXAMPLES = r"""
- name: Restore a gateway
  physical_ai.edge.restore:
    path: /run/physical-ai/backup.tar.gz
    host: "{{ inventory_hostname }}"
  become: true
"""

RETURN = r"""
relation:
  description: What the node was to the backup, one of C(empty), C(older), C(same), C(newer) and C(diverged).
  type: str
  returned: success
restored:
  description: Names of what was written.
  type: list
  elements: str
  returned: success
kept:
  description: Names of what stays although the backup has something else.
  type: list
  elements: str
  returned: success
conflicts:
  description: What contradicted and was forced.
  type: list
  elements: str
  returned: success
lines:
  description: The same for a person.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._node import backup, files
from ..module_utils._node.errors import NodeError


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    params = module.params
    return backup.restore(
        files.Paths(), params["path"], params["host"], params["force"], module.check_mode, params["who"] or "a push"
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "host": {"type": "str", "required": True},
            "force": {"type": "bool", "default": False},
            "who": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except NodeError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
