# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes other values of a tenant's secrets into use: it ends on the new ones, proven, or on the old ones.

Only workloads that name what changed are touched. `trial.json` is the journal; its rename to `committed.json` is the commit.
Where it is left over, what is committed is put back, and those that may have seen the other values are told again.

It waits for a safe moment before it writes anything, and without the lock of the node: nothing of a wait has to be undone.
Secrets that are taken away by force wait for nobody, and their workloads lose them after the commit.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
import uuid
from dataclasses import dataclass, field

from .._core import outcome
from .._core import secrets as _secrets
from .._core.secrets import NONE, RESTART, SIGNAL, Index, Request, Values
from .._core.state import Deployment, Entry, Journal, State
from . import checkup, faults, files, launch, ledger, moment, sealing, secrets, waiting
from .errors import NodeError, about
from .node import Node, Steps
from .probes import Prober, keep_passing
from .settle import Settler, start_order

STEPS = ("wait", "seal", "switch", "reload", "prove", "commit", "tidy")
BACK_STEPS = ("back", "back_reload", "back_record")
_WATCH = {"for": 5.0, "every": 0.5, "failures": 1}
_MARGIN = 300.0
_DONE = "done.json"
TAKEN = "taken"
"""How a workload is told that it has lost its secrets: not at all."""

Result = t.Dict[str, t.Any]


@dataclass
class Touched:
    """A workload that names what changed, and how it is told."""

    name: str
    deployment: Deployment
    how: str
    signals: t.List[str] = field(default_factory=list)
    approved: t.Dict[str, float] = field(default_factory=dict)

    @property
    def container(self) -> str:
        return self.deployment.container

    def to_json(self) -> t.Dict[str, t.Any]:
        return {"how": self.how, "signals": self.signals}


@dataclass
class Plan:
    """`kept` are those that are not delivered any longer, and that a version of a workload still needs."""

    before: Index
    after: Index
    what: t.Dict[str, str]
    kept: t.List[str]
    touched: t.List[Touched]

    @property
    def changed(self) -> bool:
        return bool(self.what) or _secrets.relabelled(self.before, self.after)


def plan(node: Node, state: State, request: Request) -> Plan:
    """What a delivery would change. Reads no value but those that are delivered."""
    before = secrets.index(node.paths, request.tenant)
    after = _secrets.index(secrets.fingerprint_key(node.paths), request.tenant, request.values, request.versions)
    used = secrets.users(state, request.tenant)
    kept = sorted(name for name in before if name not in after and name in used and not request.force)
    after.update({name: before[name] for name in kept})
    what = _secrets.changes(before, after)
    touched = _touched(node.paths, state, request.tenant, what)
    for item in touched:
        if request.force and _secrets.missing(item.deployment.spec, after):
            item.how, item.signals = TAKEN, []
    return Plan(before, dict(sorted(after.items())), what, kept, touched)


def _touched(paths: files.Paths, state: State, tenant: str, what: t.Collection[str]) -> t.List[Touched]:
    have = state.tenants.get(tenant)
    workloads = have.workloads if have is not None else {}
    current = [(tenant, item.current) for item in workloads.values() if item.current is not None]
    found = []
    for dummy, deployment in start_order(current):
        reaction = _secrets.reaction(deployment.spec, what)
        if reaction is not None:
            name = deployment.spec["name"]
            if not os.path.isdir(secrets.view(paths, deployment.container)):
                reaction = (RESTART, [])  # what a container sees that lost its secrets is not there any more
            found.append(Touched(name, deployment, *reaction, approved=workloads[name].baseline))
    return found


def look(node: Node, state: State, request: Request) -> Result:
    """For check mode: names, never values."""
    found = plan(node, state, request)
    return {
        "class": outcome.SUCCESS if found.changed else outcome.UNCHANGED,
        "changed": found.changed,
        "failed": False,
        "msg": _words(request.tenant, found),
        "diff": _secrets.diff(found.before, found.after),
        **_names(found),
    }


def _names(found: Plan) -> Result:
    return {
        "secrets": {_secrets.label(name): word for name, word in found.what.items()},
        "kept": [_secrets.label(name) for name in found.kept],
        "workloads": {item.name: {"action": item.how} for item in found.touched},
    }


