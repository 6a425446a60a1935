# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short way through a rollout, on the lab that all tests share: two sites, one of them the canary."""

from __future__ import annotations

import typing as t

import pytest

from tests.e2e.deploying import push
from tests.e2e.fleet import CAREFUL, Rollouts, of_test, table

if t.TYPE_CHECKING:
    from tests.lab import Lab

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def images(provisioned_lab: Lab) -> dict[str, str]:
    return push(provisioned_lab, "ok-1", "ok-2", "ok-3")


@pytest.fixture
def fleet(provisioned_lab: Lab, images: dict[str, str], request: pytest.FixtureRequest) -> t.Iterator[Rollouts]:
    yield from of_test(provisioned_lab, images, "s", 19000, request)


def test_a_release_goes_out_and_a_bad_one_stops_behind_the_canary(fleet: Rollouts) -> None:
    found = fleet.go("1")
    assert table(found) == {"canary": "2 passed 2 success", "early": "2 passed 2 success", "broad": "0 left out -"}
    assert fleet.served() == {"1"}
    assert fleet.go("1").changed == 0
    fleet.say_of("lulea-cam01", ready_after="60")
    release = fleet.release("2")
    release["workloads"][0]["probes"]["startup"]["within"] = "4s"
    found = fleet.run(release, None, rc=2, rollout_ticket="CHG-7")
    assert "NOT TAKEN BACK" not in found.stdout, found.stdout[-3000:]
    assert table(found)["early"].startswith("2 STOPPED 1 success, 1 reverted")
    assert (fleet.served("kiruna"), fleet.served("lulea")) == ({"2"}, {"1"})
    assert fleet.changes(fleet.nodes["lulea-cam01"], "2") == ["reverted"]
    assert fleet.ledger(fleet.nodes["kiruna-gw01"])[-1]["ticket"] == "CHG-7"
    assert not any(fleet.status(node)["leases"] for node in fleet.nodes.values())


def test_who_rolls_out_at_a_site_is_named_to_others(fleet: Rollouts) -> None:
    policy = {"stages": [{"name": "all", "rings": "rest", "soak": "10m"}]}
    gateway = fleet.nodes["lulea-gw01"]
    with fleet.going(fleet.release("1"), policy, "--limit", "lulea-cam01", rollout_owner="ann@ops1") as going:
        fleet.wait(lambda: fleet.served("lulea") == {"", "1"}, "the wave of the first")
        assert fleet.tenant in fleet.status(gateway)["leases"]
        refused = fleet.run(fleet.release("2"), policy, "--limit", "lulea-gw01", rc=2, rollout_owner="bob@ops2")
        assert "of ann@ops1 is under way" in refused.stdout
        going.kill()
    found = fleet.go("1", rollout_owner="ann@ops1")
    assert table(found)["early"] == "2 passed 1 success, 1 unchanged"
    assert fleet.served() == {"1"}


@pytest.mark.must_show("C8")
@pytest.mark.parametrize(
    ("policy", "given", "words"),
    [
        ({"stages": [{"name": "a", "rings": ["gamma"]}]}, {}, "rings of the inventory: canary, early"),
        (CAREFUL, {"rollout_approve": "second"}, "found second; the policy has the stages canary, early, broad"),
        ({"stages": [{"name": "a", "rings": "rest", "batch": "120%"}]}, {}, "at most 100%"),
        ({"stages": [{"name": "a", "rings": "rest", "budget": {"by": ["edge_site"], "max_unavailable": 0}}]}, {}, "nothing could ever go"),
        ({"stages": [{"name": "a", "rings": "rest", "budget": {"by": ["edge_site"], "max_unavailable": 4}}]}, {}, "at most 2, the size of the largest group"),
        ({"stages": [{"name": "a", "rings": "rest", "min_success": 13}]}, {}, "it could never succeed"),
    ],
)  # fmt: skip
def test_bad_policies_are_refused_before_any_node_is_asked(
    fleet: Rollouts, policy: dict[str, t.Any], given: dict[str, t.Any], words: str
) -> None:
    found = fleet.run(fleet.release("1"), policy, rc=2, **given)
    assert words in found.stdout
    assert "Ask what would change" not in found.stdout, "nodes were asked"
