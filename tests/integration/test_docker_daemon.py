# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's configuration on real engines: 20.10 on Debian 12, 26.1 on Debian 13."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.modules import call, one_line
from tests.lab import Lab
from tests.lab.node import Node

FILE = "/etc/docker/daemon.json"
NODES = ["kiruna-cam01", "lulea-cam01"]


def engine(node: Node) -> dict[str, str]:
    shown = node.exec("systemctl show docker.service -p MainPID,ActiveState,ActiveEnterTimestampMonotonic").stdout
    return dict(line.split("=", 1) for line in shown.split())


def config(node: Node) -> dict:
    return json.loads(node.exec(["cat", FILE]).stdout)


def write(node: Node, text: str, path: str = FILE) -> None:
    node.exec(["python3", "-c", "import sys; open(sys.argv[1], 'w').write(sys.argv[2])", path, text])


@pytest.fixture(params=NODES)
def node(request: pytest.FixtureRequest, provisioned_lab: Lab) -> Iterator[Node]:
    """A node whose engine runs with the settings of the role, before and after the test."""
    found = provisioned_lab.nodes[request.param]
    before = found.exec(["cat", FILE]).stdout
    yield found
    if found.exec(["cat", FILE]).stdout != before:
        write(found, before)
        found.exec("systemctl reset-failed docker; systemctl restart docker")


@pytest.fixture
def container(node: Node) -> str:
    """A container that runs, to see whether it goes on running; from the node's own files, as no image is at hand."""
    node.exec(
        "mkdir -p /tmp/image && cp /bin/sleep /tmp/image/ && cp --parents $(ldd /bin/sleep | grep -o '/lib[^ ]*') /tmp/image/"
    )
    node.exec("tar -C /tmp/image -c . | docker import - integration:sleep")
    node.exec("docker rm -f integration-sleep", check=False)
    return node.exec(
        "docker run -d --name integration-sleep --network none integration:sleep /sleep 3600"
    ).stdout.strip()


def started_at(node: Node) -> str:
    shown = node.exec("docker inspect -f '{{.State.Running}} {{.State.StartedAt}}' integration-sleep").stdout
    assert shown.startswith("true"), shown
    return shown


def test_a_key_that_is_reread_is_a_reload(provisioned_lab: Lab, node: Node) -> None:
    wanted: dict[str, Any] = {"settings": {"labels": ["rack=7"]}}
    before, others = engine(node), config(node)
    foreseen = call(provisioned_lab, node.name, "docker_daemon", check=True, **wanted)
    assert config(node) == others
    done = call(provisioned_lab, node.name, "docker_daemon", **wanted)
    assert [foreseen[key] for key in ("changed", "effect", "changed_keys", "diff")] == [
        done[key] for key in ("changed", "effect", "changed_keys", "diff")
    ]
    assert (done["changed"], done["effect"], done["changed_keys"]) == (True, "reload", ["labels"])
    assert config(node) == {**others, "labels": ["rack=7"]}
    assert engine(node) == before
    assert "rack=7" in node.exec("docker info -f '{{json .Labels}}'").stdout
    again = call(provisioned_lab, node.name, "docker_daemon", **wanted)
    assert (again["changed"], again["effect"]) == (False, "none")


def test_any_other_key_is_a_restart_and_containers_live_on(provisioned_lab: Lab, node: Node, container: str) -> None:
    wanted: dict[str, Any] = {"settings": {"log-opts": {"max-size": "5m", "max-file": "2"}}}
    before, since = engine(node), started_at(node)
    done = call(provisioned_lab, node.name, "docker_daemon", **wanted)
    assert (done["changed"], done["effect"], done["changed_keys"]) == (True, "restart", ["log-opts"])
    after = engine(node)
    assert after["ActiveState"] == "active"
    assert after["MainPID"] != before["MainPID"]
    assert started_at(node) == since
    again = call(provisioned_lab, node.name, "docker_daemon", **wanted)
    assert (again["changed"], engine(node)) == (False, after)


def test_live_restore_is_on_before_the_restart_that_comes_with_it(
    provisioned_lab: Lab, node: Node, container: str
) -> None:
    old = {key: value for key, value in config(node).items() if key != "live-restore"}
    write(node, json.dumps(old))
    node.exec("systemctl restart docker && docker start integration-sleep")
    since = started_at(node)
    done = call(
        provisioned_lab, node.name, "docker_daemon", settings={"live-restore": True, "log-opts": {"max-size": "4m"}}
    )
    assert done["effect"] == "restart"
    assert started_at(node) == since


def test_what_others_wrote_survives(provisioned_lab: Lab, node: Node) -> None:
    theirs = {**config(node), "features": {"buildkit": True}, "shutdown-timeout": 9007199254740993, "labels": ["a=b"]}
    write(node, json.dumps(theirs))
    done = call(provisioned_lab, node.name, "docker_daemon", settings={"debug": True, "features": {"cdi": True}})
    assert done["effect"] == "restart"
    kept = config(node)
    assert kept["features"].items() >= {"buildkit": True, "cdi": True}.items()
    assert (kept["shutdown-timeout"], kept["labels"], kept["debug"]) == (9007199254740993, ["a=b"], True)
    assert node.exec(["stat", "-c", "%a %U", FILE]).stdout == "644 root\n"


