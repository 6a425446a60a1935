# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Issuing CAs on gateways, and nodes whose certificates rotate under load, by push and by themselves."""

from __future__ import annotations

import base64
import collections
import contextlib
import json
import random
import socket
import ssl
import subprocess
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._node.slot import STEPS
from tests.e2e.deploying import Tenant, push, put

if t.TYPE_CHECKING:
    from tests.lab import Lab
    from tests.lab.node import Node
    from tests.lab.playbook import PlaybookResult

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
Figure = t.Callable[[str], None]
HOST, GATEWAY, SITE, PORT, DAY = "kiruna-cam01", "kiruna-gw01", "site_kiruna", 18443, 86400
BUNDLE = "/etc/physical-ai/pki/trust.pem"
DEFINITION = "/var/lib/physical-ai/certificates/node/definition.json"
LEAF = "/var/lib/physical-ai/certificates/node/current/tls.crt"
WIPE = "rm -rf /etc/physical-ai/pki /var/lib/physical-ai/certificates /var/lib/physical-ai/ca"

# A TLS server as any: it reads its pair when it starts and when it is told, and answers each connection anew.
SERVER = """
import signal, socket, ssl, threading
HERE = "/var/lib/physical-ai/certificates/node/current/"
def context():
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(HERE + "tls.crt", HERE + "tls.key")
    return found
now = context()
def reload(*_unused):
    global now
    now = context()
signal.signal(signal.SIGHUP, reload)
def answer(connection):
    try:
        with now.wrap_socket(connection, server_side=True) as secure:
            secure.sendall(b"ok")
    except OSError:
        connection.close()
with socket.create_server(("", %d), backlog=512) as listening:
    while True:
        threading.Thread(target=answer, args=(listening.accept()[0],), daemon=True).start()
"""
UNIT = """[Unit]
Description=A TLS server
[Service]
ExecStart=/usr/bin/python3 /usr/local/lib/tls-test.py
ExecReload=/bin/kill -HUP $MAINPID
"""


def dns_name(node: Node) -> str:
    names = node.exec(f"openssl x509 -noout -ext subjectAltName -in {LEAF}").stdout
    return next(word[4:].rstrip(",") for word in names.split() if word.startswith("DNS:"))


class Clients(threading.Thread):
    """New connections at a rate, each verified against the bundle that the node publishes; bounded in number."""

    def __init__(self, node: Node, name: str, rate: int = 100, most: int = 120000) -> None:
        super().__init__(daemon=True)
        self._node, self._name, self._rate, self._most = node, name, rate, most
        self._over = threading.Event()
        self.done, self.failed, self.serials = 0, [], set()  # type: int, list[str], set[str]
        self.trust()

    def trust(self) -> None:
        """Takes the published bundle over, as a client at the site does now and then."""
        context = ssl.create_default_context(cadata=self._node.exec(f"cat {BUNDLE}").stdout)
        self._context = context

    def connect(self) -> None:
        try:
            plain = socket.create_connection((self._node.address, PORT), timeout=10)
            with plain, self._context.wrap_socket(plain, server_hostname=self._name) as secure:
                self.serials.add(str((secure.getpeercert() or {})["serialNumber"]))
                assert secure.recv(2) == b"ok"
        except (OSError, AssertionError) as exc:
            self.failed.append(f"{time.strftime('%H:%M:%S')} {exc!r}")
        self.done += 1

    def run(self) -> None:
        began = time.monotonic()
        with ThreadPoolExecutor(24) as pool:
            for number in range(self._most):
                if self._over.wait(max(0.0, began + number / self._rate - time.monotonic())):
                    break
                pool.submit(self.connect)
        self.seconds = time.monotonic() - began

    def __enter__(self) -> Clients:
        self.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self._over.set()
        self.join()


