# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands on the uplink: the registry (with TLS) and the package cache."""

from __future__ import annotations

import io
import ssl
import tarfile
import time
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import docker
from docker import errors

from tests.lab import engine, images
from tests.lab.plan import APT_HOST, APT_PORT, REGISTRY_HOST, REGISTRY_PORT, LabError, LabPlan

LABEL = "physical-ai.lab"
CHECKOUT = f"{LABEL}.checkout"
PACKAGES = f"{LABEL}.packages"
START_SECONDS = 30
_INTERFACE = "eth0"

_REGISTRY_CONFIG = f"""version: 0.1
log: {{level: warn}}
storage:
  delete: {{enabled: true}}
  filesystem: {{rootdirectory: /var/lib/registry}}
http:
  addr: :{REGISTRY_PORT}
  tls: {{certificate: /lab/registry.pem, key: /lab/registry.key}}
"""


# The service can die while its machine lives on: connections end at once, new ones are refused.
_REGISTRY_COMMAND = """
while :; do
    if [ -e /lab/off ]; then sleep 0.1; else docker-registry serve /lab/registry.yml || sleep 0.1; fi
done
"""


def labels(name: str) -> dict[str, str]:
    """What marks a container, network or volume as this lab's, made from this checkout."""
    return {LABEL: name, CHECKOUT: str(engine.ROOT)}


def mine(name: str) -> dict[str, list[str]]:
    """The engine's filter for the same."""
    return {"label": [f"{key}={value}" for key, value in labels(name).items()]}


