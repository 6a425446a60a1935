# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a push has to do about the certificates of a node: nothing, where it has what the inventory allows it and none is due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ansible_collections.physical_ai.edge.plugins.module_utils._core import certificate_request, issuing
from ansible_collections.physical_ai.edge.plugins.module_utils._core.fields import Field, SpecError, boolean, mapping

DAY = 86400.0


def _days(where: str, value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise SpecError(f"{where.replace('.', '_')}: found {value!r}, wanted a number of days") from None


def _moment(where: str, value: Any) -> float | None:
    """In seconds since 1970. Without a time zone it is UTC."""
    if value is None or value == "":
        return None
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        wanted = "wanted a moment such as 2026-11-26T12:00:00Z"
        raise SpecError(f"{where.replace('.', '_')}: found {value!r}, {wanted}") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


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
        "signed_before": Field(_moment, doc="what was signed before this moment"),
    }
)


def selection(given: Mapping[str, Any]) -> dict[str, Any]:
    """:raises SpecError: naming what is wrong."""
    return _SELECTION("certificates_renew", dict(given))


def todo(
    rows: Sequence[Mapping[str, Any]],
    allowed: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
    subject: str,
    wanted_too: Mapping[str, Any],
) -> dict[str, bool]:
    """Names of certificates that want something, each with whether it is replaced although it is not due.

    :param rows: what the module certificate_info returned.
    :param allowed: names of each certificate that the node may have.
    :param settings: how each is used.
    :param wanted_too: what is replaced although it is not due, see :func:`selection`.
    :raises SpecError: naming what is wrong.
    """
    chosen = selection(wanted_too)
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
    left, oldest, before = (chosen.get(key) for key in ("days_left", "older_than", "signed_before"))
    age = (installed["not_after"] - installed["not_before"]) / DAY - installed["days_left"]
    return (
        (chosen["issuer"] != "" and installed["issuer"] == chosen["issuer"])
        or (left is not None and installed["days_left"] < left)
        or (oldest is not None and age > oldest)
        # It begins a little before it was signed.
        or (before is not None and installed["not_before"] + issuing.BACKDATE < before)
    )


__all__ = ["SpecError", "definition", "selection", "todo"]
