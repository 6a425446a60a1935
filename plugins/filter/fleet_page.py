# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.physical_ai.edge.plugins.plugin_utils import fleet_page as _fleet_page


def fleet_page(view: Any, collected: Mapping[str, Any] | None = None) -> str:
    if not isinstance(view, Mapping) or "rows" not in view:
        raise AnsibleFilterError("fleet_page: give it what the filter physical_ai.edge.fleet_view returned")
    return _fleet_page.page(view, collected or {})


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"fleet_page": fleet_page}
