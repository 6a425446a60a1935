# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout to 100,000 hosts is planned in little more time than it takes to look at each of them once."""

from __future__ import annotations

import time
import typing as t

import pytest

from ansible_collections.physical_ai.edge.plugins.plugin_utils._rollout import policy, waves

HOSTS, SITES, MOST_SECONDS, MOST_RATIO = 100_000, 300, 5.0, 25.0
BUDGET = {"by": ["edge_site", "edge_zone"], "max_unavailable": 1}


def fleet() -> list[waves.Host]:
    found = []
    for number in range(HOSTS):
        site = f"s{number % SITES}"
        groups = {"edge_site": site, "edge_zone": f"line-{number // SITES % 8}"}
        ring = "canary" if number % SITES < 3 else "early" if number % SITES < 60 else "broad"
        found.append(
            waves.Host(f"{site}-n{number}", ring, site, groups, done=number % 50 == 0, offline=number % 33 == 0)
        )
    return found


def look(hosts: t.Sequence[waves.Host]) -> float:
    """Sorts the hosts into the groups that the budget counts by: what no plan can do without."""
    began = time.perf_counter()
    wanted = policy.parse({"stages": [{"name": "all", "rings": "rest", "budget": BUDGET}]})
    waves.sizes(wanted.stages[0].budgets, hosts)
    return time.perf_counter() - began


@pytest.mark.must_show("C1")
def test_planning_a_large_fleet(figure: t.Callable[[str], None]) -> None:
    hosts = fleet()
    stages = [
        {"name": "canary", "rings": ["canary"], "budget": BUDGET},
        {"name": "early", "rings": ["early"], "batch": "25%", "budget": BUDGET},
        {"name": "broad", "rings": "rest", "batch": "10%", "budget": BUDGET},
    ]
    wanted = policy.parse({"stages": stages})
    began = time.perf_counter()
    plan = waves.plan(wanted, hosts)
    seconds = time.perf_counter() - began
    ratio = seconds / min(look(hosts) for _run in range(3))
    gone = [name for _stage, wave in plan.waves() for name in wave]
    assert len(gone) == len(set(gone)) == sum(1 for host in hosts if not host.done)
    figure(f"{HOSTS:,} hosts of {SITES} sites planned in {seconds:.1f} s, {ratio:.0f} times one look at each host")
    assert seconds < MOST_SECONDS
    assert ratio < MOST_RATIO
