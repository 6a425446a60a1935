#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: devices
short_description: Give the devices of a node the names that the site uses
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Cameras and serial ports get their names by rules of udev, matched on serial number or on the port they are plugged into, as links
    below C(/dev/edge). Network devices (IP cameras, LiDAR, PLCs) get theirs by address and port, GPUs by UUID or PCI address.
  - A workload asks for a device by name in C(requires.devices), for a GPU in C(requires.gpu.name). When a device is unplugged and plugged
    in again it reaches its container again, with no controller.
  - The whole set of names is given. Names that are not in it any more are taken away; containers keep running.
options:
  devices:
    description:
      - The devices by name. Each has a C(kind), V(camera), V(serial), V(gpu) or V(network).
      - Cameras, serial ports and GPUs have one of C(serial), to keep the name on any port, and C(port), to give it to whatever is plugged in
        there. A camera may have C(index), which of its video devices is meant, by default 0.
      - Network devices have an C(address) and one of C(tcp), which must accept a connection, and C(udp), which is not asked anything.
    type: dict
    required: true
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
    description: Needs systemd and udev.
requirements:
  - python >= 3.8
  - the node program, see M(physical_ai.edge.node_program)
seealso:
  - module: physical_ai.edge.hardware_info
  - module: physical_ai.edge.workloads
"""

EXAMPLES = r"""
- name: Name the devices of line 1
  physical_ai.edge.devices:
    devices:
      camera-line-1: {kind: camera, serial: "40029628"}
      scale: {kind: serial, port: "pci-0000:00:14.0-usb-0:2:1.0"}
      plc-press: {kind: network, address: 192.168.1.5, tcp: 502}
      gpu-inspect: {kind: gpu, port: "0000:01:00.0"}
"""

RETURN = r"""
devices:
  description: Each name with its C(kind), the C(workloads) that have it, and what is behind it, a C(number) or an C(endpoint), or the C(problem).
  type: list
  elements: dict
  returned: always, in check mode those of before
missing:
  description: Names behind which there is nothing now.
  type: list
  elements: str
  returned: always
"""

import json
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core import devices as _devices
from ..module_utils._core.fields import SpecError
from ..module_utils._node import devices, files
from ..module_utils._node.errors import NodeError
from ..module_utils._node.store import Store

RULES = "/etc/udev/rules.d/90-physical-ai-devices.rules"
UDEV = "/run/udev/control"
PROGRAM = "/usr/local/bin/edge"


def _wanted(given: t.Any, paths: files.Paths) -> t.Dict[str, str]:
    """path -> content; the content of what is to be away is empty."""
    value = {"schema": _devices.SCHEMA, "devices": given}
    rules = _devices.rules(_devices.parse("devices", value))
    head = "# Managed by physical_ai.edge\n"
    return {paths.devices: json.dumps(value, indent=1, sort_keys=True) + "\n", RULES: head + rules if rules else ""}


def _write(path: str, content: str) -> None:
    if content:
        files.make_directory(os.path.dirname(path), 0o755)
        files.write_atomic(path, content, 0o644)
    elif os.path.exists(path):
        os.unlink(path)


def _take_effect(module: AnsibleModule) -> None:
    """udev makes the links, and the node program gives the devices to the workloads that asked for them."""
    if os.path.exists(UDEV):
        subsystems = [f"--subsystem-match={item}" for item in sorted(set(_devices.SUBSYSTEMS.values()) - {""})]
        for command in (
            ["control", "--reload"],
            ["trigger", "--action=change", *subsystems],
            ["settle", "--timeout=20"],
        ):
            code, dummy, err = module.run_command(["udevadm", *command])
            if code != 0:
                module.fail_json(
                    msg=f"udevadm {command[0]} failed: {err.strip()}: see `systemctl status systemd-udevd`"
                )
    else:
        module.warn("udev does not run on this node: no camera or serial port gets its name before it does")
    code, dummy, err = module.run_command([PROGRAM, "devices", "--settle"])
    if code != 0:
        module.fail_json(
            msg=f"the names are written, but workloads did not get their devices: {err.strip()}: was the role node_program run first?"
        )


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    paths = files.Paths()
    wanted = _wanted(module.params["devices"], paths)
    before = {path: files.read_text(path) or "" for path in wanted}
    changed = [path for path in sorted(wanted) if before[path] != wanted[path]]
    if changed and not module.check_mode:
        for path in changed:
            _write(path, wanted[path])
        _take_effect(module)
    diff = [
        {"before_header": path, "after_header": path, "before": before[path], "after": wanted[path]} for path in changed
    ]
    rows = devices.overview(paths, Store(paths).load())
    return {
        "changed": bool(changed),
        "diff": diff,
        "devices": rows,
        "missing": [row["name"] for row in rows if row.get("problem")],
    }


def main() -> None:
    module = AnsibleModule(argument_spec={"devices": {"type": "dict", "required": True}}, supports_check_mode=True)
    try:
        result = run(module)
    except (NodeError, SpecError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
