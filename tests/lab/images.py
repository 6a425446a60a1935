# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images built from folders of this repository, cached by the hash of what they are made of."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

import docker
from docker import errors

from tests.lab import base
from tests.lab.plan import LabError
from tests.lab.progress import step

FOLDER = Path(__file__).resolve().parent / "images"

# What an image of the tiny set does. Versions belong to the variants that serve.
TINY_VARIANTS = {
    "ok": "serves: ready, version, metrics, and the right answer",
    "wrong": "serves, ready, but gives wrong answers",
    "slow": "serves, ready, but every answer takes 2 s and the metrics say so",
    "bad": "runs but is never ready",
    "crash": "prints one line and exits with 3",
    "migrate": "migrates /data, then fails with 4",
    "slowstop": "serves; needs 8 s to stop",
}


@dataclass(frozen=True)
class Context:
    """A build context: names to content and mode, so that its hash does not depend on the checkout."""

    files: tuple[tuple[str, bytes, bool], ...]

    @classmethod
    def of(cls, folder: Path, extra: t.Mapping[str, bytes] | None = None) -> Context:
        found = [
            (str(path.relative_to(folder)), path.read_bytes(), os.access(path, os.X_OK))
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]
        found += [(name, content, True) for name, content in sorted((extra or {}).items())]
        return cls(tuple(found))

    def digest(self, buildargs: t.Mapping[str, str]) -> str:
        total = hashlib.sha256()
        for name, content, executable in self.files:
            total.update(f"{name}\0{executable}\0{len(content)}\0".encode() + content)
        for name, value in sorted(buildargs.items()):
            total.update(f"{name}={value}\0".encode())
        return total.hexdigest()[:12]

    def tar(self) -> io.BytesIO:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name, content, executable in self.files:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                member.mode = 0o755 if executable else 0o644
                archive.addfile(member, io.BytesIO(content))
        stream.seek(0)
        return stream


def build_folder(
    client: docker.DockerClient,
    folder: Path,
    name: str,
    buildargs: t.Mapping[str, str] | None = None,
    extra: t.Mapping[str, bytes] | None = None,
) -> str:
    """Builds `folder` unless that content is built already; returns the tag, `name` with the hash appended.

    `name` is repository:word. The classic builder is enough (Docker 20.10), and nothing is pulled.
    """
    context = Context.of(folder, extra)
    tag = f"{name}-{context.digest(buildargs or {})}"
    if base.exists(client, tag):
        return tag
    with step(f"image {tag}"):
        try:
            client.images.build(
                fileobj=context.tar(),
                custom_context=True,
                tag=tag,
                buildargs=dict(buildargs or {}),
                rm=True,
                forcerm=True,
                labels={"physical-ai.lab.image": name.partition(":")[0]},
            )
        except errors.BuildError as exc:
            raise LabError(f"image {tag}: {exc.msg}") from exc
    return tag


def node(client: docker.DockerClient, release: str) -> str:
    """The image of a node with this Debian release; returns its tag."""
    arguments = {"BASE": base.build(client, base.NODES[release]), "SERVICES": services(client)}
    return build_folder(client, FOLDER / "node", f"{base.REPOSITORY}/node:{release}", arguments)


def services(client: docker.DockerClient) -> str:
    """The image of the registry and of the package cache; returns its tag."""
    return base.build(client, base.SERVICES)


def tiny(client: docker.DockerClient, variant: str = "ok", version: str = "1") -> str:
    """A few megabytes that start in milliseconds: busybox from Debian and nothing else; returns the tag."""
    if variant not in TINY_VARIANTS:
        raise LabError(f"tiny image: no variant '{variant}'; there are {', '.join(TINY_VARIANTS)}")
    busybox = base.read_file(client, services(client), "/bin/busybox")
    return build_folder(
        client,
        FOLDER / "tiny",
        f"{base.REPOSITORY}/tiny:{variant}-{version}",
        {"VARIANT": variant, "VERSION": version},
        {"busybox": busybox},
    )


def tls(client: docker.DockerClient) -> str:
    """A server with the certificate of its workload, which serves its secrets; returns the tag."""
    return build_folder(client, FOLDER / "tls", f"{base.REPOSITORY}/tls:1", {"SERVICES": services(client)})


def built(client: docker.DockerClient) -> list[str]:
    """Tags of every image that the lab made on this machine."""
    return sorted(tag for image in client.images.list() for tag in image.tags if tag.startswith(f"{base.REPOSITORY}/"))


def remove(client: docker.DockerClient) -> list[str]:
    """Removes them all; what a container still uses stays. Returns what stayed."""
    for tag in reversed(built(client)):
        try:
            client.images.remove(tag)
        except errors.APIError as exc:
            if exc.status_code != 409:
                raise
    return built(client)
