# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How modules speak to the node program."""

from __future__ import annotations

import json
import os
import typing as t

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

PROGRAM = "/usr/local/bin/edge"
MISSING = f"{PROGRAM} is not on this node: run the role node_program first (playbook provision)"


def installed() -> bool:
    return os.path.exists(PROGRAM)


def complaint(out: str, err: str) -> str:
    """What the program said when it failed, without its name."""
    said = err.strip() or out.strip()
    return said[len("edge: ") :] if said.startswith("edge: ") else said


def status(module: AnsibleModule) -> t.Dict[str, t.Any]:
    """What runs on the node; `installed` says whether it can run anything of ours."""
    if not installed():
        return {"installed": False, "engine": "unknown", "tenants": {}, "holds": [], "change": None, "changes": []}
    code, out, err = module.run_command([PROGRAM, "status", "--json"])
    if code != 0:
        module.fail_json(msg=err.strip() or out.strip())
    return dict(json.loads(out), installed=True)
