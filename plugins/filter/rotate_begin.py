# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.physical_ai.edge.plugins.plugin_utils import rotate as _rotate


def rotate_begin(
    policy: Any,
    identity: Any,
    hostvars: Any,
    hosts: Any,
    everyone: Any,
    silent: bool = False,
    most_waves: int = 0,
    before: Any = None,
) -> dict[str, Any]:
    try:
        return _rotate.begin(policy, identity, hostvars, hosts, everyone, bool(silent), int(most_waves), before)
    except _rotate.RolloutError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"rotate_begin": rotate_begin}
