# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a fleet: who was found how, and which silence has which cause."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.physical_ai.edge.plugins.plugin_utils import doctor

SILENT = {
    "unreachable": True,
    "msg": "Task failed: Failed to connect to the host via ssh: ssh: connect to host 10.0.0.1 port 22: timed out",
}
WELL = {"findings": [], "not_checked": [{"check": "gpu", "reason": "there is no GPU"}], "exit_code": 0}


def finding(severity: str = "failure") -> dict[str, str]:
    return {
        "check": "disk",
        "severity": severity,
        "where": "/",
        "found": "1 MiB free",
        "wanted": "256 MiB",
        "do": "df /",
    }


def sick(severity: str = "failure") -> dict[str, Any]:
    return {"findings": [finding(severity)], "not_checked": []}


def fleet(**results: Any) -> tuple[dict[str, Any], list[str]]:
    """gw and cam1, cam2 behind it, as far as they are given."""
    hostvars = {
        host: {"doctor_result": result, "edge_gateway": "gw", "edge_site": "kiruna"} for host, result in results.items()
    }
    return hostvars, list(results)


def test_a_healthy_fleet_is_one_line() -> None:
    found = doctor.report(*fleet(gw=WELL, cam1=WELL))
    assert (found["failures"], found["warnings"], found["exit_code"]) == ([], [], 0)
    assert found["lines"] == ["doctor: nothing found, 2 of 2 nodes looked at"]
    assert found["not_checked"]["cam1"] == WELL["not_checked"]
    json.dumps(found)


@pytest.mark.parametrize(("severity", "code"), [("warning", 1), ("failure", 2)])
def test_a_finding_has_a_row_and_what_to_do(severity: str, code: int) -> None:
    found = doctor.report(*fleet(gw=WELL, cam1=sick(severity)))
    assert found["exit_code"] == code
    assert found["hosts"] == {"gw": "healthy", "cam1": severity}
    assert found[severity + "s"] == [{"host": "cam1", **finding(severity)}]
    head, row, do, verdict = found["lines"]
    assert head.split() == ["HOST", "CHECK", "FOUND"]
    assert row.split() == ["cam1", "disk", severity, "/:", "1", "MiB", "free", "(wanted:", "256", "MiB)"]
    assert do.strip() == "-> df /"
    assert verdict.endswith("2 of 2 nodes looked at")


def test_a_silent_gateway_is_the_cause_of_what_is_silent_behind_it() -> None:
    (only,) = doctor.report(*fleet(gw=SILENT, cam1=SILENT, cam2=SILENT))["failures"]
    assert (only["check"], only["host"], only["where"]) == ("gateway", "gw", "kiruna")
    assert only["found"] == (
        "the gateway of kiruna is unreachable; behind it: cam1, cam2 (host 10.0.0.1 port 22: timed out)"
    )


def test_a_silent_node_behind_a_gateway_that_answers_is_its_own_cause() -> None:
    (only,) = doctor.report(*fleet(gw=WELL, cam1=SILENT))["failures"]
    assert (only["check"], only["host"]) == ("reachable", "cam1")
    assert "its gateway gw answers" in only["do"]


def test_a_gateway_that_was_not_asked_is_named() -> None:
    (only,) = doctor.report(*fleet(cam1=SILENT))["failures"]
    assert "its gateway gw was not asked" in only["do"]


def test_a_node_without_a_gateway_is_no_puzzle() -> None:
    (only,) = doctor.report({"n": {"doctor_result": SILENT}}, ["n"])["failures"]
    assert only["do"] == "check its power and its cable"


@pytest.mark.parametrize(
    ("result", "state", "words"),
    [
        ({"failed": True, "msg": "Task failed: Missing sudo password"}, "unknown", "Missing sudo password"),
        ({"failed": True, "timedout": {"period": 120}}, "unreachable", "did not answer in time"),
        ({"unreachable": True}, "unreachable", "no connection"),
        (None, "unknown", "no result"),
        ("nonsense", "unknown", "no result"),
    ],
)
def test_a_node_that_was_not_looked_at_is_a_failure(result: Any, state: str, words: str) -> None:
    found = doctor.report({"n": {"doctor_result": result}}, ["n"])
    assert (found["hosts"], found["exit_code"]) == ({"n": state}, 2)
    assert words in found["failures"][0]["found"]
    assert found["lines"][-1].endswith("0 of 1 nodes looked at")
