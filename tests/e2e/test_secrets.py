# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets go where they are used and nowhere else, rotate with what uses them, and come back after a cold boot with no link."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import threading
import typing as t
from pathlib import Path

import pytest

from tests.e2e.deploying import Tenant, push

if t.TYPE_CHECKING:
    from tests.lab import Lab
    from tests.lab.node import Node
    from tests.lab.playbook import PlaybookResult

pytestmark = pytest.mark.e2e
Figure = t.Callable[[str], None]
HOST, ELSEWHERE, TENANT = "kiruna-cam01", "lulea-cam01", "vault"
REGISTRY = "registry.elsewhere.example:5000"
DISK = "/etc /home /opt /root /srv /tmp /usr/local /var /run"
# In memory, root's alone, and what the application itself is to read.
IN_MEMORY = ("/run/physical-ai/secrets/", "/run/physical-ai/docker/")


def forms(value: str) -> set[str]:
    """How a value could stand somewhere: as it is, and in base64 at each of its three alignments."""
    found = {value}
    for lead in range(3):
        text = base64.b64encode(b"\0" * lead + value.encode()).decode()
        found.add(text[(0, 2, 3)[lead] + (4 if lead else 0) : -4])
    return found


class Sampler(threading.Thread):
    """Looks at the arguments and the environment of every process of this machine, and so of every node, again and again."""

    def __init__(self, values: t.Iterable[str]) -> None:
        super().__init__(daemon=True)
        self._words = [form.encode() for value in values for form in forms(value)]
        self._over = threading.Event()
        self.rounds = 0
        self.found: list[str] = []

    def run(self) -> None:
        own = os.getpid()
        while not self._over.is_set():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                for name in ("cmdline", "environ") if int(pid) != own else ():
                    with contextlib.suppress(OSError):
                        content = Path(f"/proc/{pid}/{name}").read_bytes()
                        if any(word in content for word in self._words):
                            self.found.append(f"{name} of {content[:200]!r}")
            self.rounds += 1

    def __enter__(self) -> Sampler:
        self.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self._over.set()
        self.join()


class Vault:
    """The values of the test, and who delivers them. Each is made here and stands nowhere else."""

    def __init__(self, lab: Lab, tenant: Tenant, folder: Path) -> None:
        self.lab, self.tenant, self.folder = lab, tenant, folder
        self.password, self.token, self.pull = (f"planted-{secrets.token_hex(12)}" for _number in range(3))
        self.values = [self.password, self.token, self.pull]
        self.said: list[str] = []
        self.run, self.number = secrets.token_hex(4), 0

    def rotate(self) -> str:
        self.password = f"planted-{secrets.token_hex(12)}"
        self.values.append(self.password)
        return self.password

    def workload(self, **more: t.Any) -> dict[str, t.Any]:
        return self.tenant.workload("ok-1", secrets=[{"name": "plc", "on_change": "restart"}, "token"], **more)

    def release(self, *workloads: dict[str, t.Any]) -> Path:
        self.number += 1
        version = f"{self.run}.{self.number}"  # the node remembers those of runs before
        path = self.folder / f"{version}.yml"
        lines = [f'release: "{version}"', f"tenant: {TENANT}", "workloads:"]
        path.write_text(
            "\n".join([*lines, *(f"  - {json.dumps(item)}" for item in workloads)]) + "\n", encoding="utf-8"
        )
        return path

    def variables(self) -> Path:
        path = self.folder / "values.json"
        values = {
            "edge_secrets": {
                TENANT: {"plc": self.password, "token": {"base64": base64.b64encode(self.token.encode()).decode()}}
            },
            "edge_registry_credentials": {TENANT: {REGISTRY: {"username": "vault", "password": self.pull}}},
        }
        path.touch(0o600)
        path.write_text(json.dumps(values), encoding="utf-8")
        return path

    def play(self, playbook: str, *arguments: str, check: bool = True) -> PlaybookResult:
        done = self.lab.playbook(
            f"playbooks/{playbook}.yml", "--limit", HOST, "-vvv", "--diff", *arguments, check=False
        )
        self.said += [done.stdout, done.stderr]
        assert not check or done.rc == 0, done.stdout[-3000:]
        return done

    def deliver(self, release: Path, *arguments: str, check: bool = True) -> PlaybookResult:
        return self.play("secrets", "-e", f"release={release}", "-e", f"@{self.variables()}", *arguments, check=check)

    def deploy(self, release: Path, check: bool = True) -> PlaybookResult:
        return self.play("deploy", "-e", f"release={release}", check=check)

    def seen(self, name: str, workload: str = "app") -> str:
        """What the application reads."""
        argv = ["docker", "exec", self.tenant.container(workload), "/bin/busybox", "cat", f"/run/secrets/{name}"]
        return self.tenant.node.exec(argv).stdout

    def in_text(self, text: str) -> list[str]:
        return [value for value in self.values if any(form in text for form in forms(value))]


def places(node: Node, values: t.Sequence[str]) -> list[str]:
    """Files of a node that have a value in them, but those in memory that are for it."""
    words = "\n".join(form for value in values for form in sorted(forms(value)))
    text = base64.b64encode(words.encode()).decode()
    # The words go through a pipe: in a file or an argument they would be found there.
    command = f"echo {text} | base64 -d | grep -rlaF --devices=skip -f - {DISK} 2>/dev/null || true"
    found = node.exec(command, timeout=240).stdout.splitlines()
    return [path for path in found if not path.startswith(IN_MEMORY)]


