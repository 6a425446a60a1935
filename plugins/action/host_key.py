# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pins the key of a host on the controller; documented by the module of the same name."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.physical_ai.edge.plugins.plugin_utils import known_hosts, ssh_way
from ansible_collections.physical_ai.edge.plugins.plugin_utils.known_hosts import AUTHORITY, Pin, PinError
from ansible_collections.physical_ai.edge.plugins.plugin_utils.ssh_way import Way, WayError

SPEC: dict[str, Any] = {
    "known_hosts": {"type": "path", "required": True},
    "fingerprints": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "authority": {"type": "str", "default": ""},
    "replace": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Only the controller's ssh is asked: nothing runs on the host, and nobody logs in."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        dummy, args = self.validate_argument_spec(argument_spec=SPEC)
        host = str((task_vars or {}).get("inventory_hostname", "the host"))
        try:
            if self._connection.transport != "ssh":
                raise PinError(
                    f"{host} is reached by '{self._connection.transport}', wanted ssh: only there are host keys"
                )
            found = ssh_way.way(host, self._connection.get_option)
            return {**result, **pin(args, found, write=not self._task.check_mode)}
        except (PinError, WayError) as exc:
            return {**result, "failed": True, "msg": str(exc)}
        except OSError as exc:
            return {**result, "failed": True, "msg": f"{args['known_hosts']} cannot be written: {exc.strerror}"}


def pin(args: Mapping[str, Any], found: Way, write: bool) -> dict[str, Any]:
    path = os.path.abspath(os.path.expanduser(args["known_hosts"]))
    shown = ssh_way.shown(found)
    name = shown.names[0]
    # What is certified does not become a plain pin again.
    authorities = known_hosts.of(content(path), name, AUTHORITY)
    certified = any(ssh_way.shows_certificate(found, name, item) for item in authorities)
    wanted = authority(args["authority"]) if args["authority"] else None
    if wanted and not ssh_way.shows_certificate(found, name, wanted):
        raise PinError(
            f"{found.host} shows no host key that {wanted.fingerprint} signed for {name}: it stays pinned as it is"
        )
    if authorities and not certified and not wanted and not args["replace"]:
        raise PinError(
            f"{found.host} shows the key {shown.fingerprint} without a certificate of {authorities[0].fingerprint}, by which "
            f"{name} is known: nothing was sent to it. Where the box was replaced, run the playbook replace"
        )
    with locked(path, write):
        before = content(path)
        if wanted:
            after = known_hosts.certified(before, name, wanted)
        elif certified and not args["replace"]:
            after = before
        else:
            after = known_hosts.pinned(before, found.host, shown, args["fingerprints"], args["replace"])
        if write and after != before:
            replace(path, after)
    return {
        "changed": after != before,
        "name": name,
        "fingerprint": shown.fingerprint,
        "kind": shown.kind,
        "certified": certified or wanted is not None,
        "diff": {"before": before, "after": after, "before_header": path, "after_header": path},
    }


def authority(line: str) -> Pin:
    found = known_hosts.read(f"authority {line}")
    if found is None or not found.kind.startswith(("ssh-", "ecdsa-")):
        raise PinError("authority: found no public key, wanted a line such as ssh-ed25519 AAAA...")
    return found


def content(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as handle:
            return handle.read()
    except FileNotFoundError:
        return ""


@contextlib.contextmanager
def locked(path: str, write: bool) -> Iterator[None]:
    """Many hosts are pinned at once, each by a process of its own."""
    if not write:
        yield
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    descriptor = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def replace(path: str, text: str) -> None:
    temporary = f"{path}.new"
    with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(temporary, path)
