# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what a node says of its NVIDIA hardware, driver and CDI specifications. Pure: text in, facts out.

Private to this collection: not an interface.
"""

from __future__ import annotations

import json
import re
import typing as t

NVIDIA_VENDOR = "0x10de"
DISPLAY_CLASSES = ("0x0300", "0x0302")
LOADED = re.compile(r"Kernel Module(?: for \S+)?\s+(\d[\d.]*)")
LIBRARY = re.compile(r"lib(?:nvidia-ml|cuda)\.so\.(\d+\.\d[\d.]*)$")
RELEASE = re.compile(r"#\s*R(\d+)\b.*?REVISION:\s*([\d.]+)", re.IGNORECASE)
# The driver and what it is built for: an upgrade of one of these under a running module takes the GPU away.
DRIVER_PACKAGE = re.compile(
    r"^(nvidia-(driver|kernel|dkms|open|utils|compute-utils|firmware|headless|modprobe|persistenced|smi|alternative|l4t-)"
    r"|libnvidia-(?!container)|libcuda1|cuda-drivers|linux-modules-nvidia-|linux-(objects|signatures)-nvidia-)"
)
KERNEL_PACKAGE = re.compile(
    r"^linux-(?:(?:image|headers|modules|modules-extra)-)?(?:amd64|arm64|cloud-amd64|cloud-arm64|generic|lowlatency|virtual|nvidia"
    r"|nvidia-tegra)(?:-hwe)?(?:-\d\d\.\d\d)?(?:-edge)?$"
)
MAJORS = (
    (re.compile(r"^/dev/nvidia-uvm(-tools)?$"), ("nvidia-uvm",)),
    (re.compile(r"^/dev/(nvidia\d+|nvidiactl|nvidia-modeset)$"), ("nvidia", "nvidia-frontend", "nvidiactl")),
    (re.compile(r"^/dev/nvidia-caps/"), ("nvidia-caps",)),
)


def l4t_release(nv_tegra_release: str, core_package: str) -> str:
    """36.4.3, of /etc/nv_tegra_release or of the version of nvidia-l4t-core where that file is missing."""
    found = RELEASE.search(nv_tegra_release)
    if found:
        return f"{found.group(1)}.{found.group(2)}"
    return core_package.partition("-")[0]


def has_gpu(pci: t.Iterable[t.Tuple[str, str]]) -> bool:
    """Vendor and class of each PCI device; the sound function of a card is none."""
    return any(vendor.strip() == NVIDIA_VENDOR and kind.strip().startswith(DISPLAY_CLASSES) for vendor, kind in pci)


def loaded_driver(proc_version: str) -> str:
    found = LOADED.search(proc_version)
    return found.group(1).rstrip(".") if found else ""


def library_versions(names: t.Iterable[str]) -> t.List[str]:
    """Of files such as libcuda.so.535.183.01."""
    return sorted({found.group(1) for found in map(LIBRARY.search, names) if found})


def mismatch(loaded: str, libraries: t.Sequence[str]) -> str:
    """One line where programs find a library that does not fit the module in the kernel."""
    if not loaded or not libraries or loaded in libraries:
        return ""
    return (
        f"NVIDIA driver: the loaded kernel module is {loaded}, the libraries are {', '.join(libraries)}, so every GPU program "
        "fails: reboot this node (or stop what uses the GPU and load the new module)"
    )


def guarded_packages(installed: t.Iterable[str], kernel: str) -> t.List[str]:
    """Of all installed packages those whose upgrade would part the driver, its libraries and the kernel."""
    running = re.compile(rf"^linux-(image|headers|modules|modules-extra)-{re.escape(kernel)}$")
    return sorted(
        name for name in installed if DRIVER_PACKAGE.search(name) or KERNEL_PACKAGE.search(name) or running.search(name)
    )


def runtime_mode(config: str) -> str:
    """The mode in /etc/nvidia-container-runtime/config.toml, which is `auto` where none is given."""
    section = ""
    for line in config.splitlines():
        line = line.partition("#")[0].strip()
        if line.startswith("["):
            section = line.strip("[] ")
        elif section == "nvidia-container-runtime" and line.partition("=")[0].strip() == "mode":
            return line.partition("=")[2].strip().strip("\"'")
    return "auto"


def power_mode(answer: str) -> str:
    """The name in what `nvpmodel -q` prints."""
    found = re.search(r"NV Power Mode:\s*(\S+)", answer)
    return found.group(1) if found else ""


def power_modes(answer: str) -> t.Dict[str, str]:
    """Name to id in what `nvpmodel -p --verbose` prints; ids differ from board to board."""
    return {name: number for number, name in re.findall(r"POWER_MODEL:\s*ID=(\d+)\s+NAME=(\S+)", answer)}


def wants_reboot(answer: str) -> bool:
    return "reboot" in answer.lower()


def proc_devices(text: str) -> t.Dict[str, int]:
    """Character devices of /proc/devices by name."""
    found = {}
    for line in text.partition("Block devices:")[0].splitlines():
        words = line.split()
        if len(words) == 2 and words[0].isdecimal():
            found[words[1]] = int(words[0])
    return found


def specification_majors(text: str) -> t.Dict[str, int]:
    """Device path to the major number that a CDI specification states; most state none."""
    if text.lstrip().startswith("{"):
        return _majors_of_json(text)
    found: t.Dict[str, int] = {}
    item: t.Dict[str, str] = {}
    for line in [*text.splitlines(), "- "]:
        key, dummy, value = line.strip().partition(":")
        if key.startswith("- ") or key == "-":
            if item.get("major", "").isdecimal() and "path" in item:
                found[item["path"]] = int(item["major"])
            item, key = {}, key[1:].strip()
        item[key.strip()] = value.strip().strip("\"'")
    return found


def _majors_of_json(text: str) -> t.Dict[str, int]:
    found: t.Dict[str, int] = {}
    try:
        pending = [json.loads(text)]
    except ValueError:
        return found
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if isinstance(node.get("path"), str) and isinstance(node.get("major"), int):
                found[node["path"]] = node["major"]
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
    return found


def wrong_majors(specification: str, devices: t.Mapping[str, int]) -> t.List[str]:
    """Devices whose number in the specification is not the kernel's: opening them fails, or opens something else."""
    lines = []
    for path, stated in sorted(specification_majors(specification).items()):
        names = next((names for pattern, names in MAJORS if pattern.search(path)), ())
        have = [devices[name] for name in names if name in devices]
        if have and stated not in have:
            lines.append(f"{path} has major {stated}, the kernel has {have[0]}")
    return lines


def stale(
    specifications: t.Mapping[str, str], devices: t.Mapping[str, int], static: str, generated: str, is_generated: bool
) -> t.Dict[str, str]:
    """Paths of specifications to remove, each with its reason."""
    found = {}
    for path, text in sorted(specifications.items()):
        wrong = wrong_majors(text, devices)
        if wrong:
            found[path] = wrong[0]
    if static in specifications and is_generated:
        found.setdefault(
            static, f"{generated} is made at each boot, and an old one beside it serves devices that are gone"
        )
    return found
