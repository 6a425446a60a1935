# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts say that the time is, in the Date header of an answer: any web server says it, and no clock must be right for it."""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import ssl
import threading
import time
import typing as t
import urllib.parse

from .._core import clock as _clock

_ASK = 5.0
_SECONDS = 3.0
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, of which Python has no name
TRUST = "/etc/physical-ai/pki/trust.pem"
"""Roots of the fleet; the ones of the system count too."""

Answer = t.Tuple[t.Optional[float], float, str]
"""What a host said, the age of the kernel when it did, and why it said nothing."""


def ask(urls: t.Sequence[str], age: t.Callable[[], float], seconds: float = _ASK) -> t.Dict[str, Answer]:
    """The Date header of each host. All at once: a name that nobody resolves has a time limit of its own, which is longer."""
    answers: t.Dict[str, Answer] = dict.fromkeys(urls, (None, 0.0, "no answer in time"))

    def one(url: str) -> None:
        try:
            answers[url] = (_date(url), age(), "")
        except (OSError, http.client.HTTPException, ArithmeticError, ValueError) as exc:
            answers[url] = (None, 0.0, (exc.strerror if isinstance(exc, OSError) else None) or str(exc))

    threads = [threading.Thread(target=one, args=(url,), daemon=True) for url in answers]
    for item in threads:
        item.start()
    until = time.monotonic() + seconds
    for item in threads:
        item.join(max(0.0, until - time.monotonic()))
    return dict(answers)


def _date(url: str) -> float:
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    connection = (
        http.client.HTTPSConnection(host, parts.port, timeout=_SECONDS, context=_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=_SECONDS)
    )
    try:
        connection.request("HEAD", parts.path or "/", headers={"Cache-Control": "no-cache", "Connection": "close"})
        answer = connection.getresponse()
        if (answer.getheader("Age") or "0").strip() != "0":
            raise ValueError("it answers out of a cache")
        parsed = email.utils.parsedate_tz(answer.getheader("Date") or "")
    finally:
        connection.close()
    if parsed is None:
        raise ValueError("it does not say the date")
    # Without a zone it would be read as the local time, and it is GMT always.
    found = _clock.moment(email.utils.mktime_tz((*parsed[:9], parsed[9] or 0)))
    if found is None:
        raise ValueError("it says a date that no clock has")
    return found


def _context() -> ssl.SSLContext:
    """Who a host is, is checked; when its certificate ends is not, because that is asked of the clock in question."""
    context = ssl.create_default_context()
    context.verify_flags = ssl.VerifyFlags(_NO_CHECK_TIME)
    with contextlib.suppress(OSError):
        context.load_verify_locations(TRUST)
    return context
