# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.physical_ai.edge.plugins.plugin_utils import doctor as _doctor


def doctor_end(report: Mapping[str, Any]) -> bool:
    if report["exit_code"] == _doctor.WARNINGS:
        raise AnsibleFilterError(_doctor.verdict(report))
    return True


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"doctor_end": doctor_end}
