# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that come as files: what is whole is given to the engine, what is not is one line."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._node import archive, registry
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError

LAYERS = (b"first layer", b"second layer")


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def encoded(value: t.Any) -> bytes:
    return json.dumps(value).encode("utf-8")


def blob(name: str) -> str:
    return "blobs/sha256/" + name[7:]


def layout(index_of: str = "") -> t.Tuple[str, t.Dict[str, bytes]]:
    """Digest of the manifest, and the files of a layout; `index_of` puts an index of platforms in the manifest's place."""
    config = encoded({"rootfs": {}})
    manifest: t.Dict[str, t.Any] = {
        "schemaVersion": 2,
        "config": {"digest": digest(config)},
        "layers": [{"digest": digest(layer), "size": len(layer)} for layer in LAYERS],
    }
    if index_of:
        manifest = {"manifests": [{"digest": digest(config), "platform": {"architecture": index_of}}]}
    text = encoded(manifest)
    files = {blob(digest(content)): content for content in (config, text, *LAYERS)}
    files["index.json"] = encoded({"manifests": [{"digest": digest(text)}]})
    return digest(text), files


def packed(path: Path, files: t.Mapping[str, bytes]) -> str:
    with tarfile.open(str(path), "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return str(path)


def unpacked(path: Path, files: t.Mapping[str, bytes]) -> str:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return str(path)


@pytest.mark.parametrize("write", [packed, unpacked])
def test_a_whole_image_is_written_as_the_engine_reads_it(
    tmp_path: Path, write: t.Callable[[Path, t.Mapping[str, bytes]], str]
) -> None:
    manifest, files = layout()
    image = archive.OciImage(write(tmp_path / "image", files), manifest)
    image.verify()
    assert (image.size, len(image.layers)) == (sum(map(len, LAYERS)), 2)
    stream = io.BytesIO()
    image.write(stream, "here:1")
    stream.seek(0)
    with tarfile.open(fileobj=stream) as tar:
        (said,) = json.loads(t.cast(t.IO[bytes], tar.extractfile("manifest.json")).read())
        layers = tuple(t.cast(t.IO[bytes], tar.extractfile(name)).read() for name in said["Layers"])
    assert (said["RepoTags"], layers) == (["here:1"], LAYERS)


def damage(files: t.Dict[str, bytes], name: str, content: t.Optional[bytes]) -> t.Dict[str, bytes]:
    changed = dict(files)
    del changed[name]
    if content is not None:
        changed[name] = content
    return changed


@pytest.mark.parametrize("write", [packed, unpacked])
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (blob(digest(LAYERS[1])), b"second layes", "it is damaged, copy it again"),
        (blob(digest(LAYERS[1])), None, "is missing or cut short"),
        ("index.json", None, "index.json is missing"),
        ("index.json", encoded({"manifests": []}), "holds nothing, the release asks for"),
        ("index.json", b"{", "is no index of images"),
        ("index.json", b"[]", "is no index of images"),
    ],
)
def test_what_is_not_whole_is_one_line(
    tmp_path: Path,
    write: t.Callable[[Path, t.Mapping[str, bytes]], str],
    name: str,
    content: t.Optional[bytes],
    words: str,
) -> None:
    manifest, files = layout()
    path = write(tmp_path / "image", damage(files, name, content))
    with pytest.raises(NodeError) as raised:
        archive.OciImage(path, manifest).verify()
    assert words in raised.value.message and path in raised.value.message
    assert "\n" not in raised.value.message


def test_an_index_of_platforms_asks_for_one_of_them(tmp_path: Path) -> None:
    manifest, files = layout("arm64")
    with pytest.raises(NodeError, match="an index of several platforms; name the digest of one platform"):
        archive.OciImage(packed(tmp_path / "image", files), manifest)


@pytest.mark.parametrize(("content", "words"), [(None, "is not on this node"), (b"x" * 600, "is not an OCI archive")])
def test_what_is_no_archive_is_one_line(tmp_path: Path, content: t.Optional[bytes], words: str) -> None:
    path = tmp_path / "image.tar"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NodeError, match=words):
        archive.OciImage(str(path), "sha256:" + "0" * 64)


def test_an_archive_that_ends_early_is_one_line(tmp_path: Path) -> None:
    manifest, files = layout()
    path = packed(tmp_path / "image", dict(files, filler=b"x" * 100000))
    whole = Path(path).read_bytes()
    for length in range(0, len(whole), 700):
        Path(path).write_bytes(whole[:length])
        try:
            archive.OciImage(path, manifest).verify()
        except NodeError as exc:
            assert "\n" not in exc.message and path in exc.message
    Path(path).write_bytes(whole)
    archive.OciImage(path, manifest).verify()


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("registry.example.com/vision/app", ("registry.example.com", "registry.example.com", "vision/app")),
        ("localhost:5000/app", ("localhost:5000", "localhost:5000", "app")),
        ("busybox", ("docker.io", "registry-1.docker.io", "library/busybox")),
        ("grafana/loki", ("docker.io", "registry-1.docker.io", "grafana/loki")),
        ("docker.io/grafana/loki", ("docker.io", "registry-1.docker.io", "grafana/loki")),
    ],
)
def test_where_an_image_comes_from(image: str, parts: t.Tuple[str, str, str]) -> None:
    assert registry.split(image) == parts


def test_only_layers_that_are_not_here_are_counted() -> None:
    image = registry.RemoteImage((("sha256:a", 10), ("sha256:b", 5)))
    assert (image.missing([]), image.missing(["sha256:a"]), image.missing(["sha256:a", "sha256:b"])) == (15, 5, 0)


def test_a_registry_that_does_not_answer_says_nothing() -> None:
    assert registry.look_up("127.0.0.1:1/app", "sha256:" + "0" * 64) is None
