# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways into a node: cut off anywhere, either nobody has noticed or the script brings the old ones back."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import access as core
from ansible_collections.physical_ai.edge.plugins.module_utils._core.access import Wanted
from ansible_collections.physical_ai.edge.plugins.module_utils._core.fields import SpecError
from ansible_collections.physical_ai.edge.plugins.module_utils._node import access, files
from ansible_collections.physical_ai.edge.plugins.module_utils._node._runner import Done
from ansible_collections.physical_ai.edge.plugins.module_utils._node.access import Access
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths
from tests.unit.plugins.module_utils._node import signing
from tests.unit.plugins.module_utils._node.signing import Person

SUDO = ("ALL=(ALL:ALL) NOPASSWD: ALL",)


class Programs:
    """The programs of a box: what they were asked, and what they do to its files."""

    def __init__(self, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths, self.asked, self.fails = paths, [], {}  # type: ignore[var-annotated] # filled by tests
        self.sshd = "passwordauthentication no\nkbdinteractiveauthentication no\npubkeyauthentication yes\n"
        monkeypatch.setattr(access, "run", self.run)

    def run(self, argv: t.Sequence[str], timeout: float = 60, text: str = "") -> Done:
        self.asked.append(" ".join(argv))
        for words, said in self.fails.items():
            if " ".join(argv).startswith(words):
                return Done(1, "", said)
        if argv[0] == "/bin/sh":
            # The real script, with the programs of the system left out.
            folder = os.path.dirname(argv[1])
            bin_ = Path(self.paths.root, "bin")
            bin_.mkdir(exist_ok=True)
            for name in ("systemctl", "usermod", "logger", "sshd", "sync"):
                (bin_ / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {self.paths.root}/undone\n', encoding="utf-8")
                (bin_ / name).chmod(0o755)
            env = dict(os.environ, PATH=f"{bin_}:{os.environ['PATH']}")
            done = subprocess.run(list(argv), env=env, cwd=folder, capture_output=True, text=True, check=False)
            return Done(done.returncode, done.stdout, done.stderr)
        if argv[:2] == ["systemctl", "is-active"]:
            return Done(3, "inactive\n", "")
        if argv[0] == "useradd":
            with open(f"{self.paths.root}/etc/passwd", "a", encoding="utf-8") as handle:
                handle.write(f"{argv[-1]}:x:{os.getuid()}:{os.getgid()}::/home/{argv[-1]}:/bin/bash\n")
            os.makedirs(f"{self.paths.root}/home/{argv[-1]}")
        return Done(0, self.sshd if list(argv) == ["sshd", "-T"] else "", "")


@pytest.fixture
def people(tmp_path: Path) -> t.Dict[str, Person]:
    signing.needed()
    return {name: Person(tmp_path, name) for name in ("ann", "bob")}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    root = tmp_path / "box"
    for folder in (
        "etc/sudoers.d",
        "etc/ssh/sshd_config.d",
        "etc/systemd/system",
        "run/systemd/system",
        "var/lib/physical-ai",
    ):
        (root / folder).mkdir(parents=True)
    (root / "etc/passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nvendor:x:1000:1000::/home/vendor:/bin/sh\n", encoding="utf-8"
    )
    (root / "etc/shadow").write_text("root:*:1:0:9:7:::\nvendor:$y$secret:1:0:9:7:::\n", encoding="utf-8")
    (root / "etc/group").write_text("docker:x:99:root\n", encoding="utf-8")
    (root / "etc/ssh/ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAA root@box\n", encoding="utf-8")
    return Paths(str(root))


@pytest.fixture
def programs(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Programs:
    if os.geteuid() != 0:
        pytest.skip("only root can give files to others")
    return Programs(paths, monkeypatch)


def wanted(*people: Person, **more: t.Any) -> Wanted:
    keys = core.entries("keys", [person.public for person in people])
    return Wanted(**{"user": "ops", "keys": keys, "sudo": SUDO, "vendor_user": "vendor", **more})


def snapshot(paths: Paths) -> t.Dict[str, t.Tuple[bytes, int]]:
    found = {}
    for top in ("etc", "home"):
        for folder, dummy, names in os.walk(f"{paths.root}/{top}"):
            for name in names:
                path = os.path.join(folder, name)
                found[path[len(paths.root) :]] = (Path(path).read_bytes(), os.stat(path).st_mode & 0o777)
    return found


def test_opening_only_adds_and_closing_takes_away(
    paths: Paths, programs: Programs, people: t.Dict[str, Person]
) -> None:
    box = Access(paths, wanted(people["ann"], groups=("docker",)))
    assert box.opening().lines == box.open().lines
    assert box.opening().lines == ("ops joins docker",)  # useradd and usermod of the test change no groups
    keys = f"{paths.root}/home/ops/.ssh/authorized_keys"
    Path(keys).write_text(f"# mine\n{people['bob'].public}\n{people['ann'].public}\n", encoding="utf-8")
    rotated = Access(paths, wanted(people["ann"], sudo=("ALL=(ALL) NOPASSWD: /bin/ls",)))
    assert not rotated.opening()
    bob = core.entry("bob", people["bob"].public).key.fingerprint
    assert rotated.close().lines == (
        f"key taken away: bob@example.com ({bob})",
        "rights of ops with sudo change",
        "sshd takes no passwords",
        "password of vendor is locked",
    )
    assert Path(keys).read_text(encoding="utf-8") == people["ann"].public + "\n"
    assert rotated.armed() and os.path.exists(rotated.unit) and os.path.islink(core.wants(rotated.unit))
    assert any(line.startswith("systemd-run --on-active=120 ") for line in programs.asked)
    assert rotated.confirm() and not rotated.armed() and not rotated.confirm()
    assert not os.path.lexists(core.wants(rotated.unit)) and not os.path.exists(rotated.unit)
    assert rotated.closing().files == ()


POINTS = 12


@pytest.mark.parametrize("stop", range(POINTS))
def test_killed_anywhere_the_old_ways_come_back(
    paths: Paths, programs: Programs, people: t.Dict[str, Person], monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    """What is cut off while it arms has changed nothing; later, the timer or the next boot runs the script."""
    Access(paths, wanted(people["bob"])).open()
    before = snapshot(paths)
    box = Access(paths, wanted(people["ann"], sudo=("ALL=(ALL) NOPASSWD: /bin/ls",)))
    box.open()
    opened = snapshot(paths)
    assert set(before) == set(opened)
    count = [stop]

    class Killed(BaseException):
        pass

    def step(real: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*arguments: t.Any, **more: t.Any) -> t.Any:
            if not count[0]:
                raise Killed
            count[0] -= 1
            return real(*arguments, **more)

        return call

    monkeypatch.setattr(Access, "write", step(Access.write))
    monkeypatch.setattr(files, "write_atomic", step(files.write_atomic))
    monkeypatch.setattr(Access, "_program", step(Access._program))
    try:
        box.close()
        killed = False
    except Killed:
        killed = True
    monkeypatch.undo()
    Programs(paths, monkeypatch)
    if not killed:
        assert stop == POINTS - 1, "there are fewer points than are tried"
        return
    # A boot, or the timer; with neither unit nor token nothing was changed yet.
    if os.path.lexists(core.wants(box.unit)):
        access.run(["/bin/sh", f"{box.folder}/restore"])
    after = {name: value for name, value in snapshot(paths).items() if "way-back" not in name and "/.way-" not in name}
    assert after == opened
    # And the next try goes on from there.
    assert box.close() and box.confirm()


def test_the_script_may_run_twice_and_too_late_is_said(
    paths: Paths, programs: Programs, people: t.Dict[str, Person]
) -> None:
    Access(paths, wanted(people["bob"])).open()
    box = Access(paths, wanted(people["ann"], vendor="expire"))
    box.open()
    opened = snapshot(paths)
    box.close()
    for _again in range(2):
        access.run(["/bin/sh", f"{box.folder}/restore"])
        assert snapshot(paths) == opened
    undone = Path(paths.root, "undone").read_text(encoding="utf-8")
    assert undone.count("usermod --expiredate  vendor") == 1 and "try-reload-or-restart ssh.service" in undone
    with pytest.raises(NodeError, match="nobody confirmed within 120 s"):
        box.confirm()
    # What was confirmed is not taken back by a timer that comes after it.
    box.close()
    closed = snapshot(paths)
    os.rename(f"{box.folder}/token", f"{box.folder}/confirmed")
    access.run(["/bin/sh", f"{box.folder}/restore"])
    assert snapshot(paths) == closed


@pytest.mark.parametrize(
    ("fails", "sshd", "words"),
    [
        ({"visudo": "syntax error"}, "", "visudo does not take the rules of bootstrap_sudo: syntax error"),
        ({"systemd-run": "no bus"}, "", "cannot be started, so nothing is changed"),
        ({"usermod": "locked file"}, "", "`usermod` failed: locked file"),
        ({}, "passwordauthentication yes\n", "sshd would still take passwords"),
        ({}, "pubkeyauthentication no\n", "sshd takes no keys"),
    ],
)
def test_what_goes_wrong_is_taken_back_at_once(
    paths: Paths, programs: Programs, people: t.Dict[str, Person], fails: t.Dict[str, str], sshd: str, words: str
) -> None:
    Access(paths, wanted(people["ann"])).open()
    before = snapshot(paths)
    programs.fails, programs.sshd = fails, sshd
    box = Access(paths, wanted(people["ann"], sudo=("ALL=(ALL) ALL",)))
    with pytest.raises(NodeError, match=words):
        box.close()
    assert snapshot(paths) == before and not box.armed()


def test_without_systemd_nothing_is_closed(paths: Paths, programs: Programs, people: t.Dict[str, Person]) -> None:
    box = Access(paths, wanted(people["ann"]))
    box.open()
    os.rmdir(f"{paths.root}/run/systemd/system")
    before = snapshot(paths)
    with pytest.raises(NodeError, match="systemd does not run here"):
        box.close()
    assert snapshot(paths) == before


def test_a_home_that_leads_elsewhere_is_refused(
    paths: Paths, programs: Programs, people: t.Dict[str, Person], tmp_path: Path
) -> None:
    box = Access(paths, wanted(people["ann"]))
    box.open()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    ssh = Path(paths.root, "home/ops/.ssh")
    ssh.rename(tmp_path / "ssh-before")
    ssh.symlink_to(elsewhere)
    for look in (box.opening, box.closing):
        with pytest.raises(NodeError, match="is a link, wanted a place of its own"):
            look()
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", ["root", "Ops", "a b", "", "ops:x", "-x", None, "x" * 40])
def test_bad_names_of_users(name: t.Any) -> None:
    with pytest.raises(SpecError, match=r"^bootstrap_user: found"):
        core.user("bootstrap_user", name)


def test_lines_of_authorized_keys(people: t.Dict[str, Person]) -> None:
    ann = people["ann"].public
    options = 'from="10.0.0.0/8",command="echo \\"a b\\"" '
    assert core.entry("x", options + ann).options == options.strip()
    assert core.entry("x", options + ann).line == options + ann
    assert core.entries("x", [f"# all of us\n{ann}\n", ann])[0].line == ann and len(core.entries("x", [ann, ann])) == 1
    for bad in ("", "ssh-ed25519 AAAA", "nonsense", options, ann[:40], "-----BEGIN OPENSSH PRIVATE KEY-----"):
        with pytest.raises(SpecError):
            core.entries("x", [bad])


def test_the_order_of_keys_is_no_change(people: t.Dict[str, Person]) -> None:
    both = wanted(people["ann"], people["bob"])
    turned = f"{people['bob'].public}\n{people['ann'].public}\n"
    assert core.keys_closed(turned, both) == turned
    more = core.keys_closed(f"{people['bob'].public}\n", wanted(people["ann"], exclusive=False))
    assert more == f"{people['bob'].public}\n{people['ann'].public}\n"
    assert core.keys_gone(more, wanted(people["ann"], exclusive=False)) == []
