# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container gets on a node: networks, limits, privileges, files; and images that come from an archive on the node."""

from __future__ import annotations

import json
import time
import typing as t

import pytest

from tests.e2e.deploying import Both, Tenant, get, push, put, sentence

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab import Lab

pytestmark = pytest.mark.e2e
NODES = ("kiruna-cam01", "lulea-cam01")  # Debian 12 with its engine, and Debian 13 with its own
PORT = 18480
KEPT = ("ok-11", "ok-12", "ok-13")  # of no other test
CGROUPS = {"cgroupfs": "/edge/tx_boxes/", "systemd": "/edge.slice/edge-tx_boxes.slice/"}


@pytest.fixture(scope="module")
def references(provisioned_lab: Lab) -> dict[str, str]:
    from tests.lab import engine, images

    client = engine.client()
    found = push(provisioned_lab, "ok-1", "ok-2", *KEPT)
    for name, command in (("healthy", "wget -qO- http://127.0.0.1:8000/version"), ("sick", "false")):
        folder = provisioned_lab.folder / "tmp" / name
        folder.mkdir(parents=True, exist_ok=True)
        text = f"ARG BASE\nFROM $BASE\nHEALTHCHECK --interval=1s --timeout=2s --retries=2 CMD {command}\n"
        (folder / "Dockerfile").write_text(text, encoding="utf-8")
        parent = {"BASE": images.tiny(client, "ok", "1")}
        tag = images.build_folder(client, folder, f"physical-ai-lab/tiny:{name}", parent)
        found[name] = provisioned_lab.registry.push(tag, "tx/tiny")
    return found


@pytest.fixture(scope="module")
def tenants(provisioned_lab: Lab, references: dict[str, str]) -> Iterator[Both]:
    both = Both(*(Tenant(provisioned_lab.nodes[name], "tx-boxes", references, PORT) for name in NODES))
    both(Tenant.wipe)
    yield both
    both(Tenant.wipe)


def inside(tenant: Tenant, command: str, name: str = "app") -> str:
    """What a command says in the container, as whoever runs there."""
    return tenant.node.exec(["docker", "exec", tenant.container(name), "sh", "-c", command], check=False).stdout.strip()


def group(tenant: Tenant) -> dict[str, str]:
    """The control groups of the container's first process, by controller; on version 2 all are one, named ''."""
    pid = tenant.inspect()["State"]["Pid"]
    lines = tenant.node.exec(f"cat /proc/{pid}/cgroup").stdout.splitlines()
    return {name: path for _number, names, path in (line.split(":", 2) for line in lines) for name in names.split(",")}


def test_a_container_is_locked_up_unless_the_specification_says_otherwise(tenants: Both) -> None:
    look = "grep -E '^(CapEff|NoNewPrivs)' /proc/1/status | cut -f2 | tr '\\n' ' '; touch /x 2>/dev/null && echo written; touch /tmp/x && echo tmp"

    def work(tenant: Tenant) -> None:
        tenant.run(tenant.workload("ok-1"))
        assert inside(tenant, look) == "0000000000000000 1 tmp"
        more: dict[str, t.Any] = {
            "capabilities": ["NET_BIND_SERVICE"],
            "read_only": False,
            "tmpfs": [{"mount": "/tmp", "size": "1m"}],
        }
        tenant.run(tenant.workload("ok-1", **more))
        assert inside(tenant, look).split() == ["0000000000000400", "1", "written", "tmp"]
        assert inside(tenant, "df -k /tmp | tail -1 | awk '{print $2}'") == "1024"

    tenants(work)


def limited(tenant: Tenant, driver: str) -> None:
    """Runs a workload and reads its limits where the kernel has them."""
    resources = {"memory": "40m", "cpus": 0.5, "pids": 77, "shm": "3m"}
    tenant.run(tenant.workload("ok-1", resources=resources))
    assert tenant.node.exec(["docker", "info", "--format", "{{.CgroupDriver}}"]).stdout.strip() == driver
    groups = group(tenant)
    files = {
        "memory": ("memory{}/memory.limit_in_bytes", str(40 << 20)),
        "pids": ("pids{}/pids.max", "77"),
        "cpu": ("cpu{}/cpu.cfs_quota_us", "50000"),
    }
    if "memory" not in groups:  # version 2
        files = {"": ("{}/memory.max", str(40 << 20))}
    for name, (path, wanted) in files.items():
        assert groups[name].startswith(CGROUPS[driver]), groups
        assert tenant.node.exec(f"cat /sys/fs/cgroup/{path.format(groups[name])}").stdout.strip() == wanted, name
    assert inside(tenant, "df -k /dev/shm | tail -1 | awk '{print $2}'") == "3072"


