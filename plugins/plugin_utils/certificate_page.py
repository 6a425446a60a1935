# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of a fleet as one HTML page that needs nothing else. Everything that a node said is escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from . import certificate_view
from .fleet_page import AWAY, BAD, GOOD, SAME, WARN
from .fleet_view import clean


def page(view: Mapping[str, Any]) -> str:
    """:param view: of certificate_view."""
    rows = [_row(row) for row in view["rows"]]
    tones = Counter(row["tone"] for row in rows)
    cards = [(len(rows), "certificates", SAME), (tones[BAD], "with a problem", BAD if tones[BAD] else GOOD)]
    cards += [(tones[WARN], "due, or with a clock in doubt", WARN)] if tones[WARN] else []
    cards += [(len(view["silent"]), "nodes could not be asked", AWAY)] if view["silent"] else []
    issuers = Counter(row["issuer"] for row in rows if row["issuer"])
    folder = Path(__file__).with_name("templates")
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("certificate_page.html.j2").render(
        time=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        cards=cards,
        rows=rows,
        attention=[row for row in rows if row["tone"] in (BAD, WARN)],
        silent=[clean(host) for host in view["silent"]],
        issuers=sorted(issuers.items()),
    )


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    found = row["installed"] or {}
    url = clean((row.get("renewed_by") or {}).get("url") or "")
    word, tone = _word(row)
    return {
        "tone": tone,
        "word": word,
        "site": clean(row["site"]),
        "host": clean(row["host"]),
        "name": clean(row["name"]),
        "issuer": clean(found.get("issuer", "")),
        "serial": clean(found.get("serial", "")),
        "ends": certificate_view.day(found.get("not_after")),
        "days_left": f"{found['days_left']:g}" if found else "-",
        "renewed": certificate_view.renewed(row),
        "by": url.split("/")[2].rpartition(":")[0] or url if url.count("/") > 1 else url or "push",
        "url": url,
        "state": clean(row["wrong"] or certificate_view.state(row)),
    }


def _word(row: Mapping[str, Any]) -> tuple[str, str]:
    if row["wrong"]:
        return "problem", BAD
    if row["clock"] == certificate_view.DOUBTFUL:
        return "in doubt", WARN
    return ("due", WARN) if row["due"] else ("ok", GOOD)
