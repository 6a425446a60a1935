# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.physical_ai.edge.plugins.plugin_utils import certificate_push as _push


def certificates_todo(
    rows: Any, allowed: Any, settings: Any, subject: str, selection: Mapping[str, Any] | None = None
) -> dict[str, bool]:
    if not isinstance(rows, Sequence) or not isinstance(allowed, Mapping):
        raise AnsibleFilterError("certificates_todo: give it `certificates` of certificate_info, and what is allowed")
    if not isinstance(settings, Mapping):
        raise AnsibleFilterError(
            f"certificates_settings: found {settings!r}, wanted a mapping by names of certificates"
        )
    try:
        return _push.todo(rows, allowed, settings, str(subject), selection or {})
    except _push.SpecError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"certificates_todo": certificates_todo}
