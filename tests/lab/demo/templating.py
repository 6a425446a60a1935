# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's templates: the release file and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def render(template: str, **values: Any) -> str:
    """A template of this package; what goes into HTML is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["seconds"] = seconds
    return environment.get_template(template).render(**values)
