# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions, by the support matrix that the role has."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import deb
from ansible_collections.physical_ai.edge.plugins.module_utils._core import nvidia_toolkit as toolkit
from tests.tools import toolkit_doc

MATRIX = toolkit_doc.matrix()
NAMES = MATRIX["packages"]
URI = "http://mirror.example/stable/deb/$(ARCH)"
SOURCE = "/etc/apt/sources.list.d/nvidia-container-toolkit.sources"
GPU = toolkit.Look(
    gpu=True, driver="570.124.06", libraries=["570.124.06"], engine="Docker version 26.1.5+dfsg1, build x"
)
JETSON = replace(GPU, architecture="aarch64", gpu=False, driver="", libraries=[], l4t="36.4.3")


def plan(look: toolkit.Look, **wish: t.Any) -> toolkit.Plan:
    return toolkit.plan(look, toolkit.Wish(**wish), MATRIX)


def with_packages(version: str, held: bool = True, **more: t.Any) -> toolkit.Look:
    return replace(GPU, packages={name: deb.Package(version, held) for name in NAMES}, **more)


def test_a_good_node_has_no_problems() -> None:
    for look in (GPU, JETSON):
        found = plan(look)
        assert (found.problems, found.notes, found.skip) == ([], [], False)
        assert found.facts["versions"] == dict.fromkeys(NAMES, "{}-1".format(MATRIX["recommended"]))
        assert found.facts["to_install"] == NAMES


@pytest.mark.parametrize(
    ("without_gpu", "skip", "problems", "notes"),
    [("install", False, 0, 1), ("skip", True, 0, 1), ("fail", False, 1, 0)],
)
def test_a_node_without_a_gpu(without_gpu: str, skip: bool, problems: int, notes: int) -> None:
    found = plan(toolkit.Look(engine="26.1.5"), without_gpu=without_gpu)
    assert (found.skip, len(found.problems), len(found.notes)) == (skip, problems, notes)
    assert "no NVIDIA GPU on this node" in (found.problems + found.notes)[0]
    assert found.facts["generator"] == ""


def test_a_gpu_whose_driver_is_missing_is_told() -> None:
    found = plan(replace(GPU, driver="", libraries=[]))
    assert found.problems == []
    assert "no driver is loaded" in found.notes[0]
    assert found.facts["generator"] == ""


@pytest.mark.parametrize("entry", MATRIX["toolkit"], ids=lambda entry: entry["version"])
def test_the_matrix_decides_on_versions(entry: dict) -> None:
    problem, note = toolkit.judge_version(entry["version"], MATRIX)
    assert note == ""
    if entry["state"] == "good":
        assert problem == ""
    else:
        assert entry["state"] == "refuse"
        assert entry["why"] in problem and entry["thread"] in problem and MATRIX["recommended"] in problem


@pytest.mark.parametrize(
    ("version", "problem", "note"),
    [
        ("1.17.7", "CVE-2025-23266", ""),
        ("1.9.0", "refused", ""),
        ("1.99.0", "", "nobody has tried it"),
        ("latest", "is no version", ""),
    ],
)
def test_versions_that_are_not_listed(version: str, problem: str, note: str) -> None:
    found = toolkit.judge_version(version, MATRIX)
    assert (problem in found[0], note in found[1]) == (True, True)
    assert bool(found[0]) is bool(problem)


def test_a_downgrade_is_asked_for_by_name() -> None:
    look = with_packages("1.20.0-1", held_at="1.20.0-1")
    (line,) = plan(look, version="1.19.1").problems
    assert "newer than 1.19.1-1, and a downgrade is refused" in line
    assert plan(look, version="1.19.1", allow_downgrade=True).problems == []
    assert plan(with_packages("1.20.0~rc.1-1", held=False), version="1.20.0").problems == []


