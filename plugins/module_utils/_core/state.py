# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node remembers: `state.json` as typed values, without I/O.

One file holds, for every tenant and workload, what is current, what was before it and what was refused, and the journal
of a change in flight. The rename that puts a new file in place is the commit of a change.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t
from dataclasses import dataclass, field

SCHEMA = 1
KEEP_RELEASES = 50
KEEP_REFUSED = 10

STEPS = (
    "admit",
    "fetch",
    "verify",
    "hold",
    "baseline",
    "prepare",
    "stop_old",
    "snapshot",
    "start_new",
    "startup_probe",
    "steady_probe",
    "disarm_old",
    "commit",
    "arm_new",
    "collect",
)
"""The steps of a change, in order. With `stop_then_fetch`, `stop_old` comes before `fetch`."""

SWITCH_STEPS = (
    "admit",
    "fetch",
    "verify",
    "hold",
    "baseline",
    "prepare",
    "switch",
    "startup_probe",
    "steady_probe",
    "disarm_old",
    "commit",
    "arm_new",
    "collect",
)
"""Those of a change that only brings other models to containers that are kept."""

REVERT_STEPS = ("revert_stop_new", "revert_data", "revert_start_old", "revert_probe_old", "revert_record")
"""The steps that bring the old version back; a start after a power cut takes the same ones."""


class StateError(Exception):
    """The state file cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Deployment:
    """One rendered specification as it runs, or ran, in a container of its own.

    `gpus` are those it was given: `id`, `mode`, `memory_mib`, `integrated`, and `cdi`, the engine's name of it, or nothing
    where the nvidia runtime brings it in. `measured` are the numbers that its probes found when it was proven; `before` is
    how the node was before it came, as far as its probes look at the node.
    """

    spec: dict
    spec_digest: str
    container: str
    image_id: str
    release: str
    sequence: int
    snapshots: t.Dict[str, str] = field(default_factory=dict)
    gpus: t.List[t.Dict[str, t.Any]] = field(default_factory=list)
    measured: t.Dict[str, float] = field(default_factory=dict)
    before: t.Dict[str, t.Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return self.spec["digest"]

    @property
    def image_ref(self) -> str:
        return f"{self.spec['image']}@{self.spec['digest']}"

    def brief(self) -> t.Dict[str, t.Any]:
        return {"digest": self.digest, "image_id": self.image_id, "release": self.release, "spec": self.spec_digest}


@dataclass(frozen=True)
class Refusal:
    """A rendered specification that failed here: it is not tried again until it changes or is forced."""

    spec_digest: str
    digest: str
    release: str
    cause: str
    reason: str
    sequence: int
    exit_code: t.Optional[int] = None
    logs: t.Tuple[str, ...] = ()


@dataclass
class Workload:
    """`baseline` are the numbers of the version that was approved last: what ratios of probes refer to."""

    current: t.Optional[Deployment] = None
    previous: t.Optional[Deployment] = None
    refused: t.List[Refusal] = field(default_factory=list)
    baseline: t.Dict[str, float] = field(default_factory=dict)

    def approve(self) -> bool:
        """What the current version measured is the baseline from now on; whether that is something new."""
        measured = dict(self.current.measured) if self.current is not None else {}
        changed, self.baseline = self.baseline != measured, measured
        return changed

    def refusal(self, spec_digest: str) -> t.Optional[Refusal]:
        return next((item for item in self.refused if item.spec_digest == spec_digest), None)

    def refuse(self, refusal: Refusal) -> None:
        self.refused = [item for item in self.refused if item.spec_digest != refusal.spec_digest][-KEEP_REFUSED + 1 :]
        self.refused.append(refusal)


@dataclass
class Tenant:
    release: str = ""
    releases: t.Dict[str, str] = field(default_factory=dict)
    workloads: t.Dict[str, Workload] = field(default_factory=dict)
    last: t.Dict[str, t.Any] = field(default_factory=dict)

    def remember_release(self, version: str, content: str) -> None:
        self.release = version
        if content:
            self.releases.pop(version, None)
            self.releases[version] = content
            for old in list(self.releases)[:-KEEP_RELEASES]:
                del self.releases[old]


@dataclass
class Entry:
    """One workload's part of a change in flight: `stopping` and `started` are set before the engine is asked to."""

    name: str
    old: t.Optional[Deployment] = None
    new: t.Optional[Deployment] = None
    stopping: bool = False
    started: bool = False
    snapshots: t.Dict[str, str] = field(default_factory=dict)

    @property
    def switches(self) -> bool:
        """Whether the container is kept and only its models are others."""
        return self.old is not None and self.new is not None and self.old.container == self.new.container


@dataclass
class Journal:
    """A change in flight. Until `committed` the old containers are what must run, after it the new ones.

    `waiting` is what the swap waits for: `workload`, `what`, `reason`, `since` and `until` by the node's clock, `then`. Of a
    change that is parked, it is what it waited for when it was.
    Of an entry that switches models they are the same one, and what counts is which models it is shown.
    """

    id: str
    tenant: str
    release: str
    step: str
    boot_id: str
    entries: t.List[Entry] = field(default_factory=list)
    fetching: t.List[str] = field(default_factory=list)
    committed: bool = False
    signer: t.Dict[str, str] = field(default_factory=dict)
    waiting: t.List[t.Dict[str, t.Any]] = field(default_factory=list)

    def trial(self) -> t.List[Deployment]:
        """Those that have a container of their own on trial."""
        return [entry.new for entry in self.entries if entry.new is not None and not entry.switches]


