# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wait for a safe moment, on a clock of its own: who is looked at when, and what happens at the end of patience."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import spec
from ansible_collections.physical_ai.edge.plugins.module_utils._core.idle import BUSY, IDLE, SILENT, Reading
from ansible_collections.physical_ai.edge.plugins.module_utils._core.state import Deployment, Entry, Journal
from ansible_collections.physical_ai.edge.plugins.module_utils._node import ledger, moment
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths
from ansible_collections.physical_ai.edge.plugins.module_utils._node.moment import LOCK, PROBE, Gate, Moment
from ansible_collections.physical_ai.edge.plugins.module_utils._node.node import Node
from tests.unit.plugins.module_utils._core.specs import workload

Look = t.Callable[[float], t.Union[bool, Reading]]
COIL = {"modbus": {"host": "10.1.0.9", "table": "coil", "address": 3, "equals": True}}


class Scene:
    """A change that waits. Time passes only while it sleeps."""

    def __init__(self, root: Path) -> None:
        self.now = 0.0
        self.node = Node(Paths(str(root)))
        self.gates: t.List[Gate] = []
        self.looks: t.List[t.Tuple[str, float, str]] = []
        self.shown: t.List[t.Tuple[float, t.List[t.Dict[str, t.Any]]]] = []
        self.held_from = float("inf")
        self.moment: t.Optional[Moment] = None
        self.at: t.Dict[float, t.Callable[[], None]] = {}

    def add(self, look: Look, workload: str = "app", what: str = PROBE, max_wait: float = 60, **more: t.Any) -> Gate:
        def ask() -> Reading:
            found = look(self.now)
            if isinstance(found, bool):
                found = Reading(IDLE if found else BUSY, f"coil is {found}", found)
            self.looks.append((workload, self.now, found.state))
            return found

        gate = Gate(workload, what, ask, max_wait, more.pop("then", "held"), **more)
        self.gates.append(gate)
        return gate

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= moment.LONGEST_PAUSE
        self.now = round(self.now + seconds, 6)
        for when in [when for when in self.at if when <= self.now]:
            self.at.pop(when)()

    def held(self) -> None:
        if self.now >= self.held_from:
            raise NodeError("held", "held by anna: inspection")

    def wait(self) -> float:
        """When the swap begins."""
        journal = Journal("c1", "quality", "2.0", "hold", "boot")
        self.moment = Moment(
            self.node,
            journal,
            self.gates,
            self.held,
            lambda rows: self.shown.append((self.now, rows)),
            lambda: self.now,
            self.sleep,
        )
        try:
            self.moment.wait()
        finally:
            self.moment.close()
        return self.now

    def ledger(self) -> t.List[t.Dict[str, t.Any]]:
        return ledger.read(self.node.paths)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_nothing_to_wait_for_is_no_wait(scene: Scene) -> None:
    assert scene.wait() == 0
    assert scene.ledger() == [] and scene.shown == []


def test_it_begins_when_idle_and_looks_no_more_often_than_asked(scene: Scene) -> None:
    scene.add(lambda now: now >= 7, every=2.0)
    assert scene.wait() == 8
    assert [now for _name, now, _state in scene.looks] == [0, 2, 4, 6, 8]


def test_idle_without_a_break_for_so_long(scene: Scene) -> None:
    scene.add(lambda now: now >= 2 and not 5 <= now < 6, every=1.0, steady=4.0)
    assert scene.wait() == 10
    reasons = [row["reason"] for _now, rows in scene.shown for row in rows]
    assert reasons[0] == "coil is False"


def test_a_pause_that_is_longer_than_for_does_not_make_it_longer(scene: Scene) -> None:
    scene.add(lambda now: True, every=10.0, steady=3.0)
    assert scene.wait() == 3


def test_all_are_free_at_the_same_look(scene: Scene) -> None:
    """What was free when the other was busy is looked at again; here it is busy by then."""
    scene.add(lambda now: now >= 4, "a", every=1.0)
    scene.add(lambda now: now < 3.5 or now >= 10, "b", every=3.0)
    assert scene.wait() == 10
    last = {name: state for name, now, state in scene.looks if now == 10}
    assert last == {"a": IDLE, "b": IDLE}


def follow(plan: t.Sequence[bool]) -> Look:
    """Idle or not in each second, and idle when they are over."""
    return lambda now: now >= len(plan) or plan[int(now)]


@given(
    st.lists(
        st.tuples(st.lists(st.booleans(), min_size=1, max_size=8), st.sampled_from([0.5, 1.0, 2.5]), st.integers(0, 3)),
        min_size=1,
        max_size=3,
    )
)
def test_whatever_they_do_it_begins_only_when_all_are_idle(
    tmp_path_factory: pytest.TempPathFactory, plans: t.List[t.Tuple[t.List[bool], float, int]]
) -> None:
    scene = Scene(tmp_path_factory.getbasetemp() / "moment")
    for number, (plan, every, steady) in enumerate(plans):
        scene.add(follow(plan), str(number), every=every, steady=steady)
    began = scene.wait()
    for number, (_plan, _every, steady) in enumerate(plans):
        mine = [(now, state) for name, now, state in scene.looks if name == str(number)]
        assert mine[-1] == (began, IDLE)
        busy = [now for now, state in mine if state == BUSY]
        assert not busy or began - busy[-1] >= steady
    assert began <= 8 + 3 + 2.5 * 2


