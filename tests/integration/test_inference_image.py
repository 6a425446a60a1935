# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inference images, started as strictly as a release starts them, answer as their README says."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab import engine, inference_images, traffic
from tests.lab.client import Traffic, load_pictures
from tests.lab.inference_images import Inference

pytestmark = pytest.mark.lab


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True, timeout=60).stdout.strip()


@pytest.fixture(scope="module")
def images() -> Inference:
    return inference_images.build(engine.client())


@contextlib.contextmanager
def service(image: str, *options: str) -> Iterator[tuple[str, str]]:
    """Container and URL of a ready service."""
    limits = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=256m", "--pids-limit=64"]
    container = docker("run", "--detach", *limits, "--publish=127.0.0.1::8000", *options, image)
    try:
        url = "http://" + docker("port", container, "8000/tcp").splitlines()[0]
        deadline = time.monotonic() + 20
        while get(f"{url}/v2/health/ready")[0] != 200:
            assert time.monotonic() < deadline, docker("logs", container)
            time.sleep(0.05)
        yield container, url
    finally:
        docker("rm", "--force", container)


def get(url: str, body: object = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=5) as response:
            text = response.read().decode()
            return response.status, json.loads(text) if "json" in response.headers["Content-Type"] else text
    except urllib.error.HTTPError as exc:
        return exc.code, json.loads(exc.read())
    except OSError as exc:
        return 0, str(exc)


@pytest.mark.parametrize(
    ("variant", "status", "right"),
    [
        ("v1", 200, True),
        ("v2", 200, True),
        ("v3", 200, False),
        ("v3-slow", 200, True),
        ("v3-errors", 500, False),
        ("slow", 200, True),
    ],
)
def test_every_variant_is_ready_and_only_the_good_ones_pass_the_golden_request(
    images: Inference, variant: str, status: int, right: bool
) -> None:
    golden = inference_images.golden()
    with service(images.tags[variant]) as (_rest, url):
        assert get(f"{url}/v2/models/digits/ready")[0] == 200
        assert get(f"{url}/v2/models/digits")[1]["versions"] == [variant]
        code, answer = get(f"{url}/v2/models/digits/infer", golden["request"])
    assert code == status
    labels = [output["data"] for output in answer.get("outputs", [])]
    assert (labels == [golden["expect"]["outputs"][0]["data"]]) is right


def test_real_images_are_read_as_well_as_training_said(images: Inference) -> None:
    pictures = load_pictures(images.digits)
    for variant in ("v1", "v2", "v3"):
        with service(images.tags[variant]) as (_rest, url):
            client = Traffic({variant: url}, pictures, rate=400, max_requests=len(pictures), max_seconds=60)
            with client:
                while client.running():
                    time.sleep(0.05)
        tally = traffic.accuracy_by_version(client.answers())[variant]
        assert tally.answers == len(pictures)
        assert tally.accuracy == pytest.approx(images.accuracy()[variant], abs=0.005)


def test_a_slowed_variant_takes_three_times_as_long_as_it_is_told(images: Inference) -> None:
    took = {}
    for variant in ("v2", "slow"):
        with service(images.tags[variant], "--env=MIN_MS=50") as (_rest, url):
            golden = inference_images.golden()["request"]
            get(f"{url}/v2/models/digits/infer", golden)
            began = time.monotonic()
            for _again in range(10):
                assert get(f"{url}/v2/models/digits/infer", golden)[0] == 200
            took[variant] = (time.monotonic() - began) / 10
    assert took["v2"] >= 0.05 and took["slow"] >= 0.15
    assert took["slow"] > 2 * took["v2"]


def test_the_slow_variant_is_at_least_three_times_slower(images: Inference) -> None:
    pictures = load_pictures(images.digits)
    means = {}
    for variant in ("v2", "v3-slow"):
        with service(images.tags[variant]) as (_rest, url):
            client = Traffic({variant: url}, pictures, rate=50, max_requests=100, max_seconds=30)
            with client:
                while client.running():
                    time.sleep(0.05)
            _status, metrics = get(f"{url}/metrics")
        assert f'inference_model_info{{model="digits",version="{variant}"}} 1.0' in metrics
        assert "inference_latency_seconds_count 100.0" in metrics
        total = next(line for line in metrics.splitlines() if line.startswith("inference_latency_seconds_sum"))
        means[variant] = float(total.split()[1]) / 100
    assert means["v3-slow"] > 3 * means["v2"]


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("infer", {}, 400, "needs 'inputs'"),
        ("infer", {"inputs": [{"name": "picture"}]}, 400, "input name is 'picture'"),
        ("versions/v9/infer", {}, 404, "only digits v1"),
        (
            "infer",
            {"inputs": [{"name": "image", "datatype": "FP32", "shape": [1, 64], "data": [1, 2]}]},
            400,
            "does not fill the shape",
        ),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(
    images: Inference, path: str, body: object, status: int, words: str
) -> None:
    with service(images.tags["v1"]) as (_rest, url):
        code, answer = get(f"{url}/v2/models/digits/{path}", body)
    assert code == status
    assert words in answer["error"]


def test_it_stops_at_once_and_in_order(images: Inference) -> None:
    with service(images.tags["v1"]) as (container, _rest):
        started = time.monotonic()
        docker("stop", container)
        took = time.monotonic() - started
        assert docker("inspect", "--format={{.State.ExitCode}}", container) == "0"
    assert took < 2, f"docker stop took {took:.1f} s; it would be 10 s if the service did not heed SIGTERM"


def test_a_missing_model_is_one_clear_line(images: Inference) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--env=MODEL_DIR=/models/none", images.tags["v1"]],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3
    assert done.stderr.strip().splitlines() == [
        "no model can be loaded from /models/none: [Errno 2] No such file or directory: '/models/none/model.json'"
    ]
