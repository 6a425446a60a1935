# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.tools import check
from tests.tools.check import Counts


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "STAGES", {"one": lambda: Counts(3, 0, 1), "two": lambda: Counts(4, 1, 0)})


@pytest.mark.usefixtures("stages")
def test_the_last_line_is_the_sum_of_the_stages(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.run_stages(["one", "two"]).failed == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "7 passed, 1 failed, 1 skipped"
    assert [line for line in lines if line.startswith("====")] == [
        "==== one ====",
        "==== one: 3 passed, 0 failed, 1 skipped (0:00) ====",
        "==== two ====",
        "==== two: 4 passed, 1 failed, 0 skipped (0:00) ====",
    ]


@pytest.mark.parametrize(
    ("program", "counts"), [("true", Counts(passed=1)), ("false", Counts(failed=1, reasons=["it"]))]
)
def test_a_program_counts_as_one(program: str, counts: Counts) -> None:
    assert check.tool("it", [program]) == counts


def test_a_pytest_that_breaks_is_a_failure(tmp_path: Path) -> None:
    assert check.pytest([str(tmp_path / "missing")]).failed == 1


def test_a_pytest_without_a_test_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "test_none.py").write_text("", encoding="utf-8")
    assert check.pytest([str(tmp_path)]).failed == 1


def test_settings_of_the_user_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "minimal")
    monkeypatch.setenv("EDGE_LAB", "other")
    env = check.environment()
    assert "ANSIBLE_STDOUT_CALLBACK" not in env
    assert env["EDGE_LAB"] == "other"
    assert env["PATH"].split(os.pathsep)[0] == str(check.BIN)
