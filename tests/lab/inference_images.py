# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the inference images of tests/lab/images/inference with local means: mmdebstrap, pip and the engine.

    python -m tests.lab.inference_images        builds what is missing and prints one line per image

Everything is keyed by the content it is made from, so a second call does nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker import errors

from tests.lab import base, engine
from tests.lab.plan import LabError
from tests.lab.progress import step

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = Path(__file__).resolve().parent / "images" / "inference"
CACHE = REPOSITORY / ".cache" / "inference"
NAME = f"{base.REPOSITORY}/inference"
VARIANTS = ("v1", "v2", "v3", "v3-slow", "v3-errors", "slow")

# The image's own interpreter, whatever the build machine runs: wheels are chosen for it.
SUITE, PYTHON = "bookworm", "3.11"
PACKAGES = "python3,libstdc++6,ca-certificates"


@dataclass(frozen=True)
class Inference:
    """What a build gives: image tags by variant, and the folder with digits.json and report.json."""

    tags: dict[str, str]
    data: Path

    @property
    def digits(self) -> Path:
        return self.data / "digits.json"

    def accuracy(self) -> dict[str, float]:
        report: dict[str, dict[str, float]] = json.loads((self.data / "report.json").read_text())
        return report["accuracy"]


def golden() -> dict[str, Any]:
    """The golden request and its expected answer, as the `inference` probe takes them."""
    loaded: dict[str, Any] = json.loads((SOURCE / "golden.json").read_text())
    return loaded


def content_hash(names: Sequence[str], *words: str) -> str:
    digest = hashlib.sha256()
    for word in words:
        digest.update(word.encode() + b"\0")
    for name in names:
        digest.update(name.encode() + b"\0" + (SOURCE / name).read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def runtime_hash() -> str:
    names = ("Dockerfile.runtime", "requirements-runtime.txt", "server.py")
    return content_hash(names, SUITE, PYTHON, PACKAGES, platform.machine())


def model_hash() -> str:
    names = ("Dockerfile.model", "golden.json", "requirements-train.txt", "train.py")
    return content_hash(names, runtime_hash())


def bootstrap(client: docker.DockerClient, folder: Path) -> None:
    """base.tar: only what Python needs, without a shell or a package manager's state."""
    engine.need_program("mmdebstrap", "mmdebstrap")
    keyring = folder / "keyring.gpg"
    keyring.write_bytes(base.read_file(client, base.build(client, base.SERVICES), base.KEYRING))
    recipe = base.Recipe("inference", SUITE, (), keep_lists=False)
    command = ["mmdebstrap", "--quiet", "--variant=extract", f"--include={PACKAGES}", f"--keyring={keyring}"]
    command.append("--dpkgopt=path-exclude=/usr/share/doc/*")
    proxy = engine.apt_proxy()
    if proxy:
        command.append(f'--aptopt=Acquire::http::Proxy "{proxy}"')
    with (folder / "base.tar").open("wb") as archive:
        done = subprocess.run(
            engine.as_root([*command, SUITE, "-", *recipe.sources]),
            stdout=archive,
            stderr=subprocess.PIPE,
            check=False,
            timeout=900,
        )
    keyring.unlink()
    if done.returncode:
        raise LabError(f"base of the inference image: mmdebstrap failed: {last_line(done.stderr.decode())}")


def last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()] or ["no output"]
    return next((line for line in reversed(lines) if line.startswith(("E: ", "ERROR: "))), lines[-1])