@pytest.fixture(scope="module")
def vault(provisioned_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Vault]:
    tenant = Tenant(provisioned_lab.nodes[HOST], TENANT, push(provisioned_lab, "ok-1", "ok-2"), 18400)
    tenant.wipe()
    found = Vault(provisioned_lab, tenant, tmp_path_factory.mktemp("vault"))
    yield found
    provisioned_lab.heal()
    tenant.wipe()
    empty = json.dumps({"tenant": TENANT, "secrets": {}, "registries": {}})
    tenant.node.exec(f"echo '{empty}' | edge secrets -", check=False, timeout=120)


def test_a_workload_without_its_secret_is_refused(vault: Vault) -> None:
    done = vault.deploy(vault.release(vault.workload()), check=False)
    assert done.rc != 0 and "plc" in done.stdout and "secret" in done.stdout


def test_rotation_touches_who_uses_it_and_nobody_else(vault: Vault, figure: Figure) -> None:
    with Sampler(vault.values) as sampler:
        release = vault.release(vault.workload(), vault.tenant.workload("ok-1", name="other", ports=[]))
        vault.deliver(release)
        vault.deploy(release)
        assert vault.seen("plc") == vault.password and vault.seen("token") == vault.token
        other, app = vault.tenant.identity("other"), vault.tenant.identity()
        again = vault.deliver(release)
        assert again.changed == 0, again.stdout[-2000:]
        assert vault.tenant.identity() == app
        value = vault.rotate()
        vault.deliver(release)
        assert vault.seen("plc") == value and vault.seen("token") == vault.token
        assert vault.tenant.identity() != app, "it was to be started again"
        assert vault.tenant.identity("other") == other, "it uses no secret"
    assert not sampler.found, sampler.found[:3]
    figure(f"rotated with a restart of the one that uses it; {sampler.rounds} looks at all processes meanwhile")


def test_a_value_that_does_not_work_is_taken_back(vault: Vault, figure: Figure) -> None:
    """The application is healthy with the value that it has, and with no other."""
    check = {"exec": {"command": ["/bin/busybox", "grep", "-q", vault.password, "/run/secrets/plc"]}}
    probes = {"startup": {**check, "within": "3s"}, "steady": {**check, "for": "500ms", "every": "200ms"}}
    release = vault.release(vault.workload(probes=probes))
    good = vault.password
    vault.deploy(release)
    vault.rotate()
    done = vault.deliver(release, check=False)
    assert done.rc != 0 and "reverted" in done.stdout
    assert vault.seen("plc") == good
    vault.password = good
    assert vault.deliver(release).changed == 0
    figure("a value that the probes refuse: the old one is in use again")
    # The probe has the value in the specification: what comes after looks for values that nobody wrote there.
    vault.values.remove(good)
    clean = vault.release(vault.workload())
    vault.deploy(clean)
    vault.rotate()
    vault.deliver(clean)


def test_cold_boot_with_no_link(vault: Vault, figure: Figure) -> None:
    vault.lab.cut("kiruna")
    try:
        vault.tenant.node.power_cut()
        vault.tenant.node.power_on()
        assert vault.tenant.answers(90) == "1"
        assert vault.seen("plc") == vault.password and vault.seen("token") == vault.token
    finally:
        vault.lab.restore("kiruna")
    sealed = json.loads(vault.tenant.node.exec("edge secrets --json").stdout)
    figure(f"back after a power cut with the site cut off, sealed by {sealed[0]['sealed_by']}")


@pytest.mark.must_show("D5")
def test_the_values_are_nowhere_else(vault: Vault, figure: Figure) -> None:
    release = vault.release(vault.workload())
    with Sampler(vault.values) as sampler:
        vault.deliver(release)
        vault.deploy(release)
        value = vault.rotate()
        sampler._words += [form.encode() for form in forms(value)]
        vault.deliver(release, "--check")
        vault.deliver(release)
    assert vault.seen("plc") == value
    node = vault.tenant.node
    page = vault.folder / "status.html"
    vault.play("status", "-e", "status_output=html", "-e", f"status_to={page}")
    texts = {
        "what ansible said, with -vvv --diff": "".join(vault.said),
        "the status page": page.read_text(encoding="utf-8"),
        "docker inspect": node.exec("docker inspect $(docker ps -aq)").stdout,
        "the ledger": node.exec("edge ledger --json --lines 0").stdout,
        "edge status": node.exec("edge status --json; edge secrets --json; edge why vault").stdout,
        "the journal": node.exec("journalctl --no-pager -o export", timeout=120).stdout,
    }
    assert all(texts.values()), [name for name, text in texts.items() if not text]
    assert {name: vault.in_text(text) for name, text in texts.items() if vault.in_text(text)} == {}
    assert sampler.found == []
    assert places(node, vault.values) == [], "on the disk of the node that uses them"
    others = [item for name, item in vault.lab.nodes.items() if name != HOST]
    assert {item.name: places(item, vault.values) for item in others if places(item, vault.values)} == {}
    # The search finds what is there.
    node.exec(f"echo x{value}x >/var/tmp/planted")
    assert places(node, vault.values) == ["/var/tmp/planted"]
    node.exec("rm /var/tmp/planted")
    figure(
        f"{len(vault.values)} values, plain and in base64, looked for in {len(texts)} kinds of output, "
        f"{sampler.rounds} looks at all processes and the disks of {len(others) + 1} nodes: none"
    )