def _words(tenant: str, found: Plan) -> str:
    parts = [f"{_secrets.label(name)} {word}" for name, word in found.what.items()]
    told = [f"{item.name} ({item.how})" for item in found.touched]
    words = ", ".join(parts) or ("other versions, the same values" if found.changed else "as they are")
    return f"secrets of tenant {tenant}: {words}" + (f"; used by {', '.join(told)}" if told else "")


def seconds(state: State, tenant: str) -> float:
    """How long a rotation may take at most."""
    total, waits = _MARGIN, [0.0]
    for owner, dummy, item in state.deployments():
        if owner != tenant or not _secrets.entries(item.spec):
            continue
        probes = item.spec["probes"]
        total += 2 * (item.spec["stop_timeout"] + probes.get("startup", {}).get("within", 60.0))
        total += probes.get("steady", _WATCH).get("for", 10.0)
        waits += [
            float(part.get("max_wait", 0.0)) for part in (item.spec.get("update_lock", {}), probes.get("idle", {}))
        ]
    return total + max(waits)


def turn(node: Node, tenant: str, seconds: float) -> t.ContextManager[None]:
    """One delivery of a tenant at a time, also while it waits. Taken before the lock of the node, and kept to the end.

    :raises NodeError: busy, where another one does not end within `seconds`.
    """
    return waiting.turn_of(node.paths, tenant + waiting.SECRETS, seconds)


