# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts over twelve nodes at four sites: stages, the gate, the way back, cut links, killed controllers, leases."""

from __future__ import annotations

import time
import typing as t

import pytest

from tests.e2e.deploying import push
from tests.e2e.fleet import CAREFUL, Rollouts, of_test, table
from tests.lab import Lab
from tests.lab.lab import default_name

# Twelve nodes take their time: `make must-show PART=C`. What `make test` guards is in test_rollout_two_sites.py.
pytestmark = [pytest.mark.e2e, pytest.mark.slow]
Figure = t.Callable[[str], None]
SITES = 4


@pytest.fixture(scope="module")
def large_lab() -> Lab:
    """A lab of its own for this file: twelve nodes, provisioned."""
    lab = Lab.up(f"{default_name()[:13]}c", 12)
    lab.heal()
    lab.playbook("playbooks/provision.yml", timeout=1500)
    return lab


@pytest.fixture(scope="module")
def images(large_lab: Lab) -> dict[str, str]:
    return push(large_lab, "ok-1", "ok-2", "ok-3")


@pytest.fixture
def fleet(large_lab: Lab, images: dict[str, str], request: pytest.FixtureRequest) -> t.Iterator[Rollouts]:
    yield from of_test(large_lab, images, "t", 18000, request)


@pytest.mark.must_show("C1")
def test_a_good_release_goes_through_three_stages(fleet: Rollouts, figure: Figure) -> None:
    began = time.monotonic()
    found = fleet.go("1")
    seconds = time.monotonic() - began
    assert table(found) == {
        "canary": "3 passed 3 success",
        "early": "3 passed 3 success",
        "broad": "6 passed 6 success",
    }
    assert fleet.served() == {"1"}
    rows = [row for node in fleet.nodes.values() for row in fleet.ledger(node)]
    order = [row["rollout"]["stage"] for row in sorted(rows, key=lambda row: row["time"])]
    assert order == ["canary"] * 3 + ["early"] * 3 + ["broad"] * 6
    assert {(row["rollout"]["stage"], row["rollout"]["wave"]) for row in rows} == {
        ("canary", 1),
        ("early", 1),
        ("broad", 1),
        ("broad", 2),
    }
    assert len({row["rollout"]["id"] for row in rows}) == 1
    again = fleet.go("1")
    assert again.changed == 0
    assert "12 unchanged" in again.stdout
    assert not any(fleet.status(node)["leases"] for node in fleet.nodes.values())
    figure(f"12 nodes in {seconds:.0f} s, in the order of the stages; the same command again changes nothing")


@pytest.mark.must_show("C1")
def test_what_fails_on_two_nodes_of_stage_2_stops_there(fleet: Rollouts, figure: Figure) -> None:
    fleet.go("1")
    for name in ("lulea-cam01", "lulea-cam02"):
        fleet.say_of(name, ready_after="60")
    release = fleet.release("2")
    release["workloads"][0]["probes"]["startup"]["within"] = "4s"
    found = fleet.run(release, None, rc=2, rollout_reason="try it", rollout_ticket="CHG-7")
    assert "NOT TAKEN BACK" not in found.stdout, found.stdout[-3000:]
    rows = table(found)
    assert rows["canary"] == "3 passed 3 success"
    assert rows["early"].startswith("3 STOPPED 1 success, 2 reverted")
    assert rows["broad"] == "6 open none, 6 not reached yet"
    assert "stage early: 2 of 3 hosts failed (2 reverted), allowed are 0" in found.stdout
    assert fleet.served("kiruna") == {"2"}
    assert fleet.served("lulea", "malmo", "visby") == {"1"}
    assert fleet.changes(fleet.nodes["lulea-cam01"], "2") == ["reverted"]
    last = fleet.ledger(fleet.nodes["lulea-gw01"])[-1]
    assert (last["class"], last["release"]) == ("success", "1")
    assert "stage early" in last["reason"]
    assert all(not fleet.changes(node, "2") for node in fleet.of("malmo", "visby"))
    entry = fleet.ledger(fleet.nodes["kiruna-gw01"])[-1]
    assert (entry["reason"], entry["ticket"]) == ("try it", "CHG-7")
    why = fleet.nodes["lulea-gw01"].exec(f"edge why {fleet.tenant}").stdout
    assert "taken back by rollout" in why
    again = fleet.run(release, None, rc=2)
    assert "remembered" in again.stdout, "the count of failures starts anew"
    assert fleet.served("malmo", "visby") == {"1"}
    figure(
        f"canary on 2, stage 2 back on 1 (two by themselves, one taken back), six nodes untouched; {rows['early'][2:]}"
    )


