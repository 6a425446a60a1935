# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_progress
type: notification
short_description: One line for each node that ended its change, and for each wave
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai)
description:
  - Shows how a rollout goes on - the time, the stage and wave, the site and host, the release, the class in which the change
    ended and the seconds that it took, and what was wrong where something was. When a wave has ended, a line counts its classes.
  - Everything comes from the results of M(physical_ai.edge.workloads). It only shows; what must not be lost is in the ledgers of the
    nodes.
  - It stands beside any stdout callback, that of ansible-runner and AWX included. It writes whole lines and moves no cursor.
requirements:
  - C(callbacks_enabled = physical_ai.edge.rollout_progress) in C(ansible.cfg), or
    C(ANSIBLE_CALLBACKS_ENABLED=physical_ai.edge.rollout_progress)
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase

from ansible_collections.physical_ai.edge.plugins.plugin_utils.rollout_progress import Progress

MODULE = "workloads"
ACTIONS = (MODULE, f"physical_ai.edge.{MODULE}")
COLORS = {"good": constants.COLOR_OK, "quiet": constants.COLOR_SKIP, "bad": constants.COLOR_ERROR}


def is_change(task: Any) -> bool:
    return str(getattr(task, "action", "")) in ACTIONS


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "physical_ai.edge.rollout_progress"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._progress = Progress()
        self._play: Any = None
        self._begun: dict[tuple[str, str], float] = {}

    def v2_playbook_on_play_start(self, play: Any) -> None:
        # With `serial` this is called for each batch.
        self._quietly(self._wave_ended)
        self._play = play

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if not is_change(task):
            self._quietly(self._wave_ended)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._quietly(self._wave_ended)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        if is_change(task):
            self._begun[str(host), str(getattr(task, "_uuid", ""))] = time.monotonic()

    def v2_runner_on_ok(self, result: Any) -> None:
        self._quietly(self._ended, result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._quietly(self._ended, result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._quietly(self._ended, result, True)

    def _quietly(self, work: Callable[..., Iterable[tuple[str, str]]], *arguments: Any) -> None:
        """Whatever is wrong with a line, the run that it tells of goes on."""
        try:
            for text, tone in work(*arguments):
                self._display.display(text, color=COLORS[tone])
        except Exception as exc:  # pylint: disable=broad-except
            self._display.vv(f"rollout_progress: {exc!r}")

    def _wave_ended(self) -> list[tuple[str, str]]:
        return self._progress.wave_ended(datetime.now())

    def _ended(self, result: Any, unreachable: bool = False) -> list[tuple[str, str]]:
        task, host = result.task, result.host
        if not is_change(task):
            return []
        begun = self._begun.pop((str(host), str(getattr(task, "_uuid", ""))), None)
        seconds = None if begun is None else time.monotonic() - begun
        return self._progress.ended(str(host), self._site(host), result.result, datetime.now(), seconds, unreachable)

    def _site(self, host: Any) -> str:
        """Of the host, wherever its inventory says it."""
        try:
            found = self._play.get_variable_manager().get_vars(play=self._play, host=host, include_hostvars=False)
            return str(found.get("edge_site") or "")
        except Exception:  # pylint: disable=broad-except
            return ""
