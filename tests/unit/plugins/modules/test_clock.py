# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module clock: what it does, foresees and refuses, under another root and with a clock that a test winds."""

from __future__ import annotations

import errno
import json
import time
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.physical_ai.edge.plugins.module_utils._core import clock as core
from ansible_collections.physical_ai.edge.plugins.module_utils._core.fields import SpecError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths
from ansible_collections.physical_ai.edge.plugins.modules import clock, doctor
from tests.tools.sync import ROOT

NOW = 1795000000.0


class FailedError(Exception):
    pass


class Fake:
    """As much of an AnsibleModule as the module uses."""

    def __init__(self, check: bool, **params: t.Any) -> None:
        defaults = {name: option.get("default") for name, option in clock.SPEC.items()}
        self.params, self.check_mode = dict(defaults, **params), check
        self.warnings: list[str] = []

    def warn(self, line: str) -> None:
        self.warnings.append(line)

    def fail_json(self, msg: str, **facts: t.Any) -> None:
        json.dumps(facts)
        raise FailedError(msg)


class Node:
    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.paths, self.now, self.refuse = Paths(str(root)), NOW, False
        self.steps: list[float] = []
        self.warnings: list[str] = []
        patch.setattr(clock.files, "Paths", lambda: self.paths)
        patch.setattr(clock.clock, "wall", lambda: self.now)
        patch.setattr(clock.clock, "age", lambda: 100.0)
        patch.setattr(clock.clock, "step", self.step)

    def step(self, moment: float) -> None:
        if self.refuse:
            raise OSError(errno.EPERM, "no")
        self.now = moment
        self.steps.append(moment)

    def run(self, check: bool = False, **params: t.Any) -> dict[str, t.Any]:
        module = Fake(check, **params)
        self.warnings = module.warnings
        found = clock.run(t.cast(t.Any, module))
        json.dumps(found)
        return found

    @property
    def files(self) -> list[str]:
        root = Path(self.paths.root)
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(tmp_path, monkeypatch)


def test_a_node_in_1970_is_set_once_and_then_left_alone(node: Node) -> None:
    node.now = 60.0
    foreseen = node.run(check=True, controller_time=NOW)
    assert (foreseen["changed"], foreseen["set"], foreseen["source"]) == (True, True, "controller")
    assert (node.steps, node.files) == ([], [])
    done = node.run(controller_time=NOW)
    assert (done["changed"], done["state"], node.steps) == (True, "trusted", [NOW])
    assert done["drift"] == 60.0 - NOW
    assert done["diff"] == [{"prepared": done["msg"] + "\n"}]
    assert done["msg"].startswith(
        "the clock was set from 1970-01-01 00:01 UTC to 2026-11-18 11:06 UTC, by the controller"
    )
    again = node.run(controller_time=NOW)
    assert (again["changed"], again["diff"], node.steps) == (False, [], [NOW])
    assert json.loads(Path(node.paths.clock).read_text(encoding="ascii"))["time"] == NOW


def test_where_it_may_not_be_set_the_policy_says_what_that_is(node: Node) -> None:
    node.now, node.refuse = 60.0, True
    with pytest.raises(FailedError) as caught:
        node.run(controller_time=NOW)
    assert "clock: says 1970-01-01" in str(caught.value)
    assert "a container has the clock of its host" in str(caught.value)
    assert node.run(controller_time=NOW, policy="warn")["changed"] is False
    assert len(node.warnings) == 1
    assert node.run(controller_time=NOW, policy="ignore")["state"] == "doubtful"
    node.now = NOW + 3600
    assert node.run(controller_time=NOW)["changed"] is False
    assert node.warnings[0].endswith("a container has the clock of its host")


def test_without_set_the_clock_stays(node: Node) -> None:
    node.now = NOW + 3600
    found = node.run(controller_time=NOW, set=False)
    assert (found["changed"], found["set"], found["state"], node.steps) == (False, False, "doubtful", [])
    assert found["should_be"]["source"] == "controller"
    assert node.run(controller_time=NOW + 3600, set=False)["state"] == "trusted"


def test_a_controller_before_the_floor_is_not_believed(node: Node) -> None:
    found = node.run(controller_time=1e9, policy="ignore")
    assert (found["set"], found["state"]) == (False, "plausible")


def test_a_wrong_last_known_time_is_forgotten(node: Node) -> None:
    node.now = NOW + 400 * core.DAY
    node.run(controller_time=node.now)
    node.now = NOW
    assert node.run(controller_time=NOW, policy="ignore", set=False)["state"] == "doubtful"
    found = node.run(controller_time=NOW, forget=True)
    assert (found["changed"], found["state"], found["floor"]) == (True, "trusted", NOW)


def test_settings_are_written_once_kept_and_shown(node: Node) -> None:
    wanted: dict[str, t.Any] = {"http": ["http://gw01/"], "http_agree": 0, "max_ahead_days": 1825}
    foreseen = node.run(check=True, controller_time=NOW, **wanted)
    assert foreseen["changed"] and node.files == []
    done = node.run(controller_time=NOW, **wanted)
    assert done["changed"] and done["diff"][0]["before"] == ""
    assert json.loads(done["diff"][0]["after"]) == wanted
    assert Path(node.paths.clock_settings).stat().st_mode & 0o777 == 0o644
    assert not node.run(controller_time=NOW, **wanted)["changed"]
    assert not node.run(controller_time=NOW)["changed"]
    assert node.run(controller_time=NOW, http=[])["changed"]


def test_default_settings_need_no_file(node: Node) -> None:
    assert not node.run(controller_time=NOW, http=[], http_agree=0, max_ahead_days=1825)["changed"]
    assert node.files == [
        "run/physical-ai/clock.lock",
        "run/physical-ai/clock/controller.json",
        "var/lib/physical-ai/clock",
    ]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"http": ["gw01"]}, "clock.http[0]: found 'gw01'"),
        ({"max_ahead_days": 0}, "clock.max_ahead_days: found 0"),
        ({"controller_time": float("nan")}, "controller_time: found nan"),
        ({"controller_time": -5.0}, "controller_time: found -5.0"),
    ],
)
def test_nonsense_is_refused_before_anything_is_written(node: Node, params: dict[str, t.Any], words: str) -> None:
    with pytest.raises((NodeError, SpecError)) as caught:
        node.run(**params)
    assert words in str(caught.value)
    assert node.files == []


def test_the_day_of_this_software_is_the_same_everywhere() -> None:
    role = yaml.safe_load((ROOT / "roles/baseline/vars/main.yml").read_text(encoding="utf-8"))
    options: list[t.Any] = [clock.SPEC["not_before"], doctor.SPEC["not_before"]]
    days = {role["__baseline_not_before"], *(item["default"] for item in options)}
    assert days == {time.strftime("%Y-%m-%d", time.gmtime(core.MADE))}
