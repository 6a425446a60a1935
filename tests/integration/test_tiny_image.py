# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tiny image goes wrong in exactly the ways that its variants promise. Run on this machine's engine."""

from __future__ import annotations

import json
import time
import typing as t
import urllib.error
import urllib.request

import pytest

from tests.lab import engine, images

pytestmark = pytest.mark.lab
REQUEST = json.dumps({"inputs": [{"name": "image", "datatype": "FP32", "shape": [1, 64], "data": [0.0] * 64}]}).encode()


class Run:
    """A container of a variant, run as the collection runs workloads: read-only, without capabilities."""

    def __init__(self, variant: str, version: str, volume: str) -> None:
        client = engine.client()
        self.created = time.monotonic()
        self.container = client.containers.run(
            images.tiny(client, variant, version),
            detach=True,
            read_only=True,
            cap_drop=["ALL"],
            ports={"8000/tcp": ("127.0.0.1", None)},
            volumes={volume: {"bind": "/data", "mode": "rw"}},
        )

    def get(self, path: str, data: bytes | None = None) -> tuple[int, str]:
        self.container.reload()
        port = self.container.attrs["NetworkSettings"]["Ports"]["8000/tcp"][0]["HostPort"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as exc:
            return exc.code, exc.read().decode()

    def served(self) -> bool:
        """Whether it serves anything within ten seconds."""
        for _rest in range(100):
            try:
                return self.get("/version")[0] == 200
            except OSError:
                time.sleep(0.1)
        return False

    def end(self) -> tuple[int, str]:
        code = self.container.wait(timeout=30)["StatusCode"]
        return int(code), self.container.logs().decode()


@pytest.fixture
def run() -> t.Iterator[t.Callable[[str, str], Run]]:
    engine.up()
    client = engine.client()
    volume = client.volumes.create()
    runs: list[Run] = []

    def start(variant: str, version: str = "1") -> Run:
        runs.append(Run(variant, version, volume.name))
        return runs[-1]

    yield start
    for one in runs:
        one.container.remove(force=True)
    volume.remove()


def test_ok_serves_its_version_health_metrics_and_the_right_answer(run: t.Callable[..., Run]) -> None:
    one = run("ok", "2")
    assert one.served()
    assert one.get("/version") == (200, "2")
    assert one.get("/v2/health/ready")[0] == 200
    assert 'inference_latency_seconds{model="digits",quantile="0.95"} 0.010\n' in one.get("/metrics")[1]
    status, body = one.get("/v2/models/digits/infer", REQUEST)
    assert (status, json.loads(body)["outputs"][0]["data"]) == (200, [7])
    assert one.get("/nothing")[0] == 404
    start = time.monotonic()
    one.container.stop(timeout=10)
    assert time.monotonic() - start < 5
    assert one.end()[0] == 0


def test_wrong_is_ready_and_answers_wrongly(run: t.Callable[..., Run]) -> None:
    one = run("wrong", "3")
    assert one.served()
    assert one.get("/v2/health/ready")[0] == 200
    assert json.loads(one.get("/v2/models/digits/infer", REQUEST)[1])["outputs"][0]["data"] == [1]


def test_slow_is_ready_and_slow_and_says_so(run: t.Callable[..., Run]) -> None:
    one = run("slow", "3")
    assert one.served()
    assert one.get("/v2/health/ready")[0] == 200
    start = time.monotonic()
    assert one.get("/v2/models/digits/infer", REQUEST)[0] == 200
    assert time.monotonic() - start >= 2
    assert 'quantile="0.95"} 2.000\n' in one.get("/metrics")[1]


def test_bad_runs_but_is_never_ready(run: t.Callable[..., Run]) -> None:
    one = run("bad", "3")
    assert one.served()
    assert one.get("/v2/health/ready")[0] == 503


def test_crash_says_why_and_exits_with_3(run: t.Callable[..., Run]) -> None:
    assert run("crash", "3").end() == (3, "tiny 3: cannot open model file /models/digits.onnx\n")


def test_migrate_changes_the_data_and_fails_with_4(run: t.Callable[..., Run]) -> None:
    assert run("ok", "1").served()
    code, logs = run("migrate", "2").end()
    assert code == 4
    assert "migrating /data from schema 1" in logs
    code, logs = run("migrate", "3").end()
    assert "migrating /data from schema 2" in logs


def test_slowstop_needs_its_eight_seconds(run: t.Callable[..., Run]) -> None:
    one = run("slowstop")
    assert one.served()
    start = time.monotonic()
    one.container.stop(timeout=20)
    assert 8 <= time.monotonic() - start < 15
    assert one.end()[0] == 0
