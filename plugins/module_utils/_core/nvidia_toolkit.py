# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides from a look at the node and from the support matrix what the NVIDIA container toolkit needs there.

Private to this collection: not an interface.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from . import daemon_json, deb, nvidia_node

GPU, JETSON, NONE = "gpu", "jetson", "none"
NAMES = {GPU: "a discrete NVIDIA GPU", JETSON: "a Jetson", NONE: "no NVIDIA GPU"}
RUNTIME = {"nvidia": {"args": [], "path": "nvidia-container-runtime"}}
# Where NVIDIA's own documents of the last years put the repository.
OWN_HOST = re.compile(r"https?://nvidia\.github\.io/(libnvidia-container|nvidia-docker|nvidia-container-runtime)\b")
IMAGE_L4T = re.compile(r"(?:^|[:\-_])r(\d{2})(?:\.\d+)+")
IMAGE_CUDA = re.compile(r"/cuda:(\d+\.\d+)|[:\-_]cu(\d{2})(\d)\b|[:\-_]cuda(\d+\.\d+)")

Matrix = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Look:
    """What was found on the node."""

    architecture: str = "x86_64"
    kernel: str = ""
    l4t: str = ""
    gpu: bool = False
    driver: str = ""
    libraries: t.Sequence[str] = ()
    engine: str = ""  # version of dockerd, or of the package that would be installed; empty where there is neither
    features: t.Mapping[str, t.Any] = field(default_factory=dict)  # of daemon.json
    packages: t.Mapping[str, deb.Package] = field(default_factory=dict)  # everything that is installed
    held_at: str = ""  # the version that this role held last
    sources: t.Mapping[str, str] = field(default_factory=dict)  # apt's files, path to content
    iptables_nat: bool = True
    iptables_legacy_nat: bool = False
    iptables_raw: bool = True

    @property
    def platform(self) -> str:
        return JETSON if self.l4t else (GPU if self.gpu or self.driver else NONE)


@dataclass(frozen=True)
class Wish:
    """What the inputs of the role ask for."""

    version: str = ""
    allow_downgrade: bool = False
    without_gpu: str = "install"
    hold_driver: bool = True
    uris: t.Sequence[str] = ()
    source: str = ""  # the file that describes the repository
    images: t.Sequence[str] = ()
    docker: bool = True


@dataclass
class Plan:
    skip: bool = False
    problems: t.List[str] = field(default_factory=list)
    notes: t.List[str] = field(default_factory=list)
    facts: t.Dict[str, t.Any] = field(default_factory=dict)


def plan(look: Look, wish: Wish, matrix: Matrix) -> Plan:
    result = Plan()
    version = wish.version or str(matrix["recommended"])
    if look.platform == NONE:
        words = {
            "install": "the toolkit is installed all the same",
            "skip": "nothing is done",
            "fail": "one was asked for",
        }
        line = f"there is {NAMES[NONE]} on this node: {words[wish.without_gpu]}"
        if wish.without_gpu == "fail":
            result.problems.append(line)
        else:
            result.notes.append(line)
        result.skip = wish.without_gpu == "skip"
    if not result.skip:
        _judge(result, look, wish, matrix, version)
    result.facts = _facts(look, wish, matrix, version, result.skip)
    return result


def _judge(result: Plan, look: Look, wish: Wish, matrix: Matrix, version: str) -> None:
    if look.architecture not in matrix["architectures"]:
        known = ", ".join(matrix["architectures"])
        result.problems.append(f"architecture: is {look.architecture}, the toolkit is made for {known}")
    problem, note = judge_version(version, matrix)
    result.problems += [problem] if problem else []
    result.notes += [note] if note else []
    result.problems += judge_packages(look, wish, matrix["packages"], f"{version}-1")
    result.problems += mixed_sources(look.sources, wish)
    mismatch = nvidia_node.mismatch(look.driver, look.libraries)
    result.problems += [mismatch] if mismatch else []
    if look.platform == GPU and not look.driver:
        result.notes.append(
            "there is an NVIDIA GPU and no driver is loaded, so no container can use it: install the driver"
        )
    if look.l4t:
        result.problems += judge_jetson(look, wish, matrix)


# -- versions


def reached(version: str, least: str) -> bool:
    """1.20.0 has reached 1.18.0; of an engine's long version only the numbers count."""
    return daemon_json.version_tuple(version) >= daemon_json.version_tuple(least)


