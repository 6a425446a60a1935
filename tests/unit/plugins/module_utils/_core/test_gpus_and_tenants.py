# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which GPU a workload gets, what a tenant may use, and requirements on versions."""

from __future__ import annotations

import itertools
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import gpus, spec, tenants, versions
from ansible_collections.physical_ai.edge.plugins.module_utils._core.fields import SpecError
from tests.unit.plugins.module_utils._core.specs import workload

GIB = 1024
CARD = gpus.Gpu("GPU-1", "NVIDIA A", 8 * GIB, "8.6", names=("0",))
SMALL = gpus.Gpu("GPU-2", "NVIDIA B", 4 * GIB, "7.5", names=("1", "gpu-inspect"))
JETSON = gpus.Gpu("gpu0", "Orin", 8 * GIB, "8.7", integrated=True)
SLICES = [gpus.Gpu(f"MIG-{n}", "A100 MIG 1g.5gb", 5 * GIB, "8.0", profile="1g.5gb") for n in range(2)]


def shared(workload_name: str, mib: int, tenant: str = "quality", **more: t.Any) -> gpus.Want:
    return gpus.want(tenant, workload_name, dict({"count": 1, "memory_mib": mib}, **more))


def hold(mib: int, tenant: str = "quality", gpu: str = "GPU-1", mode: str = gpus.SHARED) -> gpus.Hold:
    return gpus.Hold(tenant, "other", gpu, mode, mib)


def test_what_fits_is_given_and_what_does_not_is_told_with_the_numbers() -> None:
    answer = gpus.allocate([CARD], [hold(3 * GIB)], [shared("a", 4 * GIB)], False)
    assert answer.chosen == {"a": ("GPU-1",)}
    answer = gpus.allocate([CARD], [hold(5 * GIB)], [shared("a", 4 * GIB)], False)
    (line,) = answer.misfits
    for word in ("a asks for 1 shared GPU, 4,096 MiB", "3,072 of 8,192 MiB free", "quality/other holds 5,120 MiB"):
        assert word in line


def test_tenants_share_only_where_the_site_allows_it() -> None:
    others = [hold(1 * GIB, "logistics")]
    answer = gpus.allocate([CARD], others, [shared("a", 1 * GIB)], False)
    assert "logistics/other holds 1,024 MiB" in answer.misfits[0]
    assert "tenants_gpu_sharing: node" in answer.misfits[0]
    assert gpus.allocate([CARD], others, [shared("a", 1 * GIB)], True).chosen == {"a": ("GPU-1",)}


def test_who_has_a_gpu_alone_shares_it_with_nobody() -> None:
    alone = gpus.want("quality", "a", {"count": 1})
    assert gpus.allocate([CARD], [], [alone], False).chosen == {"a": ("GPU-1",)}
    assert gpus.allocate([CARD], [hold(1)], [alone], True).misfits
    assert gpus.allocate([CARD], [hold(0, mode=gpus.EXCLUSIVE)], [shared("b", 1)], True).misfits
    assert len(gpus.allocate([CARD, SMALL], [], [gpus.want("q", "a", {"count": 2})], False).chosen["a"]) == 2


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"name": "Tesla*"}, ("name Tesla*", "NVIDIA A (GPU-1): it has another name")),
        ({"capability": ">=9.0"}, ("compute capability >=9.0", "its compute capability is 8.6")),
        ({"mig": "1g.5gb"}, ("profile 1g.5gb", "it has no MIG devices")),
        ({"count": 3}, ("3 exclusive GPUs", "fits")),
    ],
)
def test_what_the_node_can_never_give_is_unmet(asked: t.Dict[str, t.Any], words: t.Sequence[str]) -> None:
    answer = gpus.allocate([CARD, SMALL], [], [gpus.want("q", "a", dict({"count": 1}, **asked))], False)
    assert not answer.chosen
    assert not answer.misfits
    for word in words:
        assert word in answer.unmet[0]


