# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the tables of docs/nvidia_container_toolkit.md from the support matrix of the role.

    python -m tests.tools.toolkit_doc

What stands between the two markers is made here; everything else in the document is written by people.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List

import yaml

from tests.tools.sync import ROOT

MATRIX = ROOT / "roles" / "nvidia_container_toolkit" / "vars" / "main" / "support.yml"
DOCUMENT = ROOT / "docs" / "nvidia_container_toolkit.md"
BEGIN = "<!-- matrix: made by tests/tools/toolkit_doc.py -->"
END = "<!-- end of matrix -->"


def matrix() -> Dict[str, Any]:
    loaded: Dict[str, Any] = yaml.safe_load(MATRIX.read_text(encoding="utf-8"))
    return loaded["__nvidia_container_toolkit_support"]


def table(title: str, columns: List[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [f"### {title}", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""])


def tables() -> str:
    data = matrix()
    least = data["minimum"]
    toolkit = [
        [
            entry["version"],
            entry["state"] + (", default" if entry["version"] == data["recommended"] else ""),
            entry["why"],
            entry["thread"],
        ]
        for entry in data["toolkit"]
    ]
    toolkit += [
        ["other", "taken, said to be untried", f"from {least['version']} on", ""],
        [f"before {least['version']}", "refuse", least["why"], ""],
    ]
    first, default = data["engine"]["cdi"], data["engine"]["cdi_default"]
    schema = data["schema"]
    engine = [
        [f"before {first}", "runtime `nvidia` in `daemon.json`", "reload"],
        [f"{first} to {default}", "`features.cdi: true` in `daemon.json`", "restart"],
        [f"{default} and later", "nothing, unless `features.cdi` is false", "none"],
    ]
    jetson = [
        [
            row["l4t"],
            row["jetpack"],
            row["cuda"],
            ", ".join(row["images"]),
            "yes" if row["iptables_legacy"] else "",
            "yes" if row["no_iptables_raw"] else "",
        ]
        for row in data["jetson"]
    ]
    note = (
        f"With toolkit {schema['toolkit']} and later and an engine before {schema['engine']} the specification is made with "
        f"`{schema['feature_flag']}`, which that engine can read.\n"
    )
    parts = [table("Toolkit", ["version", "state", "why", "thread"], toolkit)]
    parts += [
        table("Docker engine, discrete GPU", ["engine", "what the role sets", "the engine follows by"], engine),
        note,
    ]
    columns = [
        "L4T",
        "JetPack",
        "CUDA at most",
        "images for L4T",
        "iptables-legacy where nft has no nat",
        "works without table raw",
    ]
    parts.append(table("Jetson", columns, jetson))
    return "\n".join(parts)


def document(before: str) -> str:
    head, _mark, rest = before.partition(BEGIN)
    _old, _end, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{tables()}\n{END}{tail}"


if __name__ == "__main__":
    DOCUMENT.write_text(document(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
