#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate
short_description: Ask for a certificate of a node or of a workload, and take it into use
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Writes down which certificate is wanted. Where one is missing or due, the node makes a new key, which never leaves it, and the module
    returns the request for it. Once it is signed, a second task with O(certificate) takes it into use.
  - Taking into use is a transaction. The key must match, the chain must end in what is trusted on the node, the names must be those that
    are wanted, and the times must be sane. Then key and chain are replaced by one rename, the user is told, and a real handshake must show
    the new certificate. Otherwise the old pair is in use again, and the task fails.
  - The node program renews it by itself from then on where the site has a gateway that issues certificates.
options:
  name:
    description: C(node) for that of the node itself, or C(TENANT.WORKLOAD).
    type: str
    required: true
  subject:
    description: Its common name. Required for O(state=present).
    type: str
  dns:
    description: Names of hosts that it is for.
    type: list
    elements: str
    default: []
  ip:
    description: Addresses that it is for.
    type: list
    elements: str
    default: []
  uri:
    description: URIs that it is for, such as the identity of a workload.
    type: list
    elements: str
    default: []
  key:
    description: Kind of the key. Another kind counts from the next renewal on.
    type: str
    choices: [ec-p256, ec-p384, rsa-2048, rsa-3072, rsa-4096]
    default: ec-p256
  owner:
    description: User, or number of one, that owns the file of the key.
    type: str
    default: root
  group:
    description: Group, or number of one, of the file of the key.
    type: str
    default: root
  key_mode:
    description: Mode of the file of the key, C(0400), C(0440), C(0600) or C(0640).
    type: str
    default: "0600"
  reload:
    description: How its user is told of a new one. One that does not run is not told; it reads the files when it starts.
    type: dict
    default: {kind: none}
    suboptions:
      kind:
        description: Whether nobody is told, a unit of systemd, or a workload.
        type: str
        choices: [none, unit, workload]
        required: true
      unit:
        description: The unit, such as C(nginx.service).
        type: str
      action:
        description: What is done to the unit. Without it, it is reloaded.
        type: str
        choices: [reload, restart]
      tenant:
        description: Tenant of the workload.
        type: str
      workload:
        description: Name of the workload.
        type: str
      signal:
        description: Signal to the first process of the workload. Without it, its container is started anew.
        type: str
        choices: [SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH]
  endpoint:
    description: C(HOST:PORT) of a TLS server that must show the new certificate. Without it no handshake is made.
    type: str
    default: ""
  prove:
    description: How the handshake is made.
    type: dict
    default: {}
    suboptions:
      server_name:
        description: Name that is asked for. Without it, the first of O(dns).
        type: str
      within:
        description: Time until the new certificate must be shown, such as C(10s).
        type: str
  certificate:
    description: The signed certificate in PEM, then each CA above it but the root. It is taken into use.
    type: str
  renew:
    description: Ask for another one although none is due.
    type: bool
    default: false
  state:
    description:
      - V(present) wants one.
      - V(absent) takes it away, with its key. Who uses it is not told.
    type: str
    choices: [present, absent]
    default: present
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
    description: Needs the node program.
requirements:
  - python >= 3.8
  - openssl >= 1.1.1
  - the node program, see M(physical_ai.edge.node_program)
seealso:
  - module: physical_ai.edge.certificate_info
"""

EXAMPLES = r"""
- name: Ask for the certificate of the node
  physical_ai.edge.certificate: &wanted
    name: node
    subject: "{{ inventory_hostname }}"
    dns: ["{{ inventory_hostname }}"]
    ip: ["{{ ansible_host }}"]
    uri: ["spiffe://acme/site/{{ edge_site }}/node/{{ inventory_hostname }}"]
    reload: {kind: unit, unit: nginx.service}
    endpoint: "localhost:443"
  register: asked

- name: Take it into use, once somebody has signed the request
  physical_ai.edge.certificate:
    <<: *wanted
    certificate: "{{ signed }}"
  when: asked.csr | length > 0

- name: Let it go
  physical_ai.edge.certificate:
    name: node
    state: absent
"""

RETURN = r"""
csr:
  description: The request that waits for a certificate, in PEM. Empty where none is wanted, and in check mode where none waits yet.
  type: str
  returned: always
reason:
  description: Why one is wanted, C(missing), C(names), C(expired), C(future), C(due) or C(asked). Empty where none is.
  type: str
  returned: always
  sample: due
installed:
  description: What is in use. Null where nothing is.
  type: dict
  returned: always
  sample:
    subject: CN=kiruna-cam01
    issuer: CN=site ca kiruna
    serial: 0A1B
    fingerprint: 6b3f0c...
    not_before: 1793948284
    not_after: 1796540284
    days_left: 29.9
    valid: true
    version: 0f3c2a915d7be846
class:
  description: What it ended as, C(success), C(unchanged), C(refused), C(reverted) or C(broken).
  type: str
  returned: always
  sample: success
"""

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _edge
from ..module_utils._core import certificate_request
from ..module_utils._core.fields import SpecError

_ABOUT_IT = ("state", "certificate", "renew")


def _given(values: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """Options that were given, in nested ones too."""
    return {
        key: _given(value) if isinstance(value, dict) else value for key, value in values.items() if value is not None
    }


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    options = _given(module.params)
    request = {key: value for key, value in options.items() if key in _ABOUT_IT}
    request["definition"] = {key: value for key, value in options.items() if key not in _ABOUT_IT}
    request["check"] = module.check_mode
    asked = certificate_request.check(request)
    if not _edge.installed():
        if not module.check_mode:
            module.fail_json(msg=_edge.MISSING)
        present = asked["state"] == "present"  # the node is not provisioned yet: nothing is here
        after = {"definition": asked["definition"]} if present else {}
        diff = {"before": {}, "after": {asked["definition"]["name"]: after}}
        word = "success" if present else "unchanged"
        reason = "missing" if present else ""
        return {"changed": present, "class": word, "csr": "", "reason": reason, "installed": None, "diff": diff}
    code, out, err = module.run_command([_edge.PROGRAM, "certificate", "-"], data=json.dumps(request))
    if code != 0:
        module.fail_json(msg=_edge.complaint(out, err))
    result = json.loads(out)
    if result.pop("failed"):
        module.fail_json(**result)
    return result


RELOAD = {
    "kind": {"type": "str", "choices": ["none", "unit", "workload"], "required": True},
    "unit": {"type": "str"},
    "action": {"type": "str", "choices": ["reload", "restart"]},
    "tenant": {"type": "str"},
    "workload": {"type": "str"},
    "signal": {"type": "str", "choices": ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH"]},
}
PROVE = {"server_name": {"type": "str"}, "within": {"type": "str"}}


def main() -> None:
    names: t.Dict[str, t.Any] = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "subject": {"type": "str"},
            "dns": names,
            "ip": names,
            "uri": names,
            "key": {
                "type": "str",
                "choices": list(certificate_request.KEYS),
                "default": "ec-p256",
                "no_log": False,  # the kind of it
            },
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "key_mode": {"type": "str", "default": "0600", "no_log": False},
            "reload": {"type": "dict", "options": RELOAD, "default": {"kind": "none"}},
            "endpoint": {"type": "str", "default": ""},
            "prove": {"type": "dict", "options": PROVE, "default": {}},
            "certificate": {"type": "str"},
            "renew": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ("subject",))],
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except SpecError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
