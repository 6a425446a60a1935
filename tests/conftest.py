# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every test gets: the collection on the import path, and figures for what must be shown.

Runs on Python 3.8 too, where the code of managed nodes is tested as JetPack 5 has it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from hypothesis import settings

from tests.tools import must_show
from tests.tools.sync import BUILD, sync

if sys.version_info >= (3, 11) and Path(__file__).with_name("lab").joinpath("fixtures.py").exists():
    pytest_plugins = ["tests.lab.fixtures"]

# A busy machine is no failure of the code under test.
settings.register_profile("edge", deadline=None)
settings.load_profile("edge")

LISTED = pytest.StashKey[dict]()
FIGURE = "figure"
ITEMS = "must_show"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("physical_ai.edge")
    group.addoption("--must-show", metavar="PART", help="run only what shows the items of this part, the long way")
    group.addoption("--counts", metavar="FILE", help="write how many tests passed, failed and were skipped, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LISTED] = must_show.parts()
    if config.getoption("--must-show") and config.getoption("--must-show") not in config.stash[LISTED]:
        raise pytest.UsageError(
            "--must-show: no part {!r} in tests/must_show.yml".format(config.getoption("--must-show"))
        )
    if not hasattr(config, "workerinput"):  # the workers of xdist share the copy that their parent made
        sync()
    sys.path.insert(0, str(BUILD))
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(BUILD)


def keys(item: pytest.Item) -> list[str]:
    return [str(key) for mark in item.iter_markers("must_show") for key in mark.args]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    part = config.getoption("--must-show")
    for item in items:
        for key in keys(item):
            try:
                must_show.check_key(key, config.stash[LISTED])
            except ValueError as exc:
                raise pytest.UsageError(f"{item.nodeid}: {exc}") from None
            item.user_properties.append((ITEMS, key))
        if item.get_closest_marker("gpu") and not shutil.which("nvidia-smi"):
            item.add_marker(pytest.mark.skip(reason="no NVIDIA GPU here: nvidia-smi is not on PATH"))
    if part:
        chosen = [item for item in items if any(key.startswith(part) for key in keys(item))]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Record what was measured: shown beside the item that the test shows, and at the end of the run."""

    def record(text: str) -> None:
        request.node.user_properties.append((FIGURE, text))

    return record


@pytest.fixture(scope="session")
def long_run(request: pytest.FixtureRequest) -> bool:
    """Whether this run is to show an item in full (many repetitions), not to guard it (one of each kind)."""
    return bool(request.config.getoption("--must-show"))


def reports(terminalreporter: Any) -> Iterator[tuple[str, Any]]:
    """Each test once, with its outcome: an error in a fixture's setup or teardown is a failure."""
    outcome = {"passed": "passed", "failed": "failed", "error": "failed", "skipped": "skipped"}
    outcome.update({"xfailed": "skipped", "xpassed": "failed"})
    for word, result in outcome.items():
        for report in terminalreporter.stats.get(word, []):
            if hasattr(report, "user_properties"):
                yield result, report
            elif result == "failed":  # a file that could not be collected
                yield result, None


def reason(report: Any) -> str:
    """What failed in one line, short enough to stand in a list."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return " ".join((crash.message if crash else str(report.longrepr)).split())[:400]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> Iterator[None]:
    yield  # ours comes last
    counts: dict[str, Any] = {"passed": 0, "failed": 0, "skipped": 0, "reasons": []}
    shown: dict[str, must_show.Item] = {}
    for part in config.stash[LISTED]:
        shown.update(must_show.items(part, config.stash[LISTED]))
    for outcome, report in reports(terminalreporter):
        counts[outcome] += 1
        if report is None:
            continue
        if outcome == "failed":
            counts["reasons"].append(f"{report.nodeid}: {reason(report)}")
        figures = [str(value) for name, value in report.user_properties if name == FIGURE]
        marks = [str(value) for name, value in report.user_properties if name == ITEMS]
        for key in marks:
            shown[key].outcomes.append(outcome)
            shown[key].figures.extend(figures)
        if figures and not marks:
            terminalreporter.write_line("{}: {}".format(report.nodeid, "; ".join(figures)))
    counts["must_show"] = write_summary(terminalreporter, config, shown)
    if config.getoption("--counts"):
        Path(config.getoption("--counts")).write_text(json.dumps(counts), encoding="utf-8")


def write_summary(terminalreporter: Any, config: pytest.Config, shown: dict[str, must_show.Item]) -> str:
    """One line for each item that ran or was asked for; returns the closing line of a part."""
    part = config.getoption("--must-show")
    lines = [item for key, item in shown.items() if item.outcomes or (part and key.startswith(part))]
    if lines:
        terminalreporter.section("must show")
    for item in lines:
        terminalreporter.write_line(item.line())
    if not part:
        return ""
    closing = must_show.closing(part, lines)
    terminalreporter.write_line(closing)
    return closing


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    # No test is an answer too when a part is asked for: its items are listed as missing.
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.getoption("--must-show"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
