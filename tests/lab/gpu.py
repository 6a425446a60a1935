# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A GPU that is none: the tools and files of one, on a lab node, for programs that only look.

`nvidia-smi` prints the recording of a real card where the recordings lie beside the checkout, else what was written by hand
from NVIDIA's documentation; a CDI specification written by hand gives containers a device file (that of /dev/zero) and a
variable. The engine truly injects them. Nothing computes.
"""

from __future__ import annotations

import json
import typing as t

from tests.lab.node import Node
from tests.lab.services import archive

UUID = "GPU-7f0e3a52-0000-4f6b-9d1c-000000000001"
MEMORY_MIB = 8192
SPECIFICATION = "/etc/cdi/nvidia.yaml"
DAEMON = "/etc/docker/daemon.json"
MEMINFO = "/run/lab-meminfo"
TEGRA = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: Wed Jan  8 01:49:37 UTC 2025\n"

_SMI = f"""<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
  <driver_version>550.144.03</driver_version>
  <cuda_version>12.4</cuda_version>
  <attached_gpus>1</attached_gpus>
  <gpu id="00000000:01:00.0">
    <product_name>NVIDIA RTX 2000 Lab Edition</product_name>
    <product_architecture>Ada Lovelace</product_architecture>
    <mig_mode><current_mig>N/A</current_mig><pending_mig>N/A</pending_mig></mig_mode>
    <uuid>{UUID}</uuid>
    <minor_number>0</minor_number>
    <fb_memory_usage><total>{MEMORY_MIB} MiB</total><reserved>200 MiB</reserved><used>1 MiB</used><free>7991 MiB</free></fb_memory_usage>
    <ecc_mode><current_ecc>N/A</current_ecc><pending_ecc>N/A</pending_ecc></ecc_mode>
    <temperature><gpu_temp>41 C</gpu_temp></temperature>
  </gpu>
</nvidia_smi_log>
"""
_PROGRAM = """#!/bin/sh
case "$*" in
  "-q -x") cat /usr/local/lib/lab/nvidia-smi.xml ;;
  *compute_cap*) echo "0, {uuid}, 8.9" ;;
  -L) echo "GPU 0: NVIDIA RTX 2000 Lab Edition (UUID: {uuid})" ;;
  *) echo "NVIDIA-SMI 550.144.03" ;;
esac
"""


def specification(*names: str) -> str:
    """A CDI specification, as nvidia-ctk writes it, of devices that are all /dev/zero."""
    lines = ["---", "cdiVersion: 0.5.0", "kind: nvidia.com/gpu", "devices:"]
    for name in names:
        lines += [f"- name: {json.dumps(name)}", "  containerEdits:", "    deviceNodes:", "    - path: /dev/nvidia0"]
        lines += ["      type: c", "      major: 1", "      minor: 5", "    env:", f"    - LAB_GPU={name}"]
    return "\n".join(lines) + "\n"


def put(node: Node, files: t.Mapping[str, tuple[str, int]]) -> None:
    node.container.put_archive("/", archive({name: (text.encode(), mode) for name, (text, mode) in files.items()}))


def _daemon(node: Node, change: str) -> None:
    """Edits daemon.json by a line of Python. Docker 26 takes `features.cdi` at a start only, though it reloads `features`."""
    program = f"import json; d = json.load(open({DAEMON!r})); {change}; json.dump(d, open({DAEMON!r}, 'w'), indent=2)"
    node.exec(["python3", "-c", program])
    node.exec("systemctl reset-failed docker; systemctl restart docker")


def install(node: Node, *names: str) -> None:
    """A discrete card of 8 GiB on a node with Docker 25 or newer."""
    put(
        node,
        {
            "usr/local/lib/lab/nvidia-smi.xml": (_SMI, 0o644),
            "usr/local/bin/nvidia-smi": (_PROGRAM.format(uuid=UUID), 0o755),
        },
    )
    _give(node, *(names or (UUID, "0", "all")))


def install_jetson(node: Node, memory_mib: int = MEMORY_MIB) -> None:
    """A Jetson with so much RAM, which is its GPU's memory too."""
    put(node, {"etc/nv_tegra_release": (TEGRA, 0o644)})
    node.exec(
        f"sed 's/^MemTotal:.*/MemTotal: {memory_mib * 1024} kB/' /proc/meminfo >{MEMINFO}"
        f" && mount --bind {MEMINFO} /proc/meminfo"
    )
    _give(node, "0", "all")


def _give(node: Node, *names: str) -> None:
    put(node, {SPECIFICATION.lstrip("/"): (specification(*names), 0o644)})
    _daemon(node, "d.setdefault('features', {})['cdi'] = True")


def remove(node: Node) -> None:
    node.exec(f"umount /proc/meminfo 2>/dev/null; rm -f {MEMINFO} /etc/nv_tegra_release {SPECIFICATION}", check=False)
    node.exec("rm -f /usr/local/bin/nvidia-smi /usr/local/lib/lab/nvidia-smi.xml", check=False)
    _daemon(node, "d.pop('features', None)")