def pip_install(requirements: str, target: Path) -> None:
    """Wheels for the image's interpreter, not for the one that runs this."""
    machine = platform.machine()
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in (28, 27, 17)] + [f"manylinux2014_{machine}"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--implementation=cp"]
    command += [f"--python-version={PYTHON}", *(f"--platform={name}" for name in platforms)]
    command += ["--target", str(target), "--requirement", str(SOURCE / requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        raise LabError(f"packages of {requirements}: pip failed: {last_line(done.stderr)}")


def build_image(client: docker.DockerClient, dockerfile: str, context: Path, tag: str, **buildargs: str) -> None:
    shutil.copy(SOURCE / dockerfile, context / "Dockerfile")
    try:
        client.images.build(
            path=str(context),
            tag=tag,
            buildargs=buildargs,
            network_mode="none",
            rm=True,
            forcerm=True,
            labels={"physical-ai.lab.image": NAME},
        )
    except errors.BuildError as exc:
        raise LabError(f"image {tag}: {exc.msg}") from exc


def build_runtime(client: docker.DockerClient) -> str:
    """The image that all variants share."""
    tag = f"{NAME}:runtime-{runtime_hash()}"
    if base.exists(client, tag):
        return tag
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="runtime-") as folder:
        context = Path(folder)
        with step(f"inference image: base system ({SUITE}, Python {PYTHON})"):
            bootstrap(client, context)
        with step("inference image: ONNX Runtime and the server's packages"):
            pip_install("requirements-runtime.txt", context / "packages")
        shutil.copy(SOURCE / "server.py", context)
        with step(f"image {tag}"):
            build_image(client, "Dockerfile.runtime", context, tag)
    return tag


def train(client: docker.DockerClient, runtime: str) -> Path:
    """The folder with all models and the client's data, trained inside the runtime image: same numbers on any host."""
    folder = CACHE / f"models-{model_hash()}"
    if (folder / "report.json").is_file():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="train-") as work:
        packages, out = Path(work) / "packages", Path(work) / "out"
        out.mkdir()
        with step("inference models: packages for the training"):
            pip_install("requirements-train.txt", packages)
        with step("inference models: train v1, v2 and v3 on scikit-learn's digits"):
            run_training(client, runtime, packages, out)
        shutil.rmtree(folder, ignore_errors=True)
        out.rename(folder)
    return folder


def run_training(client: docker.DockerClient, runtime: str, packages: Path, out: Path) -> None:
    try:
        client.containers.run(
            runtime,
            entrypoint=["/usr/bin/python3", "/source/train.py", "/out"],
            user=f"{os.getuid()}:{os.getgid()}",
            environment={"PYTHONPATH": "/train:/opt/inference/packages"},
            volumes={
                str(packages): {"bind": "/train", "mode": "ro"},
                str(SOURCE): {"bind": "/source", "mode": "ro"},
                str(out): {"bind": "/out", "mode": "rw"},
            },
            network_mode="none",
            remove=True,
            stderr=True,
        )
    except errors.ContainerError as exc:
        raise LabError(f"training of the inference models failed: {last_line((exc.stderr or b'').decode())}") from exc


def build(client: docker.DockerClient, variants: Sequence[str] = VARIANTS) -> Inference:
    """Build what is missing; idempotent."""
    unknown = sorted(set(variants) - set(VARIANTS))
    if unknown:
        raise LabError(f"inference image: no variant {', '.join(unknown)}; there are {', '.join(VARIANTS)}")
    runtime = build_runtime(client)
    data = train(client, runtime)
    tags = {}
    for variant in variants:
        tags[variant] = f"{NAME}:{variant}-{model_hash()}"
        if not base.exists(client, tags[variant]):
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="model-") as context, step(f"image {tags[variant]}"):
                shutil.copytree(data / variant, Path(context) / "model")
                build_image(client, "Dockerfile.model", Path(context), tags[variant], RUNTIME=runtime)
    return Inference(tags, data)


def main() -> int:
    try:
        built = build(engine.client())
    except LabError as exc:
        print(f"lab: {exc}", file=sys.stderr)
        return 1
    for variant, tag in built.tags.items():
        print(f"{variant:10} {tag}")
    accuracy = ", ".join(f"{version} {value:.1%}" for version, value in built.accuracy().items())
    print(f"accuracy on unseen images: {accuracy}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
