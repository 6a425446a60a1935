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


class RequestError(ValueError):
    """The request cannot be read; the message says why."""


@dataclass(frozen=True)
class Request:
    """`specs` are rendered specifications. With `revert`, they are what ran before, and their data comes back with them."""

    id: str
    tenant: str
    release: str
    specs: t.List[dict]
    release_digest: str = ""
    remove_undeclared: bool = False
    force: bool = False
    revert: bool = False
    deadline: float = 0.0
    who: str = ""
    schema: int = field(default=SCHEMA)

    def seconds(self, running: t.Iterable[t.Mapping[str, t.Any]] = ()) -> float:
        """The deadline of the whole change: as given, or from the times that the specifications name.

        :param running: specifications of what runs now, whose locks may hold the swap back.
        """
        if self.deadline:
            return self.deadline
        total = _FETCH_SECONDS + _MARGIN
        for spec in self.specs:
            probes = spec["probes"]
            total += 2 * spec["stop_timeout"] + 2 * probes.get("startup", {}).get("within", 60.0)
            total += probes.get("steady", {}).get("for", 10.0)
        return total + max((_longest_wait(spec) for spec in [*self.specs, *running]), default=0.0)

    def to_json(self) -> t.Dict[str, t.Any]:
        return dataclasses.asdict(self)


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