class Rotation:
    """One delivery of a tenant's whole set. `run` returns the result, or an empty one where it waits for a safe moment: then
    nothing was touched, and :meth:`wait` is called without the lock of the node.

    :param waited: the same delivery until it waited. It is planned anew, and what it waits for is asked again.
    """

    def __init__(self, node: Node, state: State, request: Request, waited: t.Optional[Rotation] = None) -> None:
        self._node, self._state, self._request = node, state, request
        self._tenant, self._paths = request.tenant, node.paths
        self._plan = plan(node, state, request)
        self._old: secrets.Sealed = secrets.committed(self._paths, self._tenant)
        self._values: Values = {}
        self._old_values: Values = {}
        self._lost = ""
        self._trial: t.Dict[str, t.Any] = {}
        self._asleep: t.List[Touched] = []
        self._moment: t.Optional[moment.Moment] = waited._moment if waited is not None else None

    def run(self) -> Result:
        if not self._plan.changed:
            self._forget_wait()
            return self._result(outcome.UNCHANGED, _words(self._tenant, self._plan))
        try:
            if not self._may_begin():
                return {}
            self._seal()
            self._switch()
            self._reload()
            self._prove()
            self._commit()
        except NodeError as exc:
            return self._back(exc)
        except OSError as exc:
            return self._back(NodeError("disk", f"{exc.filename or 'a file'}: {exc.strerror}"))
        return self._finish()

    @contextlib.contextmanager
    def _step(self, name: str) -> t.Iterator[None]:
        with _reached(self._paths, name):
            yield

    # -- the wait: others have their turn

    def _may_begin(self) -> bool:
        """With the lock of the node: whether the moment is safe now."""
        with self._step("wait"):
            if self._request.force:
                return True
            self._raise_where_held()
            entries = [Entry(item.name, old=item.deployment) for item in self._plan.touched if item.how != NONE]
            journal = Journal(self._request.id, self._tenant, "", "wait", self._node.boot_id(), entries)
            gates = moment.gates(self._node, self._tenant, entries)
            if self._moment is not None:
                self._moment.renew(journal, gates, self._raise_where_held)
            elif gates:
                self._moment = moment.Moment(self._node, journal, gates, self._raise_where_held, self._show_waiting)
            free = self._moment is None or self._moment.look()
        if free:
            self._forget_wait()
        return free

    def wait(self) -> None:
        """Returns when it could begin; whoever has the lock of the node then plans anew.

        :raises NodeError: as :meth:`Moment.wait`.
        """
        if self._moment is not None:
            self._moment.wait()

    @property
    def pace(self) -> float:
        """Seconds for which the moment need not be looked at."""
        return self._moment.pace if self._moment is not None else 0.0

    @property
    def patient(self) -> bool:
        """Whether one that waits still has time."""
        return self._moment is not None and not self._moment.over

    def give_up(self, failure: NodeError) -> Result:
        """The result of one that ended while it waited."""
        return self._back(failure)

    def _show_waiting(self, rows: t.List[t.Dict[str, t.Any]]) -> None:
        with contextlib.suppress(NodeError):  # `edge status` then shows less; the wait goes on
            waiting.show(self._paths, self._tenant + waiting.SECRETS, self._request.id, rows)

    def _forget_wait(self) -> None:
        if self._moment is not None:
            self._moment.close()
            waiting.forget_record(self._paths, self._tenant + waiting.SECRETS)

    # -- before anything that runs is touched

    def _seal(self) -> None:
        with self._step("seal"):
            self._read_old()
            self._values = dict(self._request.values)
            self._values.update({name: self._old_values[name] for name in self._plan.kept if name in self._old_values})
            names = {name: item for name, item in self._plan.after.items() if name in self._values}
            self._trial = secrets.seal(self._paths, self._tenant, names, self._values)
            gone = sorted(name for name, word in self._plan.what.items() if word == "removed")
            if self._request.force and gone:
                self._trial["taken"] = gone
            self._trial["journal"] = {
                "id": self._request.id,
                "who": self._request.who,
                "reason": self._request.reason,
                "boot_id": self._node.boot_id(),
                "switching": False,
                "what": self._plan.what,
                "touched": {item.name: item.to_json() for item in self._plan.touched},
            }
            files.write_json(secrets.trial_path(self._paths, self._tenant), self._trial)

    def _read_old(self) -> None:
        """Where the disk's values cannot be read any more there is no way back, and nothing that could be lost by going on."""
        try:
            self._old_values = secrets.unseal(self._paths, self._tenant, self._old)
        except NodeError as exc:
            self._lost = exc.message

    def _raise_where_held(self) -> None:
        scopes = ["all", self._tenant, *(f"{self._tenant}/{item.name}" for item in self._plan.touched)]
        for hold in self._node.store.holds() if self._plan.touched else ():
            if hold["scope"] in scopes:
                raise NodeError(
                    "held",
                    f"held by {hold['who']}: {hold['reason']}; `edge release {hold['scope']}` lets the next delivery go on",
                )

    # -- the switch

    def _running(self) -> t.List[Touched]:
        keeping = self._keeping()
        found = self._node.engine.inspect(*(item.container for item in keeping)) if keeping else []
        running = {item.name for item in found if item.running}
        self._asleep = [item for item in keeping if item.container not in running]
        return [item for item in keeping if item.container in running]

    def _keeping(self) -> t.List[Touched]:
        """Those that still have all of their secrets afterwards."""
        return [item for item in self._plan.touched if item.how != TAKEN]

    def _switch(self) -> None:
        """Their restart policy is `no` until they are proven: what ends of a value must be found out, not started again."""
        with self._step("switch"):
            running = self._running()
            self._trial["journal"]["switching"] = True
            files.write_json(secrets.trial_path(self._paths, self._tenant), self._trial)
            self._node.engine.restart_policy("no", *(item.container for item in running))
            for item in self._keeping():
                with about(item.name):
                    secrets.show(self._paths, self._tenant, item.deployment, self._trial["names"], self._values)
            secrets.put_credentials(self._paths, self._tenant, self._values)

    def _reload(self) -> None:
        with self._step("reload"):
            for item in self._awake():
                with about(item.name):
                    _tell(self._node, item)
                    self._prober(item, "startup").until_healthy()

    def _awake(self) -> t.List[Touched]:
        return [item for item in self._keeping() if item not in self._asleep]

    def _prober(self, item: Touched, phase: str) -> Prober:
        settings = item.deployment.spec["probes"].get(phase, {} if phase == "startup" else _WATCH)
        context = checkup.context(self._node, item.deployment, item.approved)
        return Prober(self._node.engine, item.container, settings, context)

    def _prove(self) -> None:
        with self._step("prove"):
            keep_passing(
                [
                    (item.name, self._prober(item, "steady"), item.deployment.spec["probes"].get("steady", _WATCH))
                    for item in self._awake()
                ]
            )

    def _commit(self) -> None:
        with self._step("commit"):
            _commit(self._paths, self._tenant)

    def _finish(self) -> Result:
        """After the commit nothing goes back: what cannot be done now is done by the next recovery."""
        notes = []
        try:
            with self._step("tidy"):
                _tidy(self._node, self._tenant, self._plan.touched)
        except NodeError as exc:
            notes = [f"committed, but not tidied up: {exc.message}"]
        return self._close(self._result(outcome.SUCCESS, "; ".join([_words(self._tenant, self._plan), *notes])))

    # -- the way back

    def _back(self, failure: NodeError) -> Result:
        failure.message = _secrets.hide(failure.message, [*self._values.values(), *self._old_values.values()])
        self._forget_wait()
        if not self._trial.get("journal", {}).get("switching"):
            _drop(self._paths, self._tenant)
            name = outcome.HELD if failure.cause == "held" else outcome.REFUSED
            return self._close(self._failed(name, failure, []))
        if self._lost:
            return self._keep(failure)
        try:
            problems = _take_back(self._node, self._state, self._tenant, self._plan.touched)
        except NodeError as exc:
            return self._failed(
                outcome.INTERRUPTED,
                failure,
                [f"the old values could not be brought back yet: {exc.message}; recovery runs when the engine starts"],
            )
        return self._close(self._failed(outcome.BROKEN if problems else outcome.REVERTED, failure, problems))

    def _keep(self, failure: NodeError) -> Result:
        with contextlib.suppress(NodeError, OSError):
            _commit(self._paths, self._tenant)
            _tidy(self._node, self._tenant, self._plan.touched)
        why = f"the new values stay, because the old ones cannot be read: {self._lost}"
        return self._close(self._failed(outcome.BROKEN, failure, [why]))

    # -- the result

    def _result(self, name: str, message: str) -> Result:
        names = _names(self._plan)
        for row in names["workloads"].values():
            row["class"] = name
        for item in self._asleep:
            names["workloads"][item.name] = {"action": NONE, "class": outcome.UNCHANGED, "reason": "it does not run"}
        return {
            "id": self._request.id,
            "tenant": self._tenant,
            "class": name,
            "changed": self._plan.changed and name in (outcome.SUCCESS, outcome.BROKEN),
            "failed": outcome.MEANINGS[name].failure,
            "msg": message,
            "sealed_by": sealing.described(self._trial or self._old) if self._trial or self._old else "",
            "who": self._request.who,
            "reason": self._request.reason,
            **names,
        }

    def _failed(self, name: str, failure: NodeError, problems: t.Sequence[str]) -> Result:
        where = f"workload {failure.workload}: " if failure.workload else ""
        words = "; ".join([f"{where}{failure.message}", *problems])
        result = self._result(name, f"secrets of tenant {self._tenant}: {words} [{name}: {_MEANINGS[name]}]")
        result["cause"] = failure.cause
        if failure.workload in result["workloads"]:
            result["workloads"][failure.workload].update(reason=failure.message, cause=failure.cause)
        return result

    def _close(self, result: Result) -> Result:
        _note(self._paths, result, self._trial.get("names", {}))
        _done(self._paths, self._tenant, self._request.id)
        return result


