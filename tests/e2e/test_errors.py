# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each bad input and each broken dependency is one clear line, and the running version is not touched (guarantee 1)."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest

from tests.e2e.deploying import Tenant, push, sentence
from tests.tools.sync import ROOT

if t.TYPE_CHECKING:
    from tests.lab import Lab

pytestmark = [pytest.mark.e2e, pytest.mark.must_show("A6")]
Figure = t.Callable[[str], None]
BIG_MIB = 24
ABSENT = "sha256:" + "0" * 64


def big_image(lab: Lab) -> str:
    """The tiny image and 24 MiB that no compression makes smaller, in the lab's registry."""
    from tests.lab import engine, images

    client = engine.client()
    parent = images.tiny(client, "ok", "2")
    folder = lab.folder / "tmp" / "big"
    folder.mkdir(parents=True, exist_ok=True)
    noise = random.Random(7).randbytes(BIG_MIB << 20)
    (folder / "Dockerfile").write_text("ARG BASE\nFROM $BASE\nCOPY noise /noise\n", encoding="utf-8")
    (folder / "noise").write_bytes(noise)
    return lab.registry.push(images.build_folder(client, folder, "physical-ai-lab/big:2", {"BASE": parent}), "tx/big")


@pytest.fixture(scope="module")
def references(provisioned_lab: Lab) -> dict[str, str]:
    return {**push(provisioned_lab, "ok-1", "ok-2"), "big": big_image(provisioned_lab)}


@pytest.fixture(scope="module")
def tenant(provisioned_lab: Lab, references: dict[str, str]) -> t.Iterator[Tenant]:
    found = Tenant(provisioned_lab.nodes["kiruna-cam01"], "errors", references, 18280)
    found.wipe()
    found.run(found.workload("ok-1"))
    yield found
    provisioned_lab.heal()
    found.wipe()


@pytest.fixture
def untouched(tenant: Tenant) -> t.Iterator[None]:
    """The container of before is the one of after, and it was not restarted."""
    before = tenant.identity()
    yield
    assert tenant.identity() == before
    assert tenant.answers() == "1"


def expect(result: dict[str, t.Any], cause: str, *words: str) -> str:
    message = sentence(result)
    assert (result["class"], result["cause"]) == ("refused", cause), message
    for word in words:
        assert word in message, f"{word!r} is not in: {message}"
    return message


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "silent", [pytest.param(False, id="process", marks=pytest.mark.slow), pytest.param(True, id="machine")]
)
def test_registry_gone_in_the_middle_of_a_pull(
    provisioned_lab: Lab, tenant: Tenant, figure: Figure, silent: bool
) -> None:
    registry = provisioned_lab.registry
    tenant.node.exec(f"docker image rm {tenant.images['big']} >/dev/null 2>&1 || true")
    registry.slow(8000)
    pulling = threading.Event()

    def pulls() -> bool:
        return bool(tenant.node.exec("pgrep -x docker -a | grep pull || true").stdout)

    def kill() -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until and not pulls():
            time.sleep(0.2)
        time.sleep(4)
        if pulls():
            pulling.set()
        registry.stop(silent=silent)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        result = tenant.deploy(tenant.workload("big"), deadline=25.0 if silent else 0.0)
    finally:
        killer.join()
        registry.up()
        registry.full_speed()
    assert pulling.is_set()
    if silent and result["class"] == "timed_out":
        assert "cut short at fetch" in sentence(result)
        figure(f"registry silent mid-pull: {sentence(result)}")
        return
    figure(expect(result, "fetch", "workload app", "tx/big", "cannot be pulled", "What runs is left as it is"))


@pytest.mark.usefixtures("untouched")
def test_a_digest_that_the_registry_does_not_have(tenant: Tenant, figure: Figure) -> None:
    result = tenant.deploy(dict(tenant.workload("ok-2"), digest=ABSENT))
    figure(
        expect(result, "fetch", "workload app", ABSENT, "manifest unknown", "correct the release, or push the image")
    )


@pytest.mark.usefixtures("untouched")
def test_a_disk_too_full_for_the_image_is_found_before_the_pull(tenant: Tenant, figure: Figure) -> None:
    """F50: refused before anything is transferred, and well again when there is room."""
    tenant.node.exec(f"docker image rm {tenant.images['big']} >/dev/null 2>&1 || true")
    tenant.node.fill_disk(leave_mib=BIG_MIB + 20)
    try:
        result = tenant.deploy(tenant.workload("big"))
        figure(expect(result, "admit", "disk:", "needed", "free of", "free some disk"))
        assert [item["step"] for item in result["workloads"]["app"]["steps"]] == ["admit"]
    finally:
        tenant.node.free_disk()
    tenant.run(tenant.workload("ok-1"))


