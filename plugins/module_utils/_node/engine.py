# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker, through its command-line client with JSON output."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
import typing as t
from dataclasses import dataclass, field

from .._core.names import LABEL, tenant_network
from ._runner import Done, feed, run, run_to_null
from .errors import NodeError, PortKept

_DOWN = (
    "cannot connect to the docker daemon",
    "error during connect",
    "is the docker daemon running",
    "unexpected eof",
)
_OWN_FAULT = (
    "executable file not found",
    "no such file or directory: unknown",
    "permission denied: unknown",
    "exec format error",
    "unable to find user",
    "is a directory: unknown",
)
_NO_SPACE = "no space left on device"
_PORT_KEPT = "port is already allocated"
_PORT_TAKEN = (_PORT_KEPT, "address already in use", "failed to bind")
_PID_FILE = "/run/docker.pid"


@dataclass(frozen=True)
class Info:
    """What the engine says of itself. `cdi` is whether it gives devices to containers by CDI names."""

    version: str
    root: str
    cgroup_driver: str
    cpus: int
    memory: int
    containerd_store: bool
    cdi: bool = False
    runtimes: t.Tuple[str, ...] = ()


@dataclass(frozen=True)
class Container:
    name: str
    running: bool
    exit_code: int
    restart: str
    tenant: str
    workload: str
    spec_digest: str
    image_id: str
    address: str
    host_network: bool
    pid: int
    reachable: bool
    health: str
    ports: t.Tuple[t.Tuple[int, str], ...]
    error: str = ""


@dataclass(frozen=True)
class Image:
    id: str
    layers: t.Tuple[str, ...]
    size: int
    digests: t.Tuple[str, ...] = field(default_factory=tuple)
    user: str = ""


