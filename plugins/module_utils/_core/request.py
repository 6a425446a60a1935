# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the node program: one tenant's whole set, as JSON."""

from __future__ import annotations

import dataclasses
import typing as t
from dataclasses import dataclass, field

SCHEMA = 1
_FETCH_SECONDS = 1800.0
_MARGIN = 120.0
_LONGEST_ROUND = 3600.0


PLAN, FETCH, RUN = "plan", "fetch", "run"


class RequestError(ValueError):
    """The request cannot be read; the message says why."""


@dataclass(frozen=True)
class Request:
    """`specs` are rendered specifications. With `revert`, they are what ran before, and their data comes back with them.

    `rollout` says which rollout this is a part of: `id`, `owner`, `stage`, `wave`, and `lease`, the seconds for which no other
    one may touch the tenant here. `until` is how far to go: `plan` takes the lease alone, `fetch` touches nothing that runs.
    `signed_text` is the release file and `signature` what ssh-keygen made of it; the file may hold secrets.
    `approve`: what the new version measures is the baseline of later ones as soon as it is committed. Without it, that takes
    a word of its own (`edge approve`), for example from a gate.
    """

    id: str
    tenant: str
    release: str
    specs: t.List[dict]
    release_digest: str = ""
    remove_undeclared: bool = False
    force: bool = False
    revert: bool = False
    approve: bool = True
    deadline: float = 0.0
    who: str = ""
    rollout: t.Dict[str, t.Any] = field(default_factory=dict)
    until: str = RUN
    jitter: float = 0.0
    sizes: bool = False
    reason: str = ""
    ticket: str = ""
    signed_text: str = ""
    signature: str = ""
    schema: int = field(default=SCHEMA)

    def seconds(self, running: t.Iterable[t.Mapping[str, t.Any]] = ()) -> float:
        """The deadline of the whole change: as given, or from the times that the specifications name.

        :param running: specifications of what runs now, whose locks may hold the swap back.
        """
        if self.deadline:
            return self.deadline
        total = _FETCH_SECONDS + _MARGIN + self.jitter
        for spec in self.specs:
            probes = spec["probes"]
            total += 2 * spec["stop_timeout"] + 2 * probes.get("startup", {}).get("within", 60.0)
            total += probes.get("steady", {}).get("for", 10.0)
            total += sum(_round_seconds(probes.get(phase, {})) for phase in ("startup", "steady"))
        return total + max((_longest_wait(spec) for spec in [*self.specs, *running]), default=0.0)

    def to_json(self) -> t.Dict[str, t.Any]:
        return dataclasses.asdict(self)


def _round_seconds(phase: t.Mapping[str, t.Any]) -> float:
    """The longest that one round of golden requests lasts, where it is more than one request."""
    probe = phase.get("inference", {})
    return min(_LONGEST_ROUND, (probe.get("requests", 1) - 1) * probe.get("timeout", 0.0))


def _longest_wait(spec: t.Mapping[str, t.Any]) -> float:
    """Workloads of one change wait at the same time."""
    waits = (spec.get("update_lock", {}), spec["probes"].get("idle", {}))
    return max(float(item.get("max_wait", 0.0)) for item in waits)


def read(data: t.Any) -> Request:
    """:raises RequestError: for something that is no request, or that a newer collection wrote."""
    if not isinstance(data, dict) or "id" not in data:
        raise RequestError("this is not a request for the node program")
    if data.get("schema", 0) > SCHEMA:
        raise RequestError(
            f"the request has schema {data['schema']}, this program reads up to {SCHEMA}: update the node program (role node_program); nothing was changed"
        )
    try:
        return Request(**data)
    except TypeError as exc:
        raise RequestError(f"the request cannot be read: {exc}") from None