def test_at_the_deadline_it_is_held_with_an_alarm(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.add(lambda now: False, max_wait=5, every=1.0)
    with pytest.raises(NodeError, match=r"not idle within 5 s: coil is False; the images are fetched") as caught:
        scene.wait()
    assert (caught.value.cause, caught.value.workload, scene.now) == ("held", "app", 5)
    (entry,) = scene.ledger()
    wanted = {
        "kind": "alarm", "id": "c1", "tenant": "quality", "workload": "app", "what": PROBE, "reason": "coil is False",
        "waited": 5.0, "value": False, "then": "held",
    }  # fmt: skip
    assert {key: entry[key] for key in wanted} == wanted
    said = capsys.readouterr()
    assert said.err == "<4>alarm: quality/app: not idle within 5 s: coil is False; the change is held\n"
    assert said.out == ""


def test_then_swap_goes_on_with_an_alarm_when_the_others_are_free(scene: Scene) -> None:
    scene.add(lambda now: False, "a", max_wait=5, then="swap", every=1.0)
    scene.add(lambda now: now >= 9, "b", every=1.0)
    assert scene.wait() == 9
    assert [(item["workload"], item["then"], item["waited"]) for item in scene.ledger()] == [("a", "swap", 5.0)]
    assert scene.moment is not None
    assert scene.moment.notes == ["a: swapped all the same: not idle within 5 s: coil is False"]


def test_each_has_its_own_deadline_and_each_its_alarm(scene: Scene) -> None:
    scene.add(lambda now: False, "a", max_wait=3, then="swap")
    scene.add(lambda now: False, "b", LOCK, max_wait=3)
    scene.add(lambda now: False, "c", max_wait=4)
    with pytest.raises(NodeError, match="the application held its update lock for 3 s") as caught:
        scene.wait()
    assert caught.value.workload == "b"
    assert [item["workload"] for item in scene.ledger()] == ["a", "b"]


def test_a_longest_wait_of_nothing_looks_once(scene: Scene) -> None:
    scene.add(lambda now: True, max_wait=0)
    assert scene.wait() == 0
    scene.add(lambda now: False, max_wait=0)
    with pytest.raises(NodeError, match="not idle within 0 s"):
        scene.wait()


def test_idle_at_the_deadline_but_not_for_long_enough(scene: Scene) -> None:
    scene.add(lambda now: now >= 3, max_wait=5, every=1.0, steady=4.0)
    with pytest.raises(NodeError, match=r"idle for 2 of 4 s"):
        scene.wait()


@pytest.mark.parametrize(("unreachable", "begins"), [("wait", 4.0), ("swap", 0.0)])
def test_what_silence_means(scene: Scene, unreachable: str, begins: float) -> None:
    silence = Reading(SILENT, "no answer")
    scene.add(lambda now: silence if now < 4 else True, every=1.0, unreachable=unreachable)
    assert scene.wait() == begins
    assert scene.moment is not None
    notes = ["app: taken as idle, nothing answered: no answer"] if unreachable == "swap" else []
    assert scene.moment.notes == notes


def test_a_wrong_answer_is_not_silence(scene: Scene) -> None:
    wrong = Reading(BUSY, "Modbus exception 2: illegal data address")
    scene.add(lambda now: wrong, max_wait=2, unreachable="swap")
    with pytest.raises(NodeError, match="illegal data address"):
        scene.wait()


def test_a_hold_that_is_set_meanwhile_is_noticed(scene: Scene) -> None:
    scene.add(lambda now: False, every=30.0)
    scene.held_from = 3.2
    with pytest.raises(NodeError, match="held by anna"):
        scene.wait()
    assert 3.2 <= scene.now <= 3.2 + moment.LONGEST_PAUSE
    assert scene.ledger() == []


def go_ahead(scene: Scene, change: t.Any) -> t.Callable[[], None]:
    path = Path(scene.node.paths.go_ahead("quality", "app"))

    def say() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(change), encoding="utf-8")

    return say


def test_a_person_lets_this_change_go_on(scene: Scene) -> None:
    scene.add(lambda now: False, every=30.0)
    scene.add(lambda now: False, what=LOCK)
    scene.add(lambda now: now >= 8, "other", every=1.0)
    scene.at[3.0] = go_ahead(scene, {"id": "c1", "who": "anna"})
    assert scene.wait() == 8
    assert scene.moment is not None
    assert scene.moment.notes == [
        "app: not waited for its idle probe: anna said so",
        "app: not waited for its update lock: anna said so",
    ]
    assert not Path(scene.node.paths.go_ahead("quality")).exists()


