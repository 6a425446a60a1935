# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: unknown_inputs
short_description: Variables that look like an input of a role and are none
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai)
description:
  - Compares the variables of the current host with the inputs that a role declares in C(meta/argument_specs.yml), and
    returns one line for each variable that begins with the name of the role and is no input of it, or that differs from
    an input in at most two letters.
  - ansible-core validates declared inputs, but a misspelt one is not declared, so the default stays in force unnoticed.
options:
  _terms:
    description: Path of the role, inside the role that is C(role_path).
    required: true
    type: list
    elements: path
"""

EXAMPLES = r"""
- name: Check inputs and platform
  physical_ai.edge.preflight:
    problems: "{{ query('physical_ai.edge.unknown_inputs', role_path) }}"
"""

RETURN = r"""
_raw:
  description: One line for each unknown variable, with the input that was probably meant.
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.physical_ai.edge.plugins.plugin_utils import role_inputs


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: Any = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        lines: list[str] = []
        for term in terms:
            path = Path(str(term))
            try:
                inputs = role_inputs.declared(path)
                lines += role_inputs.unknown(path.name, inputs, role_inputs.siblings(path), variables or {})
            except (OSError, ValueError, KeyError, TypeError) as exc:
                raise AnsibleError(f"unknown_inputs: {path}: {exc}") from exc
        return lines
