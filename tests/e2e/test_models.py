# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another model in a container that is kept: what it costs, what comes back by itself, and what a power cut leaves."""

from __future__ import annotations

import hashlib
import json
import time
import typing as t

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core.request import Request
from ansible_collections.physical_ai.edge.plugins.module_utils._core.state import SWITCH_STEPS
from tests.e2e.crash import Patient
from tests.e2e.deploying import Tenant, get, push, put, sentence

if t.TYPE_CHECKING:
    from tests.lab import Lab

pytestmark = pytest.mark.e2e
Figure = t.Callable[[str], None]
NODES = ("kiruna-cam01", "lulea-cam01")  # Debian 12 with its engine, and Debian 13 with its own
FOLDER = "/srv/models-switched"
POINTS = [f"{step}:{when}" for step in SWITCH_STEPS for when in ("before", "after")]
COMMITTED = POINTS[POINTS.index("commit:after") :]
SOME = ("switch:after", "steady_probe:after", "commit:before", "commit:after")


@pytest.fixture(scope="module")
def references(provisioned_lab: Lab) -> dict[str, str]:
    return push(provisioned_lab, "ok-1", "ok-2")


@pytest.fixture(scope="module", params=NODES, ids=["debian-12", "debian-13"])
def node(provisioned_lab: Lab, references: dict[str, str], request: pytest.FixtureRequest) -> t.Iterator[Tenant]:
    found = Tenant(provisioned_lab.nodes[request.param], "mo", references, 18480)
    yield found
    found.node.power_on()
    found.wipe()
    found.node.exec(f"rm -rf {FOLDER}; edge models --collect >/dev/null")


@pytest.fixture
def tenant(node: Tenant) -> Tenant:
    """With the model `one` in service."""
    node.node.power_on()
    node.wipe()
    assert switch(node, "one")["class"] == "success"
    assert served(node) == "one"
    return node


def with_model(tenant: Tenant, content: str, image: str = "ok-1", on_change: str = "signal") -> Request:
    tenant.node.exec(["mkdir", "-p", FOLDER])
    put(tenant.node, FOLDER, {f"{content}.bin": content.encode()})
    model = {
        "name": "digits",
        "version": content,
        "source": f"{FOLDER}/{content}.bin",
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
        "file": "digits.bin",
    }
    mount = {"name": "digits", "mount": "/models", "on_change": on_change}
    workload = tenant.workload(image, models=[mount], env={"MODEL": "/models/current/digits.bin"}, user="1000")
    return tenant.request([workload], models=[model])


def switch(tenant: Tenant, content: str, **more: str) -> dict[str, t.Any]:
    return tenant.submit(with_model(tenant, content, **more))


def served(tenant: Tenant, seconds: float = 5) -> str:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = get(tenant.node.address, tenant.port, "/model")
        if found:
            return found
        time.sleep(0.1)
    return ""


def restart_policy(tenant: Tenant) -> str:
    return str(tenant.inspect()["HostConfig"]["RestartPolicy"]["Name"])


def test_another_model_keeps_the_container(tenant: Tenant, figure: Figure) -> None:
    before = tenant.identity()
    result = switch(tenant, "two")
    assert (result["class"], result["workloads"]["app"]["action"]) == ("success", "switch"), result["msg"]
    assert (served(tenant), tenant.identity(), restart_policy(tenant)) == ("two", before, "always")
    assert get(tenant.node.address, tenant.port, "/loads") == "2"
    assert switch(tenant, "two")["workloads"]["app"]["class"] == "unchanged"
    figure("another model is served by the same container: its id and start time are as before")


def test_a_container_that_was_signalled_still_comes_back(tenant: Tenant) -> None:
    """`docker kill --signal` would have told the engine not to start it again."""
    switch(tenant, "two")
    before = tenant.identity()
    tenant.node.exec(f"kill -9 {tenant.inspect()['State']['Pid']}")
    assert served(tenant, 15) == "two"
    assert tenant.identity()[0] == before[0] and tenant.identity()[1] != before[1]


@pytest.mark.parametrize("content", ["bad", "crash"])
def test_a_bad_model_goes_back_by_itself(tenant: Tenant, content: str) -> None:
    before = tenant.identity()
    result = switch(tenant, content)
    assert result["class"] == "reverted", result["msg"]
    sentence(result)
    assert (served(tenant), tenant.identity()[0], restart_policy(tenant)) == ("one", before[0], "always")
    assert (tenant.identity() == before) == (content == "bad"), "what runs is told, and not started anew"
    again = switch(tenant, content)
    assert (again["class"], again["cause"]) == ("refused", "remembered")


def test_a_model_that_is_another_file_touches_nothing(tenant: Tenant) -> None:
    before, request = tenant.identity(), with_model(tenant, "two")
    tenant.node.exec(f"echo other >{FOLDER}/two.bin")
    tenant.node.exec("edge models --collect")
    result = tenant.submit(request)
    assert (result["class"], result["cause"]) == ("refused", "verify"), result["msg"]
    assert (served(tenant), tenant.identity()) == ("one", before)


