#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_toolkit
short_description: What the NVIDIA container toolkit relies on is in order on this node
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai)
description:
  - Removes CDI specifications that serve devices that are not there, enables the units that make them, sets the mode of
    the NVIDIA runtime, and on a Jetson the power mode by its name and the iptables programs that its kernel can work with.
  - A power mode that needs a reboot is reported and not applied. The question is never answered.
options:
  generator:
    description:
      - Unit that makes the specification at each boot. It is started where there is none yet, and then an older one beside it
        is stale. Empty where there is nothing to make one of.
    type: str
    default: ""
  own_units:
    description: Units to enable.
    type: list
    elements: str
    default: []
  packaged_units:
    description: Units to enable where their package has them.
    type: list
    elements: str
    default: []
  held_at:
    description: Version at which the packages are held, remembered so that a hold of somebody else is told from ours.
    type: str
    default: ""
  runtime_mode:
    description: Mode of the NVIDIA runtime, such as V(csv). Empty leaves it as it is.
    type: str
    default: ""
  power_mode:
    description: Name of a power mode of this board, such as V(MODE_30W). Empty leaves it as it is.
    type: str
    default: ""
  iptables_legacy:
    description: Have C(iptables) and C(ip6tables) be the legacy programs.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    support: full
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
"""

EXAMPLES = r"""
- name: Have the Jetson run at 30 watts
  physical_ai.edge.nvidia_toolkit:
    power_mode: MODE_30W
"""

RETURN = r"""
done:
  description: What changed, or would change in check mode, one line each.
  returned: success
  type: list
  elements: str
reboot_required:
  description: Why a reboot is needed, or empty.
  returned: success
  type: str
"""

import json
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.physical_ai.edge.plugins.module_utils import _nvidia
from ansible_collections.physical_ai.edge.plugins.module_utils._core import nvidia_node
from ansible_collections.physical_ai.edge.plugins.module_utils._node import _runner, files
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError

CONFIG = "/etc/nvidia-container-runtime/config.toml"
CTK = "/usr/bin/nvidia-ctk"
SECONDS = 60


class ToolkitError(Exception):
    pass


class Toolkit:
    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params = module.params
        self.files = _nvidia.Files()
        self.done: list[str] = []
        self.reboot = ""

    def change(self, line: str, *argv: str) -> None:
        self.done.append(line)
        if not self.module.check_mode and argv:
            ran = _runner.run(argv, SECONDS)
            if ran.code != 0:
                raise ToolkitError(f"{line}: `{' '.join(argv)}` failed: {ran.said}")

    def generate(self) -> None:
        unit = self.params["generator"]
        if unit and not os.path.exists(_nvidia.GENERATED):
            self.change(f"{_nvidia.GENERATED} made", "systemctl", "start", unit)

    def remove_stale(self) -> None:
        there = os.path.exists(_nvidia.GENERATED) or (self.module.check_mode and bool(self.params["generator"]))
        found = nvidia_node.stale(
            self.files.specifications(),
            nvidia_node.proc_devices(self.files.text("/proc/devices")),
            _nvidia.STATIC,
            _nvidia.GENERATED,
            there,
        )
        for path, why in found.items():
            self.change(f"{path} removed: {why}")
            if not self.module.check_mode:
                os.unlink(path)

    def enable_units(self) -> None:
        for name in [*self.params["own_units"], *self.params["packaged_units"]]:
            shown = _runner.run(["systemctl", "show", "--property=UnitFileState", "--value", name], SECONDS).out.strip()
            absent = not shown and name in self.params["packaged_units"]
            if shown not in ("enabled", "static", "alias", "masked") and not absent:
                self.change(f"{name} enabled", "systemctl", "--no-reload", "enable", name)

    def remember(self) -> None:
        want = self.params["held_at"]
        if want and self.files.held_at() != want:
            self.change(f"{_nvidia.RECORD}: held at {want}")
            if not self.module.check_mode:
                os.makedirs(os.path.dirname(_nvidia.RECORD), mode=0o755, exist_ok=True)
                files.write_atomic(_nvidia.RECORD, json.dumps({"held_at": want}) + "\n", 0o644)

    def set_runtime_mode(self) -> None:
        want = self.params["runtime_mode"]
        have = nvidia_node.runtime_mode(self.files.text(CONFIG))
        if want and have != want:
            setting = f"nvidia-container-runtime.mode={want}"
            self.change(
                f"{CONFIG}: mode {have} -> {want}",
                CTK,
                "config",
                "--in-place",
                "--config-file",
                CONFIG,
                "--set",
                setting,
            )

    def set_power_mode(self) -> None:
        want = self.params["power_mode"]
        if not want:
            return
        have = nvidia_node.power_mode(_runner.run(["nvpmodel", "-q"], SECONDS).out)
        if have == want:
            return
        modes = nvidia_node.power_modes(_runner.run(["nvpmodel", "-p", "--verbose"], SECONDS).out)
        if want not in modes:
            raise ToolkitError(
                f"power mode {want}: this board has {', '.join(modes) or 'none that nvpmodel names'}: choose one of them"
            )
        if self.module.check_mode:
            self.done.append(f"power mode {have} -> {want}")
            return
        ran = _runner.run(["nvpmodel", "-m", modes[want]], SECONDS)
        now = nvidia_node.power_mode(_runner.run(["nvpmodel", "-q"], SECONDS).out)
        if now == want:
            self.done.append(f"power mode {have} -> {want}")
        elif nvidia_node.wants_reboot(ran.out + ran.err):
            self.reboot = f"power mode {want} needs a reboot, which is yours to choose: it is {now} still (`nvpmodel -m {modes[want]}`)"
            self.module.warn(self.reboot)
        else:
            raise ToolkitError(f"power mode {want}: nvpmodel left it at {now}: {ran.said}")

    def use_legacy_iptables(self) -> None:
        if not self.params["iptables_legacy"]:
            return
        for name in ("iptables", "ip6tables"):
            target = f"/usr/sbin/{name}-legacy"
            if os.path.realpath(f"/usr/sbin/{name}") != os.path.realpath(target) or self.uses_nft(name):
                self.change(f"{name} is {target} now", "update-alternatives", "--set", name, target)

    @staticmethod
    def uses_nft(name: str) -> bool:
        """Both variants may be one file that goes by its name, so ask the alternative itself."""
        try:
            return "nft" in os.readlink(f"/etc/alternatives/{name}")
        except OSError:
            return False


def run(module: AnsibleModule) -> dict[str, t.Any]:
    toolkit = Toolkit(module)
    toolkit.remember()
    toolkit.enable_units()
    toolkit.generate()
    toolkit.remove_stale()
    toolkit.set_runtime_mode()
    toolkit.use_legacy_iptables()
    toolkit.set_power_mode()
    return {
        "changed": bool(toolkit.done),
        "done": toolkit.done,
        "reboot_required": toolkit.reboot,
        "diff": {"before": "", "after": "".join(line + "\n" for line in toolkit.done)},
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "generator": {"type": "str", "default": ""},
            "own_units": {"type": "list", "elements": "str", "default": []},
            "packaged_units": {"type": "list", "elements": "str", "default": []},
            "held_at": {"type": "str", "default": ""},
            "runtime_mode": {"type": "str", "default": ""},
            "power_mode": {"type": "str", "default": ""},
            "iptables_legacy": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except (OSError, ToolkitError, NodeError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
