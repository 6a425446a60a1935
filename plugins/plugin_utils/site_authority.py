# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the issuing CA of a site is: on its gateway, or in a folder beside the root."""

from __future__ import annotations

import os
from collections.abc import Container, Mapping
from typing import Any


def where(variables: Mapping[str, Any], hosts: Container[str], root: str) -> dict[str, str]:
    """`gateway` that has it, or nothing; the host `on` which it is, or nothing where nobody knows; `path` of its folder there, without a gateway.

    :param variables: of a host of the site.
    :param hosts: all of the inventory.
    :param root: the folder of the root on the controller, or nothing.
    """
    gateway = str(variables.get("edge_gateway") or "")
    if gateway and gateway in hosts:
        return {"gateway": gateway, "on": gateway, "path": ""}
    if not root:
        return {"gateway": "", "on": "", "path": ""}
    folder = os.path.realpath(os.path.expanduser(root))
    return {"gateway": "", "on": "localhost", "path": f"{folder}/sites/{variables.get('edge_site') or ''}/ca"}
