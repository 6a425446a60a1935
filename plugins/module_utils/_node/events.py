# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What units of systemd ask for at a boot, and when something on the node has changed."""

from __future__ import annotations

import typing as t

from . import devices, gpu_guard, secrets
from .node import LOCK_WAIT, Node

DEVICE_WAIT = 600.0
"""Seconds that news of a device waits for a change to end."""


def unseal(node: Node) -> t.List[str]:
    """After a boot, before the engine starts; returns what cannot be unsealed, a line each."""
    with node.lock(LOCK_WAIT):
        return secrets.unseal_all(node.paths, node.store.load())


def settle_devices(node: Node) -> t.List[str]:
    """After a device came or went, a reload of systemd, an upgrade of packages, and at boot: every workload has the devices
    that it asked for where they are there, can use the GPUs it was given, and the ledger says what was not so."""
    with node.lock(DEVICE_WAIT):
        state = node.store.load()
        lines = devices.settle(node.paths, state)
        return lines if state.journal is not None else [*lines, *gpu_guard.settle(node, state)]
