# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ladder: what a clock is worth, and what it should be set to, whoever says what."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import clock
from ansible_collections.physical_ai.edge.plugins.module_utils._core.clock import Bounds, Choice, Witness
from ansible_collections.physical_ai.edge.plugins.module_utils._core.fields import SpecError
from ansible_collections.physical_ai.edge.plugins.module_utils._node import clock as node_clock

NOW = 1795000000.0
FUTURE = 4102444800.0 - 86400  # the end of 2099
BOUNDS = Bounds(NOW - 400 * clock.DAY)
LAST = BOUNDS.floor + BOUNDS.ahead
SERVER, MASTER, GATE, HOSTS = (
    Witness(name, NOW) for name in (clock.TIME_SERVER, clock.CONTROLLER, clock.GATEWAY, clock.HTTP)
)


def away(witness: Witness, seconds: float) -> Witness:
    return Witness(witness.name, witness.time + seconds, witness.error)


@pytest.mark.parametrize(
    ("now", "witnesses", "state", "words"),
    [
        (NOW, [], "plausible", "nobody confirms"),
        (NOW, [SERVER], "trusted", "the time server says the same"),
        (NOW, [MASTER], "trusted", "the controller says the same"),
        (NOW, [GATE], "trusted", "the gateway"),
        (NOW, [HOSTS], "trusted", "the http"),
        (NOW + 299, [MASTER], "trusted", "the same"),
        (NOW + 301, [MASTER], "doubtful", "the controller says 2026-11-18"),
        (NOW + 301, [Witness(clock.CONTROLLER, NOW, 5.0)], "trusted", "the same"),
        (NOW, [SERVER, away(MASTER, 3600)], "plausible", "but the controller says"),
        (0.0, [], "doubtful", "before the last known time"),
        (0.0, [Witness(clock.TIME_SERVER, 0.0)], "doubtful", "edge clock --forget"),
        (BOUNDS.floor - 299, [], "plausible", "nobody confirms"),
        (BOUNDS.floor - 301, [], "doubtful", "before"),
        (FUTURE, [], "doubtful", "and nobody confirms it"),
        (FUTURE, [Witness(clock.TIME_SERVER, FUTURE)], "doubtful", "and nobody confirms it"),
        (FUTURE, [Witness(clock.HTTP, FUTURE), MASTER], "doubtful", "but the controller says 2026-11-18"),
        (FUTURE, [Witness(clock.CONTROLLER, FUTURE)], "trusted", "the controller"),
        (LAST + 100, [Witness(clock.HTTP, LAST - 100)], "doubtful", "and nobody confirms it"),
        (LAST + 100, [Witness(clock.CONTROLLER, LAST - 100)], "trusted", "the controller"),
        (NOW, [Witness(clock.HTTP, FUTURE)], "plausible", "nobody confirms"),
        (NOW, [Witness(clock.HTTP, 0.0)], "plausible", "nobody confirms"),
    ],
)
def test_judge(now: float, witnesses: t.List[Witness], state: str, words: str) -> None:
    found = clock.judge(now, BOUNDS, witnesses)
    assert (found.now, found.state) == (now, state), found.reason
    assert words in found.reason
    assert "\n" not in found.reason


def test_a_clock_that_was_set_to_the_floor_is_doubtful_until_somebody_confirms_it() -> None:
    assert clock.judge(BOUNDS.floor, BOUNDS, [], from_floor=True).state == "doubtful"
    assert clock.judge(NOW, BOUNDS, [SERVER], from_floor=True).state == clock.TRUSTED


