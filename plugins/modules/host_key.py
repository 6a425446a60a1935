#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_key
short_description: Pin the key of a host in a file of known hosts on the controller
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Asks the host which key it shows, by the very options with which Ansible reaches it, also through gateways, and writes it down under
    the name by which ssh will look for it. Nobody logs in.
  - A host whose key is written down already must show that key. Where it shows another one, the task fails with both fingerprints, and
    nothing is sent to it.
  - A key that is pinned for another host is refused, because boxes that were flashed from one image with host keys in it cannot be told apart.
options:
  known_hosts:
    description: The file. It is made where it is not there. All other lines in it stay as they are.
    type: path
    required: true
  fingerprints:
    description: What the key may be, as C(ssh-keygen -l) shows it on the box. Without any, what the host shows first is believed.
    type: list
    elements: str
    default: []
  authority:
    description:
      - The public key of an authority that has signed the key of the host. The host is known by its certificate from then on, and by no
        key of its own.
    type: str
    default: ""
  replace:
    description: Whether the box was replaced. What was pinned for its name is taken away then.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Asks the host and writes nothing.
  diff_mode:
    support: full
    description: Shows the lines that change.
  platform:
    support: full
    platforms: posix
    description: Runs on the controller.
requirements:
  - ssh 7.6 or newer on the controller
notes:
  - It is an action plugin. Nothing of it runs on a node.
seealso:
  - module: physical_ai.edge.fresh_connection
"""

EXAMPLES = r"""
- name: Pin the key of each host beside the fleet file
  physical_ai.edge.host_key:
    known_hosts: "{{ inventory_dir }}/known_hosts"
"""

RETURN = r"""
name:
  description: The name under which ssh knows the host.
  type: str
  returned: success
fingerprint:
  description: Fingerprint of the key that the host shows.
  type: str
  returned: success
kind:
  description: Kind of the key.
  type: str
  returned: success
certified:
  description: Whether the host is known by a certificate.
  type: bool
  returned: success
"""
