# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs the host key of a node on the controller; documented by the module of the same name."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.physical_ai.edge.plugins.plugin_utils import host_certificate
from ansible_collections.physical_ai.edge.plugins.plugin_utils.host_certificate import SigningError

SPEC: dict[str, Any] = {
    "authority": {"type": "path", "required": True},
    "host_keys": {"type": "list", "elements": "str", "required": True, "no_log": False},
    "name": {"type": "str", "required": True},
    "current": {"type": "str", "default": ""},
    "days": {"type": "int", "default": 365},
}


class ActionModule(ActionBase):
    """The key of the authority is read by the controller's ssh-keygen and by nobody else."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        dummy, args = self.validate_argument_spec(argument_spec=SPEC)
        host = str((task_vars or {}).get("inventory_hostname", "the host"))
        authority = os.path.expanduser(args["authority"])
        try:
            keys = [line for line in args["host_keys"] if line.startswith("ssh-ed25519 ")]
            if not keys:
                raise SigningError(f"{host} has no ed25519 host key: `ssh-keygen -A` on the node makes one")
            if not 1 <= args["days"] <= 3650:
                raise SigningError(f"bootstrap_host_certificate_days: found {args['days']}, wanted 1 to 3650")
            # ssh compares a certificate with the bare name, without its port.
            name = args["name"].partition("]")[0].lstrip("[")
            now = datetime.now(UTC).replace(tzinfo=None)
            certificate = host_certificate.sign(authority, keys[0], host, [name], args["days"], now, args["current"])
            public = host_certificate.public(authority)
        except (SigningError, OSError) as exc:
            return {**result, "failed": True, "msg": str(exc)}
        changed = certificate.strip() != args["current"].strip()
        return {**result, "changed": changed, "certificate": certificate, "authority": public}