@pytest.mark.parametrize("word", [{"id": "c0", "who": "anna"}, [], "c1", None])
def test_a_word_for_another_change_does_not_count(scene: Scene, word: t.Any) -> None:
    scene.add(lambda now: False, max_wait=4)
    scene.at[1.0] = go_ahead(scene, word)
    with pytest.raises(NodeError, match="not idle"):
        scene.wait()


def test_what_is_waited_for_is_shown_and_not_written_at_each_look(scene: Scene) -> None:
    scene.add(lambda now: Reading(BUSY, f"counter is {now:g}"), "a", max_wait=60, every=1.0, then="swap")
    scene.add(lambda now: now >= 20, "b", what=LOCK, max_wait=40)
    scene.wait()
    first, later = scene.shown[0], scene.shown[5]
    assert [(row["workload"], row["what"], row["then"]) for row in first[1]] == [
        ("a", PROBE, "swap"),
        ("b", LOCK, "held"),
    ]
    assert [row["until"] - row["since"] for row in first[1]] == [60, 40]
    assert first[0] == 0 and [row["workload"] for row in later[1]] == ["a"]
    assert scene.shown[-1] == (60, [])
    assert len(scene.shown) <= 60 / 5 + 3
    assert any(now == 20 for now, _rows in scene.shown)


def test_a_change_that_is_planned_anew_goes_on_with_what_is_known(scene: Scene) -> None:
    """The same question keeps its answers and its deadline; another one begins anew."""
    scene.add(lambda now: now >= 2, "a", every=1.0, steady=4.0, asked="c1")
    scene.add(lambda now: False, "b", what=LOCK, max_wait=20, then="swap")
    journal = Journal("c1", "quality", "2.0", "hold", "boot")

    def shown(rows: t.Any) -> None:
        scene.shown.append((scene.now, rows))

    found = Moment(scene.node, journal, scene.gates, scene.held, shown, lambda: scene.now, scene.sleep)
    while scene.now < 5:
        assert not found.look()
        scene.sleep(0.5)
    known, scene.gates = scene.gates, []
    scene.add(lambda now: True, "a", every=1.0, steady=4.0, asked="c2")
    scene.add(lambda now: False, "b", what=LOCK, max_wait=20, then="swap")
    found.renew(journal, [known[0], scene.gates[1]], scene.held)
    assert found._gates == known
    found.renew(journal, scene.gates, scene.held)
    assert found._gates == [scene.gates[0], known[1]]
    found.wait()
    assert 20 <= scene.now <= 20 + moment.LONGEST_PAUSE
    assert found.notes == ["b: swapped all the same: the application held its update lock for 20 s"]


def deployment(container: str, **more: t.Any) -> Deployment:
    found = spec.render([workload(**more)])[0]
    return Deployment(found, spec.digest(found), container, "i", "1", 1)


def gates(node: Node, old: t.Optional[Deployment], new: t.Optional[Deployment]) -> t.List[t.Tuple[str, float]]:
    found = moment.gates(node, "quality", [Entry("app", old=old, new=new)])
    return [(gate.what, gate.max_wait) for gate in found]


def test_locks_are_those_of_what_runs_and_probes_those_of_what_comes(scene: Scene) -> None:
    lock, other = {"max_wait": "1m"}, {"max_wait": "2m"}
    probe, second = dict(COIL, max_wait="3m"), dict(COIL, max_wait="4m")
    old = deployment("c1", update_lock=lock, probes={"idle": probe})
    new = deployment("c2", update_lock=other, probes={"idle": second})
    assert gates(scene.node, old, new) == [(PROBE, 240.0), (LOCK, 60.0)]
    assert gates(scene.node, None, new) == [(PROBE, 240.0)]
    assert gates(scene.node, old, None) == [(PROBE, 180.0), (LOCK, 60.0)]
    assert gates(scene.node, old, deployment("c2")) == [(LOCK, 60.0)]
    assert gates(scene.node, deployment("c1"), deployment("c2", env={"A": "1"})) == []


def test_what_is_put_right_because_it_does_not_run_waits_for_nothing(scene: Scene) -> None:
    same = {"update_lock": {}, "probes": {"idle": COIL}}
    assert gates(scene.node, deployment("c1", **same), deployment("c2", **same)) == []


def test_a_lock_is_whatever_lies_there(scene: Scene) -> None:
    (gate,) = moment.gates(scene.node, "quality", [Entry("app", old=deployment("c1", update_lock={}))])
    path = Path(scene.node.paths.update_lock("quality", "app"))
    assert gate.ask().state == IDLE
    path.parent.mkdir(parents=True)
    path.symlink_to("pid-of-nobody")
    assert gate.ask().state == BUSY
