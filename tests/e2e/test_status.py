# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs where is shown also with a site cut off, and what was collected is the same when it is collected again."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from tests.e2e.deploying import Both, Tenant, push

if t.TYPE_CHECKING:
    from tests.lab import Lab
    from tests.lab.playbook import PlaybookResult

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def tenants(provisioned_lab: Lab) -> t.Iterator[list[Tenant]]:
    """A tenant with a workload on every node."""
    images = push(provisioned_lab, "ok-1", "ok-2")
    found = [Tenant(node, "seen", images, 18640) for node in provisioned_lab.nodes.values()]
    everywhere = Both(*found)
    everywhere(lambda tenant: tenant.run(tenant.workload("ok-1"), release="1.0"))
    yield found
    provisioned_lab.heal()
    everywhere(Tenant.wipe)


def play(lab: Lab, name: str, **extra: t.Any) -> tuple[PlaybookResult, t.Any]:
    result = lab.playbook(f"playbooks/{name}.yml", extra_vars=extra)
    _head, _mark, shown = result.stdout.rpartition('"msg": ')
    return result, json.JSONDecoder().raw_decode(shown)[0]


def ledgers(folder: Path) -> dict[str, str]:
    return {path.parent.name: path.read_text(encoding="utf-8") for path in folder.glob("*/ledger.jsonl")}


def test_a_site_that_is_cut_off_is_shown_as_it_was_collected_last(
    provisioned_lab: Lab, tenants: list[Tenant], tmp_path: Path
) -> None:
    lab, where = provisioned_lab, tmp_path / "fleet-ledger"
    play(lab, "collect", collect_to=str(where))
    site = sorted(lab.sites)[-1]
    away = {tenant.node.name for tenant in tenants if tenant.node.site == site}
    lab.cut(site)
    try:
        target = tmp_path / "status.json"
        _result, lines = play(lab, "status", collect_to=str(where))
        play(lab, "status", collect_to=str(where), status_output="json", status_to=str(target))
        page = tmp_path / "fleet.html"
        play(lab, "status", collect_to=str(where), status_output="html", status_to=str(page))
        _result, said = play(lab, "collect", collect_to=str(where))
    finally:
        lab.restore(site)
    found = json.loads(target.read_text(encoding="utf-8"))
    rows = {row["host"]: row for row in found["rows"] if row["tenant"] == "seen"}
    assert set(rows) == set(lab.nodes)
    for host, row in rows.items():
        assert row["release"] == "1.0" and len(row["digest"]) == 12
        if host in away:
            assert (row["state"], row["was"]) == ("offline", "running") and row["age_seconds"] > 0
        else:
            assert (row["state"], row["outcome"], row["age_seconds"]) == ("running", "success", 0)
    assert f"{len(away)} offline" in lines[-1]
    assert sum("unreachable" in line for line in said) == len(away)
    html = page.read_text(encoding="utf-8")
    assert all(host in html for host in lab.nodes)


def test_what_is_thrown_away_is_collected_again_as_it_was(
    provisioned_lab: Lab, tenants: list[Tenant], tmp_path: Path
) -> None:
    lab, where = provisioned_lab, tmp_path / "fleet-ledger"
    play(lab, "collect", collect_to=str(where))
    Both(*tenants)(lambda tenant: tenant.run(tenant.workload("ok-2"), release="2.0"))
    _result, said = play(lab, "collect", collect_to=str(where))
    assert said[-1].startswith(f"collected {len(tenants)} new entries of {len(tenants)} of {len(tenants)} nodes")
    result, said = play(lab, "collect", collect_to=str(where))
    assert result.changed == 0 and said[-1].startswith("collected 0 new entries")
    again = tmp_path / "again"
    play(lab, "collect", collect_to=str(again))
    assert ledgers(again) == ledgers(where)
    for tenant in tenants:
        at_the_node = tenant.node.exec(["cat", "/var/lib/physical-ai/ledger.jsonl"]).stdout
        assert ledgers(where)[tenant.node.name] == at_the_node


def test_a_node_that_begins_a_new_ledger_keeps_its_old_one_here(
    provisioned_lab: Lab, tenants: list[Tenant], tmp_path: Path
) -> None:
    lab, where, tenant = provisioned_lab, tmp_path / "fleet-ledger", tenants[0]
    play(lab, "collect", collect_to=str(where))
    old = ledgers(where)[tenant.node.name]
    node = tenant.node
    node.exec("mv /var/lib/physical-ai/ledger.jsonl /root/ledger.before")
    try:
        _result, said = play(lab, "collect", collect_to=str(where))
        assert any(line.startswith(f"{node.name}: the node has begun a new ledger") for line in said)
        assert (where / node.name / "ledger-1.jsonl").read_text(encoding="utf-8") == old
    finally:
        node.exec("mv /root/ledger.before /var/lib/physical-ai/ledger.jsonl")
