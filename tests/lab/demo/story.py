# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The acts of the demo, played on a real lab. What they show is kept in a Record."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.lab import Lab, LabError, Node, engine, inference_images
from tests.lab.client import Traffic, load_pictures
from tests.lab.demo.record import BAD, GOOD, Act, LinkCut, NodeRecord, Outcome, PowerCut, Record
from tests.lab.demo.templating import render
from tests.lab.inference_images import Inference
from tests.lab.plan import OS_NAMES
from tests.lab.playbook import why
from tests.lab.progress import step
from tests.lab.traffic import Answer

TENANT, WORKLOAD, PORT = "vision", "digits", 8000
VERSIONS = {"v1": "1.0.0", "v2": "2.0.0", "v3": "3.0.0"}
TEMPLATE = "digits.yml.j2"
BACK_SECONDS = 120.0
LINK_SECONDS = 60.0


def release_text(variant: str, reference: str) -> tuple[str, str]:
    """Version and text of the release file that runs the image `name@sha256:...`."""
    image, _rest, digest = reference.partition("@")
    head = f"# Model {variant} of the digits service. Written by the demo from {TEMPLATE}."
    values = {"head": head, "image": image, "digest": digest, "golden": inference_images.golden()}
    # A version never gets other content: an image that was built anew makes a version of its own.
    content = hashlib.sha256(render(TEMPLATE, release="", **values).encode()).hexdigest()
    release = f"{VERSIONS[variant]}+{content[:8]}"
    return release, render(TEMPLATE, release=release, **values)


