#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_ledger
short_description: Collect the ledgers of a fleet into a directory on the controller
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Writes what M(physical_ai.edge.ledger_info) returned on each host into a directory on the controller, C(HOST/ledger.jsonl) and
    C(HOST/status.json). Connects to nothing; one task with C(run_once) writes for all hosts.
  - What comes must continue the chain that is there. Where a node was installed anew or restored, its ledger is a new one, and the one
    from before is kept as C(HOST/ledger-N.jsonl). Both are said.
  - The nodes' ledgers are the truth. Throw the directory away, collect again, and each C(ledger.jsonl) is the same.
  - Nothing is written for hosts that did not answer, and they do not fail the task.
options:
  path:
    description: The directory. It is made where it is not there.
    type: path
    required: true
  hosts:
    description: Names of the hosts that were asked.
    type: list
    elements: str
    required: true
  result:
    description: The variable in which each host has what M(physical_ai.edge.ledger_info) returned with C(status=true).
    type: str
    default: ledger_result
  commit:
    description:
      - Commit what was written, where the directory is in a git repository and something other than the time is new. Only files
        below the directory are in the commit.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Says what is new and writes nothing.
  diff_mode:
    support: none
    description: What is new is returned as a number of entries.
  platform:
    support: full
    platforms: posix
    description: Runs on the controller.
requirements:
  - python >= 3.11 on the controller
notes:
  - It is an action plugin. Nothing of it runs on a node.
seealso:
  - module: physical_ai.edge.ledger_info
  - plugin: physical_ai.edge.collected
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Read what is new on the node
  physical_ai.edge.ledger_info:
    after: "{{ have.sequence }}"
    digest: "{{ have.digest }}"
    status: true
  become: true
  register: ledger_result
  vars:
    have: "{{ lookup('physical_ai.edge.collected', 'fleet-ledger', host=inventory_hostname) }}"

- name: Write it down
  physical_ai.edge.fleet_ledger:
    path: fleet-ledger
    hosts: "{{ ansible_play_hosts_all }}"
  run_once: true
"""

RETURN = r"""
hosts:
  description: >-
    For each host that answered the number of C(new) entries, the C(sequence) of the last one, whether something is C(changed), and what
    is to be C(said); for each other host the C(reason).
  type: dict
  returned: success
lines:
  description: The same for a person.
  type: list
  elements: str
  returned: success
"""
