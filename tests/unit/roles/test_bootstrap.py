# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role bootstrap on a box that was just flashed: a real sshd, sudo and accounts, in name spaces of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from tests.tools.sync import BUILD, ROOT
from tests.unit.plugins.module_utils._node.signing import Person
from tests.unit.roles.box import PASSWORD, VENDOR, Box, boxes

HOST = "kiruna-box"
FLEET = """\
plugin: physical_ai.edge.sites
fleet: acme
ring: canary
regions:
  north:
    sites:
      kiruna:
        nodes:
          box: {{address: 127.0.0.1, vars: {{ansible_port: {port}, ansible_user: ops, ansible_python_interpreter: /usr/bin/python3}}}}
"""
LOGIN: dict[str, t.Any] = {"bootstrap_login_user": VENDOR, "bootstrap_login_password": PASSWORD}


class Desk:
    """Where the operators sit: the fleet file, their keys, and nothing of the user who runs the tests."""

    def __init__(self, box: Box, folder: Path) -> None:
        self.box, self.folder = box, folder
        self.people = {name: Person(folder, name) for name in ("ann", "bob")}
        (folder / "fleet.yml").write_text(FLEET.format(port=box.port), encoding="utf-8")
        (folder / "ansible.cfg").write_text("", encoding="utf-8")
        self.known_hosts = folder / "known_hosts"

    def ansible(self, program: str, *arguments: str, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        env = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "SSH_"))}
        env.update(
            ANSIBLE_COLLECTIONS_PATH=str(BUILD),
            ANSIBLE_HOME=str(self.folder / "ansible"),
            ANSIBLE_INVENTORY=str(self.folder / "fleet.yml"),
            ANSIBLE_INVENTORY_ENABLED="physical_ai.edge.sites",
            ANSIBLE_CONFIG=str(self.folder / "ansible.cfg"),
            ANSIBLE_SSH_CONTROL_PATH_DIR=str(self.folder / "cp"),
            ANSIBLE_SSH_ARGS="-F none -o IdentitiesOnly=yes -o IdentityAgent=none -o ControlMaster=auto -o ControlPersist=20s",
            ANSIBLE_DEPRECATION_WARNINGS="false",
            ANSIBLE_NOCOLOR="1",
        )
        argv = [str(Path(sys.executable).with_name(program)), *arguments]
        return subprocess.run(
            argv,
            env=env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def bootstrap(
        self, *keys: str, by: str = "ann", check: bool = False, **more: t.Any
    ) -> subprocess.CompletedProcess[str]:
        variables = {
            "bootstrap_authorized_keys": [self.people[name].public for name in keys],
            "ansible_ssh_private_key_file": str(self.people[by].path),
            **more,
        }
        playbook = BUILD / "ansible_collections/physical_ai/edge/playbooks/bootstrap.yml"
        return self.ansible(
            "ansible-playbook", str(playbook), "--diff", *(["--check"] if check else []), "-e", json.dumps(variables)
        )

    def comes_in(self, name: str, command: str = "sudo -n true") -> bool:
        ssh = ["ssh", "-F", "none", "-p", str(self.box.port), "-o", f"UserKnownHostsFile={self.known_hosts}"]
        ssh += [
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentityAgent=none",
            "-o",
            "IdentitiesOnly=yes",
        ]
        argv = [*ssh, "-i", str(self.people[name].path), "ops@127.0.0.1", command]
        return (
            subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False).returncode == 0
        )


def changed(done: subprocess.CompletedProcess[str]) -> int:
    assert done.returncode == 0, done.stdout + done.stderr
    return sum(int(number) for number in re.findall(r"changed=(\d+)", done.stdout))


