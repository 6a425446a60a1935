# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices of a node by the names that the site uses. Pure: `devices.json` in, udev rules and endpoints out."""

from __future__ import annotations

import typing as t

from .fields import Field, SpecError, choice, integer, mapping, table, text
from .names import NAME, NAME_WANTED

SCHEMA = 1
DIRECTORY = "/dev/edge"
"""Where the names lie: on the node as links that udev makes, in a container as the devices it was given."""
WAKE = "/bin/mkdir -p /run/physical-ai/look"
"""Has the node program look at the devices, see its unit physical-ai-look.path."""

SUBSYSTEMS = {"camera": "video4linux", "serial": "tty", "gpu": "", "network": ""}
MAJORS = {"camera": (81,), "serial": (166, 188)}
"""Device numbers that a device of this kind may come back with: video4linux; ttyACM and ttyUSB."""

_MATCH = r'[^"\n\r\\{}*?\[\]|]+'
"""What a rule of udev takes word for word."""

DEVICE: t.Dict[str, Field] = {
    "kind": Field(choice(*SUBSYSTEMS), required=True, doc="camera, serial, gpu or network"),
    "serial": Field(
        text(_MATCH, "a serial number"), doc="serial number: the device keeps its name on any port; of a GPU, its UUID"
    ),
    "port": Field(
        text(_MATCH, "a port path such as pci-0000:00:14.0-usb-0:2:1.0"),
        doc="where it is plugged in, as in /dev/v4l/by-path: a device that replaces it there gets the name; of a GPU, its PCI address",
    ),
    "index": Field(integer(0, 63), default=0, doc="which of a camera's video devices; 0 is the picture"),
    "address": Field(text(r"[A-Za-z0-9.:-]+", "an address or a name"), doc="of a network device"),
    "tcp": Field(integer(1, 65535), doc="its TCP port; it must accept a connection"),
    "udp": Field(integer(1, 65535), doc="its UDP port; it is not asked anything"),
}
_FILE = mapping(
    {
        "schema": Field(integer(SCHEMA, SCHEMA), required=True, doc="1"),
        "devices": Field(table(NAME, NAME_WANTED, mapping(DEVICE)), required=True, doc="name: device"),
    }
)

Devices = t.Dict[str, t.Dict[str, t.Any]]


def parse(where: str, value: t.Any) -> Devices:
    """:raises SpecError: one line that names the place."""
    if value is None:
        return {}
    devices = _FILE(where, value)["devices"]
    for name, device in devices.items():
        _whole(f"{where}.devices.{name}", device)
    return devices


def _whole(where: str, device: t.Mapping[str, t.Any]) -> None:
    if device["kind"] == "network":
        if "address" not in device or ("tcp" in device) == ("udp" in device):
            raise SpecError(f"{where}: a network device has an `address` and one of `tcp` and `udp`")
        extra = [key for key in ("serial", "port") if key in device]
    else:
        if ("serial" in device) == ("port" in device):
            raise SpecError(f"{where}: wanted one of `serial` (it may move) and `port` (another may take its place)")
        extra = [key for key in ("address", "tcp", "udp") if key in device]
    if extra:
        raise SpecError(f"{where}: a {device['kind']} has no `{extra[0]}`")


def _rule(name: str, device: t.Mapping[str, t.Any]) -> str:
    matches = [f'SUBSYSTEM=="{SUBSYSTEMS[device["kind"]]}"']
    if device["kind"] == "camera":
        matches.append(f'ATTR{{index}}=="{device["index"]}"')
    if "serial" in device:
        matches.append(f'ENV{{ID_SERIAL_SHORT}}=="{device["serial"]}"')
    else:
        matches.append(f'ENV{{ID_PATH}}=="{device["port"]}"')
    return ", ".join([*matches, f'SYMLINK+="edge/{name}"'])


def rules(devices: Devices) -> str:
    """Rules for udev: a link for each name, and a word to the node program when one comes or goes."""
    lines = [_rule(name, device) for name, device in sorted(devices.items()) if SUBSYSTEMS[device["kind"]]]
    if not lines:
        return ""
    lines += [f'SUBSYSTEM=="{name}", RUN+="{WAKE}"' for name in sorted({SUBSYSTEMS[kind] for kind in MAJORS})]
    return "".join(line + "\n" for line in lines)


def endpoint(device: t.Mapping[str, t.Any]) -> str:
    """What a workload is told of a network device, such as `tcp://10.1.0.9:502`."""
    protocol = "tcp" if "tcp" in device else "udp"
    host = f"[{device['address']}]" if ":" in device["address"] else device["address"]
    return f"{protocol}://{host}:{device[protocol]}"


def tcp(devices: Devices, name: str) -> t.Tuple[str, int]:
    """Address and port of a network device that is asked over TCP.

    :raises SpecError: where this name is none.
    """
    device = devices.get(name)
    if device is None:
        names = ", ".join(sorted(devices)) or "none"
        raise SpecError(f"device {name} is not a name on this node; names are {names} (role devices)")
    if "tcp" not in device:
        raise SpecError(f"device {name} has no TCP port (role devices: a network device with `address` and `tcp`)")
    return device["address"], device["tcp"]


def variable(name: str) -> str:
    """The environment variable that tells a workload where a device is: EDGE_DEVICE_CAMERA_LINE_1."""
    return "EDGE_DEVICE_" + name.upper().replace("-", "_")
