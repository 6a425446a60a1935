# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tries a way into a host with a new connection; documented by the module of the same name."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.physical_ai.edge.plugins.plugin_utils import ssh_way
from ansible_collections.physical_ai.edge.plugins.plugin_utils.ssh_way import WayError

SPEC: dict[str, Any] = {
    "known_hosts": {"type": "path", "required": True},
    "sudo": {"type": "bool", "default": True},
    "required": {"type": "bool", "default": True},
}


class ActionModule(ActionBase):
    """Its ssh is one of its own: what Ansible keeps open says nothing about who may come in now."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        dummy, args = self.validate_argument_spec(argument_spec=SPEC)
        host = str((task_vars or {}).get("inventory_hostname", "the host"))
        try:
            found = ssh_way.way(host, self._connection.get_option)
            # A password, or somebody at the keyboard, is no proof that the key works.
            done = found.run(
                *ssh_way.checked_by(args["known_hosts"]),
                *("-o", "PreferredAuthentications=publickey"),
                command="sudo -n true" if args["sudo"] else "true",
            )
        except WayError as exc:
            return {**result, "failed": args["required"], "works": False, "said": str(exc), "msg": str(exc)}
        works = done.returncode == 0
        said = "" if works else ssh_way.said(done)
        user = self._connection.get_option("remote_user") or "the user of ssh"
        what = "and may become root" if args["sudo"] else ""
        msg = (
            f"{user} comes into {host} by key {what}".rstrip()
            if works
            else f"{user} does not come into {host} by key: {said}"
        )
        return {**result, "failed": args["required"] and not works, "works": works, "said": said, "msg": msg}
