# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reaches a published port, asked from the node, from its site and from outside; and a plain inventory."""

from __future__ import annotations

import json
import time
import typing as t

import pytest

from tests.e2e.deploying import Both, Tenant, get, push, sentence

if t.TYPE_CHECKING:
    from tests.lab import Lab
    from tests.lab.node import Node

pytestmark = pytest.mark.e2e
Figure = t.Callable[[str], None]
ASK = "import sys, urllib.request; print(urllib.request.urlopen('http://'+sys.argv[1]+'/version', timeout=2).read().decode())"


@pytest.fixture(scope="module")
def references(provisioned_lab: Lab) -> dict[str, str]:
    return push(provisioned_lab, "ok-1")


def asks(node: Node, address: str, port: int) -> bool:
    """Whether a program on that node gets an answer there."""
    return node.exec(["python3", "-c", ASK, f"{address}:{port}"], check=False).stdout.strip() == "1"


def reachable(lab: Lab, tenant: Tenant) -> dict[str, bool]:
    """From the node itself, from its site (its gateway, a client there), from beyond the gateway of its site, and by a
    neighbour that goes round the published port: it routes to the container's own address through the node."""
    node, port = tenant.node, tenant.port
    gateway = lab.gateway(node.site)
    (network,) = tenant.inspect()["NetworkSettings"]["Networks"].values()
    return {
        "node": asks(node, "127.0.0.1", port),
        "gateway": asks(gateway, node.address, port),
        "client": get(node.address, port) == "1",
        "uplink": asks_through(another(lab, node), gateway.plan.uplink, node.address, port),
        "round": asks_through(gateway, node.address, network["IPAddress"], 8000),
    }


def another(lab: Lab, node: Node) -> Node:
    """A gateway of another site, on the uplink."""
    return next(lab.gateway(site) for site in lab.sites if site != node.site)


def asks_through(node: Node, router: str, address: str, port: int) -> bool:
    """The same with a route of its own."""
    node.exec(f"ip route replace {address}/32 via {router}")
    try:
        return asks(node, address, port)
    finally:
        node.exec(f"ip route del {address}/32")


ONLY_NODE = {"node": True, "gateway": False, "client": False, "uplink": False, "round": False}
ONLY_GATEWAY = {**ONLY_NODE, "gateway": True}
ONLY_SITE = {**ONLY_GATEWAY, "client": True}
EVERYBODY = {**ONLY_SITE, "uplink": True}


def again(lab: Lab, tenant: Tenant) -> dict[str, bool]:
    """The same, once the node serves itself."""
    until = time.monotonic() + 60
    while not asks(tenant.node, "127.0.0.1", tenant.port) and time.monotonic() < until:
        time.sleep(0.5)
    return reachable(lab, tenant)


def lasts(lab: Lab, tenant: Tenant) -> None:
    """What a node goes through: the engine, the firewall, and the power."""
    node = tenant.node
    node.exec("systemctl restart docker")
    assert again(lab, tenant) == ONLY_GATEWAY
    node.exec("systemctl enable --now nftables 2>/dev/null; systemctl reload nftables; systemctl restart nftables")
    assert again(lab, tenant) == ONLY_GATEWAY
    node.power_cut()
    node.power_on()
    assert again(lab, tenant) == ONLY_GATEWAY
    # Debian's nftables flushes everybody's rules: the engine makes its own anew when it starts.
    node.exec("systemctl disable --now nftables 2>/dev/null; systemctl restart docker")


@pytest.fixture(scope="module")
def tenants(provisioned_lab: Lab, references: dict[str, str]) -> t.Iterator[Both]:
    def of(name: str) -> Tenant:
        node = provisioned_lab.nodes[name]
        return Tenant(node, "ports", references, 18380, {"site": [provisioned_lab.plan.site(node.site).cidr]})

    both = Both(of("kiruna-cam01"), of("lulea-cam01"))
    both(Tenant.wipe)
    yield both
    both(Tenant.wipe)


@pytest.mark.must_show("A7")
def test_a_port_is_on_loopback_unless_allow_from_says_otherwise(
    provisioned_lab: Lab, tenants: Both, figure: Figure
) -> None:
    def work(tenant: Tenant) -> None:
        host = provisioned_lab.gateway(tenant.node.site).address + "/32"

        def deploy(*allowed: str) -> dict[str, bool]:
            ports = [{"container": 8000, "host": tenant.port, "allow_from": list(allowed)}]
            tenant.run(tenant.workload("ok-1", ports=ports))
            return reachable(provisioned_lab, tenant)

        assert deploy() == ONLY_NODE
        assert deploy("any") == EVERYBODY  # so the others can fail
        assert deploy("site") == ONLY_SITE
        assert deploy(host) == ONLY_GATEWAY
        lasts(provisioned_lab, tenant)

    tenants(work)
    figure(
        "Debian 12 and 13: none -> loopback; [site] -> the site and not beyond; [a host/32] -> that host, also after "
        "restarts of docker and nftables and a power cut; nobody by routing to the container's own address"
    )


@pytest.mark.must_show("A7")
def test_nothing_is_published_where_it_cannot_be_limited(tenants: Both, figure: Figure) -> None:
    tenant = tenants.tenants[0]
    tenant.wipe()
    tenant.node.exec("mv /usr/sbin/nft /usr/sbin/nft.away")
    try:
        result = tenant.deploy(tenant.workload("ok-1"))
        served = get(tenant.node.address, tenant.port)
    finally:
        tenant.node.exec("mv /usr/sbin/nft.away /usr/sbin/nft")
    assert (result["class"], served) == ("refused", "")
    assert "install nftables" in sentence(result)
    figure(sentence(result))
    tenant.run(tenant.workload("ok-1"))


@pytest.mark.must_show("A9")
def test_a_hand_written_inventory_works_the_same(
    provisioned_lab: Lab, references: dict[str, str], figure: Figure
) -> None:
    """The same playbook, release and nodes, with variables instead of the plugin."""
    node = provisioned_lab.nodes["kiruna-cam01"]
    tenant = Tenant(node, "plain", references, 18390)
    ports = [{"container": 8000, "host": tenant.port, "allow_from": ["site"]}]
    workload = dict(
        tenant.workload("ok-1", ports=ports, env={"RUN": str(time.time()), "WHERE": "at {{ edge_site }}"}),
        select={"edge_site": ["kiruna"]},
    )
    path = provisioned_lab.folder / "tmp" / "plain.yml"
    path.write_text(
        json.dumps({"release": f"1.{time.time():.0f}", "tenant": "plain", "workloads": [workload]}), encoding="utf-8"
    )
    extra = {"release": str(path)}
    plain = ("--inventory", str(provisioned_lab.plain_inventory), "--limit", "kiruna-cam01,lulea-cam01")
    first = provisioned_lab.playbook("playbooks/deploy.yml", *plain, extra_vars=extra)
    assert get(node.address, tenant.port) == "1"
    assert "WHERE=at kiruna" in tenant.inspect()["Config"]["Env"]
    assert get(provisioned_lab.nodes["lulea-cam01"].address, tenant.port) == ""  # not selected
    second = provisioned_lab.playbook("playbooks/deploy.yml", "--limit", "kiruna-cam01,lulea-cam01", extra_vars=extra)
    assert all(host["changed"] == 0 for host in second.stats.values()), second.stats
    tenant.wipe()
    figure(
        f"deployed by a plain inventory ({first.changed} changes), then by the plugin's: changed=0, the same specification"
    )
