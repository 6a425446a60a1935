# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state file on disk, and the results that callers wait for."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._core import state as _state
from . import ledger
from .errors import NodeError
from .files import Paths, make_directory, read_json, read_text, write_atomic, write_json

KEEP_RESULTS = 20
_FACTS = ("id", "tenant", "release", "class", "cause", "msg", "rollout", "who", "reason", "ticket", "force", "signer")


class Store:
    """Loads and saves :class:`State`; every save is a rename, so the file is never torn."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def load(self) -> _state.State:
        content = read_text(self._paths.state)
        if content is None:
            return _state.State()
        try:
            return _state.load(content)
        except _state.StateError as exc:
            raise NodeError("state", f"{self._paths.state}: {exc}") from None

    def save(self, state: _state.State) -> None:
        make_directory(self._paths.state_directory)
        write_atomic(self._paths.state, _state.dump(state))

    def close(self, state: _state.State, tenant: str, result: t.Mapping[str, t.Any]) -> None:
        """Ends a change: the journal goes and the result comes in one write, so that none is there without the other."""
        state.journal = None
        self.record(state, tenant, result)

    def record(self, state: _state.State, tenant: str, result: t.Mapping[str, t.Any]) -> None:
        """What became of a change: in the state and in the ledger. The journal, which may be of another one, stays."""
        state.tenant(tenant).last = dict(result)
        self.save(state)
        facts = {key: result[key] for key in _FACTS if key in result}
        workloads = result.get("workloads", {})
        facts["workloads"] = {name: item["class"] for name, item in workloads.items()}
        for key, word in (("measured", "measured"), ("baseline", "baseline"), ("reason", "reasons")):
            found = {name: item[key] for name, item in workloads.items() if item.get(key)}
            if found:
                facts[word] = found
        ledger.note(self._paths, "change", **facts)

    def result_path(self, change_id: str) -> str:
        return f"{self._paths.results}/{change_id}.json"

    def write_result(self, change_id: str, result: t.Mapping[str, t.Any]) -> None:
        write_json(self.result_path(change_id), result)
        kept = sorted(
            (os.path.join(self._paths.results, name) for name in os.listdir(self._paths.results)), key=os.path.getmtime
        )
        for old in kept[:-KEEP_RESULTS]:
            if old == self.result_path(change_id):
                continue  # the clock was set back
            with contextlib.suppress(OSError):
                os.unlink(old)

    def holds(self) -> t.List[t.Dict[str, t.Any]]:
        return read_json(self._paths.holds, [])

    def save_holds(self, holds: t.Sequence[t.Mapping[str, t.Any]]) -> None:
        make_directory(self._paths.configuration, 0o755)
        write_json(self._paths.holds, list(holds))
