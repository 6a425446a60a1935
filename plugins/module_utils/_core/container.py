# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rendered specification as the arguments of `docker create`. Secrets never go into arguments: the environment is a file."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from . import devices
from .names import BRIDGES, LABEL, cgroup_parent, network_name
from .spec import SECRETS_MOUNT

ANYWHERE = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True)
class Place:
    """Where the parts of one container lie on the node, and what the engine is like. Files and models are known by where they
    are mounted, volumes by name."""

    container: str
    tenant: str
    spec_digest: str
    release: str
    image: str
    env_file: str
    files: t.Mapping[str, str]
    models: t.Mapping[str, str]
    volumes: t.Mapping[str, str]
    lock_directory: str
    cgroup_driver: str
    user: str = ""
    gpus: t.Tuple[str, ...] = ()
    runtime: str = ""
    devices: str = ""
    majors: t.Tuple[int, ...] = ()
    secrets: str = ""
    identity: str = ""


def owner(user: str) -> t.Optional[t.Tuple[int, int]]:
    """The numbers of a user that is given by number, as `1000` or `1000:2000`; the group is the user's by default."""
    name, dummy, group = user.partition(":")
    if not name.isdecimal():
        return None
    return int(name), int(group) if group.isdecimal() else int(name)


def env_file(spec: t.Mapping[str, t.Any], gpus: t.Sequence[str] = ()) -> str:
    """Where its devices are, then what the release says, which wins.

    :param gpus: for the nvidia runtime, which finds them in the environment.
    """
    found = {
        devices.variable(name): f"{devices.DIRECTORY}/{name}" for name in spec.get("requires", {}).get("devices", [])
    }
    found.update({devices.variable(name): value for name, value in spec.get("endpoints", {}).items()})
    if gpus:
        found.update(NVIDIA_VISIBLE_DEVICES=",".join(gpus), NVIDIA_DRIVER_CAPABILITIES="compute,utility,video")
    return "".join(f"{key}={value}\n" for key, value in dict(found, **spec["env"]).items())


def _ports(spec: t.Mapping[str, t.Any]) -> t.List[str]:
    arguments: t.List[str] = []
    for entry in spec["ports"]:
        address = "" if entry["allow_from"] else "127.0.0.1:"
        arguments += ["--publish", f"{address}{entry['host']}:{entry['container']}/{entry['protocol']}"]
    return arguments


def _mounts(spec: t.Mapping[str, t.Any], place: Place) -> t.List[str]:
    arguments: t.List[str] = []
    for entry in spec["files"]:
        arguments += ["--volume", f"{place.files[entry['path']]}:{entry['path']}:ro"]
    for entry in spec["models"]:
        arguments += ["--volume", f"{place.models[entry['mount']]}:{entry['mount']}:ro"]
    for entry in spec["volumes"]:
        arguments += ["--volume", f"{place.volumes[entry['name']]}:{entry['mount']}"]
    # runc before 1.2 sets the mode to that of the image's own directory: then only its owner can write there.
    numbers = owner(place.user)
    owned = ",uid={},gid={}".format(*numbers) if numbers else ""
    for entry in spec["tmpfs"]:
        arguments += ["--tmpfs", f"{entry['mount']}:size={entry['size']},mode=1777{owned}"]
    # Unlike --volume, this makes no empty directory where there is none: without its secrets a container does not start.
    for source, target in (
        (place.secrets, spec.get("secrets_mount", SECRETS_MOUNT)),
        (place.identity, spec.get("identity", {}).get("mount", "")),
    ):
        if source:
            arguments += ["--mount", f"type=bind,source={source},target={target},readonly"]
    if "update_lock" in spec:
        arguments += ["--volume", f"{place.lock_directory}:{spec['update_lock']['mount']}"]
    return arguments


def _limits(spec: t.Mapping[str, t.Any], place: Place) -> t.List[str]:
    limits, logs = spec["resources"], spec["logs"]
    arguments = [
        "--cpus", f"{limits['cpus']:g}",
        "--memory", str(limits["memory"]),
        "--memory-swap", str(limits["memory"]),
        "--pids-limit", str(limits["pids"]),
        "--shm-size", str(limits["shm"]),
        "--cgroup-parent", cgroup_parent(place.tenant, place.cgroup_driver),
        "--log-driver", "local",
        "--log-opt", f"max-size={logs['max_size']}",
        "--log-opt", f"max-file={logs['max_files']}",
        "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges",
    ]  # fmt: skip
    for capability in spec["capabilities"]:
        arguments += ["--cap-add", capability]
    return arguments


