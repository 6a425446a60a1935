# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that wait for a safe moment and let others have their turn on the node meanwhile: one for each tenant.

What such a change needs is in the state (`parked`), so nothing of it is collected. That its program lives is said by a lock of
its tenant, which the kernel gives back when it dies. What it waits for changes often, and lies in memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t

from .._core.request import FETCH, Request
from .._core.state import Journal, State
from . import files
from .errors import NodeError
from .files import Paths
from .node import Node

Standing = t.Dict[str, t.Tuple[str, int]]
"""What is current of a tenant: workload -> (container, sequence)."""
SECRETS = ".secrets"
"""After the name of a tenant: a rotation of its secrets waits, which no tenant's name ends with."""


def _lock(paths: Paths, tenant: str) -> str:
    return f"{paths.waiting}/{tenant}.lock"


def _record(paths: Paths, tenant: str) -> str:
    return f"{paths.waiting}/{tenant}.json"


@contextlib.contextmanager
def turn(node: Node, request: Request, seconds: float) -> t.Iterator[None]:
    """One change of a tenant at a time, also while it waits. Taken before the lock of the node, and kept to the end.

    To fetch changes nothing that runs, so that need not wait for anybody who does.

    :raises NodeError: busy, where another change of the tenant does not end within `seconds`.
    """
    with contextlib.ExitStack() as stack:
        if request.until != FETCH:
            try:
                stack.enter_context(files.lock(_lock(node.paths, request.tenant), seconds))
            except NodeError as exc:
                raise NodeError("busy", _who_waits(node, request.tenant) or exc.message) from None
        yield


def turn_of(paths: Paths, name: str, seconds: float) -> t.ContextManager[None]:
    """:raises NodeError: busy, where somebody else has the turn for longer than `seconds`."""
    return files.lock(_lock(paths, name), seconds)


def _who_waits(node: Node, tenant: str) -> str:
    journal = node.store.load().parked.get(tenant)
    if journal is None:
        return ""
    row = next(iter(rows(node.paths, journal)), None)
    why = f" for the {row['what']} of {row['workload']}, until {clock(row['until'])} at the latest" if row else ""
    return (
        f"release {journal.release} of {tenant} waits for a safe moment{why}: wait for it, let it go on "
        f"(`edge release {tenant}/WORKLOAD --now`), or end it (`edge hold {tenant}`, and `edge release {tenant}` after it)"
    )


def clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def lives(paths: Paths, tenant: str) -> bool:
    """Whether a change of this tenant is at work or waits. Asking at the same time does not make it so."""
    try:
        descriptor = os.open(_lock(paths, tenant), os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(descriptor)


def waiting(paths: Paths, state: State) -> t.List[Journal]:
    """The changes that wait now."""
    return [journal for tenant, journal in sorted(state.parked.items()) if lives(paths, tenant)]


def rotations(paths: Paths) -> t.List[t.Dict[str, t.Any]]:
    """The rotations of secrets that wait now: `id`, `tenant` and, as `waiting`, for what."""
    found = []
    for name in sorted(os.listdir(paths.waiting)) if os.path.isdir(paths.waiting) else []:
        if not name.endswith(f"{SECRETS}.json") or not lives(paths, name[: -len(".json")]):
            continue
        with contextlib.suppress(NodeError):
            record = files.read_json(f"{paths.waiting}/{name}", None)
            if isinstance(record, dict):
                tenant = name[: -len(f"{SECRETS}.json")]
                found.append({"id": record.get("id", ""), "tenant": tenant, "waiting": record.get("rows", [])})
    return found


# -- what is waited for


def show(paths: Paths, tenant: str, change: str, found: t.Sequence[t.Mapping[str, t.Any]]) -> None:
    files.write_json(_record(paths, tenant), {"id": change, "rows": list(found)})


def rows(paths: Paths, journal: Journal) -> t.List[t.Dict[str, t.Any]]:
    return _read(paths, journal).get("rows", journal.waiting)


def _read(paths: Paths, change: t.Union[Journal, Request]) -> t.Dict[str, t.Any]:
    with contextlib.suppress(NodeError):
        found = files.read_json(_record(paths, change.tenant), None)
        if isinstance(found, dict) and found.get("id") == change.id:
            return found
    return {}


# -- the end of it


def leave(paths: Paths, tenant: str, result: t.Mapping[str, t.Any]) -> None:
    """Says how a change ended, for whoever has the lock of the node next and closes it."""
    with contextlib.suppress(NodeError):
        files.write_json(_record(paths, tenant), {"id": result["id"], "rows": [], "result": dict(result)})


def left(paths: Paths, journal: Journal) -> t.Optional[t.Dict[str, t.Any]]:
    return _read(paths, journal).get("result")


def close(node: Node, state: State, journal: Journal, result: t.Mapping[str, t.Any]) -> None:
    """With the lock of the node: a parked change is over. What it fetched stays for the next try, as far as there is room."""
    state.parked.pop(journal.tenant, None)
    kept = state.fetched.setdefault(journal.tenant, [])
    for entry in journal.entries:
        if entry.new is not None and needs(entry.new.spec) not in kept:
            kept.append(needs(entry.new.spec))
    node.store.record(state, journal.tenant, result)
    node.store.write_result(journal.id, result)
    forget(node.paths, journal)


def forget(paths: Paths, change: t.Union[Journal, Request]) -> None:
    """A change does not wait any longer, whether or not it did."""
    if _read(paths, change):
        forget_record(paths, change.tenant)


def forget_record(paths: Paths, tenant: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(_record(paths, tenant))


def needs(spec: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """What must be on the node for a specification."""
    models = [{"sha256": model["sha256"]} for model in spec["models"]]
    return {"image": spec["image"], "digest": spec["digest"], "models": models}


# -- what became of the tenant meanwhile


def standing(state: State, tenant: str) -> Standing:
    return {name: (item.container, item.sequence) for owner, name, item in state.deployments() if owner == tenant}


def overtaken(state: State, tenant: str, before: Standing, names: t.Iterable[str]) -> str:
    """Why a change may not go on: what it would replace is not what it was planned for. Nothing where that is as it was."""
    now = standing(state, tenant)
    others = sorted(name for name in set(names) if now.get(name) != before.get(name))
    if not others:
        return ""
    releases = {name: item.release for owner, name, item in state.deployments() if owner == tenant}
    found = ", ".join(
        f"{name} (now {'of release ' + releases[name] if name in releases else 'gone'})" for name in others
    )
    return (
        f"another change of {tenant} was committed while this one waited: {found}. It does not go back behind that by itself: "
        "run it again if it is still wanted"
    )
