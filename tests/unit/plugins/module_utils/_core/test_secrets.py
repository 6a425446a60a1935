# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided of secrets: who is told of which change, what a container sees, what is hidden."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import container, secrets, spec
from ansible_collections.physical_ai.edge.plugins.module_utils._core.fields import SpecError
from tests.unit.plugins.module_utils._core.specs import workload

KEY = b"k" * 32


def rendered(*entries: t.Any, **more: t.Any) -> t.Dict[str, t.Any]:
    return spec.render([workload(secrets=list(entries), **more)])[0]


def way(name: str, on_change: str, signal: str = "SIGHUP") -> t.Dict[str, t.Any]:
    return {"name": name, "on_change": on_change, "signal": signal}


@pytest.mark.parametrize(
    ("entries", "changed", "wanted"),
    [
        ([way("a", "restart")], {"b"}, None),
        ([way("a", "restart"), way("b", "signal")], {"b"}, ("signal", ["SIGHUP"])),
        ([way("a", "restart"), way("b", "signal")], {"a", "b"}, ("restart", [])),
        ([way("a", "none"), way("b", "signal", "SIGUSR1")], {"a", "b"}, ("signal", ["SIGUSR1"])),
        ([way("a", "signal"), way("b", "signal", "SIGUSR1"), way("c", "signal")], {"a", "b", "c"},
         ("signal", ["SIGHUP", "SIGUSR1"])),
        ([way("a", "none")], {"a"}, ("none", [])),
    ],
)  # fmt: skip
def test_how_a_workload_is_told(entries: t.Any, changed: t.Set[str], wanted: t.Any) -> None:
    assert secrets.reaction(rendered(*entries), changed) == wanted


def test_a_specification_of_before_has_none() -> None:
    old = spec.render([workload()])[0]
    assert (secrets.names(old), secrets.missing(old, ()), secrets.reaction(old, {"a"})) == ([], [], None)


def test_a_view_is_another_one_for_other_values_only() -> None:
    names = secrets.index(KEY, "t", {"a": b"1", "b": b"2"}, {})
    one = secrets.view(rendered("a"), names)
    assert one.startswith(".v")
    assert one == secrets.view(rendered("a"), secrets.index(KEY, "t", {"a": b"1", "b": b"3"}, {"a": "7"}))
    assert one != secrets.view(rendered("a"), secrets.index(KEY, "t", {"a": b"3"}, {}))
    assert one != secrets.view(rendered("a", "b"), names)


def test_fingerprints_say_nothing_of_each_other() -> None:
    prints = {
        secrets.fingerprint(key, tenant, name, b"same")
        for key in (KEY, b"other") for tenant in "tu" for name in "ab"
    }  # fmt: skip
    assert len(prints) == 8


@given(st.dictionaries(st.text("abc-", min_size=1), st.binary(min_size=1)))
def test_what_is_packed_comes_back(values: t.Dict[str, bytes]) -> None:
    assert secrets.unpack(secrets.pack(values)) == values
    assert secrets.pack(values).isascii()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"values": [1]}', '{"values": {"a": 1}}'])
def test_what_was_not_packed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no set of secrets"):
        secrets.unpack(text)


@given(st.text("abcXYZ09 \n", min_size=8))
def test_a_value_is_hidden_however_it_stands_there(value: str) -> None:
    if len(value.strip()) < 8:
        return
    encoded = base64.b64encode(value.encode()).decode()
    for text in (f"login {value} failed", f"auth {encoded}.", f"it was {value.strip()}"):
        shown = secrets.hide(text, [value.encode()])
        assert value.strip() not in shown and encoded not in shown and secrets.HIDDEN in shown


def test_short_values_do_not_tear_words_apart() -> None:
    assert secrets.hide("the sea", [b"e", b"a\nb\n", b"\xff\xfe"]) == "the sea"


def test_a_difference_says_names() -> None:
    before = secrets.index(KEY, "t", {"a": b"1", "b": b"2", "registry/r:5000": b"u:p"}, {})
    after = secrets.index(KEY, "t", {"a": b"3", "b": b"2", "c": b"1"}, {"b": "7"})
    assert secrets.changes(before, after) == {"a": "changed", "c": "new", "registry/r:5000": "removed"}
    assert secrets.diff(before, after) == {
        "before": {"a": "present", "registry r:5000": "present"},
        "after": {"a": "changed, not shown", "c": "present"},
    }
    assert secrets.relabelled(before, after)


def test_pull_credentials_are_a_client_configuration() -> None:
    assert secrets.docker_configuration({"plc": b"x"}) == ""
    found = json.loads(secrets.docker_configuration({"registry/r:5000": b"u:p", "registry/docker.io": b"d:q"}))
    assert set(found["auths"]) == {"r:5000", "https://index.docker.io/v1/"}
    assert base64.b64decode(found["auths"]["r:5000"]["auth"]) == b"u:p"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "found list"),
        ({"tenant": "t", "secret": {}}, "Did you mean 'secrets'?"),
        ({"tenant": "t", "schema": 2}, "schema 2"),
        ({"secrets": {}}, "tenant"),
        ({"tenant": "t", "secrets": []}, "secrets: found list"),
        ({"tenant": "t", "secrets": {"a": {"value": "eA==", "x": 1}}}, "secrets.a"),
        ({"tenant": "t", "secrets": {"a": {"value": "eA==", "version": "x" * 65}}}, "secrets.a.version"),
        ({"tenant": "t", "who": 7}, "who: found int"),
    ],
)
def test_a_bad_request_is_one_line(data: t.Any, words: str) -> None:
    with pytest.raises(SpecError) as raised:
        secrets.read(data)
    assert words in str(raised.value) and "\n" not in str(raised.value)


def test_mounts_are_read_only_and_no_value_is_in_the_arguments() -> None:
    found = rendered("a", secrets_mount="/s", identity={"on_change": "signal"})
    place = container.Place("c", "t", "d", "r", "i", "/e", {}, {}, {}, "/l", "systemd", secrets="/v", identity="/p")
    arguments = container.create_arguments(found, place)
    mounts = [value for key, value in zip(arguments, arguments[1:]) if key == "--mount"]
    assert mounts == [
        "type=bind,source=/v,target=/s,readonly",
        "type=bind,source=/p,target=/run/identity,readonly",
    ]
    assert "--mount" not in container.create_arguments(spec.render([workload()])[0], place.__class__(
        "c", "t", "d", "r", "i", "/e", {}, {}, {}, "/l", "systemd"))  # fmt: skip