def test_limits_are_those_of_the_kernel_below_the_group_of_the_tenant(tenants: Both) -> None:
    tenants(lambda tenant: limited(tenant, "cgroupfs"))


def test_with_the_systemd_driver_a_tenant_is_a_slice(provisioned_lab: Lab, references: dict[str, str]) -> None:
    node = provisioned_lab.nodes["lulea-gw01"]
    tenant = Tenant(node, "tx-boxes", references, PORT)
    path = "/etc/docker/daemon.json"
    before = node.exec(["cat", path]).stdout
    changed = {**json.loads(before), "exec-opts": ["native.cgroupdriver=systemd"]}

    def configure(text: str) -> None:
        put(node, "/etc/docker", {"daemon.json": text.encode()})
        node.exec("systemctl restart docker")

    configure(json.dumps(changed))
    try:
        limited(tenant, "systemd")
        tenant.wipe()
    finally:
        configure(before)


def test_user_command_environment_and_files_arrive_as_written(tenants: Both) -> None:
    words = {
        "SPACE": " a  b ",
        "SIGN": "x=y=z",
        "QUOTE": 'it\'s "q" $HOME `id` \\n',
        "WORD": "ökö 日本",
        "EMPTY": "",
        "HASH": "#1",
    }
    files = [
        {"path": "/etc/app/a.conf", "content": 'one\n$TWO "3"\n', "mode": "0440"},
        {"path": "/etc/b", "content": "x"},
    ]
    script = 'echo "$0 $#" >/tmp/said; exec /bin/busybox sh /serve'

    def work(tenant: Tenant) -> None:
        more: dict[str, t.Any] = {"entrypoint": ["/bin/busybox", "sh", "-c"], "command": [script, "a b", "c"]}
        tenant.run(tenant.workload("ok-1", env=words, files=files, user="1000:2000", **more))
        assert inside(tenant, "cat /tmp/said; id -u; id -g").split("\n") == ["a b 1", "1000", "2000"]
        raw = inside(tenant, "tr '\\0' '\\n' </proc/1/environ")
        for key, value in words.items():
            assert f"{key}={value}".rstrip() in raw.split("\n") or f"{key}={value}" in raw
        told = inside(tenant, "cat /etc/app/a.conf; stat -c '%a %u:%g' /etc/app/a.conf /etc/b")
        assert told == files[0]["content"] + "440 1000:2000\n444 1000:2000"
        assert inside(tenant, "echo y 2>/dev/null >/etc/b; cat /etc/b") == "x"

    tenants(work)


def test_a_container_without_a_network_is_probed_all_the_same(tenants: Both) -> None:
    def work(tenant: Tenant) -> None:
        tenant.run(tenant.workload("ok-1", network="none", ports=[]))
        assert inside(tenant, "ip -o link | wc -l") == "1" or inside(tenant, "ls /sys/class/net") == "lo"

    tenants(work)


def test_the_hosts_network_is_closed_unless_allowed_and_makes_room_for_itself(tenants: Both) -> None:
    def work(tenant: Tenant) -> None:
        port = tenant.port + 1
        probe = {"http": {"port": port, "path": "/v2/health/ready"}}
        more: dict[str, t.Any] = {
            "network": "host",
            "env": {"PORT": str(port)},
            "probes": {"startup": {**probe, "within": "5s"}, "steady": {**probe, "for": "300ms"}},
        }
        for image, allowed, served in (("ok-1", [], ""), ("ok-1", ["any"], "1"), ("ok-2", ["any"], "2")):
            ports = [{"container": port, "host": port, "allow_from": allowed}]
            result = tenant.run(tenant.workload(image, ports=ports, **more))
            assert result["class"] == "success"
            assert get(tenant.node.address, port) == served
            here = (
                f"python3 -c \"import urllib.request as u;print(u.urlopen('http://127.0.0.1:{port}/version').read())\""
            )
            assert image[-1] in tenant.node.exec(here).stdout

    tenants(work)


