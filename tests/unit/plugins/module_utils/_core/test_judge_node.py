# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What GPUs, devices and the network say about health, against how they were before."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import judge_node, spec
from ansible_collections.physical_ai.edge.plugins.module_utils._core.hardware import gpus as facts_of_gpus
from ansible_collections.physical_ai.edge.plugins.module_utils._core.judge import FAIL, PASS, RETRY
from tests.unit.plugins.module_utils._core.specs import workload

ONE, TWO = "GPU-1111", "GPU-2222"
QUIET: t.Dict[str, int] = {}


def gpu(uuid: str = ONE, **more: t.Any) -> t.Dict[str, t.Any]:
    number = uuid[-1]
    found = dict(facts_of_gpus.blank(), uuid=uuid, pci_address=f"0000:0{number}:00.0", index=int(number), state="ok")
    found.update(memory_mib=8000, memory_used_mib=4000, temperature_c=60)
    found["ecc"] = dict(found["ecc"], uncorrected=7)
    return dict(found, **more)


def probe(**more: t.Any) -> t.Dict[str, t.Any]:
    """As it is rendered, with its defaults."""
    return spec.render([workload(probes={"steady": {"gpu": more}})])[0]["probes"]["steady"]["gpu"]


def before(*gpus: t.Dict[str, t.Any], xid: t.Optional[t.Dict[str, int]] = None) -> t.Dict[str, t.Any]:
    return {"gpus": judge_node.of_gpus(gpus or (gpu(), gpu(TWO))), "xid": xid or {}}


HOT = gpu(temperature_c=91, memory_used_mib=7900, throttle_reasons=["sw_power_cap", "hw_slowdown"])
MUTE = gpu(temperature_c=None, memory_used_mib=None)
BAD_MEMORY = gpu(ecc={"uncorrected": 9})


@pytest.mark.parametrize(
    ("now", "xids", "asked", "given", "result", "words"),
    [
        ([gpu(), gpu(TWO)], QUIET, {}, (), PASS, ""),
        (
            [gpu(), gpu(TWO)],
            {"0000:01:00 31": 1},
            {},
            (),
            FAIL,
            "1 new error of the driver since the change, allowed 0",
        ),
        ([gpu(), gpu(TWO)], {"0000:01:00 31": 1}, {}, (), FAIL, "GPU 0000:01:00: Xid 31: a program used memory"),
        ([gpu(), gpu(TWO)], {"0000:01:00 31": 2}, {"max_new_xid": 2}, (), PASS, ""),
        ([gpu(), gpu(TWO)], {"0000:01:00 31": 3}, {"max_new_xid": 2}, (), FAIL, "3 new errors"),
        ([gpu(), gpu(TWO)], {"0000:01:00 31": 1}, {}, (TWO,), PASS, ""),  # of a GPU that is not its own
        ([gpu(), gpu(TWO)], {"0000:02:00 31": 1}, {}, (TWO,), FAIL, "Xid 31"),
        ([gpu(), gpu(TWO)], {"0000:02:00 999": 1}, {}, (), FAIL, "Xid 999: an error that this table does not know"),
        ([BAD_MEMORY, gpu(TWO)], QUIET, {}, (), FAIL, "GPU GPU-1111: 2 new errors that ECC could not correct"),
        ([BAD_MEMORY, gpu(TWO)], QUIET, {"max_new_ecc_errors": 2}, (), PASS, ""),
        ([HOT, gpu(TWO)], QUIET, {}, (), PASS, ""),
        ([HOT, gpu(TWO)], QUIET, {"max_temperature_c": 90}, (), RETRY, "has 91 degrees Celsius, allowed 90"),
        ([HOT, gpu(TWO)], QUIET, {"max_temperature_c": 90}, (TWO,), PASS, ""),
        (
            [HOT, gpu(TWO)],
            QUIET,
            {"max_memory_used_ratio": 0.9},
            (),
            RETRY,
            "has 0.9875 of its memory in use, allowed 0.9",
        ),
        ([HOT, gpu(TWO)], QUIET, {"fail_on_throttle": True}, (), RETRY, "runs slower to protect itself (hw_slowdown)"),
        ([MUTE, gpu(TWO)], QUIET, {"max_temperature_c": 90}, (), RETRY, "does not tell its temperature_c any more"),
        ([gpu(TWO)], QUIET, {}, (), RETRY, "GPU GPU-1111 is not there any more"),
        ([gpu(TWO)], QUIET, {}, (ONE,), RETRY, "GPU GPU-1111 is not there any more"),
        ([gpu(TWO)], QUIET, {}, (TWO,), PASS, ""),
        ([], QUIET, {}, (), RETRY, "is not there any more"),
        ([gpu(state="lost"), gpu(TWO)], QUIET, {}, (), RETRY, "GPU GPU-1111: it is lost"),
        ([gpu(state="unknown"), gpu(TWO)], QUIET, {}, (), RETRY, "nvidia-smi cannot read it"),
    ],
)
def test_gpus(
    now: t.List[t.Dict[str, t.Any]],
    xids: t.Dict[str, int],
    asked: t.Dict[str, t.Any],
    given: t.Tuple[str, ...],
    result: str,
    words: str,
) -> None:
    found = judge_node.gpu(now, xids, probe(**asked), given, before())
    assert (found.result, bool(found.reason)) == (result, bool(words)), found
    assert words in found.reason


def test_a_node_without_a_gpu_is_skipped_by_name() -> None:
    found = judge_node.gpu([], None, probe(max_temperature_c=80), (), {"gpus": {}})
    assert found.passed and found.notes == ("gpu: skipped, this node has no GPU",)


