# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A good workload to start from."""

from __future__ import annotations

import typing as t

DIGEST = "sha256:" + "ab" * 32


def workload(**more: t.Any) -> t.Dict[str, t.Any]:
    found: t.Dict[str, t.Any] = {"name": "app", "image": "registry.example.com:5000/vision/app", "digest": DIGEST}
    found.update(more)
    return found
