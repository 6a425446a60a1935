# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role says of its inputs in three places is the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.tools import role_readme
from tests.tools.sync import ROOT

ROLES = role_readme.roles()


def named(role: Path) -> str:
    return role.name


def test_all_roles_have_a_specification() -> None:
    assert {role.name for role in ROLES} == {path.name for path in (ROOT / "roles").iterdir() if path.is_dir()}
    assert {"baseline", "docker_engine"} <= {role.name for role in ROLES}


@pytest.mark.parametrize("role", ROLES, ids=named)
def test_the_readme_shows_the_specification(role: Path) -> None:
    assert role / "README.md" not in role_readme.drifted(), "run: python -m tests.tools.role_readme"


@pytest.mark.parametrize("role", ROLES, ids=named)
def test_defaults_are_those_of_the_specification(role: Path) -> None:
    path = role / "defaults" / "main.yml"
    defaults = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    options: dict[str, dict] = {}
    for spec in role_readme.specification(role).values():
        options.update(spec.get("options", {}))
    specified = {name: option["default"] for name, option in options.items() if "default" in option}
    # A default that is computed may be described in words.
    computed = [name for name, value in defaults.items() if "{{" in str(value) and name in options.keys() - specified]
    assert {name: value for name, value in defaults.items() if name not in computed} == specified
    assert not any(options[name].get("required") for name in computed)


@pytest.mark.parametrize("role", ROLES, ids=named)
def test_inputs_carry_the_name_of_the_role(role: Path) -> None:
    for spec in role_readme.specification(role).values():
        assert [name for name in spec.get("options", {}) if not name.startswith(f"{role.name}_")] == []


def test_a_changed_specification_is_noticed(tmp_path: Path) -> None:
    role = tmp_path / "roles" / "thing"
    (role / "meta").mkdir(parents=True)
    specs: dict = {
        "main": {
            "short_description": "Does things",
            "options": {"thing_x": {"type": "int", "default": 1, "description": "C(x)|y"}},
        }
    }
    (role / "meta" / "argument_specs.yml").write_text(yaml.safe_dump({"argument_specs": specs}), encoding="utf-8")
    first = role_readme.readme(role, "")
    assert "| `thing_x` | int | `1` | `x`\\|y |" in first
    (role / "README.md").write_text(first.replace("Does things", "Does all things"), encoding="utf-8")
    assert role_readme.drifted(tmp_path) == []  # what people write is theirs
    specs["main"]["options"]["thing_x"]["default"] = 2
    (role / "meta" / "argument_specs.yml").write_text(yaml.safe_dump({"argument_specs": specs}), encoding="utf-8")
    assert role_readme.drifted(tmp_path) == [role / "README.md"]
    assert "Does all things" in role_readme.readme(role, (role / "README.md").read_text(encoding="utf-8"))