@pytest.mark.must_show("C5")
def test_revert_all_brings_every_node_back(fleet: Rollouts, figure: Figure) -> None:
    fleet.go("1")
    fleet.say_of("visby-cam02", ready_after="60")
    release = fleet.release("2")
    release["workloads"][0]["probes"]["startup"]["within"] = "4s"
    found = fleet.run(release, {**CAREFUL, "on_failure": "revert_all"}, rc=2)
    assert table(found)["early"] == "3 passed 3 success"
    assert fleet.served() == {"1"}
    for node in fleet.nodes.values():
        last = fleet.ledger(node)[-1]
        if node.name == "visby-cam02":
            assert last["class"] == "reverted"
        elif fleet.changes(node, "2"):
            assert (last["class"], last["release"], last["rollout"]["id"][:3]) == (
                "success",
                "1",
                f"{fleet.tenant}-"[:3],
            )
        assert fleet.status(node)["tenants"][fleet.tenant]["release"] == "1"
    taken = found.stdout.count(": taken back: ")
    figure(f"failed on the last node of 12: {taken} taken back, one by itself; all serve 1, all in their ledgers")


@pytest.mark.must_show("C3")
def test_a_site_that_is_cut_before_its_wave_is_passed_over_and_catches_up(fleet: Rollouts, figure: Figure) -> None:
    """F49: expected to be away now and then, so it is neither a failure nor evidence."""
    fleet.go("1")
    fleet.say_of("malmo", edge_connectivity="intermittent", edge_when_offline="expected")
    fleet.lab.cut("malmo")
    began = time.monotonic()
    found = fleet.go("2")
    seconds = time.monotonic() - began
    assert table(found)["broad"] == "6 passed 3 success, 3 offline_expected"
    assert (
        "still to come: malmo-cam01, malmo-cam02, malmo-gw01" in found.stdout.replace('"', "")
        or "still to come" in found.stdout
    )
    assert fleet.served("malmo") == {"1"}
    assert fleet.served("kiruna", "lulea", "visby") == {"2"}
    fleet.lab.restore("malmo")
    policy = {"stages": [*CAREFUL["stages"][:2], {"name": "broad", "rings": "rest", "batch": 1}], "late": 1}
    fleet.run(fleet.release("2"), policy)
    assert fleet.served() == {"2"}
    waves = sorted(fleet.ledger(node)[-1]["rollout"]["wave"] for node in fleet.of("malmo"))
    assert waves == [1, 2, 3], "they all went at once"
    figure(f"nine nodes in {seconds:.0f} s without the site; back again, its three nodes one after the other")


@pytest.mark.must_show("C3")
def test_a_site_that_should_be_there_and_is_not_is_a_failure(fleet: Rollouts) -> None:
    fleet.lab.cut("lulea")
    found = fleet.run(fleet.release("1"), None, rc=2)
    assert "offline_unexpected" in table(found)["early"]
    assert fleet.served("kiruna") == {"1"}
    assert fleet.served("malmo", "visby") == {""}


@pytest.mark.must_show("C3")
def test_a_site_that_is_cut_during_its_wave_decides_alone(fleet: Rollouts, figure: Figure) -> None:
    """And one that is cut after its wave keeps its outcome."""
    fleet.go("1")
    fleet.say_of("lulea", edge_connectivity="intermittent", edge_when_offline="expected", ready_after="6")
    stages = [CAREFUL["stages"][0], {"name": "early", "rings": ["early"], "min_success": 0}, CAREFUL["stages"][2]]
    policy = {"stages": stages}
    with fleet.going(fleet.release("2"), policy) as going:
        inside = fleet.nodes["lulea-cam01"]
        fleet.wait(lambda: fleet.step(inside) == "startup_probe", "lulea changes")
        fleet.lab.cut("lulea")
        fleet.lab.cut("kiruna")
        output = going.end()
    rows = table(output)
    assert rows["canary"] == "3 passed 3 success"
    assert rows["early"] == "3 passed 3 offline_expected"
    assert rows["broad"] == "6 passed 6 success"
    fleet.wait(lambda: fleet.served("lulea") == {"2"}, "the nodes commit by themselves", 60)
    fleet.lab.restore("lulea")
    fleet.lab.restore("kiruna")
    found = fleet.run(fleet.release("2"), policy)
    assert table(found)["early"] == "3 passed 3 unchanged"
    assert all(fleet.changes(node, "2") == ["success"] for node in fleet.nodes.values())
    figure(
        "cut in the middle of its change: the others went on, its nodes committed alone and count when they are back"
    )


