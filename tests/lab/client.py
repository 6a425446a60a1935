# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the inference service: it sends real images of digits and records what each request got.

    python -m tests.lab.client NAME=http://address:port ... --digits digits.json --seconds 10

One thread for each endpoint, at a steady rate, bounded in number and time. A new connection for each
request, as many clients do it, so that a moved or restarted service is noticed at once.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from tests.lab import traffic
from tests.lab.traffic import Answer

MODEL_PATH = "/v2/models/digits/infer"


@dataclass(frozen=True)
class Picture:
    """A ready request body and the label that is right for it."""

    body: bytes
    label: int


def load_pictures(path: Path) -> list[Picture]:
    data = json.loads(path.read_text())
    return [Picture(request_body(pixels), label) for pixels, label in zip(data["images"], data["labels"], strict=True)]


def request_body(pixels: Sequence[int]) -> bytes:
    tensor = {"name": "image", "datatype": "FP32", "shape": [1, len(pixels)], "data": list(pixels)}
    return json.dumps({"inputs": [tensor], "outputs": [{"name": "label"}]}).encode()


def read_answer(status: int, body: bytes) -> tuple[str, int]:
    """Version and label of an Open Inference Protocol answer; ValueError says why it is none."""
    try:
        document: Any = json.loads(body)
    except ValueError:
        raise ValueError(f"HTTP {status} with a body that is not JSON") from None
    if status != 200:
        reason = document.get("error", "") if isinstance(document, dict) else ""
        raise ValueError(f"HTTP {status}: {reason}".rstrip(": "))
    try:
        label = next(output["data"][0] for output in document["outputs"] if output["name"] == "label")
        return str(document["model_version"]), int(label)
    except (KeyError, IndexError, StopIteration, TypeError):
        raise ValueError("HTTP 200 without a label") from None


class Traffic:
    """Continuous requests to several endpoints. Use as a context manager, or start() and stop()."""

    def __init__(
        self,
        endpoints: Mapping[str, str],
        pictures: Sequence[Picture],
        *,
        rate: float = 10.0,
        timeout: float = 2.0,
        max_requests: int = 50_000,
        max_seconds: float = 3600.0,
    ) -> None:
        if not endpoints or not pictures:
            raise ValueError("a client needs at least one endpoint and one picture")
        self._endpoints = {name: urlsplit(url) for name, url in endpoints.items()}
        self._pictures = list(pictures)
        self._period = 1.0 / rate
        self._timeout = timeout
        self._max_requests = max_requests  # of each endpoint
        self._max_seconds = max_seconds
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._answers: list[Answer] = []
        self._started = 0.0
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Traffic:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def now(self) -> float:
        """Seconds since the start: the clock of all answers."""
        return time.monotonic() - self._started

    def start(self) -> None:
        self._started = time.monotonic()
        for index, name in enumerate(self._endpoints):
            # Spread over the period, so that the endpoints do not all ask in the same instant.
            delay = self._period * index / len(self._endpoints)
            thread = threading.Thread(target=self._ask, args=(name, index, delay), name=f"client-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> list[Answer]:
        """End, wait for requests in flight, and return all answers in the order in which they were sent."""
        self._stop.set()
        for thread in self._threads:
            thread.join(self._timeout + 1)
        return self.answers()

    def answers(self) -> list[Answer]:
        with self._lock:
            return sorted(self._answers, key=lambda answer: answer.sent)

    def running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _slots(self, delay: float) -> Iterator[int]:
        """Numbers of requests, each at its time; times missed while a request hung are left out, not made up for."""
        due = delay
        for number in range(self._max_requests):
            if self._stop.wait(max(0.0, due - self.now())) or self.now() > self._max_seconds:
                return
            yield number
            late = self.now() - due
            due += self._period * max(1, int(late / self._period) + 1)

    def _ask(self, name: str, index: int, delay: float) -> None:
        # Every endpoint walks through all pictures, from a place of its own.
        start = index * 37 % len(self._pictures)
        pictures = itertools.islice(itertools.cycle(self._pictures), start, None)
        for _rest in self._slots(delay):
            answer = self._one(name, next(pictures))
            with self._lock:
                self._answers.append(answer)

    def _one(self, name: str, picture: Picture) -> Answer:
        sent = self.now()
        try:
            version, label = self._post(name, picture.body)
        except (OSError, http.client.HTTPException, ValueError) as exc:
            reason = str(exc) or type(exc).__name__
            return Answer(sent, name, self.now() - sent, ok=False, error=reason)
        return Answer(sent, name, self.now() - sent, ok=True, version=version, right=label == picture.label)

    def _post(self, name: str, body: bytes) -> tuple[str, int]:
        url = self._endpoints[name]
        connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=self._timeout)
        try:
            connection.request("POST", MODEL_PATH, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return read_answer(response.status, response.read(1 << 20))
        finally:
            connection.close()


def report(answers: Sequence[Answer]) -> Iterator[str]:
    """A few lines for people: by endpoint and by version."""
    found = traffic.gaps(answers)
    for name, group in traffic.by_endpoint(answers).items():
        failed = sum(not answer.ok for answer in group)
        line = f"{name}: {len(group)} requests, {failed} failed"
        spread = traffic.latencies(group)
        if spread:
            line += f", p50 {spread.p50 * 1000:.1f} ms, p95 {spread.p95 * 1000:.1f} ms, p99 {spread.p99 * 1000:.1f} ms"
        yield line + f", longest gap {traffic.longest_gap(found, name, 0, float('inf')):.2f} s"
    for version, tally in traffic.accuracy_by_version(answers).items():
        yield f"{version}: {tally.accuracy:.1%} of {tally.answers} answers right"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Send images of digits to inference services and measure.")
    parser.add_argument("endpoint", nargs="+", help="NAME=URL, such as kiruna-gw01=http://10.20.1.2:8000")
    parser.add_argument("--digits", type=Path, required=True, help="digits.json of the built models")
    parser.add_argument("--rate", type=float, default=10.0, help="requests a second to each endpoint")
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args(arguments)
    endpoints = dict(item.split("=", 1) for item in given.endpoint if "=" in item)
    if len(endpoints) != len(given.endpoint):
        parser.error("each endpoint is NAME=URL, with a name of its own")
    client = Traffic(endpoints, load_pictures(given.digits), rate=given.rate, max_seconds=given.seconds)
    with client:
        while client.running():
            time.sleep(0.2)
    answers = client.answers()
    print("\n".join(report(answers)))
    return 0 if all(answer.ok for answer in answers) else 1


if __name__ == "__main__":
    sys.exit(main())
