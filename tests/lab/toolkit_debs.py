# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real NVIDIA container toolkit as .deb files under their real names.

Programs are installed from the toolkit's Go module at its tag; units, presets and maintainer scripts are the files of the
same module. Two of the four packages hold C libraries that are not in the module: here they hold a README that says so.
The result is cached by the hash of the recipe.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.lab.plan import LabError
from tests.lab.progress import alone, step

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "toolkit"
MODULE = "github.com/NVIDIA/nvidia-container-toolkit"
PROGRAMS = ("nvidia-ctk", "nvidia-container-runtime", "nvidia-container-runtime-hook", "nvidia-cdi-hook")
VERSIONS = ("1.19.1", "1.20.0")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
BUILD_SECONDS = 900

# What each package depends on, as packaging/debian/control of the module says, and those of the libraries as theirs do.
DEPENDS = {
    "nvidia-container-toolkit": "nvidia-container-toolkit-base (= {v}), libnvidia-container-tools (= {v}), "
    "libnvidia-container-tools (<< 2.0.0)",
    "nvidia-container-toolkit-base": "libc6",
    "libnvidia-container-tools": "libnvidia-container1 (>= {v}), libc6",
    "libnvidia-container1": "libc6",
}
FILES = {
    "nvidia-container-toolkit-base": {
        "nvidia-container-runtime": "usr/bin",
        "nvidia-ctk": "usr/bin",
        "nvidia-cdi-hook": "usr/bin",
        "nvidia-cdi-refresh.env": "etc/nvidia-container-toolkit",
    },
    "nvidia-container-toolkit": {"nvidia-container-runtime-hook": "usr/bin"},
}
STAND_IN = """This package stands for the real {name} {version} in a test lab and holds nothing but this file.
The real one has programs and libraries in C, which the Go module of the toolkit does not contain.
"""
# What debhelper (dh_installsystemd) puts in the place of its mark, for units that are enabled and started.
ENABLE = """if [ "$1" = configure ]; then
    for unit in nvidia-cdi-refresh.path nvidia-cdi-refresh.service; do
        deb-systemd-helper unmask "$unit" >/dev/null || true
        deb-systemd-helper enable "$unit" >/dev/null || true
    done
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload >/dev/null || true
        deb-systemd-invoke start nvidia-cdi-refresh.path nvidia-cdi-refresh.service >/dev/null || true
    fi
fi
"""


class Unavailable(Exception):
    """The toolkit cannot be had here; the text is the reason shown for the skipped tests."""


def build(version: str) -> list[Path]:
    """The four packages of that version."""
    folder = CACHE / f"{version}-{_recipe(version)}"
    if not folder.exists():
        with alone(CACHE / f"{version}.lock", f"build the NVIDIA container toolkit {version}"):
            if not folder.exists():
                with step(f"NVIDIA container toolkit {version} from its Go module"):
                    _build(version, folder)
    return sorted(folder.glob("*.deb"))


def _recipe(version: str) -> str:
    text = Path(__file__).read_text(encoding="utf-8") + version + platform.machine()
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _go(argv: list[str], environment: dict[str, str]) -> str:
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise Unavailable("NVIDIA container toolkit: there is no Go toolchain here (go)")
    try:
        done = subprocess.run(
            [go, *argv],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"NVIDIA container toolkit: go {argv[0]} did not end within {BUILD_SECONDS} s") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no output"]
        raise Unavailable(
            f"NVIDIA container toolkit: go {argv[0]} failed, so there is no module proxy or no C compiler: {lines[0]}"
        )
    return done.stdout


