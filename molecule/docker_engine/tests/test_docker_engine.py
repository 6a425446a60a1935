# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the node and asks the engine, never the variables."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testinfra.host import Host


@pytest.fixture
def info(host: Host) -> dict[str, Any]:
    return json.loads(host.check_output("docker info --format '{{json .}}'"))


@pytest.fixture
def config(host: Host) -> dict[str, Any]:
    return json.loads(host.file("/etc/docker/daemon.json").content_string)


def test_the_engine_runs_and_will_after_a_reboot(host: Host) -> None:
    assert host.service("docker").is_running
    assert host.service("docker").is_enabled


def test_the_engine_started_once(host: Host) -> None:
    """The first start came after the configuration, and nothing restarted it since."""
    starts = host.check_output(
        "journalctl --unit docker --output cat --grep 'Daemon has completed initialization' | wc -l"
    )
    assert starts == "1"
    assert not host.file("/usr/sbin/policy-rc.d").exists


def test_what_the_engine_says_of_itself(info: dict[str, Any]) -> None:
    assert info["LiveRestoreEnabled"] is True
    assert info["LoggingDriver"] == "local"
    assert info["Labels"] == ["owner=plant"]


def test_what_was_configured_by_hand_is_still_there(config: dict[str, Any]) -> None:
    assert config["labels"] == ["owner=plant"]
    assert config["features"]["buildkit"] is True
    assert config["shutdown-timeout"] == 20
    assert config["max-concurrent-downloads"] == 2
    assert config["log-opts"] == {"max-size": "5m", "max-file": "3"}


def test_containers_stay_clear_of_the_site(host: Host, info: dict[str, Any], config: dict[str, Any]) -> None:
    assert "inet 10.213.0.1/24" in host.check_output("ip -4 address show docker0")
    assert info["DefaultAddressPools"] == [{"Base": "10.213.0.0/16", "Size": 24}]


def test_the_image_store_is_stated(info: dict[str, Any], config: dict[str, Any]) -> None:
    knows = int(info["ServerVersion"].split(".")[0]) >= 23
    assert config["features"].get("containerd-snapshotter") == (False if knows else None)


def test_files(host: Host) -> None:
    assert oct(host.file("/etc/docker/daemon.json").mode) == "0o644"
    assert host.file("/etc/docker/certs.d/registry.lab:5000/ca.crt").content_string.startswith("-----BEGIN CERTIFICATE")
    assert "docker" in host.file("/etc/needrestart/conf.d/50-physical-ai.conf").content_string


def test_the_repository_is_described_and_the_packages_are_held(host: Host) -> None:
    described = host.file("/etc/apt/sources.list.d/molecule.sources").content_string
    assert "-backports" in described
    assert "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg" in described
    assert "docker.io" in host.check_output("apt-mark showhold").split()
