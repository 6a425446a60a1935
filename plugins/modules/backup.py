#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: Write what cannot be made again into an encrypted archive
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Collects what a gateway keeps and nobody can make again, and encrypts it on the gateway for certificates of the operators. These are
    C(/etc/physical-ai) with holds, devices, tenants and signers, the ledger, what is remembered of releases, pins of models, and what the
    issuing CA of the site has issued and revoked.
  - With O(kind=files) it is the files in O(extra) instead, such as keys of operators on a controller.
  - What is sealed for one machine, such as secrets, is not in it.
options:
  path:
    description: The archive. One that is there is replaced.
    type: path
    required: true
  recipients:
    description: Certificates as PEM. The key of any one of them opens the archive.
    type: list
    elements: str
    required: true
  host:
    description: Name of the host in the inventory, by which a restore finds out whether it is the right one.
    type: str
    required: true
  kind:
    description: What is collected.
    type: str
    choices: [gateway, files]
    default: gateway
  authority_keys:
    description:
      - Whether the private keys of the issuing CA are in it too. Without them a gateway that is lost gets a new issuing CA, and the keys
        never leave it.
    type: bool
    default: false
  extra:
    description: More files and folders, such as the data of a registry.
    type: list
    elements: path
    default: []
  extra_mib:
    description: The most that each of O(extra) may have. A larger one is left out, and returned in RV(left_out).
    type: int
    default: 256
attributes:
  check_mode:
    support: full
    description: Writes nothing.
  diff_mode:
    support: none
    description: There is nothing to compare an archive with.
  platform:
    support: full
    platforms: posix
    description: Needs openssl 1.1.1 or newer.
requirements:
  - python >= 3.8
  - openssl
notes:
  - An archive is encrypted and not signed. RV(sha256) says later whether it is the same one.
seealso:
  - module: physical_ai.edge.restore
"""

EXAMPLES = r"""
- name: Write an archive on the gateway
  physical_ai.edge.backup:
    path: /var/lib/physical-ai/backup.cms
    recipients: ["{{ lookup('ansible.builtin.file', 'operator.crt') }}"]
    host: "{{ inventory_hostname }}"
  become: true
"""

RETURN = r"""
brief:
  description: >-
    What may be known of the archive without opening it: C(host), C(kind), C(made), the last entry of the C(ledger), the C(state),
    how much the C(authority) has issued and revoked, the number of C(files), what was C(left_out), C(size) and C(sha256).
  type: dict
  returned: when not in check mode
sha256:
  description: Digest of the archive.
  type: str
  returned: when not in check mode
left_out:
  description: What was too large.
  type: list
  elements: str
  returned: when not in check mode
"""

import os
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._node import backup, files
from ..module_utils._node.errors import NodeError


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    params = module.params
    what = backup.What(
        params["host"], params["kind"], params["authority_keys"], tuple(params["extra"]), params["extra_mib"] << 20
    )
    if module.check_mode:
        return {"changed": True}
    with tempfile.TemporaryDirectory(prefix="edge-recipients-") as folder:
        recipients = []
        for index, text in enumerate(params["recipients"]):
            recipients.append(os.path.join(folder, f"recipient-{index}"))
            files.write_atomic(recipients[-1], text.strip() + "\n")
        found = backup.create(files.Paths(), what, params["path"], recipients)
    return {"changed": True, "brief": found, "sha256": found["sha256"], "left_out": found["left_out"]}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "recipients": {"type": "list", "elements": "str", "required": True},
            "host": {"type": "str", "required": True},
            "kind": {"type": "str", "choices": ["gateway", "files"], "default": "gateway"},
            "authority_keys": {"type": "bool", "default": False, "no_log": False},
            "extra": {"type": "list", "elements": "path", "default": []},
            "extra_mib": {"type": "int", "default": 256},
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
