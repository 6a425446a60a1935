# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules devices, tenants and labels_info on a real node: run twice, check mode, diff mode, bad input."""

from __future__ import annotations

import itertools
import json
import typing as t

import pytest

from tests.integration.modules import call, one_line

if t.TYPE_CHECKING:
    from tests.lab import Lab

HOST = "lulea-cam01"
NAMES = {
    "camera-line-1": {"kind": "camera", "serial": "ABC123"},
    "registry": {"kind": "network", "address": "registry.lab", "tcp": 5000},
}
SHARES = {"quality": {"cpus": 1, "memory": "64m", "ports": ["8000-8099"]}}
RULES = "/etc/udev/rules.d/90-physical-ai-devices.rules"


@pytest.fixture
def clean(provisioned_lab: Lab) -> t.Iterator[Lab]:
    yield provisioned_lab
    call(provisioned_lab, HOST, "devices", devices={})
    call(provisioned_lab, HOST, "tenants", tenants={})
    provisioned_lab.nodes[HOST].exec("rm -f /etc/physical-ai/tenants.json")


def test_devices_are_named_once_and_taken_away(clean: Lab) -> None:
    node = clean.nodes[HOST]
    foreseen = call(clean, HOST, "devices", check=True, devices=NAMES)
    assert foreseen["changed"] and node.exec(f"test -e {RULES}", check=False).returncode
    done = call(clean, HOST, "devices", devices=NAMES)
    assert done["changed"]
    assert [item["after"] for item in done["diff"]] == [item["after"] for item in foreseen["diff"]]
    rows = {row["name"]: row for row in done["devices"]}
    assert rows["camera-line-1"]["problem"] == "not plugged in"
    assert rows["registry"] == {
        "name": "registry",
        "kind": "network",
        "workloads": [],
        "endpoint": "tcp://registry.lab:5000",
        "problem": "",
    }
    assert done["missing"] == ["camera-line-1"]
    assert 'ENV{ID_SERIAL_SHORT}=="ABC123"' in node.exec(["cat", RULES]).stdout
    assert not call(clean, HOST, "devices", devices=NAMES)["changed"]
    labels = call(clean, HOST, "labels_info")["labels"]
    assert labels["hw.device.camera-line-1"] == "missing"
    assert labels["hw.device.registry"] == "present"
    assert labels["hw.gpu"] == "none"
    shown = node.exec("edge devices").stdout
    assert "camera-line-1" in shown and "not plugged in" in shown
    assert call(clean, HOST, "devices", devices={})["changed"]
    assert node.exec(f"test -e {RULES}", check=False).returncode
    assert "no device has a name here" in node.exec("edge devices").stdout


def test_a_bad_device_changes_nothing(clean: Lab) -> None:
    message = one_line(call(clean, HOST, "devices", devices={"camera-line-1": {"kind": "camera"}}))
    assert "devices.devices.camera-line-1: wanted one of `serial`" in message
    assert clean.nodes[HOST].exec(f"test -e {RULES}", check=False).returncode


def test_shares_are_lent_once_and_taken_back(clean: Lab) -> None:
    node, path = clean.nodes[HOST], "/etc/physical-ai/tenants.json"
    assert not call(clean, HOST, "tenants", tenants={})["changed"], "a node that was never divided needs no file"
    assert call(clean, HOST, "tenants", check=True, tenants=SHARES)["changed"]
    assert node.exec(f"test -e {path}", check=False).returncode
    done = call(clean, HOST, "tenants", tenants=SHARES, gpu_sharing="node")
    assert done["changed"] and done["limited"] == ["quality"]
    assert node.exec(["stat", "-c", "%a", path]).stdout.strip() == "600"
    assert json.loads(node.exec(["cat", path]).stdout)["gpu_sharing"] == "node"
    assert not call(clean, HOST, "tenants", tenants=SHARES, gpu_sharing="node")["changed"]
    message = one_line(call(clean, HOST, "tenants", tenants={"quality": {"cpu": 1}}))
    assert "tenants.tenants.quality: unknown key 'cpu'. Did you mean 'cpus'?" in message
    assert json.loads(node.exec(["cat", path]).stdout)["tenants"] == SHARES
    assert call(clean, HOST, "tenants", tenants={})["changed"]


def test_a_release_selects_by_what_a_node_has(clean: Lab, tmp_path: t.Any) -> None:
    """F23: with the role, by labels that are found on the node at that moment."""
    from tests.e2e.deploying import push

    image, _rest, digest = push(clean, "ok-1")["ok-1"].partition("@")
    workload = {"name": "app", "image": image, "digest": digest, "resources": {"memory": "32m"}}
    call(clean, HOST, "devices", devices=NAMES)
    versions = itertools.count()

    def deploy(**select: list[str]) -> str:
        release = {
            "release": str(next(versions)) + ".0",
            "tenant": "labels",
            "workloads": [{**workload, "select": select}],
        }
        path = tmp_path / "release.yml"
        path.write_text(json.dumps(release), encoding="utf-8")
        done = clean.playbook(
            "playbooks/deploy.yml", "--limit", HOST, extra_vars={"release": str(path), "workloads_undeclared": "remove"}
        )
        assert done.rc == 0, done.stdout
        return (
            clean.nodes[HOST]
            .exec("docker ps --format '{{.Names}}' --filter label=physical-ai.edge.tenant=labels")
            .stdout
        )

    try:
        assert not deploy(**{"hw.device.camera-line-1": ["present"]})
        assert "edge-labels-app" in deploy(**{"hw.device.registry": ["present"], "hw.gpu": ["none"]})
    finally:
        deploy(**{"hw.gpu": ["present"]})
