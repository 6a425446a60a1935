# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against a real HTTP server that answers, fails and hangs on order."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.lab import client
from tests.lab.client import Picture, Traffic


class Service(ThreadingHTTPServer):
    daemon_threads = True
    mode = "good"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.mode == "hang":
            time.sleep(1)
        if self.server.mode == "error":
            self._reply(500, {"error": "wrong camera"})
            return
        label = request["inputs"][0]["data"][0]
        self._reply(200, {"model_version": "v1", "outputs": [{"name": "label", "data": [label]}]})

    def _reply(self, status: int, document: object) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


# The service answers with the first pixel: right for the first picture, wrong for the second.
PICTURES = [Picture(client.request_body([4, 0]), 4), Picture(client.request_body([5, 0]), 6)]


def wait(traffic: Traffic) -> None:
    deadline = time.monotonic() + 10
    while traffic.running():
        assert time.monotonic() < deadline, "the client does not end"
        time.sleep(0.01)


def test_it_records_version_and_truth_and_ends_by_count(service: Service) -> None:
    with Traffic({"a": service.url, "b": service.url}, PICTURES, rate=200, max_requests=6) as traffic:
        wait(traffic)
    answers = traffic.answers()
    assert [sum(answer.endpoint == name for answer in answers) for name in "ab"] == [6, 6]
    assert all(answer.ok and answer.version == "v1" and answer.latency > 0 for answer in answers)
    assert sum(answer.right for answer in answers) == 6


def test_it_keeps_the_rate_and_ends_by_time(service: Service) -> None:
    with Traffic({"a": service.url}, PICTURES, rate=50, max_seconds=0.4) as traffic:
        wait(traffic)
    answers = traffic.answers()
    assert 5 <= len(answers) <= 21
    assert all(answer.sent <= 0.5 for answer in answers)


def test_an_error_answer_keeps_its_reason(service: Service) -> None:
    service.mode = "error"
    with Traffic({"a": service.url}, PICTURES, rate=100, max_requests=1) as traffic:
        wait(traffic)
    (answer,) = traffic.answers()
    assert not answer.ok
    assert answer.error == "HTTP 500: wrong camera"


def test_a_service_that_hangs_is_a_failure_and_its_missed_times_are_not_made_up_for(service: Service) -> None:
    service.mode = "hang"
    with Traffic({"a": service.url}, PICTURES, rate=50, timeout=0.1, max_seconds=0.5) as traffic:
        wait(traffic)
    answers = traffic.answers()
    assert 1 <= len(answers) <= 6
    assert all(not answer.ok and "timed out" in answer.error for answer in answers)


def test_nobody_listening_is_a_failure(service: Service) -> None:
    service.shutdown()
    service.server_close()
    with Traffic({"a": service.url}, PICTURES, rate=100, max_requests=2) as traffic:
        wait(traffic)
    assert [answer.ok for answer in traffic.answers()] == [False, False]
    assert "refused" in traffic.answers()[0].error


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (200, b"<html>", "HTTP 200 with a body that is not JSON"),
        (503, b"[]", "HTTP 503"),
        (404, b'{"error": "no such model"}', "HTTP 404: no such model"),
        (200, b'{"model_version": "v1", "outputs": []}', "HTTP 200 without a label"),
        (200, b"3", "HTTP 200 without a label"),
    ],
)
def test_an_answer_that_is_none_says_why(status: int, body: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        client.read_answer(status, body)


def test_a_client_without_an_endpoint_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one endpoint"):
        Traffic({}, PICTURES)


def test_the_command_reports_and_fails_when_a_request_failed(
    service: Service, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    digits = tmp_path / "digits.json"
    digits.write_text(json.dumps({"images": [[3, 0]], "labels": [3]}))
    arguments = [f"a={service.url}", "--digits", str(digits), "--seconds", "0.2", "--rate", "50"]
    assert client.main(arguments) == 0
    shown = capsys.readouterr().out
    assert "a: " in shown
    assert "v1: 100.0% of" in shown
    service.mode = "error"
    assert client.main(arguments) == 1
