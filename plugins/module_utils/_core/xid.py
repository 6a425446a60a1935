# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NVIDIA's driver reports of its GPUs in the kernel log: lines of `Xid`, what they mean and what to do."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

_LINE = re.compile(r"NVRM: Xid \(PCI:([0-9A-Fa-f:.]{7,16})\): ([0-9]{1,4})\b,?\s*(.*)")
_TIME = re.compile(r"^\s*([0-9]{1,12}\.[0-9]{1,9})\s")

_RESET = "restart the node; if it comes again, exchange the GPU"
_PROGRAM = "look at the logs of the workload that used the GPU then; if it comes with every program, exchange the GPU"
_SEAT = "restart the node; if it comes again, check the GPU's seat, power and cooling"
_DRIVER = "restart the node; if it comes again, bring driver and firmware up to date"


@dataclass(frozen=True)
class Meaning:
    """`serious`: the GPU, or a part of it, is not to be relied on until something was done."""

    words: str
    serious: bool
    do: str


# In our words, after NVIDIA's catalogue: https://docs.nvidia.com/deploy/xid-errors/
MEANINGS: t.Dict[int, Meaning] = {
    8: Meaning("a program kept the GPU busy beyond its time", False, _PROGRAM),
    13: Meaning("a program made the GPU fail: often an access out of bounds", False, _PROGRAM),
    31: Meaning("a program used memory of the GPU that it does not have", False, _PROGRAM),
    32: Meaning("the commands to the GPU were damaged on the way: bus or driver", True, _SEAT),
    38: Meaning("the driver's firmware failed", True, _DRIVER),
    43: Meaning("a program's work was stopped after a fault of its own", False, _PROGRAM),
    45: Meaning("a program's work was ended, mostly after another fault", False, _PROGRAM),
    48: Meaning("memory of the GPU has an error in two bits that ECC cannot correct", True, _RESET),
    54: Meaning("the GPU lacks its additional power supply", True, "plug the power cable of the GPU in"),
    56: Meaning("the display engine failed", False, _DRIVER),
    61: Meaning("the GPU's own controller stopped at a breakpoint", True, _RESET),
    62: Meaning("the GPU's own controller halted", True, _RESET),
    63: Meaning("a bad place in the GPU's memory is set aside from the next reset on", False,
                "restart the node at the next occasion, so that the place is no longer used"),
    64: Meaning("a bad place in the GPU's memory could not be set aside", True, _RESET),
    69: Meaning("a program made the GPU's graphics engine fail", False, _PROGRAM),
    74: Meaning("a link between GPUs (NVLink) failed", True, _SEAT),
    79: Meaning("the GPU has fallen off the bus: the driver cannot reach it any more", True, _SEAT),
    92: Meaning("ECC corrects errors at a high rate", False, "watch it; if it stays, exchange the GPU"),
    94: Meaning("an ECC error that cannot be corrected hit one program, the others go on", False,
                "restart the workload, and the node at the next occasion"),
    95: Meaning("an ECC error that cannot be corrected may have hit every program", True, _RESET),
    119: Meaning("the GPU's system processor (GSP) does not answer", True, _DRIVER),
    120: Meaning("the GPU's system processor (GSP) failed", True, _DRIVER),
    140: Meaning("ECC errors that cannot be corrected were found", True, _RESET),
    154: Meaning("the driver asks for a reset of the GPU", True, _RESET),
}  # fmt: skip
UNKNOWN = Meaning(
    "an error that this table does not know", False, "look its number up: https://docs.nvidia.com/deploy/xid-errors/"
)


@dataclass(frozen=True)
class Event:
    """One line of the log. `time` is seconds since 1970, or since the start of the kernel, or nothing."""

    address: str
    number: int
    words: str
    time: t.Optional[float] = None

    @property
    def meaning(self) -> Meaning:
        return MEANINGS.get(self.number, UNKNOWN)


def events(log: t.Any) -> t.List[Event]:
    """All of a log, the oldest first."""
    found = []
    for line in log.splitlines() if isinstance(log, str) else ():
        match = _LINE.search(line)
        if match:
            time = _TIME.match(line)
            words = "".join(char if char.isprintable() else "?" for char in match.group(3).strip())[:160]
            stamp = float(time.group(1)) if time else None
            found.append(Event(match.group(1).lower(), int(match.group(2)), words, stamp))
    return found
