# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How large an image is, asked from its registry before anything is transferred.

Only two small documents are read: the manifest and the image's configuration. Where they cannot be had, the answer is
None, and the pull itself will say why.
"""

from __future__ import annotations

import glob
import json
import os
import platform
import re
import ssl
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

_ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
_TIMEOUT = 15


@dataclass(frozen=True)
class RemoteImage:
    """Layers as (uncompressed digest, compressed bytes)."""

    layers: t.Tuple[t.Tuple[str, int], ...]

    def missing(self, have: t.Collection[str]) -> int:
        """Compressed bytes that are still to be fetched."""
        return sum(size for diff_id, size in self.layers if diff_id not in have)


def split(image: str) -> t.Tuple[str, str, str]:
    """(registry as the engine names it, host to ask, repository)."""
    first, slash, rest = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host = "registry-1.docker.io" if first == "docker.io" else first
        return first, host, rest
    return "docker.io", "registry-1.docker.io", image if slash else "library/" + image


def _context(registry: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    directory = "/etc/docker/certs.d/" + registry
    for path in glob.glob(directory + "/*.crt"):
        context.load_verify_locations(path)
    for path in glob.glob(directory + "/*.cert"):
        context.load_cert_chain(path, path[: -len(".cert")] + ".key")
    return context


def _credentials(registry: str, configuration: str) -> str:
    path = os.path.join(configuration or os.environ.get("DOCKER_CONFIG", "/root/.docker"), "config.json")
    try:
        with open(path, encoding="utf-8") as handle:
            auths = json.load(handle).get("auths") or {}
    except (OSError, ValueError):
        return ""
    return (
        auths.get(registry) or auths.get("https://index.docker.io/v1/" if registry == "docker.io" else "") or {}
    ).get("auth") or ""


class _Session:
    def __init__(self, registry: str, host: str, configuration: str) -> None:
        self._host = host
        self._context = _context(registry)
        self._basic = _credentials(registry, configuration)
        self._header = f"Basic {self._basic}" if self._basic else ""

    def get(self, path: str) -> bytes:
        try:
            return self._get(f"https://{self._host}/v2/{path}", self._header)
        except urllib.error.HTTPError as exc:
            challenge = exc.headers.get("WWW-Authenticate", "")
            if exc.code != 401 or not challenge.lower().startswith("bearer"):
                raise
            self._header = "Bearer " + self._token(challenge)
            return self._get(f"https://{self._host}/v2/{path}", self._header)

    def _get(self, url: str, header: str) -> bytes:
        request = urllib.request.Request(url, headers={"Accept": _ACCEPT})  # noqa: S310 # https only, see get
        if header:
            request.add_unredirected_header("Authorization", header)
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=self._context))
        with opener.open(request, timeout=_TIMEOUT) as answer:
            return answer.read(8 << 20)

    def _token(self, challenge: str) -> str:
        parts = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        query = urllib.parse.urlencode({key: parts[key] for key in ("service", "scope") if key in parts})
        answer = json.loads(self._get(f"{parts['realm']}?{query}", f"Basic {self._basic}" if self._basic else ""))
        return answer.get("token") or answer.get("access_token") or ""


def _for_this_machine(index: t.Mapping[str, t.Any]) -> str:
    machine = _MACHINES.get(platform.machine(), platform.machine())
    for item in index["manifests"]:
        if (item.get("platform") or {}).get("architecture") == machine:
            return item["digest"]
    return ""


def look_up(image: str, digest: str, configuration: str = "") -> t.Optional[RemoteImage]:
    """The layers of an image, or None where the registry does not say.

    :param configuration: directory of the client configuration that has the credentials, where it is not the node's own.
    """
    registry, host, repository = split(image)
    try:
        session = _Session(registry, host, configuration)
        manifest = json.loads(session.get(f"{repository}/manifests/{digest}"))
        if "manifests" in manifest:
            manifest = json.loads(session.get(f"{repository}/manifests/{_for_this_machine(manifest)}"))
        config = json.loads(session.get(f"{repository}/blobs/{manifest['config']['digest']}"))
        sizes = [int(item["size"]) for item in manifest["layers"]]
        return RemoteImage(tuple(zip(config["rootfs"]["diff_ids"], sizes)))
    except (OSError, ValueError, KeyError, TypeError, ssl.SSLError):
        return None