def judge_version(version: str, matrix: Matrix) -> t.Tuple[str, str]:
    """A problem or a note."""
    good = ", ".join(str(entry["version"]) for entry in matrix["toolkit"] if entry["state"] == "good")
    for entry in matrix["toolkit"]:
        if entry["version"] == version:
            if entry["state"] == "good":
                return "", ""
            thread = " ({})".format(entry["thread"]) if entry["thread"] else ""
            return f"toolkit {version} is refused: {entry['why']}{thread}: choose one of {good}", ""
    least = matrix["minimum"]
    if not daemon_json.version_tuple(version):
        return f"nvidia_container_toolkit_version: {version!r} is no version such as {matrix['recommended']}", ""
    if not reached(version, least["version"]):
        return f"toolkit {version} is refused: before {least['version']} {least['why']}: choose one of {good}", ""
    return "", f"toolkit {version} is not in the support matrix, so nobody has tried it here: known are {good}"


def judge_packages(look: Look, wish: Wish, names: t.Sequence[str], wanted: str) -> t.List[str]:
    have = {name: look.packages[name] for name in names if name in look.packages}
    newer = {name: package.version for name, package in have.items() if deb.compare(package.version, wanted) > 0}
    lines = []
    if newer and not wish.allow_downgrade:
        name, version = sorted(newer.items())[0]
        lines.append(
            f"{name} is {version}, which is newer than {wanted}, and a downgrade is refused: ask for "
            f"{version.rpartition('-')[0] or version} or later, or set nvidia_container_toolkit_allow_downgrade"
        )
    theirs = sorted(
        f"{name} at {package.version}"
        for name, package in have.items()
        if package.held and package.version not in (wanted, look.held_at)
    )
    if theirs:
        released = " ".join(words.split(" at ")[0] for words in theirs)
        lines.append(
            f"{', '.join(theirs)}: held on this node by somebody else, wanted is {wanted}: release it with "
            f"`apt-mark unhold {released}`, or set nvidia_container_toolkit_version to that version"
        )
    return lines


# -- sources of apt


