# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image of the local engine as an OCI archive, the form in which images travel on a stick.

Docker before 25 saves its own format only, so the archive is put together here.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import typing as t

_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def archive(saved: bytes) -> tuple[str, bytes]:
    """From what ``docker save`` of one image wrote: the manifest's digest, and the archive. The same in, the same out."""
    with tarfile.open(fileobj=io.BytesIO(saved)) as source:
        (image,) = json.loads(_read(source, "manifest.json"))
        config = _read(source, image["Config"])
        layers = [_read(source, name) for name in image["Layers"]]
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, config),
            "layers": [_descriptor(_LAYER, layer) for layer in layers],
        }
    )
    blobs = {f"blobs/sha256/{digest(blob)[7:]}": blob for blob in (config, *layers, manifest)}
    index = _json({"schemaVersion": 2, "manifests": [_descriptor(_MANIFEST, manifest)]})
    members = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": index, **blobs}
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return digest(manifest), target.getvalue()


def files(saved: bytes) -> dict[str, bytes]:
    """Path -> content of the regular files of an image, from what ``docker save`` wrote."""
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(saved)) as source:
        (image,) = json.loads(_read(source, "manifest.json"))
        for name in image["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(_read(source, name))) as layer:
                for member in layer:
                    if ".wh." in member.name:
                        raise ValueError(f"image layer: {member.name}: an image that deletes files is not read here")
                    if member.isreg():
                        found[member.name] = _read(layer, member)
    return found


def _descriptor(media_type: str, content: bytes) -> dict[str, t.Any]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def _json(value: t.Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _read(tar: tarfile.TarFile, member: str | tarfile.TarInfo) -> bytes:
    handle = tar.extractfile(member)
    if handle is None:
        raise ValueError(f"archive: {member} is not a file")
    return handle.read()
