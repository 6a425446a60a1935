# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives changes on lab nodes, breaks them at a named point or moment, and judges what is left.

The tenant `crash` has two workloads: `front`, with data that is copied before a swap, and `side`, which comes after it.
Every round is a change to the other version, so each round has an old version and a new one that tell themselves apart
over HTTP and in the data.
"""

from __future__ import annotations

import base64
import dataclasses
import inspect
import itertools
import json
import queue
import shlex
import threading
import time
import typing as t
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field

from ansible_collections.physical_ai.edge.plugins.module_utils._core import spec
from ansible_collections.physical_ai.edge.plugins.module_utils._core.request import Request
from ansible_collections.physical_ai.edge.plugins.module_utils._core.state import REVERT_STEPS, STEPS
from tests.e2e import crash_look
from tests.lab import Lab, images
from tests.lab.node import Node

TENANT = "crash"
PORTS = {"front": 18080, "side": 18081}
DEADLINE = 60
HELP_AFTER = 30  # seconds past the deadline in which a node must be well again
RECORDS = f"/var/lib/physical-ai/volumes/{TENANT}/front/state/data/records"
STRAY = "/var/lib/physical-ai/.state.json.new"
HERE = "/run/edge-test"
PAUSE = "/run/physical-ai/pause-at"

# A step that the scenarios below do not come by would go here, with the reason.
NOT_REACHED: dict[str, str] = {}


@dataclass(frozen=True)
class Point:
    """A place in the program at which it can be stopped."""

    step: str
    when: str

    @property
    def good(self) -> bool:
        """The steps of a revert are reached by a version that never becomes ready."""
        return self.step not in REVERT_STEPS

    def __str__(self) -> str:
        return f"{self.step}:{self.when}"


def points() -> list[Point]:
    """Every point that there is, from the program's own lists of steps."""
    return [Point(step, when) for step in (*STEPS, *REVERT_STEPS) if step not in NOT_REACHED for when in WHENS]


WHENS = ("before", "after")


