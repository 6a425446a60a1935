# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of a release's workloads and models: what may be written, with defaults and a line of documentation each.

The tables validate, fill in defaults, and become `docs/workload_spec.md`.
"""

from __future__ import annotations

import ipaddress
import typing as t

from .fields import (
    Field,
    SpecError,
    anything,
    boolean,
    choice,
    duration,
    error,
    integer,
    listing,
    mapping,
    number,
    scalar,
    size,
    table,
    text,
)
from .idle import PORTS
from .modbus import FUNCTIONS
from .names import NAME, NAME_WANTED
from .opcua import node_id
from .versions import requirement

name = text(NAME, NAME_WANTED)
SECRET_NAME = r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?"  # noqa: S105
SECRET_WANTED = "a name of at most 64 lower-case letters, digits and . _ -, with a letter or digit at both ends"  # noqa: S105
version = text(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", "a version of at most 64 letters, digits and . _ + -")
sha256 = text(r"sha256:[0-9a-f]{64}", "sha256: and 64 hexadecimal digits (a tag is not a digest)")
absolute = text(r"/[^\0\n,:]*", "an absolute path without ',' or ':'")
port = integer(1, 65535)
SIGNALS = ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH")


def _image(where: str, value: t.Any) -> str:
    checked = text(r"[a-z0-9][A-Za-z0-9._:/@-]*", "an image name such as registry.example.com/vision/inspection")(
        where, value
    )
    if "@" in checked or ":" in checked.rsplit("/", 1)[-1]:
        raise error(where, value, "an image name without tag or digest: the digest has a key of its own")
    return checked


def _sha_hex(where: str, value: t.Any) -> str:
    checked = text(r"(sha256:)?[0-9a-f]{64}", "64 hexadecimal digits")(where, value)
    return checked[-64:]


def _env_value(where: str, value: t.Any) -> str:
    checked = scalar(where, value)
    if "\n" in checked or "\0" in checked:
        raise SpecError(f"{where}: the value has more than one line; give it to the workload as a file (`files`)")
    return checked


def _source(where: str, value: t.Any) -> str:
    return text(r"(file:///|https?://|/).+", "a path on the node or a file:, http: or https: address")(where, value)


def _mirror(where: str, value: t.Any) -> str:
    wanted = "a path on the node or a file:, http: or https: address; one that ends with / is a folder"
    return text(r"(file:///|https?://|/).*", wanted)(where, value)


def _file_name(where: str, value: t.Any) -> str:
    wanted = "a file name of at most 200 letters, digits and . _ + -"
    return text(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,199}", wanted)(where, value)


def _secret_file(where: str, value: t.Any) -> str:
    if value == "current":
        raise error(where, value, "another file name: `current` is the directory that is replaced as a whole")
    return _file_name(where, value)


class _by_name(mapping):  # a check like the functions beside it
    """A mapping that may be written as its name alone, and whose `file` is by default its name."""

    def __call__(self, where: str, value: t.Any) -> dict:
        found = super().__call__(where, {"name": value} if isinstance(value, str) else value)
        found.setdefault("file", found["name"])
        return found


def cidr(where: str, value: t.Any) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise error(where, value, "a network such as 10.1.0.0/16") from None


def _network(where: str, value: t.Any) -> t.Any:
    if isinstance(value, str):
        return choice("bridge", "host", "none")(where, value)
    macvlan = mapping(
        {
            "parent": Field(
                text(r"[A-Za-z0-9._-]{1,15}", "a network interface"), required=True, doc="interface of the node"
            ),
            "subnet": Field(cidr, required=True, doc="network of that interface"),
            "gateway": Field(text(), doc="its gateway"),
            "address": Field(text(), doc="address of the container"),
        }
    )
    return mapping({"macvlan": Field(macvlan, required=True, doc="settings")})(where, value)


def _expect(where: str, value: t.Any) -> t.Any:
    """Outputs by name. Whatever else stands in an answer that was pasted here is not compared."""
    outputs = value.get("outputs") if isinstance(value, dict) else None
    if not isinstance(outputs, (list, tuple)) or not outputs:
        raise error(where, value, "{outputs: [{name, data}]} with one output or more, else it could not fail")
    for index, item in enumerate(outputs):
        if not isinstance(item, dict) or not isinstance(item.get("name"), str) or "data" not in item:
            raise error(f"{where}.outputs[{index}]", item, "a mapping with `name` and `data`")
    return value


def _ratio(where: str, value: t.Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1e6:
        raise error(where, value, "a number above 0, such as 1.5")
    return float(value)


def _some_time(where: str, value: t.Any) -> float:
    checked = duration(where, value)
    if checked <= 0:
        raise error(where, value, "a duration above 0, such as 50ms")
    return checked


MOST_TARGETS = 32
_target = mapping(
    {
        "host": Field(text(r"[A-Za-z0-9.:_-]+", "an address or a name"), required=True, doc="address or name"),
        "port": Field(port, doc="TCP port; without it the host is pinged"),
    }
)


def _targets(where: str, value: t.Any) -> t.List[dict]:
    found = listing(_target, 1)(where, value)
    if len(found) > MOST_TARGETS:
        raise SpecError(f"{where}: found {len(found)} targets, wanted at most {MOST_TARGETS}")
    return found


def _limit(where: str, value: t.Any) -> t.Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(wanted="true, false, a number or text")(where, value)
    return number(-1e18, 1e18)(where, value)


def _node_id(where: str, value: t.Any) -> str:
    written = f"i={value}" if isinstance(value, int) and not isinstance(value, bool) else value
    try:
        node_id(text()(where, written))
    except ValueError:
        raise error(where, value, "a node such as 'ns=2;s=Robot.Idle', 'i=2258' or a number") from None
    return str(written)


PROBES: t.Dict[str, t.Dict[str, Field]] = {
    "http": {
        "port": Field(port, required=True, doc="container port"),
        "path": Field(text(r"/\S*", "a path that begins with /"), default="/", doc="path"),
        "status": Field(integer(100, 599), default=200, doc="the status that counts as healthy"),
        "timeout": Field(duration, default="5s", doc="time for one request"),
    },
    "tcp": {
        "port": Field(port, required=True, doc="container port"),
        "timeout": Field(duration, default="5s", doc="time for one connection"),
    },
    "exec": {
        "command": Field(listing(scalar, 1), required=True, doc="command run in the container; 0 is healthy"),
        "timeout": Field(duration, default="10s", doc="time for one run"),
    },
    "health": {
        "timeout": Field(duration, default="5s", doc="time for one look at the image's own HEALTHCHECK"),
    },
    "metric": {
        "port": Field(port, required=True, doc="container port"),
        "path": Field(
            text(r"/\S*", "a path that begins with /"), default="/metrics", doc="path of the Prometheus text"
        ),
        "name": Field(
            text(r"[a-zA-Z_:][a-zA-Z0-9_:]*", "a metric name"),
            required=True,
            doc="metric, or base name of a summary or histogram",
        ),
        "labels": Field(table(r"[a-zA-Z_]\w*", "a label name", scalar), default={}, doc="labels that must match"),
        "quantile": Field(number(0, 1), doc="of a summary, or computed from the buckets of a histogram"),
        "max": Field(number(-1e18, 1e18), doc="largest healthy value"),
        "min": Field(number(-1e18, 1e18), doc="smallest healthy value"),
        "max_ratio_to_baseline": Field(_ratio, doc="largest healthy value, in times of the approved baseline"),
        "min_ratio_to_baseline": Field(_ratio, doc="smallest healthy value, in times of the approved baseline"),
        "timeout": Field(duration, default="5s", doc="time for one request"),
    },
    "inference": {
        "port": Field(port, required=True, doc="container port"),
        "path": Field(
            text(r"/\S*", "a path that begins with /"), required=True, doc="for example /v2/models/NAME/infer"
        ),
        "request": Field(anything, required=True, doc="the golden request, an Open Inference Protocol v2 body"),
        "expect": Field(_expect, required=True, doc="the answer: {outputs: [{name, data}]}"),
        "tolerance": Field(number(0, 1e9), default=0, doc="largest difference of a number from the expected one"),
        # Without defaults: with them, each rendered specification of before would be another one, and be deployed again.
        "requests": Field(
            integer(1, 10000), doc="so many requests are sent in one round, one after the other; 1 without it"
        ),
        "max_wrong": Field(number(0, 1), doc="share of a round's answers that may be wrong; none without it"),
        "max_latency": Field(
            _some_time, doc="95 % of a round's answers (the p95) must come within this time, connection included"
        ),
        "max_latency_ratio_to_baseline": Field(
            _ratio, doc="largest healthy p95, in times of the approved baseline's p95 of the same request"
        ),
        "timeout": Field(duration, default="10s", doc="time for one request"),
    },
    "gpu": {
        "max_new_xid": Field(
            integer(0, 10000), default=0, doc="errors (Xid) that the driver may report since before the change"
        ),
        "max_new_ecc_errors": Field(
            integer(0, 1000000), default=0, doc="errors that ECC could not correct, since before the change"
        ),
        "max_temperature_c": Field(number(1, 150), doc="largest healthy temperature in degrees Celsius"),
        "max_memory_used_ratio": Field(number(0, 1), doc="largest healthy share of its memory that is used"),
        "fail_on_throttle": Field(
            boolean, default=False, doc="whether a GPU that runs slower to protect itself (heat, power) is unhealthy"
        ),
    },
    "devices": {},
    "reachability": {
        "targets": Field(
            _targets,
            required=True,
            doc="at most 32 of {host, port}, to which a TCP connection is made, or {host}, which is pinged",
        ),
        "timeout": Field(duration, default="2s", doc="time for each of them; all are asked at the same time"),
    },
}
_KINDS = {kind: Field(mapping(fields), doc=f"probe `{kind}`") for kind, fields in PROBES.items()}
STARTUP: t.Dict[str, Field] = dict(
    _KINDS,
    within=Field(duration, default="60s", doc="the new container must pass all probes within this time"),
    every=Field(duration, default="250ms", doc="pause between two tries"),
)
STEADY: t.Dict[str, Field] = dict(
    _KINDS,
    failures=Field(
        integer(1, 1000),
        default=3,
        doc="so many failures in a row fail the probe; a wrong answer to a golden request fails at once",
    ),
    every=Field(duration, default="1s", doc="pause between two tries"),
)
STEADY["for"] = Field(
    duration, default="10s", doc="how long the probes must keep passing before the change is committed"
)


def _asked(kind: str) -> t.Dict[str, Field]:
    """What every probe has that asks over the network."""
    return {
        "host": Field(text(r"[A-Za-z0-9._:-]+", "an address or a name"), doc="whom to ask: an address, or a name"),
        "device": Field(name, doc="or a network device by the site's name (role devices)"),
        "port": Field(port, doc=f"TCP port of `host`; {PORTS[kind]} without it"),
    }


_LIMITS: t.Dict[str, Field] = {
    "equals": Field(_limit, doc="the value that means idle; true and 1 are the same"),
    "min": Field(number(-1e18, 1e18), doc="or: smallest value that means idle"),
    "max": Field(number(-1e18, 1e18), doc="or: largest value that means idle"),
    "timeout": Field(duration, default="5s", doc="time for one look"),
}

IDLE_KINDS: t.Dict[str, t.Dict[str, Field]] = {
    "modbus": {
        **_asked("modbus"),
        "unit": Field(integer(0, 255), default=1, doc="unit (station) behind that address"),
        "table": Field(choice(*FUNCTIONS), required=True, doc=", ".join(FUNCTIONS)),
        "address": Field(
            integer(0, 65535),
            required=True,
            doc="as it is sent, counted from 0: 40001 in a manual is holding_register 0",
        ),
        **_LIMITS,
    },
    "opcua": {
        **_asked("opcua"),
        "node": Field(_node_id, required=True, doc="node with one value: `ns=2;s=Robot.Idle`, `i=2258`, or a number"),
        **_LIMITS,
    },
    "command": {
        "command": Field(
            listing(scalar, 1), required=True, doc="command run in the container that runs now; 0 is idle"
        ),
        "timeout": Field(duration, default="10s", doc="time for one run"),
    },
}
IDLE: t.Dict[str, Field] = {kind: Field(mapping(fields), doc=f"probe `{kind}`") for kind, fields in IDLE_KINDS.items()}
IDLE["for"] = Field(duration, default="0s", doc="idle at every look for so long")
IDLE["every"] = Field(duration, default="1s", doc="pause between two looks")
IDLE["max_wait"] = Field(duration, default="10m", doc="longest wait")
IDLE["then"] = Field(
    choice("held", "swap"), default="held", doc="what happens after the longest wait; either way there is an alarm"
)
IDLE["unreachable"] = Field(
    choice("wait", "swap"), default="wait", doc="what it means that nothing answers: not idle, or as good as idle"
)

GPU: t.Dict[str, Field] = {
    "count": Field(integer(1, 16), default=1, doc="number of GPUs, or of MIG devices"),
    "memory_mib": Field(
        integer(1, 1 << 22),
        doc="GPU memory in MiB; on a Jetson it comes out of the RAM, beside `resources.memory`",
    ),
    "capability": Field(requirement, doc="compute capability, such as '>=8.6'"),
    "name": Field(
        text(),
        doc="model, UUID, index, or the site's own name of it (role devices); `*` stands for any letters",
    ),
    "mig": Field(
        text(r"[0-9]+[cg][0-9a-z.+]*", "a MIG profile such as 1g.10gb"),
        doc="MIG profile: memory and compute are cut by the hardware",
    ),
    "sharing": Field(
        choice("exclusive", "shared"),
        doc="exclusive, the default without `memory_mib`, or shared, the default with it: time-slicing, which isolates no memory",
    ),
}

REQUIRES: t.Dict[str, Field] = {
    "gpu": Field(mapping(GPU), doc="a GPU"),
    "driver": Field(requirement, doc="version of the NVIDIA driver, such as '>=550'"),
    "l4t": Field(requirement, doc="version of Jetson Linux (L4T), such as '>=36, <37'"),
    "devices": Field(
        listing(name),
        doc="devices by the site's names (role devices): each is `/dev/edge/NAME` in the container, or its endpoint in `EDGE_DEVICE_NAME`",
    ),
}

WORKLOAD: t.Dict[str, Field] = {
    "name": Field(name, required=True, doc="name of the workload, unique in its tenant"),
    "image": Field(_image, required=True, doc="image name without tag"),
    "digest": Field(sha256, required=True, doc="digest of the image's manifest"),
    "archive": Field(absolute, doc="OCI archive or layout on the node to load the image from, instead of the registry"),
    "entrypoint": Field(listing(scalar, 1), doc="replaces the image's entry point"),
    "command": Field(listing(scalar), doc="arguments for the entry point"),
    "user": Field(scalar, doc="user, or user:group; given by number, volumes and tmpfs are its own"),
    "env": Field(
        table(r"[A-Za-z_][A-Za-z0-9_]*", "an environment variable name", _env_value),
        default={},
        doc="environment; never shown in results",
    ),
    "files": Field(
        listing(
            mapping(
                {
                    "path": Field(absolute, required=True, doc="path in the container"),
                    "content": Field(scalar, required=True, doc="content; never shown in results"),
                    "mode": Field(
                        text(r"0?[0-7]{3}", "a quoted mode such as '0440'"), default="0444", doc="mode of the file"
                    ),
                }
            )
        ),
        default=[],
        doc="small read-only files",
    ),
    "models": Field(
        listing(
            mapping(
                {
                    "name": Field(name, required=True, doc="a model of the release"),
                    "mount": Field(absolute, required=True, doc="directory in the container, read-only"),
                    "on_change": Field(
                        choice("restart", "signal"),
                        default="restart",
                        doc="restart: another model is another container; signal: the container is kept, finds the model in "
                        "`MOUNT/current/`, and is told of another one by `signal`",
                    ),
                    "signal": Field(
                        choice(*SIGNALS),
                        default="SIGHUP",
                        doc="what tells the container's first process that the model is another one",
                    ),
                }
            )
        ),
        default=[],
        doc="models of the release, mounted read-only",
    ),
    # Without defaults: with them, each rendered specification of before would be another one, and be deployed again.
    "secrets": Field(
        listing(
            _by_name(
                {
                    "name": Field(
                        text(SECRET_NAME, SECRET_WANTED),
                        required=True,
                        doc="a secret of the tenant; in place of the mapping, the name alone will do",
                    ),
                    "file": Field(
                        _secret_file, doc="name of the file in `secrets_mount`; by default that of the secret"
                    ),
                    "mode": Field(
                        text(r"0?[0-7]{3}", "a quoted mode such as '0440'"), default="0400", doc="mode of the file"
                    ),
                    "uid": Field(
                        integer(0, (1 << 32) - 2),
                        doc="whose file it is; by default that of `user`, or of the image's user, where that is a number",
                    ),
                    "on_change": Field(
                        choice("restart", "signal", "none"),
                        default="restart",
                        doc="restart: another value restarts the container; signal: it is told by `signal` and reads the file "
                        "again; none: it reads the file each time it needs it",
                    ),
                    "signal": Field(
                        choice(*SIGNALS),
                        default="SIGHUP",
                        doc="what tells the container's first process that the value is another one",
                    ),
                }
            )
        ),
        doc="secrets that the node has for the tenant (role secrets), as read-only files in memory",
    ),
    "secrets_mount": Field(absolute, doc="directory of the secrets in the container; `/run/secrets` without it"),
    "identity": Field(
        mapping(
            {
                "mount": Field(
                    absolute,
                    default="/run/identity",
                    doc="directory in the container, read-only: `current/tls.crt`, `current/tls.key`, `current/ca.crt`",
                ),
                "on_change": Field(
                    choice("none", "signal", "restart"),
                    required=True,
                    doc="what happens when the certificate was renewed: none, the application reads the files again by itself; "
                    "signal; or restart",
                ),
                "signal": Field(choice(*SIGNALS), default="SIGHUP", doc="with `on_change: signal`"),
            }
        ),
        doc="the workload's own certificate on this node",
    ),
    "volumes": Field(
        listing(
            mapping(
                {
                    "name": Field(name, required=True, doc="name, kept over releases"),
                    "mount": Field(absolute, required=True, doc="directory in the container"),
                    "size": Field(
                        size, required=True, doc="disk that must be free for it; counted at admission, not a quota"
                    ),
                    "snapshot": Field(
                        choice("never", "before_swap"),
                        default="never",
                        doc="copy it before a swap and bring it back with a revert",
                    ),
                }
            )
        ),
        default=[],
        doc="data that outlives the container",
    ),
    "tmpfs": Field(
        listing(
            mapping(
                {
                    "mount": Field(absolute, required=True, doc="directory in the container"),
                    "size": Field(size, default="64m", doc="its size, memory"),
                }
            )
        ),
        default=[{"mount": "/tmp", "size": "64m"}],  # noqa: S108 # of the container, in memory
        doc="writable directories in memory",
    ),
    "ports": Field(
        listing(
            mapping(
                {
                    "container": Field(port, required=True, doc="port in the container"),
                    "host": Field(port, required=True, doc="port on the node"),
                    "protocol": Field(choice("tcp", "udp"), default="tcp", doc="protocol"),
                    "allow_from": Field(
                        listing(scalar),
                        default=[],
                        doc="site, zone, any, or networks such as 10.1.0.0/16; loopback only without it",
                    ),
                }
            )
        ),
        default=[],
        doc="published ports",
    ),
    "network": Field(
        _network,
        default="bridge",
        doc="bridge (one per tenant), host, none, or {macvlan: {parent, subnet, gateway, address}}",
    ),
    "after": Field(listing(name), default=[], doc="workloads of the same release that are changed before this one"),
    "requires": Field(
        mapping(REQUIRES), doc="what the node must have; without it the change is skipped before anything is fetched"
    ),
    "resources": Field(
        mapping(
            {
                "cpus": Field(number(0.01, 1024), default=1, doc="CPUs"),
                "memory": Field(size, default="512m", doc="memory, without swap"),
                "pids": Field(integer(1, 1 << 22), default=256, doc="processes and threads"),
                "shm": Field(size, default="64m", doc="shared memory"),
            }
        ),
        default={},
        doc="limits of the container",
    ),
    "logs": Field(
        mapping(
            {
                "max_size": Field(size, default="10m", doc="size of one log file"),
                "max_files": Field(integer(1, 100), default=3, doc="number of log files"),
            }
        ),
        default={},
        doc="limits of its log on the node",
    ),
    "read_only": Field(boolean, default=True, doc="root file system is read-only"),
    "capabilities": Field(
        listing(text(r"[A-Z_]+", "a capability such as NET_BIND_SERVICE")),
        default=[],
        doc="capabilities kept; all others are dropped",
    ),
    "stop_timeout": Field(duration, default="10s", doc="time to stop before it is killed"),
    "swap": Field(
        choice("fetch_then_stop", "stop_then_fetch"),
        default="fetch_then_stop",
        doc="stop_then_fetch frees memory and disk first and costs a longer gap",
    ),
    "update_lock": Field(
        mapping(
            {
                "mount": Field(
                    absolute,
                    default="/run/edge",
                    doc="directory in the container; while a file `update.lock` is in it, the swap waits",
                ),
                "max_wait": Field(duration, default="10m", doc="longest wait"),
                "then": Field(choice("held", "swap"), default="held", doc="what happens after the longest wait"),
            }
        ),
        doc="lets the application hold back a swap",
    ),
    "probes": Field(
        mapping(
            {
                "startup": Field(mapping(STARTUP), doc="what the new container must pass to be taken into service"),
                "steady": Field(mapping(STEADY), doc="what it must keep passing before the change is committed"),
                "idle": Field(mapping(IDLE), doc="what must be idle before the swap begins"),
            }
        ),
        default={},
        doc="how health is judged, and what must be idle",
    ),
}

MODEL: t.Dict[str, Field] = {
    "name": Field(name, required=True, doc="name of the model"),
    "version": Field(scalar, required=True, doc="its version"),
    "source": Field(_source, required=True, doc="where the node finds it: a path, file:, http: or https:"),
    "mirrors": Field(
        listing(_mirror),
        default=[],
        doc="where to look first, in this order, before `source`: addresses of the file, or, with a / at the end, of a folder that "
        "has it under the last part of `source`",
    ),
    "sha256": Field(_sha_hex, required=True, doc="digest of the file"),
    "file": Field(_file_name, doc="name of the file in the container; by default the last part of `source`"),
}