def failed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).replace("\\", "").split())


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Desk]:
    for box in boxes(tmp_path_factory.mktemp("box")):
        yield Desk(box, tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def desk(fresh: Desk) -> Desk:
    """After the first login, with the operator's key alone."""
    foreseen = fresh.bootstrap("ann", check=True, **LOGIN)
    assert changed(foreseen) > 0
    assert not fresh.known_hosts.exists() and "ops" not in fresh.box.root("cat /etc/passwd")
    done = fresh.bootstrap("ann", **LOGIN)
    assert changed(done) > 0
    assert PASSWORD not in foreseen.stdout + done.stdout + done.stderr
    return fresh


@pytest.fixture(autouse=True)
def nothing_armed(fresh: Desk) -> t.Iterator[None]:
    yield
    left = fresh.box.root(
        "ls /var/lib/physical-ai/way-back/token /etc/systemd/system/physical-ai-way-back.service 2>/dev/null",
        check=False,
    )
    assert left == "", "something that was neither confirmed nor taken back"


def test_a_fingerprint_from_the_box_itself_must_match(fresh: Desk) -> None:
    if fresh.known_hosts.exists():
        pytest.skip("the key is pinned already: this is about the first login")
    done = fresh.bootstrap("ann", bootstrap_host_key_fingerprints=["SHA256:other"], **LOGIN)
    assert f"shows the key {fresh.box.fingerprint()}, and bootstrap_host_key_fingerprints has SHA256:other" in failed(
        done
    )
    assert not fresh.known_hosts.exists()


def test_the_first_login_leaves_one_way_in(desk: Desk) -> None:
    assert desk.known_hosts.read_text(encoding="utf-8").startswith(f"[127.0.0.1]:{desk.box.port} ssh-ed25519 ")
    assert desk.comes_in("ann") and not desk.comes_in("bob")
    assert desk.box.root(f"passwd --status {VENDOR}").split()[1] == "L"
    sshd = desk.box.root("sshd -T")
    assert "passwordauthentication no" in sshd and "kbdinteractiveauthentication no" in sshd
    assert desk.box.root(
        "stat -c '%U %a' /home/ops/.ssh /home/ops/.ssh/authorized_keys /etc/sudoers.d/physical-ai-ops"
    ).split() == (["ops", "700", "ops", "600", "root", "440"])
    assert desk.box.root("cat /home/ops/.ssh/authorized_keys") == desk.people["ann"].public + "\n"


def test_the_second_run_changes_nothing_and_needs_no_password(desk: Desk) -> None:
    before = desk.box.root("cat /run/sshd.pid") + (desk.box.folder / "systemd.log").read_text(encoding="utf-8")
    assert changed(desk.bootstrap("ann")) == 0
    assert changed(desk.bootstrap("ann", check=True, **LOGIN)) == 0
    assert desk.box.root("cat /run/sshd.pid") + (desk.box.folder / "systemd.log").read_text(encoding="utf-8") == before


def test_ansible_believes_only_the_pinned_key(desk: Desk) -> None:
    found = json.loads(desk.ansible("ansible-inventory", "--host", HOST).stdout)
    assert f'UserKnownHostsFile="{desk.known_hosts}"' in found["edge_ssh_args"]
    key = f"ansible_ssh_private_key_file={desk.people['ann'].path}"
    assert desk.ansible("ansible", HOST, "-m", "ansible.builtin.ping", "-e", key).returncode == 0
    pinned = desk.known_hosts.read_text(encoding="utf-8")
    other = Person(desk.folder, "other-host").public.split()[:2]
    try:
        desk.known_hosts.write_text(f"[127.0.0.1]:{desk.box.port} {' '.join(other)}\n", encoding="utf-8")
        done = desk.ansible("ansible", HOST, "-m", "ansible.builtin.ping", "-e", key, "-e", "ansible_control_path=none")
        assert done.returncode != 0 and "HOST IDENTIFICATION HAS CHANGED" in done.stdout
        said = failed(desk.bootstrap("ann"))
        assert f"shows the key {desk.box.fingerprint()} (ssh-ed25519), and SHA256:" in said
        assert "Where the box was replaced, run the playbook replace" in said
        assert changed(desk.bootstrap("ann", bootstrap_replace=True)) == 1
        assert desk.known_hosts.read_text(encoding="utf-8") == pinned
    finally:
        desk.known_hosts.write_text(pinned, encoding="utf-8")


def test_a_key_is_rotated_and_nobody_can_lock_themselves_out(desk: Desk) -> None:
    # Only bob's key counts from now on, and ann, who runs it, has hers alone.
    said = failed(desk.bootstrap("bob", by="ann"))
    assert "ops does not come into kiruna-box by key" in said and "are as they were" in said
    assert desk.comes_in("ann") and desk.comes_in("bob")  # what was opened stays open
    assert changed(desk.bootstrap("ann", "bob")) == 0
    assert changed(desk.bootstrap("bob", by="bob")) > 0
    assert desk.comes_in("bob") and not desk.comes_in("ann")
    assert changed(desk.bootstrap("ann", "bob", by="bob")) > 0
    assert changed(desk.bootstrap("ann")) > 0
    assert desk.comes_in("ann") and not desk.comes_in("bob")


def test_rights_for_sudo_are_checked_and_proven(desk: Desk) -> None:
    rules = desk.box.root("cat /etc/sudoers.d/physical-ai-ops")
    assert "visudo does not take the rules of bootstrap_sudo" in failed(
        desk.bootstrap("ann", bootstrap_sudo=["ALL=(ALL NOPASSWD"])
    )
    assert desk.box.root("cat /etc/sudoers.d/physical-ai-ops") == rules
    # Good for visudo, and nobody could become root any more.
    (desk.box.folder / "seconds").write_text("8", encoding="utf-8")
    try:
        assert "are as they were" in failed(desk.bootstrap("ann", bootstrap_sudo=["ALL=(ALL:ALL) NOPASSWD: /bin/ls"]))
        # The rules are back a moment before sshd has been restarted.
        until = time.monotonic() + 60
        while not desk.comes_in("ann") and time.monotonic() < until:
            time.sleep(0.3)
    finally:
        (desk.box.folder / "seconds").unlink()
    assert desk.comes_in("ann")
    assert desk.box.root("cat /etc/sudoers.d/physical-ai-ops") == rules
    assert changed(desk.bootstrap("ann")) == 0


def test_an_sshd_that_would_not_come_back_is_not_touched(desk: Desk) -> None:
    desk.box.root("echo 'Nonsense yes' > /etc/ssh/sshd_config.d/50-cloud-init.conf")
    try:
        said = failed(desk.bootstrap("ann", bootstrap_password_logins=True))
        assert "sshd does not take its configuration (" in said and "before anything was changed: mend it first" in said
        assert "PasswordAuthentication no" in desk.box.root("cat /etc/ssh/sshd_config.d/00-physical-ai.conf")
    finally:
        desk.box.root("rm /etc/ssh/sshd_config.d/50-cloud-init.conf")
    assert desk.comes_in("ann")


def test_a_controller_that_dies_after_the_change_leaves_the_old_ways(desk: Desk) -> None:
    (desk.box.folder / "seconds").write_text("20", encoding="utf-8")
    arguments = {
        "state": "closed",
        "user": "ops",
        "authorized_keys": [desk.people["bob"].public],
        "password_logins": True,
    }
    try:
        done = desk.ansible(
            *("ansible", HOST, "--become", "-m", "physical_ai.edge.access", "-a", json.dumps(arguments)),
            *("-e", f"ansible_ssh_private_key_file={desk.people['ann'].path}"),
        )
        assert done.returncode == 0, done.stdout
        assert desk.comes_in("bob") and not desk.comes_in("ann")
        until = time.monotonic() + 60
        while not desk.comes_in("ann") and time.monotonic() < until:
            time.sleep(0.3)
    finally:
        (desk.box.folder / "seconds").unlink()
    assert desk.comes_in("ann") and not desk.comes_in("bob")
    assert "passwordauthentication no" in desk.box.root("sshd -T")


def test_an_authority_takes_the_place_of_pins(desk: Desk) -> None:
    pinned = desk.known_hosts.read_text(encoding="utf-8")
    authority = Person(desk.folder, "host-authority")
    wanted: dict[str, t.Any] = {"bootstrap_host_ca": str(authority.path)}
    try:
        assert changed(desk.bootstrap("ann", **wanted)) > 0
        known = desk.known_hosts.read_text(encoding="utf-8").split()
        assert known[0] == "@cert-authority" and known[-1] == authority.public.split()[1] and len(known) == 4
        assert desk.comes_in("ann")
        assert changed(desk.bootstrap("ann", **wanted)) == 0
        # A new host key, as a replaced box has: no certificate, so no way in.
        desk.box.root(
            "cp -a /etc/ssh /run/ssh-before; rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key"
        )
        desk.box.root("rm -f /etc/ssh/sshd_config.d/00-physical-ai.conf; kill -HUP $(cat /run/sshd.pid)")
        time.sleep(0.5)
        assert not desk.comes_in("ann")
        assert "without a certificate of SHA256:" in failed(desk.bootstrap("ann", **wanted))
    finally:
        desk.box.root("test ! -d /run/ssh-before || { cp -a /run/ssh-before/. /etc/ssh/; rm -rf /run/ssh-before; }")
        desk.box.root("kill -HUP $(cat /run/sshd.pid)")
        desk.known_hosts.write_text(pinned, encoding="utf-8")
        time.sleep(0.5)
    assert changed(desk.bootstrap("ann")) > 0  # without the authority, the certificate goes
    assert changed(desk.bootstrap("ann")) == 0


def test_a_backup_of_the_box_and_its_way_back(desk: Desk) -> None:
    """The playbooks backup and restore; what they decide has tests of its own."""
    argv = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-passout",
        "pass:words-4712",
        "-subj",
        "/CN=ann",
        "-days",
        "30",
    ]
    key, certificate = desk.folder / "operator.key", desk.folder / "operator.crt"
    subprocess.run([*argv, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    desk.box.root("mkdir -p /etc/physical-ai && echo '[1]' > /etc/physical-ai/holds.json")
    variables: dict[str, t.Any] = {
        "edge_hosts": HOST,
        "ansible_ssh_private_key_file": str(desk.people["ann"].path),
        "backup_to": str(desk.folder / "backups"),
        "backup_recipients": str(certificate),
        "backup_operator_files": [str(certificate)],
    }

    def play(name: str, *arguments: str, **more: t.Any) -> subprocess.CompletedProcess[str]:
        playbook = BUILD / f"ansible_collections/physical_ai/edge/playbooks/{name}.yml"
        return desk.ansible("ansible-playbook", str(playbook), *arguments, "-e", json.dumps({**variables, **more}))

    assert "there is no file /nowhere.crt" in failed(play("backup", backup_recipients="/nowhere.crt"))
    assert changed(play("backup")) > 0
    archives = {path.parent.name: path for path in (desk.folder / "backups").glob("*/*.cms")}
    assert set(archives) == {HOST, "operators"}
    brief = json.loads(archives[HOST].with_suffix(".json").read_text(encoding="utf-8"))
    assert brief["host"] == HOST and brief["files"] == 1
    assert desk.box.root("ls /var/lib/physical-ai/*.cms 2>/dev/null", check=False) == ""
    desk.box.root("rm -r /etc/physical-ai")
    back = {"restore_from": str(archives[HOST]), "restore_key": str(key), "restore_key_passphrase": "words-4712"}
    assert changed(play("restore", "--check", **back)) == 1
    assert desk.box.root("ls /etc/physical-ai 2>/dev/null", check=False) == ""
    done = play("restore", "-vvv", **back)
    assert changed(done) == 1 and "words-4712" not in re.sub(
        r"(?m)^.*ansible-playbook .*$", "", done.stdout + done.stderr
    )
    failed(play("restore", **{**back, "restore_key_passphrase": "other"}))
    assert desk.box.root("cat /etc/physical-ai/holds.json") == "[1]\n"
    assert changed(play("restore", **back)) == 0
    other = {**back, "restore_from": str(archives["operators"])}
    assert "the backup is of operators, and this is kiruna-box. Nothing was restored" in failed(
        play("restore", **other)
    )
    assert desk.box.root("ls /run/physical-ai-restore* 2>/dev/null", check=False) == ""
