# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA Jetson: which board, which L4T and JetPack, which power mode."""

from __future__ import annotations

import re
import typing as t

from . import values
from .values import Facts, Remarks

CHIPS: t.Dict[str, t.Dict[str, str]] = {
    "tegra210": {"gpu": "Tegra X1", "compute_capability": "5.3", "architecture": "Maxwell"},
    "tegra186": {"gpu": "Tegra X2", "compute_capability": "6.2", "architecture": "Pascal"},
    "tegra194": {"gpu": "Xavier", "compute_capability": "7.2", "architecture": "Volta"},
    "tegra234": {"gpu": "Orin", "compute_capability": "8.7", "architecture": "Ampere"},
    "tegra264": {"gpu": "Thor", "compute_capability": "11.0", "architecture": "Blackwell"},
}
"""What the GPU of each chip is."""

JETPACK = {
    "32.7.1": "4.6.1",
    "32.7.2": "4.6.2",
    "32.7.3": "4.6.3",
    "32.7.4": "4.6.4",
    "32.7.5": "4.6.5",
    "32.7.6": "4.6.6",
    "35.1": "5.0.2",
    "35.2.1": "5.1",
    "35.3.1": "5.1.1",
    "35.4.1": "5.1.2",
    "35.5.0": "5.1.3",
    "35.6.0": "5.1.4",
    "35.6.1": "5.1.5",
    "35.6.4": "5.1.6",
    "36.3": "6.0",
    "36.4.0": "6.1",
    "36.4.3": "6.2",
    "36.4.4": "6.2.1",
    "36.4.7": "6.2.1",
    "36.5.0": "6.2.2",
    "38.2": "7.0",
    "38.4": "7.1",
    "39.2.0": "7.2",
}
"""JetPack by L4T. An entry of two numbers stands for all its revisions."""

# Boards that are modules; the others in `compatible` carry one.
_MODULES = ("p2180", "p2888", "p3310", "p3448", "p3489", "p3636", "p3668", "p3701", "p3767", "p3834")
_RELEASE = re.compile(r"^# R([0-9]{1,3}) \(release\), REVISION: ([0-9]{1,3}(?:\.[0-9]{1,3})?)", re.MULTILINE)
_PACKAGE = re.compile(r"^([0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})-")
_BOARD = re.compile(r"p[0-9]{4}-[0-9]{4}")
_POWER_MODEL = re.compile(r"<\s*POWER_MODEL\s+ID=([0-9]{1,4})\s+NAME=(\S+)\s*>")
_POWER_MODE = re.compile(r"NV Power Mode:\s*(\S+)\s+([0-9]{1,4})\s*$", re.MULTILINE)


def strings(text: t.Optional[str]) -> t.List[str]:
    """The texts of a property of the device tree, each ended by NUL."""
    return [found for found in map(values.line, (text or "").split("\0")) if found]


def soc(compatible: t.Sequence[str]) -> t.Optional[str]:
    found = [name.partition(",")[2] for name in compatible if name.startswith("nvidia,tegra")]
    return found[-1] if found else None


def module(compatible: t.Sequence[str]) -> t.Optional[str]:
    """The part number of the module, `p3767-0000`, which says how much memory it has; else that of the whole kit."""
    boards = [board for name in compatible for board in _BOARD.findall(name)]
    return next((board for board in boards if board.startswith(_MODULES)), boards[-1] if boards else None)


def l4t(release: t.Optional[str], package: t.Optional[str]) -> t.Optional[str]:
    """`36.4.3`, from /etc/nv_tegra_release or, where an image has none, the version of the package nvidia-l4t-core."""
    match = _RELEASE.search(release or "")
    if match:
        return f"{match.group(1)}.{match.group(2)}" + ("" if "." in match.group(2) else ".0")
    match = _PACKAGE.match((package or "").strip())
    return match.group(1) if match else None


def jetpack(version: t.Optional[str]) -> t.Optional[str]:
    if version is None:
        return None
    return JETPACK.get(version) or JETPACK.get(".".join(version.split(".")[:2]))


def power_modes(configuration: t.Optional[str]) -> t.List[Facts]:
    """Those that /etc/nvpmodel.conf has for this board."""
    found = {(int(number), name) for number, name in _POWER_MODEL.findall(configuration or "")}
    return [{"id": number, "name": values.line(name)} for number, name in sorted(found)]


def power_mode(said: t.Optional[str]) -> t.Optional[Facts]:
    """The one that `nvpmodel -q` says. Its number means another thing on another board: compare names."""
    match = _POWER_MODE.search(said or "")
    return {"id": int(match.group(2)), "name": values.line(match.group(1))} if match else None


def is_integrated(name: t.Optional[str]) -> bool:
    """Whether nvidia-smi speaks of the GPU in the chip, by the rule of the NVIDIA container toolkit."""
    return name is not None and ("(nvgpu)" in name or "NVIDIA Thor" in name)


def is_jetson(compatible: t.Sequence[str], release: t.Optional[str]) -> bool:
    return soc(compatible) is not None or "(release), REVISION:" in (release or "")


def facts(
    compatible: t.Sequence[str],
    model: t.Sequence[str],
    release: t.Optional[str],
    package: t.Optional[str],
    modes: t.Tuple[t.Optional[str], t.Optional[str]],
    kernel: t.Optional[str],
) -> t.Tuple[Facts, Remarks]:
    """:param modes: what `nvpmodel -q` says, and the content of /etc/nvpmodel.conf."""
    version = l4t(release, package)
    found: Facts = {
        "model": model[0] if model else None,
        "module": module(compatible),
        "soc": soc(compatible),
        "l4t": version,
        "jetpack": jetpack(version),
        "power_mode": power_mode(modes[0]),
        "power_modes": power_modes(modes[1]),
        "kernel": kernel,
    }
    remarks = [f"jetson.{key}: nothing says it" for key in ("model", "module", "soc", "l4t") if found[key] is None]
    if version and found["jetpack"] is None:
        remarks.append(f"jetson.jetpack: L4T {version} is not known to this version")
    if found["power_mode"] is None:
        remarks.append("jetson.power_mode: nvpmodel does not say it")
    return found, remarks
