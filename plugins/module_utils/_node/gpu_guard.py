# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether running containers can still use the GPUs they were given, and the way back where they cannot.

A reload of systemd can take a container's right to its GPU away while everything looks well from outside, and a driver that
was loaded anew may have another number. So each device is opened as the container would: by a process in the container's
own control group. Nothing is needed inside the container.
"""

from __future__ import annotations

import errno
import glob
import os
import stat
import typing as t

from .._core.state import Deployment, State
from . import ledger
from .engine import Container
from .errors import NodeError
from .node import Node

PATTERNS = ("nvidia*", "nvidia-caps/*", "dri/*", "nvhost*", "nvmap", "nvgpu/*/*")
"""Device files of GPUs below a container's /dev."""
LOST = {
    errno.EPERM: "it may not be opened any more (a reload of systemd does that)",
    errno.ENXIO: "nothing is behind its number (the driver was loaded anew)",
    errno.ENODEV: "nothing is behind its number (the driver was loaded anew)",
}


def _groups(pid: int) -> t.List[str]:
    """The control groups that decide on devices, as directories: of version 1 `devices`, else the unified one."""
    found = []
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as handle:
        for line in handle:
            dummy, controllers, path = line.rstrip("\n").split(":", 2)
            if controllers == "devices":
                found.append("/sys/fs/cgroup/devices" + path)
            elif not controllers and os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
                found.append("/sys/fs/cgroup" + path)
    return found


def _devices(pid: int) -> t.List[str]:
    root = f"/proc/{pid}/root/dev"
    found = [path for pattern in PATTERNS for path in glob.glob(f"{root}/{pattern}")]
    return sorted(path for path in found if stat.S_ISCHR(os.lstat(path).st_mode))


def _open_inside(groups: t.Sequence[str], path: str) -> int:
    """0, or the error of opening a device as a process of these control groups. The process lives for that only."""
    child = os.fork()
    if child == 0:
        code = 255
        try:
            for group in groups:
                with open(f"{group}/cgroup.procs", "w", encoding="ascii") as handle:
                    handle.write(str(os.getpid()))
            os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
            code = 0
        except OSError as exc:
            code = exc.errno if exc.errno and exc.errno < 255 else 254
        finally:
            os._exit(code)
    dummy, status = os.waitpid(child, 0)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 254


def lost(pid: int) -> t.List[str]:
    """The devices of GPUs that a container has and cannot use, a line each."""
    try:
        groups = _groups(pid)
        codes = {path: _open_inside(groups, path) for path in _devices(pid)}
    except OSError:
        return []  # it ended just now
    return [f"/dev/{path.split('/dev/', 1)[1]}: {LOST[code]}" for path, code in codes.items() if code in LOST]


def settle(node: Node, state: State) -> t.List[str]:
    """Looks at every running container that was given a GPU, and restarts those that lost it. Returns a line for each."""
    holders = {item.container: (tenant, name, item) for tenant, name, item in state.deployments() if item.gpus}
    if not holders or not node.engine.birth():
        return []
    lines = []
    for container in node.engine.inspect(*sorted(holders)):
        reasons = lost(container.pid) if container.running else []
        if reasons:
            lines.append(_put_right(node, *holders[container.name], reasons))
    return lines


def _put_right(node: Node, tenant: str, name: str, deployment: Deployment, reasons: t.List[str]) -> str:
    what, said = "put right", "restarted"
    if os.path.exists(node.paths.update_lock(tenant, name)):
        what, said = "lost", "not restarted: the application holds its update lock"
    else:
        try:
            node.engine.restart(deployment.container, deployment.spec["stop_timeout"])
            still = _still_lost(node.engine.inspect(deployment.container))
        except NodeError as exc:
            still = exc.message
        if still:
            what, said = "lost", f"restarted in vain: {still}"
    scope = f"{tenant}/{name}"
    ledger.note(node.paths, "gpu", workload=scope, what=what, msg=said, lost=reasons)
    return f"{scope}: {'; '.join(reasons)}: {said}"


def _still_lost(found: t.Sequence[Container]) -> str:
    if not found or not found[0].running:
        return "the container does not run"
    return "; ".join(lost(found[0].pid))
