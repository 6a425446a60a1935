# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.physical_ai.edge.plugins.plugin_utils.certificate_push import SpecError, definition, todo

DAY = 86400
NAMES = {"dns": ["cam01.kiruna.example"], "ip": [], "uri": ["spiffe://acme/site/kiruna/node/cam01"]}
HUP = {"reload": {"kind": "unit", "unit": "nginx.service"}, "owner": 1000, "prove": {"within": "20s"}}


def row(days: float = 20, settings: t.Any = None, **more: t.Any) -> dict[str, t.Any]:
    installed = {"issuer": "CN=ca 1", "not_before": 0, "not_after": 30 * DAY, "days_left": days}
    found = {"name": "node", "installed": installed, "wanted": False, "stale": False, "revoked": False}
    return {**found, "definition": definition("node", NAMES, settings or {}, "cam01"), **more}


def ask(rows: list[t.Any], settings: t.Any = None, **selection: t.Any) -> dict[str, bool]:
    return todo(rows, {"node": NAMES}, {"node": settings} if settings else {}, "cam01", selection)


def test_what_is_as_it_should_be_wants_nothing() -> None:
    assert ask([row()]) == {} == ask([row(settings=HUP)], HUP)
    assert ask([row(settings=HUP)], {**HUP, "endpoint": None}) == {}


@pytest.mark.parametrize(
    "rows",
    [[], [row(wanted=True)], [row(stale=True)], [row(settings=HUP)], [row(definition=None)]],
    ids=["there is none", "due", "other trust", "used in another way", "torn"],
)
def test_what_is_missing_or_different_is_asked_for(rows: list[t.Any]) -> None:
    assert ask(rows) == {"node": False}


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        ({"all": True}, True),
        ({"issuer": "CN=ca 1"}, True),
        ({"issuer": "CN=ca 2"}, False),
        ({"days_left": "21"}, True),
        ({"days_left": 20}, False),
        ({"older_than": 9}, True),
        ({"older_than": "10"}, False),
        ({"issuer": "CN=ca 2", "older_than": 9}, True),
        ({"days_left": "", "older_than": "", "signed_before": ""}, False),
        ({"signed_before": "1970-01-01T00:05:01Z"}, True),
        ({"signed_before": "1970-01-01T00:05:00"}, False),
        ({"signed_before": "1970-01-01T02:05:01+02:00"}, True),
    ],
)
def test_what_is_replaced_although_it_is_not_due(selection: dict[str, t.Any], chosen: bool) -> None:
    assert ask([row()], **selection) == ({"node": True} if chosen else {})
    assert ask([row(revoked=True)]) == {"node": True}
    assert ask([row(installed=None, wanted=True)], days_left=5) == {"node": False}


@pytest.mark.parametrize(
    ("settings", "selection", "words"),
    [
        ({"reload": {"kind": "unit"}}, {}, "certificates_settings.node: certificate.reload"),
        ({"relaod": {}}, {}, "certificates_settings.node: certificate: unknown key 'relaod'"),
        ("nginx", {}, "certificates_settings.node: found 'nginx', wanted a mapping"),
        ({}, {"days_left": "soon"}, "certificates_renew_days_left: found 'soon', wanted a number of days"),
    ],
)
def test_mistakes_are_one_line(settings: t.Any, selection: dict[str, t.Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        ask([row()], settings, **selection)
    assert words in str(caught.value) and "\n" not in str(caught.value)
