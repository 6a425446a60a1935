# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ssh that take a host through its gateways.

A jump is an ssh of its own. It reads the user's configuration, but none of the options that Ansible gives to the
ssh it starts. Where the fleet file gives such options (a key, a file of known hosts), or the key of the gateway is pinned
in the file of known hosts beside it, the jump is a ProxyCommand with the same ones; otherwise it is a plain ProxyJump,
and both use the agent and the configuration of the user.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import typing as t
from collections.abc import Sequence

from ..known_hosts import quoted
from .errors import FleetError
from .routes import Gateway

# A cut link is noticed after interval times count, and the time that TCP takes to say so.
KEEPALIVE = "-o ServerAliveInterval=5 -o ServerAliveCountMax=3"

USER = ("ansible_ssh_user", "ansible_user")
PORT = ("ansible_ssh_port", "ansible_port")
KEY_FILE = ("ansible_ssh_private_key_file", "ansible_private_key_file")
HOST_KEY_CHECKING = ("ansible_ssh_host_key_checking", "ansible_host_key_checking")
ARGUMENTS = ("ansible_ssh_args", "ansible_ssh_common_args")

_TEMPLATE = re.compile(r"\{[{%#]")


class Raw(str):
    """Shell words that are not to be quoted again."""

    __slots__ = ()


def is_template(text: str) -> bool:
    return bool(_TEMPLATE.search(text))


def jump(gateways: Sequence[Gateway]) -> str:
    """The option that leads through these gateways, first one first."""
    if not gateways:
        return ""
    if any(_options(gateway) for gateway in gateways):
        return f"-o {shlex.quote('ProxyCommand=' + _command(gateways))}"
    return f"-o ProxyJump={','.join(_destination(gateway) for gateway in gateways)}"


def pinned_options(known_hosts: str) -> list[str]:
    """The options with which only the keys of this file count."""
    if not known_hosts:
        return []
    return ["-o", f"UserKnownHostsFile={quoted(known_hosts)}", "-o", "StrictHostKeyChecking=yes"]


def arguments(host: str, way: str, *, alias: bool, known_hosts: str = "") -> str:
    """All options for a host. Options that come earlier on the command line, the user's, win over these.

    :param known_hosts: the file in which its key is pinned, or nothing where it is not.
    """
    parts = [KEEPALIVE, *(shlex.join(pair) for pair in zip(*[iter(pinned_options(known_hosts))] * 2, strict=True))]
    if alias:
        # Behind gateways one address can be many hosts: the key of each is kept under its own name.
        parts.append(f"-o HostKeyAlias={host}")
    if way:
        parts.append(way)
    return " ".join(parts)


def control_path(host: str, endpoint: tuple[t.Any, ...], way: str) -> str:
    """Ansible names a kept connection after address, port and user: one name for two hosts of one address."""
    digest = hashlib.sha256(repr((host, endpoint, way)).encode()).hexdigest()
    return f"%(directory)s/{digest[:10]}-%%r"


def _setting(gateway: Gateway, names: Sequence[str]) -> str | None:
    """The value of a variable of the gateway; one that is a template or encrypted is left to be found when used."""
    for name in names:
        value = gateway.variables.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, (str, int)) and not is_template(str(value)):
            return str(value)
        return Raw(f'{{{{ hostvars["{gateway.host}"]["{name}"] }}}}')
    return None


def _host(gateway: Gateway) -> str:
    return f"[{gateway.uplink.host}]" if ":" in gateway.uplink.host else gateway.uplink.host


def _port(gateway: Gateway) -> str | None:
    return str(gateway.uplink.port) if gateway.uplink.port else _setting(gateway, PORT)


def _destination(gateway: Gateway) -> str:
    user, port = _setting(gateway, USER), _port(gateway)
    return (f"{user}@" if user else "") + _host(gateway) + (f":{port}" if port else "")


def _options(gateway: Gateway) -> list[str]:
    """The options that only a command of its own can give to the jump."""
    options: list[str] = []
    if gateway.alias:
        options += ["-o", f"HostKeyAlias={gateway.host}"]
    key = _setting(gateway, KEY_FILE)
    if key:
        options += ["-o", Raw(f"IdentityFile={key}") if isinstance(key, Raw) else f'IdentityFile="{key}"']
    checking = _setting(gateway, HOST_KEY_CHECKING)
    if checking is not None and checking.lower() in ("false", "no", "off", "0", "n", "f"):
        options += ["-o", "StrictHostKeyChecking=no"]
    for name in ARGUMENTS:
        found = _setting(gateway, [name])
        if found:
            options += [found] if isinstance(found, Raw) else _split(gateway, name, found)
    return options + pinned_options(gateway.known_hosts)


def _split(gateway: Gateway, name: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as exc:
        place, where = gateway.entry.place, gateway.entry.where
        raise FleetError(place, name, repr(text), "options with balanced quotes", where=where) from exc


def _command(gateways: Sequence[Gateway]) -> str:
    """ssh through the last gateway, itself through the one before it, and so on.

    The ssh that runs a ProxyCommand replaces %h and %p in it by its own target: a percent sign that is for the
    next ssh is doubled, once for each ssh on the way.
    """
    command = ""
    for gateway in gateways:
        # The first value of an option counts: a kept connection is for the host, never for the jump to it.
        words = ["ssh", "-o", "ControlMaster=no", "-o", "ControlPath=none"]
        # A plain ProxyJump hands it on by itself. What the fleet file gives comes later and so wins.
        words += ["-F", gateway.configuration] if gateway.configuration else []
        words += _options(gateway)
        user, port = _setting(gateway, USER), _port(gateway)
        words += ["-l", user] if user else []
        words += ["-p", port] if port else []
        words += ["-o", f"ProxyCommand={command}"] if command else []
        words += shlex.split(KEEPALIVE)
        quoted = " ".join(word if isinstance(word, Raw) else shlex.quote(word) for word in words)
        command = f"{quoted.replace('%', '%%')} -W '[%h]:%p' {shlex.quote(gateway.uplink.host)}"
    return command
