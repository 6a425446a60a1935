# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""10,000 nodes in 300 sites: reading the fleet file takes at most 1.5 times what the same inventory takes as plain YAML."""

from __future__ import annotations

import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from tests.tools.sync import BUILD
from tests.unit.plugins.inventory.test_sites import run

SITES, NODES, RUNS, MOST = 300, 10_000, 3, 1.5


def seconds(inventory: Path) -> float:
    began = time.monotonic()
    done = run("ansible-inventory", inventory, "--list")
    assert done.returncode == 0, done.stderr[-500:]
    return time.monotonic() - began


@pytest.mark.bench
def test_a_large_fleet_is_read_nearly_as_fast_as_plain_yaml(tmp_path: Path, figure: t.Callable[[str], None]) -> None:
    generator = BUILD / "ansible_collections/physical_ai/edge/inventories/example/generate.py"
    fleet, plain = tmp_path / "big.fleet.yml", tmp_path / "plain.yml"
    argv = [sys.executable, str(generator), str(SITES), str(NODES)]
    fleet.write_text(subprocess.run(argv, capture_output=True, text=True, check=True).stdout, encoding="utf-8")
    exported = run("ansible-inventory", fleet, "--list", "--yaml", "--export")
    plain.write_text(exported.stdout, encoding="utf-8")
    pairs = [(seconds(fleet), seconds(plain)) for _run in range(RUNS)]
    ours, theirs = (min(pair[column] for pair in pairs) for column in (0, 1))
    figure(
        f"{NODES} nodes in {SITES} sites: {ours:.1f} s, as plain YAML {theirs:.1f} s, ratio {ours / theirs:.2f} (most {MOST})"
    )
    assert ours <= MOST * theirs