@pytest.mark.parametrize(
    ("now", "witnesses", "rtc", "wanted"),
    [
        (NOW, [], None, None),
        (NOW, [], FUTURE, None),
        (0.0, [], None, Choice(BOUNDS.floor, clock.FLOOR)),
        (0.0, [], 0.0, Choice(BOUNDS.floor, clock.FLOOR)),
        (0.0, [], FUTURE, Choice(BOUNDS.floor, clock.FLOOR)),
        (0.0, [], NOW - 5, Choice(NOW - 5, clock.RTC)),
        (BOUNDS.floor - 1, [], None, Choice(BOUNDS.floor, clock.FLOOR)),
        (0.0, [HOSTS], NOW - 5, Choice(NOW, clock.HTTP)),
        (0.0, [HOSTS, MASTER], None, Choice(NOW, clock.CONTROLLER)),
        (0.0, [Witness(clock.CONTROLLER, 60.0)], None, Choice(BOUNDS.floor, clock.FLOOR)),
        (0.0, [Witness(clock.CONTROLLER, BOUNDS.floor - 100)], None, Choice(BOUNDS.floor, clock.CONTROLLER)),
        (FUTURE, [], None, None),
        (FUTURE, [], FUTURE, None),
        (FUTURE, [], NOW, Choice(NOW, clock.RTC)),
        (FUTURE, [GATE], None, Choice(NOW, clock.GATEWAY)),
        (FUTURE, [away(GATE, -1000 * clock.DAY)], None, None),
        (NOW + 600, [MASTER], None, Choice(NOW, clock.CONTROLLER)),
        (NOW + 200, [MASTER], None, None),
        (NOW, [SERVER, away(MASTER, 3600)], None, None),
        (FUTURE, [Witness(clock.TIME_SERVER, FUTURE), MASTER], None, None),
        (NOW, [Witness(clock.CONTROLLER, FUTURE)], None, Choice(FUTURE, clock.CONTROLLER)),
        (NOW, [Witness(clock.HTTP, FUTURE)], None, None),
    ],
)
def test_choose(now: float, witnesses: t.List[Witness], rtc: t.Optional[float], wanted: t.Optional[Choice]) -> None:
    assert clock.choose(now, BOUNDS, witnesses, rtc) == wanted


MOMENTS = st.one_of(
    st.sampled_from([0.0, NOW, FUTURE, BOUNDS.floor, BOUNDS.floor + BOUNDS.ahead]),
    st.floats(0, clock.LATEST - 1, allow_nan=False),
    st.floats(NOW - 1000, NOW + 1000),
)
WITNESSES = st.lists(
    st.builds(Witness, st.sampled_from([clock.TIME_SERVER, *node_clock.SOURCES]), MOMENTS, st.floats(0, 300)),
    unique_by=lambda item: item.name,
    max_size=4,
)
ANY_BOUNDS = st.builds(Bounds, st.floats(clock.MADE, NOW + 1e9), st.floats(clock.DAY, 36500 * clock.DAY))


@given(MOMENTS, ANY_BOUNDS, WITNESSES, st.booleans())
def test_nobody_makes_a_clock_trusted_that_cannot_be_right(
    now: float, bounds: Bounds, witnesses: t.List[Witness], from_floor: bool
) -> None:
    state = clock.judge(now, bounds, witnesses, from_floor).state
    if now < bounds.floor - clock.CLOSE:
        assert state == "doubtful"
    if now > bounds.floor + bounds.ahead and not any(item.name == clock.CONTROLLER for item in witnesses):
        assert state == "doubtful"
    if state == clock.TRUSTED:
        assert any(abs(item.time - now) <= clock.CLOSE + item.error for item in witnesses)


@given(MOMENTS, ANY_BOUNDS, WITNESSES)
def test_the_order_of_witnesses_is_of_no_matter(now: float, bounds: Bounds, witnesses: t.List[Witness]) -> None:
    other = witnesses[::-1]
    assert clock.judge(now, bounds, witnesses).state == clock.judge(now, bounds, other).state
    assert clock.choose(now, bounds, witnesses) == clock.choose(now, bounds, other)


@given(MOMENTS, ANY_BOUNDS, WITNESSES, st.one_of(st.none(), MOMENTS))
def test_a_clock_is_never_set_before_the_floor_nor_far_ahead_by_who_may_not_say_so(
    now: float, bounds: Bounds, witnesses: t.List[Witness], rtc: t.Optional[float]
) -> None:
    choice = clock.choose(now, bounds, witnesses, rtc)
    if choice is None:
        return
    assert choice.time >= bounds.floor
    if choice.source != clock.CONTROLLER:
        assert choice.time <= bounds.floor + bounds.ahead