_MEANINGS = {
    outcome.HELD: "the old values are in use",
    outcome.REFUSED: "nothing that runs was touched, and the old values are in use",
    outcome.REVERTED: "the old values are in use again",
    outcome.INTERRUPTED: "the old values come back",
    outcome.TIMED_OUT: "it took longer than its deadline, and the old values are in use again",
    outcome.BROKEN: "a workload is not healthy with the values that are in use now",
}


@contextlib.contextmanager
def _reached(paths: files.Paths, name: str) -> t.Iterator[None]:
    faults.reach(paths, f"secrets_{name}:before")
    yield
    faults.reach(paths, f"secrets_{name}:after")


def _tell(node: Node, item: Touched) -> None:
    if item.how == RESTART:
        node.engine.restart(item.container, item.deployment.spec["stop_timeout"])
    elif item.how == SIGNAL:
        node.engine.signal(item.container, item.signals)


def _commit(paths: files.Paths, tenant: str) -> None:
    os.rename(secrets.trial_path(paths, tenant), secrets.committed_path(paths, tenant))
    files.sync_directory(f"{paths.secrets}/{tenant}")


def _drop(paths: files.Paths, tenant: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(secrets.trial_path(paths, tenant))
        files.sync_directory(f"{paths.secrets}/{tenant}")


def _tidy(node: Node, tenant: str, touched: t.Sequence[Touched]) -> None:
    """Those that were proven are what boots again, and the values of before are gone."""
    for item in touched:
        if item.how == TAKEN:
            secrets.forget(node.paths, item.container)
    touched = [item for item in touched if item.how != TAKEN]
    found = node.engine.inspect(*(item.container for item in touched)) if touched else []
    node.engine.restart_policy("always", *(item.name for item in found))
    for container in found:
        if not container.running:  # it ended after it was proven, while nothing would start it again
            node.engine.start(container.name)
    names = secrets.index(node.paths, tenant)
    for item in touched:
        secrets.tidy(node.paths, item.deployment, names)


def _take_back(node: Node, state: State, tenant: str, touched: t.Sequence[Touched]) -> t.List[str]:
    """Puts the committed values back and tells those that may have seen other ones; returns what is not well, a line each.

    :raises NodeError: engine, where it stays away; the trial then remains for the next run.
    """
    problems: t.List[str] = []
    if touched:
        settler = Settler(node, state, Steps(node, state))
        with _reached(node.paths, "back"):
            settler.run()
        problems += settler.problems
        with _reached(node.paths, "back_reload"):
            for item in touched:
                problems += _reload_old(node, item, item.container in settler.started)
    try:
        secrets.put_credentials(
            node.paths, tenant, secrets.unseal(node.paths, tenant, secrets.committed(node.paths, tenant))
        )
    except NodeError as exc:
        problems.append(exc.message)
    with _reached(node.paths, "back_record"):
        _drop(node.paths, tenant)
    return problems


def _reload_old(node: Node, item: Touched, started: bool) -> t.List[str]:
    try:
        if not started:
            _tell(node, item)
        settings = item.deployment.spec["probes"].get("startup", {})
        Prober(
            node.engine, item.container, settings, checkup.context(node, item.deployment, item.approved)
        ).until_healthy()
    except NodeError as exc:
        if exc.cause == "engine":
            raise
        said = secrets.hide(node.paths, item.container, exc.message)
        return [f"{item.name}: not healthy with the old values: {said}"]
    return []


def _note(paths: files.Paths, result: Result, names: Index) -> None:
    new = {_secrets.label(name): item["fingerprint"] for name, item in names.items()}
    facts = {key: result[key] for key in ("id", "tenant", "class", "cause", "msg", "who", "reason") if result.get(key)}
    ledger.note(
        paths,
        "secrets",
        **facts,
        names=result["secrets"],
        fingerprints={name: new[name] for name in result["secrets"] if name in new},
        workloads={name: item["class"] for name, item in result["workloads"].items()},
    )


def _done(paths: files.Paths, tenant: str, change_id: str) -> None:
    """Its outcome is told: whoever comes by after a crash need not tell it once more. Only of what is committed would he."""
    if secrets.committed(paths, tenant).get("journal", {}).get("id") == change_id:
        with contextlib.suppress(NodeError):
            files.write_json(f"{paths.secrets}/{tenant}/{_DONE}", {"id": change_id})


# -- what was cut short


def settle(node: Node, state: State, name: str) -> t.List[Result]:
    """Ends what was cut short: what is committed is in use, and its outcome is told.

    :param name: the class of one that is taken back.
    :raises NodeError: engine, where it stays away.
    """
    results = []
    for tenant in secrets.tenants(node.paths):
        trial = files.read_json(secrets.trial_path(node.paths, tenant), None)
        found = trial if trial is not None else secrets.committed(node.paths, tenant)
        journal = found.get("journal")
        done = files.read_json(f"{node.paths.secrets}/{tenant}/{_DONE}", {})
        if journal is None or (trial is None and done.get("id") == journal["id"]):
            continue
        touched = _from_journal(state, tenant, journal)
        if trial is None:
            _tidy(node, tenant, touched)
            result = _told(tenant, journal, outcome.SUCCESS, [])
        else:
            same_boot = journal["boot_id"] == node.boot_id()
            problems = _take_back(node, state, tenant, touched if journal["switching"] and same_boot else [])
            result = _told(tenant, journal, outcome.BROKEN if problems else name, problems)
        _note(node.paths, result, found["names"])
        _done(node.paths, tenant, journal["id"])
        if journal["id"]:
            node.store.write_result(journal["id"], result)
        results.append(result)
    return results


def _from_journal(state: State, tenant: str, journal: t.Mapping[str, t.Any]) -> t.List[Touched]:
    have = state.tenants.get(tenant)
    found = []
    for name, item in journal["touched"].items():
        workload = have.workloads.get(name) if have is not None else None
        if workload is not None and workload.current is not None:
            found.append(Touched(name, workload.current, item["how"], item["signals"], workload.baseline))
    return found


def _told(tenant: str, journal: t.Mapping[str, t.Any], name: str, problems: t.Sequence[str]) -> Result:
    message = (
        "they are in use" if name == outcome.SUCCESS else f"the rotation was cut short [{name}: {_MEANINGS[name]}]"
    )
    return {
        "id": journal["id"],
        "tenant": tenant,
        "class": name,
        "changed": name == outcome.SUCCESS,
        "failed": outcome.MEANINGS[name].failure,
        "cause": "" if name == outcome.SUCCESS else "crash",
        "msg": "; ".join([f"secrets of tenant {tenant}: {message}", *problems]),
        "secrets": {_secrets.label(key): word for key, word in journal["what"].items()},
        "kept": [],
        "workloads": {key: {"action": item["how"], "class": name} for key, item in journal["touched"].items()},
        "who": journal["who"],
        "reason": journal["reason"],
    }


# -- in a unit of its own


def unit(change_id: str) -> str:
    return f"physical-ai-secrets-{change_id}.service"


def submit(node: Node, data: t.Dict[str, t.Any]) -> Result:
    """Carries a delivery out in a unit, so that it outlives the link, and waits. What changes nothing needs none."""
    data = dict(data, id=uuid.uuid4().hex)
    request = _secrets.read(data)
    state = node.store.load()
    if request.check or not plan(node, state, request).changed:
        return look(node, state, request)
    shown = look(node, state, request)["diff"]
    path = f"{node.paths.requests}/{request.id}.json"
    secrets.in_memory(node.paths)
    files.make_directory(node.paths.requests)
    files.write_json(path, data)
    longest = seconds(state, request.tenant)
    description = f"Secrets of {request.tenant}"
    try:
        launch.start_unit(unit(request.id), request.id, description, longest, ["secrets", path])
        see = "`edge ledger` and `edge secrets`"
        result = launch.wait_for(node, request.id, unit(request.id), longest, lambda: _left(node, request), see)
        return dict(result, diff=shown)
    finally:
        with contextlib.suppress(FileNotFoundError):  # the unit takes it away, unless it was killed before
            os.unlink(path)


def _left(node: Node, request: Request) -> Result:
    message = "the rotation was cut short before it began; nothing was changed"
    if os.path.exists(secrets.trial_path(node.paths, request.tenant)):
        message = "the rotation was cut short; the old values come back when the engine runs: `edge recover`"
    return refused(request, NodeError("crash", message), outcome.INTERRUPTED)


def refused(request: Request, exc: NodeError, name: str = outcome.REFUSED) -> Result:
    return {
        "id": request.id,
        "tenant": request.tenant,
        "class": name,
        "changed": False,
        "failed": True,
        "cause": exc.cause,
        "msg": f"secrets of tenant {request.tenant}: {_secrets.hide(exc.message, request.values.values())}",
        "secrets": {},
        "kept": [],
        "workloads": {},
    }
