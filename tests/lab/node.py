# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One node of a lab: a container with systemd, sshd and a disk of its own."""

from __future__ import annotations

import shlex
import socket
import subprocess
import time
import typing as t
import uuid

import docker
from docker import errors

from tests.lab import engine, files, services
from tests.lab.plan import LabError, LabPlan, NodePlan, node_environment

BOOT_SECONDS = 120
DISK_MIB = 6144
SETTLED = ("running", "degraded")

# `--privileged` without what some hosts cannot give (SYS_RESOURCE) and without SYS_TIME: the clock is the host's.
# fmt: off
CAPABILITIES = [
    "AUDIT_CONTROL", "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK",
    "IPC_OWNER", "KILL", "LEASE", "LINUX_IMMUTABLE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST",
    "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT",
    "SYS_NICE", "SYS_PTRACE", "SYS_RAWIO", "SYS_TTY_CONFIG",
]
# fmt: on

_TMPFS = {"/run": "mode=755,exec", "/run/lock": "mode=1777", "/tmp": "mode=1777,exec"}
_CLOCK = "/usr/local/lib/lab/clock.so"
_FILL = "/lab/data/fill"


class Node:
    """A node that exists. Made by `Lab`."""

    def __init__(self, client: docker.DockerClient, plan: LabPlan, node: NodePlan) -> None:
        self._client = client
        self._plan = plan
        self.plan = node
        self.name = node.host
        self.site = node.site
        self.address = node.address
        self.release = node.release
        self.is_gateway = node.is_gateway
        self.container_name = plan.container(node.host)

    def __repr__(self) -> str:
        return f"Node({self.name}, {self.address})"

    # -- existence

    def create(self, keys: t.Mapping[str, tuple[bytes, int]], image: str) -> None:
        """Creates the container, powered off. `keys` are files that go onto its disk."""
        api = self._client.api
        # Of its own: that of a box which was here before stays as it is.
        disk = f"{self.container_name}-{uuid.uuid4().hex[:8]}"
        host = api.create_host_config(
            cap_add=CAPABILITIES,
            cgroupns="private",
            device_cgroup_rules=["a *:* rwm"],
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            tmpfs=_TMPFS,
            binds=[f"{disk}:/lab/disk"],
            extra_hosts=files.node_hosts(self._plan, self.plan),
            restart_policy={"Name": "no"},
        )
        # What the client's `systempaths=unconfined` sets: a writable /proc/sys for the engine inside.
        host.update({"MaskedPaths": [], "ReadonlyPaths": []})
        endpoint = api.create_endpoint_config(ipv4_address=self.address, aliases=[self.name])
        self._client.volumes.create(disk, labels=services.labels(self._plan.name))
        created = api.create_container(
            image,
            name=self.container_name,
            hostname=self.name,
            labels=services.labels(self._plan.name),
            environment=node_environment(self._plan, self.plan, DISK_MIB),
            host_config=host,
            networking_config=api.create_networking_config({self._plan.network(self.site): endpoint}),
            volumes=["/lab/disk"],
        )
        self._client.containers.get(created["Id"]).put_archive("/", services.archive(keys))
        if self.is_gateway:
            self.plug_uplink()

    def remove(self) -> None:
        """Removes the container and its disk."""
        found = services.find(self._client, self.container_name)
        if found is not None:
            disks = [mount["Name"] for mount in found.attrs["Mounts"] if mount["Destination"] == "/lab/disk"]
            found.remove(v=True, force=True)
            for disk in disks:
                self._client.volumes.get(disk).remove(force=True)

    def put_aside(self) -> Node:
        """Takes the box from its place, with its disk, powered off; returns it. Another one may be created here then."""
        aside = Node(self._client, self._plan, self.plan)
        aside.container_name = f"{self.container_name}-old"
        aside.remove()
        self.power_cut()
        self.container.rename(aside.container_name)
        return aside

    def stamp(self, serial: str) -> None:
        """Gives the box a serial number where firmware has it, until it is powered off: this machine's own is that of all nodes."""
        folder = "/run/lab-class"
        # The classes are links; a file among them that nobody may read is not missed.
        self.exec(
            f"[ -d {folder} ] || {{ cp -a /sys/class {folder} 2>/dev/null; mount --bind {folder} /sys/class && "
            f"rm -rf {folder}/dmi && mkdir -p {folder}/dmi/id; }}; echo {shlex.quote(serial)} >{folder}/dmi/id/product_serial"
        )

    @property
    def container(self) -> t.Any:
        found = services.find(self._client, self.container_name)
        if found is None:
            raise LabError(f"lab {self._plan.name}: node {self.name} does not exist; run `up` first")
        return found

    def exists(self) -> bool:
        return services.find(self._client, self.container_name) is not None

    @property
    def is_up(self) -> bool:
        return bool(self.container.status == "running")

    # -- running things

    def exec(self, cmd: list[str] | str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs a command as root on the node, without its network. A string goes to the shell."""
        argv = ["/bin/sh", "-c", cmd] if isinstance(cmd, str) else list(cmd)
        # The limit is on the node: ending the request would leave the command running there.
        guarded = ["timeout", "-k", "5", str(timeout), *argv]
        try:
            code, out, err = engine.execute(self._client, self.container.id, guarded)
        except errors.APIError as exc:
            raise LabError(f"{self.name} is switched off: nothing runs there until power-on") from exc
        stdout, stderr = (part.decode(errors="replace") for part in (out, err))
        shown = cmd if isinstance(cmd, str) else shlex.join(cmd)
        if code in (124, 137) and check:
            raise LabError(f"{self.name}: `{shown}` did not end within {timeout} s")
        if code != 0 and check:
            reason = " | ".join((stderr.strip() or stdout.strip() or "no output").splitlines()[-3:])
            raise LabError(f"{self.name}: `{shown}` ended with {code}: {reason}")
        return subprocess.CompletedProcess(argv, code, stdout, stderr)

    # -- power

    def power_cut(self) -> None:
        """Everything on the node dies at once, by SIGKILL."""
        if self.is_up:
            self.container.kill()

    def power_off(self) -> None:
        """An orderly shutdown."""
        self.container.stop(timeout=60)

    def power_on(self, wait: bool = True) -> None:
        """Switches on; by default waits until systemd has settled and sshd answers."""
        if not self.is_up:
            self.container.start()
        if wait:
            self.wait_ready()

    def wait_ready(self, timeout: float = BOOT_SECONDS) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if not self.is_up:
                logs = self.container.logs(tail=3).decode(errors="replace").strip()
                raise LabError(f"{self.name} went off while it booted: {logs or 'it printed nothing'}")
            if self.system_state() in SETTLED and self._ssh_answers():
                return
            time.sleep(0.3)
        raise LabError(
            f"{self.name} is not up after {timeout:.0f} s: systemd says '{self.system_state()}', "
            f"sshd {'answers' if self._ssh_answers() else 'does not answer'}"
        )

    def system_state(self) -> str:
        """systemd's word for it: running, degraded, starting, ..."""
        return self.exec(["systemctl", "is-system-running"], check=False).stdout.strip()

    def failed_units(self) -> list[str]:
        listed = self.exec(["systemctl", "list-units", "--failed", "--plain", "--no-legend"]).stdout
        return [line.split()[0] for line in listed.splitlines() if line.strip()]

    def _ssh_answers(self) -> bool:
        try:
            with socket.create_connection((self.address, 22), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    # -- links

    def plug_uplink(self) -> None:
        """Puts the gateway's cable to the uplink in, if it is out."""
        network = self._client.networks.get(self._plan.uplink_network)
        container = self.container
        if self._plan.uplink_network not in container.attrs["NetworkSettings"]["Networks"]:
            network.connect(container, ipv4_address=self.plan.uplink)
        if self.is_up:
            self.exec(["/usr/local/lib/lab/routes"])

    def pull_uplink(self) -> None:
        network = self._client.networks.get(self._plan.uplink_network)
        container = self.container
        if self._plan.uplink_network in container.attrs["NetworkSettings"]["Networks"]:
            network.disconnect(container)
        if self.is_up:
            self.exec(["/usr/local/lib/lab/routes"])

    @property
    def is_linked(self) -> bool:
        return self._plan.uplink_network in self.container.attrs["NetworkSettings"]["Networks"]

    # -- disk

    def disk_free_mib(self) -> int:
        line = self.exec(["df", "--output=avail", "-BM", "/lab/data"]).stdout.splitlines()[-1]
        return int(line.strip().rstrip("M"))

    def fill_disk(self, leave_mib: int = 50) -> None:
        """Fills the file system of /var/lib/docker and /var/lib/physical-ai, up to what is to be left."""
        if "loop" not in self.exec(["findmnt", "-no", "SOURCE", "/lab/data"]).stdout:
            raise LabError(f"{self.name}: this machine has no loop devices, so filling the node would fill the host")
        self.free_disk()
        amount = self.disk_free_mib() - leave_mib
        if amount > 0:
            # Allocates without writing: the node is full, the host's disk is not touched.
            self.exec(["fallocate", "-l", f"{amount}MiB", _FILL])

    def free_disk(self) -> None:
        self.exec(["rm", "-f", _FILL])

    # -- clock

    def skew_clock(self, seconds: int) -> None:
        """Everything that starts from now on sees a clock that is wrong by `seconds`; 0 puts it right.

        Containers share the host's clock, so a library is preloaded (images/node/clock.c). What runs already,
        systemd itself, and programs that ask the kernel past libc (Go: the container engine) see the right time.
        """
        if seconds == 0:
            self.exec(["rm", "-f", "/etc/ld.so.preload", "/etc/lab-clock"])
        else:
            self.exec(f"echo {seconds} >/etc/lab-clock && echo {_CLOCK} >/etc/ld.so.preload")
