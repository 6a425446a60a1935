# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's arguments, the rules of ports, and what fits a node."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import admission, container, names, request, spec
from tests.unit.plugins.module_utils._core.specs import workload


def place(**more: t.Any) -> container.Place:
    values: t.Dict[str, t.Any] = {
        "container": "edge-t-app-1",
        "tenant": "t-a",
        "spec_digest": "sha256:1",
        "release": "1.0",
        "image": "sha256:2",
        "env_file": "/e",
        "files": {"/etc/a": "/c/0"},
        "models": {"/m": "/models/x"},
        "volumes": {"state": "/v/data"},
        "lock_directory": "/l",
        "cgroup_driver": "systemd",
    }
    return container.Place(**dict(values, **more))


def arguments(driver: str = "systemd", **more: t.Any) -> t.List[str]:
    return container.create_arguments(spec.render([workload(**more)])[0], place(cgroup_driver=driver))


def after(found: t.List[str], name: str) -> t.List[str]:
    return [found[index + 1] for index, item in enumerate(found) if item == name]


def test_a_container_on_trial_does_not_boot_and_is_locked_down() -> None:
    found = arguments()
    assert after(found, "--restart") == ["no"]
    assert after(found, "--cap-drop") == ["ALL"]
    assert after(found, "--security-opt") == ["no-new-privileges"]
    assert "--read-only" in found
    assert after(found, "--memory") == after(found, "--memory-swap")
    assert found[-1] == "sha256:2"


def test_no_value_of_the_environment_is_an_argument() -> None:
    found = arguments(env={"PASSWORD": "geheim"}, files=[{"path": "/etc/a", "content": "geheim"}])
    assert "geheim" not in " ".join(found)
    assert after(found, "--env-file") == ["/e"]


def test_ports_are_on_loopback_unless_allowed() -> None:
    ports = [{"container": 1, "host": 1}, {"container": 2, "host": 2, "protocol": "udp", "allow_from": ["any"]}]
    assert after(arguments(ports=ports), "--publish") == ["127.0.0.1:1:1/tcp", "2:2/udp"]


def test_mounts_entry_point_and_command() -> None:
    found = arguments(
        files=[{"path": "/etc/a", "content": "x"}],
        volumes=[{"name": "state", "mount": "/data", "size": "1m"}],
        entrypoint=["/bin/run", "--fast"],
        command=["serve"],
        user=1000,
        capabilities=["NET_RAW"],
        update_lock={},
    )
    assert after(found, "--volume") == ["/c/0:/etc/a:ro", "/v/data:/data", "/l:/run/edge"]
    assert after(found, "--entrypoint") == ["/bin/run"]
    assert found[-3:] == ["sha256:2", "--fast", "serve"]
    assert (after(found, "--user"), after(found, "--cap-add")) == (["1000"], ["NET_RAW"])


@pytest.mark.parametrize(
    ("user", "options"),
    [
        ("", ""),
        ("app", ""),
        ("1000", ",uid=1000,gid=1000"),
        ("1000:20", ",uid=1000,gid=20"),
        ("7:staff", ",uid=7,gid=7"),
    ],
)
def test_what_is_writable_belongs_to_the_user(user: str, options: str) -> None:
    found = container.create_arguments(spec.render([workload()])[0], place(user=user))
    assert after(found, "--tmpfs") == [f"/tmp:size={64 << 20},mode=1777{options}"]


@pytest.mark.parametrize(("driver", "parent"), [("systemd", "edge-t_a.slice"), ("cgroupfs", "/edge/t_a")])
def test_a_tenant_has_a_group_of_its_own(driver: str, parent: str) -> None:
    assert after(arguments(driver), "--cgroup-parent") == [parent]


@pytest.mark.parametrize(
    ("network", "name"),
    [
        ("bridge", "edge-t-a"),
        ("host", "host"),
        ("none", "none"),
        ({"macvlan": {"parent": "eth1", "subnet": "10.0.0.0/24"}}, "edge-t-a-eth1"),
    ],
)
def test_networks(network: t.Any, name: str) -> None:
    assert after(arguments(network=network), "--network") == [name]


def rules(*allowed: str, **more: t.Any) -> str:
    return container.port_rules(
        spec.render([workload(ports=[{"container": 8000, "host": 8000, "allow_from": list(allowed)}], **more)])
    )


