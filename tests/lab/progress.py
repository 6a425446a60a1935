# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress lines on standard error, so that nothing that takes long looks stuck."""

from __future__ import annotations

import contextlib
import fcntl
import sys
import threading
import time
import typing as t
from pathlib import Path

TICK_SECONDS = 10.0


def say(message: str) -> None:
    print(f"lab: {message}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(message: str) -> t.Iterator[None]:
    """Says what begins, that it still runs every ten seconds, and how long it took."""
    say(f"{message} ...")
    start = time.monotonic()
    done = threading.Event()

    def tick() -> None:
        while not done.wait(TICK_SECONDS):
            say(f"{message} ... {time.monotonic() - start:.0f} s")

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()
    say(f"{message}: done in {time.monotonic() - start:.1f} s")


@contextlib.contextmanager
def alone(path: Path, what: str) -> t.Iterator[None]:
    """Lets one process at a time do `what`; the others wait and say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step(f"wait for another process to {what}"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield
