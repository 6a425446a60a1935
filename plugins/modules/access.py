#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: access
short_description: Say who may log in to a node, without locking anybody out
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Opens the new way in and closes the old ones, in steps of their own. Used by the role C(bootstrap), which tries the way in between.
  - O(state=opened) only adds. It makes the user, adds the keys that are missing, and writes the rights for sudo where there are none.
  - O(state=closed) takes away other keys, changes the rights for sudo, locks the vendor's account and tells sshd to take no passwords.
    Before that it saves what is there and arms a timer of systemd, and a unit for the next start, that put all of it back.
  - O(state=confirmed) disarms both. It is to be called over a connection that was made after the change.
  - O(state=restored) puts everything back at once.
options:
  state:
    description: The step.
    type: str
    choices: [opened, closed, confirmed, restored]
    required: true
  user:
    description: The user with whom operators, and Ansible, come in.
    type: str
    required: true
  authorized_keys:
    description: The operators' public keys, as in C(authorized_keys), with options in front where wanted.
    type: list
    elements: str
    required: true
  exclusive:
    description: Whether other keys of the user are taken away.
    type: bool
    default: true
  groups:
    description: Groups that the user joins.
    type: list
    elements: str
    default: []
  sudo:
    description: Rules of sudoers behind the name of the user. Checked with visudo.
    type: list
    elements: str
    default: ["ALL=(ALL:ALL) NOPASSWD: ALL"]
  vendor_user:
    description: The account with which the box came.
    type: str
    default: ""
  vendor_account:
    description: What becomes of it. C(lock) locks its password, C(expire) lets nobody in any more, C(keep) leaves it.
    type: str
    choices: [keep, lock, expire]
    default: lock
  password_logins:
    description: Whether sshd may go on taking passwords.
    type: bool
    default: false
  host_certificate:
    description: A certificate of the ed25519 host key, which sshd is to show.
    type: str
    default: ""
  seconds:
    description: How long the timer waits.
    type: int
    default: 120
attributes:
  check_mode:
    support: full
    description: Says what would be done, and does nothing.
  diff_mode:
    support: full
    description: Shows the files. Nothing of C(/etc/shadow) is shown.
  platform:
    support: full
    platforms: posix
    description: Needs systemd, sshd, sudo and the programs of shadow.
requirements:
  - python >= 3.8
seealso:
  - module: physical_ai.edge.fresh_connection
"""

EXAMPLES = r"""
- name: Close the ways in of the vendor
  physical_ai.edge.access:
    state: closed
    user: edge
    authorized_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHCcCUmBpomczTjSL1DWEVdPSQjj34A4He5Ur5L7BhM0 ann@example.com"]
    vendor_user: nvidia
  become: true
"""

RETURN = r"""
lines:
  description: What was done, or would be, for a person.
  type: list
  elements: str
  returned: always
host_keys:
  description: Public host keys of the node.
  type: list
  elements: str
  returned: always
host_certificate:
  description: The certificate that the node has.
  type: str
  returned: always
pending:
  description: What O(state=closed) would do.
  type: list
  elements: str
  returned: always
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core import access as core
from ..module_utils._core.fields import SpecError
from ..module_utils._node import files
from ..module_utils._node.access import Access, Change
from ..module_utils._node.errors import NodeError


def wanted(params: t.Mapping[str, t.Any]) -> core.Wanted:
    return core.Wanted(
        user=core.user("user", params["user"]),
        keys=core.entries("authorized_keys", params["authorized_keys"]),
        exclusive=params["exclusive"],
        groups=tuple(params["groups"]),
        sudo=core.sudo_rules("sudo", params["sudo"]),
        vendor_user=params["vendor_user"],
        vendor=params["vendor_account"],
        passwords=params["password_logins"],
        certificate=params["host_certificate"].strip() + "\n" if params["host_certificate"].strip() else "",
        seconds=params["seconds"],
    )


def diffs(change: Change) -> t.List[t.Dict[str, str]]:
    return [
        {
            "before": files.read_text(file.path) or "",
            "after": file.content or "",
            "before_header": file.path,
            "after_header": file.path,
        }
        for file in change.files
    ]


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    state = module.params["state"]
    found = Access(files.Paths(), wanted(module.params))
    result: t.Dict[str, t.Any] = {"changed": False, "lines": []}
    if state in ("opened", "closed"):
        change = found.opening() if state == "opened" else found.closing()
        result.update(changed=bool(change), lines=list(change.lines), diff=diffs(change))
        if change and not module.check_mode:
            if state == "opened":
                found.open()
            else:
                found.close()
    elif not module.check_mode:
        result["changed"] = found.confirm() if state == "confirmed" else found.restore()
    result["host_keys"] = found.host_keys()
    result["host_certificate"] = files.read_text(found.certificate) or ""
    result["pending"] = list(found.closing().lines)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["opened", "closed", "confirmed", "restored"], "required": True},
            "user": {"type": "str", "required": True},
            "authorized_keys": {"type": "list", "elements": "str", "required": True, "no_log": False},
            "exclusive": {"type": "bool", "default": True},
            "groups": {"type": "list", "elements": "str", "default": []},
            "sudo": {"type": "list", "elements": "str", "default": ["ALL=(ALL:ALL) NOPASSWD: ALL"]},
            "vendor_user": {"type": "str", "default": ""},
            "vendor_account": {"type": "str", "choices": ["keep", "lock", "expire"], "default": "lock"},
            "password_logins": {"type": "bool", "default": False, "no_log": False},
            "host_certificate": {"type": "str", "default": ""},
            "seconds": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except (NodeError, SpecError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
