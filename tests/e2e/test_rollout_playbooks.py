# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands around a rollout, on real nodes: the check before it, windows, approvals, wave by wave, and the record."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import pty
import re
import select
import signal
import time
import typing as t
import zoneinfo

import pytest

from tests.e2e.deploying import push
from tests.e2e.fleet import CAREFUL, Rollouts, of_test, table
from tests.lab.playbook import PlaybookResult

if t.TYPE_CHECKING:
    from tests.lab import Lab

pytestmark = pytest.mark.e2e
BALLAST = 3 << 20
TOKYO = "Asia/Tokyo"
ASKING: dict[str, t.Any] = {
    "stages": [{"name": "canary", "rings": ["canary"]}, {"name": "early", "rings": "rest", "approval": "required"}]
}
WAVES: dict[str, t.Any] = {"stages": [{"name": "canary", "rings": ["canary"]}, {"name": "early", "rings": "rest"}]}


@pytest.fixture(scope="module")
def images(provisioned_lab: Lab) -> dict[str, str]:
    return {**push(provisioned_lab, "ok-1", "ok-2", "ok-82"), "ok-81": _large(provisioned_lab)}


def _large(lab: Lab) -> str:
    """With a layer of its own that no other image has: what is to be fetched is no less than that."""
    from tests.lab import engine, images  # here: unit tests must not need the engine's client
    from tests.lab.services import archive

    client = engine.client()
    container = client.containers.create(images.tiny(client, "ok", "81"))
    try:
        container.put_archive("/", archive({"ballast": (os.urandom(BALLAST), 0o644)}))
        container.commit("physical-ai-lab/large", "81")
    finally:
        container.remove()
    return lab.registry.push("physical-ai-lab/large:81", "tx/large")


@pytest.fixture
def fleet(provisioned_lab: Lab, images: dict[str, str], request: pytest.FixtureRequest) -> t.Iterator[Rollouts]:
    yield from of_test(provisioned_lab, images, "p", 19500, request)


def _window(hours: int, **more: str) -> dict[str, t.Any]:
    """A window of an hour that opens in so many hours, by the clock on a wall in Tokyo."""
    opens = dt.datetime.now(zoneinfo.ZoneInfo(TOKYO)) + dt.timedelta(hours=hours)
    return {"start": f"{opens:%H:%M}", "duration": "1h", **more}


def _release(fleet: Rollouts) -> dict[str, t.Any]:
    """That of the large image, whose content is another one in each run: so is its name."""
    return {**fleet.release("81"), "release": "81-" + fleet.images["ok-81"][-8:]}


def _forget(fleet: Rollouts, image: str) -> None:
    """Nodes do not have it, whatever ran before."""
    fleet.everywhere(lambda node: node.exec(f"docker image rm -f {fleet.images[image]} 2>/dev/null || true"))


def _site(found: PlaybookResult, site: str) -> str:
    match = re.search(rf'"{site}: (.*)"', found.stdout)
    assert match is not None, found.stdout[-3000:]
    return match[1]


def test_the_check_says_what_would_run_where_and_how_long_the_link_needs(fleet: Rollouts) -> None:
    _forget(fleet, "ok-81")
    _forget(fleet, "ok-82")
    fleet.say_of("lulea", edge_bandwidth="100kbit")
    before = fleet.served()
    found = fleet.run(_release(fleet), play="release_check")
    assert found.changed == 0
    row = re.search(r'"kiruna-cam01 +(.*)"', found.stdout)
    assert row is not None
    assert re.fullmatch(r"\S+ +app changes", row[1])
    mib = float(_site(found, "lulea").split(" MiB")[0].replace(",", ""))
    assert BALLAST >> 20 <= mib < 100
    hours = mib * (1 << 20) * 8 / 100_000 / 3600
    said = re.search(r"([\d.]+) hours at its bandwidth", _site(found, "lulea"))
    assert said is not None
    assert float(said[1]) == pytest.approx(hours, abs=0.1 + 0.05 * hours)
    assert "hours" not in _site(found, "kiruna"), "a site whose bandwidth nobody knows"
    assert "could go out to 4 hosts" in found.stdout
    assert fleet.served() == before, "it only looks"
    assert not any(fleet.status(node)["leases"] for node in fleet.nodes.values())
    fleet.say_of("lulea", edge_bandwidth="1kbit", edge_fetch_window={"start": "01:00", "duration": "1m"})
    tight = fleet.run(_release(fleet), rc=2, play="release_check")
    assert "ITS FETCH WINDOW OF 1m CANNOT HOLD THAT" in _site(tight, "lulea")
    assert "the fetch window is too short at lulea" in tight.stdout
    fleet.variables.clear()
    fleet.run(_release(fleet))
    again = fleet.run(_release(fleet), play="release_check")
    assert again.stdout.count("nothing changes") == 4
    assert _site(again, "lulea").startswith("0 MiB to fetch")
    fleet.lab.cut("lulea")
    away = fleet.run(fleet.release("82"), rc=2, play="release_check")
    assert "guessed for lulea-gw01, lulea-cam01" in _site(away, "lulea")
    assert "cannot be asked (offline_unexpected)" in away.stdout


