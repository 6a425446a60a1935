# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which containers have a GPU, and whether they still have it.

Private to this collection: not an interface.
"""

from __future__ import annotations

import json
import typing as t

# For python3 in a container: ends with 0 only where CUDA starts.
CALL_CUINIT = "import ctypes, sys; code = ctypes.CDLL('libcuda.so.1').cuInit(0); print('cuInit', code); sys.exit(0 if code == 0 else 1)"
HAS, LOST, UNKNOWN = "has it", "lost it", "cannot tell"


def with_gpu(inspected: str) -> t.List[str]:
    """Names of those that were given an NVIDIA device, by whichever way."""
    try:
        containers = json.loads(inspected)
    except ValueError:
        return []
    return sorted(
        container["Name"].lstrip("/") for container in containers if _was_given(container.get("HostConfig") or {})
    )


def _was_given(host: t.Mapping[str, t.Any]) -> bool:
    if host.get("Runtime") == "nvidia":
        return True
    for request in host.get("DeviceRequests") or []:
        named = any(str(name).startswith("nvidia.com/") for name in request.get("DeviceIDs") or [])
        kinds = {word for words in request.get("Capabilities") or [] for word in words}
        if named or request.get("Driver") == "nvidia" or "gpu" in kinds:
            return True
    return any(str(device.get("PathOnHost", "")).startswith("/dev/nvidia") for device in host.get("Devices") or [])


def verdict(code: int, answer: str) -> str:
    """Of `nvidia-smi -L` in it: an image without that program tells nothing."""
    if code == 0:
        return HAS
    if code in (126, 127) or "executable file not found" in answer:
        return UNKNOWN
    return LOST


def cuda_advice(answer: str) -> str:
    """What to do next, by what was said."""
    if "cuInit 999" in answer:
        return "the device numbers in the CDI specification may be old: restart nvidia-cdi-refresh.service, and reboot if it stays"
    if "cuInit 100" in answer:
        return "no device reached the container: see `nvidia-ctk cdi list` and `nvidia-smi` on the node"
    if "unresolvable CDI devices" in answer:
        return (
            "there is no CDI specification: see `systemctl status nvidia-cdi-refresh.service edge-nvidia-cdi.service`"
        )
    if "libcuda" in answer:
        return "the image or its command does not find the driver's library: see `nvidia-ctk cdi list` on the node"
    return "see `nvidia-smi` on the node"
