# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tenant, or a whole node, is cut off: what it has is taken away, nothing new comes, and what runs goes on unless it shall not."""

from __future__ import annotations

import json
import os
import typing as t
import uuid
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core.request import Request
from ansible_collections.physical_ai.edge.plugins.module_utils._node import (
    block,
    cli,
    holds,
    ledger,
    ledger_command,
    program,
    secrets,
)
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from tests.unit.plugins.module_utils._node import test_rotation as rotating
from tests.unit.plugins.module_utils._node import test_switch as switching

Box, argvs, box = rotating.Box, rotating.argvs, rotating.box  # fixtures too


@pytest.fixture(autouse=True)
def images(box: t.Any, monkeypatch: pytest.MonkeyPatch) -> t.List[str]:
    """Images that nobody needs any more."""
    gone: t.List[str] = []

    def remove_image(_engine: t.Any, reference: str) -> bool:
        gone.append(reference)
        return True

    monkeypatch.setattr(type(box.engine), "remove_image", remove_image, raising=False)
    return gone


def cut(box: t.Any, scope: str = "t", **more: t.Any) -> t.Dict[str, t.Any]:
    given = {"scope": scope, "who": "ann", **({} if more.get("state") == "absent" else {"reason": "unpaid"}), **more}
    result = block.carry_out(box.node, given)
    box.results.append(result)
    return result


def test_a_tenant_is_cut_off_and_what_runs_goes_on(box: t.Any) -> None:
    result = cut(box)
    assert result["changed"] and not result["failed"], result
    assert result["secrets"] == {"t": ["plc", "registry r.example.com:5000", "token", "unused"]}
    assert box.stored() == {} and not secrets.pull_credentials(box.paths, "t")
    assert all(box.engine.have[box.current(name)]["running"] for name in ("app", "web", "plain"))
    assert not box.engine.events
    entry = ledger.read(box.paths)[-1]
    assert (entry["kind"], entry["scope"], entry["what"], entry["who"]) == ("block", "t", "blocked", "ann")
    assert ledger_command.entry(entry).startswith("t blocked by ann: tenant t: blocked; secrets taken away: t: plc, ")
    again = cut(box)
    assert not again["changed"] and again["msg"] == "tenant t: blocked already"
    box.scan()


def test_nothing_new_comes_until_it_is_let_in_again(box: t.Any) -> None:
    cut(box)
    found = box.release(secrets=[], env={"A": "1"})
    assert (found["class"], found["cause"]) == ("refused", "blocked") and "unpaid" in found["msg"], found
    assert "fetch" not in json.dumps(found.get("steps", [])), "nothing is fetched for it"
    assert box.deliver()["cause"] == "blocked"
    assert holds.release(box.node, "t", "bo") == ["'t' was not held"], "no release by accident"
    holds.release(box.node, "every", "bo")
    holds.hold(box.node, "t", "shift 2", "bo")
    assert [item.get("blocked", False) for item in box.node.store.holds()] == [True, False]
    holds.release(box.node, "t", "bo")
    assert cut(box, state="absent")["changed"] and not cut(box, state="absent")["changed"]
    assert box.deliver()["class"] == "success" and box.release(env={"A": "2"})["class"] == "success"
    box.well()


def test_another_tenant_is_not_touched(box: t.Any) -> None:
    other = {"id": "i", "tenant": "u", "secrets": {"plc": {"value": rotating.encoded(rotating.NEW)}}}
    program.deliver(box.node, rotating.core.read(other))
    cut(box)
    assert list(secrets.index(box.paths, "u")) == ["plc"]
    assert program.deliver(box.node, rotating.core.read(dict(other, id="j", secrets={})))["class"] == "success"


def test_a_node_loses_all_secrets_and_its_own_credentials(box: t.Any) -> None:
    own = Path(box.paths.configuration, "docker", "config.json")
    own.parent.mkdir(parents=True)
    own.write_text("{}", encoding="utf-8")
    dry = cut(box, "all", check=True)
    assert dry["changed"] and dry["credentials"] and own.exists() and box.stored() and not box.node.store.holds()
    result = cut(box, "all")
    assert {key: result[key] for key in ("secrets", "credentials")} == {
        key: dry[key] for key in ("secrets", "credentials")
    }
    assert not own.exists() and box.stored() == {}
    assert box.deliver()["cause"] == "blocked"


def test_what_runs_is_stopped_only_where_that_is_said(box: t.Any) -> None:
    result = cut(box, stop=True)
    assert result["stopped"] == ["t/app", "t/plain", "t/web"] and not result["failed"], result
    assert box.engine.have == {} and box.stored() == {}
    assert program.recover(box.node)["class"] == "unchanged"
    cut(box, state="absent")
    assert box.deliver()["class"] == "success" and box.release()["class"] == "success"
    box.well()


def test_a_lock_of_the_application_does_not_keep_it_running(box: t.Any) -> None:
    box.release(update_lock={"max_wait": "60s"})
    Path(box.paths.update_lock("t", "app")).write_text("busy", encoding="utf-8")
    assert cut(box, stop=True)["stopped"] and box.engine.have == {}


@pytest.mark.parametrize("point", rotating.POINTS)
def test_cut_off_halfway_it_is_done_by_doing_it_again(box: t.Any, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    switching.stop_at(monkeypatch, point, rotating.die)
    with pytest.raises(rotating.KillError):
        cut(box)
    assert box.release(secrets=[], env={"A": "1"})["cause"] == "blocked", "the first thing that is so"
    program.recover(box.node)
    assert not cut(box)["failed"] and box.stored() == {}
    box.scan()


def test_a_change_that_waits_ends(box: t.Any) -> None:
    """The hold is seen by whatever waits for a safe moment."""
    cut(box)
    request = Request(uuid.uuid4().hex, "t", "r7", box.specs(secrets=[]))
    assert program.apply(box.node, request)["class"] == "refused"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"scope": "t"}, "say why"),
        ({"scope": "../x", "reason": "x"}, "block.scope: found '../x'"),
        ({"scope": "t", "reason": "x", "odd": 1}, "odd"),
        ([], "block: found"),
    ],
)
def test_mistakes_are_one_line(box: t.Any, given: t.Any, words: str) -> None:
    with pytest.raises(NodeError) as caught:
        block.carry_out(box.node, given)
    assert words in caught.value.message and "\n" not in caught.value.message


@pytest.mark.skipif(os.geteuid() != 0, reason="the command is root's")
def test_the_command(box: t.Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cli, "Node", lambda: box.node)
    assert cli.main(["block", "t"]) == 2 and "say why" in capsys.readouterr().err
    assert cli.main(["block", "t", "--reason", "unpaid"]) == 0 and cli.main(["unblock", "t"]) == 0
    assert "tenant t: blocked; secrets taken away" in capsys.readouterr().out
