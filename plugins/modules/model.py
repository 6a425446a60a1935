#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: model
short_description: Bring a model onto a node ahead of a release, or let it go
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Fetches a model into the node's store, where a release finds it by its sha256 and needs no network. What is cut off is gone on with.
  - A model that was brought by this module stays until O(state=absent), also where nobody uses it. Others are a cache, and go when disk
    is short.
options:
  name:
    description: Name of the model.
    type: str
    required: true
  version:
    description: Its version. Required for O(state=present).
    type: str
  source:
    description: Where the node finds it, a path, C(file:), C(http:) or C(https:). Required for O(state=present).
    type: str
  sha256:
    description: Digest of the file, by which the model is known.
    type: str
    required: true
  mirrors:
    description:
      - Where to look first, in this order.
      - Addresses of the file, or, with a C(/) at the end, of a folder that has it under the last part of O(source).
    type: list
    elements: str
    default: []
  state:
    description:
      - V(present) fetches it where it is not here, and pins it.
      - V(absent) takes the pin and the model away. It is refused while a workload's current or previous version uses it, or another pin.
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
  - the node program, see M(physical_ai.edge.node_program)
seealso:
  - module: physical_ai.edge.workloads
"""

EXAMPLES = r"""
- name: Bring the next model over the slow line during the night
  physical_ai.edge.model:
    name: defect-detector
    version: "8"
    source: https://models.example.com/defect-8.onnx
    mirrors: ["http://{{ edge_site }}-gateway.example.com/models/"]
    sha256: 0f9a3c5d6b7e8f901a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f7081

- name: Let it go
  physical_ai.edge.model:
    name: defect-detector
    sha256: 0f9a3c5d6b7e8f901a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f7081
    state: absent
"""

RETURN = r"""
path:
  description: The file on the node; empty where there is none.
  type: str
  returned: success
  sample: /var/lib/physical-ai/models/sha256/0f9a3c5d6b7e8f901a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f7081/defect-8.onnx
"""

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _edge
from ..module_utils._core import model_request
from ..module_utils._core.fields import SpecError


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    request = {key: value for key, value in module.params.items() if value is not None}
    state, model = model_request.check(request)
    if not _edge.installed():
        if module.check_mode:  # the node is not provisioned yet: nothing is here
            present = state == "present"
            after = {"here": present, "pinned": model["version"] if present else ""}
            diff = {"before": {model["name"]: {"here": False, "pinned": ""}}, "after": {model["name"]: after}}
            return {"changed": present, "path": "", "diff": diff}
        module.fail_json(msg=_edge.MISSING)
    request["check"] = module.check_mode
    code, out, err = module.run_command([_edge.PROGRAM, "model", "-"], data=json.dumps(request))
    if code != 0:
        module.fail_json(msg=_edge.complaint(out, err))
    return json.loads(out)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "version": {"type": "str"},
            "source": {"type": "str"},
            "sha256": {"type": "str", "required": True},
            "mirrors": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ("version", "source"))],
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except SpecError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
