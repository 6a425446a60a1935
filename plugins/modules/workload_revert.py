#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workload_revert
short_description: Put the version before back, with its data
description:
  - Takes back what a release brought to a node, or the last change of a tenant or workload. The versions before come back with
    the data of volumes that ask for a snapshot, prove themselves by their own probes, and what was taken back is refused from
    then on until it changes or is forced.
  - Needs no registry and no network beyond the connection, since the version before is kept on the node.
version_added: 0.1.0
author:
  - physical_ai.edge contributors (@physical-ai-edge)
options:
  tenant:
    description: The tenant.
    type: str
    required: true
  workload:
    description: Only this workload of it.
    type: str
    default: ''
  release:
    description:
      - Take back only what this release brought. Workloads that had no version before go away again.
      - A node on which nothing of it runs is left as it is.
    type: str
    default: ''
  brought_by:
    description: Take back only what this rollout brought, by its id; a node that has the release from elsewhere is left as it is.
    type: str
    default: ''
  to:
    description: Only where the version before belongs to this release; otherwise the node refuses and says what it has.
    type: str
    default: ''
  reason:
    description: Why, for the ledger and for whoever asks the node.
    type: str
    default: ''
  rollout:
    description: The rollout that takes it back, with C(id) and C(owner); other keys are passed over.
    type: dict
attributes:
  check_mode:
    support: full
    description: Says what would come back and changes nothing.
  diff_mode:
    support: full
    description: Shows the releases before and after.
  platform:
    support: full
    platforms: posix
    description: Needs the node program, see M(physical_ai.edge.node_program).
requirements:
  - python >= 3.8
seealso:
  - module: physical_ai.edge.workloads
"""

EXAMPLES = r"""
- name: Take the last release back
  physical_ai.edge.workload_revert:
    tenant: quality
    release: "2026.11.0"
    reason: wrong verdicts on line 2
"""

RETURN = r"""
class:
  description: How it ended; V(success), V(unchanged) where there is nothing to take back, or a failure as of M(physical_ai.edge.workloads).
  type: str
  returned: always
  sample: success
release:
  description: The release that runs now.
  type: str
  returned: when something was taken back
workloads:
  description: As of M(physical_ai.edge.workloads).
  type: dict
  returned: always
"""

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _edge


def _refused(message: str) -> t.Dict[str, t.Any]:
    return {"failed": True, "class": "refused", "cause": "node", "msg": message, "changed": False, "workloads": {}}


def targets(status: t.Mapping[str, t.Any], params: t.Mapping[str, t.Any]) -> t.Dict[str, t.Tuple[str, str]]:
    """Workload -> (release that runs, release that comes back), of what would be taken back."""
    tenant = status["tenants"].get(params["tenant"], {"workloads": {}, "releases": {}})
    rows, found = tenant["workloads"], {}
    content = tenant["releases"].get(params["release"], "")
    if params["brought_by"] and not params["brought_by"].endswith("-" + content[7:15]):
        return {}
    for name, row in rows.items():
        if row["current"] is None or (params["workload"] and name != params["workload"]):
            continue
        if params["release"] and row["current"]["release"] != params["release"]:
            continue
        if row["previous"] or params["release"]:
            found[name] = (row["current"]["release"], row["previous"]["release"] if row["previous"] else "")
    return found


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    params = module.params
    if not _edge.installed():
        return _refused(_edge.MISSING)
    found = targets(_edge.status(module), params)
    if not found:
        return {"class": "unchanged", "changed": False, "msg": "there is nothing to take back", "workloads": {}}
    other = sorted({after for dummy, after in found.values() if params["to"] and after != params["to"]})
    if other:
        have = ", ".join(item or "nothing" for item in other)
        return _refused(
            f"release {params['to']} is not what ran before (that is {have}): roll the file of release {params['to']} out instead"
        )
    diff = {
        "before": {name: item[0] for name, item in found.items()},
        "after": {name: item[1] for name, item in found.items()},
    }
    if module.check_mode:
        return {"class": "success", "changed": True, "msg": "would be taken back", "workloads": {}, "diff": diff}
    scope = params["tenant"] + ("/" + params["workload"] if params["workload"] else "")
    command = [_edge.PROGRAM, "revert", scope, "--json", "--release", params["release"], "--reason", params["reason"]]
    if params["rollout"]:
        known = {key: params["rollout"].get(key) for key in ("id", "owner")}
        command += ["--rollout", json.dumps(dict(known, stage="way back"))]
    dummy, out, err = module.run_command(command)
    try:
        return dict(json.loads(out), diff=diff)
    except ValueError:
        return _refused(err.strip() or out.strip())


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "tenant": {"type": "str", "required": True},
            "workload": {"type": "str", "default": ""},
            "release": {"type": "str", "default": ""},
            "brought_by": {"type": "str", "default": ""},
            "to": {"type": "str", "default": ""},
            "reason": {"type": "str", "default": ""},
            "rollout": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    module.exit_json(**run(module))


if __name__ == "__main__":
    main()
