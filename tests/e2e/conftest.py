# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that the crash tests break, one change after another."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest

if t.TYPE_CHECKING:
    from tests.e2e.crash import Patient
    from tests.lab import Lab
    from tests.lab.vm import Vm


@pytest.fixture(scope="module")
def patients(provisioned_lab: Lab) -> t.Iterator[list[Patient]]:
    """Every node of the lab, with a version of the tenant running and the other one on its disk."""
    from tests.e2e import crash  # here: unit tests must not need the engine's client

    references = crash.references(provisioned_lab)
    found = [crash.Patient(node, references) for node in provisioned_lab.nodes.values()]
    with ThreadPoolExecutor(len(found)) as pool:
        list(pool.map(crash.Patient.prepare, found))
        yield found
        provisioned_lab.heal()
        list(pool.map(crash.Patient.wipe, found))


@pytest.fixture
def cut_off(provisioned_lab: Lab, patients: list[Patient]) -> t.Iterator[list[Patient]]:
    """The same with both sites' links cut: no controller, no registry, no network beyond the site."""
    for site in provisioned_lab.sites:
        provisioned_lab.cut(site)
    yield patients
    for site in provisioned_lab.sites:
        provisioned_lab.restore(site)


@pytest.fixture(scope="session")
def vm() -> t.Iterator[Vm]:
    """One virtual machine for the whole run; it stays powered on between the tests."""
    from tests.lab.vm import Vm  # here: unit tests must not need the engine's client
    from tests.lab.vm_image import Unavailable

    try:
        machine = Vm()
    except Unavailable as reason:
        pytest.skip(str(reason))
    try:
        try:
            machine.start()
        except Unavailable as reason:
            pytest.skip(str(reason))
        machine.wait_for("docker info")
        yield machine
    finally:
        machine.down()
