# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a push has to do about the certificates of a node: nothing, where it has what the inventory allows it and none is due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.physical_ai.edge.plugins.module_utils._core import certificate_request
from ansible_collections.physical_ai.edge.plugins.module_utils._core.fields import Field, SpecError, boolean, mapping

DAY = 86400.0


def _days(where: str, value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise SpecError(f"{where.replace('.', '_')}: found {value!r}, wanted a number of days") from None


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str):
        raise SpecError(f"{where}: found {value!r}, wanted text")
    return value


_SELECTION = mapping(
    {
        "all": Field(boolean, default=False, doc="whatever is due"),
        "issuer": Field(_text, default="", doc="what this issuing CA signed"),
        "days_left": Field(_days, doc="what has fewer days left"),
        "older_than": Field(_days, doc="what was signed more than so many days ago"),
    }
)


def todo(
    rows: Sequence[Mapping[str, Any]],
    allowed: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
    subject: str,
    selection: Mapping[str, Any],
) -> dict[str, bool]:
    """Names of certificates that want something, each with whether it is replaced although it is not due.

    :param rows: what the module certificate_info returned.
    :param allowed: names of each certificate that the node may have.
    :param settings: how each is used.
    :raises SpecError: naming what is wrong.
    """
    chosen = _SELECTION("certificates_renew", dict(selection))
    have = {row["name"]: row for row in rows}
    found = {}
    for name, names in allowed.items():
        wanted, row = definition(name, names, settings.get(name) or {}, subject), have.get(name)
        # The node gets no other by itself for one that is revoked, and does not know that it could by push.
        renew = row is not None and (row["revoked"] or _selected(row, chosen))
        if renew or row is None or row["definition"] != wanted or row["wanted"] or row["stale"]:
            found[str(name)] = bool(renew)
    return found


def definition(name: str, names: Mapping[str, Any], settings: Any, subject: str) -> dict[str, Any]:
    """What the node writes down of it."""
    if not isinstance(settings, Mapping):
        raise SpecError(f"certificates_settings.{name}: found {settings!r}, wanted a mapping")
    given = _given(settings)
    for key in ("owner", "group"):
        if key in given:
            given[key] = str(given[key])  # the module takes a number too
    whole = {**given, "name": name, "subject": subject, **{kind: list(names[kind]) for kind in ("dns", "ip", "uri")}}
    try:
        return certificate_request.definition(whole)
    except SpecError as exc:
        raise SpecError(f"certificates_settings.{name}: {exc}") from None


def _given(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(key): _given(item) if isinstance(item, Mapping) else item for key, item in value.items() if item is not None
    }


def _selected(row: Mapping[str, Any], chosen: Mapping[str, Any]) -> bool:
    """Whether it is replaced whatever is left of its life. Days are counted by the clock of the node."""
    installed = row["installed"]
    if chosen["all"] or installed is None:
        return bool(chosen["all"])
    left, oldest = chosen.get("days_left"), chosen.get("older_than")
    age = (installed["not_after"] - installed["not_before"]) / DAY - installed["days_left"]
    return (
        (chosen["issuer"] != "" and installed["issuer"] == chosen["issuer"])
        or (left is not None and installed["days_left"] < left)
        or (oldest is not None and age > oldest)
    )


__all__ = ["SpecError", "definition", "todo"]
