# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes sure that a container engine runs on this machine: `python -m tests.lab.engine up|down|status`.

What this started is remembered, so that `down` stops it and leaves nothing running.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import docker
from docker import errors
from docker.utils.socket import consume_socket_output, demux_adaptor, frames_iter

from tests.lab.plan import LabError
from tests.lab.progress import say, step

ROOT = Path(__file__).resolve().parents[2]
LABS = ROOT / ".lab"
STATE = LABS / "engine.json"
LOG = LABS / "dockerd.log"
SOCKET = Path("/var/run/docker.sock")
START_SECONDS = 90
MANUAL = "install docker.io, iptables and mmdebstrap (apt-get install docker.io iptables mmdebstrap) and start dockerd"


def as_root(argv: list[str]) -> list[str]:
    if os.geteuid() == 0:
        return argv
    if not shutil.which("sudo"):
        raise LabError(f"'{argv[0]}' needs root and there is no sudo here: run this as root, or {MANUAL}")
    return ["sudo", "--preserve-env=http_proxy,https_proxy,no_proxy,DEBIAN_FRONTEND", *argv]


def _root(argv: list[str], what: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(as_root(argv), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).strip().splitlines() if line.strip()] or ["no output"]
        raise LabError(f"{what} failed: {lines[-1]}; {MANUAL}")
    return done


def apt_proxy() -> str:
    """The proxy that this machine's apt uses, if any."""
    if shutil.which("apt-config"):
        done = subprocess.run(
            ["apt-config", "shell", "proxy", "Acquire::http::Proxy"], capture_output=True, text=True, check=False
        )
        _name, _sign, value = done.stdout.strip().partition("=")
        if value.strip("'"):
            return value.strip("'")
    return os.environ.get("http_proxy", "")


def _candidate(package: str) -> bool:
    done = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True, check=False)
    return "Candidate:" in done.stdout and "Candidate: (none)" not in done.stdout


def apt_install(packages: list[str], optional: t.Sequence[str] = ()) -> None:
    """Installs from the distribution; packages of `optional` only where they exist."""
    if not shutil.which("apt-get"):
        raise LabError(f"no apt-get on this machine, so nothing can be installed by itself: {MANUAL}")
    os.environ.setdefault("DEBIAN_FRONTEND", "noninteractive")
    with step(f"install {' '.join(packages)}"):
        if not all(_candidate(package) for package in packages):
            _root(["apt-get", "-q", "update"], "apt-get update")
        missing = [package for package in packages if not _candidate(package)]
        if missing:
            raise LabError(f"the package sources of this machine have no {', '.join(missing)}: {MANUAL}")
        wanted = packages + [package for package in optional if _candidate(package)]
        install = ["apt-get", "-q", "-y", "--no-install-recommends", "install", *wanted]
        try:
            _root(install, "apt-get install")
        except LabError:
            # Old package lists name files that the archive has replaced since.
            _root(["apt-get", "-q", "update"], "apt-get update")
            _root(install, f"apt-get install {' '.join(wanted)}")


def need_program(program: str, *packages: str) -> None:
    if not shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
        extra = ("debian-archive-keyring",) if program == "mmdebstrap" else ()
        apt_install(list(packages), optional=extra)


def client() -> docker.DockerClient:
    """A client of the running engine."""
    try:
        found = docker.from_env(timeout=300, max_pool_size=32)
        found.ping()
    except errors.DockerException as exc:
        raise LabError(f"no container engine answers on this machine ({exc}): run `make lab-up` or {MANUAL}") from exc
    return found


def execute(client: docker.DockerClient, container: str, argv: t.Sequence[str]) -> tuple[int, bytes, bytes]:
    """Runs a command in a container, without standard input: its exit status, output and errors.

    It begins when the client has read the head of the engine's answer: what comes together with the head, the client loses.
    """
    api = client.api
    waiting = ["/bin/sh", "-c", 'read -r _ && exec "$@" </dev/null', "sh", *argv]
    created = api.exec_create(container, waiting, stdin=True)
    stream = api.exec_start(created["Id"], socket=True)
    try:
        os.write(stream.fileno(), b"\n")
        out, err = consume_socket_output((demux_adaptor(*frame) for frame in frames_iter(stream, False)), demux=True)
    finally:
        stream.close()
    return int(api.exec_inspect(created["Id"])["ExitCode"]), out or b"", err or b""