def test_a_node_without_a_gpu_says_so() -> None:
    assert "this node has: no GPU" in gpus.allocate([], [], [shared("a", 1)], False).unmet[0]


def test_mig_devices_are_given_one_each() -> None:
    wants = [gpus.want("q", name, {"count": 1, "mig": "1g.5gb"}) for name in "abc"]
    chosen = gpus.allocate(SLICES, [], wants[:2], False).chosen
    assert sorted(item for ids in chosen.values() for item in ids) == ["MIG-0", "MIG-1"]
    assert "holds the whole of it (mig)" in gpus.allocate(SLICES, [], wants, False).misfits[0]


def test_names_of_the_site_and_the_gpu_it_has_come_first() -> None:
    assert gpus.allocate([CARD, SMALL], [], [shared("a", 1, name="gpu-inspect")], False).chosen == {"a": ("GPU-2",)}
    keep = gpus.want("q", "a", {"count": 1, "memory_mib": 1}, keep=["GPU-1"])
    assert gpus.allocate([CARD, SMALL], [], [keep], False).chosen == {"a": ("GPU-1",)}
    assert gpus.allocate([CARD, SMALL], [], [shared("a", 1)], False).chosen == {"a": ("GPU-2",)}, "others stay whole"


def test_one_that_could_go_anywhere_makes_room_for_one_that_cannot() -> None:
    wants = [shared("any", 3 * GIB), shared("big", 6 * GIB), shared("small", 3 * GIB, name="gpu-inspect")]
    assert gpus.allocate([CARD, SMALL], [], wants[:2], False).chosen == {"any": ("GPU-2",), "big": ("GPU-1",)}
    assert gpus.allocate([CARD, SMALL], [], [wants[0], wants[2]], False).chosen["any"] == ("GPU-1",)


def test_memory_of_a_gpu_that_has_none_is_counted_as_ram_elsewhere() -> None:
    assert gpus.allocate([JETSON], [], [shared("a", 99 * GIB)], False).chosen == {"a": ("gpu0",)}
    unknown = gpus.Gpu("GPU-9", "NVIDIA ?")
    assert "unknown" in gpus.allocate([unknown], [], [shared("a", 1)], False).misfits[0]


GPUS = st.lists(st.sampled_from([2, 4, 8]), min_size=1, max_size=3)
WANTS = st.lists(st.tuples(st.integers(1, 8), st.booleans()), min_size=1, max_size=4)


@given(sizes=GPUS, asked=WANTS)
def test_no_gpu_is_ever_promised_twice_and_what_could_fit_is_found(
    sizes: t.List[int], asked: t.List[t.Tuple[int, bool]]
) -> None:
    cards = [gpus.Gpu(f"G{n}", "card", size) for n, size in enumerate(sizes)]
    wants = [gpus.Want("q", f"w{n}", memory_mib=mib, mode=gpus.EXCLUSIVE if alone else gpus.SHARED)
             for n, (mib, alone) in enumerate(asked)]  # fmt: skip

    def fits(places: t.Sequence[gpus.Gpu]) -> bool:
        for card in cards:
            here = [want for want, place in zip(wants, places) if place is card]
            if any(want.mode == gpus.EXCLUSIVE for want in here) and len(here) > 1:
                return False
            if sum(want.memory_mib for want in here) > (card.memory_mib or 0):
                return False
        return True

    possible = any(fits(places) for places in itertools.product(cards, repeat=len(wants)))
    answer = gpus.allocate(cards, [], wants, False)
    assert bool(answer.chosen) == possible
    if answer.chosen:
        by_id = {card.id: card for card in cards}
        assert fits([by_id[answer.chosen[want.workload][0]] for want in wants])
    else:
        assert answer.misfits


