# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.physical_ai.edge.plugins.plugin_utils import hardware_report as _report


def hardware_record(hardware: Any, host: str, before: str = "") -> dict[str, Any]:
    if not isinstance(hardware, Mapping):
        raise AnsibleFilterError("hardware_record: give it the hardware that physical_ai.edge.hardware_info returns")
    return _report.record(str(host), hardware, str(before or ""))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"hardware_record": hardware_record}
