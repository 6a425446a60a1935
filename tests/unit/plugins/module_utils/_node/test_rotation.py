# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rotation of secrets, broken at every step in every way: what is used is the old set or the committed new one, and no value is
anywhere but sealed, and in memory where a container sees it.

The whole program runs, with the real openssl, against an engine that is a few lines: containers that read their secrets when they
start and when they are told, and that fail, or die, of some values, saying them aloud.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import stat
import subprocess
import threading
import time
import typing as t
import uuid
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import secrets as core
from ansible_collections.physical_ai.edge.plugins.module_utils._core import spec
from ansible_collections.physical_ai.edge.plugins.module_utils._core.request import Request
from ansible_collections.physical_ai.edge.plugins.module_utils._core.state import STEPS as CHANGE_STEPS
from ansible_collections.physical_ai.edge.plugins.module_utils._node import (
    _runner,
    answers,
    checkup,
    cli,
    events,
    faults,
    files,
    holds,
    launch,
    ledger,
    moment,
    probes,
    program,
    rotation,
    sealing,
    secrets,
    status_command,
    waiting,
)
from ansible_collections.physical_ai.edge.plugins.module_utils._node._runner import Done
from ansible_collections.physical_ai.edge.plugins.module_utils._node.engine import Image
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from tests.unit.plugins.module_utils._core.specs import workload
from tests.unit.plugins.module_utils._node import test_switch as switching

KillError, die = switching.KillError, switching.die

OLD, NEW, BAD, DEADLY = "pl4nted-old-7f3a", "pl4nted-new-91cc", "pl4nted-bad-55d0", "pl4nted-deadly-13"
TOKEN, TOKEN2 = "pl4nted-token-4e4e\nsecond-line-of-token-0b", "pl4nted-token-77aa"
PULL = "pl4nted-pull-2d2d"
PLANTED = (OLD, NEW, BAD, DEADLY, *TOKEN.split("\n"), TOKEN, TOKEN2, PULL, f"puller:{PULL}")
POINTS = [f"secrets_{step}:{when}" for step in rotation.STEPS for when in ("before", "after")]
BACK_POINTS = [f"secrets_{step}:{when}" for step in rotation.BACK_STEPS for when in ("before", "after")]
PROBE = {"exec": {"command": ["check"]}, "every": "5ms"}


class FakeEngine(switching.FakeEngine):
    """`loaded` is what a container has read of its secrets."""

    user = ""

    def create(self, arguments: t.Sequence[str]) -> None:
        name = arguments[arguments.index("--name") + 1]
        mounts = [dict(part.split("=", 1) for part in value.split(",") if "=" in part)
                  for key, value in zip(arguments, arguments[1:]) if key == "--mount"]  # fmt: skip
        source = next((item["source"] for item in mounts if item["target"] == "/run/secrets"), "")
        self.have[name] = {"running": False, "restart": "no", "source": source, "loaded": {}, "exit": 0}
        self.events.append(f"create {name}")

    def _load(self, name: str) -> None:
        item = self.have[name]
        if not item["source"]:
            return
        if not os.path.isdir(item["source"]):
            item.update(running=False, exit=127)
            raise NodeError("start", "bind source path does not exist")
        paths = [path for path in Path(item["source"]).iterdir() if not path.name.startswith(".") and path.is_file()]
        item["loaded"] = {path.name: path.read_text(encoding="utf-8") for path in paths}
        if DEADLY in item["loaded"].values():
            item.update(running=False, exit=7)

    def restart(self, name: str, seconds: float) -> None:
        self._up()
        self.events.append(f"restart {name}")
        self.have[name]["running"] = True
        self._load(name)

    def exec(self, name: str, command: t.Sequence[str], timeout: float) -> Done:
        self._up()
        item = self.have[name]
        good = item["running"] and BAD not in item["loaded"].values()
        return Done(0 if good else 1, "", f"the PLC does not take {list(item['loaded'].values())}")

    def logs(self, name: str, lines: int) -> t.List[str]:
        return [line for value in self.have[name]["loaded"].values() for line in f"I log in with {value}".split("\n")]

    def image(self, reference: str) -> t.Optional[Image]:
        return Image("sha256:i", (), 0, user=self.user)

    def restart_all(self) -> None:
        self.born += 1
        for item in self.have.values():
            item["running"] = False
        for name, item in self.have.items():
            if item["restart"] == "always":
                item["running"] = True
                self._load(name)


