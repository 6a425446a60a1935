# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that the doctor looks at on a node, and the verdict. Pure: what was read comes in, findings go out."""

from __future__ import annotations

import typing as t

from . import doctor_hardware, doctor_identity, doctor_machine, doctor_service
from .doctor_finding import FAILURE, WARNING, Check, Finding, NotChecked, Seen, warning

CHECKS: t.Tuple[Check, ...] = (
    *doctor_machine.CHECKS,
    *doctor_identity.CHECKS,
    *doctor_service.CHECKS,
    *doctor_hardware.CHECKS,
)
HEALTHY, WARNINGS, FAILURES = 0, 1, 2
"""Exit codes."""
_BROKEN = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError, RecursionError)
"""What reading nonsense raises."""


def _judged(check: Check, seen: Seen) -> t.Tuple[t.List[Finding], str]:
    """What a check found, and why it was not made. What cannot be understood is a finding too."""
    found: t.List[Finding] = []
    try:
        for finding in check.judge(seen):
            found.append(finding)
    except NotChecked as reason:
        return found, str(reason)
    except _BROKEN as exc:
        words = f"what was read makes no sense ({type(exc).__name__}: {str(exc)[:120]})"
        found.append(
            warning(check.name, words, check.about, "look at it by hand, and report this as a bug of the doctor")
        )
    return found, ""


def _line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def examine(seen: Seen) -> t.Dict[str, t.Any]:
    """`findings`, the worst first; `not_checked` with reasons; `checked`; and the `exit_code`."""
    findings: t.List[t.Dict[str, str]] = []
    not_checked, checked = [], []
    for check in CHECKS:
        found, reason = _judged(check, seen)
        for item in found:
            words = {key: _line(value) for key, value in vars(item).items()}
            findings.append(dict(words, check=check.name))
        if reason and not found:
            not_checked.append({"check": check.name, "reason": _line(reason)})
        else:
            checked.append(check.name)
    findings.sort(key=lambda item: item["severity"] != FAILURE)
    return {"findings": findings, "checked": checked, "not_checked": not_checked, "exit_code": exit_code(findings)}


def exit_code(findings: t.Iterable[t.Mapping[str, str]]) -> int:
    found = {item["severity"] for item in findings}
    return FAILURES if FAILURE in found else WARNINGS if WARNING in found else HEALTHY