def test_macvlan_gives_an_address_of_the_site(provisioned_lab: Lab, tenants: Both) -> None:
    node = tenants.tenants[0].node
    tried = node.exec("ip link add mv0 link eth0 type macvlan mode bridge && ip link del mv0", check=False)
    if tried.returncode != 0:
        pytest.skip(f"macvlan: this kernel has none ({tried.stderr.strip()})")

    def work(tenant: Tenant) -> None:
        site = provisioned_lab.plan.site(tenant.node.site)
        address = site.cidr.rsplit(".", 1)[0] + ".240"
        network = {"macvlan": {"parent": "eth0", "subnet": site.cidr, "gateway": site.router, "address": address}}
        tenant.run(tenant.workload("ok-1", network=network, ports=[]))
        assert get(address, 8000) == "1"  # from a client at the site
        tenant.run(tenant.workload("ok-2", network=network, ports=[]))  # the address moves on
        assert get(address, 8000) == "2"
        result = tenant.deploy(
            tenant.workload("ok-1", network=network, ports=[], probes={"startup": {"tcp": {"port": 1}, "within": "1s"}})
        )
        assert result["class"] == "reverted" and result["cause"] == "probe", result["msg"]
        assert get(address, 8000) == "2"

    tenants(work)


def test_after_decides_who_starts_first(tenants: Both) -> None:
    def work(tenant: Tenant) -> None:
        def member(name: str, *after: str) -> dict[str, t.Any]:
            return tenant.workload("ok-1", name, ports=[], after=list(after))

        tenant.run(member("api", "queue", "store"), member("queue", "store"), member("store"), remove_undeclared=True)
        started = {name: tenant.inspect(name)["State"]["StartedAt"] for name in ("store", "queue", "api")}
        assert sorted(started, key=lambda name: started[name]) == ["store", "queue", "api"]
        # Workloads of a tenant know each other by name.
        assert inside(tenant, "wget -qO- http://store:8000/version", "api") == "1"
        tenant.run(tenant.workload("ok-1"), remove_undeclared=True)

    tenants(work)


def test_the_images_own_health_check_is_a_probe(tenants: Both) -> None:
    probes = {"startup": {"health": {}, "within": "8s"}, "steady": {"health": {}, "for": "500ms"}}

    def work(tenant: Tenant) -> None:
        tenant.run(tenant.workload("healthy", probes=probes))
        sick = tenant.deploy(tenant.workload("sick", probes=probes))
        assert sick["class"] == "reverted" and "health is 'unhealthy'" in sentence(sick)
        began = time.monotonic()
        none = tenant.deploy(tenant.workload("ok-2", probes=probes))
        assert none["class"] == "reverted" and "no HEALTHCHECK" in sentence(none)
        assert time.monotonic() - began < 8
        assert tenant.answers() == "1"

    tenants(work)


def test_the_version_before_is_kept_and_older_ones_are_not(tenants: Both, provisioned_lab: Lab) -> None:
    """F14: what a revert needs is on the node, and nothing that it does not need."""

    def work(tenant: Tenant) -> None:
        for image in KEPT:
            tenant.run(tenant.workload(image))
        digests = tenant.node.exec(["docker", "images", "--digests", "--format", "{{.Digest}}"]).stdout
        have = {name for name in KEPT if tenant.images[name].rpartition("@")[2] in digests}
        assert have == set(KEPT[1:])
        label = ["--filter", "label=physical-ai.edge.tenant=tx-boxes", "--quiet"]
        assert len(tenant.node.exec(["docker", "ps", "--all", *label]).stdout.split()) == 2

    tenants(work)
    provisioned_lab.registry.stop()
    try:
        tenants(lambda tenant: tenant.node.exec("edge revert tx-boxes/app", timeout=120))
    finally:
        provisioned_lab.registry.up()
    assert [tenant.answers() for tenant in tenants.tenants] == ["12", "12"]


