# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hardware a node has, as one dictionary: see :mod:`shape` for its keys. Changes nothing, and sends nothing unless asked."""

from __future__ import annotations

import re
import typing as t

from .._core import node_checks
from .._core.hardware import cdi, gpus, jetson, nvidia_smi, pci, proc_nvidia, shape, system, values
from .._core.hardware.values import Facts
from . import hardware_devices, network_discovery
from .hardware_tree import Tree

_SMI_SECONDS = 20.0
_SECONDS = 10.0
_ENGINE_RUNS = "/run/docker.pid"
_EFI = "/sys/firmware/efi"
_SECURE_BOOT = _EFI + "/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_PCI = ("vendor", "class", "numa_node", "current_link_width", "max_link_width", "current_link_speed", "max_link_speed")
_MACHINES = ("x86_64-linux-gnu", "aarch64-linux-gnu")
_LIBRARIES = [
    f"/usr/lib/{machine}{rest}" for machine in _MACHINES for rest in ("", "/nvidia/current", "/nvidia", "/tegra")
]
_LIBRARIES.append("/usr/lib64")
_LIBRARY = re.compile(r"^libnvidia-ml\.so\.([0-9]{3,4}(?:\.[0-9]{1,4}){1,2})$")


def read(
    root: str = "/", interfaces: t.Sequence[str] = (), ioctl: bool = True, timeout: float = 2.0, engine: bool = True
) -> Facts:
    """
    :param root: `/`, or the folder of a recorded node.
    :param interfaces: network interfaces on which cameras are asked who they are; without any, nothing is sent.
    :param ioctl: whether video nodes are opened and asked what they can do.
    :param timeout: seconds that answers from the network are waited for.
    :param engine: whether the container engine is asked; who knows that it was stopped says no.
    """
    tree = Tree(root)
    facts = _machine(tree)
    facts["engine"], facts["cgroup"]["driver"] = _engine(tree) if engine else (None, None)
    facts["cdi"] = _cdi(tree, facts["engine"])
    facts["jetson"] = _jetson(tree, facts["kernel"])
    facts["gpus"], facts["driver"] = _gpus(tree, facts)
    facts.update(hardware_devices.read(tree, ioctl))
    if interfaces:
        facts["network_devices"], remarks = network_discovery.discover(interfaces, timeout)
        tree.remarks += remarks
    return shape.complete(facts, tree.remarks)


def read_gpus(root: str = "/") -> t.List[Facts]:
    """Only the GPUs, for who asks often."""
    tree = Tree(root)
    facts: Facts = {"memory_mib": system.memory_mib(tree.text("/proc/meminfo"))}
    facts["jetson"] = _jetson(tree, tree.line("/proc/sys/kernel/osrelease"))
    return _gpus(tree, facts)[0]


def _machine(tree: Tree) -> Facts:
    release = node_checks.os_release(tree.text("/etc/os-release") or tree.text("/usr/lib/os-release") or "")
    control_groups = None
    if tree.exists("/sys/fs/cgroup/cgroup.controllers"):
        control_groups = 2
    elif tree.exists("/sys/fs/cgroup/memory"):
        control_groups = 1
    tpm = tree.names("/sys/class/tpm")
    major = tree.line(f"/sys/class/tpm/{tpm[0]}/tpm_version_major") if tpm else None
    return {
        "memory_mib": system.memory_mib(tree.text("/proc/meminfo")),
        "cpus": system.cpus(tree.text("/sys/devices/system/cpu/present")),
        "kernel": tree.line("/proc/sys/kernel/osrelease"),
        "os": system.operating_system(release),
        "cgroup": {"version": control_groups, "driver": None},
        "tpm": system.tpm(bool(tpm), major),
        "secure_boot": {"state": _secure_boot(tree)},
        "machine": _identity(tree),
        "clock": _clock(tree),
    }


