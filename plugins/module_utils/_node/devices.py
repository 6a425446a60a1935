# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Named devices on the node: which are there, and that each workload has those it asked for in its own directory.

udev makes a link `/dev/edge/NAME`. For each workload that asks for it, the same device is made in a directory that only its
container sees; when the device goes and comes back, with whatever number, so does the one in the directory.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import typing as t

from .._core import devices as _devices
from .._core.fields import SpecError
from .._core.state import State
from . import files, ledger
from .errors import NodeError
from .files import Paths

REACH = 2.0
"""Seconds that a network device has to accept a connection."""


def known(paths: Paths) -> _devices.Devices:
    """The names that the site uses on this node, from the file that the role devices writes."""
    try:
        return _devices.parse(paths.devices, files.read_json(paths.devices, None))
    except SpecError as exc:
        raise NodeError("node", f"{exc}: run the role devices again") from None


def number(paths: Paths, name: str) -> t.Optional[int]:
    """The device number behind a name, or None where it is not plugged in."""
    try:
        found = os.stat(f"{paths.device_links}/{name}")
    except OSError:
        return None
    return found.st_rdev if stat.S_ISCHR(found.st_mode) else None


def words(rdev: t.Optional[int]) -> str:
    return "" if rdev is None else f"{os.major(rdev)}:{os.minor(rdev)}"


def _unreachable(device: t.Mapping[str, t.Any]) -> str:
    if "tcp" not in device:
        return ""
    try:
        with socket.create_connection((device["address"], device["tcp"]), timeout=REACH):
            return ""
    except socket.timeout:
        return f"no answer within {REACH:g} s"
    except OSError as exc:
        return exc.strerror or str(exc)


def problem(paths: Paths, devices: _devices.Devices, name: str) -> str:
    """Why a workload cannot have this device now, or nothing."""
    device = devices.get(name)
    if device is None:
        names = ", ".join(sorted(devices)) or "none"
        return f"device: {name} is not a name on this node; names are {names} (role devices)"
    if device["kind"] == "network":
        reason = _unreachable(device)
        return f"device: {name} at {_devices.endpoint(device)} is not reachable: {reason}" if reason else ""
    if device["kind"] == "gpu":
        return f"device: {name} is a GPU: ask for it by requires.gpu.name"
    if number(paths, name) is None:
        where = f"serial number {device['serial']}" if "serial" in device else f"port {device['port']}"
        return f"device: {name} ({device['kind']}, {where}) is not plugged in"
    return ""


def local(devices: _devices.Devices, spec: t.Mapping[str, t.Any]) -> t.List[str]:
    """The devices of a specification that are made in its directory. A name that is gone from the site's list counts too."""
    names = spec.get("requires", {}).get("devices", [])
    return [name for name in names if devices.get(name, {}).get("kind") != "network"]


def majors(paths: Paths, devices: _devices.Devices, spec: t.Mapping[str, t.Any]) -> t.Tuple[int, ...]:
    found: t.Set[int] = set()
    for name in local(devices, spec):
        found.update(_devices.MAJORS.get(devices.get(name, {}).get("kind", ""), ()))
        rdev = number(paths, name)
        if rdev is not None:
            found.add(os.major(rdev))
    return tuple(sorted(found))


def directory(paths: Paths, tenant: str, workload: str) -> str:
    return f"{paths.device_nodes}/{tenant}/{workload}"


def fill(paths: Paths, devices: _devices.Devices, tenant: str, spec: t.Mapping[str, t.Any]) -> str:
    """Makes the directory of one workload right and returns it; nothing where it asks for no device."""
    names = local(devices, spec)
    if not names:
        return ""
    where = directory(paths, tenant, spec["name"])
    files.make_directory(paths.device_nodes)
    os.chmod(paths.device_nodes, 0o700)  # the engine makes it, open to all, where it comes first after a boot
    files.make_directory(where, 0o755)
    for name in names:
        _put(f"{where}/{name}", number(paths, name))
    for name in os.listdir(where):
        if name not in names:
            os.unlink(f"{where}/{name}")
    return where


def _put(path: str, rdev: t.Optional[int]) -> None:
    try:
        have: t.Optional[int] = os.lstat(path).st_rdev
    except FileNotFoundError:
        have = None
    if have == rdev:
        return
    if rdev is None:
        os.unlink(path)
        return
    temporary = f"{os.path.dirname(path)}/.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.mknod(temporary, stat.S_IFCHR | 0o666, rdev)
    os.chmod(temporary, 0o666)  # noqa: S103 # whatever user the workload is; nobody else gets into the directory
    os.rename(temporary, path)


def settle(paths: Paths, state: State) -> t.List[str]:
    """Gives every workload the devices that are there now, and writes down what came and went. Returns a line for each."""
    devices = known(paths)
    users: t.Dict[str, t.List[str]] = {}
    for tenant, workload, deployment in state.deployments():
        fill(paths, devices, tenant, deployment.spec)
        for name in deployment.spec.get("requires", {}).get("devices", []):
            users.setdefault(name, []).append(f"{tenant}/{workload}")
    return [_tell(paths, event, users) for event in _changes(paths, devices)]


def _changes(paths: Paths, devices: _devices.Devices) -> t.List[t.Tuple[str, str, str]]:
    """(name, before, now) of what is not as it was when this was last asked; it is remembered over boots."""
    before = files.read_json(paths.devices_seen, {})
    now = {
        name: words(number(paths, name))
        for name, device in sorted(devices.items())
        if device["kind"] in _devices.MAJORS
    }
    if now != before:
        files.write_json(paths.devices_seen, now)
    return [(name, before.get(name, ""), found) for name, found in now.items() if found != before.get(name, "")]


def _tell(paths: Paths, event: t.Tuple[str, str, str], users: t.Mapping[str, t.List[str]]) -> str:
    name, before, now = event
    what = "gone" if not now else ("moved" if before else "arrived")
    workloads = users.get(name, [])
    ledger.note(paths, "device", device=name, what=what, number=now, before=before, workloads=workloads)
    return f"{name}: {what}" + (f" ({now})" if now else "") + (f"; {', '.join(workloads)}" if workloads else "")


def overview(paths: Paths, state: State) -> t.List[t.Dict[str, t.Any]]:
    """Each name with what is behind it now, and the workloads that have it."""
    rows = []
    for name, device in sorted(known(paths).items()):
        users = [
            f"{tenant}/{workload}"
            for tenant, workload, item in state.deployments()
            if name in item.spec.get("requires", {}).get("devices", [])
        ]
        row = {"name": name, "kind": device["kind"], "workloads": users}
        if device["kind"] == "network":
            row.update(endpoint=_devices.endpoint(device), problem=_unreachable(device))
        elif device["kind"] != "gpu":
            rdev = number(paths, name)
            row.update(number=words(rdev), problem="" if rdev is not None else "not plugged in")
        rows.append(row)
    return rows


def endpoints(devices: _devices.Devices, spec: t.Mapping[str, t.Any]) -> t.Dict[str, str]:
    """Endpoints of the network devices that a specification asks for: they are part of what is proven and remembered."""
    found = {}
    for name in spec.get("requires", {}).get("devices", []):
        device = devices.get(name)
        if device is not None and device["kind"] == "network":
            found[name] = _devices.endpoint(device)
    return found
