# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads on a node what the doctor judges. Changes nothing, starts nothing, and never raises: what cannot be read is said.

The parts of what is read are told apart by name, see :func:`read`; `_core/doctor*.py` make sense of them.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from .._core import state as _state
from .._core.doctor_finding import Seen
from .._core.hardware import v4l2, values
from . import clock, devices, files, gpu_guard, hardware, kernel_log, ledger, units
from . import doctor_files as _files
from . import doctor_identity as _identity
from ._runner import run
from .errors import NodeError
from .files import Paths
from .version import VERSION

PROGRAM = "/usr/local/bin/edge"
SECONDS = 10.0
OTHER_UNITS = (
    "docker.service",
    "docker.socket",
    "containerd.service",
    "systemd-journald.service",
    "nvidia-cdi-refresh.service",
    "nvidia-persistenced.service",
)
_SHOWN = "Id,LoadState,ActiveState,UnitFileState,Result"
_BROKEN = (ArithmeticError, AttributeError, LookupError, NodeError, OSError, TypeError, ValueError)
Reader = t.Callable[["Reading"], None]


class Reading:
    """What was read so far: later readers look at what earlier ones found."""

    def __init__(self, paths: Paths, options: t.Mapping[str, t.Any]) -> None:
        self.paths = paths
        self.options = options
        self.seen: Seen = dict(options, now=time.time(), version=VERSION, our_units=list(units.UNITS))
        self.seen["container"] = os.path.exists("/run/systemd/container")

    @property
    def engine_runs(self) -> bool:
        """Asked of systemd: a call of `docker` would start an engine that somebody stopped."""
        unit = (self.seen.get("units") or {}).get("docker.service") or {}
        return unit.get("ActiveState") == "active"

    def state(self) -> t.Optional[_state.State]:
        text = self.seen.get("state")
        try:
            return _state.load(text) if isinstance(text, str) else None
        except (_state.StateError, *_BROKEN, RecursionError):
            return None


def read(paths: Paths, options: t.Mapping[str, t.Any]) -> Seen:
    """
    :param options: `controller` (time in seconds), `max_minutes`, `not_before`, `min_free_mib`, `kernel_log` (a file to read instead).
    """
    reading = Reading(paths, options)
    for name, reader in READERS.items():
        try:
            reader(reading)
        except _BROKEN as exc:
            reading.seen.setdefault(f"{name}_error", _reason(exc))
    return reading.seen


def _reason(exc: BaseException) -> str:
    if isinstance(exc, NodeError):
        return exc.message
    return (exc.strerror if isinstance(exc, OSError) else None) or f"{type(exc).__name__}: {exc}"


def _clock(reading: Reading) -> None:
    controller = reading.options.get("controller")
    found = clock.look(reading.paths, controller=float(controller) if controller else None).verdict
    reading.seen["clock"] = {"state": found.state, "reason": found.reason}


def _units(reading: Reading) -> None:
    done = run(["systemctl", "show", "--property", _SHOWN, *OTHER_UNITS, *units.UNITS], SECONDS)
    found: t.Dict[str, t.Dict[str, str]] = {}
    for block in done.out.split("\n\n"):
        unit = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in unit:
            found[unit.pop("Id")] = unit
    reading.seen["units"] = found


def _engine(reading: Reading) -> None:
    reading.seen["daemon_json"] = files.read_text(reading.paths.root + "/etc/docker/daemon.json")
    if not reading.engine_runs:
        return
    done = run(["docker", "info", "--format", "{{json .}}"], SECONDS)
    info = values.mapping(values.from_json(done.out))
    errors = values.texts(info.get("ServerErrors"))
    if done.code == 0 and not errors and info.get("ServerVersion"):
        reading.seen["engine"] = info
    else:
        reading.seen["engine_error"] = errors[0] if errors else done.said


def _program(reading: Reading) -> None:
    facts: t.Dict[str, t.Any] = {"there": os.path.exists(PROGRAM)}
    reading.seen["program"] = facts
    if facts["there"]:
        try:
            done = run([PROGRAM, "--version"], SECONDS)
        except NodeError as exc:
            facts["error"] = exc.message
            return
        facts["version"] = done.out.strip()
        if done.code != 0:
            facts["error"] = done.said


