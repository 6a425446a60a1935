# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.physical_ai.edge.plugins.plugin_utils import hardware_report as _report


def hardware_lines(hostvars: Any, hosts: Sequence[str]) -> list[str]:
    if not isinstance(hostvars, Mapping):
        raise AnsibleFilterError("hardware_lines: give it hostvars, and the names of hosts")
    return _report.lines(hostvars, hosts)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"hardware_lines": hardware_lines}