def _identity(tree: Tree) -> Facts:
    serials = (
        "/proc/device-tree/serial-number",
        *(f"/sys/class/dmi/id/{name}_serial" for name in ("product", "board")),
    )
    uuid = tree.line("/sys/class/dmi/id/product_uuid")
    return system.machine([tree.text(path) for path in serials], uuid, tree.line("/etc/machine-id"))


def _secure_boot(tree: Tree) -> str:
    efi = tree.exists(_EFI)
    variables = bool(tree.names(_EFI + "/efivars")) if efi else False
    state = system.secure_boot(efi, tree.data(_SECURE_BOOT) if efi else None, variables)
    if state == "unknown":
        tree.remark("secure_boot.state: the variables of the firmware do not say it")
    return state


def _clock(tree: Tree) -> Facts:
    source = "/sys/devices/system/clocksource/clocksource0"
    now = tree.now()
    facts = {
        "source": tree.line(source + "/current_clocksource"),
        "available": sorted((tree.line(source + "/available_clocksource") or "").split()),
        "synchronized": system.synchronized(tree.clock_status(), tree.exists("/run/systemd/timesync/synchronized")),
        "rtc": tree.exists("/sys/class/rtc/rtc0"),
        "rtc_offset_s": system.rtc_offset(tree.line("/sys/class/rtc/rtc0/since_epoch"), now),
        "sane": system.sane(now, system.kernel_year(tree.text("/proc/version"))),
    }
    for key in ("source", "synchronized", "sane"):
        if facts[key] is None:
            tree.remark(f"clock.{key}: the kernel does not say it")
    if facts["rtc"] and facts["rtc_offset_s"] is None:
        tree.remark("clock.rtc_offset_s: the hardware clock does not say the time")
    return facts


def _engine(tree: Tree) -> t.Tuple[t.Optional[Facts], t.Optional[str]]:
    if tree.real and not tree.exists(_ENGINE_RUNS):
        return None, None  # asking an engine that somebody stopped would start it, through its socket
    done = tree.command("docker-info", ["docker", "info", "--format", "{{json .}}"], _SECONDS)
    if done is None:
        return None, None
    facts, driver, remarks = system.engine(done.code, done.out)
    tree.remarks += remarks
    return facts, driver


def _cdi(tree: Tree, engine: t.Optional[Facts]) -> Facts:
    found, seen = [], set()
    for directory in (engine or {}).get("cdi_spec_dirs") or cdi.DIRECTORIES:
        place = tree.resolve(directory)
        if place is None or place in seen:
            continue
        seen.add(place)
        for name in tree.names(directory):
            path = f"{directory}/{name}"
            content = tree.text(path) if name.endswith((".json", ".yaml")) else None
            if content is not None:
                spec, remarks = cdi.parse(content, path)
                tree.remarks += remarks
                found.append((directory, path, spec))
    return cdi.assemble(found, cdi.majors(tree.text("/proc/devices")))


def _jetson(tree: Tree, kernel: t.Optional[str]) -> t.Optional[Facts]:
    compatible = jetson.strings(tree.text("/proc/device-tree/compatible"))
    release = tree.text("/etc/nv_tegra_release")
    if not jetson.is_jetson(compatible, release):
        return None
    package = tree.command(
        "dpkg-query-nvidia-l4t-core", ["dpkg-query", "-W", "-f", "${Version}", "nvidia-l4t-core"], _SECONDS
    )
    mode = tree.command("nvpmodel-q", ["nvpmodel", "-q"], _SECONDS)
    found, remarks = jetson.facts(
        compatible,
        jetson.strings(tree.text("/proc/device-tree/model")),
        release,
        package.out if package and package.code == 0 else None,
        (mode.out if mode else None, tree.text("/etc/nvpmodel.conf")),
        kernel,
    )
    tree.remarks += remarks
    return found