def _container(data: dict) -> Container:
    labels = data["Config"].get("Labels") or {}
    networks = (data.get("NetworkSettings") or {}).get("Networks") or {}
    addresses = [item.get("IPAddress") or "" for item in networks.values()]
    bindings = (data.get("HostConfig") or {}).get("PortBindings") or {}
    ports = tuple(
        (int(item["HostPort"]), key.split("/")[1])
        for key, items in bindings.items()
        for item in items or []
        if item.get("HostPort")
    )
    return Container(
        name=data["Name"].lstrip("/"),
        running=bool(data["State"].get("Running")) and not data["State"].get("Restarting"),
        exit_code=int(data["State"].get("ExitCode") or 0),
        restart=((data.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name") or "no",
        tenant=labels.get(LABEL + ".tenant", ""),
        workload=labels.get(LABEL + ".workload", ""),
        spec_digest=labels.get(LABEL + ".spec", ""),
        image_id=data.get("Image") or "",
        address=next((item for item in addresses if item), ""),
        host_network="host" in networks,
        pid=int(data["State"].get("Pid") or 0),
        reachable=tenant_network(labels.get(LABEL + ".tenant", "")) in networks,
        health=((data["State"].get("Health") or {}).get("Status")) or "",
        ports=ports,
        error=data["State"].get("Error") or "",
    )


def _reason(done: Done) -> str:
    """Why a call failed: `docker start` says it first, and at the end only that it failed."""
    lines = [line.strip() for line in done.err.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith("Error: failed to start containers")]
    return (told[-1] if told else done.said)[:400]


class Engine:
    """One method, one call of the client. Messages of the engine become one line with a cause."""

    def __init__(self, program: str = "docker") -> None:
        self._program = program

    def _call(self, *arguments: str, timeout: float = 60.0) -> Done:
        done = run([self._program, *arguments], timeout=timeout)
        if done.code != 0:
            self._raise_where_down(done)
        return done

    @staticmethod
    def _raise_where_down(done: Done) -> None:
        said = (done.err + done.out).lower()
        if any(word in said for word in _DOWN):
            raise NodeError(
                "engine",
                "the container engine does not answer: see `systemctl status docker` and `journalctl -u docker`",
            )

    def _must(self, cause: str, wanted: str, *arguments: str, timeout: float = 60.0) -> str:
        done = self._call(*arguments, timeout=timeout)
        if done.code != 0:
            reason = _reason(done)
            said = reason.lower()
            if _NO_SPACE in said:
                raise NodeError("disk", f"{wanted}: the disk is full ({reason}); free some and try again")
            if any(word in said for word in _PORT_TAKEN):
                kind = PortKept if _PORT_KEPT in said else NodeError
                raise kind("admit", f"{wanted}: a port is taken ({reason}); `ss -ltnp` on the node shows by whom")
            raise NodeError(cause, f"{wanted}: {reason}")
        return done.out

    def info(self) -> Info:
        out = self._must("engine", "the container engine", "info", "--format", "{{json .}}", timeout=30)
        data = json.loads(out)
        if data.get("ServerErrors"):
            raise NodeError(
                "engine",
                f"the container engine does not answer ({data['ServerErrors'][0]}): see `systemctl status docker`",
            )
        return Info(
            version=data.get("ServerVersion") or "",
            root=data.get("DockerRootDir") or "/var/lib/docker",
            cgroup_driver=data.get("CgroupDriver") or "cgroupfs",
            cpus=int(data.get("NCPU") or 0),
            memory=int(data.get("MemTotal") or 0),
            containerd_store="io.containerd.snapshotter" in json.dumps(data.get("DriverStatus") or []),
            cdi=bool(data.get("CDISpecDirs")),
            runtimes=tuple(sorted(data.get("Runtimes") or {})),
        )

    def birth(self) -> str:
        """Other text after each start of the engine; the same where that cannot be known."""
        try:
            found = os.stat(_PID_FILE)
        except OSError:
            return ""
        return f"{found.st_ino}.{found.st_mtime_ns}"

    def wait_until_up(self, seconds: float) -> Info:
        until = time.monotonic() + seconds
        while True:
            try:
                return self.info()
            except NodeError:
                if time.monotonic() >= until:
                    raise
                time.sleep(0.5)

    def containers(self, everything: bool = False) -> t.List[Container]:
        """Ours, or all of them."""
        arguments = ["ps", "--all", "--quiet", "--no-trunc"]
        if not everything:
            arguments += ["--filter", f"label={LABEL}.tenant"]
        ids = self._must("engine", "the list of containers", *arguments).split()
        return self.inspect(*ids) if ids else []

    def inspect(self, *names: str) -> t.List[Container]:
        """Those of the named containers that exist."""
        done = self._call("container", "inspect", *names)
        return [_container(item) for item in json.loads(done.out or "[]")]

    def create(self, arguments: t.Sequence[str]) -> None:
        self._must("start", "the container cannot be created", "create", *arguments, timeout=120)

    def start(self, name: str) -> None:
        try:
            self._must("start", f"container {name} cannot be started", "start", name, timeout=120)
        except NodeError as exc:
            if exc.cause == "start" and not any(word in exc.message.lower() for word in _OWN_FAULT):
                exc.cause = "node"  # which says nothing of the specification
            raise

    def stop(self, name: str, seconds: float) -> None:
        """Ends a container with its time to do so; one that is gone is fine."""
        patience = str(max(1, round(seconds)))
        done = self._call("stop", "--time", patience, name, timeout=seconds + 60)
        if done.code != 0 and "No such container" not in done.err:
            raise NodeError("engine", f"container {name} cannot be stopped: {_reason(done)}")

    def restart(self, name: str, seconds: float) -> None:
        patience = str(max(1, round(seconds)))
        self._must(
            "node", f"container {name} cannot be restarted", "restart", "--time", patience, name, timeout=seconds + 120
        )

    def kill(self, name: str) -> None:
        """Ends a container at once; one that has ended already is fine."""
        done = self._call("kill", name)
        if done.code != 0 and "is not running" not in done.err and "No such container" not in done.err:
            raise NodeError("engine", f"container {name} cannot be ended: {done.said}")

    def signal(self, name: str, signals: t.Sequence[str]) -> None:
        """Sends signals to the first process of a container; one that has ended is fine, whoever asks it next finds out.

        Not by `docker kill`: after that, of whatever signal, the engine does not start a container again that ends by itself.
        """
        found = self.inspect(name) if signals else []
        if found and found[0].running and found[0].pid:
            for item in signals:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(found[0].pid, getattr(signal, item))

    def remove(self, *names: str) -> None:
        done = self._call("rm", "--force", "--volumes", *names, timeout=120)
        if done.code != 0 and "No such container" not in done.err:
            raise NodeError("engine", f"container {names[0]} cannot be removed: {done.said}")

    def restart_policy(self, policy: str, *names: str) -> None:
        if names:
            self._must("engine", f"restart policy of {', '.join(names)}", "update", "--restart", policy, *names)

    def logs(self, name: str, lines: int) -> t.List[str]:
        done = run([self._program, "logs", "--tail", str(lines), name], timeout=20)
        return [line[:300] for line in (done.out + done.err).splitlines()][-lines:] if done.code == 0 else []

    def exec(self, name: str, command: t.Sequence[str], timeout: float) -> Done:
        return self._call("exec", name, *command, timeout=timeout)

    def image(self, reference: str) -> t.Optional[Image]:
        done = self._call("image", "inspect", reference)
        if done.code != 0:
            return None
        data = json.loads(done.out)[0]
        layers = tuple((data.get("RootFS") or {}).get("Layers") or ())
        user = (data.get("Config") or {}).get("User") or ""
        return Image(data["Id"], layers, int(data.get("Size") or 0), tuple(data.get("RepoDigests") or ()), user)

    def layers(self) -> t.Set[str]:
        """Uncompressed digests of all layers that the engine has."""
        ids = sorted(
            set(self._must("engine", "the list of images", "images", "--all", "--quiet", "--no-trunc").split())
        )
        if not ids:
            return set()
        done = self._call("image", "inspect", *ids)
        return {
            layer for item in json.loads(done.out or "[]") for layer in (item.get("RootFS") or {}).get("Layers") or ()
        }

    def pull(self, reference: str, timeout: float, configuration: str = "") -> Done:
        """Not successful where the registry failed; its words are much like those of an engine that is gone.

        :param configuration: directory of a client configuration whose credentials count, instead of the node's own.
        """
        own = ["--config", configuration] if configuration else []
        done = run([self._program, *own, "pull", "--quiet", reference], timeout=timeout)
        if done.code != 0:
            self.info()
        return done

    def load(self, write: t.Callable[[t.IO[bytes]], None], timeout: float) -> None:
        done = feed([self._program, "load", "--quiet"], write, timeout)
        if done.code != 0:
            self._raise_where_down(done)
            cause = "disk" if _NO_SPACE in done.said.lower() else "fetch"
            raise NodeError(cause, f"the archive cannot be loaded: {done.said}")

    def reads_whole(self, image_id: str, timeout: float) -> bool:
        """Whether every file of an image is what the engine unpacked: it compares checksums while it writes an archive."""
        return run_to_null([self._program, "save", image_id], timeout).code == 0

    def remove_image(self, reference: str) -> bool:
        return self._call("image", "rm", reference).code == 0

    def ensure_network(self, name: str, arguments: t.Sequence[str]) -> None:
        if self._call("network", "inspect", name).code == 0:
            return
        done = self._call("network", "create", *arguments, name)
        if done.code != 0 and "already exists" not in done.err:
            said = " ".join(done.err.split())
            hint = (
                ""
                if "iptables" not in said
                else "; something flushed the engine's firewall rules: `systemctl restart docker` makes them anew"
            )
            raise NodeError("engine", f"network {name} cannot be made: {said}{hint}")

    def remove_network(self, name: str) -> bool:
        return self._call("network", "rm", name).code == 0


def client_configuration(path: str) -> None:
    """Registry credentials for pulls lie in a directory of our own, root only, where it exists."""
    if os.path.isdir(path):
        os.environ["DOCKER_CONFIG"] = path
