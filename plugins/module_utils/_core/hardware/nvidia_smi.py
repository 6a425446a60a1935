# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `nvidia-smi` prints: `-q -x` (all versions of its XML), `--query-gpu`, `-L`, and how it fails."""

from __future__ import annotations

import re
import typing as t

from . import pci, values
from .values import Facts, Remarks

if t.TYPE_CHECKING:
    from xml.etree import ElementTree

QUERY = ("index", "pci.bus_id", "compute_cap")

SLOWED = ("hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown", "sw_thermal_slowdown")
"""Reasons for a lower clock by which a GPU protects itself."""

# It has no such thing: known, and nothing to remark.
_NOTHING = {"", "n/a", "none", "not supported", "not available", "requested functionality has been deprecated"}
# It should have it and cannot say.
_LOST = {"gpu is lost", "gpu has fallen off the bus", "gpu requires reset"}
_FAULTS = _LOST | {"unknown error", "insufficient permissions", "err!", "error", "not found", "function not found"}

_MIG_LINE = re.compile(r"^\s+MIG\s+(\S+)\s+Device\s+([0-9]{1,4}):\s+\(UUID:\s*(\S+)\)")
_GPU_LINE = re.compile(r"^GPU\s+([0-9]{1,4}):")
_LIBRARY = re.compile(r"NVML library version:\s*([0-9]+(?:\.[0-9]+)+)")
_ADDRESS = re.compile(r"GPU\s*([0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7])")


class _Element:
    """One <gpu>. Each value is a fact, nothing, or a remark about the field that asked for it."""

    def __init__(self, element: ElementTree.Element) -> None:
        self.element = element
        self.remarks: t.Dict[str, str] = {}
        self.lost = False

    def text(self, field: str, *paths: str) -> t.Optional[str]:
        """What the first of these paths that says something says."""
        for path in paths:
            found = values.line(self.element.findtext(path))
            word = (found or "").strip("[]").strip().lower()
            if word in _FAULTS:
                self.remarks[field] = f"nvidia-smi says {found}"
                self.lost = self.lost or word in _LOST
                return None
            if word not in _NOTHING:
                return found
        return None

    def integer(self, field: str, *paths: str) -> t.Optional[int]:
        found = self.text(field, *paths)
        number = values.integer(found)
        if found is not None and number is None:
            self.remarks[field] = f"nvidia-smi says {found!r}, which is no number"
        return number

    def decimal(self, field: str, *paths: str) -> t.Optional[float]:
        found = self.text(field, *paths)
        number = values.decimal(found)
        if found is not None and number is None:
            self.remarks[field] = f"nvidia-smi says {found!r}, which is no number"
        return number

    def switch(self, field: str, *paths: str) -> t.Optional[bool]:
        word = (self.text(field, *paths) or "").lower()
        return {"enabled": True, "yes": True, "disabled": False, "no": False}.get(word)

    def total(self, field: str, folder: str, word: str) -> t.Optional[int]:
        """Sum of the counters whose name has this word; None where there are none."""
        names = [child.tag for child in self.element.iterfind(folder + "/*") if f"_{word}" in str(child.tag)]
        numbers = [self.integer(field, f"{folder}/{name}") for name in names]
        known = [number for number in numbers if number is not None]
        return sum(known) if known else None


def parse(text: str) -> t.Tuple[Facts, Remarks]:
    """Facts `driver`, `cuda` and `gpus` in the order of their index. Each GPU has its own `remarks` by field."""
    root, problem = values.from_xml(text)
    facts: Facts = {"driver": None, "cuda": None, "gpus": []}
    if root is None:
        return facts, [f"nvidia-smi -q -x: {problem}"]
    top = _Element(root)
    facts["driver"] = top.text("driver", "driver_version")
    facts["cuda"] = top.text("cuda", "cuda_version")
    facts["gpus"] = [_gpu(_Element(element), index) for index, element in enumerate(root.iterfind("gpu"))]
    counted = values.integer(root.findtext("attached_gpus"))
    remarks = [f"nvidia-smi -q -x: {field}: {words}" for field, words in top.remarks.items()]
    if counted is not None and counted != len(facts["gpus"]):
        remarks.append(f"nvidia-smi -q -x: it counts {counted} GPUs and shows {len(facts['gpus'])}")
    return facts, remarks


def _gpu(gpu: _Element, index: int) -> Facts:
    address = gpu.text("pci_address", "pci/pci_bus_id") or gpu.element.get("id")
    facts: Facts = {
        "index": index,
        "pci_address": pci.address(address),
        "uuid": gpu.text("uuid", "uuid"),
        "name": gpu.text("name", "product_name"),
        "architecture": gpu.text("architecture", "product_architecture"),
        "serial": gpu.text("serial", "serial"),
        "vbios": gpu.text("vbios", "vbios_version"),
        "memory_mib": gpu.integer("memory_mib", "fb_memory_usage/total"),
        "memory_used_mib": gpu.integer("memory_used_mib", "fb_memory_usage/used"),
        "temperature_c": gpu.integer("temperature_c", "temperature/gpu_temp"),
        "utilization_percent": gpu.integer("utilization_percent", "utilization/gpu_util"),
        "power_limit_w": gpu.decimal("power_limit_w", *_POWER_LIMIT),
        "ecc": _ecc(gpu),
        "mig": _mig(gpu, index),
        "throttle_reasons": _throttle_reasons(gpu),
        "link": {
            "width": gpu.integer("link.width", f"{_LINK}/link_widths/current_link_width"),
            "max_width": gpu.integer("link.max_width", f"{_LINK}/link_widths/max_link_width"),
            "generation": gpu.integer("link.generation", f"{_LINK}/pcie_gen/current_link_gen"),
            "max_generation": gpu.integer("link.max_generation", f"{_LINK}/pcie_gen/max_link_gen"),
        },
    }
    return dict(facts, state="lost" if gpu.lost else "ok", remarks=gpu.remarks)


