# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tenants and their shares of a node, on a simulated GPU: an 8 GiB card, and an 8 GiB Jetson whose GPU memory is RAM.

No GPU computes here: the tools and files of one are simulated (tests/lab/gpu.py), the engine and its injection are real.
"""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.e2e.deploying import Tenant, get, push, sentence
from tests.e2e.test_errors import big_image
from tests.lab import gpu

if t.TYPE_CHECKING:
    from tests.lab import Lab
    from tests.lab.node import Node

pytestmark = pytest.mark.e2e
Figure = t.Callable[[str], None]
SHARE = {
    "cpus": 1,
    "memory": "96m",
    "disk": "2g",
    "gpus": 1,
    "gpu_memory_mib": 6144,
    "ports": ["18300-18319"],
    "registries": ["registry.lab:5000/tx"],
    "devices": [],
}
SMALL = {"memory": "32m", "cpus": 0.2}


@pytest.fixture(scope="module")
def references(provisioned_lab: Lab) -> dict[str, str]:
    return {**push(provisioned_lab, "ok-1", "ok-2"), "big": big_image(provisioned_lab)}


@pytest.fixture(scope="module")
def nodes(provisioned_lab: Lab) -> list[Node]:
    found = [node for node in provisioned_lab.nodes.values() if node.release == "trixie"]
    if len(found) < 2:
        pytest.skip("GPUs by CDI: two nodes with Docker 25 or newer (Debian 13) are needed")
    return found


def lend(node: Node, shares: dict[str, t.Any], gpu_sharing: str = "tenant") -> None:
    """As the role tenants writes it."""
    text = json.dumps({"schema": 1, "gpu_sharing": gpu_sharing, "tenants": shares})
    gpu.put(node, {"etc/physical-ai/tenants.json": (text, 0o600)})
    node.exec("edge limit")


def take_back(node: Node) -> None:
    node.exec('echo \'{"schema": 1, "tenants": {}}\' >/etc/physical-ai/tenants.json; edge limit')
    node.exec("rm -f /etc/physical-ai/tenants.json")


class Shop:
    """Two tenants on one node with a GPU. `pulled` measures what the registry sent meanwhile."""

    def __init__(self, lab: Lab, node: Node, references: dict[str, str]) -> None:
        self.lab, self.node = lab, node
        self.quality = Tenant(node, "quality", references, 18300)
        self.logistics = Tenant(node, "logistics", references, 18310)

    def ask(
        self, tenant: Tenant, name: str, mib: int, port: int, image: str = "ok-1", **more: t.Any
    ) -> dict[str, t.Any]:
        workload = tenant.workload(image, name, resources=SMALL, requires={"gpu": {"memory_mib": mib}}, **more)
        return dict(workload, ports=[{"container": 8000, "host": port, "allow_from": ["any"]}])

    def sent(self) -> int:
        return int(self.lab.registry._run(["cat", "/sys/class/net/eth0/statistics/tx_bytes"]))

    def wipe(self) -> None:
        for tenant in (self.quality, self.logistics):
            tenant.wipe()


@pytest.fixture(scope="module")
def equipped(nodes: list[Node]) -> t.Iterator[dict[str, Node]]:
    """A node with a card, and one that is a Jetson."""
    found = {"card": nodes[0], "jetson": nodes[1]}
    gpu.install(found["card"])
    gpu.install_jetson(found["jetson"])
    yield found
    for node in found.values():
        gpu.remove(node)


@pytest.fixture
def shop(
    provisioned_lab: Lab, equipped: dict[str, Node], references: dict[str, str], request: pytest.FixtureRequest
) -> t.Iterator[Shop]:
    found = Shop(provisioned_lab, equipped[request.param], references)
    take_back(found.node)
    found.wipe()
    found.node.exec("docker image prune -af >/dev/null")
    yield found
    take_back(found.node)
    found.wipe()


@pytest.mark.must_show("B3")
@pytest.mark.parametrize("shop", ["card", "jetson"], indirect=True)
def test_what_fits_a_simulated_gpu_runs_and_the_rest_is_refused_with_the_numbers(
    shop: Shop, request: pytest.FixtureRequest, figure: Figure
) -> None:
    """Two tenants, three workloads: 3 GiB and 2 GiB of the one tenant fit, then 4 GiB of the other do not, and 2 GiB do."""
    where = request.node.callspec.params["shop"]
    lend(shop.node, {"quality": SHARE | {"memory": "8g"}, "logistics": SHARE | {"memory": "8g"}}, "node")
    first = shop.ask(shop.quality, "inspect", 3072, 18300)
    second = shop.ask(shop.quality, "count", 2048, 18301)
    shop.quality.run(first, second)
    before = shop.sent()
    refused = shop.logistics.deploy(shop.ask(shop.logistics, "route", 4096, 18310, "big"))
    message = sentence(refused)
    assert (refused["class"], refused["cause"]) == ("refused", "admit"), message
    assert shop.sent() - before < 300_000, "the image was pulled"
    for word in ("route", "quality/inspect", "quality/count"):
        assert word in message
    numbers = ("4,096 MiB", "3,072 of 8,192 MiB free", "holds 3,072 MiB", "holds 2,048 MiB")
    if where == "jetson":  # 8 GiB, less 3 + 2 GiB for the GPU and 32 MiB for each of two, and what is kept back
        numbers = ("4,128 MiB asked", "of it 4,096 MiB for the GPU", "free of 8,192 MiB", "quality/inspect 3,104 MiB")
    for word in numbers:
        assert word in message, message
    shop.logistics.run(shop.ask(shop.logistics, "route", 2048, 18310))
    for tenant, name, port in (
        (shop.quality, "inspect", 18300),
        (shop.quality, "count", 18301),
        (shop.logistics, "route", 18310),
    ):
        assert get(shop.node.address, port) == "1"
        inside = ["docker", "exec", tenant.container(name), "/bin/busybox"]
        assert "LAB_GPU=" in shop.node.exec([*inside, "cat", "/proc/1/environ"]).stdout
        shop.node.exec([*inside, "test", "-c", "/dev/nvidia0"])
    figure(f"{where}: {message.split('[', maxsplit=1)[0].strip()}")


@pytest.mark.must_show("B3")
@pytest.mark.parametrize("shop", ["card"], indirect=True)
def test_tenants_do_not_share_a_gpu_unless_the_site_allows_it(shop: Shop, figure: Figure) -> None:
    """F19: time-slicing isolates no memory."""
    shop.quality.run(shop.ask(shop.quality, "inspect", 1024, 18300))
    message = sentence(shop.logistics.deploy(shop.ask(shop.logistics, "route", 1024, 18310)))
    assert "tenants_gpu_sharing: node" in message
    assert "quality/inspect holds 1,024 MiB" in message
    figure(message)


@pytest.mark.parametrize("shop", ["card"], indirect=True)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"resources": {"memory": "97m", "cpus": 0.2}}, "memory: 97 MiB needed by all its workloads together, its share is 96 MiB"),
        ({"resources": {"memory": "32m", "cpus": 1.5}}, "CPU: 1.5 needed"),
        ({"requires": {"gpu": {"memory_mib": 6145}}}, "GPU memory: 6,145 MiB needed"),
        ({"ports": [{"container": 8000, "host": 18320}]}, "port: app publishes 18320, lent are 18300-18319"),
        ({"image": "registry.lab:5000/other/tiny"}, "registry: app takes registry.lab:5000/other/tiny"),
        ({"network": "host", "ports": []}, "network: app asks for host"),
        ({"volumes": [{"name": "state", "mount": "/data", "size": "2g"}]}, "disk: 2,0"),
    ],
)  # fmt: skip
def test_what_goes_beyond_a_share_is_refused_before_anything_is_fetched(
    shop: Shop, change: dict[str, t.Any], words: str
) -> None:
    """F20, F77: the site's owner lends, the node refuses the rest, with the numbers."""
    lend(shop.node, {"quality": SHARE})
    result = shop.quality.deploy(dict(shop.quality.workload("ok-1", resources=SMALL), **change))
    message = sentence(result)
    assert result["class"] == "refused", message
    assert words in message, message
    assert [item["step"] for item in result["workloads"]["app"]["steps"]] == ["admit"]


