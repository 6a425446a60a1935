# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short table at the end of the demo. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.lab import traffic
from tests.lab.demo.record import BAD, GOOD, Outcome, Record, checks, seen_in
from tests.lab.demo.templating import seconds
from tests.lab.traffic import Answer

HEAD = ("NODE", "RUNS", "UPDATE TO V2", "GAP", "V3", "WAY BACK", "WITHOUT V2", "WRONG ANSWERS")


def rows(record: Record, answers: Sequence[Answer]) -> Iterator[tuple[str, ...]]:
    for node in record.nodes:
        good, bad = (node.outcomes.get(key, Outcome("not tried")) for key in (GOOD, BAD))
        at_good, at_bad = (seen_in(record, answers, node.name, key) for key in (GOOD, BAD))
        yield (
            node.name,
            node.version or "nothing",
            good.name,
            seconds(at_good.gap if at_good else None),
            bad.name,
            seconds(bad.revert),
            seconds(at_bad.disturbed if at_bad else None),
            str(at_bad.wrong) if at_bad else "-",
        )


def aligned(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def text(record: Record, answers: Sequence[Answer]) -> str:
    lines = list(aligned([HEAD, *rows(record, answers)]))
    lines.append("(gap, without v2: as clients saw it; way back: from the failed probe to v2 healthy)\n")
    for version, tally in traffic.accuracy_by_version(answers).items():
        lines.append(f"{version}: {tally.accuracy:.1%} of {tally.answers} answers right")
    spread = traffic.latencies(answers)
    if spread is not None:
        failed = sum(not answer.ok for answer in answers)
        lines.append(
            f"{len(answers)} requests, {failed} failed; latency p50 {spread.p50 * 1000:.1f} ms, "
            f"p95 {spread.p95 * 1000:.1f} ms, p99 {spread.p99 * 1000:.1f} ms"
        )
    lines.append("")
    lines += [f"{'yes' if check.ok else 'NO '}  {check.text}" for check in checks(record, answers)]
    return "\n".join(lines)