class Office:
    """Where the root is kept."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.root = lab, folder / "pki"

    def play(self, playbook: str, *arguments: str, **variables: t.Any) -> PlaybookResult:
        given = {"site_ca_root_path": str(self.root), **variables}
        return self.lab.playbook(
            f"playbooks/{playbook}.yml", "--limit", SITE, *arguments, extra_vars=given, check=False
        )

    def must(self, playbook: str, *arguments: str, **variables: t.Any) -> PlaybookResult:
        done = self.play(playbook, *arguments, **variables)
        assert done.rc == 0, done.stdout[-3000:] + done.stderr[-1000:]
        return done

    def pki(self, **variables: t.Any) -> PlaybookResult:
        return self.must("pki", site_ca_root_passphrase="only-in-this-test", **variables)

    def rotate(self, *arguments: str, **variables: t.Any) -> PlaybookResult:
        settings = {
            "reload": {"kind": "unit", "unit": "tls-test.service", "action": "reload"},
            "endpoint": f"localhost:{PORT}",
        }
        given = {"certificates_settings": {"node": settings}, **variables}
        return self.must("rotate_certificates", *arguments, **given)

    def rows(self, host: str = HOST) -> dict[str, dict[str, t.Any]]:
        found = json.loads(self.lab.nodes[host].exec("edge certificates --json").stdout)
        return {row["name"]: row for row in found}

    def serial(self, host: str = HOST) -> str:
        return str(self.rows(host)["node"]["installed"]["serial"])


@pytest.fixture(scope="module")
def office(provisioned_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Office]:
    members = [provisioned_lab.nodes[name] for name in (GATEWAY, HOST)]
    for node in members:
        node.exec("systemctl stop physical-ai-ca.socket 2>/dev/null; " + WIPE)
        put(node, "/usr/local/lib", {"tls-test.py": (SERVER % PORT).encode()})
        put(node, "/etc/systemd/system", {"tls-test.service": UNIT.encode()})
        node.exec("systemctl daemon-reload")
    found = Office(provisioned_lab, tmp_path_factory.mktemp("office"))
    found.pki()
    found.rotate()
    for node in members:
        node.exec("systemctl restart tls-test.service")
    yield found
    provisioned_lab.heal()
    for node in members:
        node.exec("systemctl stop tls-test.service; rm /etc/systemd/system/tls-test.service; " + WIPE)


def test_a_second_run_does_nothing(office: Office) -> None:
    assert office.rotate().changed == 0
    assert office.pki().changed == 0
    rows = office.rows()
    assert list(rows) == ["node"] and rows["node"]["reason"] == "valid", rows
    shown = office.must("certificates").stdout
    assert HOST in shown and "issuing CA" in shown
    assert not office.lab.nodes[HOST].exec("grep -rl 'PRIVATE KEY' /var/lib/physical-ai/ca 2>/dev/null || true").stdout


@pytest.mark.must_show("D1")
def test_nobody_notices_while_leaf_issuing_ca_and_root_rotate(office: Office, figure: Figure) -> None:
    node = office.lab.nodes[HOST]
    root = {"site_ca_root_name": "root-2", "site_ca_roots_old": ["root"]}
    with Clients(node, dns_name(node)) as clients:
        time.sleep(3)
        office.rotate(rotate_all=True)  # the leaf
        office.pki(site_ca_renew=True)  # the issuing CA
        office.rotate(rotate_all=True)
        office.pki(pki_phase="trust", **root)  # the root: new trust first,
        clients.trust()
        office.pki(pki_phase="issue", **root)
        office.rotate(rotate_all=True)  # then leaves,
        office.pki(pki_phase="retire", **root)  # then the old trust goes
        clients.trust()
        time.sleep(3)
        assert clients.is_alive(), "they ended before all was rotated"
    assert clients.failed == [], (len(clients.failed), clients.failed[:5])
    assert len(clients.serials) == 4, clients.serials
    figure(
        f"{clients.done} new connections in {clients.seconds:.0f} s ({clients.done / clients.seconds:.0f} a second), "
        f"4 leaves of 3 issuing CAs and 2 roots: 0 failed"
    )


def renew(node: Node) -> dict[str, t.Any]:
    """What the timer starts."""
    done = node.exec("edge certificates --renew --json", check=False, timeout=120)
    return json.loads(done.stdout)


def skewed(nodes: t.Sequence[Node], seconds: int) -> t.Iterator[None]:
    for node in nodes:
        node.skew_clock(seconds)
    try:
        yield
    finally:
        for node in nodes:
            node.skew_clock(0)


@pytest.mark.must_show("D2")
@pytest.mark.parametrize("who", ["gateway", "push"])
def test_four_hundred_days_in_the_cupboard(office: Office, who: str, figure: Figure) -> None:
    """What ran runs again. The gateway alone renews, with no link to the centre and no controller; or the next push does."""
    lab, node = office.lab, office.lab.nodes[HOST]
    tenant = Tenant(node, "cupboard", push(lab, "ok-1"), 18460)
    tenant.wipe()
    tenant.run(tenant.workload("ok-1"))
    before = office.serial()
    if who == "gateway":
        lab.cut("kiruna")
    try:
        with contextlib.contextmanager(skewed)([node, lab.nodes[GATEWAY]], 400 * DAY):
            for member in (lab.nodes[GATEWAY], node):  # what they heard of the time is gone with their memory
                member.power_cut()
                member.power_on()
            assert tenant.answers(60) == "1", "what ran runs again, whatever the date"
            assert not office.rows()["node"]["installed"]["valid"]
            if who == "gateway":
                result = renew(node)
                assert not result["failed"], result
            else:
                office.rotate("--limit", HOST)
            assert office.serial() != before
            assert office.rows()["node"]["installed"]["valid"]
            left = office.rows()["node"]["installed"]["days_left"]
    finally:
        if who == "gateway":
            lab.restore("kiruna")
    # Back in the present, as a controller says: what was issued in the future is found and replaced.
    future = office.serial()
    for member in (lab.nodes[GATEWAY], node):
        member.exec(f"rm -rf /run/physical-ai/clock; edge clock --forget; edge clock --note {time.time():.0f}")
    result = renew(node)
    assert not result["failed"] and office.serial() != future, result
    tenant.wipe()
    figure(
        f"expired for 370 days: the workload is back, {'cut off, the gateway alone' if who == 'gateway' else 'the next push'} renewed "
        f"({left:g} days left), and again in the present"
    )


@pytest.mark.must_show("D2")
@pytest.mark.parametrize("year", [1970, 2099])
def test_a_clock_that_is_wrong_by_decades_loses_nothing(office: Office, year: int, figure: Figure) -> None:
    node = office.lab.nodes[HOST]
    before = office.serial()
    seconds = int((year - 1970) * 365.25 * DAY - time.time())
    with contextlib.contextmanager(skewed)([node], seconds + DAY):
        row = office.rows()["node"]
        assert row["clock"] == "doubtful" and not row["due"], row
        result = renew(node)
        assert not result["failed"] and result["clock"] == "doubtful", result
        assert office.serial() == before
    assert office.rows()["node"]["reason"] == "valid"
    figure(f"in {year}: nothing was renewed, expired or deleted")


@pytest.mark.must_show("D4")
def test_the_gateway_refuses_the_name_of_another_node(office: Office, figure: Figure) -> None:
    node = office.lab.nodes[HOST]
    said = json.loads(node.exec(["cat", "/etc/physical-ai/pki/gateway.json"]).stdout)
    text = base64.b64encode(json.dumps(dict(said, node=GATEWAY)).encode()).decode()
    kept = office.serial()
    node.exec(f"cd /etc/physical-ai/pki && cp gateway.json kept && echo {text} | base64 -d > gateway.json")
    node.exec(f"cp {DEFINITION} /run/definition.json")
    try:
        node.exec("python3 - <<'EOF'\n" + AGE + "\nEOF")
        result = renew(node)
    finally:
        node.exec(
            f"cd /etc/physical-ai/pki && mv kept gateway.json; cp /run/definition.json {DEFINITION}; "
            "cd /var/lib/physical-ai/certificates/node && rm -rf pending tries.json"
        )
    assert office.serial() == kept
    message = result["certificates"]["node"]["msg"]
    assert result["failed"] and "\n" not in message and GATEWAY in message, result
    figure(message.partition("says: ")[2])


# Another name is wanted, so another certificate is.
AGE = f"""
import json
path = "{DEFINITION}"
wanted = json.load(open(path))
wanted["dns"] = [name.replace("cam01", "gw01") for name in wanted["dns"]]
json.dump(wanted, open(path, "w"))
"""


# -- killed in the middle

CUTS = 8  # power cuts and kills at moments that nobody chose, beside those at each step


def _request(node: Node, **more: t.Any) -> str:
    """What the module hands to the node program, in a file on the node."""
    definition = json.loads(node.exec(f"cat {DEFINITION}").stdout)
    definition.pop("schema")
    put(node, "/root", {"request.json": json.dumps({"definition": definition, **more}).encode()})
    return "edge certificate /root/request.json"


def _signed(office: Office) -> str:
    """Another certificate for the node, by its gateway."""
    node, gateway = office.lab.nodes[HOST], office.lab.nodes[GATEWAY]
    asked = json.loads(node.exec(_request(node, renew=True)).stdout)
    put(gateway, "/root", {"request.json": json.dumps({"node": HOST, "requests": {"node": asked["csr"]}}).encode()})
    return str(json.loads(gateway.exec("edge ca issue - </root/request.json").stdout)["certificates"]["node"])


def _install(office: Office, pem: str, point: str) -> None:
    """In the background, and it waits at that point where one is named."""
    node = office.lab.nodes[HOST]
    command = _request(node, certificate=pem)
    node.exec("mkdir -p /run/physical-ai; rm -f /run/physical-ai/paused /run/physical-ai/pause-at")
    if point:
        node.exec(f"printf certificate_{point} >/run/physical-ai/pause-at")
    node.exec(f"nohup {command} >/run/answer 2>&1 </dev/null & echo $! >/run/asking")
    if point:
        node.exec(
            "for _ in $(seq 300); do [ -e /run/physical-ai/paused ] && exit 0; sleep 0.1; done; cat /run/answer; exit 1"
        )


def _whole(office: Office) -> str:
    """The pair in place is one that a new server can start with, and that a client believes; returns its serial."""
    node = office.lab.nodes[HOST]
    current = "/var/lib/physical-ai/certificates/node/current"
    node.exec(f"openssl verify -CAfile {BUNDLE} -untrusted {current}/tls.crt {current}/tls.crt")
    node.exec("systemctl reset-failed tls-test.service; systemctl restart tls-test.service")
    node.exec(f"for _ in $(seq 50); do ss -ltn | grep -q :{PORT} && exit 0; sleep 0.1; done; exit 1")
    client = Clients(node, dns_name(node))
    client.connect()
    assert client.failed == []
    assert not node.exec("ls /var/lib/physical-ai/certificates/node/journal.json 2>/dev/null || true").stdout
    return client.serials.pop().lstrip("0").lower()


@pytest.mark.must_show("D3")
@pytest.mark.parametrize("kill", ["power", "program"])
def test_cut_off_at_each_step_and_at_any_moment(office: Office, kill: str, figure: Figure) -> None:
    node, random_ = office.lab.nodes[HOST], random.Random()
    points = [f"{step}:{when}" for step in STEPS for when in ("before", "after")]
    served = collections.Counter[str]()
    pem = _signed(office)
    for point in [*points, *[""] * CUTS]:
        before = _whole(office)
        wanted = _serial_of(pem)
        _install(office, pem, point)
        if not point:
            time.sleep(random_.uniform(0.0, 1.5))
        if kill == "power":
            node.power_cut()
            node.power_on()
        else:
            node.exec(
                "kill -9 $(cat /run/asking) 2>/dev/null; rm -f /run/physical-ai/pause-at; edge certificates --recover"
            )
        now = _whole(office)
        assert now in (before, wanted), f"at {point or 'a random moment'}: {now} is neither {before} nor {wanted}"
        if point:
            committed = point == "commit:after"
            assert now == (wanted if committed else before), point
        served["new" if now == wanted else "old"] += 1
        if now == wanted:
            pem = _signed(office)
    figure(
        f"{kill}: {sum(served.values())} times, {len(points)} of them one at each step: {served['old']} times the old pair, {served['new']} times the new one"
    )


def _serial_of(pem: str) -> str:
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-serial"], input=pem, capture_output=True, text=True, check=True
    )
    return done.stdout.strip().partition("=")[2].lstrip("0").lower()
