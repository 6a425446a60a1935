# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image from an OCI archive or layout on the node: verified blob by blob, then given to the engine as a stream."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tarfile
import typing as t

from .errors import NodeError

_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")


class _Layout:
    """Reads members of an OCI layout, a directory or a tar file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._tar: t.Optional[tarfile.TarFile] = None
        if not os.path.exists(path):
            raise NodeError(
                "fetch",
                f"archive {path} is not on this node: copy it there, or take `archive` out to pull from the registry",
            )
        if not os.path.isdir(path):
            try:
                self._tar = tarfile.open(path, "r:")  # noqa: SIM115 # pylint: disable=consider-using-with
            except (tarfile.TarError, OSError) as exc:
                raise NodeError("fetch", f"archive {path} is not an OCI archive (an uncompressed tar): {exc}") from None

    def close(self) -> None:
        if self._tar is not None:
            self._tar.close()

    def open(self, name: str) -> t.Tuple[t.IO[bytes], int]:
        try:
            if self._tar is None:
                path = os.path.join(self.path, name)
                return open(path, "rb"), os.path.getsize(path)
            member = self._tar.getmember(name)
            handle = self._tar.extractfile(member)
            if handle is None:
                raise KeyError(name)
            return handle, member.size
        except (KeyError, OSError, tarfile.TarError):
            raise NodeError(
                "verify", f"archive {self.path}: {name} is missing or cut short; copy the archive again"
            ) from None

    def blob(self, digest: str) -> t.Tuple[t.IO[bytes], int]:
        return self.open("blobs/sha256/" + digest.split(":", 1)[1])

    def json(self, digest: str) -> t.Any:
        handle, dummy = self.blob(digest)
        with handle:
            data = handle.read()
        self._compare(digest, hashlib.sha256(data).hexdigest())
        return json.loads(data)

    def verify(self, digest: str) -> None:
        handle, dummy = self.blob(digest)
        summed = hashlib.sha256()
        with handle:
            for chunk in iter(lambda: handle.read(1 << 20), b""):
                summed.update(chunk)
        self._compare(digest, summed.hexdigest())

    def _compare(self, digest: str, found: str) -> None:
        if digest != "sha256:" + found:
            raise NodeError(
                "verify",
                f"archive {self.path}: a blob has digest sha256:{found[:12]}..., the manifest says {digest[:19]}...: it is damaged, copy it again",
            )


@contextlib.contextmanager
def opened(path: str) -> t.Iterator[_Layout]:
    layout = _Layout(path)
    try:
        yield layout
    finally:
        layout.close()


def _find_manifest(layout: _Layout, digest: str) -> dict:
    handle, dummy = layout.open("index.json")
    try:
        with handle:
            known = [item["digest"] for item in json.loads(handle.read())["manifests"]]
    except (ValueError, KeyError, TypeError):
        raise NodeError(
            "verify", f"archive {layout.path}: its index.json is no index of images; copy the archive again"
        ) from None
    if digest not in known:
        raise NodeError(
            "verify",
            f"archive {layout.path} holds {', '.join(item[:19] for item in known) or 'nothing'}, the release asks for {digest}: bring its own archive",
        )
    manifest = layout.json(digest)
    if manifest.get("mediaType") in _INDEXES or "manifests" in manifest:
        raise NodeError(
            "verify",
            f"archive {layout.path}: {digest[:19]} is an index of several platforms; name the digest of one platform's manifest",
        )
    return manifest


class OciImage:
    """One verified image of an archive."""

    def __init__(self, path: str, digest: str) -> None:
        self.path = path
        with opened(path) as layout:
            manifest = _find_manifest(layout, digest)
        try:
            self.config = manifest["config"]["digest"]
            self.layers = [item["digest"] for item in manifest["layers"]]
            self.size = sum(int(item.get("size") or 0) for item in manifest["layers"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NodeError(
                "verify", f"archive {path}: {digest[:19]} is no image: its manifest lacks config or layers"
            ) from None

    def verify(self) -> None:
        """:raises NodeError: verify, where a blob is not what its digest says."""
        with opened(self.path) as layout:
            layout.json(self.config)
            for digest in self.layers:
                layout.verify(digest)

    def write(self, sink: t.IO[bytes], reference: str) -> None:
        """Writes what `docker load` of every supported version reads: the blobs and a manifest.json that names them."""
        names = {digest: "blobs/sha256/" + digest.split(":", 1)[1] for digest in [self.config, *self.layers]}
        manifest = [
            {"Config": names[self.config], "RepoTags": [reference], "Layers": [names[item] for item in self.layers]}
        ]
        with opened(self.path) as layout, tarfile.open(fileobj=sink, mode="w|") as tar:
            for digest, name in names.items():
                handle, size = layout.blob(digest)
                member = tarfile.TarInfo(name)
                member.size = size
                with handle:
                    tar.addfile(member, handle)
            data = json.dumps(manifest).encode("utf-8")
            member = tarfile.TarInfo("manifest.json")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