def archive(files: t.Mapping[str, tuple[bytes, int]]) -> bytes:
    """A tar archive of name to (content, mode)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, (content, mode) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), mode, int(time.time())
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def find(client: docker.DockerClient, name: str) -> t.Any | None:
    try:
        return client.containers.get(name)
    except errors.NotFound:
        return None


def create(client: docker.DockerClient, plan: LabPlan, word: str, address: str, **more: t.Any) -> t.Any:
    """A service container on the uplink, created but not started."""
    api = client.api
    created = api.create_container(
        images.services(client),
        name=plan.container(word),
        hostname=word,
        labels=labels(plan.name),
        host_config=api.create_host_config(
            cap_add=["NET_ADMIN"], init=True, restart_policy={"Name": "no"}, **more.pop("host", {})
        ),
        networking_config=api.create_networking_config(
            {plan.uplink_network: api.create_endpoint_config(ipv4_address=address)}
        ),
        **more,
    )
    return client.containers.get(created["Id"])


class Registry:
    """The registry on the uplink: registry.lab:5000 for nodes, a loopback port for this machine."""

    def __init__(self, client: docker.DockerClient, plan: LabPlan, folder: Path) -> None:
        self._client = client
        self._plan = plan
        self._folder = folder
        self.host = f"{REGISTRY_HOST}:{REGISTRY_PORT}"
        self.ca_file = folder / "pki" / "ca.pem"

    @property
    def ca_pem(self) -> str:
        """The authority that signed the registry's certificate, for /etc/docker/certs.d."""
        return self.ca_file.read_text(encoding="utf-8")

    @property
    def _container(self) -> t.Any:
        found = find(self._client, self._plan.container("registry"))
        if found is None:
            raise LabError(f"lab {self._plan.name}: there is no registry; run `up` first")
        return found

    def up(self) -> None:
        container = find(self._client, self._plan.container("registry"))
        if container is None:
            self._client.volumes.create(f"{self._plan.prefix}-registry", labels=labels(self._plan.name))
            container = create(
                self._client,
                self._plan,
                "registry",
                self._plan.registry_address,
                command=["/bin/sh", "-c", _REGISTRY_COMMAND],
                ports=[REGISTRY_PORT],
                host={
                    "binds": [f"{self._plan.prefix}-registry:/var/lib/registry"],
                    # Loopback of this machine, any free port: engines take a registry on
                    # 127.0.0.0/8 without its certificate, so pushing needs no change of this machine.
                    "port_bindings": {REGISTRY_PORT: ("127.0.0.1", None)},
                },
            )
            pki = self._folder / "pki"
            files = {f"lab/{name}": ((pki / name).read_bytes(), 0o600) for name in ("registry.pem", "registry.key")}
            files["lab/registry.yml"] = (_REGISTRY_CONFIG.encode(), 0o644)
            container.put_archive("/", archive(files))
        container.reload()
        if container.status != "running" or not self._answers():
            self.start()

    def start(self) -> None:
        """Starts it and waits until it answers."""
        if self._container.status != "running":
            self._container.start()
        self._run(["rm", "-f", "/lab/off"])
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline:
                logs = self._container.logs(tail=1).decode(errors="replace").strip()
                raise LabError(f"lab {self._plan.name}: the registry does not answer after {START_SECONDS} s: {logs}")
            time.sleep(0.1)

    def stop(self, silent: bool = False) -> None:
        """Gone at once, in the middle of whatever it serves.

        Connections end and new ones are refused. `silent`: its machine is gone too, so that nothing answers
        any more and only a timeout tells.
        """
        if self._container.status != "running":
            return
        if silent:
            self._container.kill()
        else:
            self._run(["sh", "-c", "touch /lab/off; busybox killall -9 docker-registry || true"])

    def slow(self, kbit: int) -> None:
        """Sends at most this many kilobit per second until `full_speed()` or a restart."""
        shape = ["tc", "qdisc", "replace", "dev", _INTERFACE, "root", "tbf"]
        self._run([*shape, "rate", f"{kbit}kbit", "burst", "32kbit", "latency", "400ms"])

    def full_speed(self) -> None:
        if b"tbf" in self._run(["tc", "qdisc", "show", "dev", _INTERFACE]):
            self._run(["tc", "qdisc", "del", "dev", _INTERFACE, "root"])

    def _run(self, argv: list[str]) -> bytes:
        code, output, said = engine.execute(self._client, self._container.id, argv)
        if code != 0:
            raise LabError(f"registry: {' '.join(argv)}: {(said or output).decode(errors='replace').strip()}")
        return output

    def _port(self) -> str:
        container = self._container
        ports = container.attrs["NetworkSettings"]["Ports"].get(f"{REGISTRY_PORT}/tcp")
        if not ports:
            raise LabError(f"lab {self._plan.name}: the registry is stopped; start it first")
        return t.cast(str, ports[0]["HostPort"])

    def _answers(self) -> bool:
        try:
            context = ssl.create_default_context(cafile=str(self.ca_file))
            with urllib.request.urlopen(f"https://127.0.0.1:{self._port()}/v2/", context=context, timeout=5) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError, LabError):
            return False

    def push(self, local_tag: str, name: str) -> str:
        """Pushes an image of this machine's engine; returns registry.lab:5000/<name>@sha256:..."""
        try:
            image = self._client.images.get(local_tag)
        except errors.ImageNotFound:
            raise LabError(f"push: this machine's engine has no image {local_tag}; build it first") from None
        repository = f"127.0.0.1:{self._port()}/{name}"
        tag = image.id.rpartition(":")[2][:12]
        image.tag(repository, tag)
        try:
            digest = self._push(repository, tag)
        finally:
            self._client.images.remove(f"{repository}:{tag}")
        return f"{self.host}/{name}@{digest}"

    def _push(self, repository: str, tag: str) -> str:
        digest = ""
        for event in self._client.api.push(repository, tag=tag, stream=True, decode=True):
            if "error" in event:
                raise LabError(f"push {repository}:{tag}: {event['error']}")
            digest = event.get("aux", {}).get("Digest", digest)
        if not digest:
            raise LabError(f"push {repository}:{tag}: the engine reported no digest")
        return digest


class PackageCache:
    """apt.lab:3142, so that twelve nodes download a package once. Kept over `down`, for the next lab of that name."""

    def __init__(self, client: docker.DockerClient, plan: LabPlan) -> None:
        self._client = client
        self._plan = plan
        self.volume = f"{plan.prefix}-packages"

    def up(self) -> None:
        container = find(self._client, self._plan.container("apt"))
        if container is None:
            self._client.volumes.create(self.volume, labels={PACKAGES: self._plan.name})
            settings = ["ForeGround=1", "SocketPath=/run/acng.sock", "CacheDir=/var/cache/apt-cacher-ng"]
            settings += ["LogDir=/var/log/apt-cacher-ng", f"Port:{APT_PORT}", "PidFile=/run/acng.pid"]
            proxy = engine.apt_proxy()
            if proxy:
                settings.append(f"Proxy={proxy}")
            container = create(
                self._client,
                self._plan,
                "apt",
                self._plan.apt_address,
                command=["apt-cacher-ng", "-c", "/etc/apt-cacher-ng", *settings],
                host={"binds": [f"{self.volume}:/var/cache/apt-cacher-ng"], "extra_hosts": {APT_HOST: "127.0.0.1"}},
            )
        container.reload()
        if container.status != "running":
            container.start()
