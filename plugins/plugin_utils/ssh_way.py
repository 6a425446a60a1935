# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections of the controller that are always new ones: they show what a host answers now, whatever was kept open before."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.physical_ai.edge.plugins.plugin_utils.known_hosts import AUTHORITY, KINDS, Pin, quoted, read

# A kept connection would say nothing about who may come in now.
NEW = ("-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "BatchMode=yes", "-T")
# Only the key of the host is looked at: nobody logs in.
LOOK = ("-o", "PreferredAuthentications=none", "-o", "NumberOfPasswordPrompts=0", "-o", "UpdateHostKeys=no")
PLAIN = (*KINDS[:-1], "rsa-sha2-512", "rsa-sha2-256")
CERTIFIED = tuple(f"{kind}-cert-v01@openssh.com" for kind in PLAIN)
REACHED = "Permission denied"


class WayError(Exception):
    """A host could not be asked; the message is one line."""


@dataclass(frozen=True)
class Way:
    """How Ansible would reach a host: ssh and its options, without those that a probe sets itself."""

    host: str
    program: str
    options: tuple[str, ...]
    address: str
    timeout: int

    def run(self, *options: str, command: str = "true") -> subprocess.CompletedProcess[str]:
        """Options in front win over those of the inventory."""
        argv = [self.program, *NEW, *options, *self.options, self.address, command]
        try:
            return subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=4 * self.timeout + 20,
                check=False,
                env={**os.environ, "LC_ALL": "C"},
            )
        except subprocess.TimeoutExpired:
            raise WayError(f"{self.host} ({self.address}) did not answer within {4 * self.timeout + 20} s") from None
        except OSError as exc:
            raise WayError(f"`{self.program}` cannot be run on the controller: {exc.strerror}") from None


def way(host: str, option: Callable[[str], Any]) -> Way:
    """From the options that Ansible's connection has for a host.

    :param option: gives the value of one of them.
    """
    words: list[str] = []
    words += shlex.split(option("ssh_args") or "")
    if option("host_key_checking") is False:
        words += ["-o", "StrictHostKeyChecking=no"]
    if option("port"):
        words += ["-o", f"Port={option('port')}"]
    if option("private_key_file"):
        words += ["-o", f'IdentityFile="{os.path.expanduser(option("private_key_file"))}"']
    if option("remote_user"):
        words += ["-o", f'User="{option("remote_user")}"']
    timeout = int(option("timeout") or 10)
    words += ["-o", f"ConnectTimeout={timeout}"]
    words += shlex.split(option("ssh_common_args") or "") + shlex.split(option("ssh_extra_args") or "")
    return Way(host, option("ssh_executable") or "ssh", tuple(words), str(option("host") or host), timeout)


def checked_by(known_hosts: str) -> tuple[str, ...]:
    """Only what this file says counts."""
    return (
        *("-o", f"UserKnownHostsFile={quoted(known_hosts)}", "-o", "GlobalKnownHostsFile=/dev/null"),
        *("-o", "StrictHostKeyChecking=yes"),
    )


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The last line that means something."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip() and not line.startswith("Warning:")]
    return lines[-1] if lines else f"exit status {done.returncode}"


def shown(found: Way) -> Pin:
    """The key that a host shows first, under the name by which ssh will look for it.

    :raises WayError: where it cannot be reached.
    """
    with tempfile.TemporaryDirectory(prefix="edge-host-key-") as folder:
        file = os.path.join(folder, "known_hosts")
        done = found.run(
            *("-o", f"UserKnownHostsFile={quoted(file)}", "-o", "GlobalKnownHostsFile=/dev/null"),
            *("-o", "StrictHostKeyChecking=accept-new", "-o", "HashKnownHosts=no", "-o", "CheckHostIP=no"),
            *("-o", f"HostKeyAlgorithms={','.join(PLAIN)}"),
            *LOOK,
        )
        try:
            with open(file, encoding="utf-8") as handle:
                pins = [pin for pin in map(read, handle) if pin is not None]
        except FileNotFoundError:
            pins = []
    if not pins:
        raise WayError(f"{found.host} ({found.address}) shows no host key: {said(done)}")
    return pins[0]


def shows_certificate(found: Way, name: str, authority: Pin) -> bool:
    """Whether a host shows a host key that this authority signed, for this name and now."""
    with tempfile.TemporaryDirectory(prefix="edge-host-key-") as folder:
        file = os.path.join(folder, "known_hosts")
        with open(file, "w", encoding="utf-8") as handle:
            handle.write(Pin((name,), authority.kind, authority.data, AUTHORITY).line + "\n")
        done = found.run(*checked_by(file), "-o", f"HostKeyAlgorithms={','.join(CERTIFIED)}", *LOOK)
    return done.returncode == 0 or REACHED in done.stderr
