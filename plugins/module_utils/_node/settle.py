# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes what runs equal to what the state says is current. A revert, a recovery and a boot all end here.

Safe to be killed at any point and to be run again.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._core import models
from .._core.state import Deployment, Journal, State
from . import containers, data, secrets, switch
from .engine import Container, Info
from .errors import NodeError, PortKept
from .node import Node, Steps
from .probes import Prober

ENGINE_WAIT = 60.0


def start_order(deployments: t.Sequence[t.Tuple[str, Deployment]]) -> t.List[t.Tuple[str, Deployment]]:
    """`after` first; a name that does not run here does not count."""
    left = list(deployments)
    done: t.List[t.Tuple[str, Deployment]] = []
    while left:
        waiting = {(tenant, item.spec["name"]) for tenant, item in left}
        ready = [pair for pair in left if not any((pair[0], name) in waiting for name in pair[1].spec["after"])]
        for pair in ready or left[:1]:
            done.append(pair)
            left.remove(pair)
    return done


def _keeps_its_data(spec: t.Mapping[str, t.Any]) -> bool:
    """Whether ending the container at once could hurt data that stays: then it is stopped with its time, else killed."""
    return any(volume["snapshot"] != "before_swap" for volume in spec["volumes"])


class Settler:
    """One run of it. `problems` says, a line each, what could not be brought back.

    :param info: where the engine was up a moment ago: asking it again would cost the old version a tenth of a second.
    """

    def __init__(self, node: Node, state: State, steps: Steps, info: t.Optional[Info] = None) -> None:
        self._node = node
        self._state = state
        self._steps = steps
        self._info = info
        self.problems: t.List[str] = []
        self.started: t.List[str] = []
        self._have: t.Dict[str, Container] = {}
        self._untold: t.Dict[str, t.List[str]] = {}

    def run(self) -> None:
        """:raises NodeError: engine, where the engine stays away; the journal then remains for the next run."""
        self._node.give_reserve()
        current = start_order([(tenant, item) for tenant, dummy, item in self._state.deployments()])
        with self._steps("revert_stop_new"):
            info = self._engine()
            self._end_others({item.container for dummy, item in current})
        with self._steps("revert_data"):
            self._put_back()
            self._put_models_back([item for dummy, item in current])
            self._put_secrets_back(current)
        with self._steps("revert_start_old"):
            for tenant, item in current:
                self._node.lock_directory(tenant, item.spec)
            self._start(info, current)
            self._tell()
        with self._steps("revert_probe_old"):
            self._probe()

    def _engine(self) -> Info:
        """Looks at our containers, and waits for the engine where it is not up."""
        info = self._info
        try:
            found = self._node.engine.inspect(*self._known()) if info is not None else None
        except NodeError:
            found = None
        if info is None or found is None:
            info = self._node.engine.wait_until_up(ENGINE_WAIT)
            found = self._node.engine.containers()
        self._have = {item.name: item for item in found}
        return info

    def _known(self) -> t.List[str]:
        """The containers that the state speaks of: for a change that turns back, all there are, in one call."""
        names = {item.container for dummy, dummy2, item in self._state.deployments()}
        for entry in self._state.journal.entries if self._state.journal else ():
            names.update(item.container for item in (entry.old, entry.new) if item is not None)
        return sorted(names)

    def _journal(self) -> t.Optional[Journal]:
        """The change that must be undone, if there is one."""
        journal = self._state.journal
        return journal if journal is not None and not journal.committed else None

    def _end_others(self, current: t.Collection[str]) -> None:
        journal = self._journal()
        trial = {item.container: item.spec for item in (journal.trial() if journal else [])}
        self._end_old()
        for container in self._have.values():
            if container.name in current:
                continue
            if container.restart != "no":
                self._node.engine.restart_policy("no", container.name)
            if not container.running:
                continue
            spec = trial.get(container.name)
            if spec is not None and not _keeps_its_data(spec):
                self._node.engine.kill(container.name)
            else:
                self._node.engine.stop(container.name, spec["stop_timeout"] if spec else 10)
        if journal is not None:
            for entry in journal.entries:
                if (entry.stopping or entry.started) and not entry.switches:
                    self._node.forget_lock(journal.tenant, entry.name)

    def _end_old(self) -> None:
        """An old container may run and must not: a stop that the engine still carries out would end it later, and data
        cannot be put back under it. The engine starts it beside the new one when the engine itself is started."""
        journal = self._journal()
        for entry in journal.entries if journal else []:
            found = self._have.get(entry.old.container) if entry.old is not None else None
            if journal is None or entry.old is None or found is None or not found.running or not entry.stopping:
                continue
            same_boot = journal.boot_id == self._node.boot_id()
            if same_boot or (entry.started and entry.snapshots):
                self._node.engine.stop(found.name, entry.old.spec["stop_timeout"])
                self._have[found.name] = dataclasses.replace(found, running=False)

    def _put_back(self) -> None:
        journal = self._journal()
        for entry in journal.entries if journal else []:
            self.problems += [f"{entry.name}: {line}" for line in data.put_back(entry)]

    def _put_models_back(self, current: t.Sequence[Deployment]) -> None:
        """Before anything is started. A container that runs is told afterwards; also one whose models are right on disk, where
        the change was cut off between them and the signal."""
        journal = self._journal()
        for item in current:
            try:
                if switch.put_right(self._node.paths, item):
                    self._untold[item.container] = [entry["signal"] for entry in models.switched(item.spec)]
            except NodeError as exc:
                self.problems.append(f"{item.spec['name']}: {exc.message}")
        for entry in journal.entries if journal else []:
            if entry.old is not None and switch.doubtful(entry):
                self._untold.setdefault(entry.old.container, switch.doubtful(entry))

    def _put_secrets_back(self, current: t.Sequence[t.Tuple[str, Deployment]]) -> None:
        """Whoever rotates them tells those that run; here it is what is started that must find them."""
        for tenant, item in current:
            try:
                secrets.put_right(self._node.paths, tenant, item)
            except NodeError as exc:
                self.problems.append(f"{item.spec['name']}: {exc.message}")

    def _tell(self) -> None:
        for container, signals in self._untold.items():
            if container not in self.started:
                self._node.engine.signal(container, list(dict.fromkeys(signals)))

    def _start(self, info: Info, current: t.Sequence[t.Tuple[str, Deployment]]) -> None:
        try:
            containers.limit_ports(self._node, self._state)
        except NodeError as exc:  # those of before the change are loaded
            self.problems.append(exc.message)
        stuck = self._start_all(info, current)
        if stuck and self._node.restart_engine():
            info = self._node.engine.wait_until_up(ENGINE_WAIT)
            self._have = {item.name: item for item in self._node.engine.containers()}
            stuck = self._start_all(info, current)
        self.problems = list(dict.fromkeys([*self.problems, *stuck]))
        unarmed = [
            item.container
            for dummy, item in current
            if item.container not in self._have or self._have[item.container].restart != "always"
        ]
        self._node.engine.restart_policy("always", *unarmed)

    def _start_all(self, info: Info, current: t.Sequence[t.Tuple[str, Deployment]]) -> t.List[str]:
        """Starts what does not run. Returns a line for each for which the engine keeps a port that no container has."""
        kept: t.List[str] = []
        for tenant, item in current:
            try:
                self._start_one(info, tenant, item, self._have.get(item.container))
            except PortKept as exc:
                (self.problems if self._holders(item) else kept).append(f"{tenant}/{item.spec['name']}: {exc.message}")
            except NodeError as exc:
                if exc.cause == "engine":
                    raise
                self.problems.append(f"{tenant}/{item.spec['name']}: {exc.message}")
        return kept

    def _holders(self, item: Deployment) -> t.List[str]:
        """Running containers, of whomever, that publish a port of this deployment."""
        wanted = {(port["host"], port["protocol"]) for port in item.spec["ports"]}
        return [
            other.name
            for other in self._node.engine.containers(everything=True)
            if other.running and other.name != item.container and wanted & set(other.ports)
        ]

    def _start_one(self, info: Info, tenant: str, item: Deployment, found: t.Optional[Container]) -> None:
        if found is not None and found.running:
            return
        self.started.append(item.container)
        if found is not None:
            try:
                self._node.engine.start(item.container)
                return
            except PortKept:
                raise  # a container made anew would not get it either
            except NodeError as exc:
                if exc.cause == "engine":
                    raise
                containers.forget(self._node, item.container)
        containers.create(self._node, info, tenant, item)
        self._node.engine.start(item.container)

    def _probe(self) -> None:
        journal = self._journal()
        for entry in journal.entries if journal else []:
            if entry.old is None:
                continue
            try:
                Prober(
                    self._node.engine, entry.old.container, entry.old.spec["probes"].get("startup", {})
                ).until_healthy()
            except NodeError as exc:
                if exc.cause == "engine":
                    raise
                said = secrets.hide(self._node.paths, entry.old.container, exc.message)
                self.problems.append(f"{entry.name}: the old version is not healthy: {said}")
