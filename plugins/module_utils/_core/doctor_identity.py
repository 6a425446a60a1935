# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what a node proves and keeps: its certificates, lists of what is revoked, secrets."""

from __future__ import annotations

import typing as t

from .clock import DOUBTFUL
from .doctor_finding import Check, Finding, NotChecked, Seen, failure, warning
from .doctor_machine import day, number, rows

_LOOK = "see `edge certificates`"
_DO = {
    "expired": "see why the gateway does not renew it (`edge certificates --renew` tries it now), or renew it by push",
    "other": "send it a certificate by push, after the roots that count (playbook pki)",
}


def _now(seen: Seen) -> float:
    """:raises NotChecked: while the clock says nothing about what has run out."""
    found = seen.get("clock")
    now = number(seen.get("controller")) or number(seen.get("now"))
    if now is None or (isinstance(found, dict) and found.get("state") == DOUBTFUL):
        raise NotChecked("the clock is in doubt, so nobody knows what has run out")
    return now


def own_certificates(seen: Seen) -> t.Iterator[Finding]:
    if seen.get("own_certificates_error"):
        yield warning("certificates", str(seen["own_certificates_error"])[:300], "certificates that can be read", _LOOK)
        return
    found = rows(seen.get("own_certificates"))
    if not found:
        raise NotChecked("no certificate is wanted here")
    now = _now(seen)
    for item in found:
        yield from _certificate(item, now)


def _certificate(item: t.Mapping[str, t.Any], now: float) -> t.Iterator[Finding]:
    where = f"certificate {item.get('name')}"
    shown, problem = item.get("installed"), str(item.get("problem") or "")[:300]
    why = f": {problem}" if problem else f" ({item.get('reason')})" if item.get("reason") else ""
    if item.get("revoked"):
        yield failure(
            where,
            "it is revoked",
            "one that counts",
            "the node was cut off, or replaced: ask who did it (docs/block.md)",
        )
    elif item.get("untrusted"):
        yield failure(
            where, str(item["untrusted"])[:300], "an issuer that leads to a root that counts here", _DO["other"]
        )
    if not isinstance(shown, dict):
        yield warning(where, f"there is none yet{why}", "one", _DO["other"])
        return
    end, begin = number(shown.get("not_after")), number(shown.get("not_before"))
    if end is None or begin is None:
        yield warning(where, "its times are unknown", "a certificate with a beginning and an end", _LOOK)
    elif end <= now:
        yield failure(where, f"it ran out on {day(end)} and was not renewed{why}", "one that is valid", _DO["expired"])
    elif begin > now + 300:
        yield failure(
            where,
            f"it begins on {day(begin)}",
            "one that is valid",
            "one of two clocks is or was wrong: renew it by push",
        )
    elif problem:
        due = (
            "it is due and was not renewed"
            if item.get("due") or "waits" in str(item.get("reason"))
            else "something is wrong with it"
        )
        yield warning(
            where, f"{due}: {problem}; it runs out on {day(end)}", "one that is renewed in time", _DO["expired"]
        )


def revocation_lists(seen: Seen) -> t.Iterator[Finding]:
    if seen.get("revocation_lists_error"):
        yield failure(
            "crl.pem", str(seen["revocation_lists_error"])[:300], "lists that can be read", "run the playbook pki"
        )
        return
    found = rows(seen.get("revocation_lists"))
    if not found:
        raise NotChecked("there are no lists of what is revoked here")
    now = _now(seen)
    for item in found:
        end, where = number(item.get("next_update")), f"list of '{item.get('issuer')}'"
        if end and end <= now:
            wanted = "a list that is newer: services that look at it refuse all that this issuer signed"
            do = "for the root, run the playbook pki; for the site, see `edge ca status` at its gateway, and `edge certificates --renew` here"
            yield failure(where, f"it should have been replaced by {day(end)}", wanted, do)


def sealed_secrets(seen: Seen) -> t.Iterator[Finding]:
    found = rows(seen.get("sealed_secrets"))
    if not found:
        raise NotChecked("no tenant has secrets here")
    for item in found:
        if item.get("problem"):
            wanted = "secrets that the node can unseal: without them a container does not start after a boot"
            do = "deliver them again (playbook secrets)"
            yield failure(f"tenant {item.get('tenant')}", str(item["problem"])[:300], wanted, do)


CHECKS = (
    Check(
        "own_certificates",
        "certificates of the node and its workloads are valid, renewed in time, not revoked, and lead to a root that counts",
        own_certificates,
    ),
    Check("revocation_lists", "no list of what is revoked is older than its next one", revocation_lists),
    Check("sealed_secrets", "all secrets of tenants can be unsealed", sealed_secrets),
)
