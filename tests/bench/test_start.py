# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`edge` starts in a few times of what python3 needs by itself: no byte code of it is kept, so each start compiles what it imports."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._node import pack
from tests.tools import setup

RUNS = 20
BARE = ["-c", "import argparse, json"]
# When every start imported the whole program, each of them took 17 times as long as the bare start on Python 3.8, and 25 times on 3.11.
MOST = {"--help": 8.0, "status": 9.0, "ledger": 8.0, "certificates": 14.0, "apply": 23.0}


def seconds(python: str, arguments: t.Sequence[str]) -> float:
    """Of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([python, *arguments], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.bench
@pytest.mark.parametrize("which", ["this", "oldest"])
def test_a_start_costs_little_more_than_what_its_command_needs(
    tmp_path: Path, figure: t.Callable[[str], None], which: str
) -> None:
    python = sys.executable if which == "this" else setup.oldest()
    if python is None:
        pytest.skip("no Python 3.8 to 3.10 found on PATH or in pyenv")
    program = tmp_path / "edge"
    program.write_bytes(pack.build())
    commands = {name: [str(program), *dict.fromkeys((name, "--help"))] for name in MOST}
    rounds = [
        {name: seconds(str(python), argv) for name, argv in {"bare": BARE, **commands}.items()} for _run in range(RUNS)
    ]
    took = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    ratios = {name: took[name] / took["bare"] for name in MOST}
    shown = [f"{name} {took[name] * 1000:.0f} ms, ratio {ratios[name]:.1f} (most {MOST[name]:.0f})" for name in MOST]
    figure(f"python3 by itself {took['bare'] * 1000:.0f} ms; edge {'; '.join(shown)}")
    assert {name: ratio for name, ratio in ratios.items() if ratio > MOST[name]} == {}
