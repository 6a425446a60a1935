# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs where: the state of each workload, of nodes that answer and of those that do not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.plugin_utils import fleet_view
from tests.unit.plugins.plugin_utils.statuses import DIGEST, SILENT, refusal, running, status, tenant, version, workload

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HELD = {"class": "held", "release": "3.0", "msg": "quality is held"}
REFUSED = {"class": "refused", "release": "3.0", "msg": "it failed here before"}


def fleet(**results: Any) -> tuple[dict[str, Any], list[str]]:
    hostvars = {
        host: {"status_result": result, "edge_site": "kiruna", "edge_ring": "canary"}
        for host, result in results.items()
    }
    return hostvars, list(results)


def only(result: Any, collected: dict[str, Any] | None = None) -> dict[str, Any]:
    (row,) = fleet_view.view(*fleet(cam1=result), collected={"cam1": collected or {}}, now=NOW)["rows"]
    return row


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        (running(), "running", ""),
        (status(quality=tenant(app=workload(running=False))), "NOT RUNNING", "edge logs quality/app"),
        (status(quality=tenant(app=workload(running=None)), engine="docker is down"), "unknown", "engine: docker is down"),
        (status(quality=tenant(app=workload()), holds=[{"scope": "all", "who": "eva", "reason": "shift 2"}]), "held", "by eva: shift 2"),
        (status(quality=tenant(app=workload()), holds=[{"scope": "quality/app", "who": "eva", "reason": ""}]), "held", "by eva"),
        (status(quality=tenant(app=workload()), holds=[{"scope": "quality/other", "who": "eva", "reason": ""}]), "running", ""),
        (status(quality=tenant(app=workload()), change={"id": "x", "tenant": "quality", "release": "3.0", "step": "fetch"}),
         "under way", "release 3.0, at step fetch"),
        (status(quality=tenant(app=workload()), change={"id": "x", "tenant": "vision", "release": "3.0", "step": "fetch"}), "running", ""),
        ({**status(quality=tenant(app=workload())), "changes": [
            {"tenant": "vision", "release": "3.0", "step": "fetch"}, {"tenant": "quality", "release": "2.0", "step": "hold"}]},
         "under way", "release 2.0, at step hold"),
        (status(quality=tenant(REFUSED, app=workload(refused=[refusal("3.0")]))), "refused", "release 3.0 (probe): answered wrong"),
        # What was refused once and is not wanted any more is no state of now.
        (status(quality=tenant(app=workload(refused=[refusal("1.5")]))), "running", ""),
        (status(quality=tenant(HELD, app=workload())), "pending", "quality is held"),
        (status(quality=tenant({}, app=workload(current=None, previous=None, running=False))), "pending", "never ran"),
        (status(quality=tenant({**REFUSED, "workloads": {"app": {"class": "unchanged"}}}, app=workload())), "running", ""),
        ({"installed": False, "engine": "unknown", "tenants": {}, "holds": [], "change": None}, "not provisioned", "provision"),
        (status(), "nothing deployed", ""),
        (status(quality=tenant({"class": "refused", "msg": "no room", "release": "1.0"})), "nothing deployed", "no room"),
        ({"failed": True, "msg": "boom"}, "unknown", "never collected; boom"),
        (None, "unknown", "it was not asked"),
        (SILENT, "offline", "never collected; host 10.0.0.1 port 22: timed out"),
        # What is wrong now goes before what is wanted next.
        (status(quality=tenant(HELD, app=workload(running=False)), holds=[{"scope": "all"}]), "NOT RUNNING", ""),
    ],
)  # fmt: skip
def test_state(found: Any, state: str, words: str) -> None:
    row = only(found)
    assert row["state"] == state and words in row["note"]
    assert state in fleet_view.STATES