class Box(switching.Box):
    """A node with the workloads `app` (restarted by another `plc`), `web` (told of another `token` by a signal) and `plain`."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(root, monkeypatch)
        self.engine: FakeEngine = FakeEngine(str(root))
        self.results: t.List[t.Any] = []

    def specs(self, **app: t.Any) -> t.List[dict]:
        settings: t.Dict[str, t.Any] = {
            "probes": {"startup": {**PROBE, "within": "50ms"}, "steady": {**PROBE, "for": "20ms", "failures": 2}}
        }
        token = {"name": "token", "file": "token.txt", "on_change": "signal", "signal": "SIGUSR1"}
        return spec.render(
            [
                workload(**{"secrets": ["plc"], **settings, **app}),
                workload(name="web", secrets=[token], **settings),
                workload(name="plain", **settings),
            ]
        )

    def release(self, **app: t.Any) -> t.Dict[str, t.Any]:
        self.number += 1
        result = program.apply(self.node, Request(uuid.uuid4().hex, "t", f"r{self.number}", self.specs(**app)))
        self.results.append(result)
        return result

    def delivery(self, **values: str) -> core.Request:
        wanted = {"plc": OLD, "token": TOKEN, "unused": "pl4nted-token-77aa", **values}
        return core.read(
            {
                "id": uuid.uuid4().hex,
                "tenant": "t",
                "secrets": {name: {"value": encoded(value)} for name, value in wanted.items() if value},
                "registries": {"r.example.com:5000": {"username": "puller", "password": PULL}},
                "who": "ann",
            }
        )

    def deliver(self, **values: str) -> t.Dict[str, t.Any]:
        result = program.deliver(self.node, self.delivery(**values))
        self.results.append(result)
        return result

    def current(self, name: str) -> str:
        found = self.node.store.load().tenants["t"].workloads[name].current
        assert found is not None
        return found.container

    def uses(self, name: str) -> t.Dict[str, str]:
        item = self.engine.have[self.current(name)]
        return item["loaded"] if item["running"] else {}

    def stored(self) -> t.Dict[str, str]:
        found = secrets.unseal(self.paths, "t", secrets.committed(self.paths, "t"))
        return {name: value.decode() for name, value in found.items()}

    def well(self) -> None:
        """What is committed is what is shown and used, and what would boot; nothing is left over, and nothing has leaked."""
        stored = self.stored()
        assert not os.path.exists(secrets.trial_path(self.paths, "t"))
        assert self.uses("app") == {"plc": stored["plc"]}
        assert self.uses("web") == {"token.txt": stored["token"]}
        for name in ("app", "web", "plain"):
            assert self.engine.have[self.current(name)]["restart"] == "always"
        for name in ("app", "web"):
            view = Path(secrets.view(self.paths, self.current(name)))
            assert len([item for item in view.iterdir() if item.name.startswith(".v")]) == 1, "the others are gone"
        last = ledger.read(self.paths)[-1]
        assert last["kind"] in ("secrets", "change")
        self.scan()

    def scan(self) -> None:
        """Every file but those in memory that are for containers and pulls, and every result."""
        words = [form.encode() for word in PLANTED for form in forms(word)]
        allowed = (self.paths.secret_views, self.paths.pull_credentials, str(self.root / "sources"))
        for path in self.root.rglob("*"):
            if str(path).startswith(allowed) or not path.is_file():
                continue
            content = path.read_bytes()
            for word in words:
                assert word not in content, f"{path} has {word!r}"
        told = json.dumps(self.results)
        for word in words:
            assert word.decode() not in told, word


def encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def forms(word: str) -> t.List[str]:
    """As it is, as base64, and as base64 where it stands in the middle of something."""
    inside = [base64.b64encode(b"x" * shift + word.encode()).decode()[4:-4] for shift in range(3)]
    return [word, json.dumps(word)[1:-1], encoded(word), *inside]


@pytest.fixture
def argvs(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.List[str]]:
    """Everything that any program was given as an argument or in its environment."""
    seen: t.List[str] = []
    real = subprocess.run

    def run(argv: t.Sequence[str], **more: t.Any) -> t.Any:
        seen.extend(argv)
        seen.extend(f"{key}={value}" for key, value in (more.get("env") or {}).items())
        return real(argv, check=more.pop("check", False), **more)

    monkeypatch.setattr(_runner.subprocess, "run", run)
    yield seen
    assert seen
    for word in PLANTED:
        for form in forms(word):
            assert not [item for item in seen if form in item]


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argvs: t.List[str]) -> Box:
    monkeypatch.setattr(files, "sync_file_system", lambda dummy: None)
    monkeypatch.setattr(os, "fsync", lambda dummy: None)  # nothing here is cut off from its power
    monkeypatch.setattr(probes, "_forget_neighbour", lambda dummy: None)
    monkeypatch.setattr(sealing, "systemd_creds", lambda: False)
    found = Box(tmp_path, monkeypatch)
    found.deliver()
    result = found.release()
    assert result["class"] == "success", result
    found.well()
    found.engine.events.clear()
    return found


def test_a_container_sees_exactly_its_secrets_and_only_their_owner_may_read_them(box: Box) -> None:
    view = Path(secrets.view(box.paths, box.current("app")))
    assert {item.name for item in view.iterdir()} == {"plc", "current", os.readlink(view / "current")}
    assert (view / "plc").read_text() == OLD and os.readlink(view / "plc") == "current/plc"
    assert stat.S_IMODE((view / "current" / "plc").stat().st_mode) == 0o400
    for folder in (box.paths.secrets, box.paths.secret_views, box.paths.secret_keys, box.paths.pull_credentials):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder
    assert stat.S_IMODE(os.stat(secrets.committed_path(box.paths, "t")).st_mode) == 0o600


def test_exactly_those_that_use_what_changed_are_told(box: Box) -> None:
    result = box.deliver(plc=NEW)
    assert (result["class"], result["secrets"]) == ("success", {"plc": "changed"}), result
    assert box.engine.events == [f"restart {box.current('app')}"]
    box.well()
    box.engine.events.clear()
    result = box.deliver(plc=NEW, token=TOKEN2)
    assert result["workloads"] == {"web": {"action": "signal", "class": "success"}}
    assert box.engine.events == [f"SIGUSR1 {box.current('web')}"]
    box.well()
    box.engine.events.clear()
    assert box.deliver(plc=NEW, token=TOKEN2)["class"] == "unchanged" and not box.engine.events
    assert box.deliver(plc=NEW, token=TOKEN2, unused="pl4nted-other")["secrets"] == {"unused": "changed"}
    assert not box.engine.events, "nobody uses it"
    box.well()


def test_the_ledger_says_names_and_fingerprints_that_are_not_those_of_another_node(box: Box, tmp_path: Path) -> None:
    box.deliver(plc=NEW)
    entry = ledger.read(box.paths)[-1]
    assert (entry["kind"], entry["names"], entry["workloads"]) == ("secrets", {"plc": "changed"}, {"app": "success"})
    other = files.Paths(str(tmp_path / "other"))
    key = secrets.fingerprint_key(other)
    assert entry["fingerprints"] == {"plc": secrets.index(box.paths, "t")["plc"]["fingerprint"]}
    assert core.fingerprint(key, "t", "plc", NEW.encode()) != entry["fingerprints"]["plc"]


@pytest.mark.parametrize(("value", "cause"), [(BAD, "probe"), (DEADLY, "exit")], ids=["bad", "deadly"])
@pytest.mark.parametrize("name", ["plc", "token"])
def test_a_bad_value_goes_back_by_itself(box: Box, name: str, value: str, cause: str) -> None:
    result = box.deliver(**{name: value})
    assert (result["class"], result["cause"]) == ("reverted", cause), result
    assert box.stored()[name] == {"plc": OLD, "token": TOKEN}[name]
    box.well()
    if cause == "probe":
        assert core.HIDDEN in result["msg"], "the workload said it"
    assert box.deliver(**{name: NEW})["class"] == "success", "it is no reason to refuse the next one"
    box.well()


def test_a_release_whose_workload_says_its_secrets_does_not_spread_them(box: Box) -> None:
    box.deliver(other=BAD)
    result = box.release(secrets=["plc", "other"])
    assert result["class"] == "reverted", result
    assert core.HIDDEN in json.dumps(result)
    box.well()
    lines = checkup.logs(box.node, "t/web", 9)
    assert lines and not any("pl4nted" in line or "second-line" in line for line in lines)


def test_a_missing_secret_is_refused_before_anything_is_touched(box: Box) -> None:
    result = box.release(secrets=["plc", "camera-key"])
    assert (result["class"], result["cause"]) == ("refused", "admit")
    for word in ("workload app", "camera-key of tenant t is not on this node", "plc, token, unused", "role secrets"):
        assert word in result["msg"], result["msg"]
    assert not box.engine.events
    assert box.deliver(**{"camera-key": TOKEN2})["secrets"] == {"camera-key": "new"}
    assert box.release(secrets=["plc", "camera-key"])["class"] == "success"
    assert box.uses("app") == {"plc": OLD, "camera-key": TOKEN2}


def test_a_missing_certificate_is_refused(box: Box) -> None:
    result = box.release(identity={"on_change": "none"})
    assert result["class"] == "refused" and "no certificate t.app on this node" in result["msg"]
    Path(box.paths.state_directory, "certificates", "t.app").mkdir(parents=True)
    Path(box.paths.state_directory, "certificates", "t.app", "current").mkdir()
    assert box.release(identity={"on_change": "none"})["class"] == "success"


def test_what_a_version_still_needs_stays(box: Box) -> None:
    result = box.deliver(plc="", unused="")
    assert (result["kept"], result["secrets"]) == (["plc"], {"unused": "removed"}), result
    box.well()
    assert box.release(secrets=[])["class"] == "success"
    assert box.deliver(plc="", unused="")["kept"] == ["plc"], "the previous version names it"
    assert box.release(secrets=[], env={"A": "1"})["class"] == "success"
    assert box.deliver(plc="", unused="")["secrets"] == {"plc": "removed"}
    assert "plc" not in box.stored()
    box.scan()


@pytest.mark.parametrize(
    ("user", "uid", "owner"), [("", None, 0), ("1000:1001", None, 1000), ("app", 1234, 1234), ("root", None, 0)]
)
def test_whose_files_they_are(box: Box, user: str, uid: t.Optional[int], owner: int) -> None:
    box.engine.user = user
    entry = {"name": "plc", **({} if uid is None else {"uid": uid})}
    assert box.release(secrets=[entry], env={"U": "x"})["class"] == "success"
    path = Path(secrets.view(box.paths, box.current("app")), "plc")
    assert path.stat().st_uid == owner
    files.remove_tree(box.paths.secret_views)  # and after a boot, when no engine can say so
    secrets.unseal_all(box.paths, box.node.store.load())
    assert path.stat().st_uid == owner


def test_a_user_whose_number_is_unknown_is_told_what_to_do(box: Box) -> None:
    box.engine.user = "app"
    result = box.release(env={"U": "x"})
    assert result["class"] == "refused" and "write `user` as a number, or give the secret a `uid`" in result["msg"]
    box.well()


def test_a_hold_holds_it_back(box: Box) -> None:
    box.node.store.save_holds([{"scope": "t/app", "who": "bo", "reason": "shift 2"}])
    result = box.deliver(plc=NEW)
    assert (result["class"], result["failed"]) == ("held", False) and "shift 2" in result["msg"]
    assert box.deliver(token=TOKEN2)["class"] == "success", "another workload's"
    box.well()


def test_an_update_lock_holds_it_back(box: Box) -> None:
    box.release(update_lock={"max_wait": "0s"})
    Path(box.paths.update_lock("t", "app")).write_text("busy", encoding="utf-8")
    box.engine.events.clear()
    assert box.deliver(plc=NEW)["class"] == "held" and not box.engine.events
    box.well()


def test_what_came_to_nothing_does_not_tell_what_was_before_once_more(box: Box) -> None:
    box.deliver(plc=NEW)
    box.deliver(plc=BAD)
    count = len(ledger.read(box.paths))
    program.recover(box.node)
    assert len(ledger.read(box.paths)) == count
    box.well()


# -- a wait lets go of the node


class Going:
    """A delivery in a thread of its own, that waits."""

    def __init__(self, box: Box, **values: str) -> None:
        self.box, self.request = box, box.delivery(**values)
        self.found: t.List[t.Dict[str, t.Any]] = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        until = time.monotonic() + 20
        while not waiting.rotations(box.paths):
            assert time.monotonic() < until and not self.found, self.found
            time.sleep(0.01)

    def _run(self) -> None:
        self.found.append(program.deliver(self.box.node, self.request))

    def result(self) -> t.Dict[str, t.Any]:
        self.thread.join(30)
        self.box.results += self.found
        return self.found[0]


@pytest.fixture
def busy(box: Box, monkeypatch: pytest.MonkeyPatch) -> Box:
    """The application holds its update lock."""
    monkeypatch.setattr(moment, "LONGEST_PAUSE", 0.02)
    assert box.release(update_lock={"max_wait": "60s"})["class"] == "success"
    Path(box.paths.update_lock("t", "app")).write_text("busy", encoding="utf-8")
    box.engine.events.clear()
    return box


def test_others_have_their_turn_while_it_waits(busy: Box) -> None:
    going = Going(busy, plc=NEW)
    with busy.node.lock(1.0):
        assert busy.stored()["plc"] == OLD and not os.path.exists(secrets.trial_path(busy.paths, "t"))
    other = core.read({"id": "o", "tenant": "u", "secrets": {"plc": {"value": encoded(NEW)}}})
    assert program.deliver(busy.node, other)["class"] == "success", "another tenant's"
    program.recover(busy.node)
    assert not going.found
    lines = list(status_command.lines(answers.status(busy.node)))
    assert "under way: other secrets of t, at step wait" in lines
    assert any(line.startswith("waiting for t/app (update lock): ") for line in lines)
    os.unlink(busy.paths.update_lock("t", "app"))
    assert going.result()["class"] == "success"
    assert waiting.rotations(busy.paths) == [] and busy.stored()["plc"] == NEW
    busy.well()


def test_a_person_lets_it_go_on(busy: Box) -> None:
    going = Going(busy, plc=NEW)
    assert holds.release(busy.node, "t/app", "bo", now=True)[-1].startswith("the change under way does not wait")
    assert going.result()["class"] == "success" and ledger.read(busy.paths)[-2]["what"] == ["lock", "now"]
    busy.well()


def test_a_hold_ends_the_wait(busy: Box) -> None:
    going = Going(busy, plc=NEW)
    holds.hold(busy.node, "t", "shift 2", "bo")
    found = going.result()
    assert (found["class"], found["failed"]) == ("held", False) and busy.stored()["plc"] == OLD
    assert waiting.rotations(busy.paths) == []


def test_it_is_planned_anew_after_the_wait(busy: Box) -> None:
    """What runs may be another container by then."""
    going, before = Going(busy, plc=NEW, token=TOKEN2), busy.current("web")
    specs = busy.specs(update_lock={"max_wait": "60s"})
    specs[1]["env"] = {"A": "1"}
    assert program.apply(busy.node, Request(uuid.uuid4().hex, "t", "r9", specs))["class"] == "success"
    assert busy.current("web") != before and not going.found
    os.unlink(busy.paths.update_lock("t", "app"))
    assert going.result()["class"] == "success"
    busy.well()


def test_one_delivery_of_a_tenant_at_a_time(busy: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    going = Going(busy, plc=NEW)
    monkeypatch.setattr(program, "LOCK_WAIT", 0.2)
    found = busy.deliver(token=TOKEN2)
    assert (found["class"], found["cause"]) == ("refused", "busy")
    os.unlink(busy.paths.update_lock("t", "app"))
    assert going.result()["class"] == "success"


# -- taken away by force


def force(box: Box, **values: str) -> t.Dict[str, t.Any]:
    data = {name: {"value": encoded(value)} for name, value in values.items()}
    request = core.read({"id": uuid.uuid4().hex, "tenant": "t", "secrets": data, "force": True, "who": "ann"})
    result = program.deliver(box.node, request)
    box.results.append(result)
    return result


def test_force_takes_away_what_is_in_use_and_touches_nobody(busy: Box) -> None:
    holds.block(busy.node, "t", "unpaid", "ann")
    result = force(busy)
    assert result["class"] == "success" and result["kept"] == [], result
    assert result["secrets"]["plc"] == "removed" and result["workloads"]["app"]["action"] == rotation.TAKEN
    assert busy.stored() == {} and not busy.engine.events, "whatever is held and whoever is busy"
    assert not secrets.pull_credentials(busy.paths, "t")
    for name in ("app", "web"):
        assert not os.path.exists(secrets.view(busy.paths, busy.current(name)))
        assert busy.engine.have[busy.current(name)]["running"]
    assert program.recover(busy.node)["class"] == "unchanged", "those that run are well as they are"
    assert busy.deliver()["cause"] == "blocked"
    busy.scan()


def test_who_lost_its_secrets_does_not_start_without_and_gets_them_back_by_a_restart(box: Box) -> None:
    force(box)
    box.engine.have[box.current("app")]["running"] = False
    assert program.recover(box.node)["class"] == "broken" and not box.engine.have[box.current("app")]["running"]
    box.engine.events.clear()
    result = box.deliver()
    assert result["class"] == "success" and f"restart {box.current('web')}" in box.engine.events, result
    program.recover(box.node)
    box.well()


def test_force_keeps_what_is_given(box: Box) -> None:
    assert force(box, token=TOKEN)["secrets"]["plc"] == "removed"
    assert box.stored() == {"token": TOKEN} and box.uses("web") == {"token.txt": TOKEN}
    assert not os.path.exists(secrets.view(box.paths, box.current("app")))


@pytest.mark.parametrize("way", ["program", "power"])
@pytest.mark.parametrize("point", POINTS)
def test_force_is_cut_off_at_any_step(box: Box, monkeypatch: pytest.MonkeyPatch, point: str, way: str) -> None:
    """It ends on all or on nothing, and again is enough."""
    reached = switching.stop_at(monkeypatch, point, die)
    with pytest.raises(KillError):
        force(box)
    assert reached == [point]
    if way == "program":
        box.results.append(program.recover(box.node))
        if point not in POINTS[POINTS.index("secrets_commit:after") :]:
            box.well()
    else:
        box.boot += 1
        secrets._unsealed.clear()
        files.remove_tree(box.paths.run)
        events.unseal(box.node)
        with contextlib.suppress(NodeError):
            box.engine.restart_all()
    assert force(box)["class"] in ("success", "unchanged")
    program.recover(box.node)
    assert box.stored() == {} and not any(
        os.path.exists(secrets.view(box.paths, box.current(name))) for name in ("app", "web")
    )
    box.scan()


def test_what_does_not_run_finds_the_new_value_when_it_starts(box: Box) -> None:
    box.engine.have[box.current("app")].update(running=False)
    result = box.deliver(plc=NEW)
    assert result["class"] == "success" and result["workloads"]["app"]["reason"] == "it does not run"
    program.recover(box.node)
    assert box.uses("app") == {"plc": NEW}
    box.well()


def test_two_tenants_have_secrets_of_one_name(box: Box) -> None:
    request = core.read({"id": "i", "tenant": "u", "secrets": {"plc": {"value": encoded(NEW)}}})
    result = program.deliver(box.node, request)
    assert result["class"] == "success" and not result["workloads"] and not box.engine.events
    assert box.stored()["plc"] == OLD and secrets.pull_credentials(box.paths, "u") == ""
    configuration = Path(secrets.pull_credentials(box.paths, "t"), "config.json")
    assert stat.S_IMODE(configuration.stat().st_mode) == 0o600
    auth = json.loads(configuration.read_text())["auths"]["r.example.com:5000"]["auth"]
    assert base64.b64decode(auth).decode() == f"puller:{PULL}"


def test_check_mode_says_names_and_changes_nothing(box: Box) -> None:
    before = Path(secrets.committed_path(box.paths, "t")).read_bytes()
    data = {"tenant": "t", "check": True, "secrets": {"plc": {"value": encoded(NEW)}, "n": {"value": encoded(NEW)}}}
    found = rotation.submit(box.node, data)
    assert found["changed"] and found["diff"] == {
        "before": {"plc": "present", "registry r.example.com:5000": "present", "unused": "present"},
        "after": {"plc": "changed, not shown", "n": "present"},
    }
    assert found["kept"] == ["token"]
    box.results.append(found)
    assert Path(secrets.committed_path(box.paths, "t")).read_bytes() == before
    box.well()


def test_a_cold_boot_brings_them_back_before_the_engine(box: Box) -> None:
    box.deliver(plc=NEW)
    files.remove_tree(box.paths.run)
    secrets._unsealed.clear()
    box.boot += 1
    assert events.unseal(box.node) == []
    box.engine.restart_all()
    assert secrets.pull_credentials(box.paths, "t")
    box.well()
    assert events.unseal(box.node) == [], "and again"
    box.well()


def test_what_cannot_be_unsealed_is_said_and_can_be_delivered_again(box: Box) -> None:
    Path(box.paths.secrets, "host.key").write_text(f"{'0' * 64}\n{'1' * 64}\n")  # another disk
    secrets._unsealed.clear()
    files.remove_tree(box.paths.run)
    box.boot += 1
    problems = events.unseal(box.node)
    assert any("t/app" in line and "deliver the secrets again" in line for line in problems), problems
    box.engine.have[box.current("app")].update(running=False)
    assert program.recover(box.node)["class"] == "broken"
    result = box.deliver()
    assert result["class"] == "success", result
    program.recover(box.node)
    box.well()


def test_a_sealed_file_that_was_changed_is_refused(box: Box) -> None:
    path = secrets.committed_path(box.paths, "t")
    sealed = files.read_json(path, None)
    tag, dummy, rest = sealed["sealed"].partition("\n")
    sealed["sealed"] = f"{tag}\n{rest[:-4]}AAA\n"
    with pytest.raises(NodeError, match="was changed since"):
        secrets.unseal(box.paths, "t", sealed)
    files.write_json(f"{box.paths.secrets}/u/committed.json", files.read_json(path, None))
    with pytest.raises(NodeError, match="not sealed here"):
        secrets.unseal(box.paths, "u", secrets.committed(box.paths, "u"))  # one tenant's set is not another's


def test_a_full_disk_touches_nothing(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    real = files.write_atomic

    def write(path: str, *arguments: t.Any) -> None:
        if path.endswith("trial.json"):
            raise NodeError("state", f"{path} cannot be written: No space left on device; the old content is in place")
        real(path, *arguments)

    monkeypatch.setattr(files, "write_atomic", write)
    result = box.deliver(plc=NEW)
    assert result["class"] == "refused" and "No space left" in result["msg"]
    monkeypatch.setattr(files, "write_atomic", real)
    box.well()


# -- broken at every step


def _kill(box: Box) -> None:
    """The program only; what runs goes on."""


def _power(box: Box) -> None:
    box.boot += 1
    secrets._unsealed.clear()
    files.remove_tree(box.paths.run)
    events.unseal(box.node)
    box.engine.restart_all()
    for name in ("app", "web"):
        assert {*box.uses(name).values()} <= {*box.stored().values()}, "a value on trial boots"


def _engine(box: Box) -> None:
    box.engine.restart_all()


def _dead(box: Box) -> None:
    box.engine.have[box.current("app")].update(running=False, exit=137)


WAYS = {"program": _kill, "power": _power, "engine": _engine, "container": _dead}


@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("point", POINTS)
def test_cut_off_at_any_step(box: Box, monkeypatch: pytest.MonkeyPatch, point: str, way: str) -> None:
    reached = switching.stop_at(monkeypatch, point, die)
    with pytest.raises(KillError):
        box.deliver(plc=NEW, token=TOKEN2)
    assert reached == [point]
    box.scan()
    committed = point in POINTS[POINTS.index("secrets_commit:after") :]
    WAYS[way](box)
    box.results.append(program.recover(box.node))
    assert (box.stored()["plc"], box.stored()["token"]) == ((NEW, TOKEN2) if committed else (OLD, TOKEN))
    box.well()
    entry = [item for item in ledger.read(box.paths) if item["kind"] == "secrets"][-1]
    begun = point not in POINTS[: POINTS.index("secrets_seal:after")]
    assert entry["names"] == ({"plc": "changed", "token": "changed"} if begun else entry["names"])
    assert not begun or entry["class"] == ("success" if committed else "interrupted")
    assert box.deliver(plc=OLD if committed else NEW)["class"] == "success"
    box.well()


@pytest.mark.parametrize("point", ["secrets_wait:after", "secrets_seal:after"])
def test_what_was_cut_off_before_the_switch_restarts_nobody(
    box: Box, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    switching.stop_at(monkeypatch, point, die)
    with pytest.raises(KillError):
        box.deliver(plc=NEW, token=TOKEN2)
    program.recover(box.node)
    assert not box.engine.events
    box.well()


@pytest.mark.parametrize("point", BACK_POINTS)
@pytest.mark.parametrize("value", [BAD, DEADLY], ids=["bad", "deadly"])
@pytest.mark.parametrize("way", ["program", "power", "engine"])
def test_cut_off_on_the_way_back(box: Box, monkeypatch: pytest.MonkeyPatch, point: str, value: str, way: str) -> None:
    reached = switching.stop_at(monkeypatch, point, die)
    with pytest.raises(KillError):
        box.deliver(plc=value)
    assert reached == [point]
    WAYS[way](box)
    box.results.append(program.recover(box.node))
    assert box.stored()["plc"] == OLD
    box.well()


@pytest.mark.parametrize("way", ["engine", "container"])
@pytest.mark.parametrize("point", POINTS[:-1])
def test_what_dies_during_a_rotation_that_goes_on(
    box: Box, monkeypatch: pytest.MonkeyPatch, point: str, way: str
) -> None:
    switching.stop_at(monkeypatch, point, lambda: WAYS[way](box))
    box.deliver(plc=NEW, token=TOKEN2)
    program.recover(box.node)
    box.well()


@pytest.mark.parametrize("point", [f"{step}:{when}" for step in CHANGE_STEPS for when in ("before", "after")])
@pytest.mark.parametrize("way", ["program", "power"])
def test_a_release_that_names_more_secrets_is_cut_off(
    box: Box, monkeypatch: pytest.MonkeyPatch, point: str, way: str
) -> None:
    """A new release mounts more of them at its swap; a container has those of its own version, whatever comes."""
    box.deliver(more=NEW)
    reached = switching.stop_at(monkeypatch, point, die)
    with contextlib.suppress(KillError):
        box.release(secrets=["plc", "more"])
    assert reached == [point] or point.startswith("snapshot")
    WAYS[way](box) if reached else None
    program.recover(box.node)
    committed = point in [f"{step}:{when}" for step in CHANGE_STEPS[CHANGE_STEPS.index("arm_new") :]
                          for when in ("before", "after")] + ["commit:after"] or not reached  # fmt: skip
    assert box.uses("app") == ({"plc": OLD, "more": NEW} if committed else {"plc": OLD})
    box.scan()


def test_the_engine_away_leaves_the_trial_for_later(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def go_down() -> None:
        box.engine.down = True

    monkeypatch.setattr("ansible_collections.physical_ai.edge.plugins.module_utils._node.settle.ENGINE_WAIT", 0.1)
    switching.stop_at(monkeypatch, "secrets_reload:before", go_down)
    assert box.deliver(plc=NEW)["class"] == "interrupted"
    box.engine.down = False
    program.recover(box.node)
    box.well()
    assert box.stored()["plc"] == OLD


def test_another_change_first_ends_what_was_cut_short(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    switching.stop_at(monkeypatch, "secrets_prove:before", die)
    with pytest.raises(KillError):
        box.deliver(plc=NEW)
    assert box.release(env={"A": "1"})["class"] == "success"
    assert box.stored()["plc"] == OLD
    box.well()
    switching.stop_at(monkeypatch, "steady_probe:before", die)
    with pytest.raises(KillError):
        box.release(env={"A": "2"})
    assert box.deliver(plc=NEW)["class"] == "success"
    box.well()


# -- in a unit of its own


def test_it_runs_in_a_unit_and_its_request_is_gone_afterwards(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    started: t.List[t.Any] = []

    def start_unit(name: str, dummy: str, description: str, seconds: float, arguments: t.Sequence[str]) -> None:
        started.append((name, seconds, arguments))
        assert stat.S_IMODE(os.stat(arguments[1]).st_mode) == 0o600
        given = files.read_json(arguments[1], None)
        os.unlink(arguments[1])
        program.deliver(box.node, core.read(given))

    monkeypatch.setattr(launch, "start_unit", start_unit)
    request = {"tenant": "t", "secrets": {"plc": {"value": encoded(NEW)}, "token": {"value": encoded(TOKEN)}}}
    result = rotation.submit(box.node, request)
    assert result["class"] == "success" and result["diff"]["after"]["plc"] == "changed, not shown"
    assert started[0][1] > 300 and started[0][2][0] == "secrets"
    assert rotation.submit(box.node, request)["class"] == "unchanged" and len(started) == 1
    box.results.append(result)
    box.well()


def test_a_unit_that_was_killed_is_told(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "start_unit", lambda *arguments: None)
    monkeypatch.setattr(launch, "gone", lambda name: True)
    result = rotation.submit(box.node, {"tenant": "t", "secrets": {"plc": {"value": encoded(NEW)}}})
    assert (result["class"], result["failed"]) == ("interrupted", True) and "before it began" in result["msg"]
    assert os.listdir(box.paths.requests) == []
    box.well()


@pytest.mark.skipif(os.geteuid() != 0, reason="the command is root's")
def test_the_command_shows_names_and_users(
    box: Box, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "Node", lambda: box.node)
    box.deliver(plc=NEW)
    assert cli.main(["secrets"]) == 0 and cli.main(["secrets", "--json"]) == 0
    assert cli.main(["secrets", "--unseal"]) == 0 and cli.main(["ledger"]) == 0
    shown = capsys.readouterr().out
    for word in ("plc", "registry r.example.com:5000", "app", "no systemd-creds", "plc changed; used by app (restart)"):
        assert word in shown
    assert "pl4nted" not in shown
    request = box.root / "request.json"
    request.write_text('{"tenant": "t", "secrets": {"plc": {"value": "!"}}}', encoding="utf-8")
    assert cli.main(["secrets", str(request)]) == 2 and not request.exists()
    assert "secrets.plc.value: it is no base64" in capsys.readouterr().err


def test_faults_are_reached_in_this_order(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: t.List[str] = []
    monkeypatch.setattr(faults, "reach", lambda dummy, point: seen.append(point))
    box.deliver(plc=NEW)
    assert seen == POINTS


# -- sealing


@pytest.mark.skipif(
    not os.path.exists("/var/lib/systemd/credential.secret") or not sealing.systemd_creds() or os.geteuid() != 0,
    reason="systemd-creds has no key of this host here",
)
def test_systemd_creds_seals(tmp_path: Path, argvs: t.List[str]) -> None:
    paths = files.Paths(str(tmp_path))
    found = sealing.seal(paths, "physical-ai.t", OLD)
    assert found["by"] == "systemd-creds" and OLD not in found["sealed"]
    assert sealing.described(found).startswith("systemd-creds with the ")
    assert sealing.unseal(paths, "physical-ai.t", found) == OLD
    with pytest.raises(NodeError, match="cannot be unsealed") as raised:
        sealing.unseal(paths, "physical-ai.u", found)
    assert raised.value.cause == "secret" and OLD not in raised.value.message


def test_a_tpm_that_does_not_work_is_no_reason_to_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = base64.b64encode(bytes.fromhex("5a1c6a86df9d4096b1d5a65e0862f19a") + b"....").decode()

    def run(argv: t.Sequence[str], timeout: float, text: str = "") -> Done:
        if "--with-key=auto" in argv:
            return Done(1, "", "Failed to unseal: TPM broken")
        return Done(0, head if "encrypt" in argv else "x", "")

    monkeypatch.setattr(sealing, "run", run)
    monkeypatch.setattr(sealing, "systemd_creds", lambda: True)
    found = sealing.seal(files.Paths(str(tmp_path)), "physical-ai.t", "x")
    assert sealing.described(found) == "systemd-creds with the host's key"


def test_openssl_seals_where_there_is_no_systemd_creds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argvs: t.List[str]
) -> None:
    monkeypatch.setattr(sealing, "systemd_creds", lambda: False)
    paths = files.Paths(str(tmp_path))
    text = OLD * 20000  # longer than any line of base64
    found = sealing.seal(paths, "physical-ai.t", text)
    assert OLD not in found["sealed"] and sealing.unseal(paths, "physical-ai.t", found) == text
    assert found["sealed"] != sealing.seal(paths, "physical-ai.t", text)["sealed"], "no two are alike"
    assert stat.S_IMODE(os.stat(f"{paths.secrets}/host.key").st_mode) == 0o600
    assert "no systemd-creds" in sealing.described(found)
    key = Path(paths.secrets, "host.key").read_text()
    assert not any(line in item for item in argvs for line in key.split())