def one_point_of_each_step(kinds: t.Sequence[str]) -> list[tuple[Point, str]]:
    """Each step once; kinds of kill take turns, and so do the sides of a step that they hit."""
    steps = [step for step in (*STEPS, *REVERT_STEPS) if step not in NOT_REACHED]
    return [
        (Point(step, WHENS[number // len(kinds) % 2]), kinds[number % len(kinds)]) for number, step in enumerate(steps)
    ]


@dataclass
class Seen:
    """What is on a node: see crash_look.py."""

    data: dict[str, t.Any]

    @property
    def state(self) -> dict[str, t.Any]:
        return self.data["state"] or {"tenants": {}, "journal": None}

    @property
    def journal(self) -> dict[str, t.Any] | None:
        return self.state["journal"]

    def current(self) -> dict[str, dict[str, t.Any]]:
        workloads = self.state["tenants"].get(TENANT, {"workloads": {}})["workloads"]
        return {name: item["current"] for name, item in workloads.items() if item["current"]}

    def containers(self) -> dict[str, dict[str, t.Any]]:
        return {item["name"]: item for item in self.data["containers"]}


# Kinds of kill after which the change goes on to its own end: the node does not need who asked for it.
UNNOTICED = ("module", "link", "module over ssh", "controller")


@dataclass
class Round:
    """One change that was broken, and what came of it."""

    node: str
    what: str
    old: str
    new: str
    good: bool
    kind: str
    id: str = ""
    committed: bool | None = None  # at the moment of the kill, where that is known
    served: str = ""
    to_service: float = 0.0
    to_rest: float = 0.0
    problems: list[str] = field(default_factory=list)

    def expected(self) -> set[str]:
        """Which versions may run in the end."""
        if self.kind in UNNOTICED:
            return {self.new if self.good else self.old}
        if self.committed is None:
            return {self.old, self.new} if self.good else {self.old}
        if self.committed:
            return {self.new}
        # Without its engine a change may go back, or find the engine again and go on.
        return {self.old, self.new} if self.kind == "engine" and self.good else {self.old}

    def __str__(self) -> str:
        return f"{self.node} {self.what} ({self.kind}, {self.old} -> {self.new}, id {self.id[:8]})"


def fetch(address: str, port: int) -> str:
    """The version that answers there, or nothing."""
    try:
        with urllib.request.urlopen(f"http://{address}:{port}/version", timeout=2) as answer:
            return answer.read().decode().strip()
    except (OSError, urllib.error.URLError, ValueError):
        return ""


class Watch(threading.Thread):
    """A client at the site: asks both workloads again and again, and knows since when they answer as they do now."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self._address = address
        self._over = threading.Event()
        self._answers: tuple[str, ...] = ()
        self._since = self._began = time.monotonic()
        self.seen: set[str] = set()

    def run(self) -> None:
        while not self._over.is_set():
            self.look()
            self._over.wait(0.4)

    def look(self) -> None:
        answers = tuple(fetch(self._address, port) for port in PORTS.values())
        if answers != self._answers:
            self._answers, self._since = answers, time.monotonic()
        self.seen.update(answers)

    def stop(self) -> tuple[tuple[str, ...], float]:
        """The last answers, and how long after the beginning they came for the first time."""
        self._over.set()
        self.join()
        self.look()
        return self._answers, self._since - self._began


class Patient:
    """A node that takes one change after another."""

    _numbers = itertools.count(1)

    def __init__(self, node: Node, references: t.Mapping[str, str]) -> None:
        self.node = node
        self._references = references  # version -> image@digest

    # -- changes

    def workloads(self, version: str, good: bool, swap: str = "fetch_then_stop") -> list[dict[str, t.Any]]:
        """Both workloads as in a release. The number makes each rendered specification a new one."""
        image, _rest, digest = self._references[version].partition("@")
        found = []
        for name, port in PORTS.items():
            item: dict[str, t.Any] = {
                "name": name,
                "image": image,
                "digest": digest,
                "env": {"NUMBER": str(next(self._numbers))},
                "ports": [{"container": 8000, "host": port, "allow_from": ["any"]}],
                "resources": {"memory": "32m", "cpus": 0.5},
                "stop_timeout": "3s",
                "swap": swap,
                "probes": {
                    "startup": {"http": {"port": 8000, "path": "/v2/health/ready"}, "within": "20s"},
                    "steady": {"http": {"port": 8000, "path": "/v2/health/ready"}, "for": "1s", "every": "300ms"},
                },
            }
            found.append(item)
        found[0]["volumes"] = [{"name": "state", "mount": "/data", "size": "1m", "snapshot": "before_swap"}]
        found[1]["after"] = ["front"]
        if not good:
            found[0]["env"]["READY_AFTER"] = "600"
            found[0]["probes"]["startup"]["within"] = "1s"
        return found

    def request(self, version: str, good: bool = True, swap: str = "fetch_then_stop", **more: t.Any) -> Request:
        specs = spec.render(self.workloads(version, good, swap)) if version else []
        settings: dict[str, t.Any] = {"deadline": DEADLINE, "remove_undeclared": True, **more}
        release = f"{version or 'none'}.{next(self._numbers)}"
        return Request(id=uuid.uuid4().hex, tenant=TENANT, release=release, specs=specs, **settings)

    @staticmethod
    def _clean_up(pause: str) -> str:
        clean = f"mkdir -p {HERE} /run/physical-ai; rm -f {HERE}/* /run/physical-ai/paused {PAUSE}"
        return f"{clean}; printf %s {shlex.quote(pause)} >{PAUSE}" if pause else clean

    def expect(self, pause: str) -> None:
        """The next change will stop at that point, whoever asks for it."""
        self.node.exec(self._clean_up(pause))

    def submit(self, request: Request, pause: str = "") -> None:
        """Hands a request to the node program and does not wait. With `pause`, it will stop at that point."""
        text = base64.b64encode(json.dumps(request.to_json()).encode()).decode()
        lines = [
            self._clean_up(pause),
            f"echo {text} | base64 -d >{HERE}/request.json",
            f"nohup edge submit {HERE}/request.json >{HERE}/answer 2>{HERE}/said </dev/null & echo $! >{HERE}/pid",
        ]
        self.node.exec("\n".join(lines))

    def deploy(self, version: str, **more: t.Any) -> dict[str, t.Any]:
        """A change that nothing disturbs; returns its result."""
        self.submit(self.request(version, **more))
        return self.answer(120)

    def answer(self, seconds: float = 30) -> dict[str, t.Any]:
        """What the one who submitted was told."""
        wait = f"while kill -0 $(cat {HERE}/pid) 2>/dev/null; do sleep 0.1; done; cat {HERE}/answer"
        out = self.node.exec(wait, timeout=seconds).stdout
        said = self.node.exec(["cat", f"{HERE}/said"]).stdout.strip() if not out else ""
        return json.loads(out) if out else {"class": "", "msg": said}

    # -- points

    def wait_until_paused(self, point: str, seconds: float = 60) -> bool:
        """False where the change ended without coming by that point."""
        lines = [
            f'until [ "$(cat /run/physical-ai/paused 2>/dev/null)" = {shlex.quote(point)} ]; do',
            f"  [ ! -e {HERE}/pid ] || kill -0 $(cat {HERE}/pid) 2>/dev/null || exit 9",
            "  sleep 0.05",
            "done",
        ]
        done = self.node.exec("\n".join(lines), check=False, timeout=seconds)
        return done.returncode == 0

    def let_go(self) -> None:
        self.node.exec(["rm", "-f", PAUSE])

    def rest(self, seconds: float = DEADLINE + HELP_AFTER) -> None:
        """Waits until no change and no recovery is under way, and no job of systemd waits."""
        busy = "systemctl list-units --plain --no-legend --state=active,activating,deactivating,reloading"
        lines = [
            "until systemctl is-active --quiet docker &&",
            f"  [ -z \"$({busy} 'physical-ai-change-*' physical-ai-recover.service)\" ] &&",
            '  [ -z "$(systemctl list-jobs --no-legend)" ]; do',
            "  sleep 0.15",
            "done",
        ]
        self.node.exec("\n".join(lines), timeout=seconds)

    # -- what is there

    def look(self) -> Seen:
        return Seen(json.loads(self.node.exec(["python3", "-c", inspect.getsource(crash_look)], timeout=120).stdout))

    def version(self) -> str:
        """The version that is current in the state file and answers on both ports, or nothing."""
        current = self.look().current()
        answers = {fetch(self.node.address, port) for port in PORTS.values()}
        digests = {item["spec"]["digest"] for item in current.values()}
        if len(current) != len(PORTS) or len(answers) != 1 or len(digests) != 1:
            return ""
        version = answers.pop()
        return version if self._references.get(version, "").endswith(digests.pop()) else ""

    def other(self, version: str) -> str:
        return next(found for found in self._references if found != version)

    def prepare(self) -> str:
        """A node with one version running, healthy, and nothing left over; returns that version."""
        self.node.power_on()
        version = self.version()
        if not version:
            self.wipe()
            for version in self._references:  # all images are here then: no round needs the registry
                result = self.deploy(version)
                if result["class"] != "success":
                    raise AssertionError(f"{self.node.name}: version {version} cannot be deployed: {result['msg']}")
        return version

    def wipe(self) -> None:
        """Takes this tenant's workloads, and what a failed round left, off the node."""
        self.node.exec(["rm", "-f", PAUSE, STRAY])
        # Anew, because an engine that was killed may keep a port for a container that is gone.
        self.node.exec(
            "systemctl reset-failed docker; systemctl restart docker; edge recover", check=False, timeout=120
        )
        self.deploy("")
        self.node.exec(["rm", "-rf", f"/var/lib/physical-ai/volumes/{TENANT}"])

    def begin(self, point: Point | None, kind: str, what: str = "") -> Round:
        """A round from what runs to the other version, with data that says whose it is."""
        old = self.prepare()
        new = self.other(old)
        found = Round(self.node.name, what or str(point), old, new, point is None or point.good, kind)
        self.node.exec(f"echo kept >{RECORDS}; echo '{{\"schema\": 1}}' >{STRAY}")
        return found

    # -- the verdict

    def judge(self, found: Round, answers: t.Sequence[str]) -> None:
        """Adds to `found.problems` whatever is not as guarantee 2 wants it."""
        seen = self.look()
        self._judge_state(found, seen)
        served = set(answers)
        found.served = served.pop() if len(served) == 1 else ""
        if found.served not in found.expected():
            wanted = " or ".join(sorted(found.expected()))
            found.problems.append(f"front and side answer {tuple(answers)}, wanted {wanted}")
        for name, item in seen.current().items():
            if not self._references.get(found.served, "").endswith(item["spec"]["digest"]):
                found.problems.append(f"{name}: state.json says {item['release']} is current, {found.served} answers")
        self._judge_data(found, seen)

    @staticmethod
    def _judge_state(found: Round, seen: Seen) -> None:
        if seen.data["torn"]:
            found.problems.append(f"state.json: {seen.data['torn']}")
        if seen.journal is not None:
            found.problems.append(f"the journal is left at step {seen.journal['step']}")
        if len(seen.current()) != len(PORTS):
            found.problems.append(f"current are only {sorted(seen.current())}")
        wanted = {item["container"] for item in seen.current().values()}
        for name, item in seen.containers().items():
            if item["tenant"] != TENANT:
                continue
            if item["running"] != (name in wanted):
                found.problems.append(f"{name} {'runs' if item['running'] else 'does not run'}")
            if (item["restart"] == "always") != (name in wanted):
                found.problems.append(f"{name} has restart policy {item['restart']}")
        found.problems += [f"{name} is left over" for name in seen.data["left"]]

    @staticmethod
    def _judge_data(found: Round, seen: Seen) -> None:
        records = seen.data["records"]
        starts = [line.split()[-1] for line in records if line.startswith("started ")]
        if records != seen.data["records_inside"]:
            found.problems.append(f"front sees other data: {seen.data['records_inside']}, on disk is {records}")
        if "kept" not in records:
            found.problems.append(f"the data of before the change is gone: {records}")
        if found.served == found.old and found.new in starts:
            found.problems.append(f"the old version has the new one's data: {records}")
        if found.served == found.new and (not starts or starts[-1] != found.new):
            found.problems.append(f"the new version did not write its data: {records}")

    def judge_pause(self, found: Round, seen: Seen) -> None:
        """Before the commit the new container must not be what boots, after it the old one must not be."""
        journal = seen.journal
        # A change that is over has nothing left in the journal: a good one was committed, a bad one undone.
        found.committed = bool(journal["committed"]) if journal else found.good
        if seen.data["torn"]:
            found.problems.append(f"state.json at the kill: {seen.data['torn']}")
        for entry in journal["entries"] if journal else []:
            never = entry["old"] if found.committed else entry["new"]
            container = seen.containers().get(never["container"]) if never else None
            if container is not None and container["restart"] != "no":
                found.problems.append(f"{container['name']} would boot: restart policy {container['restart']}")


def references(lab: Lab) -> dict[str, str]:
    """Two versions of the tiny image in the lab's registry."""
    from tests.lab import engine

    client = engine.client()
    return {
        version: lab.registry.push(images.tiny(client, "ok", version), f"crash/v{version}") for version in ("1", "2")
    }


Work = t.Callable[[Patient], Round]


def run_all(patients: t.Sequence[Patient], works: t.Sequence[Work]) -> list[Round]:
    """Spreads the rounds over the nodes, one at a time on each. What a round raises is a problem of that round."""
    left: queue.SimpleQueue[Work] = queue.SimpleQueue()
    for work in works:
        left.put(work)
    done: list[Round] = []

    def go(patient: Patient) -> None:
        while True:
            try:
                work = left.get_nowait()
            except queue.Empty:
                return
            try:
                done.append(work(patient))
            except Exception as exc:
                lost = Round(patient.node.name, getattr(work, "what", "round"), "", "", True, "")
                done.append(dataclasses.replace(lost, problems=[f"{type(exc).__name__}: {exc}"]))

    threads = [threading.Thread(target=go, args=(patient,)) for patient in patients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def failures(done: t.Iterable[Round]) -> list[str]:
    return [f"{found}: {'; '.join(found.problems)}" for found in done if found.problems]