def test_a_disk_that_is_95_percent_full_refuses_images_and_recovers(tenant: Tenant, figure: Figure) -> None:
    """F50: what failed before makes room; then images are refused, and what runs, or needs no disk, goes on."""
    here = f"docker image inspect {tenant.images['big']} >/dev/null 2>&1 && echo here || true"
    unhealthy = tenant.workload("big", probes={"startup": {"tcp": {"port": 1}, "within": "300ms"}})
    assert tenant.deploy(unhealthy)["class"] == "reverted"
    assert tenant.node.exec(here).stdout  # for another try
    size = int(tenant.node.exec("df --output=size -BM /lab/data | tail -1").stdout.strip().rstrip("M"))
    tenant.node.exec(f"docker image rm {tenant.images['ok-2']} >/dev/null 2>&1 || true")
    try:
        tenant.node.fill_disk(leave_mib=size * 5 // 100)
        tenant.run(tenant.workload("ok-2"))
        assert not tenant.node.exec(here).stdout
        tenant.node.fill_disk(leave_mib=size * 5 // 100)
        before = tenant.identity()
        message = expect(tenant.deploy(tenant.workload("big")), "admit", "disk:", "kept back", "free some disk")
        assert tenant.identity() == before
        tenant.run(tenant.workload("ok-2", env={"NEEDS": "no disk"}))
    finally:
        tenant.node.free_disk()
    tenant.run(tenant.workload("big"))  # it was not banned
    tenant.run(tenant.workload("ok-1"))
    figure(f"{size} MiB, 95 % full: {message}")


def test_a_fault_of_the_registry_bans_nothing(provisioned_lab: Lab, tenant: Tenant) -> None:
    """F68: the same again succeeds as soon as the registry is back."""
    tenant.node.exec(f"docker image rm {tenant.images['ok-2']} >/dev/null 2>&1 || true")
    provisioned_lab.registry.stop()
    try:
        expect(tenant.deploy(tenant.workload("ok-2")), "fetch", "cannot be pulled", "Is the registry up")
    finally:
        provisioned_lab.registry.up()
    tenant.run(tenant.workload("ok-2"))
    tenant.run(tenant.workload("ok-1"))


@pytest.mark.usefixtures("untouched")
def test_a_port_that_another_program_or_container_holds(tenant: Tenant, figure: Figure) -> None:
    port = tenant.port + 5
    ports = [{"container": 8000, "host": port, "allow_from": ["any"]}]
    program = f"import socket,time;s=socket.socket();s.bind(('',{port}));s.listen();time.sleep(60)"
    tenant.node.exec(f'nohup python3 -c "{program}" >/dev/null 2>&1 & echo $! >/run/holder; sleep 0.5')
    result = tenant.deploy(tenant.workload("ok-2", ports=ports))
    figure(expect(result, "admit", f"app wants {port}/tcp", "another program", "publish on another port"))
    tenant.node.exec("kill $(cat /run/holder)")
    other = Tenant(tenant.node, "errors-other", tenant.images, port)
    other.run(other.workload("ok-1"))
    result = tenant.deploy(tenant.workload("ok-2", ports=ports))
    expect(result, "admit", f"app wants {port}/tcp", "container edge-errors-other-app")
    other.wipe()


@pytest.mark.usefixtures("untouched")
def test_a_model_file_that_is_missing_or_another(tenant: Tenant, figure: Figure) -> None:
    model = {"name": "digits", "version": "7", "source": "file:///srv/models/digits.onnx", "sha256": "a" * 64}
    workload = tenant.workload("ok-2", models=[{"name": "digits", "mount": "/models"}])
    tenant.node.exec("rm -rf /srv/models")
    result = tenant.deploy(workload, models=[model])
    figure(expect(result, "fetch", "model digits 7", "/srv/models/digits.onnx is not on this node", "copy it there"))
    tenant.node.exec("mkdir -p /srv/models; echo other >/srv/models/digits.onnx")
    expect(
        tenant.deploy(workload, models=[model]),
        "verify",
        "model digits 7",
        "has sha256",
        "aaaaaaaaaaaa... is wanted",
    )


@pytest.mark.usefixtures("untouched")
def test_memory_and_cpus_that_the_node_does_not_have(tenant: Tenant, figure: Figure) -> None:
    result = tenant.deploy(tenant.workload("ok-2", resources={"memory": "4t", "cpus": 999}))
    figure(expect(result, "admit", "memory:", "asked", "free of", "CPU: app asks for 999, the node has"))


@pytest.mark.usefixtures("untouched")
def test_the_engine_is_down(tenant: Tenant, figure: Figure) -> None:
    tenant.node.exec("systemctl stop docker.socket docker.service")
    try:
        result = tenant.deploy(tenant.workload("ok-2"))
        figure(expect(result, "engine", "the container engine does not answer", "systemctl status docker"))
        assert (
            "NOT RUNNING" in tenant.node.exec("edge status").stdout
            or "engine:" in tenant.node.exec("edge status").stdout
        )
    finally:
        tenant.node.exec("systemctl start docker.service")
    assert tenant.answers(30) == "1"
    tenant.run(tenant.workload("ok-1"))


def play(lab: Lab, release: t.Mapping[str, t.Any], *arguments: str) -> subprocess.CompletedProcess[str]:
    """The playbook, as its users call it."""
    path = lab.folder / "tmp" / f"release-{release['tenant']}.yml"
    path.write_text(json.dumps(release), encoding="utf-8")
    copy = lab.sync()
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    argv = [program, str(copy / "playbooks/deploy.yml"), "-e", f"release={path}", *arguments]
    return subprocess.run(argv, env=lab.env(), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


SPELLING: list[tuple[str, t.Any, tuple[str, ...]]] = [
    ("prots", [{"container": 8000}], ("workloads[0] (app)", "unknown key 'prots'", "Did you mean 'ports'?")),
    ("digest", "latest", ("workloads[0] (app).digest", "'latest'", "a tag is not a digest")),
    ("probes", {"startup": {"htpt": {}}}, ("probes.startup", "'htpt'", "Did you mean 'http'?")),
    ("ports", [{"container": 8000, "host": 70000}], ("ports[0].host", "70000", "1 to 65535")),
    ("resources", {"memory": "2 gigs"}, ("resources.memory", "'2 gigs'", "512m or 2g")),
]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(("key", "value", "words"), SPELLING, ids=[item[0] for item in SPELLING])
def test_a_mistake_in_the_specification(
    provisioned_lab: Lab, tenant: Tenant, figure: Figure, key: str, value: t.Any, words: tuple[str, ...]
) -> None:
    workload = dict(tenant.workload("ok-2"), **{key: value})
    release = {"release": "9.9", "tenant": tenant.name, "workloads": [workload]}
    done = play(provisioned_lab, release, "--limit", tenant.node.name)
    assert done.returncode == 2
    line = next(item for item in done.stdout.splitlines() if item.startswith(f"fatal: [{tenant.node.name}]"))
    for word in words:
        assert word in line, line
    assert "Traceback" not in done.stdout + done.stderr
    figure(line[:160])


@pytest.mark.usefixtures("untouched")
def test_an_error_of_the_node_reaches_the_person_at_the_controller(
    provisioned_lab: Lab, tenant: Tenant, figure: Figure
) -> None:
    workload = dict(tenant.workload("ok-2"), digest=ABSENT)
    release = {"release": "9.8", "tenant": tenant.name, "workloads": [workload]}
    done = play(provisioned_lab, release, "--limit", tenant.node.name)
    (line,) = (item for item in done.stdout.splitlines() if item.startswith("fatal:"))
    assert line.startswith(f"fatal: [{tenant.node.name}]")
    message = json.loads(line.partition("=> ")[2])["msg"]
    for word in ("workload app", ABSENT, "manifest unknown", "correct the release, or push the image", "[refused:"):
        assert word in message
    assert "Traceback" not in done.stdout + done.stderr
    figure(f"{tenant.node.name}: {message}")


def test_values_that_may_be_secret_are_nowhere_to_be_seen(provisioned_lab: Lab, tenant: Tenant) -> None:
    """Guarantee 8: not in output at any verbosity, in differences, in the journal, in arguments of processes."""
    secret, other = "planted-8f3a61", "planted-77c2d0"
    workload = tenant.workload("ok-2", env={"PASSWORD": secret}, files=[{"path": "/etc/plc.key", "content": other}])
    tenant.node.exec("journalctl --rotate && journalctl --vacuum-time=1s", check=False)
    seen = tenant.node.exec(
        "nohup sh -c 'touch /run/edge-go; while [ -e /run/edge-go ]; do ps -eo args >>/run/edge-ps; sleep 0.05; done' >/dev/null 2>&1 &"
    )
    assert seen.returncode == 0
    release = {"release": "8.8", "tenant": tenant.name, "workloads": [workload]}
    done = play(provisioned_lab, release, "--limit", tenant.node.name, "-vvv", "--diff")
    assert done.returncode == 0, done.stdout[-2000:]
    tenant.node.exec("rm /run/edge-go; sleep 0.2")
    assert tenant.inspect()["Config"]["Env"].count(f"PASSWORD={secret}") == 1
    found = tenant.node.exec(
        "cat /run/edge-ps; rm /run/edge-ps; journalctl --no-pager; cat /var/log/syslog 2>/dev/null || true"
    ).stdout
    for value in (secret, other):
        assert value not in done.stdout + done.stderr
        assert value not in found
    world = f"find / -xdev -type f -perm /o+r -newer /proc/1 2>/dev/null | xargs -r grep -lE '{secret}|{other}' 2>/dev/null || true"
    readable = [
        line
        for line in tenant.node.exec(world, timeout=120).stdout.splitlines()
        if not line.startswith(("/proc", "/sys"))
    ]
    directories = [line for line in readable if not line.startswith(("/var/lib/docker/", "/var/lib/physical-ai/"))]
    assert not directories
    assert tenant.node.exec("stat -c %a /var/lib/physical-ai").stdout.strip() in ("700", "750")
    tenant.run(tenant.workload("ok-1"))
