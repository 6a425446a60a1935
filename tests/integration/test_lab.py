# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab does to its nodes what it says: what other tests conclude from it stands on this."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import typing as t

import pytest

from tests.lab import Lab, LabError, Node, engine, images
from tests.lab.engine import LABS, ROOT
from tests.lab.services import CHECKOUT, LABEL, PACKAGES, mine

pytestmark = pytest.mark.lab
REACH = "timeout 5 python3 -c 'import socket; socket.create_connection((\"registry.lab\", 5000), 3)'"
BOTH = pytest.mark.parametrize("host", ["kiruna-cam01", "lulea-cam01"])


def ssh(lab: Lab, host: str, command: str) -> subprocess.CompletedProcess[str]:
    argv = ["ssh", "-F", str(lab.folder / "ssh" / "config"), host, command]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def started(lab: Lab) -> dict[str, str]:
    return {name: node.container.attrs["State"]["StartedAt"] for name, node in lab.nodes.items()}


@pytest.fixture
def healed(lab: Lab) -> t.Iterator[Lab]:
    """A lab that the test may break."""
    yield lab
    lab.heal()


def test_nodes_are_debian_12_and_13_with_systemd_and_answer_through_their_gateway(lab: Lab) -> None:
    versions = {}
    for name, node in lab.nodes.items():
        assert node.system_state() == "running" or node.failed_units(), name
        answer = ssh(lab, name, "hostname; sudo -n id -u; . /etc/os-release; echo $VERSION_ID")
        assert answer.returncode == 0, answer.stderr
        hostname, root, versions[name] = answer.stdout.split()
        assert (hostname, root) == (name, "0")
    assert set(versions.values()) == {"12", "13"}


def test_up_again_restarts_nothing(lab: Lab) -> None:
    before = started(lab)
    assert started(Lab.up(lab.name)) == before


def test_a_cut_site_is_cut_off_and_stays_so_over_a_power_cut_but_lives_on_inside(healed: Lab) -> None:
    lab = healed
    camera, gateway, elsewhere = (lab.nodes[name] for name in ("lulea-cam01", "lulea-gw01", "kiruna-cam01"))
    assert camera.exec(REACH, check=False).returncode == 0
    lab.cut("lulea")
    gateway.power_cut()
    gateway.power_on()
    assert camera.exec(REACH, check=False).returncode != 0
    assert gateway.exec(REACH, check=False).returncode != 0
    assert ssh(lab, "lulea-cam01", "true").returncode == 255
    assert elsewhere.exec(REACH, check=False).returncode == 0
    # A client at the site: from this machine straight to the node.
    inside = subprocess.run(["ssh-keyscan", "-T", "5", camera.address], capture_output=True, text=True, check=False)
    assert "ssh-ed25519" in inside.stdout
    # Nor does this machine let a node out whose default route is turned to it.
    router = lab.plan.site("lulea").router
    assert camera.exec(f"ip route replace default via {router}; {REACH}", check=False).returncode != 0
    camera.exec(["/usr/local/lib/lab/routes"])
    lab.restore("lulea")
    assert camera.exec(REACH, check=False).returncode == 0
    assert ssh(lab, "lulea-cam01", "hostname").stdout.strip() == "lulea-cam01"


@pytest.mark.parametrize("host", ["kiruna-gw01", "lulea-cam01"])
def test_a_power_cut_node_comes_back_as_it_was(healed: Lab, host: str) -> None:
    node = healed.nodes[host]
    look = (
        "ip route | sort; ip -o -4 addr show scope global | awk '{print $4}' | sort; df --output=size /var/lib/docker"
    )
    node.exec("echo kept >/var/lib/physical-ai/lab-test; echo kept >/root/lab-test; echo lost >/run/lab-test")
    before = node.exec(look).stdout
    node.power_cut()
    with pytest.raises(LabError, match=f"{host} is switched off"):
        node.exec("true")
    node.power_on()
    assert node.exec(look).stdout == before
    assert node.exec("cat /var/lib/physical-ai/lab-test /root/lab-test").stdout.split() == ["kept", "kept"]
    assert node.exec("ls /run/lab-test", check=False).returncode != 0
    node.exec("rm -f /var/lib/physical-ai/lab-test /root/lab-test")


@BOTH
def test_a_filled_disk_is_full_for_the_node_and_not_for_this_machine(healed: Lab, host: str) -> None:
    node = healed.nodes[host]
    free_here = shutil.disk_usage("/").free
    node.fill_disk(leave_mib=50)
    assert 40 <= node.disk_free_mib() <= 50
    for folder in ("/var/lib/docker", "/var/lib/physical-ai"):
        written = node.exec(
            f"dd if=/dev/zero of={folder}/lab-test bs=1M count=100; rm -f {folder}/lab-test", check=False
        )
        assert "No space left on device" in written.stderr
    assert free_here - shutil.disk_usage("/").free < 2 << 30
    node.power_cut()
    node.power_on()
    assert node.disk_free_mib() <= 50
    node.free_disk()
    assert node.disk_free_mib() > 1000


