# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock of a node under another root, with hosts that really answer and a wall clock that a test winds."""

from __future__ import annotations

import contextlib
import email.utils
import errno
import http.server
import io
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import clock as core
from ansible_collections.physical_ai.edge.plugins.module_utils._node import cli, clock, clock_hosts, faults, ledger
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths
from ansible_collections.physical_ai.edge.plugins.module_utils._node.node import Node

NOW = 1795000000.0
FUTURE = 4102358400.0


class KillError(BaseException):
    """The program ends here, with nothing cleaned up."""


class Machine:
    """Files under a root, a wall clock, the age of a kernel, and whether the clock may be set."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.paths = Paths(str(root))
        self.now, self.age, self.refuse = NOW, 1000.0, 0
        self.steps: t.List[float] = []
        self.server: t.Tuple[t.Optional[float], str] = (None, "none sets the clock")
        patch.setattr(clock, "wall", lambda: self.now)
        patch.setattr(clock, "age", lambda: self.age)
        patch.setattr(clock, "step", self.step)
        patch.setattr(clock, "time_server", lambda paths: self.server)

    def step(self, moment: float) -> None:
        if self.refuse:
            raise OSError(self.refuse, os.strerror(self.refuse))
        self.now = moment
        self.steps.append(moment)

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.age += seconds

    def boots(self, now: float) -> None:
        for name in os.listdir(self.paths.clock_heard) if os.path.isdir(self.paths.clock_heard) else ():
            os.unlink(f"{self.paths.clock_heard}/{name}")
        self.now, self.age = now, 5.0

    def synchronise(self, now: float = NOW) -> None:
        self.now, self.server = now, (0.01, "chrony follows 10.0.0.1")

    def alone(self) -> None:
        self.server = (None, "none sets the clock")

    def rtc(self, text: str) -> None:
        path = Path(self.paths.root + "/sys/class/rtc/rtc0/since_epoch")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")

    def settings(self, **values: t.Any) -> None:
        path = Path(self.paths.clock_settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="ascii")

    @property
    def floor(self) -> t.Optional[float]:
        if not os.path.exists(self.paths.clock):
            return None
        return t.cast(float, json.loads(Path(self.paths.clock).read_text(encoding="ascii"))["time"])

    @property
    def state(self) -> str:
        return clock.verdict(self.paths).state


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


class _Says(http.server.BaseHTTPRequestHandler):
    server_version = "x"

    def do_HEAD(self) -> None:
        owner = t.cast("Host", self.server)
        if owner.hangs:
            time.sleep(owner.hangs)
        self.send_response_only(owner.status)
        for name, value in owner.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *arguments: t.Any) -> None:
        pass


class Host(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, date: t.Union[float, str], **headers: str) -> None:
        super().__init__(("127.0.0.1", 0), _Says)
        word = date if isinstance(date, str) else email.utils.formatdate(date, usegmt=True)
        self.headers = dict({"Date": word} if word else {}, **headers)
        self.status, self.hangs, self.scheme, self.name = 200, 0.0, "http", "127.0.0.1"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.name}:{self.server_address[1]}/"

    def handle_error(self, *arguments: t.Any) -> None:
        pass


@pytest.fixture
def hosts() -> t.Iterator[t.Callable[..., Host]]:
    with contextlib.ExitStack() as stack:

        def make(date: t.Union[float, str], **headers: str) -> Host:
            host = Host(date, **headers)
            stack.callback(host.server_close)
            threading.Thread(target=host.serve_forever, args=(0.02,), daemon=True).start()
            stack.callback(host.shutdown)
            return host

        yield make


def test_the_last_known_time_moves_forward_only_by_a_trusted_clock_and_seldom(machine: Machine) -> None:
    assert not clock.keep(machine.paths)
    assert machine.floor is None
    machine.synchronise()
    assert clock.keep(machine.paths)
    assert machine.floor == NOW
    machine.passes(clock.SELDOM - 1)
    assert not clock.keep(machine.paths)
    machine.passes(2)
    assert clock.keep(machine.paths)
    assert machine.floor == NOW + clock.SELDOM + 1
    machine.passes(-clock.SELDOM / 10)
    assert not clock.keep(machine.paths)
    assert machine.floor == NOW + clock.SELDOM + 1
    assert os.stat(machine.paths.clock).st_mode & 0o777 == 0o600


def test_of_two_that_write_the_last_known_time_at_once_the_later_one_counts(machine: Machine) -> None:
    machine.synchronise()
    early = clock.look(machine.paths)
    machine.passes(60)
    assert clock.keep(machine.paths)
    assert not clock.keep(machine.paths, early)
    assert machine.floor == NOW + 60


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '"x"', '{"time": "1"}', '{"time": true}', '{"time": NaN}', '{"time": -1}', "\0\0\0"],
)
def test_a_broken_last_known_time_is_none_and_the_next_trusted_clock_mends_it(machine: Machine, content: str) -> None:
    os.makedirs(machine.paths.state_directory)
    Path(machine.paths.clock).write_text(content, encoding="ascii")
    assert machine.state == core.PLAUSIBLE
    assert clock.look(machine.paths).bounds.floor == core.MADE
    machine.synchronise()
    assert clock.keep(machine.paths)
    assert machine.floor == NOW


@pytest.mark.parametrize("call", ["os.fsync", "os.replace", "os.fchmod"])
def test_killed_while_the_last_known_time_is_written_it_is_the_old_or_the_new(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    machine.synchronise()
    clock.keep(machine.paths)
    real = getattr(os, call[3:])
    for after in (False, True):
        machine.passes(clock.SELDOM)

        def killed(*arguments: t.Any, after: bool = after) -> None:
            if after:
                real(*arguments)
            raise KillError

        before = machine.floor
        with monkeypatch.context() as patch:
            patch.setattr(os, call[3:], killed)
            with pytest.raises(KillError):
                clock.keep(machine.paths)
        assert machine.floor in (before, machine.now)
        assert machine.state == core.TRUSTED
        clock.keep(machine.paths)
        assert machine.floor == machine.now


def test_a_real_kill_in_the_middle_leaves_a_whole_file(tmp_path: Path) -> None:
    script = (
        "import sys, itertools\n"
        "from ansible_collections.physical_ai.edge.plugins.module_utils._node import clock, files\n"
        "paths = files.Paths(sys.argv[1])\n"
        "clock.time_server = lambda paths: (0.0, 'chrony')\n"
        "clock.SELDOM = 0\n"
        "for turn in itertools.count():\n"
        "    clock.wall = lambda: 1795000000.0 + turn\n"
        "    clock.keep(paths)\n"
        "    print(turn, flush=True)\n"
    )
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    for delay in (0.0, 0.003, 0.011):
        with subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, env=environment
        ) as process:
            if process.stdout is None:
                raise AssertionError("no output")
            for dummy in range(3):
                assert process.stdout.readline().strip().isdigit()
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        found = json.loads(Path(Paths(str(tmp_path)).clock).read_text(encoding="ascii"))
        assert found["time"] >= NOW + 2


def test_a_full_disk_keeps_the_old_time_and_says_so(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.synchronise()
    clock.keep(machine.paths)
    machine.passes(clock.SELDOM)

    def full(*arguments: t.Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    found = clock.correct(machine.paths)
    assert "cannot be written: No space left on device; the old content is in place" in found["msg"]
    assert found["state"] == core.TRUSTED
    assert machine.floor == NOW


def test_a_node_that_boots_in_1970_gets_the_last_known_time_and_is_doubtful(machine: Machine) -> None:
    machine.synchronise()
    clock.keep(machine.paths)
    machine.alone()
    machine.boots(0.0)
    assert machine.state == core.DOUBTFUL
    found = clock.correct(machine.paths, network=False)
    assert machine.steps == [NOW]
    assert (found["set"], found["source"], found["state"]) == (True, core.FLOOR, core.DOUBTFUL)
    machine.passes(3600)
    assert machine.state == core.DOUBTFUL
    assert "nobody has said since" in clock.verdict(machine.paths).reason
    clock.note(machine.paths, "controller", NOW + 400 * core.DAY)
    assert clock.correct(machine.paths)["source"] == core.CONTROLLER
    assert machine.state == core.TRUSTED
    assert machine.floor == NOW + 400 * core.DAY
    said = [(item["kind"], item["what"], item["source"]) for item in ledger.read(machine.paths)]
    assert said == [("clock", "set", core.FLOOR), ("clock", "set", core.CONTROLLER)]


def test_once_confirmed_a_clock_that_was_set_to_the_floor_stays_plausible(machine: Machine) -> None:
    machine.boots(0.0)
    clock.correct(machine.paths, network=False)
    machine.synchronise()
    clock.keep(machine.paths)
    machine.alone()
    assert machine.state == core.PLAUSIBLE


def test_the_hardware_clock_is_taken_where_it_can_be_right(machine: Machine) -> None:
    machine.rtc(f"{int(NOW)}\n")
    machine.boots(0.0)
    assert clock.correct(machine.paths, network=False)["source"] == core.RTC
    assert machine.steps == [NOW]
    assert machine.state == core.PLAUSIBLE


@pytest.mark.parametrize("text", ["0\n", "", "x", "4102358400\n"])
def test_a_hardware_clock_that_cannot_be_right_is_not_taken(machine: Machine, text: str) -> None:
    machine.rtc(text)
    machine.boots(0.0)
    assert clock.correct(machine.paths, network=False)["source"] == core.FLOOR
    assert machine.steps == [core.MADE]


def test_a_clock_in_2099_is_doubtful_and_corrected_by_whoever_knows(machine: Machine, hosts: t.Any) -> None:
    machine.synchronise()
    clock.keep(machine.paths)
    machine.alone()
    machine.boots(FUTURE)
    found = clock.correct(machine.paths)
    assert (found["set"], found["state"], machine.steps) == (False, core.DOUBTFUL, [])
    machine.settings(http=[hosts(NOW + 3600).url])
    found = clock.correct(machine.paths)
    assert found["source"] == core.HTTP
    assert machine.steps == pytest.approx([NOW + 3600], abs=5)
    assert machine.state == core.TRUSTED
    assert machine.floor is not None
    assert machine.floor < FUTURE


def test_a_time_server_in_2099_moves_nothing(machine: Machine) -> None:
    machine.synchronise(FUTURE)
    found = clock.correct(machine.paths)
    assert (found["set"], found["state"], machine.floor) == (False, core.DOUBTFUL, None)


def test_a_last_known_time_that_was_wrong_itself_is_forgotten(machine: Machine) -> None:
    machine.synchronise(NOW + 600 * core.DAY)
    clock.keep(machine.paths)
    machine.synchronise(NOW)
    assert machine.state == core.DOUBTFUL
    assert clock.correct(machine.paths)["set"] is False  # it is the time server's
    assert "is forgotten" in clock.forget(machine.paths, "ann")
    assert machine.state == core.TRUSTED
    assert clock.forget(machine.paths, "ann") == "no last known time is written down"
    assert [(item["what"], item["who"]) for item in ledger.read(machine.paths)] == [("forgotten", "ann")]


def test_what_was_said_speaks_of_now_also_after_the_clock_was_set(machine: Machine) -> None:
    machine.now = 0.0
    clock.note(machine.paths, "controller", NOW)
    machine.passes(7200)
    assert clock.correct(machine.paths)["source"] == core.CONTROLLER
    assert machine.now == NOW + 7200
    machine.passes(core.DAY)
    assert machine.state == core.TRUSTED
    machine.passes(7 * core.DAY)
    assert machine.state == core.PLAUSIBLE


@pytest.mark.parametrize("content", ["{", '{"time": 1}', '{"time": "x", "at": 1}', '{"time": 1e9, "at": 5000}', "[1]"])
def test_what_was_said_and_is_broken_counts_for_nothing(machine: Machine, content: str) -> None:
    os.makedirs(machine.paths.clock_heard)
    Path(machine.paths.clock_heard + "/controller.json").write_text(content, encoding="ascii")
    assert machine.state == core.PLAUSIBLE


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("controller", "soon"),
        ("controller", -1),
        ("controller", float("nan")),
        ("controller", True),
        ("../x", NOW),
        (1, NOW),
    ],
)
def test_nonsense_is_not_noted(machine: Machine, source: t.Any, said: t.Any) -> None:
    with pytest.raises(NodeError) as caught:
        clock.note(machine.paths, source, said)
    assert "wanted" in caught.value.message
    assert not os.path.exists(machine.paths.clock_heard)


def test_where_the_clock_may_not_be_set_one_line_says_so(machine: Machine) -> None:
    machine.now, machine.refuse = 0.0, errno.EPERM
    found = clock.correct(machine.paths)
    assert (found["set"], found["permitted"], found["state"]) == (False, False, core.DOUBTFUL)
    assert found["msg"].endswith("cannot be set here: a container has the clock of its host")
    assert "\n" not in found["msg"]
    assert not ledger.read(machine.paths)


def test_a_container_never_sets_the_clock_of_its_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: t.List[float] = []
    monkeypatch.setattr(time, "clock_settime", lambda which, moment: steps.append(moment))
    monkeypatch.setattr(clock, "_CONTAINER", (str(tmp_path / "mark"),))
    clock.step(NOW)
    (tmp_path / "mark").touch()
    with pytest.raises(PermissionError):
        clock.step(NOW)
    assert steps == [NOW]


def test_a_dry_run_sets_and_writes_nothing(machine: Machine) -> None:
    machine.now = 0.0
    found = clock.correct(machine.paths, dry=True)
    assert found["set"] and found["msg"].startswith("the clock would be set from 1970-01-01 00:00 UTC to 2026-11-01")
    machine.synchronise()
    clock.correct(machine.paths, dry=True)
    assert (machine.steps, machine.floor) == ([], None)


@pytest.mark.parametrize("point", ["clock_set:before", "step"])
def test_killed_around_setting_it_the_clock_is_doubtful(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    def killed(paths: Paths, name: str) -> None:
        if name == point:
            raise KillError

    def stepped(moment: float) -> None:
        machine.step(moment)
        raise KillError

    machine.now = 0.0
    with monkeypatch.context() as patch:
        patch.setattr(faults, "reach", killed)
        if point == "step":
            patch.setattr(clock, "step", stepped)
        with pytest.raises(KillError):
            clock.correct(machine.paths)
    assert machine.state == core.DOUBTFUL


def test_settings_that_are_wrong_are_not_used_and_said(machine: Machine) -> None:
    machine.settings(htp=[])
    assert machine.state == core.PLAUSIBLE
    notes = {item.name: item.note for item in clock.look(machine.paths).rungs}
    assert "unknown key 'htp'" in notes["settings"]


def test_most_hosts_must_agree(machine: Machine, hosts: t.Any) -> None:
    right, also, wrong = hosts(NOW), hosts(NOW + 20), hosts(FUTURE)
    machine.settings(http=[right.url, also.url, wrong.url])
    found = clock.correct(machine.paths)
    assert (found["asked"], found["state"]) == ("2 of 3 hosts say about the same", core.TRUSTED)
    machine.boots(NOW)
    machine.settings(http=[right.url, wrong.url])
    found = clock.correct(machine.paths)
    assert (found["asked"], found["state"]) == ("1 of 2 hosts say about the same, wanted 2", core.PLAUSIBLE)


def test_no_host_is_asked_where_the_clock_is_trusted_or_the_node_is_offline(machine: Machine, hosts: t.Any) -> None:
    machine.settings(http=[hosts(NOW).url])
    assert clock.correct(machine.paths, network=False)["asked"] == ""
    machine.synchronise()
    assert clock.correct(machine.paths)["asked"] == ""


@pytest.mark.parametrize(
    ("date", "headers", "words"),
    [
        ("", {}, "does not say the date"),
        ("yesterday", {}, "does not say the date"),
        ("Wed, 31 Dec 1969 00:00:00 GMT", {}, "a date that no clock has"),
        (NOW, {"Age": "30"}, "out of a cache"),
    ],
)
def test_a_host_that_says_no_date(hosts: t.Any, date: t.Any, headers: t.Dict[str, str], words: str) -> None:
    host = hosts(date, **headers)
    said, dummy, why = clock_hosts.ask([host.url], clock.age)[host.url]
    assert said is None
    assert words in why


def test_a_date_without_a_zone_is_gmt(hosts: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        host = hosts("Wed, 18 Nov 2026 11:06:40")
        assert clock_hosts.ask([host.url], clock.age)[host.url][0] == NOW
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_status_of_the_answer_is_of_no_matter(hosts: t.Any) -> None:
    host = hosts(NOW)
    host.status = 404
    assert clock_hosts.ask([host.url], clock.age)[host.url][0] == NOW


def test_a_host_that_hangs_or_is_not_there_takes_bounded_time(hosts: t.Any) -> None:
    host = hosts(NOW)
    host.hangs = 30.0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/"
    began = time.monotonic()
    found = clock_hosts.ask([host.url, closed, "http://no-such-name.invalid/", "http://a:99999/"], clock.age, 0.5)
    assert time.monotonic() - began < 3
    assert all(said is None and why for said, dummy, why in found.values()), found


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA and leaves for localhost, of which one has run out and one belongs to another name."""
    folder = tmp_path_factory.mktemp("certificates")
    ca = [str(folder / "ca.key"), str(folder / "ca.crt")]
    _openssl(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=test",
        "-days",
        "3650",
        "-keyout",
        ca[0],
        "-out",
        ca[1],
    )
    for name, host in (("expired", "localhost"), ("other", "elsewhere.example.com")):
        base = folder / name
        _openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", f"{base}.key", "-out", f"{base}.csr"
        )
        Path(f"{base}.ext").write_text(f"subjectAltName=DNS:{host}\n", encoding="ascii")
        days = "-1" if name == "expired" else "10"
        sign = ["x509", "-req", "-in", f"{base}.csr", "-CA", ca[1], "-CAkey", ca[0], "-CAcreateserial", "-days", days]
        subprocess.run(
            ["openssl", *sign, "-extfile", f"{base}.ext", "-out", f"{base}.crt"], capture_output=True, check=False
        )
    return folder


