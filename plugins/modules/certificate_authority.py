#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_authority
short_description: Make the issuing CA of a site what is wanted
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Makes the key of an issuing CA where it stays, returns the request that a root has to sign, installs what was signed, and writes down who
    may have which certificate. The key never leaves the machine.
  - What is not given stays as it is.
  - On a gateway the node program does the work, and C(physical-ai-ca.socket) answers nodes that renew by themselves. With O(path) the
    same is done in a folder of the controller, for a site without a gateway.
options:
  path:
    description: The folder of the issuing CA, where the node program has no part in it. Give it with C(delegate_to=localhost).
    type: path
  definition:
    description:
      - For what the issuing CA is, and to what it is bound. With it the module wants another one from the root where there is none, where it is
        bound to something else, where a third of its life is left, and where it leads to another O(root).
    type: dict
    suboptions:
      site:
        description: Name of the site.
        type: str
        required: true
      dns:
        description: Host names that it may sign, each with all below it.
        type: list
        elements: str
        default: []
      ip:
        description: Networks whose addresses it may sign.
        type: list
        elements: str
        default: []
      uri:
        description: Hosts of identities that it may sign, which is the name of the fleet.
        type: list
        elements: str
        default: []
      curve:
        description: Curve of its key.
        type: str
        choices: [P-256, P-384]
        default: P-256
  root:
    description: Certificate of the root that shall have signed it, as PEM.
    type: str
  trust:
    description: Certificates of the roots that count, as PEM.
    type: str
  crl:
    description: What the roots revoked, as PEM.
    type: str
  certificate:
    description: What the root signed, as PEM. It must be of the key that waits, and bound to what was asked for.
    type: str
  chain:
    description: Certificates between it and the root, as PEM.
    type: str
  allowed:
    description: Who may have which certificate, as C(docs/pki.md) has it.
    type: dict
  revoke:
    description:
      - Certificates that do not count any more, also such as ran out. Each has either C(node), with C(name) for one of its certificates, or
        C(serial), and C(reason).
    type: list
    elements: dict
    default: []
  block:
    description:
      - Nodes that are cut off, each with C(node) and C(reason). Nothing is issued to them any more, and what was issued, also such as ran
        out, is revoked. With C(tenant), only certificates of workloads of this tenant on that node.
      - O(allowed) is what counts from then on, so it must say the same.
    type: list
    elements: dict
    default: []
  unblock:
    description: Names of nodes to which something is issued again. What was revoked stays revoked.
    type: list
    elements: str
    default: []
  retire:
    description: Whether older issuing CAs end. It is refused while a node has nothing newer.
    type: bool
    default: false
  renew:
    description: Whether there shall be another issuing CA, whatever there is.
    type: bool
    default: false
  service:
    description: Whether nodes can ask it by themselves. Not with O(path).
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Says what would change and changes nothing. No key is made, so RV(csr) is empty where a new one is wanted.
  diff_mode:
    support: full
    description: Shows what changes; never a key.
  platform:
    support: full
    platforms: posix
    description: Needs openssl 1.1.1 or newer, and systemd without O(path).
requirements:
  - python >= 3.8
  - openssl
seealso:
  - module: physical_ai.edge.node_program
"""

EXAMPLES = r"""
- name: Ask for what the root has to sign
  physical_ai.edge.certificate_authority:
    definition: {site: kiruna, dns: [kiruna.acme.internal], ip: [10.20.1.0/24], uri: [acme]}
    trust: "{{ lookup('ansible.builtin.file', 'root.crt') }}"
  register: asked

- name: Take what it signed into use
  physical_ai.edge.certificate_authority:
    certificate: "{{ signed.certificate }}"
    trust: "{{ lookup('ansible.builtin.file', 'root.crt') }}"

- name: A box was stolen
  physical_ai.edge.certificate_authority:
    block: [{node: kiruna-cam01, reason: keyCompromise}]
"""

RETURN = r"""
csr:
  description: The request that the root has to sign, or nothing where none is wanted.
  type: str
  returned: always
why:
  description: Why the root has to sign another one, or nothing.
  type: str
  returned: always
  sample: its names or networks are others now
chain:
  description: The certificate of the issuing CA that signs, and those between it and the root.
  type: str
  returned: always
crl:
  description: What it revoked, as PEM.
  type: str
  returned: always
root_crl:
  description: What the roots revoked, as PEM, as it was given last.
  type: str
  returned: always
