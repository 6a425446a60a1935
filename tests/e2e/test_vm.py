# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only a virtual machine shows: unwritten pages lost at a power cut, cgroup v2 with systemd, a real reboot."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.e2e.virtual import cut_and_power_on, include_role
from tests.lab import engine, images, oci
from tests.lab.vm import Vm

pytestmark = [pytest.mark.vm, pytest.mark.e2e, pytest.mark.slow, pytest.mark.must_show("A8")]

# Hashes the regular files of an image on the engine; an empty file is the mark of a write that never reached the disk.
HASH_IMAGE = r"""
import hashlib, json, subprocess, sys, tarfile
OF_THE_ENGINE = {".dockerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf", "dev/console"}
container = subprocess.check_output(["docker", "create", sys.argv[1], "/none"], text=True).strip()
found = {}
with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export:
    with tarfile.open(fileobj=export.stdout, mode="r|") as archive:
        for member in archive:
            if member.isreg() and member.name not in OF_THE_ENGINE:
                content = archive.extractfile(member).read()
                found[member.name] = [len(content), hashlib.sha256(content).hexdigest()]
subprocess.check_call(["docker", "rm", container], stdout=subprocess.DEVNULL)
print(json.dumps(found))
"""

# Waits in the machine, by one process: each look from outside costs a login and a start of python.
SETTLED = r"""
import json, sys, time, urllib.request
until = time.monotonic() + 240
while True:
    try:
        state = json.load(open("/var/lib/physical-ai/state.json"))
        version = urllib.request.urlopen("http://127.0.0.1:8000/version", timeout=20).read().decode().strip()
        if state["journal"] is None:
            break
        problem = "the change is still in the journal, at " + state["journal"]["step"]
    except OSError as error:
        problem = str(error)
    if time.monotonic() > until:
        sys.exit(problem)
    time.sleep(1)
print(json.dumps([version, state]))
"""

Files = dict[str, list]  # path -> [size, sha256]


@pytest.fixture(scope="module", autouse=True)
def scripts(vm: Vm) -> None:
    vm.put(HASH_IMAGE.encode(), "/root/hash_image.py")
    vm.put(SETTLED.encode(), "/root/settled.py")


def image_files(vm: Vm, image: str) -> Files:
    """Path -> size and sha256 of every regular file that a container of this image would see."""
    return json.loads(vm.exec(["python3", "/root/hash_image.py", image]).stdout)


def test_engine_runs_on_cgroup_v2_with_the_systemd_driver(vm: Vm, figure: Callable[[str], None]) -> None:
    told = vm.exec(["docker", "info", "--format", "{{.CgroupVersion}} {{.CgroupDriver}}"]).stdout.split()
    assert told == ["2", "systemd"]
    figure(f"{vm.accel}: ssh answers {vm.boot_seconds:.0f} s after power-on")


def test_power_cut_loses_what_was_not_synced_and_nothing_else(vm: Vm) -> None:
    """The lane can fail: without its syncs the same disk shows empty files, and an image that lies about itself."""
    vm.exec("echo precious >plain; echo precious >renamed.tmp; mv renamed.tmp renamed")
    vm.exec("mkdir tree; cp /usr/lib/python3.11/[a-m]*.py tree; tar -C tree -c . | docker import - torn:1")
    # Nothing may create a container before the cut: taking its overlay down syncs the file system. The sync of another
    # file commits the journal of the file system: the names are on the disk then, and their content is not.
    vm.exec("echo precious >synced.tmp; sync synced.tmp; mv synced.tmp synced; sync .")
    cut_and_power_on(vm)
    assert vm.exec("stat -c '%n %s' plain renamed synced").stdout.splitlines() == ["plain 0", "renamed 0", "synced 9"]
    # The engine's own notes on the layer are torn as well: its files are empty or not even found.
    size, _rest = image_files(vm, "torn:1").get("argparse.py", [0, ""])
    assert size == 0, "an image loaded without a sync is whole: the tests below would show nothing"


def test_reboot_is_real_and_brings_the_engine_back(vm: Vm, figure: Callable[[str], None]) -> None:
    before = vm.boot_id()
    seconds = vm.reboot()
    assert vm.boot_id() != before
    vm.wait_for("docker info")
    figure(f"{vm.accel}: reboot to ssh {seconds:.0f} s")


MODEL = bytes(range(256)) * 4096  # 1 MiB: many pages, so a cut in the middle of writing it would show


@dataclass(frozen=True)
class Release:
    """A version of the tiny image with a model of its own, as files on the machine and as the program's request."""

    version: str
    digest: str
    files: Files
    model: str
    specs: list[dict]

    @property
    def tag(self) -> str:
        return f"physical-ai.edge/archive:{self.digest[7:]}"


