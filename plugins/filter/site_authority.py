# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.physical_ai.edge.plugins.plugin_utils import site_authority as _site_authority


def site_authority(variables: Any, hosts: Any, root: Any = "") -> dict[str, str]:
    return _site_authority.where(variables, hosts, str(root or ""))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"site_authority": site_authority}
