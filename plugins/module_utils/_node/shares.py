# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The share of each tenant as limits of its control group: what admission promised is kept by the kernel too."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._core import names as _names
from .._core import tenants
from ._runner import run
from .errors import NodeError

CGROUPS = "/sys/fs/cgroup"
PERIOD = 100_000  # microseconds


def apply(policy: tenants.Policy, driver: str, names: t.Collection[str]) -> None:
    """Sets the limits of the named tenants; one whose limit is gone gets none.

    :param driver: the engine's, `systemd` or `cgroupfs`.
    :raises NodeError: node, where a limit cannot be set.
    """
    for name in sorted(names):
        share = (policy.shares or {}).get(name, {})
        group = _names.cgroup_parent(name, driver)
        if driver == "systemd":
            _slice(group, share)
        else:
            _group(group.lstrip("/"), share)


def _slice(unit: str, share: t.Mapping[str, t.Any]) -> None:
    quota = f"{share['cpus'] * 100:g}%" if "cpus" in share else ""
    memory = str(share.get("memory", "infinity"))
    shown = run(["systemctl", "show", "--property=CPUQuotaPerSecUSec", "--property=MemoryMax", unit]).out
    have = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    if have.get("MemoryMax") == memory and _same_quota(have.get("CPUQuotaPerSecUSec", ""), share):
        return
    done = run(["systemctl", "set-property", unit, f"CPUQuota={quota}", f"MemoryMax={memory}"])
    if done.code != 0:
        raise NodeError("node", f"the limits of {unit} cannot be set: {done.said}")


def _same_quota(shown: str, share: t.Mapping[str, t.Any]) -> bool:
    """systemd shows '2s' and '500ms' for 2 CPUs and half of one."""
    if "cpus" not in share:
        return shown == "infinity"
    seconds = 0.0
    for part in shown.split():
        for unit, factor in (("ms", 0.001), ("us", 0.000001), ("min", 60.0), ("s", 1.0)):
            if part.endswith(unit):
                with contextlib.suppress(ValueError):
                    seconds += float(part[: -len(unit)]) * factor
                break
    return abs(seconds - share["cpus"]) < 0.001


def _group(group: str, share: t.Mapping[str, t.Any]) -> None:
    """With the engine's own driver there is no unit, and the groups are gone after a boot."""
    unified = os.path.exists(f"{CGROUPS}/cgroup.controllers")
    quota = round(share["cpus"] * PERIOD) if "cpus" in share else -1
    memory = share.get("memory", -1)
    if unified:
        _enable(group)
        _write(f"{CGROUPS}/{group}/cpu.max", f"{'max' if quota < 0 else quota} {PERIOD}")
        _write(f"{CGROUPS}/{group}/memory.max", "max" if memory < 0 else str(memory))
        return
    _write(f"{CGROUPS}/cpu/{group}/cpu.cfs_period_us", str(PERIOD))
    _write(f"{CGROUPS}/cpu/{group}/cpu.cfs_quota_us", str(quota))
    _write(f"{CGROUPS}/memory/{group}/memory.limit_in_bytes", str(memory))


def _enable(group: str) -> None:
    os.makedirs(f"{CGROUPS}/{group}", exist_ok=True)
    where = CGROUPS
    for part in group.split("/"):
        with contextlib.suppress(OSError), open(f"{where}/cgroup.subtree_control", "w", encoding="ascii") as handle:
            handle.write("+cpu +memory +pids")
        where += "/" + part


def _write(path: str, value: str) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as handle:
            handle.write(value)
    except OSError as exc:
        raise NodeError("node", f"the limit {path} cannot be set to {value}: {exc.strerror}") from None
