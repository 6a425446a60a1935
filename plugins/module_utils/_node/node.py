# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of the program works with: the engine, the state, the places, and the steps of a change."""

from __future__ import annotations

import contextlib
import glob
import os
import time
import typing as t
from dataclasses import dataclass, field

from .._core import container as _container
from .._core.state import Deployment, State
from . import admit, data, devices, faults, files, models, secrets, shares, switch
from ._runner import run
from .engine import Engine, Info, client_configuration
from .errors import NodeError
from .fetch import reference as image_reference
from .files import Paths
from .store import Store

_UNDER_WAY = "under way"
RESERVE = 16 << 20

PORTS_UNIT = "physical-ai-ports.service"
_NFT = "install nftables (role baseline), or take `ports` out"


@dataclass
class Node:
    """A node: its engine, its files, its state."""

    paths: Paths = field(default_factory=Paths)
    engine: Engine = field(default_factory=Engine)

    def __post_init__(self) -> None:
        client_configuration(self.paths.configuration + "/docker")
        self.store = Store(self.paths)

    def boot_id(self) -> str:
        return (files.read_text(self.paths.boot_id) or "").strip()

    def lock(self, wait: float) -> t.ContextManager[None]:
        return files.lock(self.paths.transaction_lock, wait)

    def create(self, info: Info, tenant: str, deployment: Deployment) -> None:
        """Makes the container of a deployment, stopped and not armed."""
        spec = deployment.spec
        self._ensure_network(tenant, spec["network"])
        directory = f"{self.paths.containers}/{deployment.container}"
        files.make_directory(directory)
        image = self.engine.image(deployment.image_id)
        user = spec.get("user") or (image.user if image else "")
        places = {}
        for index, entry in enumerate(spec["files"]):
            places[entry["path"]] = f"{directory}/{index}"
            files.write_atomic(places[entry["path"]], entry["content"], int(entry["mode"], 8))
            os.chown(places[entry["path"]], *(_container.owner(user) or (0, 0)))
        by_runtime = [gpu["id"] for gpu in deployment.gpus if not gpu["cdi"]]
        env = directory + "/env"
        files.write_atomic(env, _container.env_file(spec, by_runtime))
        switch.link(self.paths, deployment)
        switch.put_right(self.paths, deployment)
        names = devices.known(self.paths) if "requires" in spec else {}
        place = _container.Place(
            container=deployment.container,
            tenant=tenant,
            spec_digest=deployment.spec_digest,
            release=deployment.release,
            image=deployment.image_id,
            env_file=env,
            files=places,
            models=switch.places(self.paths, deployment),
            volumes=data.prepare(self.paths, tenant, spec, user),
            lock_directory=self.lock_directory(tenant, spec),
            cgroup_driver=info.cgroup_driver,
            user=user,
            gpus=tuple(gpu["cdi"] for gpu in deployment.gpus if gpu["cdi"]),
            runtime="nvidia" if by_runtime else "",
            devices=devices.fill(self.paths, names, tenant, spec),
            majors=devices.majors(self.paths, names, spec),
            secrets=secrets.prepare(self.paths, tenant, deployment, user),
            identity=secrets.identity(self.paths, tenant, spec),
        )
        try:
            self.engine.create(_container.create_arguments(spec, place))
        finally:
            os.unlink(env)

    def lock_directory(self, tenant: str, spec: t.Mapping[str, t.Any]) -> str:
        """Where the application puts its update lock. It lies in memory: after a boot the engine makes it anew, as root's."""
        path = os.path.dirname(self.paths.update_lock(tenant, spec["name"]))
        if "update_lock" in spec:
            files.make_directory(path, 0o755)
            os.chmod(path, 0o1777)  # noqa: S103 # whatever user the application runs as
        return path

    def forget_lock(self, tenant: str, workload: str) -> None:
        """A lock is that of the container that set it, on trial or not, and ends with it."""
        with contextlib.suppress(OSError):
            os.unlink(self.paths.update_lock(tenant, workload))

    def _ensure_network(self, tenant: str, network: t.Any) -> None:
        if network in ("host", "none"):
            return
        name = _container.network_name(tenant, network)
        label = ["--label", f"{_container.LABEL}.tenant={tenant}"]
        if isinstance(network, dict):
            settings = network["macvlan"]
            arguments = ["--driver", "macvlan", "--opt", f"parent={settings['parent']}", "--subnet", settings["subnet"]]
            arguments += ["--gateway", settings["gateway"]] if "gateway" in settings else []
            self.engine.ensure_network(name, arguments + label)
        else:
            interface = f"com.docker.network.bridge.name={_container.bridge_interface(tenant)}"
            self.engine.ensure_network(name, ["--driver", "bridge", "--opt", interface, *label])

    def restart_engine(self) -> bool:
        """Starts the engine anew, as the last means, and once for each time that others started it; False where it was not done.

        After a crash in the middle of a start or stop the engine may hold a published port for a container that is gone
        (moby#20486, moby#25981). It lets go only when it is started again.
        """
        marker = self.paths.run + "/engine-restarted"
        before = files.read_text(marker)
        if before == _UNDER_WAY:  # systemd ended this program together with the engine, and started it again
            files.write_atomic(marker, self.engine.birth())
            return False
        if before == self.engine.birth():
            return False
        files.make_directory(self.paths.run, 0o755)
        files.write_atomic(marker, _UNDER_WAY)
        done = run(["systemctl", "restart", "docker.service"], timeout=180)
        self.engine.wait_until_up(60.0)
        files.write_atomic(marker, self.engine.birth())
        return done.code == 0

    def forget_container(self, name: str) -> None:
        self.engine.remove(name)
        files.remove_tree(f"{self.paths.containers}/{name}")
        switch.forget(self.paths, name)
        secrets.forget(self.paths, name)

    def limit_ports(self, state: State) -> None:
        """Loads the rules that say who may reach published ports; they are on disk for the next boot before they are loaded."""
        specs = [item.spec for dummy, dummy2, item in state.deployments()]
        specs += [entry.new.spec for entry in (state.journal.entries if state.journal else []) if entry.new is not None]
        rules = _container.port_rules(specs)
        before = files.read_text(self.paths.port_rules)
        if before is None and not rules:
            return
        content = "table inet edge_ports {}\ndelete table inet edge_ports\n" + rules
        if content != before:
            files.write_atomic(self.paths.port_rules, content)
            # From now on the rules come back after a restart of nftables, not only at the next boot.
            run(["systemctl", "--no-block", "start", PORTS_UNIT])
        try:
            done = run(["nft", "--file", self.paths.port_rules])
        except NodeError as exc:
            raise NodeError(
                "admit", f"who may reach published ports cannot be limited: {exc.message}: {_NFT}"
            ) from None
        if done.code != 0:
            raise NodeError("admit", f"who may reach published ports cannot be limited: {done.said}: {_NFT}")

    def limit_tenants(self, driver: str, state: State) -> None:
        """Sets the limits of the shares, also those that were taken back; nothing where the node was never divided."""
        if os.path.exists(self.paths.tenants):
            policy = admit.policy(self.paths)
            shares.apply(policy, driver, {*(policy.shares or {}), *state.tenants})

    def reserve_disk(self) -> None:
        """Sets disk aside for the way back: a new version that fills the disk must not keep the old one from starting."""
        files.make_directory(self.paths.state_directory)
        descriptor = os.open(self.paths.reserve, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE)
        finally:
            os.close(descriptor)

    def give_reserve(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.paths.reserve)

    def collect(self, state: State, info: Info, short: bool = False) -> None:
        """Removes what no kept version needs: containers, images, copies of volumes. Never the revert target.

        Models that nobody uses, and what was fetched for a change that is still to come, stay as long as there is room.

        :param short: a change needs the disk.
        """
        self.give_reserve()
        if short:
            state.fetched.clear()
        coming = [spec for specs in state.fetched.values() for spec in specs]
        kept = list(state.kept())
        names = {item.container for item in kept}
        for container in self.engine.containers():
            if container.name not in names:
                self.forget_container(container.name)
        references = {item.image_ref for item in kept} | {image_reference(spec) for spec in coming}
        for reference in [item for item in state.images if item not in references]:
            image_id = state.images.pop(reference)
            if image_id not in state.images.values():
                self.engine.remove_image(reference) or self.engine.remove_image(image_id)
        switch.collect(self.paths, state)
        secrets.collect(self.paths, state)
        models.collect(self.paths, state, everything=short)
        data.collect(self.paths, kept)
        self._collect_locks(state)
        for name, tenant in state.tenants.items():
            # Its interface is there as long as the network is: no need to ask the engine each time.
            interface = "/sys/class/net/" + _container.bridge_interface(name)
            if os.path.exists(interface) and not any(
                item.current or item.previous for item in tenant.workloads.values()
            ):
                self.engine.remove_network(_container.tenant_network(name))

    def _collect_locks(self, state: State) -> None:
        for directory in glob.glob(f"{glob.escape(self.paths.locks)}/*/*"):
            tenant, workload = directory.split("/")[-2:]
            if tenant not in state.tenants or workload not in state.tenants[tenant].workloads:
                files.remove_tree(directory)