def _tls(host: Host, folder: Path, name: str) -> Host:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    host.socket = context.wrap_socket(host.socket, server_side=True)
    host.scheme, host.name = "https", "localhost"
    return host


@pytest.mark.parametrize(
    ("name", "trusted", "words"),
    [
        ("expired", True, ""),
        ("expired", False, "CERTIFICATE_VERIFY_FAILED"),
        ("other", True, "CERTIFICATE_VERIFY_FAILED"),
    ],
)
def test_a_certificate_that_ran_out_says_the_time_and_one_of_somebody_else_does_not(
    machine: Machine,
    hosts: t.Any,
    certificates: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    trusted: bool,
    words: str,
) -> None:
    if not (certificates / f"{name}.crt").exists() or not (certificates / f"{name}.crt").stat().st_size:
        pytest.skip("this openssl makes no certificate that ran out")
    monkeypatch.setattr(clock_hosts, "TRUST", str(certificates / "ca.crt") if trusted else "/nowhere")
    host = _tls(Host(NOW), certificates, name)
    threading.Thread(target=host.serve_forever, args=(0.02,), daemon=True).start()
    try:
        said, dummy, why = clock_hosts.ask([host.url], clock.age)[host.url]
    finally:
        host.shutdown()
        host.server_close()
    assert said == (None if words else NOW), why
    assert words in why