def test_a_hold_of_somebody_else_is_left_alone() -> None:
    (line,) = plan(with_packages("1.19.1-1"), version="1.20.0").problems
    assert all(f"{name} at 1.19.1-1" in line for name in NAMES)
    assert "apt-mark unhold" in line
    assert plan(with_packages("1.19.1-1", held_at="1.19.1-1"), version="1.20.0").problems == []
    assert plan(with_packages("1.20.0-1"), version="1.20.0").problems == []
    assert plan(with_packages("1.19.1-1", held=False), version="1.20.0").problems == []


def test_old_lists_of_the_same_repository() -> None:
    own = "https://nvidia.github.io/libnvidia-container/stable/deb/$(ARCH)"
    sources = {
        "/etc/apt/sources.list": "deb http://deb.debian.org/debian bookworm main\n",
        "/etc/apt/sources.list.d/nvidia-container-toolkit.list": f"# a guide's\ndeb [signed-by=/x.gpg] {own} /\n",
        "/etc/apt/sources.list.d/mirror.list": f"deb {URI} /\n",
        "/etc/apt/sources.list.d/off.list": f"# deb {URI} /\n",
        "/etc/apt/sources.list.d/l4t.list": "deb https://repo.download.nvidia.com/jetson/common r36.4 main\n",
        SOURCE: f"URIs: {URI}\n",
    }
    found = plan(replace(GPU, sources=sources), uris=[URI], source=SOURCE)
    assert found.problems == []
    assert [path.rpartition("/")[2] for path in found.facts["conflicting_lists"]] == [
        "mirror.list",
        "nvidia-container-toolkit.list",
    ]
    sources["/etc/apt/sources.list"] += f"deb {own} /\n"
    (line,) = plan(replace(GPU, sources=sources), uris=[URI], source=SOURCE).problems
    assert line.startswith("/etc/apt/sources.list names the toolkit's repository among others")
    assert plan(replace(GPU, sources=sources)).facts["conflicting_lists"] == []  # none is described


@pytest.mark.parametrize(
    ("engine", "features", "l4t", "settings"),
    [
        ("20.10.24", {}, "", {"runtimes": toolkit.RUNTIME}),
        ("26.1.5", {}, "", {"features": {"cdi": True}}),
        ("28.2.0", {}, "", {}),
        ("", {}, "", {"features": {"cdi": True}}),
        ("29.1.0", {"cdi": False}, "", {"features": {"cdi": True}}),
        ("27.5.1", {}, "36.4.3", {"runtimes": toolkit.RUNTIME, "features": {"cdi": True}}),
        ("29.1.0", {}, "36.4.3", {"runtimes": toolkit.RUNTIME}),
    ],
)
def test_what_the_engine_needs(engine: str, features: dict, l4t: str, settings: dict) -> None:
    look = toolkit.Look(gpu=True, engine=engine, features=features, l4t=l4t)
    assert toolkit.docker_settings(look, MATRIX) == settings


@pytest.mark.parametrize(
    ("engine", "version", "flag"),
    [
        ("26.0.0", "1.20.0", True),
        ("26.1.5", "1.20.0", False),
        ("25.0.5", "1.18.1", False),
        ("20.10.24", "1.20.0", False),
    ],
)
def test_engines_that_do_not_read_the_newest_schema(engine: str, version: str, flag: bool) -> None:
    found = plan(replace(GPU, engine=engine), version=version)
    assert bool(found.facts["feature_flags"]) is flag


@pytest.mark.parametrize(
    ("look", "version", "generator", "own"),
    [
        (GPU, "1.20.0", "nvidia-cdi-refresh.service", False),
        (GPU, "1.17.8", "edge-nvidia-cdi.service", True),
        (JETSON, "1.20.0", "edge-nvidia-cdi.service", True),
    ],
)
def test_who_makes_the_specification(look: toolkit.Look, version: str, generator: str, own: bool) -> None:
    facts = plan(look, version=version).facts
    assert (facts["generator"], facts["own_unit"]) == (generator, own)
    assert facts["runtime_mode"] == ("csv" if look.l4t else "")


