# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels that follow from what a node has, for `select` in a release. Pure.

They begin with `hw.` and stand beside the labels that people give in the inventory.
"""

from __future__ import annotations

import typing as t

PREFIX = "hw."


def labels(facts: t.Mapping[str, t.Any], present: t.Mapping[str, bool]) -> t.Dict[str, str]:
    """Label -> value, all text.

    :param facts: as the module hardware_info returns them.
    :param present: name of a device -> whether it is there now.
    """
    gpus = [gpu for gpu in facts["gpus"] if gpu["state"] in ("ok", "unknown")]
    found: t.Dict[str, t.Any] = {
        "gpu": "present" if gpus else "none",
        "gpu_count": len(gpus),
        "gpu_model": next((gpu["name"] for gpu in gpus), None),
        "gpu_memory_mib": next((gpu["memory_mib"] for gpu in gpus), None),
        "gpu_capability": next((gpu["compute_capability"] for gpu in gpus), None),
        "mig": "enabled" if any(gpu["mig"]["enabled"] for gpu in gpus) else "none",
        "driver": facts["driver"]["loaded"],
        "cameras": sum(1 for camera in facts["cameras"] if camera["role"] == "capture"),
    }
    for key in ("l4t", "jetpack", "module"):
        found[key] = (facts["jetson"] or {}).get(key)
    found.update({f"device.{name}": "present" if there else "missing" for name, there in present.items()})
    return {PREFIX + key: str(value) for key, value in sorted(found.items()) if value is not None}
