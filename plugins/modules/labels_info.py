#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: labels_info
short_description: Labels that follow from what a node has
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Reads GPUs, Jetson, cameras and the named devices of a node, and returns labels for the C(select) of a release, such as
    C(hw.gpu_memory_mib) or C(hw.device.camera-line-1). They are of this moment; a camera that is unplugged is V(missing) at the next look.
  - The role C(workloads) calls it by itself where a C(select) asks for a label that begins with C(hw.).
options: {}
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
    description: Linux.
requirements:
  - python >= 3.8
seealso:
  - module: physical_ai.edge.hardware_info
  - module: physical_ai.edge.devices
"""

EXAMPLES = r"""
- name: Look at what the node has
  physical_ai.edge.labels_info:
  register: found

- name: Go on where there is a GPU
  ansible.builtin.debug:
    msg: "{{ found.labels['hw.gpu_model'] }}"
  when: found.labels['hw.gpu'] == 'present'
"""

RETURN = r"""
labels:
  description: Label to value, all text.
  type: dict
  returned: always
  sample: {hw.gpu: present, hw.gpu_count: "1", hw.gpu_memory_mib: "20475", hw.device.camera-line-1: present}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core import labels
from ..module_utils._node import devices, files, hardware
from ..module_utils._node.errors import NodeError


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    paths = files.Paths()
    try:
        known = devices.known(paths)
    except NodeError as exc:
        module.fail_json(msg=exc.message)
    present = {name: not devices.problem(paths, known, name) for name, item in known.items() if item["kind"] != "gpu"}
    module.exit_json(changed=False, labels=labels.labels(hardware.read(ioctl=False), present))


if __name__ == "__main__":
    main()
