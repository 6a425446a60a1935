# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import io
import json
import tarfile

import pytest

from tests.lab import oci


def tar(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def saved(*layers: bytes) -> bytes:
    """What `docker save` of Docker 20.10 writes, as far as it is read."""
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    manifest = json.dumps([{"Config": "config.json", "RepoTags": ["a:1"], "Layers": names}]).encode()
    return tar({**dict(zip(names, layers, strict=True)), "config.json": b"{}", "manifest.json": manifest})


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as source:
        return {member.name: source.extractfile(member).read() for member in source}  # type: ignore[union-attr]


def test_every_blob_of_the_archive_is_named_by_its_digest_and_reachable_from_the_index() -> None:
    layers = tar({"a": b"1"}), tar({"b": b"2"})
    digest, archive = oci.archive(saved(*layers))
    found = members(archive)
    blobs = {name.rsplit("/", 1)[1]: content for name, content in found.items() if name.startswith("blobs/")}
    assert all(hashlib.sha256(content).hexdigest() == name for name, content in blobs.items())
    (entry,) = json.loads(found["index.json"])["manifests"]
    assert entry["digest"] == digest
    manifest = json.loads(blobs[digest[7:]])
    assert blobs[manifest["config"]["digest"][7:]] == b"{}"
    assert [blobs[layer["digest"][7:]] for layer in manifest["layers"]] == list(layers)


def test_the_digest_is_the_same_for_the_same_image_and_another_for_another() -> None:
    first, again, other = (oci.archive(saved(tar({"a": content})))[0] for content in (b"1", b"1", b"2"))
    assert first == again != other


def test_files_of_later_layers_win() -> None:
    assert oci.files(saved(tar({"a": b"1", "b": b"1"}), tar({"a": b"2"}))) == {"a": b"2", "b": b"1"}


def test_a_layer_that_deletes_files_is_refused() -> None:
    with pytest.raises(ValueError, match=r"etc/\.wh\.passwd"):
        oci.files(saved(tar({"etc/.wh.passwd": b""})))
