# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A signed apt repository on the uplink, flat as NVIDIA's is: http://<address>/stable/deb/<architecture> /"""

from __future__ import annotations

import email.utils
import gzip
import hashlib
import ipaddress
import subprocess
import time
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import docker

from tests.lab import engine, services
from tests.lab.plan import LabError, LabPlan

WORD = "packages"
PORT = 80
HOST_NUMBER = 9  # on the uplink: free, between the services and the gateways
START_SECONDS = 20
FIELDS = "Package Version Architecture Maintainer Depends Breaks Replaces Section Priority Description"


class Key:
    """A signing key of its own, in a folder of its own."""

    def __init__(self, folder: Path, name: str = "lab packages") -> None:
        engine.need_program("gpg", "gnupg")
        self._home = folder
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
            self._gpg("--quick-generate-key", f"{name} <packages@example.com>", "ed25519", "sign", "never")

    def _gpg(self, *argv: str, text: str | None = None) -> str:
        command = [
            "gpg",
            "--homedir",
            str(self._home),
            "--batch",
            "--yes",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]
        done = subprocess.run([*command, *argv], input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"gpg {argv[0]}: {(done.stderr.strip() or 'no output').splitlines()[-1]}")
        return done.stdout

    @property
    def public(self) -> str:
        return self._gpg("--armor", "--export")

    @property
    def fingerprint(self) -> str:
        listed = self._gpg("--with-colons", "--list-keys").splitlines()
        return next(line.split(":")[9] for line in listed if line.startswith("fpr:"))

    def clearsign(self, text: str) -> str:
        return self._gpg("--clearsign", "--digest-algo", "SHA512", "--output", "-", text=text)

    def close(self) -> None:
        """Its agent would outlive the lab."""
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "all"], capture_output=True, check=False)


def stanza(deb: Path) -> str:
    """What the index says of one package."""
    shown = subprocess.run(
        ["dpkg-deb", "--field", str(deb), *FIELDS.split()], capture_output=True, text=True, check=True
    )
    content = deb.read_bytes()
    more = {"Filename": f"./{deb.name}", "Size": len(content), "SHA256": hashlib.sha256(content).hexdigest()}
    return shown.stdout.strip() + "\n" + "".join(f"{key}: {value}\n" for key, value in more.items())


def release(files: dict[str, bytes]) -> str:
    lines = ["Origin: lab", "Label: lab", f"Date: {email.utils.formatdate(usegmt=True)}", "SHA256:"]
    lines += [f" {hashlib.sha256(content).hexdigest()} {len(content)} {name}" for name, content in files.items()]
    return "\n".join(lines) + "\n"


def index(debs: list[Path], key: Key) -> dict[str, bytes]:
    """The files that apt reads, signed."""
    packages = "\n".join(stanza(deb) for deb in debs).encode()
    files = {"Packages": packages, "Packages.gz": gzip.compress(packages, mtime=0)}
    return {**files, "InRelease": key.clearsign(release(files)).encode()}


class AptRepository:
    """Made by the tests that need it; `lab.down()` removes it with the rest."""

    def __init__(self, client: docker.DockerClient, plan: LabPlan, folder: Path) -> None:
        self._client = client
        self._plan = plan
        self.key = Key(folder / "packages-key")
        self.address = str(ipaddress.IPv4Network(plan.uplink_cidr)[HOST_NUMBER])
        # As NVIDIA's list has it: apt puts the architecture in.
        self.uri = f"http://{self.address}/stable/deb/$(ARCH)"

    @property
    def _container(self) -> t.Any | None:
        return services.find(self._client, self._plan.container(WORD))

    def up(self, debs: list[Path], signed_by: Key | None = None) -> None:
        """Serves these packages, signed by its own key or by another."""
        container = self._container or services.create(
            self._client,
            self._plan,
            WORD,
            self.address,
            command=["busybox", "httpd", "-f", "-p", str(PORT), "-h", "/srv"],
        )
        folder = "srv/stable/deb/" + debs[0].stem.rpartition("_")[2]
        files = {deb.name: deb.read_bytes() for deb in debs}
        files.update(index(debs, signed_by or self.key))
        served = {f"{folder}/{name}": (content, 0o644) for name, content in files.items()}
        served["srv/key.asc"] = (self.key.public.encode(), 0o644)
        container.put_archive("/", services.archive(served))
        self.start()

    def start(self) -> None:
        container = self._container
        if container is None:
            raise LabError(f"lab {self._plan.name}: there is no apt repository; run `up` first")
        container.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline:
                raise LabError(f"lab {self._plan.name}: the apt repository does not answer after {START_SECONDS} s")
            time.sleep(0.1)

    def stop(self) -> None:
        """Its machine is gone: nothing listens there any more."""
        container = self._container
        if container is not None and container.status == "running":
            container.kill()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/key.asc", timeout=5) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False
