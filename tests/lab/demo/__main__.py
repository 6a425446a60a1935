# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the demo."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.lab import Lab, LabError, cli
from tests.lab.demo import page, record, table
from tests.lab.demo.story import Story
from tests.lab.lab import default_name


def say(line: str) -> None:
    print(line, flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab.demo", description="Two sites, a good update, a bad one, two faults."
    )
    parser.add_argument("--name", default=default_name(), help="the lab to use (default: $EDGE_LAB, else edge)")
    parser.add_argument("--nodes", type=int, help="how many nodes a new lab gets (default: 4)")
    parser.add_argument("--rate", type=float, default=10.0, help="images a second to each node (default: 10)")
    parser.add_argument(
        "--pause", type=float, default=8.0, help="seconds of undisturbed service after each act (default: 8)"
    )
    parser.add_argument("--out", type=Path, help="folder for the page and the result (default: .lab/NAME/demo)")
    parser.add_argument("--down", action="store_true", help="remove everything that the demo made")
    return parser.parse_args(arguments)


def write(story: Story, folder: Path) -> Path:
    """result.json, answers.jsonl and index.html; returns the page."""
    answers = story.answers()
    folder.mkdir(parents=True, exist_ok=True)
    result = record.summary(story.record, answers)
    (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    lines = [
        json.dumps(answer.__dict__ | {"sent": round(answer.sent, 4), "latency": round(answer.latency, 6)})
        for answer in answers
    ]
    (folder / "answers.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    target = folder / "index.html"
    target.write_text(page.page(story.record, answers), encoding="utf-8")
    return target


def play(given: argparse.Namespace) -> int:
    begun = time.monotonic()
    lab = Lab.up(given.name, given.nodes)
    lab.heal()
    say(f"lab {lab.name}: {len(lab.nodes)} nodes at {len(lab.sites)} sites ({time.monotonic() - begun:.0f} s)")
    story = Story(lab, say, given.pause, given.rate)
    problem = ""
    try:
        story.play()
    except LabError as exc:
        problem = str(exc)
    target = write(story, given.out or lab.folder / "demo")
    say("\n" + table.text(story.record, story.answers()))
    say(f"\nthe page of this run: {target}")
    if problem:
        print(f"demo: {problem}", file=sys.stderr)
    good = all(check.ok for check in record.checks(story.record, story.answers()))
    return 0 if good and not problem else 1


def main(arguments: Sequence[str] | None = None) -> int:
    given = parse(arguments)
    try:
        if given.down:
            return cli.main(["--name", given.name, "down", "--images", "--engine"])
        return play(given)
    except LabError as exc:
        print(f"demo: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted; run it again to go on, or with --down to remove everything", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
