# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which workloads of a release run on which node."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.physical_ai.edge.plugins.plugin_utils import release
from tests.tools.sync import ROOT

NODE = {"edge_site": "kiruna", "edge_hardware": "ipc", "edge_zone": "line-1", "edge_labels": {"camera": "basler"}}


def of(**select: Any) -> dict[str, Any]:
    return {"release": "1", "tenant": "t", "workloads": [{"name": "app", "select": select}]}


@pytest.mark.parametrize(
    ("select", "fits"),
    [
        ({}, True),
        ({"edge_hardware": ["ipc", "nuc"]}, True),
        ({"edge_hardware": "ipc"}, True),
        ({"edge_hardware": ["nuc"]}, False),
        ({"edge_zone": ["!lab"]}, True),
        ({"edge_zone": ["!line-1"]}, False),
        ({"edge_zone": ["line-1", "!lab"], "edge_site": "kiruna"}, True),
        ({"camera": "basler"}, True),
        ({"camera": ["!basler"]}, False),
        ({"lidar": "ouster"}, False),
        ({"lidar": "!ouster"}, True),
        ({"edge_region": "eu"}, False),
    ],
)
def test_select(select: dict[str, Any], fits: bool) -> None:
    assert [item["name"] for item in release.selected(of(**select), NODE)] == ["app"] * fits


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "wanted a mapping"),
        ({"release": "1", "tenant": "t"}, "'workloads' is missing"),
        ({"release": 1.10, "tenant": "t", "workloads": []}, "found 1.1, wanted text: quote it"),
        ({"release": "1", "tenant": "t", "workload": []}, "Did you mean 'workloads'?"),
        ({"release": "1", "tenant": "t", "workloads": "x"}, "wanted a list"),
        ({"release": "1", "tenant": "t", "workloads": ["x"]}, "workloads[0]"),
        (of(edge_hardwear="ipc"), "Did you mean 'edge_hardware'?"),
        ({"release": "1", "tenant": "t", "workloads": [{"select": "x"}]}, "workloads[0].select"),
    ],
)
def test_a_release_that_cannot_be_used_is_one_line(value: Any, words: str) -> None:
    with pytest.raises(release.ReleaseError) as raised:
        release.selected(value, NODE)
    assert words in str(raised.value)


def test_the_role_hands_over_everything_that_can_be_selected_by() -> None:
    path = ROOT / "roles" / "workloads" / "vars" / "main.yml"
    node = yaml.safe_load(path.read_text(encoding="utf-8"))["__workloads_node"]
    assert set(node) == {*release.SELECTABLE, "edge_labels"}
