#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_signature
short_description: Find out who signed a release
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Reads a release file and the signature beside it (the same name with C(.sig)) and fails with the reason unless somebody signed it who
    may sign for the tenant of the release. It is for the controller, so that no node is touched in vain; nodes look again by themselves.
  - The collection's document C(docs/signing.md) says how releases are signed.
options:
  path:
    description: The release file.
    type: path
    required: true
  signers:
    description: A file of those who may sign, as C(allowed_signers) in ssh-keygen(1), with names of tenants as principals.
    type: path
    required: true
  revoked:
    description: A file of keys that do not count any more, one public key in each line, or a revocation list of OpenSSH.
    type: path
  tenant:
    description: The tenant of which the release must be. By default the one that the release names.
    type: str
attributes:
  check_mode:
    support: full
    description: Only reads.
  diff_mode:
    support: none
    description: Only reads.
  platform:
    support: full
    platforms: posix
    description: Needs ssh-keygen 8.2 or newer.
requirements:
  - python >= 3.8
  - ssh-keygen
seealso:
  - module: physical_ai.edge.trust
  - module: physical_ai.edge.workloads
"""

EXAMPLES = r"""
- name: Refuse what nobody signed
  physical_ai.edge.release_signature:
    path: releases/2026.11.0.yml
    signers: signers
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
signed:
  description: Whether there is a signature at all.
  type: bool
  returned: always
signer:
  description: The comment of the key.
  type: str
  returned: success
  sample: ann@example.com
principal:
  description: The tenant for whom it was signed.
  type: str
  returned: success
  sample: quality
fingerprint:
  description: The key, as C(ssh-keygen -l) shows it.
  type: str
  returned: success
  sample: SHA256:IR4eCY9/0GENYfsza/1/ZCYTPh8XuYxO6VaGDUYwFv4
release:
  description: The version that the file names.
  type: str
  returned: success
  sample: "2026.11.0"
class:
  description: V(refused).
  type: str
  returned: on failure
cause:
  description: V(signature).
  type: str
  returned: on failure
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core import signature
from ..module_utils._core.fields import SpecError
from ..module_utils._node import trust
from ..module_utils._node.errors import NodeError


def _text(path: str) -> str:
    """The file as it is: a line end that is read as another would not be what was signed."""
    try:
        with open(path, "rb") as handle:
            return handle.read().decode("utf-8")
    except UnicodeDecodeError:
        raise NodeError("signature", f"{path}: found bytes that are no UTF-8 text") from None
    except OSError as exc:
        raise NodeError("signature", f"{path} cannot be read: {exc.strerror}") from None


def run(module: AnsibleModule, signed: str) -> t.Dict[str, t.Any]:
    params = module.params
    trusted = trust.load(params["signers"], params["revoked"] or "")
    if trusted is None:
        raise NodeError("signature", f"signers: there is no file {params['signers']}")
    if params["revoked"] and not trusted.revoked_path:
        raise NodeError("signature", f"revoked: there is no file {params['revoked']}")
    text = _text(params["path"])
    try:
        release, tenant = signature.head(text)
    except SpecError as exc:
        raise NodeError("signature", f"{params['path']}: {exc}") from None
    if params["tenant"] and params["tenant"] != tenant:
        raise NodeError("signature", f"{params['path']} is of tenant {tenant}, wanted tenant {params['tenant']}")
    what = f"release {release} of tenant {tenant}"
    found = trust.judge(trusted, module.tmpdir, tenant, what, text, _text(signed) if os.path.exists(signed) else "")
    message = f"{what} is signed by {found['name'] or found['fingerprint']}"
    return {
        "signer": found["name"],
        "principal": tenant,
        "fingerprint": found["fingerprint"],
        "release": release,
        "msg": message,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "signers": {"type": "path", "required": True},
            "revoked": {"type": "path"},
            "tenant": {"type": "str"},
        },
        supports_check_mode=True,
    )
    signed = module.params["path"] + ".sig"
    here = os.path.exists(signed)
    try:
        result = run(module, signed)
    except NodeError as exc:
        hint = "" if here else f"; there is no file {signed}"
        module.fail_json(msg=exc.message + hint, signed=here, cause="signature", **{"class": "refused"})
    module.exit_json(changed=False, signed=here, **result)


if __name__ == "__main__":
    main()
