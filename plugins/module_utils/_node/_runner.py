# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs programs on the node. The only place of the node program that starts a process."""

from __future__ import annotations

import os
import subprocess
import typing as t
from dataclasses import dataclass

from .errors import NodeError

_ENVIRONMENT = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True)
class Done:
    """What a program left: its exit status and its output as text."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """The last line of what it said, for a message."""
        lines = [line.strip() for line in (self.err or self.out).splitlines() if line.strip()]
        return lines[-1] if lines else f"exit status {self.code}"


def environment() -> t.Dict[str, str]:
    merged = dict(os.environ, **_ENVIRONMENT)
    merged.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    merged.setdefault("HOME", "/root")
    return merged


def run(argv: t.Sequence[str], timeout: float = 60.0, stdin: t.Optional[t.IO[bytes]] = None, text: str = "") -> Done:
    """Runs a program to its end.

    :raises NodeError: where it cannot be started, or takes longer than `timeout` seconds.
    """
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function # the node program is no module
            list(argv),
            stdin=stdin if stdin is not None else (None if text else subprocess.DEVNULL),
            input=text.encode("utf-8") if text else None,
            capture_output=True,
            timeout=timeout,
            env=environment(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NodeError(
            "timeout", f"`{argv[0]} {argv[1] if len(argv) > 1 else ''}` did not end within {timeout:g} s"
        ) from None
    except OSError as exc:
        raise NodeError("program", f"`{argv[0]}` cannot be run: {exc.strerror}") from None
    return Done(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def run_to_null(argv: t.Sequence[str], timeout: float) -> Done:
    """Runs a program whose output is large and not wanted: only its exit status and its messages count."""
    with open(os.devnull, "wb") as sink:
        try:
            done = subprocess.run(  # pylint: disable=ansible-bad-function # the node program is no module
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.PIPE,
                timeout=timeout,
                env=environment(),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NodeError("timeout", f"`{argv[0]} {argv[1]}` did not end within {timeout:g} s") from None
    return Done(done.returncode, "", done.stderr.decode("utf-8", "replace"))


def feed(argv: t.Sequence[str], write: t.Callable[[t.IO[bytes]], None], timeout: float) -> Done:
    """Runs a program whose standard input is written by `write` as a stream."""
    process = subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with # the node program is no module
        list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment()
    )
    try:
        if process.stdin is None:
            raise NodeError("program", f"`{argv[0]}` takes no input")
        try:
            write(process.stdin)
            process.stdin.close()
        except BrokenPipeError:
            pass
        process.stdin = None
        out, dummy = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise NodeError("timeout", f"`{argv[0]} {argv[1]}` did not end within {timeout:g} s") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return Done(process.returncode, out.decode("utf-8", "replace"), "")
