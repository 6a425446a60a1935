# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""People with keys who sign releases, with the real ssh-keygen."""

from __future__ import annotations

import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

NAMESPACE = "physical-ai-release"
DIGEST = "sha256:" + "ab" * 32
MODEL = "cd" * 32


def needed() -> None:
    if not shutil.which("ssh-keygen"):
        pytest.skip("ssh-keygen is not on PATH: install openssh-client")


def keygen(*arguments: str) -> None:
    subprocess.run(["ssh-keygen", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Person:
    """Somebody with a key."""

    def __init__(self, folder: Path, name: str, kind: str = "ed25519") -> None:
        self.folder, self.name, self.path = folder, name, folder / name
        keygen("-q", "-t", kind, "-N", "", "-C", f"{name}@example.com", "-f", str(self.path))
        self.public = self.path.with_suffix(".pub").read_text(encoding="utf-8").strip()

    def sign(self, text: str, namespace: str = NAMESPACE) -> str:
        file = self.folder / f"{self.name}-text"
        file.write_bytes(text.encode("utf-8"))
        signed = file.with_suffix(".sig")
        if signed.exists():
            signed.unlink()
        keygen("-Y", "sign", "-n", namespace, "-f", str(self.path), str(file))
        return signed.read_text(encoding="utf-8")

    def line(self, *tenants: str, namespace: str = NAMESPACE) -> str:
        return f'{",".join(tenants)} namespaces="{namespace}" {self.public}\n'


def release(version: str = "1.0", tenant: str = "quality", digest: str = DIGEST, model: str = MODEL) -> str:
    return f"""# Grüße
release: "{version}"
tenant: {tenant}
models:
  - {{name: net, version: "1", source: /srv/net, sha256: {model}}}
workloads:
  - name: app
    image: registry.example.com/vision/app
    digest: {digest}
    models: [{{name: net, mount: /models/net}}]
"""


def specs(digest: str = DIGEST, model: str = MODEL) -> t.List[t.Dict[str, t.Any]]:
    return [{"name": "app", "digest": digest, "models": [{"name": "net", "sha256": model}]}]
