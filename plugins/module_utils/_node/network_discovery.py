# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks cameras on a network who they are: GigE Vision by broadcast, ONVIF by multicast. The only code here that sends anything.

It runs only for interfaces that somebody named, for a time that somebody set, and answers are bounded in size and number.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import time
import typing as t
import uuid

from .._core.hardware import discovery
from .._core.hardware.values import Facts, Remarks

MOST_ANSWERS = 1024
"""Packets of one interface and protocol that are read; more come only from a broken or hostile sender."""
_SIOCGIFADDR = 0x8915
_SIOCGIFNETMASK = 0x891B
_SO_BINDTODEVICE = 25
_REPEATS = 2  # broadcasts get lost


class _Asking:
    """One question on one interface."""

    def __init__(self, interface: str, address: str, ask: t.Sequence[t.Tuple[bytes, str, int]]) -> None:
        self.interface = interface
        self.ask = ask
        self.answers = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, interface.encode("ascii") + b"\0")
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            self.socket.bind(("", 0))
        except OSError:
            self.socket.close()
            raise

    def send(self) -> t.Optional[str]:
        """Sends the question to each of its addresses; why not, where none could be reached."""
        problem, sent = "", False
        for packet, address, port in self.ask:
            try:
                self.socket.sendto(packet, (address, port))
                sent = True
            except OSError as exc:
                problem = exc.strerror or str(exc)
        return None if sent else problem


def interfaces() -> t.List[str]:
    """Names of the network interfaces of this machine."""
    try:
        return sorted(os.listdir("/sys/class/net"))
    except OSError:
        return []


def discover(names: t.Sequence[str], timeout: float) -> t.Tuple[t.List[Facts], Remarks]:
    """The devices that answer within the time, sorted, each with the interface on which it answered."""
    found: t.Dict[str, Facts] = {}
    remarks: Remarks = []
    asking: t.List[_Asking] = []
    number = 1 + uuid.uuid4().int % 0xFFFF
    try:
        for name in sorted(set(names)):
            try:
                asking += _questions(name, number)
            except OSError as exc:
                remarks.append(f"network_devices: {name}: cannot be asked: {exc.strerror or exc}")
        _listen(asking, number, timeout, found, remarks)
    finally:
        for one in asking:
            one.socket.close()
    return [found[key] for key in sorted(found)], sorted(set(remarks))


def _questions(name: str, number: int) -> t.List[_Asking]:
    address, netmask = _ipv4(name)
    directed = bytes(a | (~m & 0xFF) for a, m in zip(socket.inet_aton(address), socket.inet_aton(netmask)))
    request = discovery.gvcp_request(number)
    # A camera with an address of another network hears only the first.
    targets = [(request, target, discovery.GVCP_PORT) for target in ("255.255.255.255", socket.inet_ntoa(directed))]
    probe = discovery.onvif_request(str(uuid.uuid4()))
    first = _Asking(name, address, targets)
    try:
        return [first, _Asking(name, address, [(probe, discovery.ONVIF_GROUP, discovery.ONVIF_PORT)])]
    except OSError:
        first.socket.close()
        raise


def _listen(asking: t.List[_Asking], number: int, timeout: float, found: t.Dict[str, Facts], remarks: Remarks) -> None:
    start = time.monotonic()
    rounds = [start + timeout * part / 4 for part in range(_REPEATS)]
    while asking:
        now = time.monotonic()
        if now >= start + timeout:
            return
        if rounds and now >= rounds[0]:
            rounds.pop(0)
            for one in asking:
                problem = one.send()
                if problem:
                    remarks.append(f"network_devices: {one.interface}: cannot be asked: {problem}")
        until = rounds[0] if rounds else start + timeout
        ready, dummy, dummy2 = select.select([one.socket for one in asking], [], [], max(0.0, until - now))
        for one in asking:
            if one.socket in ready:
                _answer(one, number, found)
        asking = [one for one in asking if one.answers < MOST_ANSWERS]


def _answer(one: _Asking, number: int, found: t.Dict[str, Facts]) -> None:
    try:
        data, sender = one.socket.recvfrom(discovery.LARGEST)
    except OSError:  # a refusal by ICMP, or another packet was wrong
        one.answers += 1
        return
    one.answers += 1
    camera = discovery.gvcp_answer(data, number)
    for device in [camera] if camera else discovery.onvif_answer(data, str(sender[0])):
        key = "|".join(str(part) for part in (one.interface, device["protocol"], device["address"], device["mac"]))
        found.setdefault(key, dict(device, interface=one.interface))


def _ipv4(name: str) -> t.Tuple[str, str]:
    """Address and netmask of an interface.

    :raises OSError: where it has none.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as handle:
        request = struct.pack("256s", name.encode("ascii", "replace")[:15])
        replies = [fcntl.ioctl(handle.fileno(), code, request) for code in (_SIOCGIFADDR, _SIOCGIFNETMASK)]
    return socket.inet_ntoa(replies[0][20:24]), socket.inet_ntoa(replies[1][20:24])