@given(MOMENTS, ANY_BOUNDS, WITNESSES, st.one_of(st.none(), MOMENTS))
def test_a_clock_that_was_set_stays(
    now: float, bounds: Bounds, witnesses: t.List[Witness], rtc: t.Optional[float]
) -> None:
    """Without a time server, whose clock it then is; set once, the same words set it no more."""
    witnesses = [item for item in witnesses if item.name != clock.TIME_SERVER]
    choice = clock.choose(now, bounds, witnesses, rtc)
    if choice is not None:
        assert clock.choose(choice.time, bounds, witnesses, rtc) is None


@given(st.floats(allow_nan=True) | st.integers() | st.text() | st.booleans() | st.none())
def test_what_is_no_time_is_none(value: t.Any) -> None:
    found = clock.moment(value)
    assert found is None or 0 <= found < clock.LATEST
    if found is not None:
        assert clock.day(found)


@pytest.mark.parametrize(
    ("answers", "least", "wanted", "word"),
    [
        ({}, 1, None, "0 of the hosts answered, wanted 1"),
        ({"a": NOW}, 1, NOW, "1 of 1"),
        ({"a": NOW}, 2, None, "1 of the hosts answered, wanted 2"),
        ({"a": NOW, "b": NOW + 10, "c": FUTURE}, 2, NOW + 10, "2 of 3"),
        ({"a": 0.0, "b": NOW, "c": FUTURE}, 2, None, "1 of 3"),
        ({"a": NOW, "b": FUTURE}, 2, None, "1 of 2"),
    ],
)
def test_agreed(answers: t.Dict[str, float], least: int, wanted: t.Optional[float], word: str) -> None:
    found, said = clock.agreed(answers, least)
    assert found == wanted
    assert word in said


SYNCHRONISED = (
    "C0A80A01,192.168.10.1,3,1795000000.1,-0.000012,0.000003,0.000020,-10.1,0.001,0.05,0.012,0.001,64.2,Normal"
)


@pytest.mark.parametrize(
    ("line", "error", "word"),
    [
        (SYNCHRONISED, 0.007012, "chrony follows 192.168.10.1"),
        ("00000000,,0,0.0,0,0,0,0,0,0,1,1,0,Not synchronised", None, "no time server that answers"),
        ("7F7F0101,,10,1795000000.1,0,0,0,0,0,0,0,0,0,Normal", None, "serves its own clock"),
        (SYNCHRONISED.replace("0.012,0.001", "0.012,400"), None, "too old"),
        (SYNCHRONISED.replace("0.012,0.001", "0.012,nan"), None, "too old"),
        (SYNCHRONISED.replace("0.012", "x"), None, "does not say"),
        ("506 Cannot talk to daemon", None, "does not say"),
        ("", None, "does not say"),
    ],
)
def test_tracking(line: str, error: t.Optional[float], word: str) -> None:
    found, said = clock.tracking(line + "\n")
    assert found == (None if error is None else pytest.approx(error))
    assert word in said


def test_settings() -> None:
    found = clock.settings("clock.json", {"http": ["http://gw01:4460/", "https://[2001:db8::1]/x"]})
    assert (found.http, found.least, found.max_ahead_days) == (
        ("http://gw01:4460/", "https://[2001:db8::1]/x"),
        2,
        1825,
    )
    assert clock.settings("clock.json", {}).http == ()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "clock.json: found [], wanted a mapping"),
        ({"htp": []}, "unknown key 'htp'. Did you mean 'http'?"),
        ({"http": ["ftp://a"]}, "clock.json.http[0]: found 'ftp://a'"),
        ({"http": ["http://a b/"]}, "clock.json.http[0]"),
        ({"http": ["http://a/\r\nX: y"]}, "clock.json.http[0]"),
        ({"http": ["http://a"], "http_agree": 2}, "clock.json.http_agree: found 2, wanted at most the number of hosts"),
        ({"max_ahead_days": 0}, "clock.json.max_ahead_days: found 0"),
    ],
)
def test_wrong_settings(value: t.Any, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        clock.settings("clock.json", value)
    assert words in str(caught.value)