def test_errors_of_before_the_change_do_not_count() -> None:
    old = {"0000:01:00 79": 3}
    assert judge_node.gpu([gpu()], old, probe(), (), before(gpu(), xid=old)).passed
    assert judge_node.gpu([gpu()], {"0000:01:00 79": 4}, probe(), (), before(gpu(), xid=old)).result == FAIL


@pytest.mark.parametrize(
    ("had", "xids", "words"),
    [
        ({}, QUIET, "Xid: baseline: unknown"),
        (before(gpu(MUTE["uuid"], temperature_c=None)), None, "Xid: baseline: unknown"),
        (before(MUTE), QUIET, "does not tell its temperature_c: max_temperature_c is not judged"),
    ],
)
def test_what_was_not_known_before_is_said_and_not_held_against_it(
    had: t.Dict[str, t.Any], xids: t.Optional[t.Dict[str, int]], words: str
) -> None:
    found = judge_node.gpu([MUTE], xids, probe(max_temperature_c=80), (), had)
    assert found.passed
    assert any(words in line for line in found.notes)


def test_a_gpu_that_was_lost_before_is_said_and_not_judged() -> None:
    lost = gpu(state="lost")
    found = judge_node.gpu([lost], QUIET, probe(), (), before(lost))
    assert found.passed and "it is lost" in found.notes[0]


def test_numbers_of_gpus_are_measured() -> None:
    found = judge_node.gpu([gpu()], QUIET, probe(), (ONE,), before(gpu()))
    assert found.measured == {
        "gpu:new_xid": 0,
        "gpu:GPU-1111:new_ecc_errors": 0,
        "gpu:GPU-1111:temperature_c": 60,
        "gpu:GPU-1111:memory_used_ratio": 0.5,
    }


def test_a_part_of_a_gpu_is_judged_by_the_whole() -> None:
    whole = gpu(mig={"enabled": True, "devices": [{"uuid": "MIG-1", "index": "1:0"}]}, temperature_c=95)
    found = judge_node.gpu([whole, gpu(TWO)], QUIET, probe(max_temperature_c=90), ("MIG-1",), before(whole, gpu(TWO)))
    assert "GPU-1111 has 95 degrees" in found.reason


@pytest.mark.parametrize("address", ["0000:01:00.0", "0000:01:00", "00000000:01:00.0", "01:00.0", "0000:01:00".upper()])
def test_a_place_on_the_bus_has_one_form(address: str) -> None:
    assert judge_node.slot(address) == "0000:01:00"


def test_errors_in_a_log_are_counted_by_gpu_and_number() -> None:
    line = "1764000000.5 node kernel: NVRM: Xid (PCI:0000:01:00): {}, pid=7, name=python3"
    log = "\n".join([line.format(31), "nothing", line.format(31), line.format(79), "NVRM: Xid (PCI::::::::): 1, x"])
    assert judge_node.count_xids(log) == {"0000:01:00 31": 2, "0000:01:00 79": 1, "::::::: 1": 1}


@given(st.text(alphabet="NVRM: Xid(PCI0123456789.abf),\n", max_size=200))
def test_any_log_can_be_counted(log: str) -> None:
    for text in (log, f"NVRM: Xid (PCI:{log}): 31, x", f"NVRM: Xid (PCI:0000:01:00): {log}"):
        assert all(count > 0 for count in judge_node.count_xids(text).values())


@pytest.mark.parametrize(
    ("now", "had", "result", "words"),
    [
        (["a", "b", "c"], ["a", "b"], PASS, ""),
        (["b"], ["a", "b"], RETRY, "devices: a was there before the change and is not now"),
        ([], ["a", "b"], RETRY, "devices: a, b were there before the change"),
        ([], [], PASS, ""),
        (None, ["a"], PASS, ""),
        (["a"], None, PASS, ""),
    ],
)
def test_devices(now: t.Optional[t.List[str]], had: t.Optional[t.List[str]], result: str, words: str) -> None:
    found = judge_node.devices(now, {} if had is None else {"devices": had})
    assert found.result == result and words in found.reason
    assert bool(found.notes) == (now is None or had is None)


@pytest.mark.parametrize(
    ("now", "had", "result", "words"),
    [
        ({"a:1": "", "b": ""}, ["a:1", "b"], PASS, ""),
        (
            {"a:1": "refused", "b": ""},
            ["a:1", "b"],
            RETRY,
            "a:1 was reachable before the change and is not now (refused)",
        ),
        ({"a:1": "x", "b": "y"}, ["a:1", "b"], RETRY, "and 1 more"),
        ({"a:1": "refused", "b": ""}, ["b"], PASS, ""),
        ({"a:1": "refused", "b": "refused"}, [], PASS, ""),  # a site that is cut off
        ({"a:1": "refused"}, None, PASS, ""),
    ],
)
def test_reachability(now: t.Dict[str, str], had: t.Optional[t.List[str]], result: str, words: str) -> None:
    found = judge_node.reachability(now, {} if had is None else {"reachable": had})
    assert found.result == result and words in found.reason
    unknown = [name for name, reason in now.items() if had is not None and name not in had and reason]
    assert len(found.notes) == (1 if had is None else len(unknown))


def test_targets_in_words() -> None:
    hosts: t.List[t.Dict[str, t.Any]] = [
        {"host": "10.0.0.1", "port": 502},
        {"host": "plc"},
        {"host": "fe80::1", "port": 1},
        {"host": "fe80::1"},
    ]
    assert [judge_node.target(item) for item in hosts] == ["10.0.0.1:502", "plc", "[fe80::1]:1", "fe80::1"]
