# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.physical_ai.edge.plugins.plugin_utils import replacement


def replace_times(value: Any) -> list[str]:
    return replacement.times(value)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"replace_times": replace_times}
