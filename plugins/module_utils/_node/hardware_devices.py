# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras, serial ports, USB devices and disks of a node. Serial ports are never opened: that resets what hangs on some."""

from __future__ import annotations

import fcntl
import os
import re
import stat
import typing as t

from .._core.hardware import disk, usb, v4l2, values
from .._core.hardware.values import Facts
from .hardware_tree import Tree

_VIDEO_MAJOR = 81
_SMART_SECONDS = 10.0


def read(tree: Tree, ioctl: bool) -> Facts:
    devices = _Usb(tree)
    return {
        "cameras": _cameras(tree, devices, ioctl),
        "serial_ports": _serial_ports(tree, devices),
        "usb": devices.all(),
        "disks": _disks(tree),
    }


def plugged(tree: Tree) -> t.List[str]:
    """Names of the cameras and serial ports that are there, by the name of udev's that is the same after a replug."""
    devices = _Usb(tree)
    found = [("camera", item) for item in _cameras(tree, devices, ioctl=False)]
    found += [("serial port", item) for item in _serial_ports(tree, devices)]
    return [f"{kind} {(item['by_id'] or item['by_path'] or [item['device']])[0]}" for kind, item in found]


def _natural(text: str) -> t.List[t.Any]:
    """video2 before video10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]{1,9})", text)]


def _links(tree: Tree, folder: str) -> t.Dict[str, t.List[str]]:
    """Names that udev gave, by the device that they stand for."""
    found: t.Dict[str, t.List[str]] = {}
    for name in tree.names(folder):
        target = tree.link(f"{folder}/{name}")
        if target:
            found.setdefault(target, []).append(f"{folder}/{name}")
    return found


class _Usb:
    """The devices on USB, each read once."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.known: t.Dict[str, t.Optional[Facts]] = {}

    def all(self) -> t.List[Facts]:
        """All but hubs, with what their interfaces are for."""
        found, classes = [], self._interface_classes()
        for name in sorted(self.tree.names("/sys/bus/usb/devices"), key=_natural):
            folder = f"/sys/bus/usb/devices/{name}"
            attributes = self.tree.attributes(folder, ("bDeviceClass",))
            if ":" in name or usb.is_hub(attributes):
                continue
            facts = self.at(folder)
            if facts:
                found.append(dict(facts, classes=sorted(classes.get(name, []))))
        return found

    def _interface_classes(self) -> t.Dict[str, t.Set[str]]:
        found: t.Dict[str, t.Set[str]] = {}
        for name in self.tree.names("/sys/bus/usb/devices"):
            device, colon, dummy = name.partition(":")
            if colon:
                names = ("bInterfaceClass", "bInterfaceSubClass")
                word = usb.interface_class(self.tree.attributes(f"/sys/bus/usb/devices/{name}", names))
                found.setdefault(device, set()).update([word] if word else [])
        return found

    def at(self, folder: str) -> t.Optional[Facts]:
        """The device of a folder, or None where it is none."""
        place = self.tree.resolve(folder)
        if place is None:
            return None
        if place not in self.known:
            there = self.tree.exists(place + "/idVendor")
            name = place.rpartition("/")[2]
            self.known[place] = usb.facts(name, self.tree.attributes(place, usb.ATTRIBUTES)) if there else None
        return self.known[place]

    def above(self, folder: str) -> t.Optional[Facts]:
        """The device that something is a part of."""
        place = self.tree.resolve(folder) or ""
        while place.startswith("/sys/devices/"):
            found = self.at(place)
            if found:
                return found
            place = place.rpartition("/")[0]
        return None


def _cameras(tree: Tree, devices: _Usb, ioctl: bool) -> t.List[Facts]:
    by_id, by_path = _links(tree, "/dev/v4l/by-id"), _links(tree, "/dev/v4l/by-path")
    found: t.List[Facts] = []
    for name in sorted(tree.names("/sys/class/video4linux"), key=_natural):
        folder = f"/sys/class/video4linux/{name}"
        if not name.startswith("video"):
            continue
        index = values.integer(tree.line(folder + "/index"))
        camera: Facts = {
            "name": tree.line(folder + "/name"),
            "device": f"/dev/{name}",
            "index": index,
            "role": "unknown",
            "driver": tree.link(folder + "/device/driver"),
            "card": None,
            "bus_info": None,
            "by_id": by_id.get(name, []),
            "by_path": by_path.get(name, []),
            "capabilities": [],
            "formats": [],
            "usb": devices.above(folder + "/device"),
        }
        if camera["driver"] == "uvcvideo" and index is not None:
            camera["role"] = "capture" if index == 0 else "metadata"
        for key in ("name", "index"):
            if camera[key] is None:
                tree.remark(f"cameras[{len(found)}].{key}: the kernel does not say it")
        if ioctl:
            camera.update(_ask_camera(tree, name, len(found)))
        found.append(camera)
    return found


