# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: collected
short_description: What was collected of the nodes of a fleet
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai)
description:
  - Reads a directory that M(physical_ai.edge.fleet_ledger) wrote. A directory that is not there is one with nothing in it.
options:
  _terms:
    description: Path of the directory.
    required: true
    type: list
    elements: path
  host:
    description: Only where the ledger of this node ends - what the node is asked to continue.
    type: str
seealso:
  - module: physical_ai.edge.fleet_ledger
  - module: physical_ai.edge.ledger_info
"""

EXAMPLES = r"""
- name: Read what is new on the node
  physical_ai.edge.ledger_info:
    after: "{{ have.sequence }}"
    digest: "{{ have.digest }}"
  vars:
    have: "{{ lookup('physical_ai.edge.collected', 'fleet-ledger', host=inventory_hostname) }}"
"""

RETURN = r"""
_raw:
  description: >-
    With O(host) its C(sequence) and C(digest). Else, by the name of each node, its C(site), C(ring), the C(time) at which it was
    collected, and its C(status).
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.physical_ai.edge.plugins.plugin_utils.collection import Collection, CollectionError


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [self._read(Collection(str(term))) for term in terms]
        except CollectionError as exc:
            raise AnsibleError(f"collected: {exc}") from exc

    def _read(self, collection: Collection) -> dict[str, Any]:
        if self.get_option("host"):
            last = collection.last(self.get_option("host"))
            return {"sequence": last.sequence, "digest": last.digest}
        return {host: collection.status(host) for host in collection.hosts()}
