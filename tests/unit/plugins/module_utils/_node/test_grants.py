# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change is given of a node's GPUs, from facts as hardware_info has them."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import spec
from ansible_collections.physical_ai.edge.plugins.module_utils._core.hardware import shape
from ansible_collections.physical_ai.edge.plugins.module_utils._core.plan import REMOVE, SWAP, Change
from ansible_collections.physical_ai.edge.plugins.module_utils._core.state import Deployment, State, Workload
from ansible_collections.physical_ai.edge.plugins.module_utils._node import files, grants
from ansible_collections.physical_ai.edge.plugins.module_utils._node.engine import Info
from tests.unit.plugins.module_utils._core.specs import workload

CDI = Info("26.1", "/var/lib/docker", "systemd", 4, 8 << 30, False, cdi=True)
NO_CDI = Info("20.10", "/var/lib/docker", "systemd", 4, 8 << 30, False)


def facts(**gpu: t.Any) -> t.Dict[str, t.Any]:
    found = shape.complete({}, [])
    one = {
        "index": 0, "uuid": "GPU-1", "name": "NVIDIA A", "pci_address": "0000:01:00.0", "integrated": False, "state": "ok",
        "memory_mib": 8192, "compute_capability": "8.6", "mig": {"enabled": None, "devices": []},
    }  # fmt: skip
    found["gpus"] = [dict(one, **gpu)]
    found["cdi"]["devices"] = ["nvidia.com/gpu=0", "nvidia.com/gpu=GPU-1"]
    found["driver"] = {"loaded": "550.1", "mismatch": False, "problem": None}
    return found


def change(name: str, action: str = SWAP, old: t.Optional[Deployment] = None, **requires: t.Any) -> Change:
    rendered = spec.render([workload(name=name, requires=requires)])[0]
    return Change(name, action, old, None if action == REMOVE else rendered)


def holding(state: State, name: str, mib: int) -> Deployment:
    rendered = spec.render([workload(name=name, requires={"gpu": {"memory_mib": mib}})])[0]
    gpu = {"id": "GPU-1", "mode": "shared", "memory_mib": mib, "integrated": False, "cdi": "nvidia.com/gpu=GPU-1"}
    found = Deployment(rendered, "d", f"c-{name}", "i", "1", 1, gpus=[gpu])
    state.tenant("quality").workloads[name] = Workload(found)
    return found


@pytest.fixture
def granter(tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., grants.Granter]:
    def make(
        changes: t.Sequence[Change],
        state: t.Optional[State] = None,
        info: Info = CDI,
        gpu: t.Optional[t.Dict[str, t.Any]] = None,
    ) -> grants.Granter:
        monkeypatch.setattr(grants, "_look", lambda: facts(**(gpu or {})))
        return grants.Granter(files.Paths(str(tmp_path)), state or State(), info, "quality", changes)

    return make


def test_a_gpu_is_given_by_its_uuid(granter: t.Callable[..., grants.Granter]) -> None:
    found = granter([change("a", gpu={"memory_mib": 1024})])
    answer = found.allocate(False)
    assert found.grants("a", answer.chosen["a"]) == [
        {"id": "GPU-1", "mode": "shared", "memory_mib": 1024, "integrated": False, "cdi": "nvidia.com/gpu=GPU-1"}
    ]


def test_what_leaves_with_the_same_change_makes_room(granter: t.Callable[..., grants.Granter]) -> None:
    state = State()
    old = holding(state, "old", 6000)
    new = change("new", gpu={"memory_mib": 6000})
    assert granter([new], state).allocate(False).misfits
    assert granter([change("old", REMOVE, old), new], state).allocate(False).chosen == {"new": ("GPU-1",)}
    assert granter([change("old", SWAP, old, gpu={"memory_mib": 8000})], state).allocate(False).chosen


@pytest.mark.parametrize(
    ("info", "gpu", "words"),
    [
        (CDI, {"state": "lost"}, "it fell off the bus: power-cycle the node"),
        (CDI, {"state": "no_driver"}, "its driver is not loaded"),
        (CDI, {"uuid": "GPU-2", "index": 7}, "no CDI specification names GPU-2"),
        (NO_CDI, {}, "neither CDI nor the nvidia runtime: run the role nvidia_container_toolkit"),
    ],
)
def test_a_gpu_that_cannot_be_given_is_a_lack_of_the_node(
    granter: t.Callable[..., grants.Granter], info: Info, gpu: t.Dict[str, t.Any], words: str
) -> None:
    (line,) = granter([change("a", gpu={"memory_mib": 1})], info=info, gpu=gpu).allocate(False).unmet
    assert words in line


def test_versions_and_devices_that_are_missing(granter: t.Callable[..., grants.Granter]) -> None:
    """F21: the reason names what was required and what the node has."""
    found = granter([change("a", l4t=">=36", driver=">=560", devices=["camera-line-1"])]).unmet()
    assert found == [
        "a: device: camera-line-1 is not a name on this node; names are none (role devices)",
        "a: L4T >=36 is required, this node has none",
        "a: NVIDIA driver >=560 is required, this node has 550.1",
    ]
    assert granter([change("a", driver=">=550")]).unmet() == []
