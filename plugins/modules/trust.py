#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trust
short_description: Tell a node who may sign releases
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Writes down whose signatures a node accepts, for which tenant. From then on the node refuses every release that is not signed by one
    of them, before anything is fetched. What runs goes on, and the way back to what ran before needs no signature.
  - A key is rotated by trusting the old and the new one for a while. A key in O(revoked) does not count, wherever else it stands.
  - What was there before is kept beside each file, with the ending C(.previous).
options:
  signers:
    description:
      - Who may sign. Either a list of mappings with C(tenants), a list of names, C(key), the line of the public key, and
        C(name), by default the comment of the key.
      - Or the text of a file of allowed signers as in ssh-keygen(1), with names of tenants as principals.
    type: raw
    required: true
  revoked:
    description: Public keys whose signatures do not count any more.
    type: list
    elements: str
    default: []
  allow_none:
    description:
      - Whether it may be that nobody can sign any more. Without any signer the file is taken away, and the node accepts releases without a
        signature again. Where all signers are revoked, it accepts none.
    type: bool
    default: false
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
    description: Needs ssh-keygen 8.2 or newer.
requirements:
  - python >= 3.8
  - ssh-keygen
seealso:
  - module: physical_ai.edge.release_signature
  - module: physical_ai.edge.workloads
"""

EXAMPLES = r"""
- name: Two people sign for one team while a key is rotated
  physical_ai.edge.trust:
    signers:
      - {tenants: [quality], key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHCcCUmBpomczTjSL1DWEVdPSQjj34A4He5Ur5L7BhM0 ann@example.com}
      - tenants: [quality, logistics]
        key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHCcCUmBpomczTjSL1DWEVdPSQjj34A4He5Ur5L7BhM1
        name: build server
"""

RETURN = r"""
tenants:
  description: Tenants for whom somebody can sign now.
  type: list
  elements: str
  returned: always
enforced:
  description: Whether the node accepts signed releases only.
  type: bool
  returned: always
changed_paths:
  description: Paths of the files that changed, or would change in check mode.
  type: list
  elements: str
  returned: always
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core import signature
from ..module_utils._core.fields import SpecError
from ..module_utils._node import _runner, files
from ..module_utils._node.errors import NodeError

NONE = (
    "signers: nobody could sign a release any more{why}: give at least one signer, or set `allow_none: true` "
    "(trust_allow_none of the role), with which {then}"
)


def check_keys(keys: t.Sequence[signature.Key]) -> None:
    """Asks the node's own ssh-keygen, which may be too old for a kind of key or hold one for too short."""
    for key in keys:
        done = _runner.run(["ssh-keygen", "-l", "-f", "-"], text=key.line + "\n")
        if done.code != 0:
            shown = key.comment or key.fingerprint
            raise NodeError("signature", f"the key {shown} ({key.kind}) cannot be used on this node: {done.said}")


def differs(path: str, content: str) -> t.Optional[t.Dict[str, str]]:
    """What a diff shows, or None where the file is as wanted; no content is no file."""
    before = files.read_text(path)
    mode = None if before is None else os.stat(path).st_mode & 0o7777
    if (before or "") == content and mode == (0o644 if content else None):
        return None
    absent = " (absent)"
    return {
        "before": before or "",
        "after": content,
        "before_header": path + (absent if before is None else f" (mode {mode:04o})"),
        "after_header": path + (" (mode 0644)" if content else absent),
    }


def write(path: str, before: str, content: str) -> None:
    files.make_directory(os.path.dirname(path), 0o755)
    if before and before != content:
        files.write_atomic(path + ".previous", before, 0o644)
    if content:
        files.write_atomic(path, content, 0o644)
    else:
        os.unlink(path)
        files.sync_directory(os.path.dirname(path))


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    paths = files.Paths()
    content = signature.signers_file("signers", module.params["signers"])
    gone = signature.revoked_file("revoked", module.params["revoked"])
    signers, revoked = signature.parse("signers", content), signature.parse_keys("revoked", gone)
    tenants = signature.trusted(signers, revoked)
    if not tenants and not module.params["allow_none"]:
        why = ", because all of them are revoked" if signers and revoked else ""
        then = "the node accepts none" if signers else "the node accepts releases without a signature"
        raise NodeError("signature", NONE.format(why=why, then=then))
    check_keys([*[item.key for item in signers], *revoked])
    diffs, changed = [], []
    # Revoked keys first: at no moment does one count that did not before.
    for path, text in ((paths.signers_revoked, gone), (paths.signers, content)):
        diff = differs(path, text)
        if diff is None:
            continue
        if not module.check_mode:
            write(path, diff["before"], text)
        diffs.append(diff)
        changed.append(path)
    return {
        "changed": bool(changed),
        "changed_paths": changed,
        "diff": diffs,
        "tenants": tenants,
        "enforced": bool(content),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "signers": {"type": "raw", "required": True},
            "revoked": {"type": "list", "elements": "str", "default": []},
            "allow_none": {"type": "bool", "default": False},
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
