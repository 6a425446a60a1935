# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the node, never the variables."""

from __future__ import annotations

import pytest
from testinfra.host import Host

FILES = [
    "/etc/systemd/journald.conf.d/50-physical-ai.conf",
    "/etc/sysctl.d/60-physical-ai.conf",
    "/etc/chrony/chrony.conf",
]


@pytest.mark.parametrize("name", ["chrony", "ca-certificates", "iproute2", "procps", "tree"])
def test_packages_are_there(host: Host, name: str) -> None:
    assert host.package(name).is_installed


@pytest.mark.parametrize("path", FILES)
def test_files_can_be_read_by_all_and_written_by_root(host: Host, path: str) -> None:
    file = host.file(path)
    assert (file.user, file.group, oct(file.mode)) == ("root", "root", "0o644")


def test_time_comes_from_the_servers_and_from_nobody_else(host: Host) -> None:
    assert host.service("chrony").is_running
    assert host.service("chrony").is_enabled
    assert host.check_output("chronyc -n sources | grep -c '^^'") == "1"  # the name cannot be resolved here
    assert "192.0.2.1" in host.check_output("chronyc -n sources")
    assert not host.package("systemd-timesyncd").is_installed


def test_the_distributions_time_sources_are_kept_aside(host: Host) -> None:
    assert "pool" in host.file("/etc/chrony/chrony.conf.orig").content_string


def test_the_journal_is_persistent_and_small(host: Host) -> None:
    assert host.check_output("ls -A /var/log/journal")
    host.run_expect([0], "journalctl --directory=/var/log/journal --lines=1 --quiet")
    assert "max 64" in host.check_output(
        "journalctl --unit systemd-journald --output cat | grep 'System Journal' | tail -1"
    )


def test_the_kernel_follows(host: Host) -> None:
    assert host.sysctl("fs.inotify.max_user_instances") == 1024


def test_nothing_failed(host: Host) -> None:
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""
