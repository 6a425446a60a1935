#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_issue
short_description: Have certificates signed for a node by the issuing CA of its site
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Runs where the issuing CA is, usually with C(delegate_to) the gateway, and signs what the inventory allows the node (playbook C(pki)).
    Of a request only the key is taken. Without requests it says what the node may have.
options:
  node:
    description: Name of the node in the inventory.
    type: str
    required: true
  requests:
    description: Certificate requests as PEM, by the names of certificates, as M(physical_ai.edge.certificate) returned them.
    type: dict
    default: {}
  path:
    description: The folder of the issuing CA on a controller, for a site without a gateway. Give it with C(delegate_to=localhost).
    type: path
attributes:
  check_mode:
    support: full
    description: Says what the node may have, and signs nothing.
  diff_mode:
    support: none
    description: What was signed is in the record of the issuing CA.
  platform:
    support: full
    platforms: posix
    description: Needs openssl 1.1.1 or newer.
requirements:
  - python >= 3.8
  - openssl
seealso:
  - module: physical_ai.edge.certificate
  - module: physical_ai.edge.certificate_authority
"""

EXAMPLES = r"""
- name: Find out which certificates the node may have
  physical_ai.edge.certificate_issue:
    node: "{{ inventory_hostname }}"
  delegate_to: "{{ edge_gateway }}"
  become: true
  register: may

- name: Sign what it asks for
  physical_ai.edge.certificate_issue:
    node: "{{ inventory_hostname }}"
    requests: {node: "{{ asked.csr }}"}
  delegate_to: "{{ edge_gateway }}"
  become: true
"""

RETURN = r"""
allowed:
  description: What the node may have, by name, each with C(dns), C(ip) and C(uri).
  type: dict
  returned: always
  sample: {node: {dns: [kiruna-cam01.kiruna.acme.internal], ip: [10.20.1.11], uri: [spiffe://acme/site/kiruna/node/kiruna-cam01]}}
certificates:
  description: What was signed, by name, the leaf and then its issuers, as PEM.
  type: dict
  returned: always
"""

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _edge
from ..module_utils._node import ca, ca_command, ca_issue, files
from ..module_utils._node.errors import NodeError


def call(module: AnsibleModule, arguments: t.Sequence[str], data: str = "") -> t.Dict[str, t.Any]:
    if not _edge.installed():
        raise NodeError("program", _edge.MISSING)
    code, out, err = module.run_command([_edge.PROGRAM, "ca", *arguments], data=data)
    if code != 0:
        raise NodeError("certificate", _edge.complaint(out, err))
    return dict(json.loads(out))


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    node, requests, path = (module.params[key] for key in ("node", "requests", "path"))
    asked = {"node": node, "requests": requests}
    authority = ca.Authority(files.Paths(), path) if path else None
    allowed = ca_command.allowed(authority, node) if authority else call(module, ["allowed", node])
    signed: t.Dict[str, t.Any] = {}
    if requests and not module.check_mode:
        answer = ca_issue.issue(authority, asked) if authority else call(module, ["issue", "-"], json.dumps(asked))
        signed = answer["certificates"]
    return {"changed": bool(requests), "allowed": allowed, "certificates": signed}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "requests": {"type": "dict", "default": {}},
            "path": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except NodeError as exc:
        module.fail_json(msg=exc.message)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