def _ask_camera(tree: Tree, name: str, number: int) -> Facts:
    """What the video node says of itself."""
    answers = _open_camera(tree, name) if tree.real else _recorded_camera(tree, name)
    if answers is None:
        if tree.real:
            tree.remark(f"cameras[{number}].capabilities: /dev/{name} cannot be asked")
        return {}
    capabilities = v4l2.querycap(answers[0])
    if capabilities is None:
        tree.remark(f"cameras[{number}].capabilities: /dev/{name} gives no sensible answer")
        return {}
    capabilities.pop("buffer_type")
    formats = [found for found in map(v4l2.format_description, answers[1]) if found]
    known = {key: value for key, value in capabilities.items() if value not in (None, "unknown")}
    return dict(known, formats=formats)


def _recorded_camera(tree: Tree, name: str) -> t.Optional[t.Tuple[bytes, t.List[bytes]]]:
    done = tree.command(f"v4l2-{name}", [], 0)
    if done is None:
        return None
    data = values.mapping(values.from_json(done.out))
    try:
        return bytes.fromhex(str(data.get("querycap"))), [
            bytes.fromhex(str(text)) for text in data.get("formats") or []
        ]
    except (ValueError, TypeError):
        return b"", []


def _open_camera(tree: Tree, name: str) -> t.Optional[t.Tuple[bytes, t.List[bytes]]]:
    """Asks without streaming, and without waiting for whoever uses it."""
    path = f"/dev/{name}"
    try:
        status = os.lstat(path)
        if not stat.S_ISCHR(status.st_mode) or os.major(status.st_rdev) != _VIDEO_MAJOR:
            return None
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        answer = bytearray(v4l2.QUERYCAP_SIZE)
        fcntl.ioctl(descriptor, v4l2.QUERYCAP, answer, True)
        buffer_type = (v4l2.querycap(bytes(answer)) or {}).get("buffer_type", 0)
        return bytes(answer), _formats(descriptor, buffer_type)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _formats(descriptor: int, buffer_type: int) -> t.List[bytes]:
    found: t.List[bytes] = []
    while buffer_type and len(found) < v4l2.MOST_FORMATS:
        request = bytearray(v4l2.format_request(len(found), buffer_type))
        try:
            fcntl.ioctl(descriptor, v4l2.ENUM_FMT, request, True)
        except OSError:  # the list ends
            break
        found.append(bytes(request))
    return found


def _serial_ports(tree: Tree, devices: _Usb) -> t.List[Facts]:
    """Those with something behind them: a PC has a dozen ttyS that stand for nothing, of type 0."""
    by_id, by_path = _links(tree, "/dev/serial/by-id"), _links(tree, "/dev/serial/by-path")
    found: t.List[Facts] = []
    for name in sorted(tree.names("/sys/class/tty"), key=_natural):
        folder = f"/sys/class/tty/{name}"
        if not tree.exists(folder + "/device") or tree.line(folder + "/type") == "0":
            continue
        found.append(
            {
                "device": f"/dev/{name}",
                "driver": _serial_driver(tree, folder),
                "by_id": by_id.get(name, []),
                "by_path": by_path.get(name, []),
                "usb": devices.above(folder + "/device"),
            }
        )
    return found


def _serial_driver(tree: Tree, folder: str) -> t.Optional[str]:
    """Since Linux 6.6 a port of the board hangs below two devices of the serial core, which drive nothing."""
    place = folder + "/device"
    for dummy in range(3):
        driver = tree.link(place + "/driver")
        if driver not in ("port", "ctrl"):
            return driver
        place = (tree.resolve(place) or "/").rpartition("/")[0]
    return None


def _disks(tree: Tree) -> t.List[Facts]:
    found: t.List[Facts] = []
    for name in sorted(tree.names("/sys/block"), key=_natural):
        folder = f"/sys/block/{name}"
        size = disk.size_bytes(tree.line(folder + "/size"))
        if not disk.is_disk(name, size):
            continue
        place = tree.resolve(folder) or ""
        transport = disk.transport(place + "/", tree.line(folder + "/device/type"))
        facts: Facts = {
            "name": name,
            "model": tree.line(folder + "/device/model") or tree.line(folder + "/device/name"),
            "serial": tree.line(folder + "/device/serial") or tree.line(folder + "/serial"),
            "size_bytes": size,
            "rotational": _switch(tree.line(folder + "/queue/rotational")),
            "removable": _switch(tree.line(folder + "/removable")),
            "transport": transport,
            "wear_percent": None,
            "life_time": None,
            "health": "unknown",
        }
        facts.update(_wear(tree, name, transport, len(found)))
        found.append(facts)
    return found


def _wear(tree: Tree, name: str, transport: t.Optional[str], number: int) -> Facts:
    folder = f"/sys/block/{name}/device"
    if transport == "emmc":
        return disk.emmc(tree.line(folder + "/life_time"), tree.line(folder + "/pre_eol_info"))
    if transport not in ("nvme", "sata", "scsi"):
        return {}
    argv = ["smartctl", "--json", "--all", "--nocheck=standby", f"/dev/{name}"]  # a disk that sleeps goes on sleeping
    done = tree.command(f"smartctl-{name}", argv, _SMART_SECONDS)
    if done is None:
        tree.remark(f"disks[{number}].wear_percent: smartctl is not there to be asked")
        return {}
    found = disk.smart(done.out)
    if found is None:
        tree.remark(f"disks[{number}].wear_percent: smartctl does not say it")
    return found or {}


def _switch(text: t.Optional[str]) -> t.Optional[bool]:
    return {"0": False, "1": True}.get(text or "")
