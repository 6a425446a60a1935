#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_gpu_check
short_description: GPUs work inside containers
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai)
description:
  - Calls C(cuInit) in a new container, because C(nvidia-smi) may work where CUDA does not, and asks in each running
    container that was given a GPU whether it still has it.
  - Changes nothing. Fails with one line for each container that has no working GPU.
options:
  image:
    description: Image to call C(cuInit) in. Empty leaves that out.
    type: str
    default: ""
  command:
    description:
      - Program of that image which calls C(cuInit) and ends with 0 only where it succeeds. By default C(python3) is asked to.
    type: list
    elements: str
    default: []
  run_arguments:
    description: How C(docker run) asks for every GPU of this node.
    type: list
    elements: str
    default: [--device, nvidia.com/gpu=all]
  gpu_present:
    description: Without a GPU nothing is called, and the answer says so.
    type: bool
    default: true
  running:
    description: Ask in running containers too.
    type: bool
    default: false
  timeout:
    description: Seconds for the new container, with the fetching of its image.
    type: int
    default: 300
attributes:
  check_mode:
    support: partial
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    details: Running containers are asked as always, and no new container is started.
  diff_mode:
    support: none
    description: Nothing changes, so there is nothing to show.
"""

EXAMPLES = r"""
- name: Call cuInit in a container
  physical_ai.edge.nvidia_gpu_check:
    image: registry.example.com/python:3.12
"""

RETURN = r"""
smoke:
  description: How the call of C(cuInit) went.
  returned: always
  type: str
  sample: "passed: cuInit 0"
containers:
  description: Running containers with a GPU, each with V(has it), V(lost it) or V(cannot tell).
  returned: always
  type: dict
  sample: {vision: has it}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.physical_ai.edge.plugins.module_utils import _nvidia
from ansible_collections.physical_ai.edge.plugins.module_utils._core import nvidia_containers


def smoke(module: AnsibleModule) -> tuple[str, str]:
    """What to report, and a problem."""
    params = module.params
    for missing, why in (
        (not params["image"], "no image is given for it"),
        (not params["gpu_present"], "there is no GPU on this node"),
        (module.check_mode, "check mode starts no container"),
    ):
        if missing:
            return f"not run: {why}", ""
    command = params["command"] or ["python3", "-c", nvidia_containers.CALL_CUINIT]
    argv = ["docker", "run", "--rm", "--network", "none", *params["run_arguments"], params["image"], *command]
    ran = _nvidia.tried(*argv, timeout=params["timeout"])
    if ran.code == 0:
        return f"passed: {ran.out.strip() or ran.said}", ""
    why = nvidia_containers.cuda_advice(ran.out + ran.err)
    return f"failed: {ran.said}", f"cuInit in a container of {params['image']} failed: {ran.said}: {why}"


def running() -> dict[str, str]:
    ids = _nvidia.tried("docker", "ps", "--quiet").out.split()
    if not ids:
        return {}
    found = {}
    for name in nvidia_containers.with_gpu(_nvidia.tried("docker", "inspect", *ids).out):
        asked = _nvidia.tried("docker", "exec", name, "nvidia-smi", "-L")
        found[name] = nvidia_containers.verdict(asked.code, asked.out + asked.err)
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "str", "default": ""},
            "command": {"type": "list", "elements": "str", "default": []},
            "run_arguments": {"type": "list", "elements": "str", "default": ["--device", "nvidia.com/gpu=all"]},
            "gpu_present": {"type": "bool", "default": True},
            "running": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    said, problem = smoke(module)
    containers = running() if module.params["running"] else {}
    lost = sorted(name for name, verdict in containers.items() if verdict == nvidia_containers.LOST)
    problems = [problem] if problem else []
    if lost:
        problems.append(f"running containers that lost their GPU: {', '.join(lost)}: restart them")
    result: dict[str, t.Any] = {"changed": False, "smoke": said, "containers": containers}
    if problems:
        module.fail_json(msg="; ".join(problems), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