def answers() -> bool:
    """Whether an engine answers here."""
    try:
        found = docker.from_env(timeout=10)
        found.ping()
        found.close()
    except errors.DockerException:
        return False
    return True


def _has_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


def _remember(how: str, pid: int) -> None:
    STATE.parent.mkdir(parents=True, exist_ok=True)
    STATE.write_text(json.dumps({"how": how, "pid": pid}) + "\n", encoding="utf-8")


def _recall() -> dict[str, t.Any]:
    if not STATE.is_file():
        return {}
    return t.cast("dict[str, t.Any]", json.loads(STATE.read_text(encoding="utf-8")))


def _open_socket() -> None:
    """Lets the user who runs the lab use an engine that root runs, until the engine restarts."""
    if os.geteuid() != 0 and SOCKET.exists() and not os.access(SOCKET, os.W_OK):
        say(f"{getpass.getuser()} is not in the group docker: {SOCKET} is theirs until the engine restarts")
        _root(["chown", getpass.getuser(), str(SOCKET.resolve())], f"chown of {SOCKET}")


def _last_log_line() -> str:
    lines = LOG.read_text(encoding="utf-8", errors="replace").strip().splitlines() if LOG.is_file() else []
    for line in reversed(lines):
        if "level=error" in line or "level=fatal" in line or line.startswith("failed"):
            return line
    return lines[-1] if lines else "no output"


def _start_in_background() -> None:
    LOG.parent.mkdir(parents=True, exist_ok=True)
    dockerd = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "dockerd"
    argv = as_root([dockerd, "--group", str(os.getgid())])
    with LOG.open("ab") as log:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise LabError(f"dockerd did not start: {_last_log_line()} (all of it: {LOG})")
        time.sleep(0.3)
    pid = Path("/var/run/docker.pid")
    _remember("background", int(pid.read_text(encoding="utf-8")) if pid.is_file() else process.pid)


def _start_by_systemd() -> None:
    _root(["systemctl", "start", "docker.service"], "systemctl start docker")
    _open_socket()
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if time.monotonic() > deadline:
            raise LabError("docker.service is started but does not answer: see journalctl -u docker.service")
        time.sleep(0.3)
    _remember("systemd", 0)


def up() -> None:
    """Installs and starts what is missing; does nothing where an engine answers."""
    if answers():
        return
    if os.environ.get("DOCKER_HOST"):
        raise LabError(f"DOCKER_HOST is {os.environ['DOCKER_HOST']} and no engine answers there: start it or unset it")
    if _has_systemd() and SOCKET.exists():
        _open_socket()
        if answers():
            return
    need_program("iptables", "iptables")
    need_program("dockerd", "docker.io")
    if not shutil.which("docker") and _candidate("docker-cli"):
        apt_install(["docker-cli"])  # Debian 13 has the client in a package of its own
    with step("start the container engine"):
        if _has_systemd():
            _start_by_systemd()
        else:
            _start_in_background()


def down() -> None:
    """Stops the engine if `up` started it and nobody else uses it."""
    state = _recall()
    if not state:
        return
    if answers():
        running = len(client().containers.list())
        if running:
            say(f"the engine keeps running: {running} containers run on it")
            return
        with step("stop the container engine"):
            _stop(state)
    STATE.unlink(missing_ok=True)


def _stop(state: dict[str, t.Any]) -> None:
    if state["how"] == "systemd":
        _root(["systemctl", "stop", "docker.socket", "docker.service", "containerd.service"], "systemctl stop docker")
        return
    name = Path(f"/proc/{state['pid']}/comm")
    if not name.is_file() or name.read_text(encoding="utf-8").strip() != "dockerd":
        return
    _root(["kill", f"-{signal.SIGTERM.value}", str(state["pid"])], "kill of dockerd")
    deadline = time.monotonic() + 30
    while name.is_file() and time.monotonic() < deadline:
        time.sleep(0.2)


def status() -> str:
    if not answers():
        return "no container engine answers"
    version = client().version()
    started = f", started here ({_recall()['how']})" if _recall() else ""
    return f"engine {version['Version']}, API {version['ApiVersion']}{started}"


def main(argv: list[str]) -> int:
    actions: dict[str, t.Callable[[], None]] = {"up": up, "down": down, "status": lambda: None}
    if len(argv) != 1 or argv[0] not in actions:
        print("usage: python -m tests.lab.engine up|down|status", file=sys.stderr)
        return 2
    try:
        actions[argv[0]]()
        print(status())
    except LabError as exc:
        print(f"lab: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
