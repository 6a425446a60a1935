# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be asked for idleness, and what a value says."""

from __future__ import annotations

import json
import math
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import idle, request, spec
from ansible_collections.physical_ai.edge.plugins.module_utils._core.fields import SpecError
from tests.unit.plugins.module_utils._core.specs import workload

COIL = {"host": "10.1.0.9", "table": "coil", "address": 3, "equals": True}
NODE = {"device": "robot", "node": "ns=2;s=Robot.Idle", "equals": True}


def rendered(**probe: t.Any) -> t.Dict[str, t.Any]:
    found: t.Dict[str, t.Any] = spec.render([workload(probes={"idle": probe})])[0]["probes"]["idle"]
    return found


def test_defaults_are_those_that_wait() -> None:
    found = rendered(modbus=COIL)
    assert found["modbus"] == dict(COIL, port=502, unit=1, timeout=5.0)
    assert {key: found[key] for key in ("for", "every", "max_wait", "then", "unreachable")} == {
        "for": 0.0,
        "every": 1.0,
        "max_wait": 600.0,
        "then": "held",
        "unreachable": "wait",
    }


def test_ports_are_those_of_the_protocols_and_of_a_device_its_own() -> None:
    assert rendered(opcua=dict(NODE, device=None, host="plc"))["opcua"]["port"] == 4840
    assert "port" not in rendered(opcua=NODE)["opcua"]
    assert rendered(opcua=dict(NODE, node=2258))["opcua"]["node"] == "i=2258"


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        ({}, r"idle: found none, wanted exactly one of modbus, opcua, command"),
        ({"modbus": COIL, "opcua": NODE}, "found modbus, opcua, wanted exactly one"),
        ({"modbus": COIL, "for": "10m"}, "could never be idle for so long"),
        ({"modbus": COIL, "every": "10ms"}, "every: found 0.01 s"),
        ({"modbus": COIL, "max_wait": math.inf}, "wanted a duration"),
        ({"modbus": COIL, "then": "wait"}, "wanted one of held, swap"),
        ({"modbus": COIL, "within": "1m"}, "unknown key 'within'"),
        ({"modbus": dict(COIL, timeout=0)}, "modbus.timeout: found 0 s"),
        ({"modbus": dict(COIL, timeout="2m")}, "modbus.timeout: found 120 s"),
        ({"modbus": dict(COIL, device="plc")}, "one of `host` .* and `device`"),
        ({"modbus": dict(COIL, host=None)}, "one of `host` .* and `device`"),
        ({"modbus": dict(COIL, host="a b")}, "modbus.host: found 'a b'"),
        ({"modbus": dict(COIL, host=None, device="plc", port=502)}, "take `port` out"),
        ({"modbus": dict(COIL, equals=None)}, "found no limit"),
        ({"modbus": dict(COIL, min=0)}, "found equals, min"),
        ({"modbus": dict(COIL, equals=2)}, "a coil is one bit"),
        ({"modbus": dict(COIL, equals=None, max=1)}, "a coil is one bit"),
        ({"modbus": dict(COIL, equals="idle")}, "Modbus knows no text"),
        ({"modbus": dict(COIL, table="holding")}, "Did you mean 'holding_register'"),
        ({"modbus": dict(COIL, address=65536)}, "a whole number from 0 to 65535"),
        ({"modbus": dict(COIL, table="input_register", equals=None, min=5, max=4)}, "min 5 is above max 4"),
        ({"opcua": dict(NODE, node="Robot.Idle")}, "node: found 'Robot.Idle', wanted a node such as"),
        ({"opcua": dict(NODE, node="ns=99999;i=1")}, "wanted a node such as"),
        ({"opcua": dict(NODE, node=True)}, "wanted a node such as"),
        ({"opcua": dict(NODE, equals=[1])}, "opcua.equals"),
        ({"command": {"command": []}}, "a list of at least 1"),
    ],
)
def test_what_cannot_be_asked_is_one_clear_line(probe: t.Dict[str, t.Any], words: str) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        rendered(**probe)
    assert str(caught.value).startswith("workloads[0] (app).probes.idle")


def test_other_phases_still_need_a_probe() -> None:
    with pytest.raises(SpecError, match=r"probes\.startup: no probe in it"):
        spec.render([workload(probes={"startup": {}, "idle": {"modbus": COIL}})])


@pytest.mark.parametrize(
    ("value", "limits", "state", "words"),
    [
        (True, {"equals": True}, idle.IDLE, "x is true"),
        (True, {"equals": 1.0}, idle.IDLE, "x is true"),
        (False, {"equals": True}, idle.BUSY, "x is false, wanted true"),
        (7, {"equals": 7.0}, idle.IDLE, "x is 7"),
        (7, {"equals": "7"}, idle.BUSY, "x is 7, wanted '7'"),
        ("7", {"equals": 7.0}, idle.BUSY, "x is '7', wanted 7"),
        ("Idle", {"equals": "Idle"}, idle.IDLE, "x is 'Idle'"),
        (3, {"min": 3.0}, idle.IDLE, "x is 3"),
        (2.5, {"min": 3.0}, idle.BUSY, "x is 2.5, wanted at least 3"),
        (5, {"min": 3.0, "max": 4.0}, idle.BUSY, "x is 5, wanted at least 3 and at most 4"),
        (0, {"max": 0.0}, idle.IDLE, "x is 0"),
        ("0", {"max": 0.0}, idle.BUSY, "x is '0', wanted at most 0"),
        (math.nan, {"max": 0.0}, idle.BUSY, "x is nan, wanted at most 0"),
        (math.nan, {"equals": 0.0}, idle.BUSY, "x is nan, wanted 0"),
        (-math.inf, {"max": 0.0}, idle.IDLE, "x is -inf"),
    ],
)
def test_values(value: idle.Value, limits: t.Dict[str, t.Any], state: str, words: str) -> None:
    found = idle.judge("x", value, limits)
    assert (found.state, found.reason) == (state, words)


VALUES = st.one_of(st.none(), st.booleans(), st.integers(-(1 << 63), 1 << 64), st.floats(), st.text())


@given(VALUES, VALUES)
def test_every_value_can_be_judged_and_written_down(value: idle.Value, wanted: idle.Value) -> None:
    found = idle.judge("x", value, {"equals": wanted})
    json.loads(json.dumps(found.value, allow_nan=False))
    assert found.state in (idle.IDLE, idle.BUSY)
    assert len(found.reason) < 200 and "\n" not in found.reason


def test_workloads_of_a_change_wait_at_the_same_time() -> None:
    def seconds(*waits: str) -> float:
        specs = spec.render(
            [
                workload(name=f"a{number}", probes={"idle": {"modbus": COIL, "max_wait": wait}})
                for number, wait in enumerate(waits)
            ]
        )
        return request.Request("i", "t", "1", specs).seconds()

    assert seconds("1h", "2h") - seconds("0s", "0s") == 7200
    running = spec.render([workload(update_lock={"max_wait": "3h"})])
    assert request.Request("i", "t", "1", []).seconds(running) - request.Request("i", "t", "1", []).seconds() == 10800