def test_revert_switches_back(tenant: Tenant) -> None:
    before = tenant.identity()
    switch(tenant, "two")
    result = json.loads(tenant.node.exec("edge revert mo/app --json", timeout=120).stdout)
    assert (result["class"], result["workloads"]["app"]["action"]) == ("success", "switch")
    assert (served(tenant), tenant.identity()) == ("one", before)


def test_a_new_image_on_trial_does_not_show_its_model_to_the_old_one(tenant: Tenant) -> None:
    before = tenant.identity()
    result = switch(tenant, "bad", image="ok-2")
    assert (result["class"], result["workloads"]["app"]["action"]) == ("reverted", "swap"), result["msg"]
    assert (served(tenant), tenant.identity()[0]) == ("one", before[0])
    assert switch(tenant, "two", image="ok-2")["workloads"]["app"]["action"] == "swap"
    assert served(tenant) == "two" and tenant.identity()[0] != before[0]


def at(tenant: Tenant, point: str, act: t.Callable[[Tenant, Request], None]) -> None:
    """A switch to the model `two` that meets something at a point."""
    patient = Patient(tenant.node, {})
    request = with_model(tenant, "two")
    patient.submit(request, pause=point)
    assert patient.wait_until_paused(point), patient.answer()
    act(tenant, request)
    patient.rest()


def power(tenant: Tenant, _request: Request) -> None:
    tenant.node.power_cut()
    tenant.node.power_on()


def program(tenant: Tenant, request: Request) -> None:
    unit = f"physical-ai-change-{request.id}.service"
    tenant.node.exec(f"kill -9 $(systemctl show --property=MainPID --value {unit}); rm -f /run/physical-ai/pause-at")


def engine(tenant: Tenant, _request: Request) -> None:
    tenant.node.exec("systemctl reset-failed docker; kill -9 $(cat /run/docker.pid); rm -f /run/physical-ai/pause-at")


def container(tenant: Tenant, _request: Request) -> None:
    tenant.node.exec(f"kill -9 {tenant.inspect()['State']['Pid']}; rm -f /run/physical-ai/pause-at")


def judge(tenant: Tenant, wanted: t.Collection[str], what: str) -> str:
    found = served(tenant, 30)
    status = tenant.status()["workloads"]["app"]
    assert found in wanted, f"{what}: '{found}' is served, wanted {' or '.join(wanted)}"
    assert status["running"] and restart_policy(tenant) == "always", what
    shown = f"/var/lib/physical-ai/models/mounts/{status['container']}/digits/current/digits.bin"
    assert tenant.node.exec(["cat", shown]).stdout == found, what
    assert json.loads(tenant.node.exec("edge status --json").stdout)["change"] is None, what
    return found


@pytest.mark.parametrize("point", SOME)
def test_a_power_cut_leaves_the_old_model_or_the_committed_one(tenant: Tenant, point: str, figure: Figure) -> None:
    at(tenant, point, power)
    found = judge(tenant, ["two" if point in COMMITTED else "one"], f"power cut at {point}")
    figure(f"power cut at {point}: {found} is served after the boot")


@pytest.mark.parametrize("act", [program, engine, container])
@pytest.mark.parametrize("point", ["switch:after"])
def test_whatever_dies_one_whole_model_is_served(
    tenant: Tenant, point: str, act: t.Callable[[Tenant, Request], None]
) -> None:
    before = tenant.identity()[0]
    at(tenant, point, act)
    judge(tenant, ["two" if point in COMMITTED else "one"], f"{act.__name__} at {point}")
    assert tenant.identity()[0] == before, "the container is kept"


@pytest.mark.slow
@pytest.mark.parametrize("act", [power, program, engine, container])
@pytest.mark.parametrize("point", POINTS)
def test_every_point_in_every_way(tenant: Tenant, point: str, act: t.Callable[[Tenant, Request], None]) -> None:
    at(tenant, point, act)
    # What does not end the program may be over before it matters, and the change goes on.
    before = ["one"] if act in (power, program) else ["one", "two"]
    judge(tenant, ["two"] if point in COMMITTED else before, f"{act.__name__} at {point}")


def test_models_are_listed_with_who_uses_them(tenant: Tenant) -> None:
    switch(tenant, "two")
    rows = {row["version"]: row for row in json.loads(tenant.node.exec("edge models --json").stdout)}
    assert rows["two"]["used_by"] == ["mo/app"]
    assert rows["one"]["used_by"] == ["mo/app (previous version)"]
    switch(tenant, "three")
    tenant.node.exec("edge models --collect")
    rows = {row["version"]: row for row in json.loads(tenant.node.exec("edge models --json").stdout)}
    assert "one" not in rows and served(tenant) == "three"
