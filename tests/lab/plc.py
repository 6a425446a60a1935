# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that say whether they are idle: a PLC that speaks Modbus/TCP (pymodbus), a robot that speaks OPC UA (asyncua).

Each runs in a thread of the tests, at an address that nodes reach: on loopback, or at a site's router.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import typing as t
from collections.abc import Coroutine

from asyncua import Server, ua
from pymodbus.client import ModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

START_SECONDS = 30.0
IDLE_COIL, READY_INPUT, SPEED, PARTS = 0, 3, 10, 7
"""What the PLC has: a coil and a discrete input; a holding register and an input register."""


def free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class Machine:
    """A server on a loop of its own. `with` starts it and ends it."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host, self.port = host, port or free_port(host)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def do(self, work: Coroutine[t.Any, t.Any, t.Any]) -> t.Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_SECONDS)

    async def _start(self) -> None:
        raise NotImplementedError

    async def _stop(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> t.Self:
        for name in ("pymodbus", "asyncua"):  # they report each odd client at length
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._thread.start()
        self.do(self._start())
        return self

    def __exit__(self, *_error: object) -> None:
        self.do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)


class Plc(Machine):
    """A PLC. It is told what it is as an operator would: over Modbus."""

    async def _start(self) -> None:
        tables = (
            [SimData(IDLE_COIL, values=[False, False], datatype=DataType.BITS)],
            [SimData(READY_INPUT, values=[True], datatype=DataType.BITS)],
            [SimData(SPEED, values=[1500, 65535], datatype=DataType.REGISTERS)],
            [SimData(PARTS, values=[42], datatype=DataType.REGISTERS)],
        )
        self._server = ModbusTcpServer(SimDevice(id=1, simdata=tables), address=(self.host, self.port))
        await self._server.serve_forever(background=True)

    async def _stop(self) -> None:
        await self._server.shutdown()

    def _write(self, work: t.Callable[[ModbusTcpClient], t.Any]) -> None:
        with ModbusTcpClient(self.host, port=self.port) as client:
            answer = work(client)
        if answer.isError():
            raise RuntimeError(f"the PLC does not take it: {answer}")

    def idle(self, value: bool) -> None:
        self._write(lambda client: client.write_coil(IDLE_COIL, value, device_id=1))

    def speed(self, value: int) -> None:
        self._write(lambda client: client.write_register(SPEED, value, device_id=1))


class Robot(Machine):
    """A robot's OPC UA server without security. Its values are in `ns=2`, by the names of `VALUES`."""

    VALUES: t.ClassVar[dict[str, tuple[t.Any, ua.VariantType]]] = {
        "Robot.Idle": (False, ua.VariantType.Boolean),
        "Robot.Mode": ("Welding", ua.VariantType.String),
        "Robot.Speed": (12.5, ua.VariantType.Float),
        "Robot.Force": (-0.25, ua.VariantType.Double),
        "Robot.Step": (-7, ua.VariantType.Int16),
        "Robot.Parts": (1 << 40, ua.VariantType.UInt64),
        "Robot.Axes": ([1.0, 2.0], ua.VariantType.Double),
    }

    async def _start(self) -> None:
        self._server = Server()
        await self._server.init()
        self._server.set_endpoint(f"opc.tcp://{self.host}:{self.port}")
        self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await self._server.register_namespace("urn:robot")
        for name, (value, kind) in self.VALUES.items():
            await self._server.nodes.objects.add_variable(self._id(name), name, value, kind)
        await self._server.start()

    async def _stop(self) -> None:
        await self._server.stop()

    @staticmethod
    def _id(name: str) -> ua.NodeId:
        return ua.NodeId.from_string(f"ns=2;s={name}")

    def put(self, name: str, value: t.Any) -> None:
        node = self._server.get_node(self._id(name))
        self.do(node.write_value(value, self.VALUES[name][1]))

    def idle(self, value: bool) -> None:
        self.put("Robot.Idle", value)

    def bad(self, name: str) -> None:
        """Its sensor failed."""
        node = self._server.get_node(self._id(name))
        self.do(node.write_value(ua.DataValue(StatusCode=ua.StatusCode(ua.UInt32(ua.StatusCodes.BadSensorFailure)))))

    @property
    def sessions(self) -> int:
        """How many are open: of clients that have not said good-bye."""
        return len(self._server.iserver._external_sessions)
