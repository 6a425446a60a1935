# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one request of HTTP that an issuing CA answers, within strict bounds. Pure."""

from __future__ import annotations

import json
import re
import typing as t

from .fields import show

PORT = 4460
PATH = "/certificates"
LARGEST_BODY = 256 << 10
LARGEST_HEAD = 8 << 10


class BadRequest(Exception):
    """A request of HTTP that is not answered with certificates."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


_WORDS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    413: "Content Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def head(raw: bytes) -> int:
    """The length of the body that follows this head (without its empty line).

    :raises BadRequest: for anything but a POST to the one path with a length within bounds.
    """
    try:
        first, *lines = raw.decode("ascii").split("\r\n")
        method, target, version = first.split(" ")
    except (UnicodeDecodeError, ValueError):
        raise BadRequest(400, "this is no request of HTTP") from None
    if not re.fullmatch(r"HTTP/1\.[01]", version):
        raise BadRequest(400, f"wanted HTTP/1.1, found {show(version)}")
    if target != PATH:
        raise BadRequest(404, f"there is only {PATH} here")
    if method != "POST":
        raise BadRequest(405, f"{PATH} takes POST only")
    fields: t.Dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or name.lower() in fields:
            raise BadRequest(400, f"the header line {show(line)} is damaged or there twice")
        fields[name.lower()] = value.strip()
    if "transfer-encoding" in fields or not re.fullmatch(r"\d{1,9}", fields.get("content-length", "")):
        raise BadRequest(411, "wanted the header Content-Length, and no Transfer-Encoding")
    length = int(fields["content-length"])
    if length > LARGEST_BODY:
        raise BadRequest(413, f"found {length} bytes, wanted at most {LARGEST_BODY}")
    return length


def answer(status: int, body: t.Mapping[str, t.Any], retry: int = 0) -> bytes:
    """A whole answer of HTTP."""
    content = json.dumps(body).encode("utf-8") + b"\n"
    lines = [
        f"HTTP/1.1 {status} {_WORDS[status]}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        "Connection: close",
        *([f"Retry-After: {retry}"] if retry else []),
        "",
        "",
    ]
    return "\r\n".join(lines).encode("ascii") + content
