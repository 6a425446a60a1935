# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one dictionary that all of this ends in: every key is always there."""

from __future__ import annotations

import typing as t

from .values import Facts, Remarks

SCHEMA = 1


def blank() -> Facts:
    """Nothing is known."""
    return {
        "schema": SCHEMA,
        "gpus": [],
        "machine": dict.fromkeys(("serial", "uuid", "id")),
        "driver": dict.fromkeys(("loaded", "library", "cuda", "mismatch", "problem")),
        "jetson": None,
        "cameras": [],
        "serial_ports": [],
        "usb": [],
        "disks": [],
        "tpm": {"present": False, "version": None},
        "secure_boot": {"state": "unknown"},
        "clock": {
            "source": None,
            "available": [],
            "synchronized": None,
            "rtc": False,
            "rtc_offset_s": None,
            "sane": None,
        },
        "engine": None,
        "cdi": {"devices": [], "files": [], "conflicts": [], "stale": []},
        "cgroup": {"version": None, "driver": None},
        "memory_mib": None,
        "cpus": None,
        "kernel": None,
        "os": dict.fromkeys(("id", "version", "codename", "name")),
        "network_devices": [],
        "unknown": [],
    }


def complete(facts: Facts, remarks: Remarks) -> Facts:
    """The facts in their full shape, with what is unknown sorted and said once, and text that can be sent anywhere."""
    whole = dict(blank(), **facts)
    for key in ("memory_mib", "cpus", "kernel"):
        if whole[key] is None:
            remarks = [*remarks, f"{key}: the kernel does not say it"]
    whole["unknown"] = sorted(set(remarks))
    return t.cast(Facts, _clean(whole))


def _clean(value: t.Any) -> t.Any:
    """File names may be no text at all."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list) else value
