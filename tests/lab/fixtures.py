# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""pytest fixtures for tests that need nodes. The lab stays up after the run, so that the next run is fast;
`tests/lab/lab down` removes it."""

from __future__ import annotations

import typing as t

import pytest

if t.TYPE_CHECKING:
    from tests.lab import Lab


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m lab` are those that need nodes, one after another, and others may run beside each other."""
    for item in items:
        if "lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The lab, complete and healthy: what an earlier test broke is put right."""
    from tests.lab import Lab  # here: unit tests must not need the engine's client

    found = Lab.up()
    found.heal()
    return found


@pytest.fixture(scope="session")
def provisioned_lab(lab: Lab) -> Lab:
    """The same after playbooks/provision.yml."""
    lab.playbook("playbooks/provision.yml")
    return lab