def test_the_kernel_is_asked_where_chrony_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: t.Any) -> t.Any:
        raise NodeError("program", "there is no chronyc")

    monkeypatch.setattr(clock, "run", missing)
    for status, wanted in ((0, 1.0), (0x40, None), (None, None)):
        monkeypatch.setattr(clock.hardware_tree.Tree, "clock_status", lambda tree, status=status: status)
        assert clock.time_server(Paths())[0] == wanted
    assert clock.time_server(Paths("/nowhere")) == (None, "not asked under another root")


def _edge(machine: Machine, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(cli, "Node", lambda: Node(machine.paths))
    return cli.main(["clock", *arguments])


def test_edge_clock(machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    machine.rtc("1795000100\n")
    assert _edge(machine, monkeypatch, "--note", "1795000003") == 0
    assert _edge(machine, monkeypatch) == 0
    out = capsys.readouterr().out
    assert out.startswith("clock: 2026-11-18 11:06 UTC, trusted: the controller says the same\n")
    rows = {line.split("  ")[0]: line for line in out.splitlines()}
    assert "100 s" in rows["hardware clock"]
    assert " yes " in rows["controller"]
    assert " no " in rows["gateway"]
    assert _edge(machine, monkeypatch, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["state"], found["set"], found["should_be"]) == ("trusted", False, None)
    assert machine.floor is None
    assert _edge(machine, monkeypatch, "--keep") == 0
    assert machine.floor == NOW


def test_edge_clock_set_and_forget(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.now = 0.0
    assert _edge(machine, monkeypatch, "--set", "--offline") == 0
    out = capsys.readouterr().out
    assert "the clock was set from 1970-01-01 00:00 UTC to 2026-11-01 00:00 UTC, by the last known time" in out
    assert _edge(machine, monkeypatch, "--forget") == 0
    assert cli.main(["ledger"]) == 0
    assert "clock: set: from 1970-01-01 00:00 UTC" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"time": 1795000000, "source": "gateway"}'))
    assert _edge(machine, monkeypatch, "--note", "-") == 0
    assert _edge(machine, monkeypatch, "--set", "--json") == 0
    assert json.loads(capsys.readouterr().out)["source"] == "gateway"
    assert _edge(machine, monkeypatch, "--note", "soon") == 2
    assert _edge(machine, monkeypatch, "--note", "nan") == 2
    assert "wanted seconds since 1970" in capsys.readouterr().err
