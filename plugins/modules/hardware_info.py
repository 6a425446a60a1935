#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hardware_info
short_description: What hardware a node has - GPUs and their driver, cameras, serial ports, disks, clock
description:
  - Gathers in one call what a workload may need of a node, as one dictionary with the same keys on every machine. What cannot
    be known is empty, and RV(hardware.unknown) says why.
  - Changes nothing, sends nothing and needs nothing installed. Where C(nvidia-smi), C(nvpmodel), C(smartctl) or C(docker) are
    there, they are asked; without a driver, GPUs are still found on the bus.
  - Without root some of it stays unknown.
version_added: 0.1.0
author:
  - physical_ai.edge contributors (@physical-ai-edge)
options:
  root:
    description:
      - Folder of a recorded node, for looking at a machine that is elsewhere. In it no program is run and no device is opened;
        what programs said is in its folder C(commands), such as C(commands/nvidia-smi-q-x.out).
    type: path
    default: /
  interfaces:
    description:
      - Network interfaces on which cameras are asked who they are, GigE Vision by broadcast and ONVIF by multicast.
      - Without any, nothing is sent. Ask whoever runs the network first - old controllers on it may not like broadcasts.
    type: list
    elements: str
    default: []
  discovery_timeout:
    description: Seconds in which cameras on the network must answer, for all interfaces together; 0.1 to 30.
    type: float
    default: 2.0
  camera_ioctl:
    description:
      - Whether video nodes are opened to ask what they are and which formats they have. Nothing is set and nothing streams.
      - Without it, V(capture) and V(metadata) nodes are told apart only for USB cameras, and formats stay unknown.
    type: bool
    default: true
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
    description: Reads C(/proc) and C(/sys).
requirements:
  - python >= 3.8
seealso:
  - module: physical_ai.edge.preflight
  - module: physical_ai.edge.workload_info
notes:
  - Serial ports are never opened, because that resets some devices.
  - Temperature, used memory, utilization, throttle reasons and current link of GPUs, and C(rtc_offset_s), are readings and
    change from call to call. All else stays the same, in the same order, until the hardware or its software changes.
"""

EXAMPLES = r"""
- name: Look at the hardware
  physical_ai.edge.hardware_info:
  register: found

- name: Stop where a GPU does not work
  ansible.builtin.assert:
    that: found.hardware.driver.problem is none
    fail_msg: "{{ found.hardware.driver.problem }}"

- name: Look for cameras in the camera network as well
  physical_ai.edge.hardware_info:
    interfaces: [enp3s0]

- name: Look at a recording of a node
  physical_ai.edge.hardware_info:
    root: "{{ lookup('env', 'HOME') }}/recorded/kiruna-cam01"
  delegate_to: localhost