@BOTH
@pytest.mark.parametrize("seconds", [-3 * 365 * 86400, 7200])
def test_a_skewed_clock_is_wrong_for_what_starts_and_waits_stay_right(healed: Lab, host: str, seconds: int) -> None:
    node = healed.nodes[host]
    node.skew_clock(seconds)
    script = "import time; a = time.monotonic(); time.sleep(0.2); print(time.time(), time.monotonic() - a)"
    wrong, slept = map(float, node.exec(["python3", "-c", script]).stdout.split())
    assert abs(wrong - time.time() - seconds) < 5
    assert 0.2 <= slept < 2
    for asked in (node.exec("date +%s").stdout, node.exec("systemd-run -q --wait --pipe date +%s").stdout):
        assert abs(int(asked) - time.time() - seconds) < 10
    assert abs(int(ssh(healed, host, "sudo date +%s").stdout) - time.time() - seconds) < 10
    node.power_cut()
    node.power_on()  # it boots with the wrong clock
    assert abs(int(node.exec("date +%s").stdout) - time.time() - seconds) < 10
    node.skew_clock(0)
    assert abs(int(node.exec("date +%s").stdout) - time.time()) < 5


FETCH = """
import hashlib, ssl, sys, time, urllib.request
context = ssl.create_default_context(cafile="/root/ca.pem")
start = time.monotonic()
request = urllib.request.Request(sys.argv[1], headers={"Accept": sys.argv[2]})
body = urllib.request.urlopen(request, context=context, timeout=60).read()
print(hashlib.sha256(body).hexdigest(), time.monotonic() - start, body.decode() if len(body) < 5000 else "")
"""
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"


def fetch(node: Node, url: str) -> tuple[str, float, str]:
    """The digest of what the registry gives the node for a URL, the seconds it took, and the text if it is short."""
    digest, seconds, body = node.exec(["python3", "-c", FETCH, url, MANIFEST]).stdout.split(" ", 2)
    return f"sha256:{digest}", float(seconds), body


@BOTH
def test_the_registry_serves_by_digest_over_tls_goes_away_and_is_slow(healed: Lab, host: str) -> None:
    lab, node = healed, healed.nodes[host]
    reference = lab.registry.push(images.tiny(engine.client(), "ok", "1"), "lab-test")
    match = re.fullmatch(r"registry\.lab:5000/lab-test@(sha256:[0-9a-f]{64})", reference)
    assert match, reference
    node.exec(["sh", "-c", 'printf %s "$0" >/root/ca.pem', lab.registry.ca_pem])
    url = "https://registry.lab:5000/v2/lab-test"
    digest, _rest, manifest = fetch(node, f"{url}/manifests/{match[1]}")
    assert digest == match[1]
    layer = max(json.loads(manifest)["layers"], key=lambda one: one["size"])
    # Not without the lab's authority:
    with pytest.raises(LabError, match="CERTIFICATE_VERIFY_FAILED"):
        node.exec(["python3", "-c", FETCH.replace('cafile="/root/ca.pem"', ""), url, MANIFEST])
    lab.registry.slow(kbit=4000)
    digest, slowly, _also = fetch(node, f"{url}/blobs/{layer['digest']}")
    lab.registry.full_speed()
    assert digest == layer["digest"]
    assert slowly > 0.5 * layer["size"] * 8 / 4_000_000
    assert fetch(node, f"{url}/blobs/{layer['digest']}")[1] < slowly
    lab.registry.stop()
    with pytest.raises(LabError, match="Connection refused"):
        fetch(node, f"{url}/manifests/{match[1]}")
    lab.registry.start()
    assert fetch(node, f"{url}/manifests/{match[1]}")[0] == match[1]
    lab.registry.stop(silent=True)
    assert node.exec(REACH, check=False).returncode != 0
    lab.registry.start()
    assert fetch(node, f"{url}/manifests/{match[1]}")[0] == match[1]


def test_a_fresh_node_has_lost_everything_but_is_who_it_was(lab: Lab) -> None:
    name = f"{lab.name[:10]}fresh"
    other = Lab.up(name, nodes=1)
    try:
        node = other.nodes["kiruna-gw01"]
        node.exec("echo old >/var/lib/physical-ai/lab-test; echo old >/root/lab-test")
        other.fresh("kiruna-gw01")
        assert node.exec("ls /var/lib/physical-ai /root").stdout.split() == [
            "/root:",
            "/var/lib/physical-ai:",
        ]
        assert ssh(other, "kiruna-gw01", "hostname").stdout.strip() == "kiruna-gw01"
    finally:
        other.down(packages=True)