@pytest.mark.slow
@pytest.mark.must_show("C6")
def test_a_shut_window_holds_the_swap_and_not_the_fetch(fleet: Rollouts) -> None:
    fleet.go("1")
    fleet.say_of("lulea", edge_timezone=TOKYO, edge_swap_window=_window(2))
    held = fleet.run(_release(fleet), {**WAVES, "fetch": {"ahead": True}}, rc=2)
    assert (
        f"its swap window opens on {dt.datetime.now(zoneinfo.ZoneInfo(TOKYO)) + dt.timedelta(hours=2):%A %d %B at %H:}"
        in held.stdout
    )
    assert (fleet.served("kiruna"), fleet.served("lulea")) == ({"81"}, {"1"})
    digest = fleet.images["ok-81"].rpartition("@")[2]
    for node in fleet.of("lulea"):
        assert digest in node.exec("docker images --digests --format '{{.Digest}}'").stdout, "fetched ahead"
    fleet.say_of("lulea", edge_swap_window=_window(0))
    assert table(fleet.run(_release(fleet), WAVES))["early"] == "2 passed 2 success"
    assert fleet.served() == {"81"}


@pytest.mark.slow
@pytest.mark.must_show("C6")
def test_a_shut_fetch_window_brings_nothing_over_the_link(fleet: Rollouts) -> None:
    fleet.go("1")
    fleet.say_of("lulea", edge_timezone=TOKYO, edge_fetch_window=_window(3))
    digest = fleet.images["ok-82"].rpartition("@")[2]
    _forget(fleet, "ok-82")
    held = fleet.run(fleet.release("82"), WAVES, rc=2)
    assert "its fetch window opens on" in held.stdout
    for node in fleet.of("lulea"):
        assert digest not in node.exec("docker images --digests --format '{{.Digest}}'").stdout
    assert (fleet.served("kiruna"), fleet.served("lulea")) == ({"82"}, {"1"})


@pytest.mark.slow
@pytest.mark.must_show("C1")
def test_a_stage_waits_for_a_yes(fleet: Rollouts) -> None:
    fleet.go("1")
    unasked = fleet.run(fleet.release("2"), ASKING, rc=2, rollout_approval_timeout=5)
    assert "early" in unasked.stdout.rpartition("fatal:")[2], "whose approval is missing"
    assert (fleet.served("kiruna"), fleet.served("lulea")) == ({"2"}, {"1"})
    no = _at_a_terminal(fleet, fleet.release("2"), ASKING, "no")
    assert no[0] == 2, no[1][-3000:]
    assert fleet.served("lulea") == {"1"}
    yes = _at_a_terminal(fleet, fleet.release("2"), ASKING, "yes")
    assert yes[0] == 0, yes[1][-3000:]
    assert fleet.served() == {"2"}
    assert fleet.run(fleet.release("1"), ASKING, rollout_approve="early").rc == 0
    assert fleet.served() == {"1"}


def _at_a_terminal(fleet: Rollouts, release: dict[str, t.Any], policy: dict[str, t.Any], word: str) -> tuple[int, str]:
    """Somebody sits at it, and answers what is asked."""
    process, master = pty.fork()
    if process == 0:
        os.chdir(fleet.folder)
        command = fleet.command(release, policy)
        os.execvpe(command[0], command, fleet.lab.env())  # noqa: S606
    shown, answered, until = b"", False, time.monotonic() + 300
    try:
        while time.monotonic() < until and (part := _read(master)):
            shown += part
            if not answered and b"Type yes" in shown:
                os.write(master, word.encode() + b"\r")
                answered = True
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGHUP)
        _pid, status = os.waitpid(process, 0)
        os.close(master)
    return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")


def _read(terminal: int) -> bytes:
    """What is shown next; nothing when it has ended."""
    if not select.select([terminal], [], [], 120)[0]:
        return b""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_wave_by_wave_with_a_gate_between(fleet: Rollouts) -> None:
    fleet.go("1")
    fleet.run(fleet.release("2"), WAVES, rollout_waves=1)
    assert (fleet.served("kiruna"), fleet.served("lulea")) == ({"2"}, {"1"})
    assert fleet.run(fleet.release("2"), WAVES, play="rollout_gate").changed == 0
    init = f"$(docker inspect --format '{{{{.State.Pid}}}}' $(docker ps -q --filter publish={fleet.port}))"
    hangs = f"$(pgrep -P {init})"
    fleet.of("kiruna")[0].exec(f"kill -STOP {hangs}")
    stopped = fleet.run(fleet.release("2"), WAVES, rc=2, play="rollout_gate")
    assert f"{fleet.of('kiruna')[0].name}: broken" in stopped.stdout
    assert fleet.served("lulea") == {"1"}
    fleet.of("kiruna")[0].exec(f"kill -CONT {hangs}")
    fleet.run(fleet.release("2"), WAVES, play="rollout_gate")
    fleet.run(fleet.release("2"), WAVES, rollout_waves=1)
    assert fleet.served() == {"2"}
    found = fleet.run(fleet.release("2"), WAVES, play="rollout_gate")
    assert table(found) == {"canary": "2 passed 2 unchanged", "early": "2 passed 2 unchanged"}


def test_a_canary_that_passed_and_is_away_now_still_counts(fleet: Rollouts) -> None:
    fleet.go("1")
    fleet.run(fleet.release("2"), CAREFUL, rollout_waves=1)
    assert fleet.served("kiruna") == {"2"}
    assert len(list((fleet.folder / "rollouts").glob(f"{fleet.tenant}-2-*.json"))) == 1
    fleet.lab.cut("kiruna")
    nobody_knows = fleet.run(fleet.release("2"), CAREFUL, rc=2, rollout_records="")
    assert "canary" in nobody_knows.stdout.rpartition("fatal:")[2]
    assert fleet.served("lulea") == {"1"}
    went = fleet.run(fleet.release("2"), CAREFUL)
    assert table(went)["canary"].startswith("2 passed 2 success")
    assert fleet.served("lulea") == {"2"}
    assert "in an earlier run; it cannot be reached now" in went.stdout
