# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings images and models onto the node, verified and durable, while nothing that runs is touched."""

from __future__ import annotations

import functools
import time
import typing as t

from . import models, secrets
from .archive import OciImage
from .engine import Engine, Image, Info
from .errors import NodeError
from .files import Paths, sync_file_system

_TRIES = 3
_BACK_OFF = 2.0
_FINAL = (
    "manifest unknown",
    "not found",
    "unauthorized",
    "denied",
    "x509",
    "certificate",
    "invalid reference",
    "no space left",
)
FETCH_TIMEOUT = 3600.0


def reference(spec: t.Mapping[str, t.Any]) -> str:
    return f"{spec['image']}@{spec['digest']}"


def local_tag(spec: t.Mapping[str, t.Any]) -> str:
    """The name under which an image from an archive is known to the engine."""
    return f"physical-ai.edge/archive:{spec['digest'][7:]}"


class Fetcher:
    """
    :param images: what is known to be whole and durable, reference -> image id; new ones are added.
    :param tenant: whose pull credentials count, where it has its own.
    :param suspects: references whose transfer a power cut broke off: their layers are read through before they count.
    """

    def __init__(
        self,
        engine: Engine,
        info: Info,
        paths: Paths,
        images: t.Dict[str, str],
        suspects: t.List[str],
        tenant: str = "",
    ) -> None:
        self._engine = engine
        self._info = info
        self._paths = paths
        self._images = images
        self._suspects = suspects
        self._tenant = tenant

    @property
    def credentials(self) -> str:
        """Directory of the tenant's own client configuration, or nothing."""
        return secrets.pull_credentials(self._paths, self._tenant) if self._tenant else ""

    def have(self, spec: t.Mapping[str, t.Any]) -> t.Optional[str]:
        """Image id where the image is here, whole and durable."""
        known = self._images.get(reference(spec))
        return known if known is not None and self._engine.image(known) is not None else None

    def image(self, spec: t.Mapping[str, t.Any]) -> str:
        """Fetches one image and returns its id; it survives a power cut when this returns."""
        known = self.have(spec)
        if known is not None:
            return known
        image_id = self._from_archive(spec) if "archive" in spec else self._from_registry(spec)
        sync_file_system(self._info.root)
        if self._info.containerd_store:
            sync_file_system("/var/lib/containerd")
        self._images[reference(spec)] = image_id
        return image_id

    def _from_registry(self, spec: t.Mapping[str, t.Any]) -> str:
        wanted = reference(spec)
        return self._whole(wanted, self._engine.image(wanted), lambda: self._pull(wanted))

    def _whole(self, wanted: str, found: t.Optional[Image], bring: t.Callable[[], None]) -> str:
        """Brings the image where it is not here, and reads it through where its layers may be older than a power cut."""
        doubtful = found is not None or bool(self._suspects)
        if found is None:
            bring()
            found = self._engine.image(wanted)
        if found is None:
            raise NodeError("verify", f"image {wanted} was fetched, but the engine does not know it by this name")
        if doubtful and not self._engine.reads_whole(found.id, FETCH_TIMEOUT):
            self._engine.remove_image(wanted)
            bring()
            found = self._engine.image(wanted)
            if found is None or not self._engine.reads_whole(found.id, FETCH_TIMEOUT):
                raise NodeError(
                    "verify",
                    f"image {wanted} is damaged on this node, and fetched again it still is: `docker image rm` the images that share its layers",
                )
        return found.id

    def _pull(self, wanted: str) -> None:
        for attempt in range(1, _TRIES + 1):
            done = self._engine.pull(wanted, FETCH_TIMEOUT, self.credentials)
            if done.code == 0:
                return
            said = done.said
            if any(word in said.lower() for word in _FINAL) or attempt == _TRIES:
                raise NodeError("fetch", f"image {wanted} cannot be pulled: {said}. {_advice(said, self._tenant)}")
            time.sleep(_BACK_OFF * attempt)

    def _from_archive(self, spec: t.Mapping[str, t.Any]) -> str:
        image = OciImage(spec["archive"], spec["digest"])
        image.verify()
        tag = local_tag(spec)
        load = functools.partial(self._engine.load, lambda sink: image.write(sink, tag), FETCH_TIMEOUT)
        found = self._whole(tag, self._engine.image(tag), load)
        if found not in (image.config, spec["digest"]) and not self._info.containerd_store:
            raise NodeError(
                "verify",
                f"archive {spec['archive']}: the engine made image {found[:19]}, the manifest says {image.config[:19]}",
            )
        return found

    def model(self, model: t.Mapping[str, t.Any]) -> str:
        """Brings one model into the store and returns its directory."""
        return models.bring(self._paths, model)


def _advice(said: str, tenant: str = "") -> str:
    low = said.lower()
    if "manifest unknown" in low or "not found" in low:
        return "The registry has no such image or digest: correct the release, or push the image."
    if "unauthorized" in low or "denied" in low:
        whose = f"the pull credentials of tenant {tenant} (role secrets)" if tenant else "its pull credentials"
        return (
            f"The registry refuses this node: check {whose}, or /etc/physical-ai/docker/config.json where it has none."
        )
    if "x509" in low or "certificate" in low:
        return "The registry's certificate is not trusted: give its CA to the role docker_engine (docker_engine_registries)."
    if "no space" in low:
        return "The disk is full: free some."
    return "Is the registry up and can this node reach it? What runs is left as it is."
