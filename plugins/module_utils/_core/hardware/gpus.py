# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One list of GPUs, and the state of their driver, out of everything that speaks of them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from . import jetson as tegra
from . import values
from .values import Facts, Remarks

# Compute capability where nvidia-smi is too old to say it: only of architectures that have just one.
_CAPABILITY = {"Volta": "7.0", "Turing": "7.5", "Ada Lovelace": "8.9", "Hopper": "9.0"}
# Without these a GPU cannot be chosen by what it is.
_WANTED = ("uuid", "name", "memory_mib")


@dataclass
class Sources:
    """What was found where. Nothing of it need be there."""

    pci: t.List[Facts] = field(default_factory=list)  # address, driver, link, numa_node
    proc: t.Dict[str, Facts] = field(default_factory=dict)  # by address
    smi: t.Optional[Facts] = None  # of nvidia_smi.parse
    query: t.Dict[str, Facts] = field(default_factory=dict)
    listing: t.Dict[str, Facts] = field(default_factory=dict)
    failure: t.Optional[Facts] = None  # of nvidia_smi.failure
    smi_present: bool = False
    loaded: t.Optional[str] = None
    module_loaded: bool = False
    library: t.Optional[str] = None
    jetson: t.Optional[Facts] = None
    memory_mib: t.Optional[int] = None
    temperature_c: t.Optional[int] = None


def blank() -> Facts:
    """A GPU of which nothing is known, with every key."""
    return {
        "index": None,
        "uuid": None,
        "name": None,
        "vendor": "nvidia",
        "pci_address": None,
        "integrated": False,
        "memory_mib": None,
        "memory_used_mib": None,
        "memory_is_ram": False,
        "compute_capability": None,
        "architecture": None,
        "state": "unknown",
        "ecc": dict.fromkeys(("enabled", "corrected", "uncorrected", "retired_pages_pending", "row_remap_failed")),
        "mig": {"enabled": None, "devices": []},
        "temperature_c": None,
        "power_limit_w": None,
        "utilization_percent": None,
        "throttle_reasons": [],
        "link": dict.fromkeys(("width", "max_width", "generation", "max_generation")),
        "serial": None,
        "vbios": None,
        "numa_node": None,
    }


def assemble(sources: Sources) -> t.Tuple[t.List[Facts], Facts, Remarks]:
    """The GPUs sorted by PCI address and index, the driver, and what is unknown of them."""
    smi = list(sources.smi["gpus"]) if sources.smi else []
    integrated = [gpu for gpu in smi if sources.jetson and tegra.is_integrated(gpu["name"])]
    found = [_discrete(device, smi, sources) for device in sources.pci if not _at(integrated, device["pci_address"])]
    seen = {gpu["pci_address"] for gpu in found}
    for gpu in smi:  # no PCI bus to be seen: Windows Subsystem for Linux, some virtual machines
        if gpu not in integrated and gpu["pci_address"] not in seen:
            found.append(_discrete({"pci_address": gpu["pci_address"]}, smi, sources))
    if sources.jetson:
        found.append(_integrated(integrated[0] if integrated else None, sources, alone=not found))
    found.sort(key=lambda gpu: (gpu["pci_address"] or "", -1 if gpu["index"] is None else gpu["index"]))
    remarks: Remarks = []
    for number, gpu in enumerate(found):
        remarks += [f"gpus[{number}].{name}: {words}" for name, words in sorted(gpu.pop("remarks").items())]
    return found, _driver(sources, found), remarks


def _at(gpus: t.List[Facts], address: t.Optional[str]) -> t.Optional[Facts]:
    return next((gpu for gpu in gpus if address and gpu["pci_address"] == address), None)


def _discrete(device: Facts, smi: t.List[Facts], sources: Sources) -> Facts:
    address = device["pci_address"]
    said = _at(smi, address) or next((gpu for gpu in smi if address is None and gpu["pci_address"] is None), None)
    proc = sources.proc.get(address or "", {})
    gpu = dict(blank(), **{key: device[key] for key in ("pci_address", "numa_node") if key in device})
    gpu["link"] = dict(device.get("link") or gpu["link"])
    gpu.update({key: proc.get(key) for key in ("name", "uuid", "vbios")})
    gpu["remarks"] = {}
    if said:
        _overlay(gpu, said, sources)
    gpu["state"] = _state(device, said, proc, sources)
    for name in _WANTED:
        if gpu[name] is None:
            gpu["remarks"].setdefault(name, _reason(gpu["state"], said, sources))
    return gpu


def _reason(state: str, said: t.Optional[Facts], sources: Sources) -> str:
    """Why something of a GPU is unknown, where nothing better is known."""
    known = {"no_driver": "no driver is loaded for it", "lost": "the GPU is lost", "excluded": "the driver excludes it"}
    if state in known:
        return known[state]
    if said:
        return "nvidia-smi does not say it"
    return "nvidia-smi fails" if sources.smi_present else "nvidia-smi is not there to be asked"