def test_the_driver_is_held_where_it_is() -> None:
    packages = {"nvidia-driver-570": deb.Package("570", False), "linux-image-amd64": deb.Package("6.1", False)}
    look = replace(GPU, packages=packages)
    assert plan(look).facts["hold"] == [*NAMES, "linux-image-amd64", "nvidia-driver-570"]
    assert plan(look, hold_driver=False).facts["hold"] == NAMES
    assert plan(toolkit.Look(packages=packages)).facts["hold"] == NAMES  # no GPU, no driver to guard


def test_a_module_that_does_not_fit_its_libraries_is_named() -> None:
    (line,) = plan(replace(GPU, libraries=["580.1"])).problems
    assert "570.124.06" in line and "580.1" in line and "reboot" in line


# -- Jetson


@pytest.mark.parametrize(
    ("l4t", "jetpack"),
    [("35.6.4", "5"), ("36.3.0", "6.0"), ("36.4.3", "6.1 and later"), ("38.2.1", "7"), ("39.2.0", "7.2")],
)
def test_each_release_has_its_row(l4t: str, jetpack: str) -> None:
    assert plan(replace(JETSON, l4t=l4t)).facts["jetpack"] == jetpack


def test_an_unknown_release_is_refused() -> None:
    (line,) = plan(replace(JETSON, l4t="99.1")).problems
    assert "99.1 is not in the support matrix" in line


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("dustynv/l4t-pytorch:r35.2.1", "is made for L4T 35"),
        ("nvcr.io/nvidia/l4t-base:r36.2.0", ""),
        ("dustynv/vllm:0.9-r36.4-cu128-24.04", ""),  # its L4T fits, and then its CUDA comes with it
        ("nvidia/cuda:13.0.1-base-ubuntu24.04", "has CUDA 13.0, L4T 36.4.3 has 12.6 at most"),
        ("nvidia/cuda:12.6.1-base", ""),
        ("torch:2.6-cu130", "has CUDA 13.0"),
        ("registry.example:5000/vision@sha256:" + "0" * 64, ""),
        ("python:3.12", ""),
    ],
)
def test_images_that_do_not_fit_the_release(image: str, words: str) -> None:
    problems = plan(JETSON, images=["", image]).problems
    assert bool(problems) is bool(words)
    assert all(words in line and image in line for line in problems)
    assert plan(GPU, images=[image]).problems == []


@pytest.mark.parametrize(
    ("engine", "raw", "problem", "switch"),
    [
        ("28.0.1", False, True, False),
        ("28.0.2", False, False, True),
        ("27.5.1", False, False, False),
        ("28.0.1", True, False, False),
    ],
)
def test_engines_on_a_kernel_without_the_table_raw(engine: str, raw: bool, problem: bool, switch: bool) -> None:
    found = plan(replace(JETSON, engine=engine, iptables_raw=raw))
    assert (bool(found.problems), found.facts["no_iptables_raw"]) == (problem, switch)


def test_legacy_iptables_only_where_it_helps() -> None:
    assert plan(replace(JETSON, iptables_nat=False, iptables_legacy_nat=True)).facts["iptables_legacy"] is True
    assert plan(replace(JETSON, iptables_nat=True, iptables_legacy_nat=True)).facts["iptables_legacy"] is False
    assert plan(replace(JETSON, iptables_nat=False, iptables_legacy_nat=False)).facts["iptables_legacy"] is False


@pytest.mark.parametrize(
    ("engine", "arguments"),
    [("20.10.24", "--runtime nvidia --env NVIDIA_VISIBLE_DEVICES=all"), ("26.1.5", "--device nvidia.com/gpu=all")],
)
def test_how_a_container_asks_for_every_gpu(engine: str, arguments: str) -> None:
    assert plan(replace(GPU, engine=engine)).facts["run_arguments"] == arguments.split()
