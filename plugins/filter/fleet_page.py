# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.physical_ai.edge.plugins.plugin_utils import fleet_page as _fleet_page
from ansible_collections.physical_ai.edge.plugins.plugin_utils.collection import Collection, CollectionError


def fleet_page(view: Any, directory: str, entries: int = 500) -> str:
    """Reads the ledgers itself: a fleet's entries, handed over as values of a template, would take minutes."""
    if not isinstance(view, Mapping) or "rows" not in view:
        raise AnsibleFilterError("fleet_page: give it what the filter physical_ai.edge.fleet_view returned")
    try:
        return _fleet_page.page(view, Collection(str(directory)).ledgers(int(entries)))
    except CollectionError as exc:
        raise AnsibleFilterError(f"fleet_page: {exc}") from exc


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"fleet_page": fleet_page}