def archives(lab: Lab, tenants: Both) -> dict[str, str]:
    """OCI archives of two versions on each node, with what goes wrong with archives; name -> digest of the manifest."""
    from tests.lab import engine, images, oci

    client = engine.client()
    digests: dict[str, str] = {}
    content: dict[str, bytes] = {}
    for version in ("1", "2"):
        saved = b"".join(client.images.get(images.tiny(client, "ok", version)).save())
        digests[version], content[f"ok-{version}.tar"] = oci.archive(saved)
    whole = content["ok-2.tar"]
    middle = len(whole) // 2
    content["flipped.tar"] = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    content["short.tar"] = whole[:middle]
    content["text.tar"] = b"not an archive at all"
    tenants(lambda tenant: put(tenant.node, "/srv", content))
    return digests


DAMAGED = {
    "flipped.tar": ("verify", "it is damaged, copy it again"),
    "short.tar": ("verify", "copy the archive again"),
    "text.tar": ("fetch", "is not an OCI archive"),
    "absent.tar": ("fetch", "is not on this node: copy it there"),
    "ok-1.tar": ("verify", "the release asks for"),
}


def test_images_come_from_an_archive_without_a_registry(tenants: Both, provisioned_lab: Lab) -> None:
    digests = archives(provisioned_lab, tenants)

    def of(tenant: Tenant, version: str, name: str) -> dict[str, t.Any]:
        found = dict(tenant.workload("ok-1"), image="registry.lab:5000/tx/stick", digest=digests[version])
        return dict(found, archive=f"/srv/{name}")

    def work(tenant: Tenant) -> None:
        tenant.run(of(tenant, "1", "ok-1.tar"))
        assert tenant.answers() == "1"
        identity = tenant.identity()
        for name, (cause, words) in DAMAGED.items():
            refused = tenant.deploy(of(tenant, "2", name))
            assert (refused["class"], refused["cause"]) == ("refused", cause), refused["msg"]
            assert words in sentence(refused) and f"/srv/{name}" in refused["msg"]
        assert tenant.identity() == identity
        tenant.node.exec("mkdir -p /srv/layout && tar -C /srv/layout -xf /srv/ok-2.tar")
        tenant.run(of(tenant, "2", "layout"))
        tenant.node.exec("rm -rf /srv/layout /srv/*.tar")
        assert tenant.answers() == "2"
        tenant.node.exec("edge revert tx-boxes/app", timeout=120)
        assert tenant.answers() == "1"
        current = tenant.status()["workloads"]["app"]["current"]
        assert current["digest"] == digests["1"] and current["image_id"] == tenant.inspect()["Image"]

    provisioned_lab.registry.stop()
    try:
        tenants(work)
    finally:
        provisioned_lab.registry.up()


def test_what_a_recent_engine_saves_is_an_archive_too(tenants: Both) -> None:
    tenant = tenants.tenants[1]
    tenant.run(tenant.workload("ok-1"))
    tenant.node.exec(
        f"docker pull --quiet {tenant.images['ok-2']} && docker save --output /srv/saved.tar {tenant.images['ok-2']}"
    )
    index = json.loads(tenant.node.exec("tar -xOf /srv/saved.tar index.json").stdout)
    digest = index["manifests"][0]["digest"]
    tenant.run(dict(tenant.workload("ok-2"), digest=digest, archive="/srv/saved.tar"))
    assert tenant.answers() == "2"
    tenant.node.exec("rm /srv/saved.tar")


def test_an_application_that_does_not_let_go_is_swapped_where_that_is_wanted(tenants: Both) -> None:
    """F8: the deadline, then the policy."""
    lock = {"mount": "/run/app", "max_wait": "2s", "then": "swap"}

    def work(tenant: Tenant) -> None:
        tenant.run(tenant.workload("ok-1", update_lock=lock))
        tenant.node.exec(["docker", "exec", tenant.container(), "touch", "/run/app/update.lock"])
        result = tenant.run(tenant.workload("ok-2"))
        steps = {item["step"]: item["seconds"] for item in result["workloads"]["app"]["steps"]}
        assert result["class"] == "success" and 1.9 <= steps["hold"] < 6
        assert tenant.answers() == "2"

    tenants(work)
