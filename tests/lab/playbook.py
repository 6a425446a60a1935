# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ansible commands against a lab and reads the play recap."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.lab.plan import LabError

_COUNTERS = ("ok", "changed", "unreachable", "failures", "skipped", "rescued", "ignored")
_RECAP = re.compile(r"^(?P<host>\S+)\s+: (?P<counts>ok=\d+.*)$")


@dataclass(frozen=True)
class PlaybookResult:
    """What a run of ansible-playbook came to; `stats` is per host."""

    rc: int
    stdout: str
    stderr: str
    stats: dict[str, dict[str, int]]

    @property
    def changed(self) -> int:
        return sum(host["changed"] for host in self.stats.values())


def parse_recap(stdout: str) -> dict[str, dict[str, int]]:
    """The counters behind the last PLAY RECAP."""
    found, after = stdout.rpartition("PLAY RECAP")[1:]
    stats: dict[str, dict[str, int]] = {}
    for line in after.splitlines() if found else []:
        match = _RECAP.match(line.strip())
        if match:
            counts = dict(pair.split("=") for pair in match["counts"].split())
            counts["failures"] = counts.pop("failed", "0")
            stats[match["host"]] = {name: int(counts.get(name, 0)) for name in _COUNTERS}
    return stats


def why(stdout: str, stderr: str) -> str:
    """The line that tells why a run failed."""
    lines = [line.strip() for line in stdout.splitlines() + stderr.splitlines() if line.strip()]
    for line in lines:
        if line.startswith(("fatal:", "failed:", "[ERROR]", "ERROR!")):
            return line
    return lines[-1] if lines else "no output"


def command(path: Path, args: t.Sequence[str], extra_vars: t.Mapping[str, t.Any] | None) -> list[str]:
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), str(path), *args]
    if extra_vars:
        argv += ["--extra-vars", json.dumps(extra_vars)]
    return argv


def run(argv: list[str], env: t.Mapping[str, str], cwd: Path, timeout: float, show: bool) -> PlaybookResult:
    """Runs it in a session of its own, so that a timeout ends its workers too."""
    with subprocess.Popen(
        argv,
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        timed_out = threading.Event()

        def end() -> None:
            timed_out.set()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(timeout, end)
        timer.start()
        errors: list[str] = []
        reader = threading.Thread(target=_collect, args=(process.stderr, errors, show), daemon=True)
        reader.start()
        lines: list[str] = []
        _collect(process.stdout, lines, show)
        process.wait()
        timer.cancel()
        reader.join(timeout=5)
    stdout = "".join(lines)
    if timed_out.is_set():
        raise LabError(f"{Path(argv[1]).name} did not end within {timeout:.0f} s; its last line: {why(stdout, '')}")
    return PlaybookResult(process.returncode, stdout, "".join(errors), parse_recap(stdout))


def _collect(stream: t.IO[str] | None, lines: list[str], show: bool) -> None:
    for line in stream or ():
        lines.append(line)
        if show:
            sys.stdout.write(line)
            sys.stdout.flush()
