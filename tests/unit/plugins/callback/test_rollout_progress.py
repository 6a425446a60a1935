# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a rollout: from results as they come, and from results that are nonsense."""

from __future__ import annotations

import re
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.callback import rollout_progress as plugin
from ansible_collections.physical_ai.edge.plugins.plugin_utils.rollout_progress import Progress

NOW = datetime(2026, 11, 25, 12, 3, 41)
CHANGE = SimpleNamespace(action="physical_ai.edge.workloads", _uuid="t1")
OTHER = SimpleNamespace(action="ansible.builtin.debug", _uuid="t2")


def outcome(name: str, wave: int | None = None, stage: str = "canary", **more: Any) -> dict[str, Any]:
    rollout = {"rollout": {"id": "r1", "stage": stage, "wave": wave}} if wave is not None else {}
    return {"class": name, "release": "2.0", "msg": "words", **rollout, **more}


def run(*steps: Any) -> list[str]:
    progress, lines = Progress(), []
    for host, result, unreachable in steps:
        lines += progress.ended(host, "kiruna", result, NOW, 14.24, unreachable)
    return [text for text, _tone in [*lines, *progress.wave_ended(NOW)]]


def test_a_line_for_each_node_and_for_each_wave() -> None:
    assert run(
        ("cam1", outcome("success", 1), False),
        ("cam2", outcome("reverted", 1), False),
        ("cam3", {"unreachable": True, "msg": "timed out"}, True),
        ("cam4", outcome("success", 2), False),
    ) == [
        "12:03:41  canary wave 1  kiruna  cam1  2.0  success  14.2 s",
        "12:03:41  canary wave 1  kiruna  cam2  2.0  reverted  14.2 s  words",
        "12:03:41  canary wave 1  kiruna  cam3  unreachable  14.2 s  timed out",
        "12:03:41  canary wave 1 ended: 3 nodes: 1 success, 1 reverted, 1 unreachable",
        "12:03:41  canary wave 2  kiruna  cam4  2.0  success  14.2 s",
        "12:03:41  canary wave 2 ended: 1 node: 1 success",
    ]


def test_a_play_that_is_no_rollout_has_lines_too_and_silence_is_no_success() -> None:
    assert run(("cam1", outcome("success"), False), ("cam2", {"msg": "boom"}, False)) == [
        "12:03:41  kiruna  cam1  2.0  success  14.2 s",
        "12:03:41  kiruna  cam2  unknown  14.2 s  boom",
        "12:03:41  ended: 2 nodes: 1 success, 1 unknown",
    ]


@pytest.mark.parametrize(
    ("name", "tone"),
    [
        ("success", "good"),
        ("unchanged", "good"),
        ("held", "quiet"),
        ("offline_expected", "quiet"),
        ("broken", "bad"),
        ("new", "bad"),
    ],
)
def test_tones(name: str, tone: str) -> None:
    progress = Progress()
    assert progress.ended("cam1", "", outcome(name), NOW, None, False)[0][1] == tone
    assert progress.wave_ended(NOW)[0][1] == tone
    assert progress.wave_ended(NOW) == [], "a wave is told once"


class Screen:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def display(self, text: str, color: str | None = None) -> None:
        self.lines.append(text)

    def vv(self, text: str) -> None:
        pass


@pytest.fixture
def shown() -> Any:
    callback = plugin.CallbackModule()
    callback._display = Screen()
    variables = SimpleNamespace(get_vars=lambda **_all: {"edge_site": "narvik"})
    callback.v2_playbook_on_play_start(SimpleNamespace(get_variable_manager=lambda: variables))
    return callback


def result(content: Any, task: Any = CHANGE) -> SimpleNamespace:
    return SimpleNamespace(host="cam1", task=task, result=content)


def test_the_plugin_tells_of_changes_alone(shown: Any) -> None:
    shown.v2_runner_on_ok(result({"msg": "hello"}, OTHER))
    shown.v2_runner_on_start("cam1", CHANGE)
    shown.v2_runner_on_ok(result(outcome("success", 1)))
    shown.v2_runner_on_failed(result(outcome("broken", 1)))
    shown.v2_runner_on_unreachable(result({"msg": "gone"}))
    shown.v2_playbook_on_task_start(OTHER, False)
    shown.v2_playbook_on_stats(None)
    lines = [re.sub(r"^\S+  |\d\.\d s", "", line) for line in shown._display.lines]
    assert lines == [
        "canary wave 1  narvik  cam1  2.0  success  ",
        "canary wave 1  narvik  cam1  2.0  broken  words",
        "canary wave 1  narvik  cam1  unreachable  gone",
        "canary wave 1 ended: 3 nodes: 1 success, 1 broken, 1 unreachable",
    ]


NONSENSE = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["class", "rollout", "stage", "wave"]), inner),
    max_leaves=8,
)  # fmt: skip


@given(st.lists(NONSENSE, max_size=4))
def test_it_raises_never_and_writes_whole_lines(contents: list[Any]) -> None:
    callback = plugin.CallbackModule()
    screen = callback._display = Screen()
    for content in contents:
        callback.v2_runner_on_ok(result(content))
        callback.v2_runner_on_failed(SimpleNamespace())
        callback.v2_runner_on_start(None, None)
    callback.v2_playbook_on_stats(None)
    assert not any(set("\r\n\x1b") & set(line) for line in screen.lines)
