# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who rolls out to a tenant of this node now: one rollout at a time, from wherever it comes.

The time of a lease is that of the running kernel, so a wrong clock neither ends nor prolongs one; a boot ends it.
"""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from . import ledger
from .errors import NodeError
from .files import Paths, lock, make_directory, read_json, write_json

DEFAULT = 4 * 3600
_WAIT = 10.0


def _path(paths: Paths, tenant: str) -> str:
    return f"{paths.leases}/{tenant}.json"


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _holder(found: t.Mapping[str, t.Any]) -> str:
    return f"rollout {found['id']} of {found['owner']}"


def current(paths: Paths, tenant: str) -> t.Optional[t.Dict[str, t.Any]]:
    """The lease of a tenant, with `left`, its seconds; also one that has run out."""
    found = read_json(_path(paths, tenant), None)
    return dict(found, left=round(found["until"] - _now(), 1)) if found else None


def everything(paths: Paths) -> t.Dict[str, t.Dict[str, t.Any]]:
    names = sorted(os.listdir(paths.leases)) if os.path.isdir(paths.leases) else []
    found = {name[: -len(".json")]: current(paths, name[: -len(".json")]) for name in names if name.endswith(".json")}
    return {name: item for name, item in found.items() if item is not None}


@contextlib.contextmanager
def _alone(paths: Paths) -> t.Iterator[None]:
    make_directory(paths.leases)
    with lock(paths.leases + "/lock", _WAIT):
        yield


def check(paths: Paths, tenant: str, rollout: t.Mapping[str, t.Any]) -> None:
    """:param rollout: `id` and `owner`; empty for a change that belongs to no rollout.

    :raises NodeError: lease, where a rollout of somebody else holds the tenant here.
    """
    found = current(paths, tenant)
    if found is None or found["left"] <= 0 or _same(found, rollout):
        return
    left = f"{found['left'] / 60:.0f} more minutes" if found["left"] >= 120 else f"{found['left']:.0f} more seconds"
    raise NodeError(
        "lease",
        f"{_holder(found)} is under way for tenant {tenant} here, for {left}: wait until it has ended; "
        f"if it is dead, run its command again, or `edge lease {tenant} --end` on the node",
    )


def _same(found: t.Mapping[str, t.Any], rollout: t.Mapping[str, t.Any]) -> bool:
    return (found["id"], found["owner"]) == (rollout.get("id"), rollout.get("owner"))


def claim(paths: Paths, tenant: str, rollout: t.Mapping[str, t.Any]) -> None:
    """Takes the lease, or prolongs it. One that ran out is taken over, and the ledger says so.

    :raises NodeError: lease, where somebody else has it.
    """
    with _alone(paths):
        check(paths, tenant, rollout)
        found = current(paths, tenant)
        if found is not None and not _same(found, rollout):
            ledger.note(
                paths, "lease", tenant=tenant, what="taken over", id=rollout["id"], owner=rollout["owner"],
                msg=f"{_holder(found)} had it and let it run out {-found['left'] / 60:.0f} minutes ago",
            )  # fmt: skip
        seconds = float(rollout.get("lease") or DEFAULT)
        write_json(_path(paths, tenant), {"id": rollout["id"], "owner": rollout["owner"], "until": _now() + seconds})


def end(paths: Paths, tenant: str, rollout: t.Optional[t.Mapping[str, t.Any]] = None, who: str = "") -> bool:
    """Gives a lease back; False where there was none of this rollout.

    :param rollout: None where a person at the machine ends whichever there is; the ledger then says so.
    """
    with _alone(paths):
        found = current(paths, tenant)
        if found is None or (rollout is not None and not _same(found, rollout)):
            return False
        if rollout is None:
            ledger.note(
                paths, "lease", tenant=tenant, what="ended by hand", id=found["id"], owner=found["owner"], msg=f"ended by {who}"
            )  # fmt: skip
        os.unlink(_path(paths, tenant))
        return True