@pytest.mark.must_show("C4")
@pytest.mark.parametrize("where", ["inside", "between"])
def test_a_killed_controller_goes_on_with_the_same_command(fleet: Rollouts, where: str, figure: Figure) -> None:
    fleet.go("1")
    fleet.say_of("lulea", ready_after="4")
    stages = [{**CAREFUL["stages"][0], "soak": "8s"}, *CAREFUL["stages"][1:]]
    policy = {**CAREFUL, "stages": stages}
    with fleet.going(fleet.release("2"), policy) as going:
        if where == "inside":
            fleet.wait(lambda: fleet.step(fleet.nodes["lulea-cam01"]) == "startup_probe", "lulea changes")
        else:
            fleet.wait(lambda: fleet.served("kiruna") == {"2"} and "Soak" in going.output(), "the canary soaks")
        going.kill()
    assert fleet.served("malmo", "visby") == {"1"}
    found = fleet.run(fleet.release("2"), policy)
    assert fleet.served() == {"2"}
    assert set(table(found)["canary"].split()) >= {"passed", "unchanged"}
    for node in fleet.nodes.values():
        status = fleet.status(node)
        assert status["change"] is None
        assert fleet.tenant not in status["leases"]
        assert fleet.changes(node, "2") == ["success"], f"{node.name}: not once"
        row = status["tenants"][fleet.tenant]["workloads"]["app"]
        assert (row["running"], row["current"]["release"], row["previous"]["release"]) == (True, "2", "1")
    figure(f"killed {where} waves: the same command ends with 2 on all twelve, once in each ledger, no lease left")


@pytest.mark.must_show("C7")
def test_two_rollouts_of_one_tenant_and_two_tenants(fleet: Rollouts, figure: Figure) -> None:
    fleet.go("1")
    other = Rollouts(fleet.lab, fleet.images, fleet.tenant + "x", fleet.port + 500)
    stages = [{**CAREFUL["stages"][0], "soak": "10m"}, *CAREFUL["stages"][1:]]
    policy = {**CAREFUL, "stages": stages, "lease": "1m"}
    with fleet.going(fleet.release("2"), policy, rollout_owner="ann@ops1") as going:
        fleet.wait(lambda: fleet.served("kiruna") == {"2"}, "the canary")
        refused = fleet.run(fleet.release("3"), None, rc=2, rollout_owner="bob@ops2")
        assert "of ann@ops1 is under way" in refused.stdout
        assert not any(fleet.changes(node, "3") for node in fleet.nodes.values())
        at_site = fleet.run(fleet.release("3"), None, "--limit", "site_lulea", rc=2, rollout_owner="bob@ops2")
        assert "of ann@ops1 is under way" in at_site.stdout
        other.go("1", "--limit", "site_kiruna")
        assert other.served("kiruna") == {"1"}
        assert going.runs
        going.kill()
    assert fleet.served("lulea", "malmo", "visby") == {"1"}
    node = fleet.nodes["malmo-gw01"]

    def run_out() -> bool:
        leases = [fleet.status(item)["leases"].get(fleet.tenant, {"left": 0}) for item in fleet.nodes.values()]
        return all(item["left"] <= 0 for item in leases)

    fleet.wait(run_out, "the leases run out", 120)
    fleet.run(fleet.release("3"), None, rollout_owner="bob@ops2")
    assert fleet.served() == {"3"}
    taken = fleet.ledger(node, "lease")
    assert [(item["what"], item["owner"]) for item in taken] == [("taken over", "bob@ops2")]
    assert "ann@ops1" in taken[0]["msg"]
    figure(
        "refused with the holder's name, another tenant went on beside it; run out after a minute, taken over, in the ledger"
    )


@pytest.mark.must_show("C7")
def test_two_rollouts_at_one_site_with_no_node_in_common(fleet: Rollouts, figure: Figure) -> None:
    """The gateway has the lease for the site."""
    policy = {"stages": [{"name": "all", "rings": "rest", "soak": "10m"}]}
    gateway = fleet.nodes["lulea-gw01"]
    with fleet.going(fleet.release("1"), policy, "--limit", "lulea-cam01", rollout_owner="ann@ops1") as going:
        fleet.wait(lambda: fleet.served("lulea") == {"", "1"}, "the first node")
        refused = fleet.run(fleet.release("2"), policy, "--limit", "lulea-cam02", rc=2, rollout_owner="bob@ops2")
        assert "of ann@ops1 is under way" in refused.stdout
        assert fleet.changes(fleet.nodes["lulea-cam02"], "2") == []
        going.kill()
    gateway.exec(f"edge lease {fleet.tenant} --end")
    now = {"stages": [{"name": "all", "rings": "rest"}]}
    fleet.run(fleet.release("2"), now, "--limit", "lulea-cam02", rollout_owner="bob@ops2")
    assert fleet.tenant not in fleet.status(gateway)["leases"]
    assert [item["what"] for item in fleet.ledger(gateway, "lease")] == ["ended by hand"]
    figure(
        "two nodes of one site: refused with the holder's name; ended by hand at the gateway, which is in its ledger, the second goes"
    )