class Story:
    """One run of the demo. `say` gets a line for everything worth telling."""

    def __init__(self, lab: Lab, say: Callable[[str], None], pause: float, rate: float) -> None:
        self.lab = lab
        self._say = say
        self._pause = pause
        self._rate = rate
        self._began = time.monotonic()
        self._traffic: Traffic | None = None
        self._images: Inference | None = None
        self._releases: dict[str, Path] = {}
        self.record = Record(
            [NodeRecord(node.name, node.site, OS_NAMES[node.release]) for node in lab.nodes.values()],
            started=time.strftime("%Y-%m-%d %H:%M:%S %Z"),
        )

    # -- helpers

    def answers(self) -> list[Answer]:
        return self._traffic.answers() if self._traffic else []

    def _now(self) -> float:
        if self._traffic is None:
            raise LabError("demo: no traffic runs yet")
        return self._traffic.now()

    @contextlib.contextmanager
    def _act(self, key: str, title: str) -> Iterator[None]:
        number = len(self.record.acts) + 1
        self._say(f"\n{number}. {title}")
        begun, start = time.monotonic(), self._traffic.now() if self._traffic else None
        yield
        self.record.acts.append(Act(key, title, time.monotonic() - begun, start))

    def _endpoint(self, node: Node) -> str:
        return f"http://{node.address}:{PORT}"

    def _version(self, node: Node) -> str:
        """The version that answers there, seen as a client at the site sees it; empty if none does."""
        try:
            with urllib.request.urlopen(f"{self._endpoint(node)}/v2/models/digits", timeout=5) as response:
                return str(json.load(response)["versions"][0])
        except (OSError, ValueError, KeyError, IndexError):
            return ""

    def _status(self, node: Node) -> dict[str, Any]:
        """What the node tells a person who stands in front of it; needs no link."""
        found: dict[str, Any] = json.loads(node.exec(["/usr/local/bin/edge", "status", "--json"]).stdout)
        return found["tenants"].get(TENANT, {})

    def _refusal(self, node: Node) -> str:
        """Why the node refuses the bad release; empty if it does not."""
        row = self._status(node).get("workloads", {}).get(WORKLOAD, {})
        bad = f"{VERSIONS[BAD]}+"
        return next((item["reason"] for item in row.get("refused", []) if item["release"].startswith(bad)), "")

    def _deploy(self, variant: str, force: bool = False) -> None:
        """Deploys by the playbook and notes what each node says came of it."""
        extra = {"release": str(self._releases[variant])}
        if force:
            extra["workloads_force"] = "true"
        with step(f"playbooks/deploy.yml, release {VERSIONS[variant]}"):
            result = self.lab.playbook("playbooks/deploy.yml", extra_vars=extra, check=False, timeout=600)
        for record, node in zip(self.record.nodes, self.lab.nodes.values(), strict=True):
            outcome = Outcome.of(self._status(node).get("last", {}), WORKLOAD)
            record.outcomes[variant] = outcome
            self._say(f"   {node.name:16} {_sentence(variant, outcome)}")
        if not result.stats:
            raise LabError(f"playbooks/deploy.yml did not run: {why(result.stdout, result.stderr)}")

    # -- the acts

    def prepare(self) -> None:
        with self._act("prepare", "Build the service's images and push them to the lab's registry"):
            self._images = inference_images.build(engine.client(), tuple(VERSIONS))
            folder = self.lab.folder / "demo" / "releases"
            folder.mkdir(parents=True, exist_ok=True)
            for variant in VERSIONS:
                reference = self.lab.registry.push(self._images.tags[variant], WORKLOAD)
                release, text = release_text(variant, reference)
                self._releases[variant] = folder / f"{WORKLOAD}-{VERSIONS[variant]}.yml"
                self._releases[variant].write_text(text, encoding="utf-8")
                accuracy = self._images.accuracy()[variant]
                self._say(f"   release {release}: model {variant}, right on {accuracy:.0%} of images it never saw")

    def provision(self) -> None:
        count, sites = len(self.record.nodes), len(self.lab.sites)
        with self._act(
            "provision", f"Provision {count} nodes at {sites} sites: system, container engine, node program"
        ):
            with step("playbooks/provision.yml"):
                result = self.lab.playbook("playbooks/provision.yml", timeout=1200)
            self._say(f"   {result.changed} changes on {len(result.stats)} nodes")

    def deploy_first(self) -> None:
        with self._act("v1", "Deploy v1"):
            self._deploy("v1")
        for node in self.lab.nodes.values():
            if self._version(node) != "v1":
                raise LabError(f"demo: {node.name} does not answer with v1 after the first deployment")
        if self._images is None:
            raise LabError("demo: prepare() has not run")
        endpoints = {node.name: self._endpoint(node) for node in self.lab.nodes.values()}
        self._traffic = Traffic(endpoints, load_pictures(self._images.digits), rate=self._rate)
        self._traffic.start()

    def serve(self) -> None:
        with self._act("serve", f"Clients at every site send {self._rate:g} images a second to each node"):
            self._rest()

    def update(self) -> None:
        with self._act(GOOD, "Update to v2 while they do"):
            self._deploy(GOOD)
            self._rest()

    def bad_update(self) -> None:
        with self._act(BAD, "Try v3: it loads, says it is ready, and reads digits wrong"):
            # A lab that has seen this demo before remembers v3; to see it tried again takes force.
            force = any(self._refusal(node) for node in self.lab.nodes.values())
            self._deploy(BAD, force)
            for record, node in zip(self.record.nodes, self.lab.nodes.values(), strict=True):
                record.remembers = self._refusal(node)
            self._rest()

    def cut_link(self) -> None:
        site = list(self.lab.sites)[-1]
        with self._act("link", f"Cut the link of {site}"):
            start = self._now()
            self.lab.cut(site)
            with step(f"the controller looks for {site}"):
                noticed = self._until(site, reachable=False)
            self._say(f"   the controller gave up on {site} after {noticed:.1f} s")
            self._rest()
            versions = sorted({self._version(node) for node in self.lab.sites[site]})
            end = self._now()
            self._say(f"   for {end - start:.0f} s {site} was alone; clients there got {', '.join(versions)}")
            self.lab.restore(site)
            with step(f"the controller looks for {site}"):
                returned = self._until(site, reachable=True)
            self._say(f"   reachable again {returned:.1f} s after the link was back")
            self.record.link = LinkCut(site, start, end, noticed, returned)

    def _until(self, site: str, reachable: bool) -> float:
        """Seconds until Ansible reaches all, or none, of a site's nodes."""
        hosts = ",".join(node.name for node in self.lab.sites[site])
        begun = time.monotonic()
        while time.monotonic() - begun < LINK_SECONDS:
            done = subprocess.run(
                ["ansible", hosts, "-m", "ansible.builtin.ping"],
                env=self.lab.env(),
                capture_output=True,
                check=False,
                timeout=LINK_SECONDS,
            )
            if (done.returncode == 0) == reachable:
                return time.monotonic() - begun
        raise LabError(f"demo: after {LINK_SECONDS:.0f} s {site} is {'not ' if reachable else ''}reachable")

    def cut_power(self) -> None:
        node = next(iter(self.lab.sites.values()))[-1]
        with self._act("power", f"Cut the power of {node.name}, and switch it on again; no controller takes part"):
            cut = self._now()
            node.power_cut()
            time.sleep(3)
            on = self._now()
            node.power_on(wait=False)
            with step(f"{node.name} boots"):
                serving = self._serving_again(node, on)
            self.record.power = PowerCut(node.name, cut, on, serving)
            if serving is None:
                raise LabError(f"demo: {node.name} does not serve {BACK_SECONDS:.0f} s after power-on")
            self._say(f"   {node.name} answers with {self._version(node)} again {serving - on:.1f} s after power-on")
            self._rest()

    def _serving_again(self, node: Node, after: float) -> float | None:
        deadline = time.monotonic() + BACK_SECONDS
        while time.monotonic() < deadline:
            for answer in self.answers():
                if answer.endpoint == node.name and answer.ok and answer.sent > after:
                    return answer.done
            time.sleep(0.2)
        return None

    def end(self) -> None:
        """Looks at every node once more, and stops the clients."""
        for record, node in zip(self.record.nodes, self.lab.nodes.values(), strict=True):
            record.version = self._version(node)
        if self._traffic is not None:
            self._traffic.stop()
        self.record.seconds = time.monotonic() - self._began

    def _rest(self) -> None:
        with step(f"clients send images for {self._pause:g} s") if self._pause >= 5 else contextlib.nullcontext():
            time.sleep(self._pause)

    def play(self) -> None:
        """All acts. Whatever happens, the clients end and what was seen is in the record."""
        try:
            for act in (self.prepare, self.provision, self.deploy_first, self.serve, self.update, self.bad_update):
                act()
            self.cut_link()
            self.cut_power()
        finally:
            self.end()


def _sentence(variant: str, outcome: Outcome) -> str:
    """One line of what became of a release on a node."""
    if outcome.name == "success":
        return f"{variant} runs" if outcome.gap is None else f"{variant} runs, gap in service {outcome.gap:.2f} s"
    if outcome.name == "reverted":
        seconds = "" if outcome.revert is None else f" in {outcome.revert:.2f} s"
        return f"{variant} reverted{seconds}: {outcome.reason}"
    return f"{variant} {outcome.name}: {outcome.reason}".rstrip(": ")
