# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When certificates are renewed, and how many nodes ask one authority at once."""

from __future__ import annotations

import heapq
import json
import random
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import issuing, renewal
from ansible_collections.physical_ai.edge.plugins.module_utils._core.renewal import (
    DOUBTFUL,
    PLAUSIBLE,
    TRUSTED,
    Decision,
    Tries,
)

DAY = 86400.0
LIFE = 30 * DAY
NODES = 1000
RATE = 60

names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
lives = st.floats(3600.0, 3650 * DAY)


@given(st.floats(0, 4e9), lives, names, names)
def test_is_renewed_with_a_third_left_or_a_tenth_earlier(begin: float, life: float, node: str, name: str) -> None:
    at = renewal.due_at(begin, begin + life, node, name)
    assert at == renewal.due_at(begin, begin + life, node, name)
    left = (begin + life - at) / life
    assert 0.333 <= left <= 0.434


def test_certificates_of_one_node_and_nodes_of_one_certificate_spread() -> None:
    moments = sorted(renewal.due_at(0, LIFE, f"n{number}", "node") for number in range(NODES))
    assert moments[-1] - moments[0] > 0.09 * LIFE
    assert len({renewal.due_at(0, LIFE, "n1", name) for name in ("node", "a.b", "a.c")}) == 3


@given(st.tuples(st.floats(0, 4e9), st.floats(0, 4e9)), st.floats(-1e9, 9e9), st.booleans())
def test_a_clock_in_doubt_renews_nothing(validity: t.Tuple[float, float], now: float, names_differ: bool) -> None:
    assert not renewal.decide(validity, now, DOUBTFUL, "n", "c", names_differ=names_differ).due


@pytest.mark.parametrize(
    ("validity", "now", "clock", "reason"),
    [
        (None, 5.0, PLAUSIBLE, "missing"),
        (None, 5.0, DOUBTFUL, "missing"),
        ((0.0, LIFE), 1.0, TRUSTED, ""),
        ((0.0, LIFE), LIFE * 0.56, PLAUSIBLE, ""),
        ((0.0, LIFE), LIFE * 0.67, PLAUSIBLE, "due"),
        ((0.0, LIFE), LIFE, PLAUSIBLE, "expired"),
        ((0.0, LIFE), LIFE + 400 * DAY, TRUSTED, "expired"),
        ((9 * DAY, LIFE), 1.0, TRUSTED, "future"),
        ((9 * DAY, LIFE), 1.0, PLAUSIBLE, ""),
        ((299.0, LIFE), 0.0, TRUSTED, ""),
    ],
)
def test_what_is_due(validity: t.Optional[t.Tuple[float, float]], now: float, clock: str, reason: str) -> None:
    found = renewal.decide(validity, now, clock, "n", "c")
    assert found == Decision(bool(reason), reason or "valid", now if reason else found.at)


def test_other_names_are_due_at_once() -> None:
    assert renewal.decide((0.0, LIFE), 1.0, PLAUSIBLE, "n", "c", names_differ=True).reason == "names"


@given(st.integers(1, 40), names)
def test_waits_longer_each_time_and_never_too_long(failures: int, node: str) -> None:
    seconds = renewal.wait(failures, node, "c")
    assert 0 < seconds <= renewal.LONGEST_WAIT
    assert renewal.wait(failures + 1, node, "c") > seconds * 0.75
    found = renewal.decide((0.0, LIFE), LIFE * 0.7, TRUSTED, "n", "c", Tries(failures, LIFE * 0.7 - 1))
    assert not found.due and LIFE * 0.7 < found.at <= LIFE * 0.7 + renewal.LONGEST_WAIT
    assert renewal.decide((0.0, LIFE), found.at, TRUSTED, "n", "c", Tries(failures, LIFE * 0.7 - 1)).due


@pytest.mark.parametrize("validity", [None, (0.0, LIFE)])
def test_who_does_without_tries_at_each_tick(validity: t.Optional[t.Tuple[float, float]]) -> None:
    assert renewal.decide(validity, LIFE * 2 + renewal.TICK, TRUSTED, "n", "c", Tries(30, LIFE * 2)).due


def test_a_clock_that_was_set_back_waits_for_nothing() -> None:
    assert renewal.decide((0.0, LIFE), LIFE * 0.7, TRUSTED, "n", "c", Tries(5, 99 * LIFE, 99 * LIFE)).due


def test_waits_until_the_authority_wants_to_be_asked_again() -> None:
    now = LIFE * 0.7
    assert renewal.decide((0.0, LIFE), now + 5000, TRUSTED, "n", "c", Tries(1, now, now + 5400)).at == now + 5400
    assert renewal.decide((0.0, LIFE), now + 5400, TRUSTED, "n", "c", Tries(1, now, now + 5400)).due
    assert renewal.decide((0.0, LIFE), now + 5400, TRUSTED, "n", "c", Tries(1, now, now * 100)).due, "beyond belief"


# -- the rate


