# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory says of an issuing CA."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.physical_ai.edge.plugins.plugin_utils import site_ca
from ansible_collections.physical_ai.edge.plugins.plugin_utils.site_ca import SpecError

HOSTS: dict[str, dict[str, str]] = {
    "kiruna-gw01": {"edge_site": "kiruna", "edge_address": "10.20.1.2", "ansible_host": "203.0.113.7"},
    "kiruna-cam01": {"edge_site": "kiruna", "edge_address": "10.20.1.11", "ansible_host": "10.20.1.11"},
    "kiruna-legacy": {"edge_site": "kiruna", "ansible_host": "Cell7.kiruna.example.com"},
    "kiruna-here": {"edge_site": "kiruna", "ansible_host": "127.0.0.1"},
    "narvik-box01": {"edge_site": "narvik", "ansible_host": "10.30.1.5"},
    "elsewhere": {},
}
OPTIONS = {"site": "kiruna", "fleet": "acme", "suffixes": ["kiruna.acme.internal"], "networks": ["10.20.1.0/24"]}


def plan(**more: Any) -> dict[str, Any]:
    return site_ca.plan(HOSTS, HOSTS, {**OPTIONS, **more})


def names(found: dict[str, Any], host: str, certificate: str = "node") -> dict[str, Any]:
    return found["allowed"]["nodes"][host]["certificates"][certificate]


def test_names_come_from_the_inventory() -> None:
    found = plan()
    assert list(found["allowed"]["nodes"]) == ["kiruna-cam01", "kiruna-gw01", "kiruna-here", "kiruna-legacy"]
    assert names(found, "kiruna-gw01") == {
        "dns": ["kiruna-gw01.kiruna.acme.internal"],
        "ip": ["10.20.1.2", "203.0.113.7"],
        "uri": ["spiffe://acme/site/kiruna/node/kiruna-gw01"],
    }
    assert names(found, "kiruna-legacy")["dns"] == ["kiruna-legacy.kiruna.acme.internal", "cell7.kiruna.example.com"]
    assert names(found, "kiruna-here")["ip"] == []
    assert found["definition"] == {
        "site": "kiruna",
        "dns": ["cell7.kiruna.example.com", "kiruna.acme.internal"],
        "ip": ["10.20.1.0/24", "203.0.113.7/32"],
        "uri": ["acme"],
        "curve": "P-256",
    }


def test_another_node_inside_the_site_changes_no_bounds() -> None:
    more = {**HOSTS, "kiruna-cam02": {"edge_site": "kiruna", "edge_address": "10.20.1.12"}}
    assert site_ca.plan(more, more, OPTIONS)["definition"] == plan()["definition"]


def test_workloads_more_names_and_blocked_hosts() -> None:
    found = plan(
        certificates=[
            {"name": "quality.inspection", "hosts": ["kiruna-cam01", "narvik-box01"], "dns": ["x.example.com"]},
            {"name": "node", "hosts": ["kiruna-gw01"], "dns": ["registry.kiruna.acme.internal"]},
            {"name": "quality.all"},
        ],
        blocked=["kiruna-legacy"],
    )
    uri = "spiffe://acme/site/kiruna/node/kiruna-cam01/tenant/quality/workload/inspection"
    assert names(found, "kiruna-cam01", "quality.inspection") == {"dns": ["x.example.com"], "ip": [], "uri": [uri]}
    assert "registry.kiruna.acme.internal" in names(found, "kiruna-gw01")["dns"]
    assert all("quality.all" in entry["certificates"] for entry in found["allowed"]["nodes"].values())
    assert [host for host, entry in found["allowed"]["nodes"].items() if entry["blocked"]] == ["kiruna-legacy"]
    assert found["definition"]["dns"] == ["cell7.kiruna.example.com", "kiruna.acme.internal", "x.example.com"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"certificates": [{"name": "quality.x", "hosts": ["kiruna-cam1"]}]}, "Did you mean 'kiruna-cam01'?"),
        ({"certificates": [{"name": "odd name"}]}, "'node' or TENANT.WORKLOAD"),
        ({"certificates": [{"name": "node", "hosts": ["kiruna-cam01"], "ip": ["10.20.1.2"]}]}, "is a name of kiruna-"),
        ({"suffixes": []}, "a list of at least 1"),
        ({"networks": ["10.20.1.1/24"]}, "without bits behind its mask"),
        ({"fleet": "my fleet"}, "site_ca.fleet: found 'my fleet'"),
    ],
)
def test_a_mistake_is_one_line(more: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        plan(**more)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def request() -> dict[str, Any]:
    """What community.crypto.openssl_csr_info finds in a good request."""
    return {
        "signature_valid": True,
        "subject_ordered": [["commonName", "kiruna issuing CA 0a1b2c3d"]],
        "basic_constraints": ["CA:TRUE", "pathlen:0"],
        "key_usage": ["CRL Sign", "Certificate Sign"],
        "name_constraints_permitted": [
            *["DNS:cell7.kiruna.example.com", "DNS:kiruna.acme.internal", "IP:10.20.1.0/24", "IP:203.0.113.7/32"],
            "URI:acme",
        ],
        "name_constraints_excluded": None,
        "name_constraints_critical": True,
        "extensions_by_oid": dict.fromkeys(["2.5.29.14", "2.5.29.15", "2.5.29.19", "2.5.29.30"]),
        "public_key_type": "ECC",
    }


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"signature_valid": False}, "its signature"),
        ({"subject_ordered": [["commonName", "narvik issuing CA 0a1b2c3d"]]}, "its subject"),
        ({"basic_constraints": ["CA:TRUE"]}, "basicConstraints"),
        ({"key_usage": ["Certificate Sign"]}, "keyUsage"),
        ({"name_constraints_permitted": ["DNS:acme.internal"]}, "names that it may sign"),
        ({"name_constraints_permitted": None}, "names that it may sign"),
        ({"name_constraints_excluded": ["IP:0.0.0.0/0"]}, "names that it may not sign"),
        ({"name_constraints_critical": False}, "critical"),
        ({"extensions_by_oid": {"2.5.29.17": None}}, "extensions"),
        ({"public_key_type": "RSA"}, "its key"),
    ],
)
def test_the_root_signs_nothing_but_what_is_wanted(more: dict[str, Any], words: str) -> None:
    definition = plan()["definition"]
    assert site_ca.request_problems(request(), definition) == []
    (line,) = site_ca.request_problems({**request(), **more}, definition)
    assert line.startswith(words) or words in line
