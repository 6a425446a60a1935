# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the node for the probes that compare it with how it was before a change. Verdicts: `_core.judge_node`.

Every look is bounded in time, and what cannot be looked at is unknown, never an error.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from .._core import judge_node
from . import devices, hardware, hardware_devices, kernel_log
from .errors import NodeError
from .files import Paths
from .hardware_tree import Tree

LOG_SECONDS = 10.0
_ECHO = {socket.AF_INET: (8, 0, socket.IPPROTO_ICMP), socket.AF_INET6: (128, 129, socket.IPPROTO_ICMPV6)}
"""Type of an echo request, of its answer, and the protocol."""


def xids() -> t.Optional[t.Dict[str, int]]:
    """The errors of GPUs in the kernel log of this boot; None where it cannot be read."""
    try:
        log, dummy = kernel_log.read(LOG_SECONDS)
    except NodeError:
        return None
    return None if log is None else judge_node.count_xids(log)


def gpus() -> t.List[t.Dict[str, t.Any]]:
    return hardware.read_gpus()


def present(paths: Paths) -> t.Optional[t.List[str]]:
    """The names of the devices that are there: the site's own, cameras and serial ports. None where they cannot be read."""
    try:
        known = devices.known(paths)
    except NodeError:
        return None
    names = sorted(name for name, item in known.items() if item["kind"] != "gpu")
    with ThreadPoolExecutor(max(1, min(16, len(names)))) as pool:
        there = [not reason for reason in pool.map(lambda name: devices.problem(paths, known, name), names)]
    found = [name for name, is_there in zip(names, there) if is_there]
    return found + hardware_devices.plugged(Tree(paths.root or "/"))


def reach(targets: t.Sequence[t.Mapping[str, t.Any]], timeout: float) -> t.Dict[str, str]:
    """Target -> why it cannot be reached from the node, or nothing. All are asked at the same time."""
    with ThreadPoolExecutor(max(1, len(targets))) as pool:
        reasons = list(pool.map(lambda item: _reason(item, timeout), targets))
    return {judge_node.target(item): reason for item, reason in zip(targets, reasons)}


def _reason(item: t.Mapping[str, t.Any], timeout: float) -> str:
    try:
        if "port" in item:
            socket.create_connection((item["host"], item["port"]), timeout=timeout).close()
            return ""
        return "" if ping(item["host"], timeout) else "no answer in time"
    except socket.timeout:
        return "no answer in time"
    except (OSError, UnicodeError) as exc:
        return getattr(exc, "strerror", None) or str(exc)


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def ping(host: str, timeout: float) -> bool:
    """One echo request, without a program that may not be installed. Root may."""
    family, dummy, dummy2, dummy3, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
    kind, answer, protocol = _ECHO[family]
    mark = os.urandom(8)
    packet = struct.pack("!BBHHH", kind, 0, 0, 0, 1) + mark
    if family == socket.AF_INET:  # of ICMPv6 the kernel does it
        packet = packet[:2] + struct.pack("!H", _checksum(packet)) + packet[4:]
    until = time.monotonic() + timeout
    with contextlib.closing(socket.socket(family, socket.SOCK_RAW, protocol)) as raw:
        raw.sendto(packet, address)
        while True:
            raw.settimeout(max(0.001, until - time.monotonic()))
            data = raw.recv(2048)
            body = data[(data[0] & 0x0F) * 4 :] if family == socket.AF_INET else data
            if len(body) >= 16 and body[0] == answer and body[8:16] == mark:
                return True
            if time.monotonic() >= until:
                return False


def before(paths: Paths, phases: t.Sequence[t.Mapping[str, t.Any]]) -> t.Dict[str, t.Any]:
    """How the node is now, as far as the probes of these phases ask. What cannot be looked at is left out."""
    looks: t.Dict[str, t.Callable[[], t.Any]] = {}
    if any("gpu" in phase for phase in phases):
        looks.update(xid=xids, gpus=lambda: judge_node.of_gpus(gpus()))
    if any("devices" in phase for phase in phases):
        looks["devices"] = lambda: present(paths)
    probes = [phase["reachability"] for phase in phases if "reachability" in phase]
    if probes:
        looks["reachable"] = lambda: _reachable(probes)
    found: t.Dict[str, t.Any] = {}
    with ThreadPoolExecutor(max(1, len(looks))) as pool:
        futures = {name: pool.submit(look) for name, look in looks.items()}
        for name, future in futures.items():
            with contextlib.suppress(Exception):  # whatever it is, it must not keep a change from going on
                found[name] = future.result()
    return {name: value for name, value in found.items() if value is not None}


def _reachable(probes: t.Sequence[t.Mapping[str, t.Any]]) -> t.List[str]:
    found: t.Set[str] = set()
    for probe in probes:
        found.update(name for name, reason in reach(probe["targets"], probe["timeout"]).items() if not reason)
    return sorted(found)
