# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NVIDIA side of this node: all input and output of the modules nvidia_toolkit_info and nvidia_toolkit.

Private to this collection: not an interface.
"""

from __future__ import annotations

import glob
import json
import os
import typing as t

from ansible_collections.physical_ai.edge.plugins.module_utils._core import daemon_json, deb, nvidia_node
from ansible_collections.physical_ai.edge.plugins.module_utils._core.nvidia_toolkit import Look
from ansible_collections.physical_ai.edge.plugins.module_utils._node import _runner
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError

RECORD = "/etc/physical-ai/nvidia-container-toolkit.json"
STATIC = "/etc/cdi/nvidia.yaml"
GENERATED = "/var/run/cdi/nvidia.yaml"
SPECIFICATIONS = ("/etc/cdi", "/var/run/cdi")
LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu/nvidia",
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/usr/lib64",
)


class Files:
    """Files below a root, which tests set to a recorded tree. What cannot be read is empty."""

    def __init__(self, root: str = "") -> None:
        self.root = root

    def text(self, path: str) -> str:
        try:
            with open(self.root + path, encoding="utf-8", errors="replace") as stream:
                return stream.read().replace("\0", "")
        except OSError:
            return ""

    def texts(self, *patterns: str) -> t.Dict[str, str]:
        paths = sorted(path for pattern in patterns for path in glob.glob(self.root + pattern) if os.path.isfile(path))
        return {path[len(self.root) :]: self.text(path[len(self.root) :]) for path in paths}

    def pci(self) -> t.List[t.Tuple[str, str]]:
        folders = sorted(glob.glob(self.root + "/sys/bus/pci/devices/*"))
        return [
            (self.text(path[len(self.root) :] + "/vendor"), self.text(path[len(self.root) :] + "/class"))
            for path in folders
        ]

    def libraries(self) -> t.List[str]:
        """Names of the files behind libcuda.so.1 and libnvidia-ml.so.1, which are what programs load."""
        links = [
            f"{self.root}{folder}/{name}" for folder in LIBRARIES for name in ("libcuda.so.1", "libnvidia-ml.so.1")
        ]
        return [os.path.basename(os.path.realpath(link)) for link in links if os.path.exists(link)]

    def sources(self) -> t.Dict[str, str]:
        folder = "/etc/apt/sources.list.d/"
        return self.texts("/etc/apt/sources.list", folder + "*.list", folder + "*.sources")

    def specifications(self) -> t.Dict[str, str]:
        return self.texts(*(f"{folder}/*.{kind}" for folder in SPECIFICATIONS for kind in ("yaml", "json")))

    def features(self) -> t.Dict[str, t.Any]:
        """Of daemon.json; a broken file is found by who writes it."""
        try:
            found = daemon_json.parse(self.text("/etc/docker/daemon.json"), "daemon.json").get("features")
        except daemon_json.DaemonJsonError:
            return {}
        return found if isinstance(found, dict) else {}

    def held_at(self) -> str:
        try:
            found = json.loads(self.text(RECORD) or "{}")
        except ValueError:
            return ""
        return str(found.get("held_at", "")) if isinstance(found, dict) else ""


def tried(*argv: str, timeout: float = 30) -> _runner.Done:
    """What a program says; one that is not there says nothing."""
    try:
        return _runner.run(argv, timeout)
    except NodeError as exc:
        return _runner.Done(127, "", str(exc))


def installed() -> t.Dict[str, deb.Package]:
    return deb.installed(tried("dpkg-query", "--show", "--showformat=" + deb.QUERY).out)


def engine() -> str:
    """Its version, or on a node that is still to get one (check mode) the one that apt would install."""
    version = tried("dockerd", "--version").out.strip()
    if version:
        return version
    names = ("docker-ce", "docker.io")
    known = deb.candidates(tried("apt-cache", "policy", *names).out)
    return next((known[name][0] for name in names if known.get(name)), "")


def look(files: Files, packages: t.Mapping[str, deb.Package]) -> Look:
    core = packages.get("nvidia-l4t-core")
    l4t = nvidia_node.l4t_release(files.text("/etc/nv_tegra_release"), core.version if core else "")
    found: t.Dict[str, t.Any] = {}
    if l4t:  # the kernels of Jetsons are the ones that lack tables
        tables = {
            name: tried(name, "--table", "nat", "--list-rules").code == 0 for name in ("iptables", "iptables-legacy")
        }
        found["iptables_nat"], found["iptables_legacy_nat"] = tables["iptables"], tables["iptables-legacy"]
        found["iptables_raw"] = tried("iptables", "--table", "raw", "--list-rules").code == 0
    return Look(
        architecture=os.uname().machine,
        kernel=os.uname().release,
        l4t=l4t,
        gpu=nvidia_node.has_gpu(files.pci()),
        driver=nvidia_node.loaded_driver(files.text("/proc/driver/nvidia/version")),
        libraries=nvidia_node.library_versions(files.libraries()),
        engine=engine(),
        features=files.features(),
        packages=packages,
        held_at=files.held_at(),
        sources=files.sources(),
        **found,
    )
