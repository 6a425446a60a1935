# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import node_checks

SUPPORTED = {"debian": ["12", "13"], "ubuntu": ["22.04"]}
TRIXIE = """PRETTY_NAME="Debian GNU/Linux 13 (trixie)"
VERSION_ID="13"
VERSION_CODENAME=trixie
# comment=no
ID=debian
"""
NOVEMBER = 1795000000  # 2026-11-18


def test_os_release() -> None:
    release = node_checks.os_release(TRIXIE)
    assert (release["ID"], release["VERSION_ID"], release["VERSION_CODENAME"]) == ("debian", "13", "trixie")
    assert len(release) == 4


@pytest.mark.parametrize(
    ("release", "lines"),
    [
        ({"ID": "debian", "VERSION_ID": "13"}, []),
        (
            {"ID": "debian", "VERSION_ID": "11"},
            ["operating system: is debian 11, supported are debian 12, debian 13, ubuntu 22.04"],
        ),
        (
            {"ID": "fedora", "VERSION_ID": "43"},
            ["operating system: is fedora 43, supported are debian 12, debian 13, ubuntu 22.04"],
        ),
        ({}, ["operating system: is unknown unknown, supported are debian 12, debian 13, ubuntu 22.04"]),
    ],
)
def test_platform(release: dict, lines: list) -> None:
    assert node_checks.platform(release, SUPPORTED) == lines


@pytest.mark.parametrize(
    ("version", "good"), [((3, 8, 0), True), ((3, 13, 1), True), ((3, 7, 9), False), ((4, 0, 0), True)]
)
def test_python(version: tuple, good: bool) -> None:
    assert (node_checks.python(version, "3.8") == []) is good


@pytest.mark.parametrize(
    ("now", "controller", "words"),
    [
        (NOVEMBER, NOVEMBER, ""),
        (NOVEMBER + 100 * 86400, NOVEMBER, ""),
        (0, NOVEMBER, "says 1970-01-01 00:00 UTC, which is before this software was made (2026-11-01)"),
        (NOVEMBER + 800 * 86400, NOVEMBER, "800 days ahead of the controller (2026-11-18"),
        (NOVEMBER, NOVEMBER + 500 * 86400, "500 days behind the controller"),
        (NOVEMBER + 800 * 86400, 0, ""),  # no controller to compare with
    ],
)
def test_clock(now: int, controller: int, words: str) -> None:
    lines = node_checks.clock(now, "2026-11-01", controller, 366)
    assert bool(lines) is bool(words)
    assert all(words in line for line in lines)


def test_disk() -> None:
    lines = node_checks.disk({"/": 1000, "/var": 100, "/data": None}, {"/": 512, "/var": 1024, "/data": 1})
    assert lines == [
        "disk: /var has 100 MiB free, wanted 1024: free 924 MiB",
        "disk: there is no /data, wanted one with 1 MiB free",
    ]


def test_all_failures_are_one_message() -> None:
    assert node_checks.summary(["a", "b"], "n1").splitlines() == [
        "2 checks failed on n1, so the role changed nothing:",
        "- a",
        "- b",
    ]
    assert node_checks.summary(["a"], "n1").startswith("1 check failed on n1")
