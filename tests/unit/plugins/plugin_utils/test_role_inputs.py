# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.plugin_utils import role_inputs

INPUTS = {"docker_engine_address_pools", "docker_engine_version"}
ROLES = ["baseline", "docker_engine_gpu"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("docker_engine_version", ""),
        ("docker_engine_adress_pools", "no input of the role docker_engine: did you mean docker_engine_address_pools?"),
        ("docker_engine_xyz", "the role has docker_engine_address_pools, docker_engine_version"),
        ("dockerengine_version", "nearly an input of the role docker_engine: did you mean docker_engine_version?"),
        ("docker_engin_versions", "nearly an input"),
        # Inputs of other roles, internals, ansible's own and what people call their own things.
        ("docker_engine_gpu_version", ""),
        ("__docker_engine_version", ""),
        ("ansible_docker_engine", ""),
        ("engine_version", ""),
        ("docker_version", ""),
        ("baseline_version", ""),
    ],
)
def test_near_misses(name: str, words: str) -> None:
    lines = role_inputs.unknown("docker_engine", INPUTS, ROLES, [name, "docker_engine_version"])
    assert bool(lines) is bool(words)
    assert all(words in line and name in line for line in lines)


@pytest.mark.parametrize(
    ("one", "other", "letters"),
    [("abc", "abc", 0), ("abc", "abd", 1), ("abc", "ab", 1), ("abc", "acb", 2), ("abc", "xyz", 3), ("a", "abcdef", 3)],
)
def test_distance(one: str, other: str, letters: int) -> None:
    assert role_inputs.distance(one, other, 2) == letters


def test_a_role_without_a_specification_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"meta/argument_specs\.yml: is missing"):
        role_inputs.declared(tmp_path)


def test_inputs_of_all_entry_points(tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "argument_specs.yml").write_text(
        "argument_specs: {main: {options: {a_x: {}}}, remove: {options: {a_y: {}}}, other: {}}", encoding="utf-8"
    )
    assert role_inputs.declared(tmp_path) == {"a_x", "a_y"}