def test_a_row_says_what_runs_since_which_change_and_where() -> None:
    row = only(running())
    expected = {
        "site": "kiruna",
        "ring": "canary",
        "host": "cam1",
        "tenant": "quality",
        "workload": "app",
        "release": "2.0",
    }
    assert {key: row[key] for key in expected} == expected
    assert (row["digest"], row["outcome"], row["age_seconds"]) == ("3c4f1ae7b3f1", "success", 0)
    mixed = tenant({"class": "reverted", "workloads": {"app": {"class": "unchanged"}}}, app=workload())
    assert only(status(quality=mixed))["outcome"] == "unchanged"


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (
            {"start": "20:00", "duration": "2h"},
            "quality is held; the swap window opens Wed 25 Nov 20:00 Europe/Stockholm",
        ),
        # Open now, or nobody gave one.
        ({"start": "12:30", "duration": "2h"}, "quality is held"),
        ({}, "quality is held"),
        ({"start": "soon"}, "quality is held; the swap window opens the inventory"),
    ],
)
def test_what_is_pending_says_when_the_window_of_its_site_opens(window: Any, words: str) -> None:
    hostvars, hosts = fleet(cam1=status(quality=tenant(HELD, app=workload())), cam2=running())
    for host in hosts:
        hostvars[host].update(edge_swap_window=window, edge_timezone="Europe/Stockholm")
    pending, other = fleet_view.view(hostvars, hosts, {}, NOW)["rows"]
    assert pending["note"].startswith(words) and other["note"] == ""


def test_of_a_node_that_is_offline_the_last_known_rows_are_shown_with_their_age() -> None:
    collected = {"time": (NOW - timedelta(hours=3, minutes=12)).isoformat(), "status": fleet_view.brief(running())}
    row = only(SILENT, collected)
    assert (row["state"], row["was"], row["release"], row["age_seconds"]) == ("offline", "running", "2.0", 11520)
    assert row["note"].startswith("last known: running; host 10.0.0.1")
    assert "  3h 12m  " in fleet_view.view(*fleet(cam1=SILENT), collected={"cam1": collected}, now=NOW)["lines"][1]


def test_what_was_collected_of_a_node_that_answers_is_not_shown() -> None:
    collected = {"time": NOW.isoformat(), "status": fleet_view.brief(status(old=tenant(app=workload())))}
    assert only(running(), collected)["tenant"] == "quality"


def test_the_table_and_the_counts_agree() -> None:
    found = fleet_view.view(
        *fleet(cam2=running(), cam1=SILENT, cam3={"failed": True, "msg": "x"}), collected={}, now=NOW
    )
    assert [row["host"] for row in found["rows"]] == ["cam1", "cam2", "cam3"]
    head, *rows, verdict = found["lines"]
    assert head.split()[:3] == ["SITE", "RING", "HOST"] and len(rows) == 3
    assert rows[1].split() == [
        "kiruna",
        "canary",
        "cam2",
        "quality/app",
        "2.0",
        "3c4f1ae7b3f1",
        "running",
        "success",
        "now",
    ]
    assert verdict == (
        "fleet: 3 nodes at 1 sites (1 answered, 1 offline, 1 unknown); workloads: 1 unknown, 1 offline, 1 running"
    )
    assert (found["schema"], found["time"]) == (1, "2026-11-25T12:00:00Z")
    json.dumps(found)


def test_what_is_kept_has_no_log_lines_and_reads_as_it_was() -> None:
    found = fleet_view.brief(status(quality=tenant(REFUSED, app=workload(refused=[refusal("3.0")]))))
    assert "hunter2" not in json.dumps(found)
    assert fleet_view.brief(json.loads(json.dumps(found)))["tenants"]["quality"]["workloads"]["app"]["current"] == {
        "release": "2.0",
        "digest": DIGEST,
    }
    assert next(iter(fleet_view.workloads(found)))["state"] == "refused"


def test_a_terminal_obeys_nothing_of_a_node() -> None:
    row = only(
        status(
            quality=tenant({"class": "held", "msg": "a\x1b[2J\nb\u202e"}, app=workload(current=version("\x1b]0;x\x07")))
        )
    )
    assert row["note"] == "a?[2J b?" and row["release"] == "?]0;x?"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["current", "last", "workloads", "app", "refused", "release", "class"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    st.fixed_dictionaries({"tenants": ANYTHING, "holds": ANYTHING, "change": ANYTHING, "engine": ANYTHING}), ANYTHING
)
def test_whatever_a_node_returns_has_rows(result: Any, collected: Any) -> None:
    found = fleet_view.view(
        *fleet(cam1=result, cam2=SILENT), collected={"cam1": collected, "cam2": {"status": result}}, now=NOW
    )
    assert {row["host"] for row in found["rows"]} == {"cam1", "cam2"}
    json.dumps(found)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "-"), (0, "now"), (59, "59s"), (60, "1m"), (3599, "59m"), (11520, "3h 12m"), (187200, "2d 4h")],
)
def test_age(seconds: int | None, words: str) -> None:
    assert fleet_view.age_text(seconds) == words
