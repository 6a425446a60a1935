# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module secrets, and which secrets a node gets: no value is ever said."""

from __future__ import annotations

import base64
import json
import types
import typing as t

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core.fields import SpecError
from ansible_collections.physical_ai.edge.plugins.modules import secrets
from ansible_collections.physical_ai.edge.plugins.plugin_utils import secrets as wanted

PLANTED = "pl4nted-61f0"


def params(**more: t.Any) -> dict[str, t.Any]:
    return {"tenant": "t", "values": {}, "registries": {}, "state": "present", "force": False, "reason": "", **more}


class Module:
    """As far as `run` needs one: it records what the program is given."""

    def __init__(self, answer: tuple[int, str, str] = (0, '{"class": "success"}', ""), check: bool = False) -> None:
        self.check_mode, self.answer, self.calls = check, answer, []  # type: ignore[var-annotated] # filled below

    def run_command(self, argv: list[str], data: str) -> tuple[int, str, str]:
        self.calls.append((argv, data))
        return self.answer


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets._edge, "installed", lambda: True)


def test_values_go_through_standard_input(program: None) -> None:
    module = Module()
    given = {"plc": PLANTED, "key": {"base64": base64.b64encode(b"\0\1").decode(), "version": 7}}
    found = secrets.delivery(params(values=given, registries={"r": {"username": "u", "password": PLANTED}}))
    assert secrets.run(t.cast(t.Any, module), found) == {"class": "success"}
    ((argv, data),) = module.calls
    assert argv == ["/usr/local/bin/edge", "secrets", "-"]
    sent = json.loads(data)
    assert base64.b64decode(sent["secrets"]["plc"]["value"]).decode() == PLANTED
    assert (sent["secrets"]["key"]["version"], sent["check"]) == ("7", False)
    assert secrets.hidden(found) >= {PLANTED, sent["secrets"]["plc"]["value"]}


def test_absent_sends_an_empty_set() -> None:
    found = secrets.delivery(params(values={"plc": PLANTED}, state="absent"))
    assert (found["secrets"], found["registries"]) == ({}, {})


def test_a_node_without_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets._edge, "installed", lambda: False)
    found = secrets.delivery(params(values={"plc": PLANTED}))
    foreseen = secrets.run(t.cast(t.Any, Module(check=True)), found)
    assert foreseen["changed"] and PLANTED not in json.dumps(foreseen)
    assert secrets.run(t.cast(t.Any, Module()), found)["class"] == "refused"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"values": {"plc": 7}}, ("values.plc", "wanted text", "not shown")),
        ({"values": {"plc": ""}}, ("secrets.plc", "empty")),
        ({"values": {"plc": {"text": PLANTED, "base64": "eA=="}}}, ("values.plc", "one of")),
        ({"values": {"plc": {"txt": PLANTED}}}, ("values.plc", "one of")),
        ({"values": {"plc": {"base64": PLANTED + "!"}}}, ("values.plc.base64", "no base64")),
        ({"values": {"plc": PLANTED * 9000}}, ("secrets.plc", "at most 65536")),
        ({"values": {"Plc Password": PLANTED}}, ("'Plc Password'", "at most 64")),
        ({"values": {f"s{n}": PLANTED * 4000 for n in range(20)}}, ("all of tenant t", "at most 524288")),
        ({"registries": {"r/x": {"username": "u", "password": PLANTED}}}, ("registries", "'r/x'", "a host")),
        ({"registries": {"r": {"user": "u", "password": PLANTED}}}, ("registries.r", "`username`")),
        ({"registries": {"r": {"username": "u:v", "password": PLANTED}}}, ("registries.r", "without ':'")),
        ({"registries": {"r": PLANTED}}, ("registries.r", "`username`")),
        ({"tenant": "A b"}, ("tenant", "'A b'")),
    ],
)
def test_bad_input_is_one_line_without_a_value(given: dict[str, t.Any], words: tuple[str, ...]) -> None:
    with pytest.raises(SpecError) as raised:
        secrets.delivery(params(**given))
    message = str(raised.value)
    assert "\n" not in message and PLANTED not in message
    for word in words:
        assert word in message, message


def test_main_shows_names_only(program: None, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[dict[str, t.Any]] = []
    module = types.SimpleNamespace(
        params=params(values={"plc": PLANTED, "b": 7}), check_mode=False, exit_json=lambda **more: ended.append(more)
    )
    monkeypatch.setattr(secrets, "AnsibleModule", lambda **dummy: module)
    monkeypatch.setattr(secrets, "run", lambda *dummy: {})
    with pytest.raises(UnboundLocalError):  # the real exit_json ends the module
        secrets.main()
    assert ended[0]["failed"] and ended[0]["invocation"]["module_args"]["values"] == ["b", "plc"]
    assert PLANTED not in json.dumps(ended)


RELEASE = {
    "release": "1",
    "tenant": "t",
    "workloads": [
        {"name": "a", "secrets": ["plc", {"name": "key"}], "select": {"edge_site": ["kiruna"]}},
        {"name": "b", "secrets": ["other"], "select": {"edge_site": ["malmo"]}},
        {"name": "c"},
    ],
}
VALUES = {"t": {"plc": PLANTED, "key": "k", "other": "o", "more": "m"}, "u": {"x": "y"}}


def test_a_node_gets_what_its_workloads_use_and_nothing_else() -> None:
    pulls = {"t": {"r": {"username": "u", "password": "p"}}, "u": {}}
    found = wanted.delivery(VALUES, pulls, {}, [RELEASE], {"edge_site": "kiruna"})
    assert found == {"t": {"values": {"plc": PLANTED, "key": "k"}, "registries": pulls["t"]}}
    found = wanted.delivery(VALUES, pulls, {"t": ["more"], "u": []}, [RELEASE], {"edge_site": "gavle"})
    assert found == {"t": {"values": {"more": "m"}, "registries": pulls["t"]}, "u": {"values": {}, "registries": {}}}
    assert wanted.delivery(VALUES, pulls, {}, [], {}) == {}


@pytest.mark.parametrize(
    ("use", "words"),
    [
        ({"t": ["nope"]}, "secrets_values.t: there is no value of 'nope' (secrets_use.t)"),
        ({"w": ["x"]}, "secrets_values.w: there is no value of 'x'"),
        ({"t": "plc"}, "secrets_use.t: wanted a list"),
    ],
)
def test_what_has_no_value_is_said_with_who_uses_it(use: dict[str, t.Any], words: str) -> None:
    with pytest.raises(wanted.SecretsError) as raised:
        wanted.delivery(VALUES, {}, use, [RELEASE], {"edge_site": "kiruna"})
    assert words in str(raised.value) and PLANTED not in str(raised.value)
    with pytest.raises(wanted.SecretsError, match=r"'plc' \(workload a of release 1\)"):
        wanted.delivery({}, {}, {}, [RELEASE], {"edge_site": "kiruna"})
