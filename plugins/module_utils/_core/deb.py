# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Debian packages to install, and what apt's simulation says about it.

Private to this collection: not an interface.
"""

from __future__ import annotations

import fnmatch
import re
import typing as t
from dataclasses import dataclass

QUERY = "${Package}\t${db:Status-Abbrev}\t${Version}\n"


@dataclass(frozen=True)
class Package:
    version: str
    held: bool


@dataclass(frozen=True)
class Plan:
    install: t.Dict[str, str]  # name -> wanted version or ""
    hold: t.List[str]
    before: t.Dict[str, str]
    after: t.Dict[str, str]

    @property
    def changed(self) -> bool:
        return bool(self.install or self.hold)

    @property
    def arguments(self) -> t.List[str]:
        return [name + "=" + version if version else name for name, version in self.install.items()]


def installed(dpkg_query: str) -> t.Dict[str, Package]:
    """Completely installed packages; one that a power cut left half-configured is not there yet."""
    found = {}
    for line in dpkg_query.splitlines():
        name, status, version = line.split("\t")
        if status[1:2] == "i":
            found[name] = Package(version, held=status.startswith("h"))
    return found


def plan(
    have: t.Mapping[str, Package], names: t.Sequence[str], versions: t.Mapping[str, str], hold: t.Sequence[str]
) -> Plan:
    """A version may end in `*`, as apt takes it."""
    install = {}
    for name in names:
        want = versions.get(name, "")
        if name not in have or (want and not fnmatch.fnmatchcase(have[name].version, want)):
            install[name] = want
    # apt lets go of a hold when it changes the package.
    to_hold = [name for name in hold if name not in have or not have[name].held or name in install]
    before = {name: _words(have.get(name)) for name in names}
    after = dict(before)
    for name in names:
        if name in install:
            after[name] = install[name] or "installed"
        held = name in to_hold or (name in have and have[name].held)
        after[name] = after[name].replace(", held", "") + (", held" if held else "")
    return Plan(install, to_hold, before, after)


def _words(package: t.Optional[Package]) -> str:
    if package is None:
        return "absent"
    return package.version + (", held" if package.held else "")


def candidates(apt_cache_policy: str) -> t.Dict[str, t.List[str]]:
    """Versions that apt knows of each package, the candidate first."""
    found: t.Dict[str, t.List[str]] = {}
    name = ""
    for line in apt_cache_policy.splitlines():
        if line and not line.startswith(" "):
            name = line.rstrip(":")
            found[name] = []
        elif line.strip().startswith("Candidate:"):
            version = line.split(":", 1)[1].strip()
            if version != "(none)":
                found[name].append(version)
        elif name and line.startswith((" *** ", "     ")) and not line.startswith("        "):
            found[name].append(line.replace("***", "").split()[0])
    return {name: versions for name, versions in found.items() if versions}


def unknown(wanted: t.Mapping[str, str], known: t.Mapping[str, t.Sequence[str]]) -> t.List[str]:
    """What apt could not install from the lists that it has."""
    return [
        name + "=" + version if version else name
        for name, version in wanted.items()
        if not any(fnmatch.fnmatchcase(have, version or "*") for have in known.get(name, []))
    ]


def removals(simulation: str) -> t.List[str]:
    return [line.split()[1] for line in simulation.splitlines() if line.startswith("Remv ")]


def compare(one: str, other: str) -> int:
    """-1, 0 or 1: how dpkg orders two versions."""
    keys = [_epoch_and_parts(text) for text in (one, other)]
    for left, right in zip(*keys):
        if left != right:
            result = _compare_part(left, right)
            if result:
                return result
    return 0


def _epoch_and_parts(version: str) -> t.Tuple[str, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return (epoch, upstream, revision) if dash else (epoch, rest, "")


def _weight(char: str) -> int:
    """A tilde is before the end, the end before letters, letters before everything else."""
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 256


def _compare_part(one: str, other: str) -> int:
    while one or other:
        words = [re.match(r"(\D*)(\d*)(.*)", text, re.DOTALL) for text in (one, other)]
        (text1, number1, one), (text2, number2, other) = (word.groups() if word else ("", "", "") for word in words)
        weights1, weights2 = ([_weight(char) for char in text] + [0] for text in (text1, text2))
        if weights1 != weights2:
            return -1 if weights1 < weights2 else 1
        if int(number1 or 0) != int(number2 or 0):
            return -1 if int(number1 or 0) < int(number2 or 0) else 1
    return 0


def reason(stderr: str) -> str:
    """apt's own words, in one line. Where it only says that dpkg failed, or that lists are old, those words follow."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line[2:].strip() for line in lines if line.startswith("E:")]
    pairs = zip(lines, lines[1:])
    errors += sorted({after for line, after in pairs if line.startswith("dpkg: error processing")})
    fetches = [line[2:].strip() for line in lines if line.startswith("W: Failed to fetch")]
    return "; ".join(errors or fetches or lines[-1:]) or "no reason given"
