# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.physical_ai.edge.plugins.plugin_utils import certificate_page as _page


def certificate_page(view: Any) -> str:
    if not isinstance(view, Mapping) or "silent" not in view:
        raise AnsibleFilterError("certificate_page: give it what the filter physical_ai.edge.certificate_view returned")
    return _page.page(view)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"certificate_page": certificate_page}
