#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fresh_connection
short_description: Try a way into a host with a connection of its own
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Logs in by key with a new ssh, as the user and with the options that Ansible would use, and runs C(true). It shows that the way in works
    now, which a connection that Ansible has kept open does not.
options:
  known_hosts:
    description: The file of known hosts. Only the keys in it count.
    type: path
    required: true
  sudo:
    description: Whether the user must become root without a password as well.
    type: bool
    default: true
  required:
    description: Whether the task fails where there is no way in.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Changes nothing, and does the same in check mode.
  diff_mode:
    support: none
    description: Changes nothing.
  platform:
    support: full
    platforms: posix
    description: Runs on the controller.
notes:
  - It is an action plugin. Nothing of it stays on a node.
seealso:
  - module: physical_ai.edge.host_key
  - module: physical_ai.edge.access
"""

EXAMPLES = r"""
- name: See that the key works before the password goes
  physical_ai.edge.fresh_connection:
    known_hosts: "{{ inventory_dir }}/known_hosts"
"""

RETURN = r"""
works:
  description: Whether the way in works.
  type: bool
  returned: always
said:
  description: What ssh said where it does not.
  type: str
  returned: always
"""
