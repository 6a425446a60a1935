# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base images straight from Debian packages (mmdebstrap): nothing is pulled from an image registry."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
import typing as t
from dataclasses import asdict, dataclass
from pathlib import Path

import docker
from docker import errors

from tests.lab import engine
from tests.lab.plan import RELEASES, LabError
from tests.lab.progress import alone, step

REPOSITORY = "physical-ai-lab"
MIRROR = os.environ.get("EDGE_LAB_MIRROR", "http://deb.debian.org/debian")
SECURITY_MIRROR = os.environ.get("EDGE_LAB_SECURITY_MIRROR", "http://deb.debian.org/debian-security")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

_NODE_PACKAGES = (
    "systemd systemd-sysv dbus openssh-server python3 python3-apt sudo iproute2 ca-certificates iptables nftables "
    "kmod procps e2fsprogs"
)
_SERVICE_PACKAGES = "apt-cacher-ng docker-registry ca-certificates iproute2 busybox-static debian-archive-keyring tcc"


@dataclass(frozen=True)
class Recipe:
    """What a base image is made of; its tag carries the hash of all of it."""

    name: str
    release: str
    packages: tuple[str, ...]
    keep_lists: bool

    @property
    def sources(self) -> tuple[str, ...]:
        return (
            f"deb {MIRROR} {self.release} main",
            f"deb {MIRROR} {self.release}-updates main",
            f"deb {SECURITY_MIRROR} {self.release}-security main",
        )

    @property
    def tag(self) -> str:
        text = json.dumps([asdict(self), self.sources], sort_keys=True)
        return f"{REPOSITORY}/{self.name}:{self.release}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def command(self, keyring: Path | None) -> list[str]:
        argv = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(self.packages)}"]
        argv.append('--aptopt=Acquire::Languages "none"')
        if keyring:
            argv.append(f"--keyring={keyring}")
        if self.keep_lists:
            # As an installed machine has them: check mode can tell what apt would install.
            argv.append("--skip=cleanup/apt/lists")
        proxy = engine.apt_proxy()
        if proxy:
            argv.append(f'--aptopt=Acquire::http::Proxy "{proxy}"')
        return [*argv, self.release, "-", *self.sources]


SERVICES = Recipe("services-base", "bookworm", tuple(_SERVICE_PACKAGES.split()), keep_lists=False)
NODES = {release: Recipe("node-base", release, tuple(_NODE_PACKAGES.split()), keep_lists=True) for release in RELEASES}


def exists(client: docker.DockerClient, tag: str) -> bool:
    try:
        client.images.get(tag)
    except errors.ImageNotFound:
        return False
    return True


def _import(client: docker.DockerClient, recipe: Recipe, keyring: Path | None) -> None:
    repository, _rest, tag = recipe.tag.partition(":")
    argv = engine.as_root(recipe.command(keyring))
    with tempfile.TemporaryFile() as log, subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log) as process:
        stream = t.cast(t.IO[bytes], process.stdout)
        with tempfile.NamedTemporaryFile(prefix="edge-lab-", suffix=".tar") as archive:
            # Kept until mmdebstrap is done: half an archive must not become an image.
            while chunk := stream.read(1 << 20):
                archive.write(chunk)
            if process.wait() != 0:
                log.seek(0)
                lines = log.read().decode(errors="replace").strip().splitlines() or ["no output"]
                reason = next((line for line in reversed(lines) if line.startswith("E: ")), lines[-1])
                raise LabError(f"image {recipe.tag}: mmdebstrap failed: {reason}; is {MIRROR} reachable?")
            archive.flush()
            client.api.import_image_from_file(archive.name, repository=repository, tag=tag)


def build(client: docker.DockerClient, recipe: Recipe) -> str:
    """Makes the image unless it is there; returns its tag."""
    if exists(client, recipe.tag):
        return recipe.tag
    engine.need_program("mmdebstrap", "mmdebstrap")
    # The keyring of a current Debian knows both releases; an older Ubuntu's does not.
    key = None if recipe == SERVICES else read_file(client, build(client, SERVICES), KEYRING)
    with alone(engine.LABS / f"image-{recipe.name}.lock", f"make {recipe.tag}"):
        if exists(client, recipe.tag):
            return recipe.tag
        with step(f"base image {recipe.tag} from Debian packages"), tempfile.NamedTemporaryFile() as keyring:
            keyring.write(key or b"")
            keyring.flush()
            _import(client, recipe, Path(keyring.name) if key else None)
    return recipe.tag


def read_file(client: docker.DockerClient, image: str, path: str) -> bytes:
    """One file out of an image, without running anything."""
    container = client.api.create_container(image, command=["/bin/true"])
    try:
        stream, _rest = client.api.get_archive(container["Id"], path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            member = archive.next()
            extracted = archive.extractfile(member) if member else None
            if extracted is None:
                raise LabError(f"image {image}: {path} is not a file")
            return extracted.read()
    finally:
        client.api.remove_container(container["Id"], force=True)