@pytest.fixture(scope="module")
def releases(vm: Vm) -> dict[str, Release]:
    """The node program, and two releases lying ready on the machine as archives; the first one is in service."""
    include_role(vm, "node_program")
    engine.up()
    ready = {version: bring(vm, version) for version in ("1", "2")}
    succeed(vm, ready["1"])
    return ready


def bring(vm: Vm, version: str) -> Release:
    from ansible_collections.physical_ai.edge.plugins.module_utils._core import spec

    client = engine.client()
    saved = b"".join(client.images.get(images.tiny(client, version=version)).save())
    digest, archive = oci.archive(saved)
    model = version.encode() + MODEL
    sha256 = hashlib.sha256(model).hexdigest()
    vm.put(archive, f"/root/tiny-{version}.tar")
    vm.put(model, f"/root/model-{version}")
    workload = {
        "name": "tiny",
        "image": "registry.example.com/tiny",
        "digest": digest,
        "archive": f"/root/tiny-{version}.tar",
        "models": [{"name": "digits", "mount": "/models"}],
        "ports": [{"container": 8000, "host": 8000}],
        "probes": {
            "startup": {"http": {"port": 8000, "path": "/v2/health/ready"}, "within": "120s"},
            "steady": {"http": {"port": 8000, "path": "/v2/health/ready", "timeout": "20s"}, "for": "1s"},
        },
    }
    models = [{"name": "digits", "version": version, "source": f"/root/model-{version}", "sha256": sha256}]
    specs = spec.render([workload], models)
    files = {name: [len(data), hashlib.sha256(data).hexdigest()] for name, data in oci.files(saved).items()}
    return Release(version, digest, files, sha256, specs)


def put_request(vm: Vm, release: Release) -> None:
    """Under an id of its own each time: the result of an earlier try lies on the node under the earlier id."""
    from ansible_collections.physical_ai.edge.plugins.module_utils._core.request import Request

    request = Request(uuid.uuid4().hex, "quality", f"2026.{release.version}", release.specs)
    vm.put(json.dumps(request.to_json()).encode(), "/root/request.json")


def succeed(vm: Vm, release: Release) -> None:
    put_request(vm, release)
    result = json.loads(vm.exec("edge submit /root/request.json", timeout=600).stdout)
    assert result["class"] == "success", json.dumps(result)


def apply_until(vm: Vm, release: Release, point: str) -> None:
    """Start the change and return when the program waits at this point."""
    put_request(vm, release)
    vm.exec(f"mkdir -p /run/physical-ai && echo {point} >/run/physical-ai/pause-at")
    vm.exec("setsid --fork edge submit /root/request.json >/root/submit.log 2>&1 </dev/null")
    vm.wait_for(f"grep -qx {point} /run/physical-ai/paused", timeout=240)


def settled(vm: Vm) -> tuple[str, dict]:
    """The version that the service says it is, and the state, once recovery is done; a torn state is no JSON."""
    version, state = json.loads(vm.exec("python3 /root/settled.py", timeout=300).stdout)
    return version, state["tenants"]["quality"]["workloads"]["tiny"]


def assert_whole(vm: Vm, release: Release) -> None:
    found = image_files(vm, release.tag)
    assert found == release.files, f"image of version {release.version} is not what was built"
    stored = f"/var/lib/physical-ai/models/sha256/{release.model}/model-{release.version}"
    assert vm.exec(["sha256sum", stored]).stdout.split()[0] == release.model


def test_power_cut_right_after_a_fetch(vm: Vm, releases: dict[str, Release], figure: Callable[[str], None]) -> None:
    before, _rest = settled(vm)
    # Recovery waits until the disk was looked at: it throws away the model of a change that was not committed.
    vm.exec("systemctl disable physical-ai-recover.service")
    apply_until(vm, releases["2"], "fetch:after")
    cut_and_power_on(vm)
    vm.exec("systemctl enable physical-ai-recover.service")
    for release in releases.values():
        assert_whole(vm, release)
    vm.exec("systemctl start physical-ai-recover.service", timeout=300)
    version, workload = settled(vm)
    assert version == before
    assert workload["current"]["spec"]["digest"] == releases[before].digest
    figure(f"after a fetch: images and models of both versions whole, {before} serves")


def test_power_cut_right_after_a_commit(vm: Vm, releases: dict[str, Release], figure: Callable[[str], None]) -> None:
    """After the test above this is also the second try of a change whose fetch was cut off."""
    apply_until(vm, releases["2"], "commit:after")
    cut_and_power_on(vm)
    version, workload = settled(vm)
    assert version == "2"
    assert workload["current"]["spec"]["digest"] == releases["2"].digest
    assert workload["previous"]["spec"]["digest"] == releases["1"].digest
    for release in releases.values():
        assert_whole(vm, release)
    figure(
        f"after a commit: images and models of both versions whole, 2 serves ({vm.accel}, boot {vm.boot_seconds:.0f} s)"
    )
