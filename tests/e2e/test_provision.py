# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Provisioning of a fresh fleet: what check mode foresees is what happens, and the second run does nothing."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator

import pytest

from tests.lab import Lab
from tests.lab.lab import default_name

PROVISION = "playbooks/provision.yml"
UNITS = ["docker.service", "containerd.service", "chrony.service", "systemd-journald.service"]
TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(.*)\] \*+$")
CHANGED = re.compile(r"^changed: \[(.*?)\]")


@pytest.fixture(scope="module")
def fresh_lab() -> Iterator[Lab]:
    """A lab of its own, because a node is fresh only once."""
    name = f"{default_name()}new"[-15:]
    Lab.remove(name)
    lab = Lab.up(name, nodes=4)
    yield lab
    lab.down()


def changes(stdout: str) -> dict[str, list[str]]:
    """The tasks and handlers that changed something, by host."""
    found: dict[str, list[str]] = {}
    task = ""
    for line in stdout.splitlines():
        if match := TASK.match(line):
            task = match[1]
        elif match := CHANGED.match(line):
            found.setdefault(match[1], []).append(task)
    return {host: sorted(tasks) for host, tasks in found.items()}


def diff_lines(stdout: str) -> list[str]:
    """What --diff shows as taken away and put in its place; nodes report in any order."""
    return sorted(line for line in stdout.splitlines() if line.startswith(("+", "-")))


def state(lab: Lab) -> dict[str, str]:
    """Which processes the services are and since when they run."""
    shown = ["systemctl", "show", "--property=Id,MainPID,ActiveState,ActiveEnterTimestampMonotonic", *UNITS]
    return {name: node.exec(shown).stdout for name, node in lab.nodes.items()}


@pytest.mark.e2e
@pytest.mark.must_show("A2")
def test_check_mode_tells_the_truth_and_the_second_run_does_nothing(
    fresh_lab: Lab, figure: Callable[[str], None]
) -> None:
    nodes = fresh_lab.nodes
    foreseen = fresh_lab.playbook(PROVISION, "--check", "--diff")
    assert all(node.exec("command -v dockerd", check=False).returncode != 0 for node in nodes.values())

    done = fresh_lab.playbook(PROVISION, "--diff")
    assert set(changes(done.stdout)) == set(nodes)
    assert changes(foreseen.stdout) == changes(done.stdout)
    assert diff_lines(foreseen.stdout) == diff_lines(done.stdout)

    before = state(fresh_lab)
    assert all(shown.count("ActiveState=active") == len(UNITS) for shown in before.values()), before
    again = fresh_lab.playbook(PROVISION, "--diff")
    checked = fresh_lab.playbook(PROVISION, "--check", "--diff")
    for run in (again, checked):
        assert {name: counts["changed"] for name, counts in run.stats.items()} == dict.fromkeys(nodes, 0)
        assert diff_lines(run.stdout) == []
    assert state(fresh_lab) == before
    tasks = len(re.findall(r"^TASK \[.*(?<!follow)\] \*", again.stdout, re.MULTILINE))
    counted = sum(counts["changed"] for counts in done.stats.values())
    figure(
        f"{len(nodes)} nodes: check mode foresaw {sum(map(len, changes(foreseen.stdout).values()))} changes, the run made {counted}; "
        f"second run of {tasks} tasks changed={again.changed}, nothing restarted"
    )


@pytest.mark.e2e
def test_provisioned_nodes_are_what_the_roles_promise(fresh_lab: Lab) -> None:
    fresh_lab.playbook(PROVISION)
    for node in fresh_lab.nodes.values():
        assert node.failed_units() == []
        assert node.exec("docker info -f '{{.LiveRestoreEnabled}} {{.LoggingDriver}}'").stdout.strip() == "true local"
        assert node.exec("ls -A /var/log/journal").stdout.strip()
        assert "SystemMaxUse=256M" in node.exec("systemd-analyze cat-config systemd/journald.conf").stdout
        assert node.exec(["sysctl", "-n", "fs.inotify.max_user_instances"]).stdout.strip() == "512"
        routes = [line.split() for line in node.exec("ip -4 route show").stdout.splitlines()]
        ranges = {words[words.index("dev") + 1]: words[0] for words in routes if words[0] != "default"}
        bridge = ipaddress.ip_network(ranges.pop("docker0"))
        assert fresh_lab.plan.site(node.site).cidr in ranges.values()
        assert not any(bridge.overlaps(ipaddress.ip_network(other)) for other in ranges.values())
