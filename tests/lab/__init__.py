# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: a simulated fleet of real Debian nodes in containers. See README.md."""

from __future__ import annotations

import importlib
import typing as t

if t.TYPE_CHECKING:
    from tests.lab.lab import Lab
    from tests.lab.node import Node
    from tests.lab.plan import LabError
    from tests.lab.playbook import PlaybookResult

__all__ = ["Lab", "LabError", "Node", "PlaybookResult"]

_HOME = {"Lab": "lab", "LabError": "plan", "Node": "node", "PlaybookResult": "playbook"}


def __getattr__(name: str) -> t.Any:
    """Imports on first use, so that `python -m tests.lab.engine` needs nothing but the engine's client."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
