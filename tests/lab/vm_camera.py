# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in the virtual machine: a USB camera with a serial number, and ports to plug it into.

    camera.py plug PORT [SERIAL]     in the background, until it is unplugged; PORT is 0 to 7
    camera.py unplug

The camera is the kernel's UVC gadget on a device controller in software, and its cable is a socket to a host controller in
software (USB/IP): what plugs in is real to the USB core, the uvcvideo driver and udev. Only pictures are not made. Standard
library only.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

GADGET = Path("/sys/kernel/config/usb_gadget/camera")
PID = Path("/run/camera.pid")
DEVICE_SIDE = Path("/sys/devices/platform/usbip-vudc.0")
HOST_SIDE = Path("/sys/devices/platform/vhci_hcd.0")
PORT = Path("/run/camera.port")
HIGH_SPEED = 3

SUBSCRIBE_EVENT, DEQUEUE_EVENT, SEND_RESPONSE = 0x4020565A, 0x80885659, 0x40405501
EVENTS = 0x08000000  # UVC_EVENT_FIRST
SETUP = EVENTS + 4
GET_LEN, GET_INFO, SET_CUR = 0x85, 0x86, 0x01
STREAMING = 1  # the second interface of the camera
INTERVAL, WIDTH, HEIGHT = 333_333, 640, 360
# The settings of a stream: hint, format, frame, interval, five times nothing, largest picture, largest packet, and more.
PROBE = struct.pack(
    "<HBBIHHHHHIIIBBBB", 1, 1, 1, INTERVAL, 0, 0, 0, 0, 0, WIDTH * HEIGHT * 2, 1024, 48_000_000, 0, 0, 0, 0
)


def _write(path: str, value: str) -> None:
    target = GADGET / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(value)


def _link(source: str, target: str) -> None:
    (GADGET / target).parent.mkdir(parents=True, exist_ok=True)
    if not (GADGET / target).exists():
        (GADGET / target).symlink_to(GADGET / source)


def build(serial: str) -> None:
    for module in (["usbip-vudc", "num=1"], ["vhci-hcd"], ["libcomposite"], ["usb_f_uvc"]):
        subprocess.run(["modprobe", *module], check=True)
    GADGET.mkdir(exist_ok=True)
    _write("idVendor", "0x1d6b")
    _write("idProduct", "0x0102")
    _write("strings/0x409/serialnumber", serial)
    _write("strings/0x409/manufacturer", "Lab")
    _write("strings/0x409/product", "Line camera")
    frame = "functions/uvc.0/streaming/uncompressed/u/360p"
    _write(f"{frame}/wWidth", str(WIDTH))
    _write(f"{frame}/wHeight", str(HEIGHT))
    _write(f"{frame}/dwFrameInterval", str(INTERVAL))
    (GADGET / "functions/uvc.0/streaming/header/h").mkdir(parents=True, exist_ok=True)
    (GADGET / "functions/uvc.0/control/header/h").mkdir(parents=True, exist_ok=True)
    _link("functions/uvc.0/streaming/uncompressed/u", "functions/uvc.0/streaming/header/h/u")
    for speed in ("fs", "hs", "ss"):
        _link("functions/uvc.0/streaming/header/h", f"functions/uvc.0/streaming/class/{speed}/h")
    for speed in ("fs", "ss"):
        _link("functions/uvc.0/control/header/h", f"functions/uvc.0/control/class/{speed}/h")
    (GADGET / "configs/c.1").mkdir(parents=True, exist_ok=True)
    _link("functions/uvc.0", "configs/c.1/uvc.0")


def _device() -> str:
    """The camera's own side of the stream."""
    for name in Path("/sys/class/video4linux").iterdir():
        if (name / "function_name").exists():
            return f"/dev/{name.name}"
    return ""


def answer(descriptor: int, request: bytes) -> None:
    dummy, code, value, index, length = struct.unpack("<BBHHH", request[:8])
    if code == SET_CUR:
        reply = bytes(length)
    elif code == GET_LEN:
        reply = struct.pack("<H", len(PROBE))
    elif code == GET_INFO:
        reply = b"\x03"
    elif index & 0xFF == STREAMING and value >> 8 in (1, 2):
        reply = PROBE
    else:
        reply = bytes(length)
    reply = reply[: min(length, 60)]
    fcntl.ioctl(descriptor, SEND_RESPONSE, struct.pack("<i60s", len(reply), reply.ljust(60, b"\0")))


def serve() -> None:
    until = time.monotonic() + 20
    while not (node := _device()):
        if time.monotonic() > until:
            sys.exit("the gadget has no video device")
        time.sleep(0.1)
    descriptor = os.open(node, os.O_RDWR | os.O_NONBLOCK)
    for event in range(EVENTS, EVENTS + 6):
        fcntl.ioctl(descriptor, SUBSCRIBE_EVENT, struct.pack("<8I", event, *[0] * 7))
    poller = select.poll()
    poller.register(descriptor, select.POLLPRI)
    while True:
        poller.poll()
        found = fcntl.ioctl(descriptor, DEQUEUE_EVENT, bytes(136))
        if struct.unpack_from("<I", found)[0] == SETUP:
            answer(descriptor, found[8:16])


def start(serial: str) -> None:
    """Switches the camera on; it is not plugged in yet."""
    build(serial)
    _write("UDC", DEVICE_SIDE.name)
    child = os.fork()
    if child == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        log = os.open("/run/camera.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number, target in ((0, null), (1, log), (2, log)):
            os.dup2(target, number)
        serve()
    PID.write_text(str(child))
    until = time.monotonic() + 30
    while (DEVICE_SIDE / "usbip_status").read_text().strip() != "1":
        if time.monotonic() > until:
            sys.exit("the camera does not start: " + Path("/run/camera.log").read_text())
        time.sleep(0.1)


def cable() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        return one, listener.accept()[0]


def plug(port: str, serial: str) -> None:
    if not PID.exists():
        start(serial)
    device, host = cable()
    (DEVICE_SIDE / "usbip_sockfd").write_text(f"{device.fileno()}\n")
    (HOST_SIDE / "attach").write_text(f"{port} {host.fileno()} 65538 {HIGH_SPEED}\n")
    PORT.write_text(port)


def unplug() -> None:
    (HOST_SIDE / "detach").write_text(PORT.read_text() + "\n")
    PORT.unlink()
    until = time.monotonic() + 30
    while (DEVICE_SIDE / "usbip_status").read_text().strip() != "1" and time.monotonic() < until:
        time.sleep(0.1)


if __name__ == "__main__":
    if sys.argv[1] == "plug":
        plug(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "LAB-0001")
    else:
        unplug()