def active_lines(text: str) -> t.List[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def _speaks_of(line: str, uris: t.Sequence[str]) -> bool:
    return bool(OWN_HOST.search(line)) or any(uri.rstrip("/") in line for uri in uris)


def conflicting_lists(sources: t.Mapping[str, str], wish: Wish) -> t.List[str]:
    """One-line lists with nothing but this repository: with a key of their own they stop apt (Signed-By)."""
    found = []
    for path, text in sorted(sources.items()):
        lines = active_lines(text)
        own = path.endswith(".list") and path != "/etc/apt/sources.list"
        if own and lines and all(_speaks_of(line, wish.uris) for line in lines):
            found.append(path)
    return found


def mixed_sources(sources: t.Mapping[str, str], wish: Wish) -> t.List[str]:
    alone = conflicting_lists(sources, wish)
    return [
        f"{path} names the toolkit's repository among others, which conflicts with {wish.source}: take that entry out of it"
        for path, text in sorted(sources.items())
        if wish.uris
        and path not in alone
        and path != wish.source
        and any(_speaks_of(line, wish.uris) for line in active_lines(text))
    ]


# -- Jetson


def jetson_row(l4t: str, matrix: Matrix) -> t.Optional[t.Mapping[str, t.Any]]:
    """The row whose release is the longest beginning of this one."""
    rows = [row for row in matrix["jetson"] if (l4t + ".").startswith(str(row["l4t"]) + ".")]
    return max(rows, key=lambda row: len(str(row["l4t"]))) if rows else None


def image_l4t(image: str) -> str:
    found = IMAGE_L4T.search(image.rpartition("@")[0] or image)
    return found.group(1) if found else ""


def image_cuda(image: str) -> str:
    found = IMAGE_CUDA.search(image)
    if not found:
        return ""
    return found.group(1) or found.group(4) or f"{found.group(2)}.{found.group(3)}"


def judge_images(l4t: str, images: t.Iterable[str], matrix: Matrix) -> t.List[str]:
    """Images whose name tells that they cannot work on this L4T."""
    row = jetson_row(l4t, matrix)
    if row is None:
        return []
    lines = []
    for image in images:
        release, cuda = image_l4t(image), image_cuda(image)
        if release and release not in row["images"]:
            known = ", ".join(row["images"])
            lines.append(
                f"{image} is made for L4T {release}, this node has {l4t}, whose libraries fit {known}: use an image for it"
            )
        elif cuda and not release and not reached(row["cuda"], cuda):
            lines.append(
                f"{image} has CUDA {cuda}, L4T {l4t} has {row['cuda']} at most: use an image with that CUDA or an older one"
            )
    return lines


def judge_jetson(look: Look, wish: Wish, matrix: Matrix) -> t.List[str]:
    row = jetson_row(look.l4t, matrix)
    if row is None:
        known = ", ".join(str(entry["l4t"]) for entry in matrix["jetson"])
        return [f"L4T {look.l4t} is not in the support matrix, known are {known}: flash a known release"]
    lines = judge_images(look.l4t, wish.images, matrix)
    engine = matrix["engine"]
    without_raw = row["no_iptables_raw"] and not look.iptables_raw and wish.docker and bool(look.engine)
    broken = reached(look.engine, engine["no_raw_broken_from"]) and not reached(
        look.engine, engine["no_raw_switch_from"]
    )
    if without_raw and broken:
        lines.append(
            f"Docker {numbers(look.engine)} cannot work with this kernel, which has no iptables table `raw` "
            f"({engine['no_raw_thread']}): install 27.5.1, or {engine['no_raw_switch_from']} or later"
        )
    return lines


def numbers(text: str) -> str:
    return ".".join(map(str, daemon_json.version_tuple(text)))


# -- what is to be done


def docker_settings(look: Look, matrix: Matrix) -> t.Dict[str, t.Any]:
    """Settings of daemon.json. What an older engine had is never taken away: containers may use it."""
    first, default = matrix["engine"]["cdi"], matrix["engine"]["cdi_default"]
    old = bool(look.engine) and not reached(look.engine, first)
    settings: t.Dict[str, t.Any] = {}
    if look.l4t or old:
        settings["runtimes"] = RUNTIME
    if not old and (not reached(look.engine, default) or look.features.get("cdi") is False):
        settings["features"] = {"cdi": True}
    return settings


def run_arguments(look: Look, matrix: Matrix) -> t.List[str]:
    """How `docker run` asks for every GPU of this node."""
    if look.engine and not reached(look.engine, matrix["engine"]["cdi"]):
        return ["--runtime", "nvidia", "--env", "NVIDIA_VISIBLE_DEVICES=all"]
    return ["--device", "nvidia.com/gpu=all"]


def feature_flags(look: Look, version: str, matrix: Matrix) -> str:
    schema, engine = matrix["schema"], look.engine
    if not engine or not reached(engine, matrix["engine"]["cdi"]):
        return ""
    too_new = reached(version, schema["toolkit"]) and not reached(engine, schema["engine"])
    return str(schema["feature_flag"]) if too_new else ""


def generator(look: Look, refresh: bool) -> str:
    """The unit that makes the specification; without a driver there is nothing to make one of."""
    if look.platform == JETSON:
        return "edge-nvidia-cdi.service"
    return "" if not look.driver else ("nvidia-cdi-refresh.service" if refresh else "edge-nvidia-cdi.service")


def _facts(look: Look, wish: Wish, matrix: Matrix, version: str, skip: bool) -> t.Dict[str, t.Any]:
    row = (jetson_row(look.l4t, matrix) if look.l4t else None) or {}
    names = list(matrix["packages"])
    refresh = reached(version, matrix["refresh_since"])
    guarded = nvidia_node.guarded_packages(look.packages, look.kernel) if look.platform != NONE else []
    switch = matrix["engine"]["no_raw_switch_from"]
    no_raw = bool(row.get("no_iptables_raw")) and not look.iptables_raw and bool(look.engine)
    wanted = f"{version}-1"
    return {
        "skip": skip,
        "platform": look.platform,
        "l4t": look.l4t,
        "jetpack": row.get("jetpack", ""),
        "driver": {"loaded": look.driver, "libraries": list(look.libraries)},
        "version": version,
        "packages": names,
        "versions": dict.fromkeys(names, wanted),
        "hold": names + (guarded if wish.hold_driver else []),
        "to_install": [name for name in names if name not in look.packages or look.packages[name].version != wanted],
        "conflicting_lists": conflicting_lists(look.sources, wish) if wish.uris else [],
        "docker_settings": docker_settings(look, matrix),
        "own_unit": look.platform == JETSON or not refresh,
        "generator": generator(look, refresh),
        "packaged_units": ["nvidia-cdi-refresh.path", "nvidia-cdi-refresh.service"] if refresh else [],
        "feature_flags": feature_flags(look, version, matrix),
        "runtime_mode": "csv" if look.platform == JETSON else "",
        "no_iptables_raw": no_raw and reached(look.engine, switch),
        "iptables_legacy": bool(row.get("iptables_legacy")) and not look.iptables_nat and look.iptables_legacy_nat,
        "run_arguments": run_arguments(look, matrix),
    }
