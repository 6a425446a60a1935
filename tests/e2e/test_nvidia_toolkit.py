# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role nvidia_container_toolkit with the real toolkit, from a real signed repository, on nodes without a GPU.

The programs, units and maintainer scripts are NVIDIA's. The C libraries of libnvidia-container are not in the Go module
that they are built from, so two of the four packages hold a README only. A device that everybody has stands for a GPU.
"""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.deploying import Tenant, push, put
from tests.e2e.test_gpu_guard import Holder
from tests.integration.modules import call
from tests.lab import Lab, engine, gpu, images, toolkit_debs
from tests.lab.apt_repository import AptRepository, Key
from tests.lab.node import Node
from tests.lab.playbook import PlaybookResult

OLD, NEW = toolkit_debs.VERSIONS
HOSTS = {"Debian 12": "kiruna-cam01", "Debian 13": "lulea-cam01"}
ROLE = "nvidia_container_toolkit"
PLAY = """---
- hosts: kiruna-cam01:lulea-cam01
  gather_facts: false
  roles:
    - role: physical_ai.edge.nvidia_container_toolkit
"""
SOURCE = "/etc/apt/sources.list.d/nvidia-container-toolkit.sources"
OLD_LIST = "/etc/apt/sources.list.d/nvidia-docker.list"
DIRECT = "/etc/apt/apt.conf.d/40-lab-packages"
SERVICES = ["docker.service", "containerd.service", "nvidia-cdi-refresh.path", "ssh.service", "chrony.service"]
PURGE = f"""
systemctl disable --now edge-nvidia-cdi.service edge-nvidia-cdi.path 2>/dev/null
apt-mark unhold $(dpkg-query -W -f '${{Package}}\\n' '*nvidia-container*') 2>/dev/null
DEBIAN_FRONTEND=noninteractive apt-get -qq purge -y '*nvidia-container*' python3-debian
apt-get clean; rm -rf /var/lib/apt/lists/*stable_deb*
rm -rf {SOURCE} {OLD_LIST} {DIRECT} /etc/apt/keyrings/nvidia-container-toolkit.asc /etc/physical-ai/nvidia-container-toolkit.json
rm -rf /etc/systemd/system/*nvidia-cdi* /etc/nvidia-container-* /etc/cdi /var/run/cdi /etc/nv_tegra_release /dev/lab-gpu0
[ -e /root/daemon.json ] && mv /root/daemon.json /etc/docker/daemon.json
docker rm -f witness gpu 2>/dev/null
systemctl daemon-reload; systemctl reset-failed; systemctl restart docker
"""
# Asks five times a second and writes down each answer and each failure.
WATCH = """import sys, time, urllib.request
while True:
    try:
        word = urllib.request.urlopen("http://" + sys.argv[1] + ":8000/v2/health/ready", timeout=2).status
    except OSError as exc:
        word = exc
    print(time.time(), word, flush=True)
    time.sleep(0.2)
"""


class Witness:
    """A container that answers over HTTP, and somebody who keeps asking it."""

    def __init__(self, node: Node, image: str) -> None:
        self.node = node
        node.exec(["docker", "run", "-d", "--name", "witness", image])
        self.since = self._since()
        address = node.exec(["docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", "witness"]).stdout.strip()
        put(node, "/usr/local/lib/lab", {"watch.py": WATCH.encode()})
        node.exec(
            f"systemd-run --unit=witness-watch --collect sh -c 'exec python3 /usr/local/lib/lab/watch.py {address} >/run/witness'"
        )

    def _since(self) -> str:
        return self.node.exec(["docker", "inspect", "-f", "{{.State.StartedAt}}", "witness"]).stdout

    def answered(self) -> int:
        """How many answers there were so far; it fails where one was missing or the container is another run of it."""
        lines = self.node.exec(["cat", "/run/witness"]).stdout.splitlines()[1:]  # the first may come too early
        assert [line for line in lines if not line.endswith(" 200")] == []
        assert self._since() == self.since
        return len(lines)

    def end(self) -> None:
        self.node.exec("systemctl stop witness-watch; docker rm -f witness", check=False)


class Fleet:
    """Two provisioned nodes, the repository, and the role."""

    def __init__(self, lab: Lab, repository: AptRepository, debs: dict[str, list[Path]], play: Path) -> None:
        self.lab, self.repository, self.debs, self.play = lab, repository, debs, play
        self.nodes = {name: lab.nodes[name] for name in HOSTS.values()}
        self.witnesses: dict[str, Witness] = {}

    @property
    def all_debs(self) -> list[Path]:
        return [deb for version in toolkit_debs.VERSIONS for deb in self.debs[version]]

    def role(self, version: str = NEW, *args: str, check: bool = True, **inputs: t.Any) -> PlaybookResult:
        key = {
            "uris": [self.repository.uri],
            "key": self.repository.key.public,
            "fingerprints": [self.repository.key.fingerprint],
        }
        variables: dict[str, t.Any] = {"repository": key, "version": version, **inputs}
        extra = {f"{ROLE}_{name}": value for name, value in variables.items()}
        return self.lab.playbook(self.play, "--diff", *args, extra_vars=extra, check=check)

    def state(self) -> dict[str, list[str]]:
        """Versions and holds of the four packages."""
        query = ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Package} ${Version}\\n", *toolkit_debs.DEPENDS]
        shown = {name: node.exec(query, check=False).stdout.splitlines() for name, node in self.nodes.items()}
        # One that is not there may still be known by name.
        return {name: sorted(line for line in lines if len(line.split()) == 3) for name, lines in shown.items()}

    def sources(self) -> dict[str, str]:
        """What apt knows of the repository."""
        shown = f"cat {SOURCE} /etc/apt/keyrings/nvidia-container-toolkit.asc"
        return {name: node.exec(shown).stdout for name, node in self.nodes.items()}

    def running(self) -> dict[str, str]:
        """Which processes the services are and since when they run."""
        shown = ["systemctl", "show", "--property=Id,MainPID,ActiveState,ActiveEnterTimestampMonotonic", *SERVICES]
        return {name: node.exec(shown).stdout for name, node in self.nodes.items()}

    def to(self, version: str) -> None:
        self.role(version, allow_downgrade=True)
        assert self.state() == dict.fromkeys(self.nodes, held_at(version))

    def serving(self) -> int:
        """The fewest answers that a node's container gave so far."""
        assert all(node.exec("docker info -f ok").stdout.strip() == "ok" for node in self.nodes.values())
        return min(witness.answered() for witness in self.witnesses.values())


def held_at(version: str) -> list[str]:
    return sorted(f"hi {name} {version}-1" for name in toolkit_debs.DEPENDS)


def refusals(result: PlaybookResult) -> dict[str, str]:
    """The message of each node that failed; each is for a person and no traceback."""
    found = re.findall(r"^fatal: \[(.*?)\]: FAILED! => (\{.*\})$", result.stdout, re.MULTILINE)
    assert "Traceback" not in result.stdout + result.stderr
    return {host: json.loads(text)["msg"].rpartition("changed nothing:\n- ")[2] for host, text in found}


@pytest.fixture(scope="module")
def fleet(provisioned_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    try:
        debs = {version: toolkit_debs.build(version) for version in toolkit_debs.VERSIONS}
    except toolkit_debs.Unavailable as reason:
        pytest.skip(str(reason))
    repository = AptRepository(engine.client(), provisioned_lab.plan, provisioned_lab.folder)
    play = tmp_path_factory.mktemp("play") / "toolkit.yml"
    play.write_text(PLAY, encoding="utf-8")
    found = Fleet(provisioned_lab, repository, debs, play)
    repository.up(found.all_debs)
    image = provisioned_lab.registry.push(images.tiny(engine.client(), "ok", "1"), "gpu/tiny")
    for node in found.nodes.values():
        heal(node)
        node.exec(PURGE, check=False, timeout=120)
        # As a site has it: no proxy for the repository inside; and as somebody has set the node up before.
        node.exec(f"""echo 'Acquire::http::Proxy::{repository.address} "DIRECT";' >{DIRECT}""")
        node.exec("cp /etc/docker/daemon.json /root/daemon.json")
        found.witnesses[node.name] = Witness(node, image)
    yield found
    for witness in found.witnesses.values():
        witness.end()
    for node in found.nodes.values():
        node.exec(PURGE, check=False, timeout=120)
    repository.key.close()


@pytest.fixture(scope="module")
def installed(fleet: Fleet) -> Fleet:
    """The first installation, of the older version, on a node with what an older guide left behind."""
    for node in fleet.nodes.values():
        node.exec(f"echo 'deb [signed-by=/usr/share/keyrings/gone.gpg] {fleet.repository.uri} /' >{OLD_LIST}")
        edit = "import json; p = '/etc/docker/daemon.json'; d = json.load(open(p)); d.setdefault('features', {})['buildkit'] = True"
        node.exec(["python3", "-c", f"{edit}; json.dump(d, open(p, 'w'), indent=4)"])
    foreseen = fleet.role(OLD, "--check")
    assert fleet.state() == {name: [] for name in fleet.nodes}
    done = fleet.role(OLD)
    assert {host: counts["changed"] for host, counts in foreseen.stats.items()} == {
        host: counts["changed"] for host, counts in done.stats.items()
    }
    return fleet


@pytest.mark.e2e
@pytest.mark.must_show("B2")
def test_fresh_install_then_a_second_run_that_does_nothing(installed: Fleet, figure: t.Callable[[str], None]) -> None:
    assert installed.state() == dict.fromkeys(installed.nodes, held_at(OLD))
    before = installed.running()
    assert all(shown.count("ActiveState=active") == len(SERVICES) for shown in before.values()), before
    for again in (installed.role(OLD), installed.role(OLD, "--check")):
        assert again.changed == 0
        assert "RUNNING HANDLER" not in again.stdout
    assert installed.running() == before
    for node in installed.nodes.values():
        assert node.exec(["test", "-e", OLD_LIST], check=False).returncode == 1
        assert f"version {OLD}" in node.exec(["nvidia-ctk", "--version"]).stdout
        assert node.failed_units() == []
    answers = installed.serving()
    figure(
        f"toolkit {OLD} (C libraries not in it) on Debian 12 and 13: second run changed=0, nothing restarted, {answers} answers, none missing"
    )


@pytest.mark.e2e
@pytest.mark.must_show("B2")
def test_no_ordering_cycle_and_the_specification_is_before_the_engine(installed: Fleet) -> None:
    for node in installed.nodes.values():
        verified = node.exec(
            "systemd-analyze verify nvidia-cdi-refresh.service nvidia-cdi-refresh.path docker.service multi-user.target 2>&1",
            check=False,
        )
        assert "cycle" not in verified.stdout
        assert [line for line in verified.stdout.splitlines() if "nvidia" in line] == []
        before = node.exec("systemctl show -p Before --value nvidia-cdi-refresh.service").stdout.split()
        assert {"docker.service", "containerd.service", "k3s.service"} <= set(before)
        # What version 1.19.0 has; the check that finds nothing above does find this.
        planted = "/etc/systemd/system/nvidia-cdi-refresh.service.d/99-planted.conf"
        node.exec(f"printf '[Unit]\\nAfter=multi-user.target\\n' >{planted}")
        try:
            found = node.exec("systemd-analyze verify multi-user.target 2>&1", check=False).stdout
        finally:
            node.exec(["rm", planted])
        assert "ordering cycle" in found


def plant_hold(node: Node) -> None:
    """Held at a version that this role did not hold it at: it remembers its own."""
    node.exec("rm /etc/physical-ai/nvidia-container-toolkit.json")


def plant_full_cache(node: Node) -> None:
    node.exec("mount -t tmpfs -o size=64k none /var/cache/apt")


def plant_full_programs(node: Node) -> None:
    """Programs go to a file system that fills up in the middle of unpacking, after every check was passed."""
    node.exec("mkdir -p /run/full && mount -t tmpfs -o size=3m none /run/full && mkdir /run/full/upper /run/full/work")
    node.exec("mount -t overlay -o lowerdir=/usr/bin,upperdir=/run/full/upper,workdir=/run/full/work none /usr/bin")


def heal(node: Node) -> None:
    """Lazily: umount itself is a program in /usr/bin."""
    node.exec("umount -l /usr/bin; umount -l /run/full; umount -l /var/cache/apt", check=False)


FAULTS: dict[str, tuple[t.Callable[[Node], None], tuple[str, ...]]] = {
    "held by the user": (
        plant_hold,
        ("libnvidia-container1 at 1.19.1-1", "held on this node by somebody else", "apt-mark unhold"),
    ),
    "disk full at once": (plant_full_cache, ("disk: /var/cache/apt has 0 MiB free", "wanted 100")),
    "disk full in the middle": (plant_full_programs, ("installation failed", "No space left on device")),
}


@pytest.mark.e2e
@pytest.mark.must_show("B2")
@pytest.mark.parametrize("fault", FAULTS)
def test_an_upgrade_that_a_node_forbids(installed: Fleet, fault: str, figure: t.Callable[[str], None]) -> None:
    plant, words = FAULTS[fault]
    installed.to(OLD)
    answers = installed.serving()
    try:
        for node in installed.nodes.values():
            plant(node)
        result = installed.role(check=False)
    finally:
        for node in installed.nodes.values():
            heal(node)
    said = refusals(result)
    assert set(said) == set(installed.nodes), result.stdout
    assert all(word in message for message in said.values() for word in words), said
    assert all("\n" not in message for message in said.values()), said
    assert installed.serving() > answers
    if fault == "disk full in the middle":
        installed.to(NEW)  # what was left half done is completed
    else:
        assert installed.state() == dict.fromkeys(installed.nodes, held_at(OLD))
    figure(f"{fault}: refused on both in one line")


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.must_show("B2")
def test_a_repository_that_is_down_or_signed_by_somebody_else(
    installed: Fleet, tmp_path: Path, figure: t.Callable[[str], None]
) -> None:
    installed.to(OLD)
    repository, answers = installed.repository, installed.serving()
    for node in installed.nodes.values():
        node.exec("rm -rf /var/lib/apt/lists/*stable_deb*; apt-get clean")
    before = installed.sources()

    repository.stop()
    down = refusals(installed.role(check=False))
    repository.start()

    stranger = Key(tmp_path / "key", "a stranger")
    given = {"uris": [repository.uri], "key": stranger.public, "fingerprints": [repository.key.fingerprint]}
    wrong_key = refusals(installed.role(check=False, repository=given))
    assert installed.sources() == before

    repository.up(installed.all_debs, signed_by=stranger)
    wrong_signature = refusals(installed.role(check=False))
    repository.up(installed.all_debs)
    stranger.close()

    expected = {
        "down": (down, (repository.address, "no repository of this node has it", "the link")),
        "wrong key": (wrong_key, ("has the fingerprint", repository.key.fingerprint, "fingerprints")),
        "signed by somebody else": (wrong_signature, (repository.address, "no repository of this node has it")),
    }
    for case, (said, words) in expected.items():
        assert set(said) == set(installed.nodes), case
        assert all("\n" not in message and all(word in message for word in words) for message in said.values()), (
            case,
            said,
        )
    assert installed.state() == dict.fromkeys(installed.nodes, held_at(OLD))
    assert installed.serving() > answers
    figure("repository down, wrong key, wrong signature: refused in one line each, version kept")


@pytest.mark.e2e
@pytest.mark.must_show("B2")
def test_upgrade_and_no_way_back_that_nobody_asked_for(installed: Fleet, figure: t.Callable[[str], None]) -> None:
    installed.to(OLD)
    answers, before = installed.serving(), installed.running()
    installed.role(NEW)
    assert installed.state() == dict.fromkeys(installed.nodes, held_at(NEW))
    assert all(f"version {NEW}" in node.exec(["nvidia-ctk", "--version"]).stdout for node in installed.nodes.values())
    assert docker_of(installed.running()) == docker_of(before)  # the engine and its runtime were left alone

    said = refusals(installed.role(OLD, check=False))
    assert set(said) == set(installed.nodes)
    assert all(
        f"is {NEW}-1, which is newer than {OLD}-1, and a downgrade is refused" in message for message in said.values()
    )
    refused = refusals(installed.role("1.19.0", check=False, allow_downgrade=True))
    assert all("issues/1735" in message for message in refused.values()) and set(refused) == set(installed.nodes)
    assert installed.state() == dict.fromkeys(installed.nodes, held_at(NEW))
    assert installed.role(NEW).changed == 0
    more = installed.serving() - answers
    assert more > 0
    figure(f"{OLD} to {NEW}, back refused: {more} answers meanwhile, none missing")


def docker_of(running: dict[str, str]) -> dict[str, list[str]]:
    return {
        name: [part for part in shown.split("\n\n") if "Id=docker" in part or "Id=containerd" in part]
        for name, shown in running.items()
    }


SPECIFICATION = """cdiVersion: "0.5.0"
kind: nvidia.com/gpu
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - path: /dev/lab-gpu0
containerEdits:
  env: [LAB_GPU=injected]
  mounts:
  - {hostPath: /usr/local/lib/lab/nvidia-smi, containerPath: /bin/nvidia-smi, options: [ro, bind]}
"""
SMI = "#!/bin/sh\nhead -c 1 /dev/lab-gpu0 >/dev/null && echo 'GPU 0: a device that stands for one'\n"


@pytest.fixture
def with_device(installed: Fleet) -> Iterator[Node]:
    """A Debian 13 node (Docker 26.1) with a device that stands for a GPU."""
    node = installed.nodes[HOSTS["Debian 13"]]
    installed.to(NEW)
    node.exec("rm -f /dev/lab-gpu0; mknod /dev/lab-gpu0 c 1 5; mkdir -p /etc/cdi")
    put(node, "/usr/local/lib/lab", {"nvidia-smi": SMI.encode()})
    node.exec("chmod 0755 /usr/local/lib/lab/nvidia-smi")
    yield node
    node.exec("docker rm -f gpu; rm -rf /etc/cdi /var/run/cdi /etc/nv_tegra_release", check=False)


@pytest.mark.e2e
@pytest.mark.must_show("B2")
def test_docker_injects_what_the_specification_says(
    installed: Fleet, with_device: Node, figure: t.Callable[[str], None]
) -> None:
    node = with_device
    configured = json.loads(node.exec(["cat", "/etc/docker/daemon.json"]).stdout)
    assert configured["features"] == {"containerd-snapshotter": False, "buildkit": True, "cdi": True}
    put(node, "/etc/cdi", {"lab.yaml": SPECIFICATION.encode()})
    image = node.exec(["docker", "inspect", "-f", "{{.Image}}", "witness"]).stdout.strip()
    look = "echo $LAB_GPU; stat -c %F /dev/lab-gpu0; nvidia-smi"
    seen = node.exec(
        ["docker", "run", "--rm", "--device", "nvidia.com/gpu=0", image, "sh", "-c", look]
    ).stdout.splitlines()
    assert seen == ["injected", "character special file", "GPU 0: a device that stands for one"]
    without = node.exec(["docker", "run", "--rm", image, "sh", "-c", "ls /dev/lab-gpu0"], check=False)
    assert without.returncode != 0

    node.exec(["docker", "run", "-d", "--name", "gpu", "--device", "nvidia.com/gpu=0", image])
    asked = call(installed.lab, node.name, "nvidia_gpu_check", running=True, image=image, gpu_present=False)
    assert asked["containers"] == {"gpu": "has it"}
    assert asked["smoke"] == "not run: there is no GPU on this node"
    # A container whose device went away, as after a reload of systemd under an old toolkit.
    node.exec("docker exec gpu rm /dev/lab-gpu0")
    lost = call(installed.lab, node.name, "nvidia_gpu_check", running=True)
    assert lost["msg"] == "running containers that lost their GPU: gpu: restart them"
    other = installed.nodes[HOSTS["Debian 12"]]
    runtimes = json.loads(other.exec(["cat", "/etc/docker/daemon.json"]).stdout)["runtimes"]
    assert runtimes == {"nvidia": {"args": [], "path": "nvidia-container-runtime"}}
    assert "nvidia" in other.exec(["docker", "info", "-f", "{{json .Runtimes}}"]).stdout
    figure("Docker 26.1 injects device, mount and variable; Docker 20.10 has the runtime nvidia")


@pytest.mark.e2e
@pytest.mark.must_show("B4")
def test_an_upgrade_of_the_toolkit_behind_our_back_leaves_a_workload_its_gpu(
    installed: Fleet, figure: t.Callable[[str], None]
) -> None:
    """F18: the packages are held, so an unattended upgrade leaves them alone; one by force runs NVIDIA's own scripts, which
    reload systemd, and then a workload on a simulated GPU still has it, or is put right and the ledger says so."""
    node = installed.nodes[HOSTS["Debian 13"]]
    installed.to(OLD)
    gpu.install(node)
    tenant = Tenant(node, "guarded", push(installed.lab, "ok-1"), 18340)
    tenant.wipe()
    try:
        tenant.run(tenant.workload("ok-1", requires={"gpu": {"memory_mib": 1024}}))
        holder = Holder(tenant)
        before, count = tenant.identity(), len(holder.entries())
        node.exec("apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get -y dist-upgrade", timeout=180)
        assert installed.state()[node.name] == held_at(OLD)
        force = "apt-get -y --allow-change-held-packages --allow-downgrades install " + " ".join(
            f"{name}={{}}-1" for name in toolkit_debs.DEPENDS
        )
        node.exec(force.format(*[NEW] * len(toolkit_debs.DEPENDS)), timeout=180)
        assert f"version {NEW}" in node.exec(["nvidia-ctk", "--version"]).stdout
        node.exec("for n in $(seq 150); do test -e /run/physical-ai/look || exit 0; sleep 0.2; done; exit 1")
        assert holder.uses()
        assert (tenant.identity(), len(holder.entries())) == (before, count), "nothing was lost, so nothing is touched"
        holder.take_away()
        node.exec(force.format(*[OLD] * len(toolkit_debs.DEPENDS)), timeout=180)
        entry = holder.wait(count + 1)
        assert entry["what"] == "put right", entry
        assert holder.uses()
        figure(
            f"toolkit {OLD} to {NEW} by force: GPU kept; where it was lost with an upgrade: {entry['msg']}, in the ledger"
        )
    finally:
        tenant.wipe()
        gpu.remove(node)


def make_jetson(node: Node) -> None:
    lists = "/etc/nvidia-container-runtime/host-files-for-container.d"
    release = "# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic, EABI: aarch64, DATE: x"
    node.exec(
        f"mkdir -p {lists} && echo 'dev, /dev/lab-gpu0' >{lists}/devices.csv && echo '{release}' >/etc/nv_tegra_release"
    )


@pytest.mark.e2e
@pytest.mark.must_show("B2")
def test_a_jetson_gets_its_specification_by_our_own_unit(installed: Fleet, with_device: Node) -> None:
    """The release file and a list of devices make a Jetson of the node; nvidia-ctk itself makes the specification."""
    node = with_device
    make_jetson(node)
    # One of before, which serves what is not there.
    put(node, "/etc/cdi", {"nvidia.yaml": SPECIFICATION.encode()})
    refused = refusals(installed.role(NEW, "--limit", node.name, check=False, images=["dustynv/l4t-pytorch:r35.2.1"]))
    assert "is made for L4T 35, this node has 36.4.3" in refused[node.name]

    installed.role(NEW, "--limit", node.name, images=["dustynv/l4t-pytorch:r36.4.0"])
    assert installed.role(NEW, "--limit", node.name).changed == 0
    assert "major: 1" in node.exec(["cat", "/var/run/cdi/nvidia.yaml"]).stdout
    assert node.exec(["test", "-e", "/etc/cdi/nvidia.yaml"], check=False).returncode == 1
    assert 'mode = "csv"' in node.exec(["cat", "/etc/nvidia-container-runtime/config.toml"]).stdout
    units = "edge-nvidia-cdi.service edge-nvidia-cdi.path"
    assert node.exec(f"systemctl is-enabled {units}").stdout.split() == ["enabled", "enabled"]
    verified = node.exec(f"systemd-analyze verify {units} docker.service multi-user.target 2>&1", check=False).stdout
    assert "cycle" not in verified and "nvidia" not in verified
    image = node.exec(["docker", "inspect", "-f", "{{.Image}}", "witness"]).stdout.strip()
    seen = node.exec(
        ["docker", "run", "--rm", "--device", "nvidia.com/gpu=all", image, "stat", "-c", "%F", "/dev/lab-gpu0"]
    )
    assert seen.stdout.strip() == "character special file"


@pytest.mark.e2e
def test_the_specification_is_there_when_the_engine_starts_at_boot(installed: Fleet, with_device: Node) -> None:
    node = with_device
    make_jetson(node)
    installed.role(NEW, "--limit", node.name)
    installed.witnesses.pop(node.name).end()
    node.power_off()
    node.power_on()
    log = node.exec("journalctl -b _PID=1 --no-pager -o cat").stdout
    assert "ordering cycle" not in log
    made = "systemctl show -p ExecMainExitTimestampMonotonic --value edge-nvidia-cdi.service"
    started = "systemctl show -p ExecMainStartTimestampMonotonic --value docker.service"
    assert 0 < int(node.exec(made).stdout) <= int(node.exec(started).stdout)
    assert node.failed_units() == []
