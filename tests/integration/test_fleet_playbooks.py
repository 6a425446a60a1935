# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks status and collect as ansible-playbook runs them; nodes are folders, and one cannot be reached."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._node import ledger
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths
from tests.integration.stand_in import Collection
from tests.tools.sync import ROOT
from tests.unit.plugins.plugin_utils.statuses import running

SITES = {"cam1": "kiruna", "cam2": "kiruna", "cam3": "narvik"}
CUT = {**SITES, "cam3": "nowhere"}
STATUS = 'json.load(open(os.path.dirname(module._remote_tmp) + "/status.json"))'
WORKLOAD_INFO = f"""
from __future__ import annotations
import json
import os
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(argument_spec={{"tenant": {{}}}}, supports_check_mode=True)
module.exit_json(changed=False, **{STATUS})
"""


def ledger_info() -> str:
    """The real module, of a node that is a folder."""
    source = (ROOT / "plugins" / "modules" / "ledger_info.py").read_text(encoding="utf-8")
    found = source.replace("files.Paths()", "files.Paths(os.path.dirname(module._remote_tmp))")
    found = found.replace("= _edge.status(module)", f"= {STATUS}")
    found = found.replace("from ..module_utils import _edge\n", "import json\nimport os\n")
    assert found.count("module._remote_tmp") == 2
    return found


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    fleet = Collection(tmp_path_factory.mktemp("fleet"), workload_info=WORKLOAD_INFO, ledger_info=ledger_info())
    for host in SITES:
        (fleet.node(host) / "status.json").write_text(json.dumps(running()), encoding="utf-8")
        change(fleet, host, 3)
    return fleet


def change(fleet: Collection, host: str, count: int = 1) -> None:
    rollout = {"id": "r1", "stage": "early", "wave": 1}
    for _number in range(count):
        facts = {
            "tenant": "quality",
            "release": "2.0",
            "class": "success",
            "msg": "<b>bold</b>\u2028",
            "lost": ["{{ x }}"],
        }
        ledger.append(Paths(str(fleet.node(host))), "change", rollout=rollout, **facts)


def play(fleet: Collection, name: str, sites: dict[str, str], **extra: Any) -> subprocess.CompletedProcess[str]:
    arguments = [part for key, value in extra.items() for part in ("-e", json.dumps({key: value}))]
    done = fleet.play(f"physical_ai.edge.{name}", sites, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def said(done: subprocess.CompletedProcess[str]) -> Any:
    _head, _mark, shown = done.stdout.rpartition('"msg": ')
    return json.JSONDecoder().raw_decode(shown)[0]


def changed(done: subprocess.CompletedProcess[str]) -> int:
    return sum(int(count) for count in re.findall(r"changed=(\d+)", done.stdout))


def text(path: Path, host: str = "cam1") -> str:
    return (path / host / "ledger.jsonl").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def collected(fleet: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was collected while all nodes answered."""
    where = tmp_path_factory.mktemp("collected") / "ledgers"
    done = play(fleet, "collect", SITES, collect_to=str(where))
    assert said(done) == [f"collected 9 new entries of 3 of 3 nodes into {where}"] and changed(done) == 1
    return where


def test_status_shows_who_is_offline_as_it_was_collected_last(fleet: Collection, collected: Path) -> None:
    head, *rows, verdict = said(play(fleet, "status", CUT, collect_to=str(collected)))
    assert head.split()[2:4] == ["HOST", "WORKLOAD"] and [row.split()[2] for row in rows] == ["cam1", "cam2", "cam3"]
    assert "  offline  " in rows[2] and "last known: running" in rows[2] and "  2.0  " in rows[2]
    assert verdict == "fleet: 3 nodes at 2 sites (2 answered, 1 offline); workloads: 1 offline, 2 running"


def test_status_as_json_without_a_collection(fleet: Collection, tmp_path: Path) -> None:
    target = tmp_path / "status.json"
    done = play(fleet, "status", CUT, status_output="json", status_to=str(target))
    found = json.loads(target.read_text(encoding="utf-8"))
    assert said(done)["schema"] == found["schema"] == 1 and "lines" not in found
    assert [row["state"] for row in found["rows"]] == ["running", "running", "offline"]


def test_status_as_a_page(fleet: Collection, collected: Path, tmp_path: Path) -> None:
    page = tmp_path / "fleet.html"
    play(fleet, "status", CUT, status_output="html", status_to=str(page), collect_to=str(collected))
    html = page.read_text(encoding="utf-8")
    assert all(host in html for host in SITES) and "early wave 1" in html
    assert "&lt;b&gt;bold&lt;/b&gt;" in html and "<b>bold" not in html


def test_collect_brings_what_is_new_and_again_what_was_thrown_away(
    fleet: Collection, collected: Path, tmp_path: Path
) -> None:
    for host in SITES:
        assert text(collected, host) == Path(Paths(str(fleet.node(host))).ledger).read_text(encoding="utf-8")
    change(fleet, "cam2")
    silent, whole = said(play(fleet, "collect", CUT, collect_to=str(collected)))
    assert whole == f"collected 1 new entries of 2 of 3 nodes into {collected}"
    assert silent.startswith("cam3: unreachable (") and silent.endswith("what was collected of it stays")
    play(fleet, "collect", SITES, collect_to=str(tmp_path))
    assert [text(tmp_path, host) for host in SITES] == [text(collected, host) for host in SITES]
