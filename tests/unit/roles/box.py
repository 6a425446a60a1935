# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A box that was just flashed, on loopback: a real sshd, sudo and accounts in name spaces of their own.

Nothing outside changes: /etc, /home, /run and /var/lib are copies that only its processes see, and all of them end with it.
systemd is played by two scripts: one starts what a timer would, the other tells sshd to read its files again.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

from tests.tools.setup import CACHE

PACKAGES = ("openssh-server", "sudo", "libwrap0")
VENDOR, PASSWORD = "vendor", "jetson-4711"

_SETUP = r"""
set -e
mount --make-rprivate /
cp -a /etc {box}/etc
[ -d {debs}/etc ] && cp -a {debs}/etc/. {box}/etc/
mount --bind {box}/etc /etc
[ -d {debs}/usr ] && mount -t overlay overlay -o lowerdir={box}/usr:{debs}/usr:/usr /usr || mount -t overlay overlay -o lowerdir={box}/usr:/usr /usr
mount -t tmpfs tmpfs /home
mount -t tmpfs tmpfs /run
mkdir -p {box}/var-lib && mount --bind {box}/var-lib /var/lib
mkdir -p /run/sshd /run/systemd/system /etc/ssh/sshd_config.d /etc/sudoers.d
rm -f /etc/ssh/ssh_host_*
grep -q '^sshd:' /etc/passwd || echo 'sshd:x:990:65534::/run/sshd:/usr/sbin/nologin' >> /etc/passwd
useradd --create-home --shell /bin/bash {vendor}
echo '{vendor}:{password}' | chpasswd
echo '{vendor} ALL=(ALL:ALL) ALL' > /etc/sudoers.d/vendor
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
ssh-keygen -q -t ecdsa -N '' -f /etc/ssh/ssh_host_ecdsa_key
cat > /etc/ssh/sshd_config <<END
Include /etc/ssh/sshd_config.d/*.conf
Port {port}
ListenAddress 127.0.0.1
UsePAM no
PidFile /run/sshd.pid
PasswordAuthentication yes
Subsystem sftp internal-sftp
END
/usr/sbin/sshd -D -E {box}/sshd.log &
echo up > {box}/up
wait
while :; do sleep 1; done
"""

_SYSTEMCTL = r"""#!/bin/sh
echo "systemctl $*" >> {box}/systemd.log
case "$1 $2" in
  "try-reload-or-restart ssh.service") kill -HUP $(cat /run/sshd.pid) ;;
  "is-active "*) [ -e /run/timer ] ;;
  "stop "*) rm -f /run/timer ;;
esac
"""

_SYSTEMD_RUN = r"""#!/bin/sh
echo "systemd-run $*" >> {box}/systemd.log
for word; do case "$word" in --on-active=*) seconds=${{word#*=}} ;; esac; last=$word; done
echo $$ > /run/timer
id=$(cat /run/timer)
(sleep $(cat {box}/seconds 2>/dev/null || echo $seconds); [ "$(cat /run/timer 2>/dev/null)" = "$id" ] && /bin/sh "$last") >/dev/null 2>&1 </dev/null &
"""


def programs() -> Path:
    """Where the packages of sshd and sudo were unpacked, or an empty place where they are installed. Skips where there are none."""
    empty = CACHE / "box-none"
    empty.mkdir(parents=True, exist_ok=True)
    if shutil.which("sshd", path="/usr/sbin:/sbin") and shutil.which("visudo", path="/usr/sbin:/sbin"):
        return empty
    unpacked = CACHE / "box-debs"
    if not (unpacked / "usr/sbin/sshd").exists():
        folder = CACHE / "box-packages"
        folder.mkdir(parents=True, exist_ok=True)
        if not shutil.which("apt-get"):
            pytest.skip("no sshd and sudo here, and no apt-get to fetch them")
        done = subprocess.run(
            ["apt-get", "download", *PACKAGES], cwd=folder, capture_output=True, timeout=120, check=False
        )
        if done.returncode != 0:
            pytest.skip("no sshd and sudo here, and apt-get cannot fetch openssh-server and sudo")
        for path in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(path), str(unpacked)], check=True, timeout=60)
    return unpacked


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Box:
    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        debs = programs()
        places = {"box": self.folder, "debs": debs, "port": self.port, "vendor": VENDOR, "password": PASSWORD}
        (self.folder / "etc").mkdir()
        shutil.rmtree(self.folder / "etc")
        sbin = self.folder / "usr/local/sbin"
        sbin.mkdir(parents=True)
        for name, text in (("systemctl", _SYSTEMCTL), ("systemd-run", _SYSTEMD_RUN)):
            (sbin / name).write_text(text.format(**places), encoding="utf-8")
            (sbin / name).chmod(0o755)
        script = self.folder / "setup.sh"
        script.write_text(_SETUP.format(**places), encoding="utf-8")
        log = (self.folder / "setup.log").open("wb")
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "/bin/bash", str(script)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self.wait()

    def wait(self) -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until and self.process and self.process.poll() is None:
            with socket.socket() as probe:
                if (self.folder / "up").exists() and probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError((self.folder / "setup.log").read_text(encoding="utf-8"))

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def root(self, command: str, check: bool = True) -> str:
        """What somebody at the machine sees."""
        if self.process is None:
            raise AssertionError("the box is not started")
        children = (
            Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="utf-8").split()
        )
        argv = ["nsenter", "--mount", "--pid", "--target", children[0], "/bin/bash", "-c", command]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def fingerprint(self) -> str:
        return self.root("ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub").split()[1]


def needed() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a box of name spaces")
    for name in ("unshare", "nsenter", "ssh", "ssh-keygen"):
        if not shutil.which(name):
            pytest.skip(f"{name} is not on PATH")
    if (
        subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False).returncode
        != 0
    ):
        pytest.skip("name spaces are not allowed here (unshare --mount)")


def boxes(folder: Path) -> t.Iterator[Box]:
    needed()
    box = Box(folder)
    try:
        box.start()
        yield box
    finally:
        box.stop()
