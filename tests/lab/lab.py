# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated fleet: sites with their nodes, an uplink, a registry, and the faults that befall them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
from docker.types import IPAMConfig, IPAMPool

from tests.lab import engine, files, images, keys, playbook
from tests.lab.node import Node
from tests.lab.plan import (
    DEFAULT_NAME,
    DEFAULT_NODES,
    REGISTRY_HOST,
    RELEASES,
    LabError,
    LabPlan,
    check_name,
    choose_block,
    make_plan,
)
from tests.lab.playbook import PlaybookResult
from tests.lab.progress import alone, say, step
from tests.lab.services import CHECKOUT, LABEL, PACKAGES, PackageCache, Registry, labels, mine
from tests.tools.sync import BUILD, ROOT, sync

LABS = engine.LABS
PARALLEL = 4


def default_name() -> str:
    return os.environ.get("EDGE_LAB", DEFAULT_NAME)


class Lab:
    """A lab that exists: `Lab.up()` makes it or completes it, `Lab.attach()` finds it."""

    def __init__(self, client: docker.DockerClient, plan: LabPlan) -> None:
        self._client = client
        self.plan = plan
        self.name = plan.name
        self.folder = LABS / plan.name
        self.inventory = self.folder / "fleet.yml"
        self.plain_inventory = self.folder / "plain.yml"
        self.nodes: dict[str, Node] = {node.host: Node(client, plan, node) for node in plan.nodes}
        self.sites: dict[str, list[Node]] = {
            site.name: [self.nodes[node.host] for node in site.nodes] for site in plan.sites
        }
        self.registry = Registry(client, plan, self.folder)
        self.packages = PackageCache(client, plan)

    # -- existence

    @classmethod
    def up(cls, name: str | None = None, nodes: int | None = None) -> Lab:
        """Makes what is missing of the lab and switches everything on. Safe to run again."""
        name = check_name(name or default_name())
        with alone(LABS / "engine.lock", "start the container engine"):
            engine.up()
        client = engine.client()
        images.services(client)
        tags = {release: images.node(client, release) for release in RELEASES}
        with alone(LABS / f"{name}.lock", f"make lab {name}"):
            lab = cls(client, _planned(client, name, nodes))
            lab._complete(tags)
        return lab

    def _complete(self, tags: t.Mapping[str, str]) -> None:
        self._write_files()
        self._make_networks()
        with step(f"lab {self.name}: registry and package cache"):
            self.registry.up()
            self.packages.up()
        with step(f"lab {self.name}: {len(self.nodes)} nodes at {len(self.sites)} sites"):
            self._each(lambda node: self._node_up(node, tags[node.release]))

    def fresh(self, name: str) -> Node:
        """Makes a node anew: as if somebody had installed the operating system again. Its ssh key stays."""
        node = self.node(name)
        node.remove()
        self._node_up(node, images.node(self._client, node.release))
        return node

    def swap(self, name: str) -> Node:
        """Puts another box in a node's place, as newly installed, with a disk, a machine-id and a host key of its own.

        Returns the old one, powered off. Only one of the two can be on at a time: they have the same addresses.
        """
        node = self.node(name)
        old = node.put_aside()
        (self.folder / "ssh" / "hosts" / name).unlink()
        self._write_files()
        self.hang_up()
        self._node_up(node, images.node(self._client, node.release))
        return old

    @classmethod
    def attach(cls, name: str | None = None) -> Lab:
        """The lab of that name, as it is."""
        name = check_name(name or default_name())
        plan = _recorded(name)
        if plan is None:
            raise LabError(f"there is no lab '{name}' here: run `tests/lab/lab up` first")
        return cls(engine.client(), plan)

    @classmethod
    def remove(cls, name: str | None = None, packages: bool = False) -> None:
        """Removes everything that `up` made, also what an interrupted `up` left.

        Images stay for the next time, and so does the package cache unless `packages` is set.
        """
        name = check_name(name or default_name())
        _forget_connections(name)
        try:
            client = engine.client()
        except LabError:
            if (LABS / name).exists():
                say(f"lab {name}: no engine answers, so only its files are removed")
        else:
            with alone(LABS / f"{name}.lock", f"finish with lab {name}"), step(f"lab {name}: remove"):
                _remove_from_engine(client, mine(name))
                if packages:
                    _remove_volumes(client, {"label": f"{PACKAGES}={name}"})
        shutil.rmtree(LABS / name, ignore_errors=True)
        (LABS / f"{name}.lock").unlink(missing_ok=True)

    def down(self, packages: bool = False) -> None:
        self.remove(self.name, packages)

    def _each(self, work: t.Callable[[Node], object]) -> None:
        with ThreadPoolExecutor(PARALLEL) as pool:
            for future in [pool.submit(work, node) for node in self.nodes.values()]:
                future.result()

    def _node_up(self, node: Node, image: str) -> None:
        if not node.exists():
            node.create(self._node_files(node), image)
        node.power_on()

    def _node_files(self, node: Node) -> dict[str, tuple[bytes, int]]:
        key = self.folder / "ssh" / "hosts" / node.name
        public = (self.folder / "ssh" / "id_ed25519.pub").read_bytes()
        return {
            "etc/ssh/ssh_host_ed25519_key": (key.read_bytes(), 0o600),
            "etc/ssh/ssh_host_ed25519_key.pub": (key.with_name(key.name + ".pub").read_bytes(), 0o644),
            "etc/ssh/authorized_keys.d/edge": (public, 0o644),
        }

    def _write_files(self) -> None:
        folder, plan = self.folder, self.plan
        keys.ssh_key(folder / "ssh" / "id_ed25519", f"lab {plan.name}")
        host_keys = {node.host: keys.ssh_key(folder / "ssh" / "hosts" / node.host, node.host) for node in plan.nodes}
        keys.certificate_authority(folder / "pki", plan.name)
        addresses = [plan.registry_address, "127.0.0.1"]
        keys.server_certificate(folder / "pki", "registry", [REGISTRY_HOST], addresses)
        control = _control_path(plan.name)
        control.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "tmp").mkdir(exist_ok=True)
        texts = {
            "fleet.yml": files.fleet(plan, self.registry.ca_pem),
            "plain.yml": files.plain_inventory(plan, self.registry.ca_pem),
            "ssh/config": files.ssh_config(plan, folder),
            "ssh/known_hosts": files.known_hosts(plan, host_keys),
            "ansible.cfg": files.ansible_config(folder, BUILD, control, forks=max(5, len(plan.nodes))),
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")

    def _make_networks(self) -> None:
        wanted = {self.plan.uplink_network: (self.plan.uplink_cidr, self.plan.uplink_router, True)}
        for site in self.plan.sites:
            wanted[self.plan.network(site.name)] = (site.cidr, site.router, False)
        have = {network.name for network in self._client.networks.list(filters=mine(self.name))}
        for name, (cidr, router, masquerade) in wanted.items():
            if name not in have:
                self._client.networks.create(
                    name,
                    driver="bridge",
                    labels=labels(self.name),
                    # Not `internal`: where bridged frames pass the firewall, its rules drop what a node sends
                    # through its gateway. Without masquerading this machine is no way out of a site either.
                    options={"com.docker.network.bridge.enable_ip_masquerade": str(masquerade).lower()},
                    ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=cidr, gateway=router)]),
                )

    # -- faults

    def node(self, name: str) -> Node:
        if name not in self.nodes:
            raise LabError(f"lab {self.name}: no node '{name}'; the nodes are {', '.join(self.nodes)}")
        return self.nodes[name]

    def gateway(self, site: str) -> Node:
        return self.node(self.plan.site(site).gateway.host)

    def cut(self, site: str) -> None:
        """The site's link is gone: its gateway leaves the uplink. The site itself works on."""
        self.gateway(site).pull_uplink()

    def restore(self, site: str) -> None:
        self.gateway(site).plug_uplink()

    def heal(self) -> None:
        """Undoes every fault: links, power, disks, clocks, registry."""
        self.registry.up()
        self.registry.full_speed()
        for site in self.sites:
            self.restore(site)
        self._each(_heal_node)

    # -- Ansible

    def hang_up(self) -> None:
        """Ends the connections that ssh keeps for the next time: they would go on to a machine that is not there any more."""
        _forget_connections(self.name)
        _control_path(self.name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def sync(self) -> Path:
        """Brings the copy of the collection that ansible runs up to date."""
        return sync()

    def env(self) -> dict[str, str]:
        """The environment in which ansible commands work on this lab."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        environ["ANSIBLE_CONFIG"] = str(self.folder / "ansible.cfg")
        environ["ANSIBLE_COLLECTIONS_PATH"] = str(BUILD)
        environ["EDGE_LAB"] = self.name
        environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', os.defpath)}"
        return environ

    def playbook(
        self,
        path: str | Path,
        *args: str,
        extra_vars: t.Mapping[str, t.Any] | None = None,
        check: bool = True,
        timeout: float = 900,
        show: bool = False,
    ) -> PlaybookResult:
        """Runs a playbook of the collection ("playbooks/x.yml") or any file; `check` raises if it fails."""
        copy = self.sync()
        target = copy / path if not Path(path).is_absolute() and (copy / path).is_file() else Path(path).resolve()
        if not target.is_file():
            raise LabError(f"playbook {path}: no such file, neither in the collection nor here")
        result = playbook.run(playbook.command(target, args, extra_vars), self.env(), ROOT, timeout, show)
        if check and result.rc != 0:
            raise LabError(f"{target.name} ended with {result.rc}: {playbook.why(result.stdout, result.stderr)}")
        return result


def _heal_node(node: Node) -> None:
    node.power_on()
    node.free_disk()
    node.skew_clock(0)


def _planned(client: docker.DockerClient, name: str, nodes: int | None) -> LabPlan:
    """The plan of a lab that exists, or a new one on addresses that nobody uses."""
    plan = _recorded(name)
    if plan is None:
        _take_over(client, name)
        nodes = nodes or DEFAULT_NODES
        plan = make_plan(name, nodes, choose_block(name, _used_networks(client)))
        record = LABS / name / "lab.json"
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps({"nodes": nodes, "block": plan.block}) + "\n", encoding="utf-8")
    elif nodes not in (None, len(plan.nodes)):
        raise LabError(f"lab {name} has {len(plan.nodes)} nodes, {nodes} asked for: take it down first")
    return plan


def _take_over(client: docker.DockerClient, name: str) -> None:
    """Removes what a run of another checkout left of a lab of this name; a lab of theirs that runs is left alone."""
    label = {"label": f"{LABEL}={name}"}
    theirs = client.containers.list(all=True, filters=label)
    if theirs:
        where = theirs[0].labels.get(CHECKOUT, "another place")
        if any(container.status == "running" for container in theirs):
            raise LabError(f"lab {name} runs already, made in {where}: take it down there, or set EDGE_LAB=<name>")
        say(f"lab {name} was left by {where}, nothing of it runs: removed")
    _remove_from_engine(client, label)


def _recorded(name: str) -> LabPlan | None:
    record = LABS / name / "lab.json"
    if not record.is_file():
        return None
    data = json.loads(record.read_text(encoding="utf-8"))
    return make_plan(name, data["nodes"], data["block"])


def _used_networks(client: docker.DockerClient) -> list[str]:
    used = []
    for network in client.networks.list():
        used += [config["Subnet"] for config in network.attrs["IPAM"]["Config"] or [] if "Subnet" in config]
    with Path("/proc/net/route").open(encoding="ascii") as routes:
        for line in list(routes)[1:]:
            address, mask = (bytes.fromhex(line.split()[column])[::-1] for column in (1, 7))
            if any(mask):  # not the default route
                used.append(f"{'.'.join(map(str, address))}/{int.from_bytes(mask, 'big').bit_count()}")
    return used


def _control_path(name: str) -> Path:
    """Where ssh keeps its connections: short, because a socket's path has a limit of about 100 characters."""
    mark = hashlib.sha256(f"{LABS}/{name}".encode()).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"edge-lab-{os.getuid()}-{mark}"


def _forget_connections(name: str) -> None:
    folder = _control_path(name)
    for path in folder.glob("*") if folder.is_dir() else ():
        subprocess.run(["ssh", "-o", f"ControlPath={path}", "-O", "exit", "lab"], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def _remove_from_engine(client: docker.DockerClient, filters: t.Mapping[str, t.Any]) -> None:
    containers = client.containers.list(all=True, filters=filters)
    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(lambda container: container.remove(v=True, force=True), containers))
    for network in client.networks.list(filters=filters):
        network.remove()
    _remove_volumes(client, filters)


def _remove_volumes(client: docker.DockerClient, filters: t.Mapping[str, t.Any]) -> None:
    for volume in client.volumes.list(filters=filters):
        volume.remove(force=True)
