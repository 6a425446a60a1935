# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twelve nodes at four sites, and rollouts to them as people run them: with ansible-playbook and files."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.e2e.deploying import READY, get
from tests.lab import Lab, playbook
from tests.lab.node import Node
from tests.lab.playbook import PlaybookResult

RINGS = {"canary": ("kiruna",), "early": ("lulea",), "broad": ("malmo", "visby")}
CAREFUL: dict[str, t.Any] = {
    "stages": [
        {"name": "canary", "rings": ["canary"]},
        {"name": "early", "rings": ["early"], "min_success": 2},
        {"name": "broad", "rings": "rest", "batch": "50%"},
    ],
    "on_failure": "revert_stage",
}


@dataclass
class Rollouts:
    """One tenant of the fleet. Each test has its own, with ports of its own."""

    lab: Lab
    images: t.Mapping[str, str]
    tenant: str
    port: int
    variables: dict[str, dict[str, t.Any]] = field(default_factory=dict)

    @property
    def nodes(self) -> dict[str, Node]:
        return self.lab.nodes

    def of(self, *sites: str) -> list[Node]:
        return [node for site in sites for node in self.lab.sites[site]]

    def say_of(self, host_or_site: str, **variables: t.Any) -> None:
        """What the inventory says of a host, or of all hosts of a site."""
        names = [node.name for node in self.lab.sites.get(host_or_site, [])] or [host_or_site]
        for name in names:
            self.variables.setdefault(name, {}).update(variables)

    def release(self, version: str, **more: t.Any) -> dict[str, t.Any]:
        where, _rest, digest = self.images[f"ok-{version}"].partition("@")
        workload = {
            "name": "app",
            "image": where,
            "digest": digest,
            "resources": {"memory": "32m", "cpus": 0.3},
            "stop_timeout": "2s",
            "env": {"READY_AFTER": "{{ ready_after | default('0') }}"},
            "ports": [{"container": 8000, "host": self.port, "allow_from": ["any"]}],
            "probes": {"startup": {**READY, "within": "20s"}, "steady": {**READY, "for": "500ms", "every": "200ms"}},
        }
        workload.update(more)
        return {"release": version, "tenant": self.tenant, "workloads": [workload]}

    def __post_init__(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    @property
    def folder(self) -> Path:
        """Where its commands run, and what they write down goes."""
        return self.lab.folder / "tmp" / self.tenant

    def command(
        self, release: dict[str, t.Any], policy: dict[str, t.Any], *args: str, play: str = "rollout", **variables: t.Any
    ) -> list[str]:
        """What a person would type; files go where their names say what they are."""
        folder = self.folder
        files = {
            f"{release['release']}.yml": release,
            "policy.yml": policy,
            "extra.yml": {"all": {"hosts": self.variables}},
        }
        for name, content in files.items():
            (folder / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        given = {
            "release": str(folder / f"{release['release']}.yml"),
            "policy": str(folder / "policy.yml"),
            **variables,
        }
        inventories = ["-i", str(self.lab.inventory), "-i", str(folder / "extra.yml")]
        return playbook.command(self.lab.sync() / f"playbooks/{play}.yml", [*inventories, *args], given)

    def run(
        self,
        release: dict[str, t.Any],
        policy: dict[str, t.Any] | None = None,
        *args: str,
        rc: int = 0,
        **variables: t.Any,
    ) -> PlaybookResult:
        command = self.command(release, policy or CAREFUL, *args, **variables)
        found = playbook.run(command, self.lab.env(), self.folder, 600, False)
        assert found.rc == rc, f"ended with {found.rc}, not {rc}:\n{found.stdout[-6000:]}\n{found.stderr[-2000:]}"
        assert "Traceback" not in found.stdout + found.stderr
        return found

    def go(self, version: str, *args: str, **more: t.Any) -> PlaybookResult:
        return self.run(self.release(version), None, *args, **more)

    @contextlib.contextmanager
    def going(
        self, release: dict[str, t.Any], policy: dict[str, t.Any], *args: str, **variables: t.Any
    ) -> t.Iterator[Going]:
        """A rollout in the background."""
        found = Going(self.command(release, policy, *args, **variables), self.lab, self.folder)
        try:
            yield found
        finally:
            found.kill()

    def everywhere(self, work: t.Callable[[Node], t.Any], nodes: t.Iterable[Node] = ()) -> dict[str, t.Any]:
        chosen = list(nodes) or list(self.nodes.values())
        with ThreadPoolExecutor(6) as pool:
            return dict(zip([node.name for node in chosen], pool.map(work, chosen), strict=True))

    def versions(self, *sites: str) -> dict[str, str]:
        """What each node serves, asked from inside its site."""
        return self.everywhere(lambda node: get(node.address, self.port), self.of(*(sites or self.lab.sites)))

    def served(self, *sites: str) -> set[str]:
        return set(self.versions(*sites).values())

    def status(self, node: Node) -> dict[str, t.Any]:
        return json.loads(node.exec("edge status --json").stdout)

    def ledger(self, node: Node, kind: str = "change") -> list[dict[str, t.Any]]:
        found = json.loads(node.exec("edge ledger --lines 0 --json").stdout)
        assert not found["broken"], found["broken"]
        return [item for item in found["entries"] if item["kind"] == kind and item.get("tenant") == self.tenant]

    def changes(self, node: Node, release: str) -> list[str]:
        """The class of each change of a release on a node, in order."""
        return [item["class"] for item in self.ledger(node) if item["release"] == release]

    def step(self, node: Node) -> str:
        change = self.status(node)["change"]
        return change["step"] if change and change["tenant"] == self.tenant else ""

    def wait(self, condition: t.Callable[[], bool], what: str, seconds: float = 120) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, f"{what}: not within {seconds:.0f} s"
            time.sleep(0.3)


def of_test(
    lab: Lab, images: t.Mapping[str, str], letter: str, port: int, request: pytest.FixtureRequest
) -> t.Iterator[Rollouts]:
    """A tenant of its own for each test of a file, with a port of its own from `port` on; behind it no site is cut off and no lease left."""
    number = request.session.items.index(request.node) % 400
    found = Rollouts(lab, images, f"{letter}{number}", port + number)
    yield found
    for site in lab.sites:
        lab.restore(site)
    found.everywhere(lambda node: node.exec("rm -rf /run/physical-ai/leases", check=False))


class Going:
    """A playbook that runs."""

    def __init__(self, command: list[str], lab: Lab, folder: Path) -> None:
        self._log = (lab.folder / "tmp" / f"going-{time.monotonic_ns()}.log").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            command,
            env=lab.env(),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def output(self) -> str:
        self._log.flush()
        self._log.seek(0)
        return self._log.read()

    def kill(self) -> None:
        """As a power cut of the controller would: with everything that it began."""
        if self.runs:
            for pid in [self._process.pid, *_descendants(self._process.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait(30)

    def end(self, rc: int = 0, seconds: float = 300) -> str:
        found = self._process.wait(seconds)
        assert found == rc, f"ended with {found}, not {rc}:\n{self.output()[-6000:]}"
        return self.output()


def _descendants(pid: int) -> list[int]:
    """Ansible's workers have sessions of their own."""
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    return [found for child in map(int, children) for found in (child, *_descendants(child))]


def table(found: PlaybookResult | str) -> dict[str, str]:
    """Stage -> its row in the table at the end."""
    text = found if isinstance(found, str) else found.stdout
    lines = [line.strip().strip('",') for line in text.rpartition('"rollout ')[2].splitlines()]
    return {line.split()[0]: " ".join(line.split()[1:]) for line in lines if line and line.split()[0] in RINGS}