def _build(version: str, folder: Path) -> None:
    if platform.machine() not in ARCHITECTURES or not shutil.which("dpkg-deb"):
        raise Unavailable("NVIDIA container toolkit: packages are made on Debian or Ubuntu, for amd64 and arm64")
    with tempfile.TemporaryDirectory(prefix="build-", dir=CACHE) as work:
        programs = Path(work) / "bin"
        wanted = [f"{MODULE}/cmd/{name}@v{version}" for name in PROGRAMS]
        # Nodes have older processors and no libraries of this machine but libc.
        _go(
            ["install", "-trimpath", f"-ldflags=-s -w -X {MODULE}/internal/info.version={version}", *wanted],
            {"GOBIN": str(programs), "GOFLAGS": "-mod=mod", "CGO_ENABLED": "1"},
        )
        source = (
            Path(_go(["env", "GOMODCACHE"], {}).strip())
            / f"github.com/!n!v!i!d!i!a/nvidia-container-toolkit@v{version}"
        )
        result = Path(work) / "debs"
        result.mkdir()
        for name in DEPENDS:
            _pack(name, f"{version}-1", _tree(Path(work) / name, name, version, programs, source), result)
        result.rename(folder)


def _tree(root: Path, name: str, version: str, programs: Path, source: Path) -> Path:
    """What the package installs, and its maintainer scripts."""
    (root / "DEBIAN").mkdir(parents=True)
    if name not in FILES:
        readme = root / "usr/share/doc" / name / "README"
        readme.parent.mkdir(parents=True)
        readme.write_text(STAND_IN.format(name=name, version=version), encoding="utf-8")
        return root
    for file, target in FILES[name].items():
        _copy(programs / file if file in PROGRAMS else source / "deployments/systemd" / file, root / target / file)
    packaging = source / "packaging/debian"
    if name == "nvidia-container-toolkit-base":
        _units(root, source, packaging)
    for script in ("postinst", "postrm"):
        text = packaging / f"{name}.{script}"
        if text.exists():
            _script(root, script, text.read_text(encoding="utf-8"), packaging, f"{version}-1")
    return root


def _units(root: Path, source: Path, packaging: Path) -> None:
    for line in (packaging / "nvidia-container-toolkit-base.install").read_text(encoding="utf-8").splitlines():
        file, folder = line.split()
        if file.endswith((".service", ".path")):
            target = folder.strip("/").replace("lib/systemd", "usr/lib/systemd", 1)
            _copy(source / "deployments/systemd" / file, root / target / file)


def _script(root: Path, script: str, text: str, packaging: Path, version: str) -> None:
    """The module's script, with what debhelper puts in it: the units' start, and conffiles that moved away."""
    inserted = ""
    removals = packaging / "nvidia-container-toolkit-base.maintscript"
    if root.name == "nvidia-container-toolkit-base" and removals.exists():
        lines = [
            line.split() for line in removals.read_text(encoding="utf-8").replace("@VERSION@", version).splitlines()
        ]
        helper = "".join(f'dpkg-maintscript-helper {" ".join(words)} -- "$@"\n' for words in lines)
        for other in ("preinst", "postrm"):
            _write(root / "DEBIAN" / other, f"#!/bin/sh\nset -e\n{helper}")
        inserted = helper + ENABLE
    _write(root / "DEBIAN" / script, text.replace("#DEBHELPER#", inserted))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if source.name in PROGRAMS else 0o644)


def _pack(name: str, version: str, root: Path, result: Path) -> None:
    architecture = ARCHITECTURES[platform.machine()]
    control = {
        "Package": name,
        "Version": version,
        "Architecture": architecture,
        "Maintainer": "physical_ai.edge lab <lab@example.com>",
        "Depends": DEPENDS[name].format(v=version),
        "Section": "utils",
        "Priority": "optional",
        "Description": f"{name} of the NVIDIA container toolkit, packed for a test lab",
    }
    if name.startswith("nvidia"):
        old = "nvidia-container-runtime (<= 3.5.0-1), nvidia-container-runtime-hook"
        control.update(Breaks=old, Replaces=old)
    text = "".join(f"{key}: {value}\n" for key, value in control.items())
    (root / "DEBIAN/control").write_text(text, encoding="utf-8")
    conffiles = [f"/{path.relative_to(root)}" for path in sorted((root / "etc").rglob("*")) if path.is_file()]
    if conffiles:
        (root / "DEBIAN/conffiles").write_text("\n".join(conffiles) + "\n", encoding="utf-8")
    target = result / f"{name}_{version}_{architecture}.deb"
    argv = ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(root), str(target)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{target.name}: {done.stderr.strip().splitlines()[-1]}")
