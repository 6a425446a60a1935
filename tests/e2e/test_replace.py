# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node and a gateway are destroyed and replaced while they serve, the old boxes come back, and a node is cut off and let in again.

Each node of the site runs a TLS server with a certificate of its own, which serves a secret.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import secrets
import socket
import ssl
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from tests.e2e.deploying import Tenant

if t.TYPE_CHECKING:
    from tests.lab import Lab
    from tests.lab.node import Node
    from tests.lab.playbook import PlaybookResult

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(3600)]
Figure = t.Callable[[str], None]
HOST, GATEWAY, SITE, PORT, DAY = "kiruna-cam01", "kiruna-gw01", "site_kiruna", 18470, 86400
TENANT, WORKLOAD = "shop", "shop.tls"
PKI = "/etc/physical-ai/pki"
LEAF = "/var/lib/physical-ai/certificates/node/current/tls.crt"
WIPE = (
    f"systemctl disable --now physical-ai-ca.socket 2>/dev/null; rm -rf {PKI} /var/lib/physical-ai/certificates /var/lib/physical-ai/ca; "
    "rm -f /etc/sudoers.d/physical-ai-edge /etc/ssh/sshd_config.d/00-physical-ai.conf; systemctl reload ssh; true"
)
STEPS = ["bootstrap", "revoke", "restore", "provision", "pki", "certificates", "secrets", "deploy", "all"]


class Served(t.NamedTuple):
    """What a client sees: the SHA-256 of the leaf, and the secret that is served."""

    leaf: str
    secret: str


