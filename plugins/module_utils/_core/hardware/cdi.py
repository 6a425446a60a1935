# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CDI specifications: which devices the files offer, which of them collide, and which were frozen with numbers that have changed."""

from __future__ import annotations

import re
import typing as t

from . import block_yaml, values
from .values import Facts, Remarks

DIRECTORIES = ("/etc/cdi", "/var/run/cdi")
"""Where engines look unless told otherwise; the later ones win."""

# Device nodes whose major number is given out anew at each boot, and under which names /proc/devices has it.
_DRIVERS = (
    (re.compile(r"^/dev/nvidia-uvm(-tools)?$"), ("nvidia-uvm",)),
    (re.compile(r"^/dev/nvidia-caps/"), ("nvidia-caps",)),
    (re.compile(r"^/dev/nvidia([0-9]+|ctl|-modeset)$"), ("nvidia", "nvidia-frontend")),
)


def parse(text: str, name: str) -> t.Tuple[Facts, Remarks]:
    """One file: `kind`, names of `devices`, and `nodes` (path and major number) that it brings into containers."""
    if name.endswith(".json"):
        data = values.from_json(text)
    else:
        try:
            data = block_yaml.parse(text)
        except block_yaml.BlockError as exc:
            return {"kind": None, "devices": [], "nodes": []}, [f"cdi: {name}: cannot be read: {exc}"]
    spec = values.mapping(data)
    kind = values.line(spec.get("kind"))
    if kind is None:
        return {"kind": None, "devices": [], "nodes": []}, [f"cdi: {name}: is no CDI specification: it has no kind"]
    names, nodes = [], _nodes(spec)
    for item in values.sequence(spec.get("devices")):
        device = values.mapping(item)
        found = device.get("name")
        label = values.line(str(found)) if isinstance(found, (str, int)) and not isinstance(found, bool) else None
        if label:
            names.append(label)
        nodes += _nodes(device)
    return {"kind": kind, "devices": names, "nodes": nodes}, []


def _nodes(holder: t.Dict[str, t.Any]) -> t.List[t.Tuple[str, int]]:
    found = []
    for item in values.sequence(values.mapping(holder.get("containerEdits")).get("deviceNodes")):
        node = values.mapping(item)
        path, major = values.line(node.get("path")), values.integer(node.get("major"))
        if path and major is not None:
            found.append((path, major))
    return found


def majors(proc_devices: t.Optional[str]) -> t.Dict[str, int]:
    """Major numbers of character devices by name, out of /proc/devices."""
    found = {}
    characters = (proc_devices or "").partition("Block devices:")[0]
    for row in characters.splitlines():
        match = re.match(r"^\s*([0-9]{1,4}) (\S+)$", row)
        if match:
            found[match.group(2)] = int(match.group(1))
    return found


def assemble(files: t.Sequence[t.Tuple[str, str, Facts]], numbers: t.Dict[str, int]) -> Facts:
    """
    :param files: directory, path and facts of each file; directories in the order in which engines read them.
    :param numbers: of :func:`majors`.
    """
    owners: t.Dict[str, t.Dict[str, t.List[str]]] = {}
    for directory, path, spec in files:
        for device in sorted(set(spec["devices"])):
            owners.setdefault(f"{spec['kind']}={device}", {}).setdefault(directory, []).append(path)
    devices, conflicts = [], []
    for name, places in owners.items():
        paths = list(places.values())[-1]  # the last directory wins
        if len(paths) == 1:
            devices.append(name)
        else:  # two files of one directory: engines drop the device
            conflicts.append(f"{name}: {' and '.join(sorted(paths))} both have it, so no engine offers it")
    return {
        "devices": sorted(devices),
        "files": sorted(path for dummy, path, spec in files if spec["kind"]),
        "conflicts": sorted(conflicts),
        "stale": _stale(files, numbers),
    }


def _stale(files: t.Sequence[t.Tuple[str, str, Facts]], numbers: t.Dict[str, int]) -> t.List[str]:
    found = set()
    for dummy, path, spec in files:
        for node, major in spec["nodes"]:
            names = next((known for pattern, known in _DRIVERS if pattern.match(node)), ())
            now = next((numbers[name] for name in names if name in numbers), None)
            if now is not None and now != major:
                found.add(f"{path}: {node} has major number {major}, the kernel says {now}: generate the file anew")
    return sorted(found)
