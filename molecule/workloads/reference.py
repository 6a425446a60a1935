# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the tiny image of the lab `molecule` by digest, pushed to its registry."""

from __future__ import annotations

from tests.lab import Lab, engine, images

lab = Lab.attach("molecule")
print(lab.registry.push(images.tiny(engine.client(), "ok", "1"), "molecule/tiny"))
