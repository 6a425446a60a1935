# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only a machine with an NVIDIA GPU can show: `pytest -m gpu`. Everywhere else each test is skipped by name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils import _nvidia
from ansible_collections.physical_ai.edge.plugins.module_utils._core import nvidia_containers, nvidia_node

pytestmark = pytest.mark.gpu
IMAGE = os.environ.get("EDGE_GPU_IMAGE", "")


def test_nvidia_smi_describes_each_gpu() -> None:
    shown = subprocess.run(["nvidia-smi", "-q", "-x"], capture_output=True, text=True, timeout=60, check=True).stdout
    gpus = ElementTree.fromstring(shown).findall("gpu")  # noqa: S314 # our own driver's words
    assert gpus
    for gpu in gpus:
        assert (gpu.findtext("uuid") or "").startswith("GPU-")
        assert int((gpu.findtext("fb_memory_usage/total") or "0 MiB").split()[0]) > 0


def test_the_driver_that_is_loaded_is_the_one_that_programs_find() -> None:
    files = _nvidia.Files()
    loaded = nvidia_node.loaded_driver(files.text("/proc/driver/nvidia/version"))
    libraries = nvidia_node.library_versions(files.libraries())
    assert loaded
    assert nvidia_node.mismatch(loaded, libraries) == ""


def test_cuda_starts_on_this_machine() -> None:
    done = subprocess.run(
        [sys.executable, "-c", nvidia_containers.CALL_CUINIT], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "cuInit 0\n"), done.stderr


@pytest.mark.skipif(not IMAGE, reason="EDGE_GPU_IMAGE names no image with python3 to call cuInit in")
@pytest.mark.skipif(not Path("/var/run/docker.sock").exists(), reason="no Docker engine runs on this machine")
def test_cuda_starts_in_a_container() -> None:
    argv = [
        "docker",
        "run",
        "--rm",
        "--network",
        "none",
        "--device",
        "nvidia.com/gpu=all",
        IMAGE,
        "python3",
        "-c",
        nvidia_containers.CALL_CUINIT,
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, "cuInit 0\n"), done.stderr
