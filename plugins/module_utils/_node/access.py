# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens and closes ways into a node. What could lock people out sits behind a dead man's timer.

`opened` only adds. `closed` saves what is there, arms the timer and a unit for the next boot, and then changes it; unless
`confirmed` comes over a new connection in time, everything is as it was.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
import tempfile
import typing as t
from dataclasses import dataclass

from .._core import access
from .._core.access import File, Undo, Wanted
from . import faults, files
from ._runner import Done, run
from .errors import NodeError
from .files import Paths

HOST_KEYS = ("ed25519", "ecdsa", "rsa")
_SERVICES = ("ssh.service", "sshd.service")


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True)
class Change:
    """What is to be done: files, and programs with the line of shell that undoes each. `lines` are for people."""

    files: t.Tuple[File, ...] = ()
    programs: t.Tuple[t.Tuple[t.Tuple[str, ...], str], ...] = ()
    lines: t.Tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.files or self.programs)


class Access:
    def __init__(self, paths: Paths, wanted: Wanted) -> None:
        self.paths = paths
        self.wanted = wanted

    # -- what is there -------------------------------------------------------------------------------------------------

    def _etc(self, *parts: str) -> str:
        return "/".join([self.paths.root + "/etc", *parts])

    @property
    def folder(self) -> str:
        """What brings the old ways back."""
        return self.paths.state_directory + "/way-back"

    @property
    def unit(self) -> str:
        return self._etc("systemd/system", f"{access.UNIT}.service")

    @property
    def sudoers(self) -> str:
        return self._etc("sudoers.d", access.sudoers_name(self.wanted.user))

    @property
    def drop_in(self) -> str:
        return self._etc("ssh/sshd_config.d/00-physical-ai.conf")

    @property
    def certificate(self) -> str:
        return self._etc("ssh/ssh_host_ed25519_key-cert.pub")

    def account(self, name: str) -> t.Optional[Account]:
        if not self.paths.root:
            try:
                found = pwd.getpwnam(name)
            except KeyError:
                return None
            return Account(name, found.pw_uid, found.pw_gid, found.pw_dir)
        for line in (files.read_text(self._etc("passwd")) or "").splitlines():
            row = line.split(":")
            if row[0] == name:
                return Account(name, int(row[2]), int(row[3]), self.paths.root + row[5])
        return None

    def shadow(self, name: str) -> t.Tuple[str, str]:
        """(first character of the password, or nothing where there is none, day of expiry) of a user."""
        for line in (files.read_text(self._etc("shadow")) or "").splitlines():
            row = line.split(":")
            if row[0] == name:
                return row[1][:1], row[7]
        return "", ""

    def keys_path(self, account: Account) -> str:
        return account.home + "/.ssh/authorized_keys"

    def keys(self, account: t.Optional[Account]) -> str:
        if account is None:
            return ""
        for path in (os.path.dirname(self.keys_path(account)), self.keys_path(account)):
            if os.path.islink(path):
                raise NodeError(
                    "access", f"{path} is a link, wanted a place of its own: what it points to is not written to"
                )
        return files.read_text(self.keys_path(account)) or ""

    def host_keys(self) -> t.List[str]:
        found = [files.read_text(self._etc(f"ssh/ssh_host_{kind}_key.pub")) for kind in HOST_KEYS]
        return [" ".join(text.split()[:2]) for text in found if text and len(text.split()) >= 2]

    # -- opening -------------------------------------------------------------------------------------------------------

    def opening(self) -> Change:
        """What is added, so that the new way in works beside the old one."""
        wanted, account = self.wanted, self.account(self.wanted.user)
        programs: t.List[t.Tuple[t.Tuple[str, ...], str]] = []
        lines = []
        if account is None:
            # Nobody knows a password that is '*', and sshd does not take it for a locked account.
            add = ("useradd", "--create-home", "--shell", "/bin/bash", "--password", "*")
            programs.append(((*add, wanted.user), ""))
            lines.append(f"user {wanted.user} is made")
        missing = [name for name in wanted.groups if wanted.user not in self._members(name)]
        if missing:
            programs.append((("usermod", "--append", "--groups", ",".join(missing), wanted.user), ""))
            lines.append(f"{wanted.user} joins {', '.join(missing)}")
        changed = []
        before = self.keys(account)
        if access.keys_opened(before, wanted) != before:
            lines.append(f"keys of {wanted.user}: those that are missing are added")
            changed.append(self._keys_file(account, access.keys_opened(before, wanted)))
        if wanted.sudo and files.read_text(self.sudoers) is None:
            lines.append(f"{wanted.user} may use sudo: {self.sudoers}")
            changed.append(File(self.sudoers, access.sudoers(wanted), 0o440))
        return Change(tuple(changed), tuple(programs), tuple(lines))

    def _members(self, group: str) -> t.List[str]:
        for line in (files.read_text(self._etc("group")) or "").splitlines():
            row = line.split(":")
            if row[0] == group:
                return row[3].split(",")
        raise NodeError("access", f"there is no group '{group}' on this node: leave it out, or make it first")

    def _keys_file(self, account: t.Optional[Account], content: str) -> File:
        if account is None:  # to be made; check mode knows no more
            return File("~/.ssh/authorized_keys", content, 0o600)
        return File(self.keys_path(account), content, 0o600, account.uid, account.gid)

    def open(self) -> Change:
        change = self.opening()
        for argv, dummy in change.programs:
            self._program(argv)
        account = self.account(self.wanted.user)
        if account is None:
            raise NodeError("access", f"user {self.wanted.user} is not there although useradd has made it")
        for file in change.files:
            if file.path == self.sudoers:
                self._check_sudoers(file.content or "")
                self.write(file)
            else:
                self.write(self._keys_file(account, file.content or ""))
        return change

    def _program(self, argv: t.Sequence[str]) -> Done:
        done = run(argv)
        if done.code != 0:
            raise NodeError("access", f"`{argv[0]}` failed: {done.said}")
        return done

    def _check_sudoers(self, content: str) -> None:
        """sudo with a broken file lets nobody become root any more, so it is looked at first."""
        with tempfile.NamedTemporaryFile("w", prefix="sudoers-", encoding="utf-8") as handle:
            handle.write(content)
            handle.flush()
            done = run(["visudo", "-c", "-f", handle.name])
        if done.code != 0:
            said = done.said.replace(handle.name, "bootstrap_sudo")
            raise NodeError(
                "access", f"visudo does not take the rules of bootstrap_sudo: {said}; the old ones are in force"
            )

    def write(self, file: File) -> None:
        """Into the home of a user as well: the name is replaced, whatever it points to."""
        folder = os.path.dirname(file.path)
        if not os.path.isdir(folder):
            os.makedirs(folder, mode=0o755)
            if folder.endswith("/.ssh"):
                os.chmod(folder, 0o700)
                os.chown(folder, file.uid, file.gid)
        if file.content is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(file.path)
            files.sync_directory(folder)
            return
        # In a folder of a user nothing may be there that is written through.
        descriptor, temporary = tempfile.mkstemp(prefix=".way-", dir=folder)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
                os.fchmod(handle.fileno(), file.mode)
                os.fchown(handle.fileno(), file.uid, file.gid)
                handle.write(file.content)
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(temporary, file.path)
        except OSError as exc:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise NodeError(
                "access", f"{file.path} cannot be written: {exc.strerror}; the old content is in place"
            ) from None
        files.sync_directory(folder)

    # -- closing -------------------------------------------------------------------------------------------------------

    def closing(self) -> Change:
        """What takes something away, or changes what lets people in."""
        wanted, account = self.wanted, self.account(self.wanted.user)
        changed: t.List[File] = []
        lines: t.List[str] = []
        before = self.keys(account)
        if account is not None and access.keys_closed(before, wanted) != before:
            changed.append(self._keys_file(account, access.keys_closed(before, wanted)))
            lines += [f"key taken away: {name}" for name in access.keys_gone(before, wanted)]
            lines = lines or [f"keys of {wanted.user} are written anew"]
        known = files.read_text(self.sudoers)
        if wanted.sudo and known not in (None, access.sudoers(wanted)):
            changed.append(File(self.sudoers, access.sudoers(wanted), 0o440))
            lines.append(f"rights of {wanted.user} with sudo change")
        if wanted.certificate and files.read_text(self.certificate) != wanted.certificate:
            changed.append(File(self.certificate, wanted.certificate))
            lines.append("the host shows a new certificate")
        drop_in = access.sshd(wanted, self.certificate)
        if files.read_text(self.drop_in) != drop_in:
            changed.append(File(self.drop_in, drop_in))
            lines.append(
                "sshd takes no passwords" if not wanted.passwords else "sshd takes passwords as its own files say"
            )
        programs, said = self._vendor()
        return Change(tuple(changed), tuple(programs), (*lines, *said))

    def _vendor(self) -> t.Tuple[t.List[t.Tuple[t.Tuple[str, ...], str]], t.List[str]]:
        name, how = self.wanted.vendor_user, self.wanted.vendor
        if not name or how == "keep" or self.account(name) is None:
            return [], []
        password, expiry = self.shadow(name)
        if how == "lock":
            if password in ("!", "*"):
                return [], []
            return [(("usermod", "--lock", name), f"usermod --unlock {name}")], [f"password of {name} is locked"]
        if name == self.wanted.user:
            raise NodeError(
                "access", f"bootstrap_vendor_account: {name} is the user of operations, who cannot expire: wanted lock"
            )
        if expiry == "1":
            return [], []
        # usermod takes a day as a date; an empty one is none.
        day = f"$(date -u -d '1970-01-01 +{int(expiry)} days' +%F)" if expiry else ""
        undo = f'usermod --expiredate "{day}" {name}'
        return [(("usermod", "--expiredate", "1", name), undo)], [f"account of {name} is expired"]

    def armed(self) -> bool:
        return os.path.exists(self.folder + "/token")

    def close(self) -> Change:
        """Closes ways in behind the timer; whoever asked confirms over a new connection, or all is as it was.

        :raises NodeError: where something was not taken; then all is as it was.
        """
        change = self.closing()
        if not change:
            return change
        if self.armed() and run(["systemctl", "is-active", f"{access.UNIT}-now.timer"]).code == 0:
            raise NodeError(
                "access",
                f"another change waits to be confirmed or taken back on this node ({self.folder}): wait for it",
            )
        if self.restore():  # what was cut off before its timer ran
            change = self.closing()
        self._checks(change)
        self._save(change)
        self._point("armed")
        try:
            for file in change.files:
                self.write(file)
                self._point("file")
            for argv, dummy in change.programs:
                self._program(argv)
                self._point("program")
            self._reload(change)
        except NodeError:
            self.restore()
            raise
        return change

    def _point(self, name: str) -> None:
        faults.reach(self.paths, f"access_{name}:after")

    def _checks(self, change: Change) -> None:
        for file in change.files:
            if file.path == self.sudoers:
                self._check_sudoers(file.content or "")
        if not os.path.isdir(self.paths.root + "/run/systemd/system"):
            raise NodeError(
                "access", "systemd does not run here, wanted its timers: without one nothing that locks out is changed"
            )

        if any(file.path in (self.drop_in, self.certificate) for file in change.files):
            self._check_sshd("as it is, before anything was changed: mend it first")

    def _check_sshd(self, then: str) -> None:
        # Where sshd is started by a socket, this folder may be missing.
        files.make_directory(self.paths.root + "/run/sshd", 0o755)
        done = run(["sshd", "-t"])
        if done.code != 0:
            raise NodeError("access", f"sshd does not take its configuration ({done.said}) {then}")

    def _save(self, change: Change) -> None:
        """What is there now, the script that brings it back, and two that call it: a timer, and a unit at the next boot."""
        files.remove_tree(self.folder)
        files.make_directory(self.folder)
        undo = Undo(lines=[line for dummy, line in change.programs if line])
        for index, file in enumerate(change.files):
            content = files.read_text(file.path)
            if content is None:
                undo.absent.append(file.path)
                continue
            found = os.stat(file.path)
            undo.saved[file.path] = f"saved-{index}"
            saved = File(
                f"{self.folder}/saved-{index}", content, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid
            )
            self.write(saved)
        restore = self.folder + "/restore"
        files.write_atomic(restore, access.script(self.folder, undo, self.unit), 0o700)
        self.write(File(self.unit, access.unit(restore)))
        wants = access.wants(self.unit)
        files.make_directory(os.path.dirname(wants), 0o755)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(wants)
        os.symlink(self.unit, wants)
        files.sync_directory(os.path.dirname(wants))
        files.write_atomic(self.folder + "/token", "")
        timer = f"--on-active={self.wanted.seconds}"
        try:
            with contextlib.suppress(NodeError):  # of an earlier change, which has ended
                run(["systemctl", "reset-failed", f"{access.UNIT}-now.service", f"{access.UNIT}-now.timer"])
            self._program(
                [
                    "systemd-run",
                    timer,
                    "--timer-property=AccuracySec=1s",
                    f"--unit={access.UNIT}-now",
                    "/bin/sh",
                    restore,
                ]
            )
        except NodeError as exc:
            self._disarm("failed")
            raise NodeError(
                "access",
                f"the timer that takes the change back cannot be started, so nothing is changed: {exc.message}",
            ) from None

    def _reload(self, change: Change) -> None:
        if not any(file.path in (self.drop_in, self.certificate) for file in change.files):
            return
        self._check_sshd("with what was to be written; the old one is in place")
        wrong = access.effective(self.wanted, self._program(["sshd", "-T"]).out)
        if wrong:
            raise NodeError("access", f"{wrong}; the old configuration is in place")
        for name in _SERVICES:
            run(["systemctl", "try-reload-or-restart", name])
        self._point("reload")

    def confirm(self) -> bool:
        """Called over a new connection: the new ways work. Whether there was something to confirm.

        :raises NodeError: where the timer was first.
        """
        try:
            os.rename(self.folder + "/token", self.folder + "/confirmed")
        except FileNotFoundError:
            if any(os.path.exists(f"{self.folder}/{name}") for name in ("restoring", "restored")):
                raise NodeError(
                    "access",
                    f"nobody confirmed within {self.wanted.seconds} s, so the ways into this node are as they were",
                ) from None
            return False
        self._disarm("confirmed")
        return True

    def _disarm(self, token: str) -> None:
        for path in (access.wants(self.unit), self.unit):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        with contextlib.suppress(NodeError):
            run(["systemctl", "stop", f"{access.UNIT}-now.timer"])
            run(["systemctl", "daemon-reload"])
        if token:
            files.remove_tree(self.folder)

    def restore(self) -> bool:
        """Puts all back now. Whether there was something."""
        if not self.armed() and not os.path.exists(self.folder + "/restoring"):
            return False
        done = run(["/bin/sh", self.folder + "/restore"], timeout=90)
        if not os.path.exists(self.folder + "/restored"):
            raise NodeError(
                "access",
                f"the ways into this node could not all be put back: {done.said}; run `sh {self.folder}/restore`",
            )
        self._disarm("")
        return True