def _state_files(reading: Reading) -> None:
    paths, seen = reading.paths, reading.seen
    try:
        seen["state"] = files.read_text(paths.state)
    except NodeError as exc:
        seen["state_error"] = exc.message
    seen["busy"] = _busy(paths)
    if os.path.exists(paths.ledger):
        seen["ledger"] = ledger.broken(paths)
    try:
        seen["holds"] = files.read_json(paths.holds, [])
    except NodeError as exc:
        seen["holds_error"] = exc.message


def _busy(paths: Paths) -> bool:
    """Whether a change is under way right now. Takes no lock that a change would wait for."""
    try:
        with open(paths.transaction_lock, encoding="utf-8") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _containers(reading: Reading) -> None:
    state = reading.state()
    if state is None or not isinstance(reading.seen.get("engine"), dict):
        return
    items = {item.container: (f"{tenant}/{name}", item) for tenant, name, item in state.deployments()}
    if not items:
        reading.seen["containers"] = []
        return
    done = run(["docker", "container", "inspect", *sorted(items)], SECONDS * 2)
    found = values.sequence(json.loads(done.out or "[]"))
    reading.seen["containers"] = found
    pids = {
        values.line(str(item.get("Name")).lstrip("/")): values.integer(values.mapping(item.get("State")).get("Pid"))
        for item in found
        if isinstance(item, dict)
    }
    reading.seen["lost"] = {
        scope: gpu_guard.lost(pids[name] or 0) for name, (scope, item) in items.items() if item.gpus and pids.get(name)
    }


def _hardware(reading: Reading) -> None:
    reading.seen["hardware"] = hardware.read(ioctl=False, engine=reading.engine_runs)


def _devices(reading: Reading) -> None:
    """The named devices: what is not there, cameras that do not answer, network devices that cannot be reached."""
    known = devices.known(reading.paths)
    names = sorted(name for name, item in known.items() if item["kind"] != "gpu")
    if not names:
        return
    state = reading.state()
    users: t.Dict[str, t.List[str]] = {}
    for tenant, workload, item in state.deployments() if state is not None else ():
        for name in values.texts(values.mapping(item.spec.get("requires")).get("devices")):
            users.setdefault(name, []).append(f"{tenant}/{workload}")
    with ThreadPoolExecutor(min(16, len(names))) as pool:
        problems = list(pool.map(lambda name: devices.problem(reading.paths, known, name), names))
    reading.seen["devices"] = [
        {
            "name": name,
            "workloads": users.get(name, []),
            "problem": problem.partition(": ")[2] or problem,
            "dead": ""
            if problem or known[name]["kind"] != "camera"
            else silent(f"{reading.paths.device_links}/{name}"),
        }
        for name, problem in zip(names, problems)
    ]


def silent(path: str) -> str:
    """Why a camera does not answer, or nothing. It is asked what it is; nothing is set, nothing streams."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as exc:
        return f"it cannot be opened: {exc.strerror}"
    try:
        if not stat.S_ISCHR(os.fstat(descriptor).st_mode):
            return "it is no device"
        fcntl.ioctl(descriptor, v4l2.QUERYCAP, bytearray(v4l2.QUERYCAP_SIZE), True)
        return ""
    except OSError as exc:
        return f"it does not say what it is: {exc.strerror}"
    finally:
        os.close(descriptor)


def _kernel_log(reading: Reading) -> None:
    """Of this boot."""
    given = reading.options.get("kernel_log")
    if given:
        with open(given, encoding="utf-8", errors="replace") as handle:
            reading.seen["kernel_log"] = handle.read()
        return
    text, error = kernel_log.read(SECONDS)
    if text is None:
        reading.seen["kernel_log_error"] = error
    else:
        reading.seen["kernel_log"] = text


READERS: t.Dict[str, Reader] = {
    "clock": _clock,
    "units": _units,
    "engine": _engine,
    "program": _program,
    "state_files": _state_files,
    "containers": _containers,
    "hardware": _hardware,
    "devices": _devices,
    "kernel_log": _kernel_log,
    "machine": lambda reading: _files.machine(reading.seen),
    "file_systems": lambda reading: _files.file_systems(reading.seen, reading.paths),
    "journal": lambda reading: _files.journal(reading.seen),
    "modes": lambda reading: _files.modes(reading.seen, reading.paths),
    "certificates": lambda reading: _files.certificates(reading.seen, reading.paths),
    "own_certificates": lambda reading: _identity.own_certificates(reading.seen, reading.paths),
    "revocation_lists": lambda reading: _identity.revocation_lists(reading.seen, reading.paths),
    "sealed_secrets": lambda reading: _identity.sealed_secrets(reading.seen, reading.paths),
}
