# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.lab.plan import LabError
from tests.lab.playbook import command, parse_recap, run, why

OUTPUT = """
TASK [Show the words PLAY RECAP] ***
ok: [kiruna-gw01]

PLAY RECAP *********************************************************************
kiruna-gw01                : ok=3    changed=1    unreachable=0    failed=0    skipped=2    rescued=0    ignored=0
lulea-cam01                : ok=0    changed=0    unreachable=1    failed=2    skipped=0    rescued=0    ignored=0

"""


def test_recap() -> None:
    stats = parse_recap(OUTPUT)
    assert stats["kiruna-gw01"] == {
        "ok": 3,
        "changed": 1,
        "unreachable": 0,
        "failures": 0,
        "skipped": 2,
        "rescued": 0,
        "ignored": 0,
    }
    assert (stats["lulea-cam01"]["unreachable"], stats["lulea-cam01"]["failures"]) == (1, 2)


def test_no_recap_is_no_host() -> None:
    assert parse_recap("kiruna-gw01 : ok=3 changed=1\n") == {}


@pytest.mark.parametrize(
    ("stdout", "stderr", "line"),
    [
        ("ok: [a]\nfatal: [a]: FAILED! => no\nlast\n", "", "fatal: [a]: FAILED! => no"),
        ("", "[ERROR]: the playbook could not be found\n", "[ERROR]: the playbook could not be found"),
        ("first\nlast\n", "", "last"),
        ("", "", "no output"),
    ],
)
def test_why(stdout: str, stderr: str, line: str) -> None:
    assert why(stdout, stderr) == line


def test_extra_vars_keep_their_types() -> None:
    argv = command(Path("/x/deploy.yml"), ["--check"], {"flag": False, "text": "a b"})
    assert argv[1:] == ["/x/deploy.yml", "--check", "--extra-vars", '{"flag": false, "text": "a b"}']


def test_a_run_is_collected(tmp_path: Path) -> None:
    script = f"import sys; print({OUTPUT!r}); print('hm', file=sys.stderr); sys.exit(4)"
    result = run([sys.executable, "-c", script], os.environ, tmp_path, timeout=30, show=False)
    assert (result.rc, result.changed, result.stderr) == (4, 1, "hm\n")
    assert set(result.stats) == {"kiruna-gw01", "lulea-cam01"}


def test_a_run_that_hangs_is_ended_with_its_last_line(tmp_path: Path) -> None:
    script = "import time; print('TASK [wait]', flush=True); time.sleep(60)"
    with pytest.raises(LabError, match=r"did not end within 1 s; its last line: TASK \[wait\]"):
        run([sys.executable, "-c", script], os.environ, tmp_path, timeout=1, show=False)