_LINK = "pci/pci_gpu_link_info"
_POWER_LIMIT = (
    "gpu_power_readings/current_power_limit",
    "power_readings/enforced_power_limit",
    "power_readings/power_limit",
)


def _ecc(gpu: _Element) -> Facts:
    """Counters over the life of the board, under the names of each version of the XML."""
    folder = "ecc_errors/aggregate"
    corrected = gpu.total("ecc.corrected", folder, "correctable")
    uncorrected = gpu.total("ecc.uncorrected", folder, "uncorrectable")
    if corrected is None and uncorrected is None:  # before R450
        corrected = gpu.integer("ecc.corrected", f"{folder}/single_bit/total")
        uncorrected = gpu.integer("ecc.uncorrected", f"{folder}/double_bit/total")
    return {
        "enabled": gpu.switch("ecc.enabled", "ecc_mode/current_ecc"),
        "corrected": corrected,
        "uncorrected": uncorrected,
        "retired_pages_pending": gpu.switch(
            "ecc.retired_pages_pending", "retired_pages/pending_retirement", "remapped_rows/remapped_row_pending"
        ),
        "row_remap_failed": gpu.switch("ecc.row_remap_failed", "remapped_rows/remapped_row_failure"),
    }


def _mig(gpu: _Element, index: int) -> Facts:
    devices: t.List[Facts] = []
    for element in gpu.element.iterfind("mig_devices/mig_device"):
        device = _Element(element)
        number = device.integer("mig", "index")
        devices.append(
            {
                "index": f"{index}:{number if number is not None else len(devices)}",
                "uuid": device.text("mig", "uuid"),
                "profile": None,
                "memory_mib": device.integer("mig", "fb_memory_usage/total"),
                "gi": device.integer("mig", "gpu_instance_id"),
                "ci": device.integer("mig", "compute_instance_id"),
            }
        )
        for words in device.remarks.values():
            gpu.remarks[f"mig.devices[{len(devices) - 1}]"] = words
    return {"enabled": gpu.switch("mig.enabled", "mig_mode/current_mig"), "devices": devices}


def _throttle_reasons(gpu: _Element) -> t.List[str]:
    """Why the clocks are lower than they could be. An idle GPU is no reason."""
    found = []
    for folder in ("clocks_event_reasons", "clocks_throttle_reasons"):
        for child in gpu.element.iterfind(folder + "/*"):
            if (child.text or "").strip() == "Active":
                found.append(re.sub(r"^clocks_(event|throttle)_reason_", "", str(child.tag)))
    return sorted(set(found) - {"gpu_idle"})


def query(text: str) -> t.Dict[str, Facts]:
    """By PCI address what `--query-gpu=index,pci.bus_id,compute_cap --format=csv,noheader` says, which the XML does not."""
    found = {}
    for row in text.splitlines():
        cells = [cell.strip() for cell in row.split(",")]
        address = pci.address(cells[1]) if len(cells) == len(QUERY) else None
        if address:
            capability = cells[2] if re.match(r"^[0-9]{1,2}\.[0-9]{1,2}$", cells[2]) else None
            found[address] = {"index": values.integer(cells[0]), "compute_capability": capability}
    return found


def listing(text: str) -> t.Dict[str, Facts]:
    """By MIG index (`0:1`) the profile and the UUID that `nvidia-smi -L` shows."""
    found: t.Dict[str, Facts] = {}
    gpu = ""
    for row in text.splitlines():
        match = _GPU_LINE.match(row)
        if match:
            gpu = match.group(1)
        match = _MIG_LINE.match(row)
        if match and gpu:
            found[f"{gpu}:{int(match.group(2))}"] = {"profile": match.group(1), "uuid": match.group(3)}
    return found


def failure(code: int, said: str) -> Facts:
    """How it failed: `cause` (mismatch, lost, no_driver, no_library, no_gpu, unknown), the `library` and the GPUs `lost` that it names."""
    words = said.lower()
    library = _LIBRARY.search(said)
    lost = [address for address in map(pci.address, _ADDRESS.findall(said)) if address]
    if "version mismatch" in words:
        cause = "mismatch"
    elif code == 15 or "gpu is lost" in words or "fallen off the bus" in words:
        cause = "lost"
    elif code == 9 or "communicate with the nvidia driver" in words or "driver not loaded" in words:
        cause = "no_driver"
    elif code == 12 or "couldn't find libnvidia-ml" in words or "nvml shared library" in words:
        cause = "no_library"
    elif code == 6 or "no devices were found" in words:
        cause = "no_gpu"
    else:
        cause = "unknown"
    return {"cause": cause, "library": library.group(1) if library else None, "lost": lost if cause == "lost" else []}
