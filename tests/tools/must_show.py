# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Joins the list of what must be shown (tests/must_show.yml) with what the marked tests did."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable

LIST = Path(__file__).resolve().parents[1] / "must_show.yml"
ITEM = re.compile(r"^([A-Z])(\d+)$")


@dataclass
class Item:
    """One line of the list and the outcomes of the tests that carry its mark."""

    key: str
    words: str
    outcomes: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """An item is shown only when each of its tests ran and passed."""
        if not self.outcomes:
            return "missing"
        for word in ("failed", "skipped"):
            if word in self.outcomes:
                return word
        return "passed"

    def line(self) -> str:
        detail = "; ".join(self.figures)
        return f"{self.key:4} {self.verdict:8} {self.words}" + (f": {detail}" if detail else "")


def parts(path: Path = LIST) -> dict[str, dict[int, str]]:
    """The items of each part, in words."""
    import yaml

    data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {str(part): dict(entry["items"]) for part, entry in data.items()}


def items(part: str, listed: dict[str, dict[int, str]]) -> dict[str, Item]:
    if part not in listed:
        raise ValueError("part {!r} is not in tests/must_show.yml: it has {}".format(part, ", ".join(listed)))
    return {f"{part}{number}": Item(f"{part}{number}", words) for number, words in listed[part].items()}


def check_key(key: str, listed: dict[str, dict[int, str]]) -> None:
    """A mark with a typing mistake would show nothing and be missed by nobody."""
    match = ITEM.match(key)
    if match is None or int(match.group(2)) not in listed.get(match.group(1), {}):
        raise ValueError(f"must_show({key!r}): no such item in tests/must_show.yml")


def closing(part: str, shown: Iterable[Item]) -> str:
    verdicts = [item.verdict for item in shown]
    line = "must-show {}: {} passed, {} failed, {} skipped".format(
        part, verdicts.count("passed"), verdicts.count("failed"), verdicts.count("skipped")
    )
    missing = verdicts.count("missing")
    return line + (f", {missing} missing" if missing else "")