class Shop:
    """The site, and the office where its root and the record of its boxes are kept."""

    def __init__(self, lab: Lab, folder: Path, image: str) -> None:
        self.lab, self.folder = lab, folder
        self.secret = f"planted-{secrets.token_hex(8)}"
        self.known_hosts = lab.inventory.parent / "known_hosts"
        self.operators = folder / "operators.keys"
        self.operators.write_text((lab.folder / "ssh" / "id_ed25519.pub").read_text(encoding="utf-8"), encoding="utf-8")
        self.release = folder / "release.yml"
        self.release.write_text(json.dumps(self._release(image)), encoding="utf-8")
        self.given = folder / "given.json"
        self.given.write_text(json.dumps(self._variables()), encoding="utf-8")

    @staticmethod
    def _release(image: str) -> dict[str, t.Any]:
        where, _rest, digest = image.partition("@")
        ready = {"tcp": {"port": 8443}}
        workload = {
            "name": "tls",
            "image": where,
            "digest": digest,
            "resources": {"memory": "64m", "cpus": 0.5},
            "stop_timeout": "1s",
            "ports": [{"container": 8443, "host": PORT, "allow_from": ["any"]}],
            "identity": {"mount": "/run/identity", "on_change": "restart"},
            "secrets": ["plc"],
            "probes": {
                "startup": {**ready, "within": "30s"},
                "steady": {**ready, "for": "1s", "every": "250ms"},
            },
        }
        return {"release": secrets.token_hex(4), "tenant": TENANT, "workloads": [workload]}

    def name(self, host: str) -> str:
        return f"shop-{host}.kiruna.{self.lab.name}.internal"

    def _variables(self) -> dict[str, t.Any]:
        credentials = {"registry.elsewhere.example:5000": {"username": TENANT, "password": self.secret}}
        return {
            "site_ca_root_path": str(self.folder / "pki"),
            "site_ca_root_passphrase": "only-in-this-test",
            "site_ca_certificates": [
                {"name": WORKLOAD, "hosts": [host], "dns": [self.name(host)]} for host in (GATEWAY, HOST)
            ],
            "certificates_settings": {WORKLOAD: {"endpoint": f"localhost:{PORT}"}},
            "edge_secrets": {TENANT: {"plc": self.secret}},
            "edge_registry_credentials": {TENANT: credentials},
            "discover_directory": str(self.folder / "hardware"),
            "backup_to": str(self.folder / "backups"),
        }

    def play(self, playbook: str, *arguments: str, rc: int = 0, **variables: t.Any) -> PlaybookResult:
        more = [word for key, value in variables.items() for word in ("-e", json.dumps({key: str(value)}))]
        done = self.lab.playbook(
            f"playbooks/{playbook}.yml", "-e", f"@{self.given}", *more, *arguments, check=False, timeout=1500
        )
        assert done.rc == rc, done.stdout[-6000:] + done.stderr[-1000:]
        return done

    def replace(self, host: str, **variables: t.Any) -> dict[str, int]:
        """The seconds that each step took."""
        done = self.play("replace", replace_node=host, edge_operators=self.operators, release=self.release, **variables)
        took = {step: int(seconds) for step, seconds in re.findall(r'"(\w+) +(\d+) s"', done.stdout)}
        assert list(took) == STEPS, done.stdout[-3000:]
        return took

    def served(self, host: str, judge: str, seconds: float = 90) -> Served:
        """As a client sees it that believes what `judge` was told: which roots count, and what is revoked."""
        bundle = self.folder / "bundle.pem"
        told = self.lab.nodes[judge].exec(f"cat {PKI}/trust.pem {PKI}/crl.pem").stdout
        bundle.write_text(told, encoding="utf-8")
        context = ssl.create_default_context(cafile=str(bundle))
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
        until = time.monotonic() + seconds
        while True:
            try:
                return self._ask(host, context)
            except ssl.SSLCertVerificationError:
                raise
            except OSError:
                assert time.monotonic() < until, f"{host} does not serve"
                time.sleep(0.5)

    def _ask(self, host: str, context: ssl.SSLContext) -> Served:
        address = self.lab.nodes[host].address
        with (
            socket.create_connection((address, PORT), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=self.name(host)) as secure,
        ):
            leaf = hashlib.sha256(secure.getpeercert(binary_form=True) or b"").hexdigest()
            secure.sendall(b"GET /plc HTTP/1.0\r\n\r\n")
            answer = b""
            with contextlib.suppress(ssl.SSLEOFError):
                while part := secure.recv(4096):
                    answer += part
        return Served(leaf, answer.decode().rpartition("\r\n\r\n")[2])

    def why_refused(self, host: str, judge: str) -> str:
        """Why a client does not believe what a host shows."""
        with pytest.raises(ssl.SSLCertVerificationError) as refused:
            self.served(host, judge)
        return str(refused.value.verify_message)

    def login(self, host: str) -> str:
        """What Ansible says of a host; `pong` where it came in."""
        argv = [str(Path(sys.executable).with_name("ansible")), host, "-m", "ansible.builtin.ping"]
        done = subprocess.run(
            argv,
            env=self.lab.env(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return "pong" if done.returncode == 0 else done.stdout + done.stderr

    @contextlib.contextmanager
    def in_its_place(self, old: Node) -> t.Iterator[None]:
        """The old box is powered on where the new one is, with its name and addresses."""
        new = self.lab.nodes[old.name]
        new.power_cut()
        self.lab.hang_up()
        try:
            old.power_on()
            yield
        finally:
            old.power_cut()
            self.lab.hang_up()
            new.power_on()


def renew(node: Node) -> str:
    """What comes of it that a node asks for its own certificate when it is due, which is in some weeks: one line."""
    # Or nobody believes a clock that jumps, and what failed just now waits.
    node.exec("rm -rf /run/physical-ai/clock /var/lib/physical-ai/certificates/*/tries.json")
    node.skew_clock(25 * DAY)
    try:
        done = node.exec("edge certificates --renew --json", check=False, timeout=180)
    finally:
        node.skew_clock(0)
        node.exec(f"rm -rf /run/physical-ai/clock; edge clock --forget; edge clock --note {time.time():.0f}")
    result = json.loads(done.stdout)
    message = str(result["certificates"]["node"]["msg"])
    assert "\n" not in message and "Traceback" not in done.stdout, result
    assert result["failed"] == (message != "renewed"), result
    return message


@pytest.fixture(scope="module")
def shop(provisioned_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Shop]:
    from tests.lab import engine, images  # here: unit tests must not need the engine's client

    lab = provisioned_lab
    image = lab.registry.push(images.tls(engine.client()), "tx/tls")
    found = Shop(lab, tmp_path_factory.mktemp("shop"), image)
    for host in (GATEWAY, HOST):
        Tenant(lab.nodes[host], TENANT, {}, PORT).wipe()
        lab.nodes[host].exec(WIPE)
        lab.nodes[host].stamp(f"OLD-{host}")
    found.known_hosts.unlink(missing_ok=True)
    found.play("bootstrap", "--limit", SITE, "--tags", "bootstrap_pin")
    found.play("discover", "--limit", SITE)
    found.play("pki", "--limit", SITE)
    found.play("rotate_certificates", "--limit", SITE)
    found.play("secrets", "--limit", SITE, release=found.release)
    found.play("deploy", "--limit", SITE, release=found.release)
    yield found
    found.known_hosts.unlink(missing_ok=True)
    lab.hang_up()
    lab.heal()
    for host in (GATEWAY, HOST):
        Tenant(lab.nodes[host], TENANT, {}, PORT).wipe()
        empty = json.dumps({"tenant": TENANT, "secrets": {}, "registries": {}, "force": True})
        lab.nodes[host].exec(f"echo '{empty}' | edge secrets -", check=False, timeout=120)
        lab.nodes[host].exec(WIPE)


@pytest.fixture
def swap(shop: Shop) -> t.Iterator[t.Callable[[str], Node]]:
    """Destroys a box: another one is in its place; the old one is returned, powered off."""
    aside: list[Node] = []

    def destroy(host: str) -> Node:
        aside.append(shop.lab.swap(host))
        shop.lab.nodes[host].stamp(f"NEW-{host}")
        return aside[0]

    yield destroy
    for node in aside:
        node.remove()
    shop.lab.heal()


@pytest.mark.must_show("D6")
def test_a_node_is_replaced(shop: Shop, swap: t.Callable[[str], Node], figure: Figure) -> None:
    before = shop.served(HOST, GATEWAY)
    assert before.secret == shop.secret
    old = swap(HOST)
    assert "Host key verification failed" in shop.login(HOST), "the new box is not known yet"

    took = shop.replace(HOST)
    after = shop.served(HOST, GATEWAY)
    assert after.leaf != before.leaf and after.secret == shop.secret
    assert shop.login(HOST) == "pong"

    with shop.in_its_place(old):
        assert shop.why_refused(HOST, GATEWAY) == "certificate revoked", "it serves, and nobody believes it"
        refusal = renew(old)
        assert re.search(rf"certificate \w+ of {HOST} was revoked on .* \(superseded\)", refusal), refusal
        assert "Host key verification failed" in shop.login(HOST)
    assert shop.served(HOST, GATEWAY) == after
    assert renew(shop.lab.nodes[HOST]) == "renewed", "its name is as good as ever"
    figure(
        f"a node: destroyed, replaced in {took['all']} s ({words(took)}), serves with another leaf; "
        f"the old box: {refusal.partition('says: ')[2]}; its TLS: certificate revoked; its login: host key verification failed"
    )


def words(took: t.Mapping[str, int]) -> str:
    return ", ".join(f"{step} {seconds}" for step, seconds in took.items() if step != "all" and seconds)


@pytest.mark.must_show("D6")
def test_a_gateway_is_replaced(shop: Shop, swap: t.Callable[[str], Node], figure: Figure) -> None:
    key, recipient = make_operator(shop.folder)
    shop.play("backup", edge_hosts=GATEWAY, backup_recipients=recipient)
    before = {host: shop.served(host, HOST) for host in (GATEWAY, HOST)}
    old = swap(GATEWAY)

    took = shop.replace(GATEWAY, restore_key=key, restore_from=next((shop.folder / "backups" / GATEWAY).glob("*.cms")))
    after = {host: shop.served(host, HOST) for host in (GATEWAY, HOST)}
    assert all(after[host].leaf != before[host].leaf for host in before), "nobody believes what the one before signed"
    assert {item.secret for item in after.values()} == {shop.secret}
    assert shop.login(GATEWAY) == shop.login(HOST) == "pong"

    camera = shop.lab.nodes[HOST]
    with shop.in_its_place(old):
        refused = shop.why_refused(GATEWAY, HOST)
        assert "Host key verification failed" in shop.login(GATEWAY)
        assert "Host key verification failed" in shop.login(HOST), "nor does anybody go through it"
        leaf = camera.exec(["cat", LEAF]).stdout
        refusal = renew(camera)
        assert "was not issued here" in refusal and camera.exec(["cat", LEAF]).stdout == leaf
        forged = sign(old)
        assert verify(camera, forged) == "certificate revoked"
    assert {host: shop.served(host, HOST) for host in (GATEWAY, HOST)} == after
    assert renew(camera) == "renewed"
    figure(
        f"a gateway: destroyed, replaced in {took['all']} s ({words(took)}), both nodes of the site serve with other leaves; "
        f"the old gateway: its TLS: {refused}; its issuing CA: certificate revoked; a node that asks it: {refusal.partition('says: ')[2]}"
    )


def make_operator(folder: Path) -> tuple[Path, Path]:
    """The key and the certificate of somebody for whom backups are made."""
    key, certificate = folder / "operator.key", folder / "operator.crt"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=backups", "-days", "30"]
    subprocess.run([*argv, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return key, certificate


def sign(gateway: Node) -> str:
    """What a gateway that is not one any more signs for a node of its site, with its issuing CA."""
    script = f"""
import json, subprocess
def run(*argv, **more):
    done = subprocess.run(argv, capture_output=True, text=True, **more)
    return done.stdout if done.returncode == 0 else exit(done.stderr)
csr = run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null", "-subj", "/CN={HOST}")
print(json.loads(run("edge", "ca", "issue", "-", input=json.dumps({{"node": "{HOST}", "requests": {{"node": csr}}}})))["certificates"]["node"])
"""
    text = base64.b64encode(script.encode()).decode()
    return gateway.exec(f"echo {text} | base64 -d | python3 -").stdout


def verify(node: Node, chain: str) -> str:
    """What a node says of the issuing CA behind a leaf, by what it was told; the leaf itself must be refused as well."""
    text = base64.b64encode(chain.encode()).decode()
    check = f"openssl verify -trusted {PKI}/trust.pem -CRLfile {PKI}/crl.pem -crl_check_all"
    node.exec(f"cd /run && echo {text} | base64 -d >forged.pem && openssl x509 -in forged.pem -out forged.leaf")
    node.exec("cd /run && awk '/BEGIN/ {n++} n == 2' forged.pem >forged.ca")
    assert node.exec(f"cd /run && {check} -untrusted forged.pem forged.leaf", check=False).returncode != 0
    said = node.exec(f"cd /run && {check} forged.ca", check=False)
    found = re.search(r"error \d+ at \d+ depth lookup: (.*)", said.stdout + said.stderr)
    return found[1] if found else "good"


@pytest.mark.must_show("D6")
def test_a_node_is_cut_off_and_let_in_again(shop: Shop, figure: Figure) -> None:
    node = shop.lab.nodes[HOST]
    before = shop.served(HOST, GATEWAY)
    given: dict[str, t.Any] = {"block_node": HOST, "block_reason": "stolen"}
    try:
        node.power_cut()
        shop.lab.hang_up()
        done = shop.play("block", rc=2, **given)
        assert re.search(rf"node +{HOST} +WAITS", done.stdout), done.stdout[-3000:]
        node.power_on()
        assert shop.why_refused(HOST, GATEWAY) == "certificate revoked", "at once, though the node was off"
        assert has(node)

        shop.play("block", **given)
        assert not has(node), "secrets and pull credentials went at the next contact"
        refusal = renew(node)
        assert f"{HOST} is blocked" in refusal, refusal
        for playbook in ("rotate_certificates", "secrets", "deploy"):
            passed = shop.play(playbook, "--limit", HOST, release=shop.release)
            assert "blocked: stolen" in passed.stdout and passed.changed == 0, passed.stdout[-3000:]
        assert not has(node)
    finally:
        shop.play("block", block_node=HOST, block_state="absent")
    for playbook in ("secrets", "rotate_certificates", "deploy"):
        shop.play(playbook, "--limit", HOST, release=shop.release)
    after = shop.served(HOST, GATEWAY)
    assert after.leaf != before.leaf and after.secret == shop.secret
    figure(
        f"a node cut off while it was off: revoked at once, emptied at the next contact; {refusal.partition('says: ')[2]}; serves again"
    )


def has(node: Node) -> list[str]:
    """Secrets and pull credentials that a node has."""
    found = node.exec("edge secrets --json; ls /run/physical-ai/docker 2>/dev/null || true").stdout
    return [word for word in ("plc", "registry.elsewhere.example", f"\n{TENANT}\n") if word in found]
