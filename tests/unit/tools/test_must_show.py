# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import must_show

LISTED = {"A": {1: "one", 2: "two", 3: "three", 4: "four"}}
TESTS = """
import pytest

@pytest.mark.must_show("A4")
def test_first(figure):
    figure("gap 2.1 s")

@pytest.mark.must_show("A4")
def test_second(figure, long_run):
    figure(f"long run {long_run}")

@pytest.mark.must_show("A8")
def test_needs_a_machine():
    pytest.skip("no qemu here")

@pytest.mark.must_show("A7")
def test_fails():
    assert 1 == 2

def test_of_nothing():
    pass
"""


def test_the_list_is_complete() -> None:
    listed = must_show.parts()
    assert list(listed["A"]) == list(range(1, 11))
    assert all(isinstance(words, str) and words for part in listed.values() for words in part.values())


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ([], "missing"),
        (["passed", "passed"], "passed"),
        (["passed", "skipped"], "skipped"),
        (["passed", "skipped", "failed"], "failed"),
    ],
)
def test_an_item_is_shown_only_when_all_its_tests_passed(outcomes: list[str], verdict: str) -> None:
    assert must_show.Item("A1", "one", outcomes).verdict == verdict


def test_closing_line() -> None:
    shown = must_show.items("A", LISTED)
    assert must_show.closing("A", shown.values()) == "must-show A: 0 passed, 0 failed, 0 skipped, 4 missing"
    for item in shown.values():
        item.outcomes.append("passed")
    assert must_show.closing("A", shown.values()) == "must-show A: 4 passed, 0 failed, 0 skipped"


@pytest.mark.parametrize("key", ["A5", "B1", "a1", "A", "4"])
def test_a_mark_that_names_nothing_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="no such item"):
        must_show.check_key(key, LISTED)


def run(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A pytest of its own, with our conftest as its plugin."""
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
    ]
    config = ["-c", str(must_show.LIST.parents[1] / "pyproject.toml")]
    return subprocess.run(
        [*command, *config, str(folder), *arguments],
        cwd=must_show.LIST.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_run_for_a_part_prints_each_item_with_its_figures(tmp_path: Path) -> None:
    done = run(tmp_path, TESTS, "--must-show", "A", "--counts", str(tmp_path / "counts"))
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.startswith("A")}
    assert lines["A4"].split()[1] == "passed"
    assert lines["A4"].endswith(": gap 2.1 s; long run True")
    assert lines["A7"].split()[1] == "failed"
    assert lines["A8"].split()[1] == "skipped"
    assert lines["A1"].split()[1] == "missing"
    assert "must-show A: 1 passed, 1 failed, 1 skipped, 7 missing" in done.stdout
    assert '"passed": 2, "failed": 1, "skipped": 1' in (tmp_path / "counts").read_text(encoding="utf-8")
    assert done.returncode == 1


def test_a_part_that_nothing_shows_fails(tmp_path: Path) -> None:
    done = run(tmp_path, "def test_of_nothing():\n    pass\n", "--must-show", "A")
    assert "must-show A: 0 passed, 0 failed, 0 skipped, 10 missing" in done.stdout
    assert done.returncode != 0


def test_a_mark_with_a_typing_mistake_stops_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, TESTS.replace("A8", "A88"))
    assert "must_show('A88'): no such item" in done.stdout + done.stderr
    assert done.returncode != 0