def _devices(place: Place) -> t.List[str]:
    """GPUs by their CDI names; named devices as a directory in which the node program makes them.

    A container may use every device of a kind, and has no right to make any: what lies in its directory is what it has.
    That is why a camera that comes back under another number needs no new container.
    """
    arguments: t.List[str] = []
    if place.runtime:
        arguments += ["--runtime", place.runtime]
    for gpu in place.gpus:
        arguments += ["--device", gpu]
    if place.devices:
        arguments += ["--volume", f"{place.devices}:{devices.DIRECTORY}:ro"]
    for major in place.majors:
        arguments += ["--device-cgroup-rule", f"c {major}:* rw"]
    return arguments


def _network(spec: t.Mapping[str, t.Any], place: Place) -> t.List[str]:
    network = spec["network"]
    arguments = ["--network", network_name(place.tenant, network)]
    if network == "bridge":
        arguments += ["--network-alias", spec["name"]]
    if isinstance(network, dict) and "address" in network["macvlan"]:
        arguments += ["--ip", network["macvlan"]["address"]]
    return arguments


def create_arguments(spec: t.Mapping[str, t.Any], place: Place) -> t.List[str]:
    """Arguments of `docker create`. The restart policy is `no`: what is on trial must not be what boots."""
    arguments = ["--name", place.container, "--hostname", spec["name"], "--restart", "no", "--pull", "never"]
    for key, value in (
        ("tenant", place.tenant),
        ("workload", spec["name"]),
        ("spec", place.spec_digest),
        ("release", place.release),
    ):
        arguments += ["--label", f"{LABEL}.{key}={value}"]
    arguments += ["--stop-timeout", str(max(1, round(spec["stop_timeout"])))]
    arguments += ["--env-file", place.env_file]
    if spec["read_only"]:
        arguments.append("--read-only")
    if "user" in spec:
        arguments += ["--user", spec["user"]]
    if "entrypoint" in spec:
        arguments += ["--entrypoint", spec["entrypoint"][0]]
    arguments += _limits(spec, place) + _network(spec, place) + _ports(spec) + _mounts(spec, place) + _devices(place)
    arguments.append(place.image)
    return arguments + list(spec.get("entrypoint", [])[1:]) + list(spec.get("command", []))


def _sources(specs: t.Iterable[t.Mapping[str, t.Any]]) -> t.Dict[t.Tuple[str, int], t.Set[str]]:
    """(protocol, port) that listens on every address of the node -> the networks that may reach it."""
    found: t.Dict[t.Tuple[str, int], t.Set[str]] = {}
    for spec in specs:
        for entry in spec["ports"]:
            if entry["allow_from"] or spec["network"] == "host":
                found.setdefault((entry["protocol"], entry["host"]), set()).update(entry["allow_from"])
    return found


def _loopback_only(specs: t.Iterable[t.Mapping[str, t.Any]]) -> t.Set[t.Tuple[str, int]]:
    return {
        (entry["protocol"], entry["host"])
        for spec in specs
        for entry in spec["ports"]
        if spec["network"] == "bridge" and not entry["allow_from"]
    }


def _limit(protocol: str, port: int, networks: t.Set[str]) -> t.Iterator[str]:
    for family, any_network in (("ip", ANYWHERE[0]), ("ip6", ANYWHERE[1])):
        if any_network in networks:
            continue
        mine = sorted(item for item in networks if (":" in item) == (family == "ip6"))
        source = f"{family} saddr != {{ {', '.join(mine)} }} " if mine else ""
        nfproto = "ipv4" if family == "ip" else "ipv6"
        yield f'iifname != "lo" meta nfproto {nfproto} fib daddr type local {protocol} dport {port} {source}drop'


_FORWARD = (
    f'iifname != "{BRIDGES}*" oifname "{BRIDGES}*" ct state new ct status dnat accept',
    f'iifname != "{BRIDGES}*" oifname "{BRIDGES}*" ct state new drop',
)


def port_rules(specs: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """Rules of our own nftables table: who may reach which published port. Empty text where nothing is published.

    They stand in `prerouting`, before the engine's address translation, since published ports never pass `input`.
    Engines before 28 let neighbours in that route to a container's own address, or to 127.0.0.1, through the node: what
    goes to a container must have come by the published port.
    """
    lines: t.List[str] = []
    for protocol, port in sorted(_loopback_only(specs)):
        lines.append(f'iifname != "lo" ip daddr 127.0.0.0/8 {protocol} dport {port} drop')
    for (protocol, port), networks in sorted(_sources(specs).items()):
        lines += _limit(protocol, port, networks)
    if not any(spec["ports"] for spec in specs):
        return ""
    chains = [("prerouting", "mangle", lines), ("forward", "filter", _FORWARD)]
    text = "table inet edge_ports {\n"
    for name, priority, rules in chains:
        text += f"  chain {name} {{\n    type filter hook {name} priority {priority}; policy accept;\n"
        text += "".join(f"    {rule}\n" for rule in rules) + "  }\n"
    return text + "}\n"