class Steps:
    """Journals each step before it is taken, measures it, and lets tests stop at it.

    :param before: the steps of the same change until it waited, most of which are taken once more: their times add up.
    """

    def __init__(self, node: Node, state: State, before: t.Sequence[t.Dict[str, t.Any]] = ()) -> None:
        self._node = node
        self._state = state
        self._again = list(before)
        self.taken: t.List[t.Dict[str, t.Any]] = list(before)

    @contextlib.contextmanager
    def __call__(self, name: str, workload: str = "") -> t.Iterator[None]:
        self._write_down(name)
        faults.reach(self._node.paths, f"{name}:before")
        began = time.monotonic()
        try:
            yield
        finally:
            self._note(name, workload, time.monotonic() - began)
        faults.reach(self._node.paths, f"{name}:after")

    def _note(self, name: str, workload: str, seconds: float) -> None:
        again = next((item for item in self._again if (item["step"], item["workload"]) == (name, workload)), None)
        if again is None:
            self.taken.append({"step": name, "workload": workload, "seconds": round(seconds, 3)})
            return
        self._again.remove(again)
        again["seconds"] = round(again["seconds"] + seconds, 3)

    def _write_down(self, name: str) -> None:
        if self._state.journal is None:
            return
        self._state.journal.step = name
        try:
            self._node.store.save(self._state)
        except NodeError:
            if not name.startswith("revert_"):
                raise  # the way back goes on although the disk is full: the journal on it says enough

    def of(self, workload: str) -> t.List[t.Dict[str, t.Any]]:
        return [
            {"step": item["step"], "seconds": item["seconds"]}
            for item in self.taken
            if item["workload"] in ("", workload)
        ]

    def seconds(self, prefix: str, workload: str = "") -> float:
        return sum(
            item["seconds"]
            for item in self.taken
            if item["step"].startswith(prefix) and (not workload or item["workload"] in ("", workload))
        )
