#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_info
short_description: Say which certificates a node has, from whom, and when they are renewed
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Reads the certificates that are wanted on a node. No key is read.
options:
  prove:
    description:
      - Look at each as M(physical_ai.edge.certificate) does when it takes one into use. It must be verified by what is trusted on the node,
        and its C(endpoint) must show it. Takes up to C(prove.within) for each that is not shown.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    support: none
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
  platform:
    support: full
    platforms: posix
    description: Needs the node program.
requirements:
  - python >= 3.8
  - openssl >= 1.1.1
  - the node program, see M(physical_ai.edge.node_program)
seealso:
  - module: physical_ai.edge.certificate
"""

EXAMPLES = r"""
- name: Look at the certificates of the node
  physical_ai.edge.certificate_info:
  register: found

- name: Look whether each is good and shown
  physical_ai.edge.certificate_info:
    prove: true
  register: proved
  failed_when: proved.certificates | map(attribute='proof') | select | length > 0

- name: Stop where one ran out
  ansible.builtin.assert:
    that: found.certificates | map(attribute='installed') | select | rejectattr('valid') | length == 0
"""

RETURN = r"""
certificates:
  description:
    - Each certificate that is wanted. C(installed) is as M(physical_ai.edge.certificate) returns it; C(reason) says whether it is valid, or
      why it is C(due); C(renews_at) when it is renewed, in seconds since 1970, and C(renewed_by) at which C(url) and as which C(node);
      C(pending) whether a request waits; C(clock) how far the node's clock can be believed; C(problem) what went wrong last.
    - C(definition) is what is wanted; C(wanted) says whether another one is, also while the node waits before it asks again; C(stale) whether
      what is in use lacks what is trusted now, or was cut off; C(revoked) whether a list on this node says so of it.
    - C(proof), only with O(prove), says in one line what is wrong with what is in use. Empty where it is good and shown.
    - Empty where the node program is not there.
  type: list
  elements: dict
  returned: always
  sample:
    - name: node
      due: false
      reason: valid
      renews_at: 1795676400
      pending: false
      clock: plausible
      problem: ""
      endpoint: localhost:443
      renewed_by: {url: "http://10.20.1.2:4460/certificates", node: kiruna-cam01}
      definition: {name: node, subject: kiruna-cam01, dns: [cam01.kiruna.example.com], key: ec-p256}
      wanted: false
      stale: false
      revoked: false
      installed: {subject: CN=kiruna-cam01, issuer: CN=site ca kiruna, days_left: 29.9, valid: true}
"""

import json

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _edge


def main() -> None:
    module = AnsibleModule(argument_spec={"prove": {"type": "bool", "default": False}}, supports_check_mode=True)
    if not _edge.installed():
        module.exit_json(changed=False, certificates=[])
    prove = ["--prove"] if module.params["prove"] else []
    code, out, err = module.run_command([_edge.PROGRAM, "certificates", "--json", *prove])
    if code != 0:
        module.fail_json(msg=_edge.complaint(out, err))
    module.exit_json(changed=False, certificates=json.loads(out))


if __name__ == "__main__":
    main()