def _overlay(gpu: Facts, said: Facts, sources: Sources) -> None:
    """nvidia-smi knows more, and it knows better."""
    for key, value in said.items():
        if key == "link":
            gpu["link"].update({name: number for name, number in value.items() if number is not None})
        elif value is not None and key != "state":
            gpu[key] = value
    asked = sources.query.get(gpu["pci_address"] or "", {})
    if asked.get("index") is not None:
        gpu["index"] = asked["index"]
    gpu["compute_capability"] = asked.get("compute_capability") or _CAPABILITY.get(gpu["architecture"])
    if gpu["compute_capability"] is None:
        gpu["remarks"]["compute_capability"] = "nvidia-smi does not say it"
    for device in gpu["mig"]["devices"]:
        dummy, dummy2, number = device["index"].rpartition(":")
        device["index"] = f"{gpu['index']}:{number}"
        device.update(sources.listing.get(device["index"], {}))


def _state(device: Facts, said: t.Optional[Facts], proc: Facts, sources: Sources) -> str:
    lost = (sources.failure or {}).get("lost", [])
    if proc.get("excluded"):
        return "excluded"
    if said:
        return str(said["state"])
    if device["pci_address"] in lost:
        return "lost"
    if not sources.module_loaded or device.get("driver") not in (None, "nvidia"):
        return "no_driver"
    return "unknown"


def _integrated(said: t.Optional[Facts], sources: Sources, alone: bool) -> Facts:
    """The GPU of a Jetson: it has no memory but the RAM, and says little of itself."""
    board = sources.jetson or {}
    gpu = dict(blank(), remarks={}, index=0 if alone else None)
    if said:
        _overlay(gpu, dict(said, ecc=None), sources)
    chip = tegra.CHIPS.get(board.get("soc") or "", {})
    gpu.update(
        integrated=True,
        memory_is_ram=True,
        memory_mib=sources.memory_mib,
        memory_used_mib=None,
        name=gpu["name"] or chip.get("gpu"),
        compute_capability=gpu["compute_capability"] or chip.get("compute_capability"),
        architecture=gpu["architecture"] or chip.get("architecture"),
        state=said["state"] if said else ("ok" if sources.module_loaded else "no_driver"),
        temperature_c=gpu["temperature_c"] if gpu["temperature_c"] is not None else sources.temperature_c,
    )
    kept = {name: words for name, words in gpu["remarks"].items() if gpu.get(name.split(".", maxsplit=1)[0]) is None}
    kept.pop("memory_used_mib", None)
    for name in ("name", "memory_mib", "compute_capability"):
        if gpu[name] is None:
            kept.setdefault(name, f"{board.get('soc') or 'this chip'} is not known to this version")
    gpu["remarks"] = kept
    return gpu


def _driver(sources: Sources, gpus: t.List[Facts]) -> Facts:
    smi, failure = sources.smi or {}, sources.failure or {}
    loaded = sources.loaded or smi.get("driver")
    library = failure.get("library") or sources.library
    if library and sources.library and values.same_version(library, sources.library):
        library = max(library, sources.library, key=len)  # NVML leaves out the last part of its version
    mismatch = None
    if failure.get("cause") == "mismatch":
        mismatch = True
    elif loaded and library:
        mismatch = not values.same_version(loaded, library)
    driver = {"loaded": loaded, "library": library, "cuda": smi.get("cuda"), "mismatch": mismatch, "problem": None}
    driver["problem"] = _problem(driver, sources, gpus)
    return driver


def _problem(driver: Facts, sources: Sources, gpus: t.List[Facts]) -> t.Optional[str]:
    """What keeps a GPU from working, and what to do, in one sentence."""
    cause = (sources.failure or {}).get("cause")
    there = [gpu for gpu in gpus if not gpu["integrated"]]
    if driver["mismatch"]:
        loaded, library = driver["loaded"] or "another version", driver["library"] or "another version"
        return f"the loaded driver is {loaded} and its library is {library}: restart the node"
    lost = [gpu["pci_address"] or f"GPU {gpu['index']}" for gpu in gpus if gpu["state"] == "lost"]
    if lost or cause == "lost":
        return f"GPU {', '.join(lost) or 'of this node'} is lost: restart the node; if it comes again, check its seat, power and cooling"
    without = [device for device in sources.pci if device.get("driver") not in (None, "nvidia")]
    if without and not sources.module_loaded:
        device = without[0]
        return f"GPU {device['pci_address']} is held by {device['driver']}: install the NVIDIA driver, or give the GPU back to the node"
    if there and not sources.module_loaded and not sources.smi:
        return f"GPU {there[0]['pci_address']} has no driver: install the NVIDIA driver, or find out why it does not load (`modprobe nvidia`)"
    return _problem_of_tools(driver, sources, gpus, cause)


def _problem_of_tools(driver: Facts, sources: Sources, gpus: t.List[Facts], cause: t.Optional[str]) -> t.Optional[str]:
    loaded = driver["loaded"] or "of NVIDIA"
    if not sources.module_loaded or all(gpu["integrated"] for gpu in gpus):
        return None
    if cause == "no_library" or (not sources.smi and not driver["library"]):
        return f"the driver {loaded} is loaded and its library libnvidia-ml is missing: install the libraries of the same version"
    if not sources.smi_present:
        return f"the driver {loaded} is loaded and nvidia-smi is missing: install the utilities of the same version"
    if cause == "no_gpu":
        return f"the driver {loaded} is loaded and works with no GPU of this node: look for `NVRM` in the kernel log"
    if cause or not sources.smi:
        return f"the driver {loaded} is loaded and nvidia-smi fails: run `nvidia-smi` on the node"
    return None