status:
  description: Its C(state) (C(absent), C(waiting), C(ready)), C(generations), and how many certificates it C(issued) and C(revoked).
  type: dict
  returned: always
"""

import json
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _edge
from ..module_utils._node import ca, ca_command, files, units
from ..module_utils._node.errors import NodeError

OWN = ("path", "service")


def ensure(module: AnsibleModule, wanted: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    """By the same code: in the folder of a controller here, on a node in the node program."""
    path = module.params["path"]
    if path:
        return ca_command.ensure(ca.Authority(files.Paths(), path), wanted)
    if not _edge.installed():
        if module.check_mode:  # the node is not provisioned yet: nothing is here
            why = "there is none yet" if "definition" in wanted else ""
            status = {"state": "absent", "generations": []}
            return {
                "changed": True,
                "csr": "",
                "why": why,
                "chain": "",
                "crl": "",
                "root_crl": "",
                "status": status,
                "diff": [],
            }
        raise NodeError("program", _edge.MISSING)
    code, out, err = module.run_command([_edge.PROGRAM, "ca", "install", "-"], data=json.dumps(wanted))
    if code != 0:
        raise NodeError("ca", _edge.complaint(out, err))
    return dict(json.loads(out))


def serve(module: AnsibleModule) -> t.List[t.Dict[str, str]]:
    """The units of the issuing CA, only where it is; returns what differs."""
    found = []
    for name, text in units.AUTHORITY.items():
        path = f"{units.DIRECTORY}/{name}"
        before = files.read_text(path) or ""
        if before == text:
            continue
        found.append({"before_header": path, "after_header": path, "before": before, "after": text})
        if not module.check_mode:
            files.write_atomic(path, text, 0o644)
    dummy, out, dummy2 = module.run_command(["systemctl", "is-active", units.AUTHORITY_SOCKET])
    running = out.strip() == "active"
    if (found or not running) and not module.check_mode:
        systemctl(module, "daemon-reload")
        systemctl(module, "--quiet", "enable", units.AUTHORITY_SOCKET)
        # A socket that listens already goes on with the text of before.
        systemctl(module, "restart" if found else "start", units.AUTHORITY_SOCKET)
    if not running:
        socket = units.AUTHORITY_SOCKET
        found.append({"before_header": socket, "after_header": socket, "before": "stopped\n", "after": "listens\n"})
    return found


def stop(module: AnsibleModule) -> t.List[t.Dict[str, str]]:
    if not os.path.exists(f"{units.DIRECTORY}/{units.AUTHORITY_SOCKET}"):
        return []
    if not module.check_mode:
        systemctl(module, "--quiet", "disable", "--now", units.AUTHORITY_SOCKET)
        for name in units.AUTHORITY:
            os.unlink(f"{units.DIRECTORY}/{name}")
        systemctl(module, "daemon-reload")
    socket = units.AUTHORITY_SOCKET
    return [{"before_header": socket, "after_header": socket, "before": "listens\n", "after": ""}]


def systemctl(module: AnsibleModule, *arguments: str) -> None:
    code, dummy, err = module.run_command(["systemctl", *arguments])
    if code != 0:
        raise NodeError("node", f"systemctl {' '.join(arguments)} failed: {err.strip()}")


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    wanted = {
        key: value
        for key, value in module.params.items()
        if key not in OWN and value is not None and value not in ("", [])
    }
    result = ensure(module, dict(wanted, check=module.check_mode))
    if not module.params["path"] and result["status"]["state"] == "ready":
        more = serve(module) if module.params["service"] else stop(module)
        result["diff"] = [*result["diff"], *more]
        result["changed"] = result["changed"] or bool(more)
    return result


def main() -> None:
    definition = {
        "site": {"type": "str", "required": True},
        "dns": {"type": "list", "elements": "str", "default": []},
        "ip": {"type": "list", "elements": "str", "default": []},
        "uri": {"type": "list", "elements": "str", "default": []},
        "curve": {"type": "str", "choices": ["P-256", "P-384"], "default": "P-256"},
    }
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path"},
            "definition": {"type": "dict", "options": definition},
            **{name: {"type": "str"} for name in ("root", "trust", "crl", "certificate", "chain")},
            "allowed": {"type": "dict"},
            "revoke": {"type": "list", "elements": "dict", "default": []},
            "block": {"type": "list", "elements": "dict", "default": []},
            "unblock": {"type": "list", "elements": "str", "default": []},
            "retire": {"type": "bool", "default": False},
            "renew": {"type": "bool", "default": False},
            "service": {"type": "bool", "default": True},
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
