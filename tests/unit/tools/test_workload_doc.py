# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents of what users write say what the code does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.physical_ai.edge.plugins.module_utils._core import devices, spec, tenants
from tests.tools import workload_doc

WORKLOADS, HARDWARE = workload_doc.DOCUMENTS


@pytest.mark.parametrize("path", workload_doc.DOCUMENTS, ids=lambda path: path.name)
def test_the_tables_are_those_of_the_code(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == workload_doc.document(text, workload_doc.DOCUMENTS[path]()), (
        "run: python -m tests.tools.workload_doc"
    )


def examples(path: Path) -> list[Any]:
    parts = path.read_text(encoding="utf-8").split("```yaml\n")[1:]
    return [yaml.safe_load(part.split("```")[0]) for part in parts]


def test_the_example_is_a_release() -> None:
    (release,) = examples(WORKLOADS)
    (found,) = spec.render(release["workloads"], release["models"])
    assert found["name"] == "inspection"
    spec.check_release(release["release"])


def test_the_examples_of_devices_shares_and_requirements_are_good() -> None:
    variables, release = examples(HARDWARE)
    names = devices.parse("devices", {"schema": 1, "devices": variables["edge_devices"]})
    policy = tenants.parse("tenants", {"schema": 1, "tenants": variables["edge_tenants"]})
    (workload,) = release["workloads"]
    (found,) = spec.render([{**workload, "image": "registry.example.com/a", "digest": "sha256:" + "0" * 64}])
    assert set(found["requires"]["devices"]) <= set(names)
    assert tenants.refusals(policy, "quality", [found], tenants.Use()) == []
