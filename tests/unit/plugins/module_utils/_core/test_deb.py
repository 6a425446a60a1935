# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import deb

# Recorded with dpkg-query 1.22: installed, held, removed with its configuration left, and cut in the middle.
QUERIED = "chrony\tii \t4.6.1-3\ndocker.io\thi \t26.1.5+dfsg1-9\nntp\trc \t1:4.2.8\nprocps\tiF \t2:4.0.4-9\n"
# Recorded with apt-cache 3.0.
POLICY = """docker.io:
  Installed: (none)
  Candidate: 26.1.5+dfsg1-9+deb13u1+b1
  Version table:
     26.1.5+dfsg1-9+deb13u1+b1 500
        500 http://deb.debian.org/debian trixie/main amd64 Packages
chrony:
  Installed: 4.6.1-3
  Candidate: 4.6.1-3+deb13u1
  Version table:
     4.6.1-3+deb13u1 500
        500 http://security.debian.org/debian-security trixie-security/main amd64 Packages
 *** 4.6.1-3 500
        500 http://deb.debian.org/debian trixie/main amd64 Packages
        100 /var/lib/dpkg/status
ntpd:
  Installed: (none)
  Candidate: (none)
  Version table:
"""
# Recorded with apt 2.6 on a full disk, shortened: dpkg speaks on apt's standard output.
FULL_DISK = """dpkg: error processing archive /var/cache/apt/archives/x.deb (--unpack):
 cannot copy: No space left on device
E: Sub-process /usr/bin/dpkg returned an error code (1)
"""
HAVE = deb.installed(QUERIED)


def test_installed_is_completely_installed() -> None:
    assert {"chrony": deb.Package("4.6.1-3", False), "docker.io": deb.Package("26.1.5+dfsg1-9", True)} == HAVE


@pytest.mark.parametrize(
    ("names", "versions", "hold", "arguments", "to_hold"),
    [
        (["chrony"], {}, [], [], []),
        (["chrony", "procps"], {}, [], ["procps"], []),
        (["docker.io"], {"docker.io": "26.1*"}, ["docker.io"], [], []),
        # apt lets go of the hold of what it changes.
        (["docker.io"], {"docker.io": "28.*"}, ["docker.io"], ["docker.io=28.*"], ["docker.io"]),
        (["chrony"], {}, ["chrony"], [], ["chrony"]),
        (["ntp"], {}, [], ["ntp"], []),
    ],
)
def test_plan(names: list, versions: dict, hold: list, arguments: list, to_hold: list) -> None:
    plan = deb.plan(HAVE, names, versions, hold)
    assert (plan.arguments, plan.hold) == (arguments, to_hold)
    assert plan.changed is bool(arguments or to_hold)
    assert (plan.before != plan.after) is plan.changed


def test_what_the_diff_shows() -> None:
    plan = deb.plan(HAVE, ["docker.io", "procps"], {"docker.io": "28.*"}, ["docker.io"])
    assert plan.before == {"docker.io": "26.1.5+dfsg1-9, held", "procps": "absent"}
    assert plan.after == {"docker.io": "28.*, held", "procps": "installed"}


def test_candidates() -> None:
    assert deb.candidates(POLICY) == {
        "docker.io": ["26.1.5+dfsg1-9+deb13u1+b1", "26.1.5+dfsg1-9+deb13u1+b1"],
        "chrony": ["4.6.1-3+deb13u1", "4.6.1-3+deb13u1", "4.6.1-3"],
    }


@pytest.mark.parametrize(
    ("wanted", "lacking"),
    [
        ({"docker.io": ""}, []),
        ({"docker.io": "26.1*"}, []),
        ({"chrony": "4.6.1-3"}, []),
        ({"docker.io": "28.*", "ntpd": "", "nothing": ""}, ["docker.io=28.*", "ntpd", "nothing"]),
    ],
)
def test_what_apt_does_not_know(wanted: dict, lacking: list) -> None:
    assert deb.unknown(wanted, deb.candidates(POLICY)) == lacking


def test_removals() -> None:
    simulated = "Reading package lists...\nRemv systemd-timesyncd [257.8-1]\nInst chrony (4.6.1-3 Debian:13 [amd64])\n"
    assert deb.removals(simulated) == ["systemd-timesyncd"]


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        ("W: something\nE: Unable to locate package x\nE: And more\n", "Unable to locate package x; And more"),
        ("dpkg: error: broken\n", "dpkg: error: broken"),
        ("", "no reason given"),
        (
            FULL_DISK,
            "Sub-process /usr/bin/dpkg returned an error code (1); cannot copy: No space left on device",
        ),
        (
            "W: Failed to fetch http://10.0.0.9/InRelease  Could not connect\nW: Some index files failed to download.\n",
            "Failed to fetch http://10.0.0.9/InRelease  Could not connect",
        ),
    ],
)
def test_reason(stderr: str, reason: str) -> None:
    assert deb.reason(stderr) == reason


# In dpkg's order, each before the next; `dpkg --compare-versions` says the same.
ORDERED = [
    "0.9",
    "1.0~rc1-1",
    "1.0",
    "1.0-2",
    "1.0-10",
    "1.0a",
    "1.0+b",
    "1.9",
    "1.10",
    "1.19.1-1",
    "1.20.0~rc.1-1",
    "1.20.0-1",
    "1:0.1",
]


@pytest.mark.parametrize(("one", "other"), [(one, other) for one in ORDERED for other in ORDERED])
def test_versions_are_ordered_as_dpkg_does(one: str, other: str) -> None:
    places = ORDERED.index(one), ORDERED.index(other)
    assert deb.compare(one, other) == (places[0] > places[1]) - (places[0] < places[1])