"""

RETURN = r"""
hardware:
  description: Everything, with these keys on every machine. Lists are sorted.
  returned: success
  type: dict
  contains:
    schema:
      description: Number of this form. It grows when a key changes its meaning.
      type: int
      returned: always
      sample: 1
    gpus:
      description:
        - NVIDIA GPUs by PCI address, without a driver too. C(state) is V(ok), V(lost), V(no_driver), V(excluded) or V(unknown).
        - The GPU of a Jetson is C(integrated), and its C(memory_mib) is the memory of the machine (C(memory_is_ram)).
        - C(ecc) counts errors over the life of the board, C(mig) has the instances of a divided GPU.
      type: list
      elements: dict
      returned: always
      sample: [{index: 0, name: NVIDIA RTX 4000 SFF Ada Generation, pci_address: "0000:06:00.0", memory_mib: 20475,
                compute_capability: "8.9", state: ok, integrated: false}]
    driver:
      description: Version C(loaded), version of its C(library), C(cuda), and the C(problem) in one sentence where there is one.
      type: dict
      returned: always
      sample: {loaded: "550.54.14", library: "550.54.14", cuda: "12.4", mismatch: false, problem: null}
    jetson:
      description: Board, module, chip, L4T, JetPack and power modes of a Jetson; nothing on other machines.
      type: dict
      returned: always
      sample: {module: p3767-0000, soc: tegra234, l4t: 36.4.3, jetpack: "6.2", power_mode: {id: 0, name: MAXN}}
    cameras:
      description:
        - Video nodes. One camera has several; those with C(role) V(capture) give pictures. C(by_id) follows the camera,
          C(by_path) the port. C(usb.slow) is a USB 3 camera at the speed of USB 2.
      type: list
      elements: dict
      returned: always
      sample: [{device: /dev/video0, role: capture, driver: uvcvideo, by_path: [/dev/v4l/by-path/pci-0000:00:14.0-usb-0:2:1.0-video-index0]}]
    serial_ports:
      description: Serial ports with something behind them.
      type: list
      elements: dict
      returned: always
      sample: [{device: /dev/ttyUSB0, driver: ftdi_sio, by_id: [/dev/serial/by-id/usb-FTDI_FT232R_A1-if00-port0]}]
    usb:
      description: Devices on USB, without hubs.
      type: list
      elements: dict
      returned: always
      sample: [{port: "1-2", vendor_id: "046d", product_id: "0825", speed_mbps: 480.0, classes: [audio, video]}]
    disks:
      description: Disks with their wear in percent of the life that the maker states, where the disk says it.
      type: list
      elements: dict
      returned: always
      sample: [{name: mmcblk0, transport: emmc, wear_percent: 20, health: ok, size_bytes: 31268536320}]
    machine:
      description:
        - By what the machine is told apart from others of its kind - the C(serial) number and C(uuid) of its maker, where they are none of
          those that makers leave in, and C(id), which is that of the installation and goes with its disk.
      type: dict
      returned: always
      sample: {serial: "1421722041234", uuid: null, id: 4c4c4544003957108052b4c04f384833}
    tpm:
      description: Whether there is a TPM, and its version.
      type: dict
      returned: always
      sample: {present: true, version: "2.0"}
    secure_boot:
      description: C(state) is V(enabled), V(disabled), V(unsupported) or V(unknown).
      type: dict
      returned: always
      sample: {state: enabled}
    clock:
      description: Clock source of the kernel, whether the time is synchronized, whether there is a hardware clock, and whether
        the year is C(sane), that is not before that of the kernel and not more than ten years after it.
      type: dict
      returned: always
      sample: {source: tsc, available: [hpet, tsc], synchronized: true, rtc: true, rtc_offset_s: 0, sane: true}
    engine:
      description: The container engine, or nothing. C(cdi_enabled) says whether it takes devices by CDI names.
      type: dict
      returned: always
      sample: {name: docker, version: 29.3.0, cdi_enabled: true, cdi_spec_dirs: [/etc/cdi, /var/run/cdi], runtimes: [runc]}
    cdi:
      description: CDI C(devices) on offer and the C(files) that have them; C(conflicts) that keep a device from being offered;
        what is C(stale), frozen with a device number of another boot.
      type: dict
      returned: always
      sample: {devices: [nvidia.com/gpu=0, nvidia.com/gpu=all], files: [/var/run/cdi/nvidia.yaml], conflicts: [], stale: []}
    cgroup:
      description: Version of control groups, and the driver that the engine uses for them.
      type: dict
      returned: always
      sample: {version: 2, driver: systemd}
    memory_mib:
      description: Memory of the machine.
      type: int
      returned: always
      sample: 15656
    cpus:
      description: Processors of the machine.
      type: int
      returned: always
      sample: 8
    kernel:
      description: Release of the kernel.
      type: str
      returned: always
      sample: 5.15.148-tegra
    os:
      description: The operating system.
      type: dict
      returned: always
      sample: {id: ubuntu, version: "22.04", codename: jammy, name: Ubuntu 22.04.5 LTS}
    network_devices:
      description: Cameras that answered on O(interfaces).
      type: list
      elements: dict
      returned: always
      sample: [{protocol: gige_vision, interface: enp3s0, address: 192.168.5.20, manufacturer: Basler, model: acA1920-40gm}]
    unknown:
      description: What could not be known and why, a line for each.
      type: list
      elements: str
      returned: always
      sample: ["gpus[0].memory_mib: nvidia-smi says [GPU is lost]"]
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.physical_ai.edge.plugins.module_utils._node import hardware, network_discovery

SPEC: dict[str, t.Any] = {
    "root": {"type": "path", "default": "/"},
    "interfaces": {"type": "list", "elements": "str", "default": []},
    "discovery_timeout": {"type": "float", "default": 2.0},
    "camera_ioctl": {"type": "bool", "default": True},
}


def problem(params: dict[str, t.Any]) -> str:
    """What is wrong with the options, or nothing."""
    root, timeout, named = params["root"], params["discovery_timeout"], params["interfaces"]
    if not os.path.isdir(root):
        return f"root: found {root!r}, wanted a folder of this machine"
    if not 0.1 <= timeout <= 30:
        return f"discovery_timeout: found {timeout:g}, wanted 0.1 to 30 seconds"
    if named and os.path.realpath(root) != "/":
        return "interfaces: the network cannot be asked for a recorded node: leave out root or interfaces"
    known = network_discovery.interfaces() if named else []
    missing = [name for name in named if name not in known]
    if missing:
        return f"interfaces: found {missing[0]!r}, wanted one of this machine: {', '.join(known)}"
    return ""


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    wrong = problem(params)
    if wrong:
        module.fail_json(msg=wrong)
    found = hardware.read(
        params["root"], params["interfaces"], ioctl=params["camera_ioctl"], timeout=params["discovery_timeout"]
    )
    module.exit_json(changed=False, hardware=found)


if __name__ == "__main__":
    main()
