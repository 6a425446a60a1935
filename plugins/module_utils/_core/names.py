# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What names of tenants, workloads and devices look like, and what is called after them on a node.

It imports nothing of the specification: most commands of the node program need no more than this.
"""

from __future__ import annotations

import hashlib
import typing as t

NAME = r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?"
NAME_WANTED = "a name of at most 40 lower-case letters, digits and dashes"
LABEL = "physical-ai.edge"
BRIDGES = "edge-"


def tenant_network(tenant: str) -> str:
    return f"edge-{tenant}"


def bridge_interface(tenant: str) -> str:
    """The interface of a tenant's network on the node. Rules know them by their prefix; names have at most 15 letters."""
    return BRIDGES + hashlib.sha256(tenant.encode("utf-8")).hexdigest()[:10]


def network_name(tenant: str, network: t.Any) -> str:
    """The engine's network for a specification's `network`."""
    if isinstance(network, dict):
        return f"edge-{tenant}-{network['macvlan']['parent']}"
    return tenant_network(tenant) if network == "bridge" else network


def cgroup_parent(tenant: str, driver: str) -> str:
    """One slice, or one group, for each tenant. Dashes would nest slices, so they become underscores; names have none."""
    safe = tenant.replace("-", "_")
    return f"edge-{safe}.slice" if driver == "systemd" else f"/edge/{safe}"
