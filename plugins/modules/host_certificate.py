#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_certificate
short_description: Sign the host key of a node with an authority of the operators
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Signs the ed25519 host key of a node with C(ssh-keygen -s) on the controller. The key of the authority never leaves it.
  - A certificate that is good for more than a third of its life is returned as it is.
options:
  authority:
    description: The private key of the authority; or its public key, ending in C(.pub), where an ssh agent holds the private one.
    type: path
    required: true
  host_keys:
    description: Public host keys of the node, as M(physical_ai.edge.access) returns them.
    type: list
    elements: str
    required: true
  name:
    description: The name under which ssh knows the host, as M(physical_ai.edge.host_key) returns it.
    type: str
    required: true
  current:
    description: The certificate that the node has.
    type: str
    default: ""
  days:
    description: How long a certificate lives.
    type: int
    default: 365
attributes:
  check_mode:
    support: full
    description: Writes nothing but what it returns, and does the same in check mode.
  diff_mode:
    support: none
    description: Returns the certificate.
  platform:
    support: full
    platforms: posix
    description: Runs on the controller.
requirements:
  - ssh-keygen on the controller
notes:
  - It is an action plugin. Nothing of it runs on a node.
seealso:
  - module: physical_ai.edge.access
"""

EXAMPLES = r"""
- name: Sign the host key
  physical_ai.edge.host_certificate:
    authority: ~/keys/host-authority
    host_keys: "{{ opened.host_keys }}"
    name: "{{ pinned.name }}"
    current: "{{ opened.host_certificate }}"
"""

RETURN = r"""
certificate:
  description: The certificate.
  type: str
  returned: success
authority:
  description: The public key of the authority.
  type: str
  returned: success
"""
