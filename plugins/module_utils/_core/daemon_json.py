# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a daemon.json becomes when settings are laid over it, and what the engine needs to follow.

Private to this collection: not an interface.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

NONE, RELOAD, RESTART = "none", "reload", "restart"

# What dockerd takes over on SIGHUP (moby daemon/reload.go); everything else is read at its start only.
RELOADABLE = frozenset(
    (
        "authorization-plugins",
        "debug",
        "default-runtime",
        "insecure-registries",
        "labels",
        "live-restore",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "registry-mirrors",
        "runtimes",
        "shutdown-timeout",
    )
)
# `features` is reloaded, but only the builder looks at it again: cdi and containerd-snapshotter wait for a start.
RELOADABLE_FEATURES = frozenset(("features.buildkit",))

# Objects that several owners share (a GPU runtime, a CDI switch): members are laid over one by one.
# Every other object is replaced: the options of one log driver are errors in another.
SHARED = frozenset(("features", "runtimes", "builder", "proxies", "default-ulimits"))

_KINDS: t.Dict[t.Tuple[type, ...], str] = {
    (bool,): "debug experimental icc init ip-forward ip-forward-no-drop ip-masq ip6tables iptables ipv6 live-restore "
    "no-new-privileges raw-logs selinux-enabled tls tlsverify userland-proxy allow-direct-routing rootless",
    (int,): "cpu-rt-period cpu-rt-runtime max-concurrent-downloads max-concurrent-uploads max-download-attempts mtu "
    "network-control-plane-mtu network-diagnostic-port oom-score-adjust shutdown-timeout",
    (int, str): "default-shm-size",
    (list,): "allow-nondistributable-artifacts authorization-plugins cdi-spec-dirs default-address-pools dns dns-opts "
    "dns-search exec-opts hosts host-gateway-ips insecure-registries labels node-generic-resources registry-mirrors "
    "storage-opts",
    (
        dict,
    ): "builder cluster-store-opts default-network-opts default-ulimits features log-opts nri-opts proxies runtimes",
    (str,): "api-cors-header bip bip6 bridge bridge-accept-fwmark cgroup-parent cluster-advertise cluster-store "
    "containerd containerd-namespace containerd-plugin-namespace data-root default-cgroupns-mode default-gateway "
    "default-gateway-v6 default-ipc-mode default-runtime exec-root firewall-backend fixed-cidr fixed-cidr-v6 graph "
    "group host-gateway-ip http-proxy https-proxy no-proxy init-path ip log-driver log-format log-level metrics-addr "
    "min-api-version pidfile seccomp-profile storage-driver swarm-default-advertise-addr tlscacert tlscert tlskey "
    "userland-proxy-path userns-remap",
}
KNOWN: t.Dict[str, t.Tuple[type, ...]] = {key: kinds for kinds, keys in _KINDS.items() for key in keys.split()}

_FLAGS = {
    "D": "debug",
    "G": "group",
    "H": "hosts",
    "b": "bridge",
    "g": "data-root",
    "l": "log-level",
    "p": "pidfile",
    "s": "storage-driver",
    "add-runtime": "runtimes",
    "cdi-spec-dir": "cdi-spec-dirs",
    "default-ulimit": "default-ulimits",
    "dns": "dns",
    "dns-opt": "dns-opts",
    "feature": "features",
    "host": "hosts",
    "dns-search": "dns-search",
}


class DaemonJsonError(ValueError):
    """The file or the settings cannot be used: one line that says where and why."""


@dataclass(frozen=True)
class Plan:
    before: t.Dict[str, t.Any]
    after: t.Dict[str, t.Any]
    changed_keys: t.Tuple[str, ...]

    @property
    def changed(self) -> bool:
        return bool(self.changed_keys)

    @property
    def action(self) -> str:
        """What a running engine needs to follow."""
        if not self.changed_keys:
            return NONE
        alive = RELOADABLE | RELOADABLE_FEATURES
        return RELOAD if all(key in alive for key in self.changed_keys) else RESTART

    @property
    def turns_on_live_restore(self) -> bool:
        return "live-restore" in self.changed_keys and self.after.get("live-restore") is True


