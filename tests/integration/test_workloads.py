# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules workloads, workload_info and node_program as tasks: check mode, the change, the second run, the difference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.modules import call, one_line
from tests.lab import Lab, engine, images
from tests.lab.node import Node

TENANT = "integration"


@pytest.fixture(scope="module", params=["kiruna-cam01", "lulea-cam01"], ids=["debian-12", "debian-13"])
def node(provisioned_lab: Lab, request: pytest.FixtureRequest) -> Node:
    return provisioned_lab.nodes[request.param]


@pytest.fixture(scope="module")
def reference(provisioned_lab: Lab) -> str:
    return provisioned_lab.registry.push(images.tiny(engine.client(), "ok", "1"), "integration/tiny")


@pytest.fixture
def arguments(provisioned_lab: Lab, node: Node, reference: str) -> Iterator[dict[str, Any]]:
    image, _at, digest = reference.partition("@")
    workload = {
        "name": "app",
        "image": image,
        "digest": digest,
        "env": {"NOTE": "planted-value"},
        "resources": {"memory": "32m", "cpus": 0.5},
        "probes": {
            "startup": {"http": {"port": 8000, "path": "/v2/health/ready"}},
            "steady": {"tcp": {"port": 8000}, "for": "1s"},
        },
    }
    yield {"tenant": TENANT, "release": "1.0", "workloads": [workload]}
    call(provisioned_lab, node.name, "workloads", tenant=TENANT, release="0", workloads=[], undeclared="remove")


def test_a_set_is_foreseen_run_and_then_left_alone(provisioned_lab: Lab, node: Node, arguments: dict[str, Any]) -> None:
    foreseen = call(provisioned_lab, node.name, "workloads", check=True, **arguments)
    assert (foreseen["changed"], foreseen["workloads"]["app"]["action"]) == (True, "swap")
    before = call(provisioned_lab, node.name, "workload_info", tenant=TENANT)["tenants"].get(TENANT, {"workloads": {}})
    assert before["workloads"] == {}
    done = call(provisioned_lab, node.name, "workloads", **arguments)
    assert (done["changed"], done["class"]) == (True, "success"), done
    assert done["diff"] == foreseen["diff"]
    assert done["diff"]["after"]["app"]["env"] == {"NOTE": "(not shown)"}
    assert "planted-value" not in str(done)
    found = call(provisioned_lab, node.name, "workload_info", tenant=TENANT)
    assert found["changed"] is False
    app = found["tenants"][TENANT]["workloads"]["app"]
    assert (app["running"], app["current"]["digest"]) == (True, arguments["workloads"][0]["digest"])
    again = call(provisioned_lab, node.name, "workloads", **arguments)
    assert (again["changed"], again["class"]) == (False, "unchanged")
    assert call(provisioned_lab, node.name, "workloads", check=True, **arguments)["changed"] is False


def test_what_somebody_stopped_is_brought_back(provisioned_lab: Lab, node: Node, arguments: dict[str, Any]) -> None:
    call(provisioned_lab, node.name, "workloads", **arguments)
    node.exec(f"docker rm --force $(docker ps --quiet --filter label=physical-ai.edge.tenant={TENANT})")
    foreseen = call(provisioned_lab, node.name, "workloads", check=True, **arguments)
    assert foreseen["diff"] == {"before": {"app": "not running"}, "after": {"app": "running"}}
    done = call(provisioned_lab, node.name, "workloads", **arguments)
    assert (done["changed"], done["class"]) == (True, "success"), done["msg"]


def test_a_mistake_is_one_line_in_check_mode_too(provisioned_lab: Lab, node: Node, arguments: dict[str, Any]) -> None:
    arguments["workloads"][0]["prots"] = []
    for check in (True, False):
        assert "unknown key 'prots'" in one_line(
            call(provisioned_lab, node.name, "workloads", check=check, **arguments)
        )


def test_a_node_without_the_program_says_so(provisioned_lab: Lab, node: Node, arguments: dict[str, Any]) -> None:
    node.exec("mv /usr/local/bin/edge /usr/local/bin/edge.away")
    try:
        found = call(provisioned_lab, node.name, "workload_info")
        foreseen = call(provisioned_lab, node.name, "workloads", check=True, **arguments)
        refused = one_line(call(provisioned_lab, node.name, "workloads", **arguments))
    finally:
        node.exec("mv /usr/local/bin/edge.away /usr/local/bin/edge")
    assert (found["installed"], found["tenants"]) == (False, {})
    assert (foreseen["changed"], foreseen["workloads"]["app"]["action"]) == (True, "swap")
    assert "/usr/local/bin/edge is not on this node: run the role node_program first" in refused


def test_what_should_run_is_known_while_the_engine_is_down(
    provisioned_lab: Lab, node: Node, arguments: dict[str, Any]
) -> None:
    call(provisioned_lab, node.name, "workloads", **arguments)
    node.exec("systemctl stop docker.socket docker.service")
    try:
        found = call(provisioned_lab, node.name, "workload_info", tenant=TENANT)
        refused = one_line(call(provisioned_lab, node.name, "workloads", **arguments))
    finally:
        node.exec("systemctl start docker.service")
    app = found["tenants"][TENANT]["workloads"]["app"]
    assert (app["running"], app["current"]["release"]) == (None, "1.0")
    for said in (found["engine"], refused):
        assert "the container engine does not answer" in said and "systemctl status docker" in said


def test_the_node_program_is_installed_once_and_mended(provisioned_lab: Lab, node: Node) -> None:
    assert call(provisioned_lab, node.name, "node_program")["changed"] is False
    node.exec("echo >>/usr/local/bin/edge; systemctl disable --quiet physical-ai-recover.service")
    foreseen = call(provisioned_lab, node.name, "node_program", check=True)
    done = call(provisioned_lab, node.name, "node_program")
    assert foreseen["changed"] and done["changed"]
    assert foreseen["diff"] == done["diff"]
    assert node.exec("systemctl is-enabled physical-ai-recover.service").stdout.strip() == "enabled"
    assert call(provisioned_lab, node.name, "node_program")["changed"] is False
