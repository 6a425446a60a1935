#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor
short_description: Looks for what is wrong with a node, and says what to do
description:
  - Reads everything that this collection relies on - clock, disks, memory, journal, certificates, permissions, container engine,
    node program, state, ledger, workloads, GPUs, CDI and named devices - and returns what is not as it should be.
  - Changes nothing and starts nothing. An engine that was stopped is not asked, because asking would start it.
  - The playbook C(physical_ai.edge.doctor) runs it on a fleet.
version_added: 0.1.0
author:
  - physical_ai.edge contributors (@physical-ai-edge)
options:
  controller:
    description: Time of the controller, in seconds since 1970. Without it, the clock is compared with O(not_before) alone.
    type: int
    default: 0
  max_minutes:
    description: Minutes that the clock may be away from the controller's.
    type: int
    default: 5
  not_before:
    description: Day before which this software did not exist, as C(YYYY-MM-DD).
    type: str
    default: "2026-11-01"
  min_free_mib:
    description: MiB that must be free on C(/), the engine's root and C(/var/lib/physical-ai), and at least a hundredth of each.
    type: int
    default: 256
  kernel_log:
    description: File with lines of the kernel log, read instead of the log of this boot.
    type: path
attributes:
  check_mode:
    support: full
    description: Only reads.
  diff_mode:
    support: N/A
    description: Only reads.
  platform:
    support: full
    platforms: linux
    description: Needs systemd, and root to see everything.
requirements:
  - python >= 3.8
seealso:
  - module: physical_ai.edge.hardware_info
  - module: physical_ai.edge.workload_info
"""

EXAMPLES = r"""
- name: Look for what is wrong
  physical_ai.edge.doctor:
    controller: "{{ now().timestamp() | int }}"
  become: true
  register: found

- name: Stop where something must be done
  ansible.builtin.assert:
    that: found.exit_code < 2
    fail_msg: "{{ found.findings }}"
"""

RETURN = r"""
findings:
  description:
    - What is not as it should be, failures first. Each has C(check), C(severity) (V(failure) or V(warning)), C(where), what was
      C(found), what was C(wanted), and what to C(do) next, in one line each.
  type: list
  elements: dict
  returned: always
  sample: [{check: disk, severity: failure, where: /var/lib/docker, found: "50 MiB free of 5,960 MiB", wanted: at least 256 MiB free,
            do: "see what is large: `du -xhd1 /var/lib/docker`"}]
checked:
  description: Names of the checks that were made.
  type: list
  elements: str
  returned: always
not_checked:
  description: Each C(check) that does not apply here, with the C(reason).
  type: list
  elements: dict
  returned: always
  sample: [{check: gpu, reason: there is no GPU}]
exit_code:
  description: V(0) where nothing was found, V(1) for warnings alone, V(2) for failures.
  type: int
  returned: always
seconds:
  description: How long it took.
  type: float
  returned: always
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core import doctor
from ..module_utils._node import doctor as node_doctor
from ..module_utils._node.files import Paths

SPEC = {
    "controller": {"type": "int", "default": 0},
    "max_minutes": {"type": "int", "default": 5},
    "not_before": {"type": "str", "default": "2026-11-01"},
    "min_free_mib": {"type": "int", "default": 256},
    "kernel_log": {"type": "path"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    began = time.monotonic()
    found = doctor.examine(node_doctor.read(Paths(), {key: module.params[key] for key in SPEC}))
    module.exit_json(changed=False, seconds=round(time.monotonic() - began, 2), **found)


if __name__ == "__main__":
    main()
