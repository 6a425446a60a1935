# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts a tenant, or all of them, off at this node. Its certificates are revoked elsewhere, by the issuing CA of the site.

First a hold that nobody releases by accident, so that nothing new begins; then what it has is taken away. Each part may be cut
off and done again. What runs goes on, unless it shall be stopped.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
import uuid

from .._core import outcome
from .._core import secrets as _secrets
from .._core.fields import Field, SpecError, boolean, choice, mapping, text
from .._core.names import NAME
from . import holds, ledger, program, secrets
from .errors import NodeError
from .node import Node

ALL = "all"
Result = t.Dict[str, t.Any]


def _words(where: str, value: t.Any) -> str:
    return "" if value == "" else text()(where, value)


_REQUEST = mapping(
    {
        "scope": Field(text(NAME, f"the name of a tenant, or {ALL}"), required=True, doc="who is cut off"),
        "state": Field(choice("present", "absent"), default="present", doc="whether it is"),
        "stop": Field(boolean, default=False, doc="whether what runs of it is stopped and taken away"),
        "reason": Field(_words, default="", doc="why"),
        "who": Field(_words, default="", doc="who says so"),
        "check": Field(boolean, default=False, doc="whether nothing is to be changed"),
    }
)


def carry_out(node: Node, data: t.Any) -> Result:
    """`changed`, `msg`, and of what was done: `held`, `secrets` by tenant, `credentials` and `stopped`; `problems` are what is left."""
    try:
        asked = _REQUEST("block", data)
        if asked["state"] == "present" and not asked["reason"]:
            raise SpecError("block: say why, for the others (reason)")
    except SpecError as exc:
        raise NodeError("program", str(exc)) from None
    return _block(node, asked) if asked["state"] == "present" else _unblock(node, asked)


def _result(asked: t.Mapping[str, t.Any], changed: bool, msg: str, **facts: t.Any) -> Result:
    found: Result = {"changed": changed, "msg": msg, "held": asked["state"] == "present"}
    found.update(secrets={}, credentials=False, stopped=[], problems=[])
    found.update(facts)
    return dict(found, failed=bool(found["problems"]))


def _block(node: Node, asked: t.Mapping[str, t.Any]) -> Result:
    scope, dry = asked["scope"], asked["check"]
    changed = _is_new(node, asked) if dry else holds.block(node, scope, asked["reason"], asked["who"])
    state = node.store.load()
    known = {*state.tenants, *secrets.tenants(node.paths)}
    stopped: t.List[str] = []
    taken: t.Dict[str, t.List[str]] = {}
    problems: t.List[str] = []
    for tenant in sorted(known if scope == ALL else known & {scope}):
        if asked["stop"]:
            with _noted(problems, tenant):
                have = state.tenants.get(tenant)
                names = sorted(have.workloads) if have is not None else []
                stopped += [f"{tenant}/{name}" for name in (names if dry else program.end_tenant(node, tenant))]
        names = [_secrets.label(name) for name in secrets.index(node.paths, tenant)]
        if names:
            taken[tenant] = names
            problems += [] if dry else _take(node, tenant, asked)
    credentials = scope == ALL and _take_credentials(node, dry)
    changed = bool(changed or stopped or taken or credentials)
    result = _result(
        asked,
        changed,
        _told(asked, stopped, taken, credentials, problems, changed),
        secrets=taken,
        credentials=credentials,
        stopped=stopped,
        problems=problems,
    )
    return _noted_down(node, asked, "blocked", result)


def _is_new(node: Node, asked: t.Mapping[str, t.Any]) -> bool:
    return not any(item.get("blocked") and item["scope"] == asked["scope"] for item in node.store.holds())


@contextlib.contextmanager
def _noted(problems: t.List[str], tenant: str) -> t.Iterator[None]:
    """What cannot be done of one part holds up no other."""
    try:
        yield
    except NodeError as exc:
        problems.append(f"{tenant}: {exc.message}")


def _take(node: Node, tenant: str, asked: t.Mapping[str, t.Any]) -> t.List[str]:
    request = _secrets.Request(
        uuid.uuid4().hex, tenant, {}, {}, who=asked["who"], reason=f"blocked: {asked['reason']}", force=True
    )
    result = program.deliver(node, request)
    return [] if result["class"] in (outcome.SUCCESS, outcome.UNCHANGED) else [f"{tenant}: {result['msg']}"]


def _take_credentials(node: Node, dry: bool) -> bool:
    """Those of the node itself, which tenants use that have none of their own."""
    path = f"{node.paths.configuration}/docker/config.json"
    if not os.path.exists(path):
        return False
    if not dry:
        os.unlink(path)
    return True


def _told(
    asked: t.Mapping[str, t.Any],
    stopped: t.Sequence[str],
    taken: t.Mapping[str, t.Sequence[str]],
    credentials: bool,
    problems: t.Sequence[str],
    changed: bool,
) -> str:
    who = "all tenants" if asked["scope"] == ALL else f"tenant {asked['scope']}"
    said = [f"{who}: {'blocked' if changed else 'blocked already'}"]
    said += [f"stopped: {', '.join(stopped)}"] if stopped else []
    names = [f"{tenant}: {', '.join(names)}" for tenant, names in taken.items()]
    said += [f"secrets taken away: {'; '.join(names)}"] if names else []
    said += ["pull credentials of the node taken away"] if credentials else []
    said += [f"NOT done: {line}" for line in problems]
    return "; ".join(said)


def _unblock(node: Node, asked: t.Mapping[str, t.Any]) -> Result:
    changed = not _is_new(node, asked) if asked["check"] else holds.unblock(node, asked["scope"])
    msg = f"{asked['scope']}: {'changes go on; deliver its secrets again' if changed else 'it was not blocked'}"
    return _noted_down(node, asked, "unblocked", _result(asked, changed, msg))


def _noted_down(node: Node, asked: t.Mapping[str, t.Any], what: str, result: Result) -> Result:
    if result["changed"] and not asked["check"]:
        facts = {key: asked[key] for key in ("scope", "reason", "who")}
        parts = {key: result[key] for key in ("secrets", "credentials", "stopped")}
        ledger.note(node.paths, "block", what=what, msg=result["msg"], **facts, **parts)
    return result
