# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers one request of HTTP on a connection that systemd accepted, and ends. Nothing of it is resident.

There is no TLS, because nothing here is secret and nothing is believed: a node signs what it asks, and checks what it gets.
"""

from __future__ import annotations

import json
import os
import select
import time
import typing as t

from .._core import issuing_http, renewal
from .._core.issuing_http import BadRequest
from . import ca_issue
from .ca import Authority
from .errors import NodeError

DEADLINE = 10.0
"""Seconds in which a request must have come as a whole, and its answer must have gone."""
_STATUS = {"certificate": 403, "pace": 429, "clock": 503, "ca": 503, "busy": 503}


def serve(authority: Authority, source: int = 0, sink: int = 1, deadline: float = DEADLINE) -> str:
    """Returns a line for the journal."""
    until = time.monotonic() + deadline
    try:
        raw = _receive(source, until)
        status, body, retry = respond(authority, raw)
    except BadRequest as exc:
        status, body, retry = exc.status, {"error": str(exc)}, 0
    _send(sink, issuing_http.answer(status, body, retry), time.monotonic() + deadline)
    return f"{status}: {body.get('error') or 'signed ' + ', '.join(body['certificates'])}"


def respond(authority: Authority, raw: bytes) -> t.Tuple[int, t.Dict[str, t.Any], int]:
    """(status, body, seconds to wait) for the body of a request."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadRequest(400, "wanted JSON, found something else") from None
    try:
        return 200, ca_issue.renew(authority, data), 0
    except NodeError as exc:
        body: t.Dict[str, t.Any] = {"error": exc.message}
        if isinstance(exc, ca_issue.Pace):  # all who were refused together would come back together
            body["retry_after"] = renewal.again(exc.wait, time.time(), str(data.get("node", "")))
        return _STATUS.get(exc.cause, 500), body, body.get("retry_after", 0)


def _receive(source: int, until: float) -> bytes:
    """The body of the one request.

    :raises BadRequest: where it is too long, or takes too long.
    """
    data = b""
    while b"\r\n\r\n" not in data:
        if len(data) > issuing_http.LARGEST_HEAD:
            raise BadRequest(413, f"the head of the request has more than {issuing_http.LARGEST_HEAD} bytes")
        data += _more(source, until)
    first, _blank, body = data.partition(b"\r\n\r\n")
    length = issuing_http.head(first)
    parts, size = [body], len(body)
    while size < length:
        parts.append(_more(source, until))
        size += len(parts[-1])
    return b"".join(parts)[:length]


def _more(source: int, until: float) -> bytes:
    ready, _writable, _odd = select.select([source], [], [], max(0.0, until - time.monotonic()))
    if not ready:
        raise BadRequest(408, "the request did not come as a whole in time")
    try:
        found = os.read(source, 1 << 16)
    except OSError:
        found = b""
    if not found:
        raise BadRequest(400, "the request ended too early")
    return found


def _send(sink: int, data: bytes, until: float) -> None:
    """One who does not read what he asked for is left alone."""
    while data:
        _readable, ready, _odd = select.select([], [sink], [], max(0.0, until - time.monotonic()))
        if not ready:
            return
        try:
            # A pipe that has room for some takes no more than this without waiting.
            data = data[os.write(sink, data[:4096]) :]
        except OSError:
            return