@pytest.mark.parametrize("shop", ["card"], indirect=True)
def test_who_has_no_share_is_refused_and_what_ran_goes_on(shop: Shop) -> None:
    shop.quality.run(shop.quality.workload("ok-1"))
    lend(shop.node, {"logistics": SHARE})
    message = sentence(shop.quality.deploy(shop.quality.workload("ok-2")))
    assert "tenant quality has no share of this node; shares have: logistics" in message
    assert shop.quality.answers() == "1"


@pytest.mark.parametrize("shop", ["card"], indirect=True)
def test_the_kernel_keeps_a_tenant_within_its_share_too(shop: Shop) -> None:
    """All containers of a tenant lie in one control group with the limits of its share, also after a power cut."""
    lend(shop.node, {"quality": SHARE})
    shop.quality.run(shop.quality.workload("ok-1", resources=SMALL))

    def limits() -> tuple[str, str]:
        look = "cat /sys/fs/cgroup/memory/edge/quality/memory.limit_in_bytes /sys/fs/cgroup/cpu/edge/quality/cpu.cfs_quota_us"
        if shop.node.exec("test -e /sys/fs/cgroup/cgroup.controllers", check=False).returncode == 0:
            group = "$(find /sys/fs/cgroup -maxdepth 2 \\( -name edge-quality.slice -o -path '*/edge/quality' \\) | head -1)"
            look = f"cat {group}/memory.max; cut -d' ' -f1 {group}/cpu.max"
        memory, quota = shop.node.exec(look).stdout.split()
        return memory, quota

    assert limits() == (str(96 << 20), "100000")
    shop.node.power_cut()
    shop.node.power_on()
    assert shop.quality.answers(60) == "1"
    assert limits() == (str(96 << 20), "100000")


