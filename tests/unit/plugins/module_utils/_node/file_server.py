# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of one file on loopback, with everything that servers and links do wrong."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
import typing as t
from dataclasses import dataclass, field


@dataclass
class Behaviour:
    """
    :param content: what is served at /model.bin.
    :param cuts: after so many bytes of the body the connection ends, one for each answer; then no more.
    :param statuses: answers before the file is served, one for each request.
    :param bodies: the content of each answer, where it changes; the last one stays.
    :param etags: the tag at each request, where it changes; the last one stays.
    :param length: whether the size is told.
    :param shift: by how much a part begins elsewhere than was asked for.
    """

    content: bytes
    ranges: bool = True
    etag: t.Optional[str] = '"one"'
    length: bool = True
    cuts: t.List[int] = field(default_factory=list)
    statuses: t.List[int] = field(default_factory=list)
    bodies: t.List[bytes] = field(default_factory=list)
    etags: t.List[str] = field(default_factory=list)
    shift: int = 0
    asked: t.List[t.Dict[str, str]] = field(default_factory=list)
    sent: int = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    behaviour: Behaviour

    def log_message(self, *arguments: t.Any) -> None:
        """Not on standard error."""

    def do_GET(self) -> None:  # the name is that of the library
        how = self.behaviour
        how.asked.append({"path": self.path, **{key.lower(): value for key, value in self.headers.items()}})
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/model.bin")
            self.end_headers()
            return
        if how.statuses:
            self._refuse(how.statuses.pop(0))
        elif self.path.partition("?")[0] != "/model.bin":
            self._refuse(404)
        else:
            self._serve(how)

    def _refuse(self, code: int) -> None:
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _serve(self, how: Behaviour) -> None:
        if len(how.bodies) > 1:
            how.content = how.bodies.pop(0)
        elif how.bodies:
            how.content = how.bodies[0]
        if how.etags:
            how.etag = how.etags.pop(0) if len(how.etags) > 1 else how.etags[0]
        begin = self._begin(how)
        if begin > len(how.content):
            self._refuse(416)
            return
        body = how.content[begin:]
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin + how.shift}-{len(how.content) - 1}/{len(how.content)}")
        if how.etag:
            self.send_header("ETag", how.etag)
        if how.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if how.cuts:
            body = body[: how.cuts.pop(0)]
        how.sent += len(body)
        self.wfile.write(body)
        self.close_connection = True

    def _begin(self, how: Behaviour) -> int:
        match = re.match(r"bytes=(\d+)-", self.headers.get("Range") or "")
        fits = self.headers.get("If-Range") in (None, how.etag)
        return int(match.group(1)) if match and how.ranges and fits else 0


@contextlib.contextmanager
def served(behaviour: Behaviour) -> t.Iterator[str]:
    """The address of the folder."""
    handler = type("Handler", (_Handler,), {"behaviour": behaviour})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
