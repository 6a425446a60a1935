# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host ranges as Ansible writes them: `cam[01:12]`, `cam[a:f]`, `rack[1:3]-[01:10:2]`."""

from __future__ import annotations

import re
import string

# A range this long is a slip of the finger, and would fill the memory before anything could say so.
MOST = 65536

_RANGE = re.compile(r"\[([^\[\]]*)\]")


class RangeError(ValueError):
    """Not a range; the message says what was found and what is allowed."""


def expand(pattern: str) -> list[str]:
    """All names of a pattern, in order; the pattern itself where it has no range."""
    match = _RANGE.search(pattern)
    if match is None:
        if "[" in pattern or "]" in pattern:
            raise RangeError("a bracket without its partner; allowed: a range such as [01:12]")
        return [pattern]
    head, tail = pattern[: match.start()], expand(pattern[match.end() :])
    middle = _sequence(match.group(1))
    if len(middle) * len(tail) > MOST:
        raise RangeError(f"a range of more than {MOST} names; allowed: up to {MOST}")
    return [head + item + rest for item in middle for rest in tail]


def _sequence(text: str) -> list[str]:
    bounds = text.split(":")
    if len(bounds) not in (2, 3):
        raise RangeError(f"the range [{text}]; allowed: [begin:end] or [begin:end:step]")
    begin, end = bounds[0] or "0", bounds[1]
    if not end:
        raise RangeError(f"the range [{text}] without an end; allowed: [begin:end] or [begin:end:step]")
    step = bounds[2] if len(bounds) == 3 else "1"
    if not re.fullmatch(r"[0-9]+", step) or int(step) == 0:
        raise RangeError(f"the range [{text}] with step {step!r}; allowed: a whole number from 1")
    if len(begin) == len(end) == 1 and begin in string.ascii_letters and end in string.ascii_letters:
        first, last = string.ascii_letters.index(begin), string.ascii_letters.index(end)
        return _checked(text, list(string.ascii_letters[first : last + 1 : int(step)]))
    if not (re.fullmatch(r"[0-9]+", begin) and re.fullmatch(r"[0-9]+", end)):
        raise RangeError(f"the range [{text}]; allowed: two whole numbers or two letters")
    width = len(begin) if begin.startswith("0") and len(begin) > 1 else 0
    if width and width != len(end):
        raise RangeError(f"the range [{text}]; allowed: begin and end of the same length where begin starts with 0")
    numbers = range(int(begin), int(end) + 1, int(step))
    if len(numbers) > MOST:
        raise RangeError(f"a range of more than {MOST} names; allowed: up to {MOST}")
    return _checked(text, [str(number).zfill(width) for number in numbers])


def _checked(text: str, names: list[str]) -> list[str]:
    if not names:
        raise RangeError(f"the range [{text}], whose begin is after its end; allowed: begin up to end")
    return names