def test_the_image_store_is_stated_where_the_engine_knows_it(node: Node) -> None:
    major = int(node.exec("docker version -f '{{.Server.Version}}'").stdout.split(".")[0])
    assert config(node).get("features", {}).get("containerd-snapshotter") == (False if major >= 23 else None)


@pytest.mark.parametrize(
    ("text", "words"),
    [('{"debug": true,', ("not JSON", "line 1")), ("[]", ("holds a list",))],
)
def test_a_broken_file_is_one_clear_error(provisioned_lab: Lab, node: Node, text: str, words: tuple) -> None:
    before = engine(node)
    write(node, text)
    message = one_line(call(provisioned_lab, node.name, "docker_daemon", settings={"debug": True}))
    assert all(word in message for word in (FILE, "move it away", *words))
    assert node.exec(["cat", FILE]).stdout == text
    assert engine(node) == before


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"live-restor": True}, "live-restor"),
        ({"debug": "yes"}, "debug"),
        ({"hosts": ["tcp://127.0.0.1:2375"]}, "flag"),
    ],
)
def test_settings_that_the_engine_refuses_change_nothing(
    provisioned_lab: Lab, node: Node, settings: dict, word: str
) -> None:
    before, text = engine(node), node.exec(["cat", FILE]).stdout
    message = one_line(call(provisioned_lab, node.name, "docker_daemon", settings=settings))
    assert "nothing was changed" in message
    assert word in message
    assert (engine(node), node.exec(["cat", FILE]).stdout) == (before, text)


def test_an_engine_that_does_not_start_gets_its_file_back(provisioned_lab: Lab, node: Node, container: str) -> None:
    """A log driver that does not exist passes every validation and stops the engine at its start."""
    text, since = node.exec(["cat", FILE]).stdout, started_at(node)
    message = one_line(call(provisioned_lab, node.name, "docker_daemon", settings={"log-driver": "nosuch"}))
    assert all(word in message for word in ("did not start", "nosuch", "the former file is back"))
    assert node.exec(["cat", FILE]).stdout == text
    assert engine(node)["ActiveState"] == "active"
    assert started_at(node) == since


def test_a_run_that_was_cut_off_is_completed(provisioned_lab: Lab, node: Node) -> None:
    """The file is replaced and marked, and the run ended before the engine followed."""
    before = engine(node)
    write(node, json.dumps({**config(node), "log-opts": {"max-size": "3m"}}))
    stat = node.exec(["cat", f"/proc/{before['MainPID']}/stat"]).stdout
    mark = {"engine": [before["MainPID"], stat.rpartition(")")[2].split()[19]], "action": "restart"}
    node.exec("mkdir -p /run/physical-ai")
    write(node, json.dumps(mark), "/run/physical-ai/docker-daemon.pending")
    wanted: dict[str, Any] = {"settings": {"log-opts": {"max-size": "3m"}}}
    assert call(provisioned_lab, node.name, "docker_daemon", check=True, **wanted)["effect"] == "restart"
    done = call(provisioned_lab, node.name, "docker_daemon", **wanted)
    assert (done["changed"], done["effect"], done["changed_keys"]) == (True, "restart", [])
    assert engine(node)["MainPID"] != before["MainPID"]
    assert call(provisioned_lab, node.name, "docker_daemon", **wanted)["changed"] is False


def test_an_application_that_holds_its_lock_is_not_disturbed(provisioned_lab: Lab, node: Node) -> None:
    before, text = engine(node), node.exec(["cat", FILE]).stdout
    node.exec("mkdir -p /run/physical-ai/locks/t/w && touch /run/physical-ai/locks/t/w/update.lock")
    try:
        message = one_line(call(provisioned_lab, node.name, "docker_daemon", settings={"log-opts": {"max-size": "2m"}}))
        assert "t/w/update.lock" in message
        assert (engine(node), node.exec(["cat", FILE]).stdout) == (before, text)
        assert call(provisioned_lab, node.name, "docker_daemon", settings={"labels": ["x=y"]})["effect"] == "reload"
    finally:
        node.exec("rm -r /run/physical-ai/locks/t")


def test_a_stopped_engine_is_started(provisioned_lab: Lab, node: Node) -> None:
    node.exec("systemctl disable --now docker.service docker.socket")
    foreseen = call(provisioned_lab, node.name, "docker_daemon", check=True, settings={})
    done = call(provisioned_lab, node.name, "docker_daemon", settings={})
    assert (foreseen["changed"], foreseen["effect"]) == (done["changed"], done["effect"]) == (True, "start")
    assert engine(node)["ActiveState"] == "active"
    assert node.exec("systemctl is-enabled docker.service").stdout.strip() == "enabled"


def test_container_networks_do_not_take_the_bridges_range(node: Node) -> None:
    """The bridge has the first network of the pool, and the engine hands out the others."""
    bip = config(node)["bip"]
    node.exec("docker network create integration-a")
    try:
        subnet = node.exec("docker network inspect -f '{{(index .IPAM.Config 0).Subnet}}' integration-a").stdout.strip()
    finally:
        node.exec("docker network rm integration-a")
    assert subnet.rsplit(".", 2)[0] == bip.rsplit(".", 2)[0]
    assert subnet.rsplit(".", 1)[0] != bip.rsplit(".", 1)[0]