@pytest.mark.parametrize(
    ("have", "wanted", "result"),
    [
        ("36.4.3", ">=36", True),
        ("36.4.3-20250107174145", ">=36, <37", True),
        ("35.6.4", ">=36", False),
        ("36.4.3", "==36.4", True),
        ("36.4.3", ">36", False),
        ("8.7", "!=8.7", False),
        ("10.0", ">=8.6", True),
        ("", ">=1", False),
        ("unknown", ">=1", False),
        (None, "!=1", False),
    ],
)
def test_versions(have: t.Optional[str], wanted: str, result: bool) -> None:
    assert versions.satisfies(have, versions.requirement("requires.l4t", wanted)) is result


FILE = {
    "schema": 1,
    "tenants": {
        "quality": {
            "cpus": 2,
            "memory": "2g",
            "gpus": 1,
            "gpu_memory_mib": 4096,
            "ports": ["8000-8099"],
            "registries": ["registry.example.com:5000/vision"],
            "devices": ["camera-*"],
        }
    },
}


def refusals(use: t.Optional[tenants.Use] = None, tenant: str = "quality", **more: t.Any) -> t.List[str]:
    specs = spec.render([workload(**more)])
    return tenants.refusals(tenants.parse("tenants.json", FILE), tenant, specs, use or tenants.Use())


def test_a_node_that_was_not_divided_limits_nobody() -> None:
    for value in (None, {"schema": 1, "tenants": {}}):
        assert tenants.refusals(tenants.parse("x", value), "anybody", [], tenants.Use(cpus=99)) == []


def test_what_is_within_the_share_is_allowed() -> None:
    assert refusals(tenants.Use(2, 2 << 30, 0, {"GPU-1"}, 4096), ports=[{"container": 1, "host": 8099}]) == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"network": "host"}, "network: app asks for host, allowed are bridge, none"),
        ({"capabilities": ["SYS_ADMIN"]}, "capability: app asks for SYS_ADMIN, allowed are none"),
        ({"ports": [{"container": 1, "host": 8100}]}, "port: app publishes 8100, lent are 8000-8099"),
        ({"image": "registry.example.com:5000/visionary/app"}, "allowed is what begins with registry.example.com:5000"),
        ({"requires": {"devices": ["plc"]}}, "device: app asks for plc, lent are camera-*"),
    ],
)
def test_what_the_share_does_not_have_is_refused(more: t.Dict[str, t.Any], words: str) -> None:
    (line,) = refusals(**more)
    assert words in line
    assert "share of tenant quality" in line


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (tenants.Use(cpus=2.5), "CPU: 2.5 needed by all its workloads together, its share is 2"),
        (tenants.Use(memory=3 << 30), "memory: 3,072 MiB needed by all its workloads together, its share is 2,048 MiB"),
        (tenants.Use(gpus={"a", "b"}), "GPUs: 2 needed"),
        (tenants.Use(gpu_memory_mib=5000), "GPU memory: 5,000 MiB needed by all its workloads together"),
    ],
)
def test_a_set_that_is_larger_than_the_share_is_refused_with_the_numbers(use: tenants.Use, words: str) -> None:
    (line,) = refusals(use)
    assert words in line


def test_who_has_no_share_gets_nothing_of_a_divided_node() -> None:
    (line,) = refusals(tenant="logistics")
    assert "tenant logistics has no share of this node; shares have: quality" in line


@pytest.mark.parametrize(
    ("share", "words"),
    [
        ({"cpu": 1}, "tenants.json.tenants.quality: unknown key 'cpu'. Did you mean 'cpus'?"),
        ({"ports": ["90000"]}, "tenants.json.tenants.quality.ports[0]: found '90000'"),
        ({"ports": ["9-1"]}, "the lower first"),
        ({"memory": "much"}, "tenants.json.tenants.quality.memory: found 'much'"),
    ],
)
def test_a_bad_share_is_one_line(share: t.Dict[str, t.Any], words: str) -> None:
    with pytest.raises(SpecError) as raised:
        tenants.parse("tenants.json", {"schema": 1, "tenants": {"quality": share}})
    assert words in str(raised.value)