def test_rules_drop_what_is_not_allowed() -> None:
    text = rules("10.1.0.0/16", "192.0.2.7")
    assert (
        "meta nfproto ipv4 fib daddr type local tcp dport 8000 ip saddr != { 10.1.0.0/16, 192.0.2.7/32 } drop" in text
    )
    assert "meta nfproto ipv6 fib daddr type local tcp dport 8000 drop" in text
    assert text.count('iifname != "lo"') == 2
    assert "dport" not in rules("any")
    assert "meta nfproto ipv4" not in rules("0.0.0.0/0") and "meta nfproto ipv6" in rules("0.0.0.0/0")


def test_neighbours_cannot_go_round_the_published_port() -> None:
    assert 'iifname != "lo" ip daddr 127.0.0.0/8 tcp dport 8000 drop' in rules()
    for text in (rules(), rules("any")):
        assert 'iifname != "edge-*" oifname "edge-*" ct state new drop' in text
    assert container.port_rules(spec.render([workload()])) == ""


def test_a_port_on_the_hosts_network_is_closed_unless_allowed() -> None:
    assert "meta nfproto ipv4 fib daddr type local tcp dport 8000 drop" in rules(network="host")
    assert "tcp dport 8000 ip saddr != { 10.1.0.0/16 } drop" in rules("10.1.0.0/16", network="host")


@pytest.mark.parametrize("tenant", ["t", "a" * 40, "quality-line-1"])
def test_an_interface_has_a_name_that_the_kernel_takes(tenant: str) -> None:
    name = names.bridge_interface(tenant)
    assert name.startswith("edge-") and len(name) <= 15
    assert name != names.bridge_interface("other")


def capacity(**more: t.Any) -> admission.Capacity:
    values: t.Dict[str, t.Any] = {
        "cpus": 2,
        "memory": 4 << 30,
        "promised": (("quality/other", 1 << 30),),
        "disk_free": 10 << 30,
        "disk_total": 100 << 30,
        "disk_path": "/d",
    }
    return admission.Capacity(**dict(values, **more))


def wish(**more: t.Any) -> admission.Wish:
    values: t.Dict[str, t.Any] = {
        "workload": "app",
        "cpus": 1,
        "memory": 1 << 30,
        "image": 1 << 30,
        "model": 0,
        "volumes": 0,
        "snapshots": 0,
        "ports": ((80, "tcp"),),
    }
    return admission.Wish(**dict(values, **more))


@pytest.mark.parametrize(
    ("have", "want", "words"),
    [
        (capacity(), wish(), ()),
        (capacity(disk_free=2 << 30), wish(), ("disk:", "3,072 MiB needed", "2,048 MiB free", "/d", "free some disk")),
        (capacity(disk_free=5 << 30, disk_total=100 << 30), wish(image=(4 << 30) // 3), ()),
        (capacity(disk_free=5 << 30), wish(image=(4 << 30) // 3 + 1), ("disk:", "1,024 MiB of it kept back")),
        (capacity(disk_free=50 << 20, disk_total=1000 << 20), wish(image=1 << 10), ("disk:", "50 MiB of it kept back")),
        (capacity(disk_free=0), wish(image=0), ()),
        (capacity(), wish(memory=3 << 30), ("memory:", "3,072 MiB asked", "2,944 MiB free", "quality/other 1,024 MiB")),
        (capacity(), wish(memory=1 << 30, gpu_memory=2 << 30), ("app 3,072 MiB of it 2,048 MiB for the GPU",)),
        (capacity(), wish(cpus=4), ("CPU:", "asks for 4, the node has 2")),
        (capacity(ports={(80, "tcp"): "container web"}), wish(), ("port:", "80/tcp", "container web", "another port")),
        (capacity(ports={(80, "udp"): "container web"}), wish(), ()),
    ],
)
def test_admission(have: admission.Capacity, want: admission.Wish, words: t.Tuple[str, ...]) -> None:
    lines = admission.refusals(have, [want])
    assert len(lines) == bool(words)
    for word in words:
        assert word in lines[0]


def test_a_request_is_read_as_it_was_written_and_a_newer_one_is_refused() -> None:
    made = request.Request("id", "t", "1.0", spec.render([workload()]))
    assert request.read(made.to_json()) == made
    assert made.seconds() > 60
    for data, words in (
        ({}, "not a request"),
        ({"id": 1, "schema": 9}, "schema 9"),
        ({"id": 1, "x": 1}, "cannot be read"),
    ):
        with pytest.raises(request.RequestError, match=words):
            request.read(data)