def test_two_labs_side_by_side_and_down_leaves_nothing_of_its_own(lab: Lab) -> None:
    before = started(lab)
    name = f"{lab.name[:12]}two"
    other = Lab.up(name, nodes=2)
    try:
        assert other.plan.block != lab.plan.block
        assert other.nodes["kiruna-cam01"].exec("hostname").stdout.strip() == "kiruna-cam01"
        assert other.nodes["kiruna-cam01"].exec(REACH, check=False).returncode == 0
        address = lab.nodes["kiruna-cam01"].address
        crossing = f"timeout 5 python3 -c 'import socket; socket.create_connection((\"{address}\", 22), 3)'"
        assert other.nodes["kiruna-cam01"].exec(crossing, check=False).returncode != 0
    finally:
        other.down(packages=True)
    client = engine.client()
    packages = client.volumes.list(filters={"label": f"{PACKAGES}={name}"})
    left = packages + client.containers.list(all=True, filters=mine(name))
    left += client.networks.list(filters=mine(name))
    assert left + client.volumes.list(filters=mine(name)) == []
    assert not (LABS / name).exists()
    assert started(lab) == before


@BOTH
def test_a_provisioned_node_pulls_a_tiny_image_by_digest_and_serves_it(provisioned_lab: Lab, host: str) -> None:
    node, registry = provisioned_lab.nodes[host], provisioned_lab.registry
    reference = registry.push(images.tiny(engine.client(), "ok", "2"), "lab-test")
    trust = f"/etc/docker/certs.d/{registry.host}"
    had = node.exec(["test", "-e", trust], check=False).returncode == 0
    node.exec(["sh", "-c", f'mkdir -p {trust} && printf %s "$0" >{trust}/ca.crt', registry.ca_pem])
    run = "docker run --detach --read-only --cap-drop ALL --memory 64m --cpus 0.5 --name lab-test"
    try:
        node.exec(f"{run} --publish 127.0.0.1:8099:8000 {reference}")
        script = (
            "import time, urllib.request as u\n"
            "for attempt in range(50):\n"
            "    try:\n"
            "        print(u.urlopen('http://127.0.0.1:8099/version').read().decode()); break\n"
            "    except OSError:\n"
            "        time.sleep(0.1)\n"
        )
        assert node.exec(["python3", "-c", script]).stdout.strip() == "2"
    finally:
        node.exec(f"docker rm --force lab-test; docker image rm {reference}", check=False)
        if not had:
            node.exec(["rm", "-r", trust])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cut", "oslo"], "no site 'oslo'; the sites are kiruna, lulea"),
        (["power-cut", "kiruna-cam99"], "no node 'kiruna-cam99'; the nodes are kiruna-gw01, kiruna-cam01"),
        (["--name", "nosuchlab", "status"], "there is no lab 'nosuchlab' here: run `tests/lab/lab up` first"),
        (["--name", "No-Lab", "up"], "lab name 'No-Lab': want a lower-case letter"),
        (["up", "--nodes", "9"], "has 4 nodes, 9 asked for: take it down first"),
        (["push", "nosuchimage", "x"], "this machine's engine has no image nosuchimage; build it first"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(lab: Lab, arguments: list[str], message: str) -> None:
    environ = {**os.environ, "EDGE_LAB": lab.name}
    argv = [str(ROOT / "tests" / "lab" / "lab"), *arguments]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_status_has_a_line_for_each_node(healed: Lab) -> None:
    healed.cut("lulea")
    healed.nodes["kiruna-cam01"].power_cut()
    environ = {**os.environ, "EDGE_LAB": healed.name}
    argv = [str(ROOT / "tests" / "lab" / "lab"), "status"]
    lines = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True).stdout.splitlines()
    states = {line.split()[0]: line for line in lines[1:]}
    assert set(states) == set(healed.nodes)
    assert "power cut" in states["kiruna-cam01"]
    assert "up, site cut off" in states["lulea-cam01"]
    assert "Debian 12" in states["kiruna-gw01"]
    assert " up " in states["kiruna-gw01"]


def test_a_lab_that_another_checkout_left_is_taken_over_and_one_that_runs_is_not(lab: Lab) -> None:
    name = f"{lab.name[:11]}left"
    client = engine.client()
    theirs = {LABEL: name, CHECKOUT: "/nonexistent/checkout"}
    named = {"label": f"{LABEL}={name}"}
    image = client.containers.list()[0].image
    container = client.containers.create(image, entrypoint=["sleep", "300"], labels=theirs)
    try:
        container.start()
        with pytest.raises(LabError, match=f"lab {name} runs already, made in /nonexistent/checkout"):
            Lab.up(name, nodes=2)
        assert client.containers.get(container.id).status == "running"
        container.kill()
        Lab.up(name, nodes=2).down(packages=True)
        assert client.containers.list(all=True, filters=named) == []
    finally:
        for left in client.containers.list(all=True, filters=named):
            left.remove(force=True)
