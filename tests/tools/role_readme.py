# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the tables of variables in the READMEs of roles from their argument specifications.

    python -m tests.tools.role_readme          # write them
    python -m tests.tools.role_readme --check  # only say which are not as they should be

What stands between the two markers is made here; everything else in a README is written by people.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.tools.sync import ROOT

BEGIN = "<!-- variables: made by tests/tools/role_readme.py from meta/argument_specs.yml -->"
END = "<!-- end of variables -->"
HEADER = "<!--\nCopyright: (c) 2026, physical_ai.edge contributors\nSPDX-License-Identifier: GPL-3.0-or-later\n-->\n"
MARKUP = re.compile(r"\b[CVOIBP]\(([^)]*)\)")


def roles(root: Path = ROOT) -> list[Path]:
    return sorted(path.parent.parent for path in root.glob("roles/*/meta/argument_specs.yml"))


def specification(role: Path) -> dict[str, Any]:
    specs: dict[str, Any] = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    return specs["argument_specs"]


def prose(text: str | list[str]) -> str:
    """One line of Markdown from one or more paragraphs with Ansible's markup."""
    joined = " ".join([text] if isinstance(text, str) else text)
    return MARKUP.sub(r"`\1`", " ".join(joined.split())).replace("|", "\\|")


def kind(option: dict[str, Any]) -> str:
    words = str(option.get("type", "str"))
    if "elements" in option:
        words += f" of {option['elements']}"
    if "choices" in option:
        words = " \\| ".join(f"`{choice}`" for choice in option["choices"])
    return words


def default(option: dict[str, Any]) -> str:
    if option.get("required"):
        return "**required**"
    if "default" not in option:
        return ""
    value = option["default"]
    shown = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return f"`{shown}`".replace("|", "\\|")


def rows(options: dict[str, Any], prefix: str = "") -> list[str]:
    """A row for each option; those of a nested object follow it as `option.member`."""
    lines = []
    for name, option in options.items():
        shown = f"`{prefix}{name}`"
        lines.append(f"| {shown} | {kind(option)} | {default(option)} | {prose(option['description'])} |")
        lines += rows(option.get("options", {}), f"{prefix}{name}.")
    return lines


def table(role: Path) -> str:
    parts = []
    for name, spec in specification(role).items():
        if name != "main":
            parts.append(f"### Entry point `{name}`\n\n{prose(spec['short_description'])}.\n")
        options = rows(spec.get("options", {}))
        if options:
            parts.append(
                "\n".join(["| variable | type | default | what it is |", "|---|---|---|---|", *options]) + "\n"
            )
        else:
            parts.append("No variables.\n")
    return "\n".join(parts)


def readme(role: Path, text: str) -> str:
    """The README with its table as it should be; a role without one gets a first one."""
    block = f"{BEGIN}\n\n{table(role)}\n{END}"
    if BEGIN in text and END in text:
        before, _marker, rest = text.partition(BEGIN)
        return before + block + rest.partition(END)[2]
    if not text:
        spec = specification(role)["main"]
        text = f"{HEADER}# Role `physical_ai.edge.{role.name}`\n\n{prose(spec['short_description'])}.\n"
        text += f"\n{prose(spec['description'])}\n" if "description" in spec else ""
    return f"{text.rstrip()}\n\n## Variables\n\n{block}\n"


def drifted(root: Path = ROOT) -> list[Path]:
    found = []
    for role in roles(root):
        path = role / "README.md"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if readme(role, text) != text:
            found.append(path)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="role_readme", description="Tables of variables in the READMEs of roles.")
    parser.add_argument("--check", action="store_true", help="change nothing, and fail where something would change")
    check = parser.parse_args().check
    paths = drifted()
    for path in paths:
        if not check:
            path.write_text(readme(path.parent, path.read_text(encoding="utf-8") if path.is_file() else ""), "utf-8")
        print(f"{path.relative_to(ROOT)}: {'is not as its argument specification says' if check else 'written'}")
    return 1 if check and paths else 0


if __name__ == "__main__":
    sys.exit(main())