class Site:
    """Nodes whose timers run as systemd runs them: some minutes after a boot, then each hour, each time late by chance."""

    def __init__(self, chance: random.Random, spread: float, limit: int = 0) -> None:
        self.chance = chance
        self.spread = spread
        self.limit = limit
        self.asked: t.List[float] = []
        self.served: t.List[float] = []
        self.until: t.Dict[str, t.Tuple[float, float]] = {}
        self.tries: t.Dict[str, Tries] = {}

    def run(self, begin: float, end: float, down_until: float = 0.0) -> None:
        ticks = [(begin + 120 + self.chance.uniform(0, self.spread), node) for node in self.until]
        heapq.heapify(ticks)
        while ticks:
            now, node = heapq.heappop(ticks)
            self._tick(now, node, now < down_until)
            again = now + renewal.TICK + self.chance.uniform(0, self.spread)
            if again < end:
                heapq.heappush(ticks, (again, node))

    def _tick(self, now: float, node: str, down: bool) -> None:
        tries = self.tries.get(node, Tries())
        if not renewal.decide(self.until[node], now, PLAUSIBLE, node, "node", tries).due:
            return
        self.asked.append(now)
        again = self._refused(now, node) if self.limit else 0
        if down or again:
            self.tries[node] = Tries(tries.failures + 1, now, now + again if again else 0.0)
            return
        self.served.append(now)
        self.until[node] = (now, now + LIFE)
        self.tries.pop(node, None)

    def _refused(self, now: float, node: str) -> int:
        """As the authority does it."""
        least, _times = issuing.pace(self.served[-self.limit :], now, 1, self.limit)
        return renewal.again(least, now, node) if least else 0


def peak(moments: t.Sequence[float]) -> int:
    """The most in any sixty seconds."""
    first, most = 0, 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - 60.0:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.must_show("D7")
@settings(max_examples=5)
@given(st.integers(0, 1 << 32))
def test_a_thousand_nodes_that_were_installed_in_one_hour_keep_the_rate(seed: int) -> None:
    chance = random.Random(seed)
    site = Site(chance, renewal.spread(NODES, RATE))
    for number in range(NODES):
        begin = chance.uniform(0, 3600)
        site.until[f"kiruna-cam{number:04}"] = (begin, begin + LIFE)
    site.run(LIFE * 0.55, LIFE * 0.7)
    assert len(site.asked) == NODES, "each asked once"
    assert peak(site.asked) <= RATE
    assert all(begin > LIFE * 0.55 for begin, dummy in site.until.values())


@pytest.mark.must_show("D7")
@settings(max_examples=5)
@given(st.integers(0, 1 << 32))
def test_a_thousand_nodes_that_all_expired_and_boot_together_keep_the_rate(seed: int) -> None:
    chance = random.Random(seed)
    site = Site(chance, renewal.spread(NODES, RATE))
    site.until = {f"kiruna-cam{number:04}": (0.0, LIFE) for number in range(NODES)}
    begin = LIFE + 400 * DAY
    site.run(begin, begin + DAY)
    assert len(site.asked) == NODES and peak(site.asked) <= RATE
    assert max(site.asked) - begin <= 120 + renewal.TICK


@pytest.mark.must_show("D7")
@settings(max_examples=5)
@given(st.integers(0, 1 << 32))
def test_an_authority_that_was_down_is_not_overrun_when_it_comes_back(seed: int) -> None:
    chance = random.Random(seed)
    site = Site(chance, renewal.spread(NODES, RATE))
    site.until = {f"kiruna-cam{number:04}": (0.0, LIFE) for number in range(NODES)}
    begin = LIFE + DAY
    site.run(begin, begin + 2 * DAY, down_until=begin + DAY / 2)
    assert peak(site.asked) <= RATE
    assert all(until > begin for dummy, until in site.until.values())


@pytest.mark.must_show("D7")
@settings(max_examples=3)
@given(st.integers(0, 1 << 32), st.integers(10, 30))
def test_the_authority_keeps_a_rate_that_the_nodes_do_not_know(seed: int, rate: int) -> None:
    site = Site(random.Random(seed), renewal.TICK, limit=rate)
    site.until = {f"kiruna-cam{number:04}": (0.0, LIFE) for number in range(NODES)}
    begin = LIFE + DAY
    site.run(begin, begin + 3 * DAY)
    assert peak(sorted(site.served)) <= rate
    assert all(until > begin for dummy, until in site.until.values()), "all were served in the end"


@pytest.mark.must_show("D7")
def test_a_thousand_nodes_in_figures(figure: t.Callable[[str], None]) -> None:
    """One run of each case above, with what it came to."""
    peaks = {}
    for name, spread, limit, down in (
        ("all expired and booted together", renewal.spread(NODES, RATE), 0, 0.0),
        ("the CA was down for 12 h", renewal.spread(NODES, RATE), 0, DAY / 2),
        ("nodes that do not know the rate", renewal.TICK, 20, 0.0),
    ):
        site = Site(random.Random(7), spread, limit=limit)
        site.until = {f"kiruna-cam{number:04}": (0.0, LIFE) for number in range(NODES)}
        begin = LIFE + DAY
        site.run(begin, begin + 3 * DAY, down_until=begin + down)
        assert all(until > begin for dummy, until in site.until.values())
        peaks[name] = (peak(sorted(site.served)), limit or RATE, (max(site.served) - begin - down) / 3600)
    assert all(most <= rate for most, rate, _hours in peaks.values())
    words = [
        f"{name}: {most} of {rate} in the busiest minute, {hours:.1f} h" for name, (most, rate, hours) in peaks.items()
    ]
    figure(f"{NODES} nodes, simulated; {'; '.join(words)}")


def test_more_nodes_take_longer() -> None:
    assert renewal.spread(10, 60) == renewal.TICK
    assert renewal.spread(10000, 60) == 20000.0


def test_what_is_signed_is_all_but_the_signature() -> None:
    request = {"node": "ä", "requests": {"b": "2", "a": "1"}, "signature": "x"}
    assert renewal.canonical(request) == b'{"node":"\\u00e4","requests":{"a":"1","b":"2"}}'
    assert json.loads(renewal.canonical(request)) == {"node": "ä", "requests": {"a": "1", "b": "2"}}
