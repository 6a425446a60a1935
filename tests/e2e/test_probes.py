# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real inference service whose new version answers wrong, or right and three times slower: a node finds out by itself."""

from __future__ import annotations

import json
import typing as t
import urllib.request

import pytest

from tests.e2e.deploying import Tenant
from tests.lab import Lab, engine, inference_images
from tests.lab.node import Node

pytestmark = pytest.mark.e2e

NODE = "kiruna-cam01"
PORT = 18280
VARIANTS = ("v2", "v3", "slow")
REQUESTS = 30
INFER = "/v2/models/digits/infer"


@pytest.fixture(scope="module")
def digits(provisioned_lab: Lab) -> t.Iterator[Digits]:
    built = inference_images.build(engine.client(), VARIANTS)
    references = {name: provisioned_lab.registry.push(built.tags[name], "probes/digits") for name in VARIANTS}
    found = Digits(Tenant(provisioned_lab.nodes[NODE], "probes", references, PORT))
    yield found
    found.tenant.wipe()


@pytest.fixture
def running(digits: Digits) -> Digits:
    """v2 serves, and is approved."""
    digits.tenant.wipe()
    result = digits.deploy("v2", "2.0.0")
    assert result["class"] == "success", result["msg"]
    assert "baseline: none yet" in " ".join(result["workloads"]["digits"]["notes"])
    return digits


class Digits:
    """The demo's service on one node. Its model needs 50 ms, so that times can be told apart on a busy machine."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant

    @property
    def node(self) -> Node:
        return self.tenant.node

    def workload(self, variant: str, **probes: t.Any) -> dict[str, t.Any]:
        golden = {"port": 8000, "path": INFER, "requests": REQUESTS, **inference_images.golden()}
        golden["max_latency_ratio_to_baseline"] = 1.5
        ready = {"http": {"port": 8000, "path": "/v2/health/ready"}, "within": "60s"}
        steady = {"inference": golden, "for": "4s", "every": "500ms", **probes}
        return self.tenant.workload(
            variant,
            "digits",
            resources={"cpus": 1, "memory": "192m", "pids": 64},
            env={"MIN_MS": "50"},
            probes={"startup": ready, "steady": steady},
        )

    def deploy(self, variant: str, release: str, **more: t.Any) -> dict[str, t.Any]:
        return self.tenant.deploy(self.workload(variant, **more.pop("probes", {})), release=release, **more)

    def entry(self) -> dict[str, t.Any]:
        found = json.loads(self.node.exec("edge ledger --lines 0 --json").stdout)
        assert not found["broken"]
        return [item for item in found["entries"] if item["kind"] == "change"][-1]

    def serves(self) -> str:
        with urllib.request.urlopen(f"http://{self.node.address}:{PORT}/v2/models/digits", timeout=5) as answer:
            return str(json.load(answer)["versions"][0])

    def state(self) -> dict[str, t.Any]:
        return self.tenant.status()["workloads"]["digits"]


def number(numbers: dict[str, float], end: str) -> float:
    return next(value for key, value in numbers.items() if key.endswith(end))


@pytest.mark.must_show("C2")
def test_wrong_answers_are_found_by_the_golden_request(running: Digits, figure: t.Callable[[str], None]) -> None:
    result = running.deploy("v3", "3.0.0")
    assert (result["class"], result["cause"]) == ("reverted", "probe"), result["msg"]
    entry = running.entry()
    assert (entry["class"], entry["cause"], entry["release"]) == ("reverted", "probe", "3.0.0")
    reason = entry["reasons"]["digits"]
    assert "the golden request: output 'label' is" in reason and "(1 of 1 answers wrong)" in reason
    assert number(entry["measured"]["digits"], "wrong_ratio") == 1
    assert running.serves() == "v2"
    figure(f"v3, wrong: {reason}")


@pytest.mark.must_show("C2")
def test_right_answers_that_take_three_times_as_long_are_found_by_the_ratio(
    running: Digits, figure: t.Callable[[str], None]
) -> None:
    approved = number(running.state()["baseline"], "p95_seconds")
    assert approved >= 0.05
    result = running.deploy("slow", "3.0.1")
    assert (result["class"], result["cause"]) == ("reverted", "probe"), result["msg"]
    entry = running.entry()
    assert (entry["class"], entry["cause"], entry["release"]) == ("reverted", "probe", "3.0.1")
    reason = entry["reasons"]["digits"]
    assert f"over {REQUESTS} requests, baseline" in reason and "times, allowed 1.5" in reason
    measured = number(entry["measured"]["digits"], "p95_seconds")
    assert measured >= 0.15
    assert number(entry["baseline"]["digits"], "p95_seconds") == approved
    assert measured > 1.5 * approved
    assert running.serves() == "v2"
    assert number(running.state()["baseline"], "p95_seconds") == approved  # what failed approves nothing
    figure(f"3 times slower: {reason}")


def test_health_and_approval_at_the_machine(running: Digits) -> None:
    """What a gate asks after a soak, and what it says then."""
    health = json.loads(running.node.exec("edge health probes --json").stdout)
    assert health["healthy"] and number(health["workloads"]["digits"]["measured"], "p95_seconds") >= 0.05
    assert running.deploy("v2", "2.0.1", approve=False, probes={"for": "3s"})["class"] == "success"
    found = running.state()
    assert found["measured"] != found["baseline"]
    for changed in (True, False):
        approved = json.loads(running.node.exec("edge approve probes --release 2.0.1 --json").stdout)
        assert approved["changed"] is changed
    assert running.state()["baseline"] == found["measured"]
    nobody = running.node.exec("edge approve probes --release 9.9.9", check=False)
    assert nobody.returncode == 1 and "nothing here is of release 9.9.9" in nobody.stdout
    assert running.node.exec("edge health nobody", check=False).returncode == 2


def test_probes_of_the_node_pass_on_a_node_with_nothing_to_miss(running: Digits) -> None:
    more = {
        "gpu": {},
        "devices": {},
        "reachability": {"targets": [{"host": "127.0.0.1", "port": PORT}, {"host": "127.0.0.1"}]},
    }
    result = running.deploy("v2", "2.1.0", probes=more)
    assert result["class"] == "success", result["msg"]
    assert "gpu: skipped, this node has no GPU" in result["workloads"]["digits"]["notes"]