def _gpus(tree: Tree, facts: Facts) -> t.Tuple[t.List[Facts], Facts]:
    sources = gpus.Sources(pci=_pci(tree), jetson=facts["jetson"], memory_mib=facts["memory_mib"])
    sources.loaded = proc_nvidia.version(tree.text("/proc/driver/nvidia/version"))
    sources.loaded = sources.loaded or proc_nvidia.module_version(tree.text("/sys/module/nvidia/version"))
    sources.module_loaded = bool(sources.loaded) or tree.exists("/sys/module/nvidia")
    if facts["jetson"]:
        sources.module_loaded = sources.module_loaded or tree.exists("/sys/module/nvgpu")
        sources.temperature_c = _temperature(tree)
    for name in tree.names("/proc/driver/nvidia/gpus"):
        address = pci.address(name)
        if address:
            information = tree.text(f"/proc/driver/nvidia/gpus/{name}/information")
            sources.proc[address] = proc_nvidia.information(information)
    sources.library = _library(tree)
    _ask_nvidia_smi(tree, sources)
    found, driver, remarks = gpus.assemble(sources)
    tree.remarks += remarks
    return found, driver


def _pci(tree: Tree) -> t.List[Facts]:
    found = []
    for name in tree.names("/sys/bus/pci/devices"):
        folder, address = f"/sys/bus/pci/devices/{name}", pci.address(name)
        if address is None or not pci.is_gpu(tree.attributes(folder, _PCI[:2])):
            continue
        attributes = tree.attributes(folder, _PCI)
        driver = tree.link(folder + "/driver")
        numa_node = pci.numa_node(attributes["numa_node"])
        found.append({"pci_address": address, "driver": driver, "link": pci.link(attributes), "numa_node": numa_node})
    return found


def _library(tree: Tree) -> t.Optional[str]:
    """The version of libnvidia-ml that programs get: the one its link names, else the newest file."""
    for folder in _LIBRARIES:
        chosen = _LIBRARY.match(tree.link(folder + "/libnvidia-ml.so.1") or "")
        if chosen:
            return chosen.group(1)
    found = [match.group(1) for folder in _LIBRARIES for match in map(_LIBRARY.match, tree.names(folder)) if match]
    return max(found, key=values.version_key) if found else None


def _ask_nvidia_smi(tree: Tree, sources: gpus.Sources) -> None:
    done = tree.command("nvidia-smi-q-x", ["nvidia-smi", "-q", "-x"], _SMI_SECONDS)
    sources.smi_present = done is not None
    if done is None:
        return
    if done.code == 0 or "<nvidia_smi_log" in done.out:  # with one GPU lost it may still show the others
        facts, remarks = nvidia_smi.parse(done.out)
        tree.remarks += remarks
        sources.smi = facts if facts["gpus"] else None
    if done.code != 0:
        sources.failure = nvidia_smi.failure(done.code, done.out + "\n" + done.err)
        tree.remark(f"driver: nvidia-smi: {values.line(done.said)}")
    if sources.smi is None:
        return
    argv = ["nvidia-smi", "--query-gpu=" + ",".join(nvidia_smi.QUERY), "--format=csv,noheader"]
    asked = tree.command("nvidia-smi-query", argv, _SMI_SECONDS)
    sources.query = nvidia_smi.query(asked.out) if asked else {}
    if any(gpu["mig"]["devices"] for gpu in sources.smi["gpus"]):
        listed = tree.command("nvidia-smi-L", ["nvidia-smi", "-L"], _SMI_SECONDS)
        sources.listing = nvidia_smi.listing(listed.out) if listed else {}


def _temperature(tree: Tree) -> t.Optional[int]:
    """Of the GPU in the chip of a Jetson."""
    for name in tree.names("/sys/class/thermal"):
        folder = f"/sys/class/thermal/{name}"
        if name.startswith("thermal_zone") and (tree.line(folder + "/type") or "").lower().startswith("gpu"):
            number = values.integer(tree.line(folder + "/temp"))
            return None if number is None else round(number / 1000)
    return None
