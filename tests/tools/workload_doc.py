# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the tables of docs/workload_spec.md and docs/hardware.md from the tables that validate what users write.

    python -m tests.tools.workload_doc

What stands between the two markers is made here; everything else in the document is written by people.
"""

from __future__ import annotations

import json
import sys
from typing import Iterator, Mapping

from tests.tools.sync import BUILD, ROOT

sys.path.insert(0, str(BUILD))

from ansible_collections.physical_ai.edge.plugins.module_utils._core import devices, fields, spec_fields, tenants

BEGIN = "<!-- keys: made by tests/tools/workload_doc.py -->"
END = "<!-- end of keys -->"


def rows(table: Mapping[str, fields.Field], prefix: str = "") -> Iterator[str]:
    """A row for each key, those of mappings and lists below it with their whole path."""
    for key, field in table.items():
        default = "**required**" if field.required else ""
        if field.default is not None and not field.required:
            default = f"`{field.default if isinstance(field.default, str) else json.dumps(field.default)}`"
        yield f"| `{prefix}{key}` | {default} | {field.doc} |"
        inner, mark = field.check, "."
        if isinstance(inner, fields.listing):
            inner, mark = inner.element, "[]."
        known = {**spec_fields.PROBES, **spec_fields.IDLE_KINDS}
        if isinstance(inner, fields.mapping) and inner.fields is not known.get(key):
            yield from rows(inner.fields, f"{prefix}{key}{mark}")


def section(title: str, table: Mapping[str, fields.Field]) -> str:
    if not table:
        return f"### {title}\n\nIt has no keys: `{{}}`.\n"
    return "\n".join([f"### {title}", "", "| key | default | what it is |", "|---|---|---|", *rows(table), ""])


def hardware() -> str:
    return "\n".join([section("A device", devices.DEVICE), section("A share", tenants.SHARE)])


def workloads() -> str:
    parts = [section("A workload", {k: v for k, v in spec_fields.WORKLOAD.items() if k != "probes"})]
    parts += [section("`probes.startup`", spec_fields.STARTUP), section("`probes.steady`", spec_fields.STEADY)]
    parts += [section(f"Probe `{kind}`", table) for kind, table in spec_fields.PROBES.items()]
    parts += [section("`probes.idle`, exactly one of `modbus`, `opcua` and `command`", spec_fields.IDLE)]
    parts += [section(f"Idle probe `{kind}`", table) for kind, table in spec_fields.IDLE_KINDS.items()]
    parts.append(section("A model of the release", spec_fields.MODEL))
    return "\n".join(parts)


DOCUMENTS = {ROOT / "docs" / "workload_spec.md": workloads, ROOT / "docs" / "hardware.md": hardware}


def document(before: str, tables: str) -> str:
    head, _mark, rest = before.partition(BEGIN)
    _old, _end, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{tables}\n{END}{tail}"


if __name__ == "__main__":
    for path, tables in DOCUMENTS.items():
        path.write_text(document(path.read_text(encoding="utf-8"), tables()), encoding="utf-8")