@dataclass
class State:
    """`fetched` are the specifications, by tenant, whose images and models were brought for a change that is still to come.

    `parked` are the changes, by tenant, that wait for a safe moment and have let go of the node meanwhile: they touched nothing
    that runs, so there is nothing of them to undo; what they fetched stays.
    """

    sequence: int = 0
    tenants: t.Dict[str, Tenant] = field(default_factory=dict)
    journal: t.Optional[Journal] = None
    images: t.Dict[str, str] = field(default_factory=dict)
    fetched: t.Dict[str, t.List[dict]] = field(default_factory=dict)
    suspects: t.List[str] = field(default_factory=list)
    parked: t.Dict[str, Journal] = field(default_factory=dict)

    def tenant(self, name: str) -> Tenant:
        return self.tenants.setdefault(name, Tenant())

    def deployments(self) -> t.Iterator[t.Tuple[str, str, Deployment]]:
        """(tenant, workload, deployment) of everything that is current."""
        for tenant_name, tenant in sorted(self.tenants.items()):
            for workload_name, workload in sorted(tenant.workloads.items()):
                if workload.current is not None:
                    yield tenant_name, workload_name, workload.current

    def kept(self) -> t.Iterator[Deployment]:
        """Everything whose container, image, models and data must stay: current, previous, and of changes under way."""
        for tenant in self.tenants.values():
            for workload in tenant.workloads.values():
                for deployment in (workload.current, workload.previous):
                    if deployment is not None:
                        yield deployment
        for journal in self.under_way():
            for entry in journal.entries:
                for deployment in (entry.old, entry.new):
                    if deployment is not None:
                        yield deployment

    def under_way(self) -> t.List[Journal]:
        """The change in flight, and those that wait."""
        return [*([self.journal] if self.journal is not None else []), *self.parked.values()]

    def model_users(self) -> t.Dict[str, t.List[str]]:
        """sha256 of a model -> who needs it: `tenant/workload`, with what kind of version where it is not the current one."""
        found: t.Dict[str, t.List[str]] = {}

        def note(who: str, deployment: t.Optional[Deployment]) -> None:
            for model in deployment.spec["models"] if deployment is not None else ():
                users = found.setdefault(model["sha256"], [])
                if who not in users:
                    users.append(who)

        for tenant_name, tenant in sorted(self.tenants.items()):
            for name, workload in sorted(tenant.workloads.items()):
                note(f"{tenant_name}/{name}", workload.current)
                note(f"{tenant_name}/{name} (previous version)", workload.previous)
        for journal in self.under_way():
            for entry in journal.entries:
                for deployment in (entry.old, entry.new):
                    note(f"{journal.tenant}/{entry.name} (change under way)", deployment)
        return found


def dump(state: State) -> str:
    return json.dumps(dict(dataclasses.asdict(state), schema=SCHEMA), indent=1, sort_keys=False) + "\n"


def load(text: str) -> State:
    """:raises StateError: for content that is no state, or that a newer program wrote."""
    try:
        data = json.loads(text)
        schema = data.pop("schema")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise StateError(
            "it is not a state file of this program; it is left as it is. Restore it from a backup, or move it away to start empty"
        ) from None
    if not isinstance(schema, int) or schema > SCHEMA:
        raise StateError(
            f"it has schema {schema}, this program reads up to {SCHEMA}: install the newer program; nothing was changed"
        )
    try:
        return _state(data)
    except (KeyError, TypeError, AttributeError) as exc:
        raise StateError(
            f"a part of it cannot be read ({type(exc).__name__}: {exc}); it is left as it is. Restore it from a backup"
        ) from None


def _deployment(data: t.Optional[dict]) -> t.Optional[Deployment]:
    return None if data is None else Deployment(**data)


def _workload(data: dict) -> Workload:
    return Workload(
        current=_deployment(data["current"]),
        previous=_deployment(data["previous"]),
        refused=[Refusal(**dict(item, logs=tuple(item["logs"]))) for item in data["refused"]],
        baseline=data.get("baseline", {}),  # of a file that an older program wrote, there is none
    )


def _tenant(data: dict) -> Tenant:
    return Tenant(
        release=data["release"],
        releases=data["releases"],
        workloads={name: _workload(item) for name, item in data["workloads"].items()},
        last=data["last"],
    )


def _journal(data: dict) -> Journal:
    entries = [
        Entry(**dict(item, old=_deployment(item["old"]), new=_deployment(item["new"]))) for item in data["entries"]
    ]
    return Journal(**dict(data, entries=entries))


def _state(data: dict) -> State:
    return State(
        sequence=data["sequence"],
        tenants={name: _tenant(item) for name, item in data["tenants"].items()},
        journal=_journal(data["journal"]) if data["journal"] is not None else None,
        images=data["images"],
        fetched=data.get("fetched", {}),
        suspects=data["suspects"],
        parked={name: _journal(item) for name, item in data.get("parked", {}).items()},
    )
