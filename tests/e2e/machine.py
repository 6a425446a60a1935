# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fresh Debian machine, as a container with systemd: it has no container engine and nothing of this project."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import typing as t
from pathlib import Path

from docker import errors

from tests.lab import base, engine
from tests.lab.node import CAPABILITIES
from tests.lab.services import archive

# A cgroup v1 host mounts each hierarchy by itself, and read-only in a container.
_INIT = (
    "mount -o remount,bind,rw /sys/fs/cgroup; for group in /sys/fs/cgroup/*; do "
    "mountpoint -q $group && mount -o remount,bind,rw $group; done; exec /sbin/init"
)
_TMPFS = {"/run": "mode=755,exec", "/run/lock": "mode=1777", "/tmp": "mode=1777,exec"}
_TRUST = Path("/etc/ssl/certs/ca-certificates.crt")
_NETWORK = ("http_proxy", "https_proxy", "no_proxy", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")
CHECKOUT = "/root/checkout"


class CleanMachine:
    """Use as a context manager; everything on it is gone afterwards."""

    def __init__(self, name: str) -> None:
        self._client = engine.client()
        self._name = name
        self._id = ""

    def __enter__(self) -> CleanMachine:
        self._remove()
        api = self._client.api
        trusted = [f"{_TRUST}:{_TRUST}:ro"] if _TRUST.is_file() else []
        host = api.create_host_config(
            cap_add=CAPABILITIES,
            cgroupns="private",
            device_cgroup_rules=["a *:* rwm"],
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            tmpfs=_TMPFS,
            binds=trusted,
        )
        host.update({"MaskedPaths": [], "ReadonlyPaths": []})
        created = api.create_container(
            base.build(self._client, base.NODES["bookworm"]),
            name=self._name,
            hostname=self._name,
            command=["/bin/sh", "-c", _INIT],
            environment={"SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE": "1"},
            stop_signal="SIGRTMIN+3",
            host_config=host,
            # Where overlay on overlay would not do.
            volumes=["/var/lib/docker", CHECKOUT],
        )
        self._id = created["Id"]
        self._client.containers.get(self._id).start()
        self.run("systemctl is-system-running --wait || true", timeout=120)
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def _remove(self) -> None:
        try:
            self._client.containers.get(self._name).remove(force=True, v=True)
        except errors.NotFound:
            return

    def _environment(self) -> dict[str, str]:
        """How this machine reaches the package sources, the new one does too."""
        found = {name: os.environ[name] for name in _NETWORK if name in os.environ}
        if engine.apt_proxy():
            found.setdefault("http_proxy", engine.apt_proxy())
        return found | ({"PIP_CERT": str(_TRUST)} if _TRUST.is_file() else {})

    def run(self, script: str, timeout: float = 600, check: bool = True) -> tuple[int, str]:
        """Exit status and output of a shell script on the machine; the output is shown while it comes."""
        api = self._client.api
        command = ["timeout", "-k", "10", str(timeout), "/bin/sh", "-c", script]
        created = api.exec_create(self._id, command, environment=self._environment(), workdir="/root")
        lines: list[str] = []
        reader = threading.Thread(target=_show, args=(api.exec_start(created["Id"], stream=True), lines), daemon=True)
        reader.start()
        reader.join(timeout + 30)
        code = api.exec_inspect(created["Id"])["ExitCode"]
        output = "".join(lines)
        if check and code != 0:
            raise AssertionError(f"`{script}` ended with {code}:\n{output[-2000:]}")
        return code, output

    def clone(self, repository: Path) -> str:
        """A clone of what is committed in `repository`; returns where it is."""
        with tempfile.TemporaryDirectory() as folder:
            bundle = Path(folder) / "repository.bundle"
            subprocess.run(["git", "-C", repository, "bundle", "create", "-q", bundle, "HEAD"], check=True, timeout=120)
            content = archive({"root/repository.bundle": (bundle.read_bytes(), 0o600)})
        self._client.containers.get(self._id).put_archive("/", content)
        self.run(f"git clone -q /root/repository.bundle {CHECKOUT}/edge 2>&1")
        return f"{CHECKOUT}/edge"


def _show(stream: t.Iterable[bytes], lines: list[str]) -> None:
    for chunk in stream:
        lines.append(chunk.decode(errors="replace"))
        print(lines[-1], end="", flush=True)