def parse(text: str, where: str) -> t.Dict[str, t.Any]:
    """The object in the text; the engine takes an empty file for an empty object, and so do we."""
    if not text.strip():
        return {}
    try:
        data = json.loads(text)
    except ValueError as exc:
        raise DaemonJsonError(
            f"{where}: not JSON ({exc}); the engine cannot start from it either: correct the file or move it away"
        ) from exc
    if not isinstance(data, dict):
        raise DaemonJsonError(
            f"{where}: holds a {type(data).__name__}, wanted an object {{...}}: correct the file or move it away"
        )
    return data


def render(data: t.Mapping[str, t.Any]) -> str:
    return json.dumps(data, indent=4, ensure_ascii=False) + "\n"


def lay_over(have: t.Mapping[str, t.Any], want: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """What is there with what is wanted on top; None takes a key (or a member of a shared object) away."""
    result = dict(have)
    for key, value in want.items():
        if value is None:
            result.pop(key, None)
        elif key in SHARED and isinstance(value, dict) and isinstance(result.get(key, {}), dict):
            members = dict(result.get(key, {}))
            members.update(value)
            result[key] = {name: member for name, member in members.items() if member is not None}
        else:
            result[key] = value
    return result


def plan(have: t.Mapping[str, t.Any], want: t.Mapping[str, t.Any]) -> Plan:
    after = lay_over(have, want)
    return Plan(dict(have), after, tuple(_changed(have, after)))


def _changed(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    for key in sorted(set(before) | set(after)):
        old, new = before.get(key), after.get(key)
        if _same(old, new) and (key in before) == (key in after):
            continue
        if key == "features" and isinstance(old or {}, dict) and isinstance(new or {}, dict):
            old, new = old or {}, new or {}
            members = [name for name in sorted(set(old) | set(new)) if not _same(old.get(name), new.get(name))]
            yield from ("features." + name for name in members) if members else (key,)
        else:
            yield key


def _same(one: t.Any, other: t.Any) -> bool:
    # 1 == True in Python, and they are not the same to the engine.
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def version_tuple(text: str) -> t.Tuple[int, ...]:
    """(26, 1, 5) of `5:26.1.5+dfsg1-9`, `Docker version 26.1.5+dfsg1, build x` or `26.1`; () where there is none."""
    for word in text.replace(",", " ").split():
        digits = word.split(":")[-1].split("+")[0].split("~")[0].split("-")[0].split(".")
        if digits[0].isdecimal():
            return tuple(int(part) for part in digits if part.isdecimal())
    return ()


def settings_for(version: str, since: t.Mapping[str, t.Mapping[str, t.Any]]) -> t.Dict[str, t.Any]:
    """The settings whose version the engine has reached, older versions first."""
    result: t.Dict[str, t.Any] = {}
    for first in sorted(since, key=version_tuple):
        if version_tuple(version) >= version_tuple(first):
            result = lay_over(result, since[first])
    return result


def problems(data: t.Mapping[str, t.Any]) -> t.List[str]:
    """What an engine that cannot validate (before 23.0) would refuse at its start."""
    found = []
    for key, value in data.items():
        kinds = KNOWN.get(key)
        if kinds is None:
            found.append(f"{key}: unknown key")
        elif not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            names = " or ".join(kind.__name__ for kind in kinds)
            found.append(f"{key}: is {type(value).__name__} {value!r}, wanted {names}")
        elif key == "log-opts" and isinstance(value, dict):
            found.extend(
                f"log-opts.{name}: is {option!r}, wanted text: put it in quotes"
                for name, option in value.items()
                if not isinstance(option, str)
            )
    return found


def keys_of_flags(argv: t.Sequence[str]) -> t.Set[str]:
    """The keys that the command line of dockerd already sets."""
    found = set()
    for word in argv[1:]:
        if word.startswith("--"):
            name = word[2:].split("=")[0]
        elif word.startswith("-") and len(word) > 1:
            name = word[1]
        else:
            continue
        plural = name + "s" if not name.endswith("y") else name[:-1] + "ies"
        found.add(_FLAGS.get(name) or (plural if plural in KNOWN and name not in KNOWN else name))
    return found


def twice(argv: t.Sequence[str], data: t.Mapping[str, t.Any]) -> t.List[str]:
    """Keys given both as a flag and in the file, at which dockerd stops."""
    return sorted(keys_of_flags(argv) & set(data))
