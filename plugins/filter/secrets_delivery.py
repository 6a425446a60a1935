# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.physical_ai.edge.plugins.plugin_utils import release, secrets


def secrets_delivery(
    values: Mapping[str, Any],
    registries: Mapping[str, Any],
    use: Mapping[str, Any],
    releases: Sequence[Any],
    variables: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    try:
        return secrets.delivery(values, registries, use, releases, variables)
    except (secrets.SecretsError, release.ReleaseError) as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"secrets_delivery": secrets_delivery}
