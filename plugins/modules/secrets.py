#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: secrets
short_description: Give a node the secrets of a tenant
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Hands over the whole set of secrets that a tenant has on this node, and its pull credentials. The node seals them on its disk and
    shows each container exactly those that its workload names, as files in memory.
  - Other values of what runs are a rotation. Exactly the workloads that use them are told (restarted, signalled or not, as their
    C(on_change) says), must pass their own probes, and go back to the old values where they do not.
  - A secret that is not in the set any more is removed, unless the current or previous version of a workload names it.
  - No value is ever in a result, a difference, a log or the ledger. These say names, and fingerprints made with a key of the node's own.
options:
  tenant:
    description: Whose they are.
    type: str
    required: true
  values:
    description:
      - The values by name. Each is text, or a mapping with C(text) or C(base64), and perhaps C(version), as its owner calls it.
      - Names have at most 64 lower-case letters, digits and C(.), C(_), C(-); values at most 64 KiB, all together 512 KiB.
    type: dict
    default: {}
  registries:
    description:
      - Credentials for pulls by this tenant alone, mappings with C(username) and C(password) by the registry's host and port.
      - A tenant that has any uses these alone. Without, it uses the node's own in C(/etc/physical-ai/docker).
    type: dict
    default: {}
  state:
    description: V(absent) takes all away but what a version of a workload still names.
    type: str
    choices: [present, absent]
    default: present
  force:
    description:
      - Takes what is not given away also where a version of a workload names it, whatever is held and whoever is not idle.
      - A workload that runs goes on without its secrets, and is neither told nor started again without them.
    type: bool
    default: false
  reason:
    description: Why, for the ledger of the node.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    support: full
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode. Names and whether they change, never values.
  platform:
    support: full
    platforms: posix
    description: Needs systemd and the node program. With systemd before 250, openssl and a key file take the place of systemd-creds.
requirements:
  - python >= 3.8
  - the node program, see M(physical_ai.edge.node_program)
seealso:
  - module: physical_ai.edge.workloads
"""

EXAMPLES = r"""
- name: Deliver what a team uses here
  physical_ai.edge.secrets:
    tenant: quality
    values:
      plc-password: "{{ vault_plc_password }}"
      camera-key: {base64: "{{ lookup('ansible.builtin.file', 'camera.key') | b64encode }}", version: "2026-11"}
    registries:
      registry.example.com:5000: {username: quality, password: "{{ vault_registry_password }}"}
  no_log: true

- name: Take them away again
  physical_ai.edge.secrets:
    tenant: quality
    state: absent
"""

RETURN = r"""
class:
  description: What became of it, V(success), V(unchanged), V(reverted), V(refused), V(held), V(broken), V(interrupted) or V(timed_out).
  type: str
  returned: always
msg:
  description: The same in words.
  type: str
  returned: always
secrets:
  description: What differs, V(new), V(changed) or V(removed) by name.
  type: dict
  returned: always
  sample: {plc-password: changed}
workloads:
  description: Those that use what differs, each with C(action), how it was told, and C(class).
  type: dict
  returned: always
kept:
  description: Names that were not given any more, and that a version of a workload still needs.
  type: list
  elements: str
  returned: always
sealed_by:
  description: What they are sealed with on the node.
  type: str
  returned: when something was delivered
"""

import base64
import binascii
import json
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _edge
from ..module_utils._core import secrets
from ..module_utils._core.fields import SpecError

SECRET_LENGTH = 6  # what is shorter would mask words of the result; no result has a value


def _bytes(name: str, value: t.Any) -> t.Tuple[bytes, str]:
    where = f"values.{name}"
    if isinstance(value, str):
        return value.encode(), ""
    wanted = (
        f"{where}: wanted text, or a mapping with one of `text` and `base64`, and perhaps `version`; it is not shown"
    )
    if not isinstance(value, dict) or not set(value) <= {"text", "base64", "version"}:
        raise SpecError(wanted)
    version = str(value.get("version") or "")
    if isinstance(value.get("text"), str) and "base64" not in value:
        return value["text"].encode(), version
    if not isinstance(value.get("base64"), str) or "text" in value:
        raise SpecError(wanted)
    try:
        return base64.b64decode("".join(value["base64"].split()), validate=True), version
    except (binascii.Error, ValueError):
        raise SpecError(f"{where}.base64: it is no base64; it is not shown") from None


def delivery(params: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """What the node program gets."""
    absent = params["state"] == "absent"
    given = {} if absent else {name: _bytes(str(name), value) for name, value in params["values"].items()}
    found = {
        "schema": secrets.SCHEMA,
        "tenant": params["tenant"],
        "secrets": {
            name: {"value": base64.b64encode(value).decode("ascii"), "version": version}
            for name, (value, version) in given.items()
        },
        "registries": {} if absent else params["registries"],
        "force": params["force"],
        "reason": params["reason"],
        "who": "ansible",
    }
    secrets.read(found)  # what is wrong is said before the node is asked
    return found


def hidden(found: t.Mapping[str, t.Any]) -> t.Set[str]:
    """What must not be in a result, for Ansible to look after as well."""
    words: t.Set[str] = set()
    for item in found["secrets"].values():
        words.update((item["value"], base64.b64decode(item["value"]).decode("utf-8", "ignore")))
    words.update(item["password"] for item in found["registries"].values())
    return {word for word in words if len(word) >= SECRET_LENGTH}


def run(module: AnsibleModule, found: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    if not _edge.installed():
        if not module.check_mode:
            return {"failed": True, "changed": False, "class": "refused", "msg": _edge.MISSING}
        names = [
            *found["secrets"],
            *(f"registry {host}" for host in found["registries"]),
        ]  # the node is not provisioned yet
        words = dict.fromkeys(names, "new")
        diff = {"before": {}, "after": dict.fromkeys(names, "present")}
        return {
            "changed": bool(names),
            "class": "success",
            "msg": "the node program is not here yet",
            "secrets": words,
            "workloads": {},
            "kept": [],
            "diff": diff,
        }
    found = dict(found, check=module.check_mode)
    code, out, err = module.run_command([_edge.PROGRAM, "secrets", "-"], data=json.dumps(found))
    if code != 0:
        return {"failed": True, "changed": False, "class": "refused", "msg": _edge.complaint(out, err)}
    return json.loads(out)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "tenant": {"type": "str", "required": True},
            "values": {"type": "dict", "default": {}, "no_log": True},
            "registries": {"type": "dict", "default": {}, "no_log": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "force": {"type": "bool", "default": False},
            "reason": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    names = {key: sorted(str(name) for name in module.params[key]) for key in ("values", "registries")}
    shown = {"module_args": dict(module.params, **names)}
    # `no_log` keeps the options out of the system log. In results it would mask every name, version and number of them.
    module.no_log_values = set()
    try:
        found = delivery(module.params)
    except SpecError as exc:
        module.exit_json(**{"failed": True, "changed": False, "class": "refused", "msg": str(exc)}, invocation=shown)
    module.no_log_values = hidden(found)
    module.exit_json(**run(module, found), invocation=shown)


if __name__ == "__main__":
    main()
