# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users install: the archive, and what an execution environment is told."""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.tools import importer, setup
from tests.tools.sync import BUILD, ROOT, listed

OURS = (".git", ".ci", ".venv", ".build", ".cache", ".lab", "Makefile", "molecule", "tests", "dist")
USED = re.compile(r"\b((?:community|kubernetes|awx|containers)\.[a-z]+|ansible\.(?:posix|utils|netcommon))\.[a-z_]+")
NEEDED = {"README.md", "LICENSE", "CHANGELOG.md", "MANIFEST.json", "meta/runtime.yml", "requirements.txt", "bindep.txt"}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    with tarfile.open(importer.build(tmp_path_factory.mktemp("dist"))) as archive:
        return {member.name for member in archive if member.isfile()}


def test_it_has_what_runs_and_what_explains_it(names: set[str]) -> None:
    product = ("plugins/", "roles/", "playbooks/", "docs/", "inventories/")
    wanted = {name for name in listed(ROOT) if name.startswith(product)}
    assert names >= wanted | NEEDED


def test_it_has_nothing_of_the_workshop(names: set[str]) -> None:
    assert not [name for name in names if name.split("/")[0] in OURS]
    assert not [name for name in names if "__pycache__" in name]


def test_execution_environment_names_what_the_controller_needs() -> None:
    command = [str(setup.VENV / "bin" / "ansible-builder"), "introspect", str(BUILD)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = yaml.safe_load(done.stdout)
    assert [line.split("#")[0].strip() for line in found["python"]] == ["cryptography>=42.0.0", "netaddr>=0.10.1"]
    assert any(line.startswith("openssh-client ") for line in found["system"])


def test_dependencies_are_what_is_used() -> None:
    text = "\n".join(
        (ROOT / name).read_text(encoding="utf-8")
        for name in listed(ROOT)
        if name.startswith(("plugins/", "roles/", "playbooks/")) and name.endswith((".py", ".yml", ".j2"))
    )
    used = set(USED.findall(text))
    declared = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["dependencies"]
    assert used == set(declared)
    assert all(bound.startswith(">=") for bound in declared.values())


def test_ansible_versions_agree() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["requires_ansible"]
    roles = sorted((ROOT / "roles").glob("*/meta/main.yml"))
    assert roles
    for path in roles:
        needed = yaml.safe_load(Path(path).read_text(encoding="utf-8"))["galaxy_info"]["min_ansible_version"]
        assert runtime == f">={needed}.0", path
