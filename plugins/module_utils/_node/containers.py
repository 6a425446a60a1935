# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers find on a node: they are made, who may reach them and how much they may use is limited, and what nobody
needs any more is taken away."""

from __future__ import annotations

import glob
import os
import typing as t

from .._core import container as _container
from .._core import names as _names
from .._core.state import Deployment, State
from . import admit, data, devices, files, models, secrets, shares, switch
from ._runner import run
from .engine import Info
from .errors import NodeError
from .fetch import reference as image_reference
from .node import Node

PORTS_UNIT = "physical-ai-ports.service"
_NFT = "install nftables (role baseline), or take `ports` out"


def create(node: Node, info: Info, tenant: str, deployment: Deployment) -> None:
    """Makes the container of a deployment, stopped and not armed."""
    spec = deployment.spec
    _ensure_network(node, tenant, spec["network"])
    directory = f"{node.paths.containers}/{deployment.container}"
    files.make_directory(directory)
    image = node.engine.image(deployment.image_id)
    user = spec.get("user") or (image.user if image else "")
    places = {}
    for index, entry in enumerate(spec["files"]):
        places[entry["path"]] = f"{directory}/{index}"
        files.write_atomic(places[entry["path"]], entry["content"], int(entry["mode"], 8))
        os.chown(places[entry["path"]], *(_container.owner(user) or (0, 0)))
    by_runtime = [gpu["id"] for gpu in deployment.gpus if not gpu["cdi"]]
    env = directory + "/env"
    files.write_atomic(env, _container.env_file(spec, by_runtime))
    switch.link(node.paths, deployment)
    switch.put_right(node.paths, deployment)
    names = devices.known(node.paths) if "requires" in spec else {}
    place = _container.Place(
        container=deployment.container,
        tenant=tenant,
        spec_digest=deployment.spec_digest,
        release=deployment.release,
        image=deployment.image_id,
        env_file=env,
        files=places,
        models=switch.places(node.paths, deployment),
        volumes=data.prepare(node.paths, tenant, spec, user),
        lock_directory=node.lock_directory(tenant, spec),
        cgroup_driver=info.cgroup_driver,
        user=user,
        gpus=tuple(gpu["cdi"] for gpu in deployment.gpus if gpu["cdi"]),
        runtime="nvidia" if by_runtime else "",
        devices=devices.fill(node.paths, names, tenant, spec),
        majors=devices.majors(node.paths, names, spec),
        secrets=secrets.prepare(node.paths, tenant, deployment, user),
        identity=secrets.identity(node.paths, tenant, spec),
    )
    try:
        node.engine.create(_container.create_arguments(spec, place))
    finally:
        os.unlink(env)


def _ensure_network(node: Node, tenant: str, network: t.Any) -> None:
    if network in ("host", "none"):
        return
    name = _names.network_name(tenant, network)
    label = ["--label", f"{_names.LABEL}.tenant={tenant}"]
    if isinstance(network, dict):
        settings = network["macvlan"]
        arguments = ["--driver", "macvlan", "--opt", f"parent={settings['parent']}", "--subnet", settings["subnet"]]
        arguments += ["--gateway", settings["gateway"]] if "gateway" in settings else []
        node.engine.ensure_network(name, arguments + label)
    else:
        interface = f"com.docker.network.bridge.name={_names.bridge_interface(tenant)}"
        node.engine.ensure_network(name, ["--driver", "bridge", "--opt", interface, *label])


def forget(node: Node, name: str) -> None:
    node.engine.remove(name)
    files.remove_tree(f"{node.paths.containers}/{name}")
    switch.forget(node.paths, name)
    secrets.forget(node.paths, name)


def limit_ports(node: Node, state: State) -> None:
    """Loads the rules that say who may reach published ports; they are on disk for the next boot before they are loaded."""
    specs = [item.spec for dummy, dummy2, item in state.deployments()]
    specs += [entry.new.spec for entry in (state.journal.entries if state.journal else []) if entry.new is not None]
    rules = _container.port_rules(specs)
    before = files.read_text(node.paths.port_rules)
    if before is None and not rules:
        return
    content = "table inet edge_ports {}\ndelete table inet edge_ports\n" + rules
    if content != before:
        files.write_atomic(node.paths.port_rules, content)
        # From now on the rules come back after a restart of nftables, not only at the next boot.
        run(["systemctl", "--no-block", "start", PORTS_UNIT])
    try:
        done = run(["nft", "--file", node.paths.port_rules])
    except NodeError as exc:
        raise NodeError("admit", f"who may reach published ports cannot be limited: {exc.message}: {_NFT}") from None
    if done.code != 0:
        raise NodeError("admit", f"who may reach published ports cannot be limited: {done.said}: {_NFT}")


def limit_tenants(node: Node, driver: str, state: State) -> None:
    """Sets the limits of the shares, also those that were taken back; nothing where the node was never divided."""
    if os.path.exists(node.paths.tenants):
        policy = admit.policy(node.paths)
        shares.apply(policy, driver, {*(policy.shares or {}), *state.tenants})


def collect(node: Node, state: State, info: Info, short: bool = False) -> None:
    """Removes what no kept version needs: containers, images, copies of volumes. Never the revert target.

    Models that nobody uses, and what was fetched for a change that is still to come, stay as long as there is room.

    :param short: a change needs the disk.
    """
    node.give_reserve()
    if short:
        state.fetched.clear()
    coming = [spec for specs in state.fetched.values() for spec in specs]
    kept = list(state.kept())
    names = {item.container for item in kept}
    for container in node.engine.containers():
        if container.name not in names:
            forget(node, container.name)
    references = {item.image_ref for item in kept} | {image_reference(spec) for spec in coming}
    for reference in [item for item in state.images if item not in references]:
        image_id = state.images.pop(reference)
        if image_id not in state.images.values():
            node.engine.remove_image(reference) or node.engine.remove_image(image_id)
    switch.collect(node.paths, state)
    secrets.collect(node.paths, state)
    models.collect(node.paths, state, everything=short)
    data.collect(node.paths, kept)
    _collect_locks(node, state)
    for name, tenant in state.tenants.items():
        # Its interface is there as long as the network is: no need to ask the engine each time.
        interface = "/sys/class/net/" + _names.bridge_interface(name)
        if os.path.exists(interface) and not any(item.current or item.previous for item in tenant.workloads.values()):
            node.engine.remove_network(_names.tenant_network(name))


def _collect_locks(node: Node, state: State) -> None:
    for directory in glob.glob(f"{glob.escape(node.paths.locks)}/*/*"):
        tenant, workload = directory.split("/")[-2:]
        if tenant not in state.tenants or workload not in state.tenants[tenant].workloads:
            files.remove_tree(directory)
