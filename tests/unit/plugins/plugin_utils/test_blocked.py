# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of who is cut off, and what the playbook block says of what it did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.physical_ai.edge.plugins.plugin_utils import blocked
from ansible_collections.physical_ai.edge.plugins.plugin_utils.blocked import BlockedError

NOBODY = {"schema": 1}
CHANGE = {"state": "present", "reason": "stolen", "since": "2026-11-26"}


def record(**more: Any) -> dict[str, Any]:
    return blocked.changed(NOBODY, {**CHANGE, **more})


def test_a_node_a_site_and_a_tenant() -> None:
    found = record(node="kiruna-cam01")
    found = blocked.changed(found, {**CHANGE, "site": "narvik", "reason": "closed"})
    found = blocked.changed(found, {**CHANGE, "tenant": "quality", "hosts": ["kiruna-cam02"], "reason": "unpaid"})
    cam1, cam2 = (blocked.of(blocked.check("x", found), f"kiruna-cam0{number}", "kiruna") for number in (1, 2))
    assert (cam1["reason"], cam1["tenants"]) == ("blocked: stolen", {})
    assert (cam2["reason"], cam2["tenants"]) == ("", {"quality": "unpaid"})
    assert cam2["certificates"] == [{"node": "kiruna-cam01"}, {"node": "kiruna-cam02", "tenant": "quality"}]
    box = blocked.of(blocked.check("x", found), "narvik-box01", "narvik")
    assert (box["reason"], box["site"]) == ("its site narvik is blocked: closed", "closed")


def test_the_day_of_a_block_stays_and_it_ends() -> None:
    found = blocked.changed(record(node="a"), {**CHANGE, "node": "a", "reason": "sold", "since": "2027-01-01"})
    assert found["nodes"] == {"a": {"reason": "sold", "since": "2026-11-26"}}
    assert blocked.changed(found, {"node": "a", "state": "absent"}) == NOBODY
    assert blocked.changed(NOBODY, {"node": "a", "state": "absent"}) == NOBODY
    some = record(tenant="quality", hosts=["a", "b"])
    left = blocked.changed(some, {"tenant": "quality", "hosts": ["a"], "state": "absent"})
    assert list(left["tenants"]["quality"]) == ["b"]
    assert blocked.changed(left, {"tenant": "quality", "hosts": ["b"], "state": "absent"}) == NOBODY


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "blocked.yml"
    variables = {"inventory_dir": str(tmp_path), "inventory_hostname": "a", "edge_site": "kiruna"}
    assert blocked.path(variables) == str(file) and blocked.found(variables) == {"reason": "", "tenants": {}}
    file.write_text(yaml.safe_dump(record(node="a")), encoding="utf-8")
    assert blocked.found(variables)["reason"] == "blocked: stolen"
    file.write_text(yaml.safe_dump(record(node="another")), encoding="utf-8")
    assert blocked.found(variables)["reason"] == ""
    assert blocked.found({"inventory_hostname": "a"})["reason"] == "", "an inventory without a folder has no record"
    assert blocked.path({**variables, "edge_blocked_file": "/x/y.yml"}) == "/x/y.yml"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nodes: [", "cannot be read, so nobody knows who is blocked"),
        ("[]", "wanted a mapping with schema 1"),
        ("{schema: 2}", "wanted a mapping with schema 1"),
        ("{schema: 1, hosts: {}}", "wanted a mapping with schema 1"),
        ("{schema: 1, nodes: [a]}", "nodes: found list"),
        ("{schema: 1, nodes: {a: stolen}}", "nodes.a: wanted a mapping with a reason"),
        ("{schema: 1, tenants: {q: {a: {}}}}", "tenants.q.a: wanted a mapping with a reason"),
    ],
)
def test_a_record_that_cannot_be_understood_is_no_empty_one(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "blocked.yml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BlockedError) as caught:
        blocked.read(str(file))
    assert words in str(caught.value) and "\n" not in str(caught.value)


# -- the report

HOSTS = ["gw", "cam1", "cam2"]


def variables(**more: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {host: {"edge_site": "kiruna", **more.get(host, {})} for host in HOSTS}
    found["gw"].setdefault("block_authority_here", "gw")
    return found


def report(change: dict[str, Any], **more: dict[str, Any]) -> tuple[list[str], list[str]]:
    whole = {"file": "blocked.yml", "state": "present", "sites": ["kiruna"], **change}
    found = blocked.report(variables(**more), HOSTS, whole)
    return found["lines"], found["waiting"]


REVOKED = {"diff": [{"after_header": "revoked", "after": "cam1/node 0A\n"}, {"after_header": "crl.pem", "after": "x"}]}


def test_all_was_done() -> None:
    lines, waiting = report(
        {"hosts": ["cam1"], "node": "cam1"},
        cam1={"block_result": {"msg": "all tenants: blocked"}},
        gw={"block_authority": REVOKED, "block_told": {"changed": True}},
        cam2={"block_told": {"changed": False}},
    )
    assert not waiting and lines[-1] == "done everywhere"
    assert [line.split()[:3] for line in lines[1:-1]] == [
        ["record", "blocked.yml", "done"],
        ["node", "cam1", "done"],
        ["issuing", "CA", "kiruna"],
        ["list", "gw", "done"],
        ["list", "cam2", "done"],
    ]
    assert "revoked: cam1/node 0A" in lines[3]


def test_what_cannot_be_reached_waits() -> None:
    lines, waiting = report(
        {"hosts": ["cam1"], "node": "cam1"},
        cam1={"block_result": {"unreachable": True}},
        gw={"block_authority": {"unreachable": True}},
    )
    assert waiting == ["node cam1", "issuing CA kiruna", "list gw", "list cam2"]
    assert lines[-1] == "4 of 5 wait: node cam1, issuing CA kiruna, list gw, list cam2"


def test_the_gateway_itself_cannot_revoke_itself() -> None:
    lines, waiting = report(
        {"hosts": ["gw"], "node": "gw"},
        gw={"block_result": {"msg": "blocked"}},
        cam1={"block_told": {"changed": True}},
        cam2={"block_told": {"changed": True}},
    )
    assert waiting == ["issuing CA kiruna"] and any("cut the site off too (block_site)" in line for line in lines)


def test_a_site() -> None:
    told = {"block_told": {}, "__site_ca_told": {"changed": True}, "__site_ca_every": {}}
    lines, waiting = report(
        {"hosts": [], "site": "kiruna"}, gw=told, cam1=told, cam2={**told, "__site_ca_told": {"unreachable": True}}
    )
    assert waiting == ["list cam2"] and "the root revoked it" in lines[2]