@pytest.mark.parametrize("shop", ["card"], indirect=True)
def test_one_tenant_does_not_reach_another(shop: Shop, figure: Figure) -> None:
    """F76: by name, by address, by the loopback ports of the node, by its files, volumes and processes."""
    state = {"name": "state", "mount": "/data", "size": "1m"}
    closed = shop.quality.workload(
        "ok-1",
        "vault",
        volumes=[state],
        env={"TOKEN": "geheim-1234"},
        files=[{"path": "/etc/token", "content": "geheim-1234"}],
    )
    closed["ports"] = [{"container": 8000, "host": 18305}]
    shop.quality.run(closed)
    shop.logistics.run(shop.logistics.workload("ok-1", "spy"))
    (network,) = shop.quality.inspect("vault")["NetworkSettings"]["Networks"].values()
    spy = shop.logistics.container("spy")

    def spies(command: str) -> tuple[int, str]:
        done = shop.node.exec(["docker", "exec", spy, "/bin/busybox", "sh", "-c", command], check=False, timeout=60)
        return done.returncode, done.stdout + done.stderr

    assert spies("/bin/busybox true")[0] == 0, "the spy has no shell: nothing would be shown"
    tried = {
        "address": f"/bin/busybox wget -T 3 -qO- http://{network['IPAddress']}:8000/version",
        "name": "/bin/busybox wget -T 3 -qO- http://vault:8000/version",
        "loopback": "/bin/busybox wget -T 3 -qO- http://127.0.0.1:18305/version",
        "node": f"/bin/busybox wget -T 3 -qO- http://{shop.node.address}:18305/version",
        "bridge": f"/bin/busybox wget -T 3 -qO- http://{network['Gateway']}:18305/version",
        "engine": "/bin/busybox ls /run/docker.sock /var/run/docker.sock",
        "files": "/bin/busybox find / -xdev -name token",
        "processes": "/bin/busybox ps | /bin/busybox grep -c vault",
        "environment": "/bin/busybox cat /proc/*/environ | /bin/busybox tr '\\0' '\\n' | /bin/busybox grep geheim",
        "mknod": "/bin/busybox mknod /tmp/disk b 8 0",
    }
    for what, command in tried.items():
        code, said = spies(command)
        assert "geheim" not in said, what
        if what == "files":
            assert not said.strip(), said
        elif what != "processes":
            assert code != 0, f"{what}: {said}"
    mounts = json.loads(shop.node.exec(["docker", "inspect", "--format", "{{json .Mounts}}", spy]).stdout)
    assert not [item for item in mounts if "/quality/" in item["Source"]]
    assert get("127.0.0.1", 18305) == ""
    figure(f"{len(tried)} ways tried: {', '.join(tried)}")
