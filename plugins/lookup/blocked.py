# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: blocked
short_description: Whether this host, or a tenant on it, is cut off
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai)
description:
  - Reads C(blocked.yml) beside the inventory of the host, which the playbook C(physical_ai.edge.block) writes, or the file in the
    variable C(edge_blocked_file). A file that is not there blocks nobody; one that cannot be read is an error.
options:
  _terms:
    description: None.
    type: list
    elements: str
  host:
    description: Another host than the one of the task, by its name in the inventory.
    type: str
"""

EXAMPLES = r"""
- name: Pass over what is cut off
  ansible.builtin.meta: end_host
  when: lookup('physical_ai.edge.blocked').reason | length > 0
"""

RETURN = r"""
_raw:
  description: >-
    C(reason) why the host is cut off, or nothing; C(site), why its site is; C(tenants) that are cut off on it, with the reason for each;
    C(certificates) of the fleet that count no more, as M(physical_ai.edge.certificate_authority) takes them; the whole C(record).
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.physical_ai.edge.plugins.plugin_utils import blocked


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        have = variables or {}
        self.set_options(var_options=variables, direct=kwargs)
        other = self.get_option("host")
        if other:
            have = (variables or {})["hostvars"][other]
        known = {
            key: self._templar.template(have.get(key)) for key in ("edge_blocked_file", "inventory_dir", "edge_site")
        }
        try:
            file = blocked.path(known)
            record = blocked.read(file) if file else blocked.check("the record", {"schema": blocked.SCHEMA})
        except blocked.BlockedError as exc:
            raise AnsibleError(f"blocked: {exc}") from exc
        host, site = str(have.get("inventory_hostname") or ""), str(known["edge_site"] or "")
        return [{**blocked.of(record, host, site), "file": file}]
