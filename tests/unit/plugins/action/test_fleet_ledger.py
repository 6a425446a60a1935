# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action says and commits, of hosts that answered and of those that did not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.physical_ai.edge.plugins.action import fleet_ledger
from ansible_collections.physical_ai.edge.plugins.plugin_utils.collection import CollectionError
from tests.unit.plugins.plugin_utils.statuses import SILENT, ledger, running

FAILED = {"failed": True, "msg": "sudo: a password is required"}


def found(count: int, after: int = 0, **more: Any) -> dict[str, Any]:
    return {"after": after, "last": count, "entries": ledger(count)[after:], "broken": "", "status": running(), **more}


def collect(path: Path, commit: bool = False, check: bool = False, **results: Any) -> dict[str, Any]:
    hostvars = {host: {"edge_site": "kiruna", "ledger_result": result} for host, result in results.items()}
    args = {"path": str(path), "hosts": list(results), "result": "ledger_result", "commit": commit}
    return fleet_ledger.collect(args, hostvars, check)


def test_who_did_not_answer_is_said_and_left_alone(tmp_path: Path) -> None:
    done = collect(tmp_path, cam1=found(2), cam2=SILENT, cam3=FAILED, cam4=None)
    assert done["lines"] == [
        "cam2: unreachable (host 10.0.0.1 port 22: timed out); what was collected of it stays",
        "cam3: could not be asked (sudo: a password is required); what was collected of it stays",
        "cam4: could not be asked; what was collected of it stays",
        f"collected 2 new entries of 1 of 4 nodes into {tmp_path}",
    ]
    assert done["changed"] and [item.name for item in tmp_path.iterdir()] == ["cam1"]
    assert not collect(tmp_path, cam1=found(2, after=2))["changed"]


def test_check_mode_says_the_same_and_writes_nothing(tmp_path: Path) -> None:
    assert collect(tmp_path, check=True, commit=True, cam1=found(2))["changed"]
    assert not list(tmp_path.iterdir())


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for key in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{key}_NAME", "t")
        monkeypatch.setenv(f"GIT_{key}_EMAIL", "t@example.com")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def log(repository: Path) -> list[str]:
    done = subprocess.run(
        ["git", "-C", str(repository), "log", "--format=%B"], capture_output=True, text=True, check=False
    )
    return [line for line in done.stdout.splitlines() if line]


def test_it_commits_what_is_new_and_not_the_time_alone(repository: Path) -> None:
    where = repository / "ledgers"
    assert collect(where, commit=True, cam1=found(2), cam2=found(1))["lines"][-1].startswith("committed: ")
    message = ["Collect the ledgers of 2 nodes", "cam1: 2 new entries, up to 2", "cam2: 1 new entries, up to 1"]
    assert log(repository) == message
    assert "committed" not in collect(where, commit=True, cam1=found(2, after=2))["lines"][-1]
    assert log(repository) == message
    collect(where, commit=True, cam1=found(3, after=2))
    assert log(repository)[:2] == ["Collect the ledgers of 1 nodes", "cam1: 1 new entries, up to 3"]


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(CollectionError, match=r"cannot be (written|read): Not a directory"):
        collect(tmp_path / "file", cam1=found(1))
