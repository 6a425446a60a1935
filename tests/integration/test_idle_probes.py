# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients of idle probes against servers that others wrote: pymodbus and asyncua."""

from __future__ import annotations

import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import opcua, spec
from ansible_collections.physical_ai.edge.plugins.module_utils._core.idle import BUSY, IDLE, SILENT, Reading
from ansible_collections.physical_ai.edge.plugins.module_utils._core.state import Deployment, Entry, Journal
from ansible_collections.physical_ai.edge.plugins.module_utils._node import idle, moment
from ansible_collections.physical_ai.edge.plugins.module_utils._node.engine import Engine
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths
from ansible_collections.physical_ai.edge.plugins.module_utils._node.node import Node
from tests.lab.plc import IDLE_COIL, PARTS, READY_INPUT, SPEED, Machine, Plc, Robot

WORKLOAD = {"name": "app", "image": "registry.example.com/vision/app", "digest": "sha256:" + "ab" * 32}


@pytest.fixture(scope="module")
def plc() -> t.Iterator[Plc]:
    with Plc() as found:
        yield found


@pytest.fixture(scope="module")
def robot() -> t.Iterator[Robot]:
    with Robot() as found:
        yield found


def rendered(machine: Machine, probe: t.Mapping[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    kind = "modbus" if isinstance(machine, Plc) else "opcua"
    settings = {kind: {"host": machine.host, "port": machine.port, "timeout": "3s", **probe}, **more}
    return spec.render([{**WORKLOAD, "probes": {"idle": settings}}])[0]


def ask(machine: Machine, **probe: t.Any) -> Reading:
    return idle.ask(Paths("/nowhere"), Engine("false"), "", rendered(machine, probe)["probes"]["idle"])


@pytest.mark.parametrize(
    ("probe", "state", "value", "words"),
    [
        ({"table": "coil", "address": IDLE_COIL, "equals": False}, IDLE, False, "coil 0 is false"),
        ({"table": "coil", "address": IDLE_COIL, "equals": True}, BUSY, False, "coil 0 is false, wanted true"),
        ({"table": "discrete_input", "address": READY_INPUT, "equals": 1}, IDLE, True, "discrete_input 3 is true"),
        ({"table": "holding_register", "address": SPEED, "max": 0}, BUSY, 1500, "is 1500, wanted at most 0"),
        ({"table": "holding_register", "address": SPEED + 1, "min": 65535}, IDLE, 65535, "is 65535"),
        ({"table": "input_register", "address": PARTS, "equals": 42}, IDLE, 42, "input_register 7 is 42"),
        ({"table": "input_register", "address": 999, "equals": 0}, BUSY, None, "exception 2: illegal data address"),
        ({"table": "coil", "address": 0, "equals": True, "unit": 9}, BUSY, None, "exception 4: server device failure"),
    ],
)
def test_a_plc(plc: Plc, probe: dict[str, t.Any], state: str, value: t.Any, words: str) -> None:
    found = ask(plc, **probe)
    assert (found.state, found.value) == (state, value)
    assert words in found.reason


@pytest.mark.parametrize(
    ("probe", "state", "value", "words"),
    [
        ({"node": "ns=2;s=Robot.Idle", "equals": True}, BUSY, False, "Robot.Idle is false, wanted true"),
        ({"node": "ns=2;s=Robot.Mode", "equals": "Welding"}, IDLE, "Welding", "is 'Welding'"),
        ({"node": "ns=2;s=Robot.Mode", "max": 1}, BUSY, "Welding", "is 'Welding', wanted at most 1"),
        ({"node": "ns=2;s=Robot.Speed", "max": 0.5}, BUSY, 12.5, "is 12.5, wanted at most 0.5"),
        ({"node": "ns=2;s=Robot.Force", "min": -1, "max": 1}, IDLE, -0.25, "is -0.25"),
        ({"node": "ns=2;s=Robot.Step", "equals": -7}, IDLE, -7, "is -7"),
        ({"node": "ns=2;s=Robot.Parts", "equals": 1 << 40}, IDLE, 1 << 40, "is 1099511627776"),
        ({"node": "ns=2;s=Robot.Axes", "equals": 1}, BUSY, None, "an array: name a node with one value"),
        ({"node": "ns=2;s=Robot.Nose", "equals": 1}, BUSY, None, "not good: BadNodeIdUnknown"),
        ({"node": 2259, "equals": 0}, IDLE, 0, "node i=2259 is 0"),
        ({"node": "i=2258", "equals": 0}, BUSY, None, "of type 13"),
    ],
)
def test_a_robot(robot: Robot, probe: dict[str, t.Any], state: str, value: t.Any, words: str) -> None:
    found = ask(robot, **probe)
    assert (found.state, found.value) == (state, value)
    assert words in found.reason


def test_a_value_of_a_sensor_that_failed_is_not_idle(robot: Robot) -> None:
    robot.bad("Robot.Force")
    found = ask(robot, node="ns=2;s=Robot.Force", min=-1)
    assert found.state == BUSY and "BadSensorFailure" in found.reason


def test_looks_leave_no_session_behind(robot: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A robot has room for few of them."""
    for _number in range(20):
        assert ask(robot, node="i=2259", equals=0).state == IDLE
        assert ask(robot, node="ns=2;s=Robot.Nose", equals=0).state == BUSY
    assert robot.sessions == 0
    monkeypatch.setattr(opcua, "CLOSE_SESSION", opcua.READ)  # then the server has one more, so this would be seen
    ask(robot, node="i=2259", equals=0)
    assert robot.sessions == 1


def test_the_wrong_protocol_is_no_answer(robot: Robot, plc: Plc) -> None:
    modbus = {"table": "coil", "address": 0, "equals": True, "timeout": "1s"}
    found = ask(plc, **modbus, port=robot.port)
    assert found.state in (SILENT, BUSY) and found.value is None
    found = ask(robot, node="i=2259", equals=0, timeout="1s", port=plc.port)
    assert found.state in (SILENT, BUSY) and found.value is None


@pytest.mark.parametrize("kind", ["plc", "robot"])
def test_a_swap_waits_for_the_machine(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    machine = request.getfixturevalue(kind)
    probe: dict[str, t.Any] = (
        {"table": "coil", "address": IDLE_COIL} if kind == "plc" else {"node": "ns=2;s=Robot.Idle"}
    )
    new = rendered(machine, dict(probe, equals=True), every="100ms", max_wait="10s", **{"for": "300ms"})
    node = Node(Paths(str(tmp_path)))
    journal = Journal("c1", "quality", "2", "hold", "boot")
    entry = Entry("app", new=Deployment(new, "d", "c", "i", "2", 2))
    gates = moment.gates(node, "quality", [entry])
    machine.idle(False)
    turned: list[float] = []

    def turn() -> None:
        time.sleep(1)
        turned.append(time.monotonic())
        machine.idle(True)

    thread = threading.Thread(target=turn)
    thread.start()
    moment.Moment(node, journal, gates, lambda: None, lambda rows: None).wait()
    thread.join()
    assert 0.3 <= time.monotonic() - turned[0] < 2


def test_a_machine_that_goes_away_is_waited_for_to_the_deadline(tmp_path: Path) -> None:
    with Plc() as gone:
        new = rendered(gone, {"table": "coil", "address": 0, "equals": True}, every="100ms", max_wait="1s")
    node = Node(Paths(str(tmp_path)))
    gates = moment.gates(node, "quality", [Entry("app", new=Deployment(new, "d", "c", "i", "2", 2))])
    with pytest.raises(NodeError, match=r"not idle within 1 s: modbus .*: Connection refused"):
        moment.Moment(
            node, Journal("c1", "quality", "2", "hold", "boot"), gates, lambda: None, lambda rows: None
        ).wait()
