# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import daemon_json

FLAGS_OF_DEBIAN = ["/usr/sbin/dockerd", "-H", "fd://", "--containerd=/run/containerd/containerd.sock"]


@pytest.mark.parametrize(
    ("have", "want", "after"),
    [
        ({}, {"debug": True}, {"debug": True}),
        ({"labels": ["a=b"], "debug": False}, {"debug": True}, {"labels": ["a=b"], "debug": True}),
        ({"features": {"buildkit": True}}, {"features": {"cdi": True}}, {"features": {"buildkit": True, "cdi": True}}),
        (
            {"runtimes": {"nvidia": {"path": "x"}}},
            {"runtimes": {"crun": {"path": "y"}}},
            {"runtimes": {"nvidia": {"path": "x"}, "crun": {"path": "y"}}},
        ),
        # The options of one log driver are errors in another, so they are not mixed.
        ({"log-opts": {"labels": "x"}}, {"log-opts": {"max-size": "10m"}}, {"log-opts": {"max-size": "10m"}}),
        ({"debug": True, "ipv6": True}, {"debug": None}, {"ipv6": True}),
        ({"features": {"cdi": True, "buildkit": True}}, {"features": {"cdi": None}}, {"features": {"buildkit": True}}),
        ({"debug": True}, {"ipv6": None}, {"debug": True}),
    ],
)
def test_what_is_there_survives(have: dict, want: dict, after: dict) -> None:
    plan = daemon_json.plan(have, want)
    assert plan.after == after
    assert daemon_json.plan(plan.after, want).changed is False


@pytest.mark.parametrize(
    ("have", "want", "keys", "action"),
    [
        ({"debug": True}, {"debug": True}, (), "none"),
        ({}, {"debug": True}, ("debug",), "reload"),
        ({}, {"debug": True, "bip": "172.30.0.1/24"}, ("bip", "debug"), "restart"),
        ({"bip": "172.30.0.1/24"}, {"bip": None}, ("bip",), "restart"),
        ({"features": {"cdi": True}}, {"features": {"buildkit": False}}, ("features.buildkit",), "reload"),
        ({"features": {"buildkit": True}}, {"features": {"cdi": True}}, ("features.cdi",), "restart"),
        ({}, {"features": {"containerd-snapshotter": False}}, ("features.containerd-snapshotter",), "restart"),
        ({"debug": 1}, {"debug": True}, ("debug",), "reload"),
        ({"log-opts": {"a": "1", "b": "2"}}, {"log-opts": {"b": "2", "a": "1"}}, (), "none"),
    ],
)
def test_the_engine_follows_as_the_keys_need(have: dict, want: dict, keys: tuple, action: str) -> None:
    plan = daemon_json.plan(have, want)
    assert (plan.changed_keys, plan.action) == (keys, action)


def test_an_empty_object_of_features_is_a_change_that_is_seen() -> None:
    assert daemon_json.plan({}, {"features": {}}).changed_keys == ("features",)


@pytest.mark.parametrize(
    ("have", "want", "turned_on"), [(False, True, True), (True, True, False), (True, False, False)]
)
def test_turning_on_live_restore_is_noticed(have: bool, want: bool, turned_on: bool) -> None:
    assert daemon_json.plan({"live-restore": have}, {"live-restore": want}).turns_on_live_restore is turned_on


def test_order_and_digits_stay() -> None:
    text = '{"zeta": 1, "shutdown-timeout": 9007199254740993, "alpha": 2}'
    after = daemon_json.plan(daemon_json.parse(text, "x"), {"debug": True}).after
    assert list(json.loads(daemon_json.render(after))) == ["zeta", "shutdown-timeout", "alpha", "debug"]
    assert "9007199254740993" in daemon_json.render(after)


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_file_is_an_empty_object(text: str) -> None:
    assert daemon_json.parse(text, "x") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"debug": true,}', ("daemon.json", "not JSON", "line 1 column")),
        ("[1]", ("daemon.json", "holds a list", "object")),
    ],
)
def test_a_broken_file_is_one_line(text: str, words: tuple) -> None:
    with pytest.raises(daemon_json.DaemonJsonError) as caught:
        daemon_json.parse(text, "daemon.json")
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"live-restore": True, "default-shm-size": "64M", "log-opts": {"max-file": "3"}}, []),
        ({"live-restor": True}, ["live-restor: unknown key"]),
        ({"live-restore": "yes"}, ["live-restore: is str 'yes', wanted bool"]),
        ({"mtu": True}, ["mtu: is bool True, wanted int"]),
        ({"log-opts": {"max-file": 3}}, ["log-opts.max-file: is 3, wanted text: put it in quotes"]),
        ({"log-opts": ["max-file"]}, ["log-opts: is list ['max-file'], wanted dict"]),
    ],
)
def test_what_an_old_engine_would_refuse(data: dict, found: list) -> None:
    assert daemon_json.problems(data) == found


@pytest.mark.parametrize(
    ("argv", "data", "both"),
    [
        (FLAGS_OF_DEBIAN, {"debug": True, "live-restore": True}, []),
        (FLAGS_OF_DEBIAN, {"hosts": ["tcp://0.0.0.0:2375"]}, ["hosts"]),
        ([*FLAGS_OF_DEBIAN, "--log-opt", "max-size=1m"], {"log-opts": {"max-size": "10m"}}, ["log-opts"]),
        (
            [*FLAGS_OF_DEBIAN, "--default-address-pool=base=10.0.0.0/8,size=24"],
            {"default-address-pools": []},
            ["default-address-pools"],
        ),
        ([*FLAGS_OF_DEBIAN, "--dns=1.1.1.1"], {"dns": ["1.1.1.1"], "dns-search": []}, ["dns"]),
        ([*FLAGS_OF_DEBIAN, "--registry-mirror=https://m"], {"registry-mirrors": []}, ["registry-mirrors"]),
        (
            [*FLAGS_OF_DEBIAN, "-D", "-s", "overlay2"],
            {"debug": True, "storage-driver": "overlay2"},
            ["debug", "storage-driver"],
        ),
        ([], {"debug": True}, []),
    ],
)
def test_keys_that_the_unit_gives_as_flags(argv: list, data: dict, both: list) -> None:
    assert daemon_json.twice(argv, data) == both


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Docker version 20.10.24+dfsg1, build 297e128", (20, 10, 24)),
        ("Docker version 28.2.2, build 45873be", (28, 2, 2)),
        ("5:28.2.2-1~debian.13~trixie", (28, 2, 2)),
        ("26.1.5+dfsg1-9+deb13u1+b1", (26, 1, 5)),
        ("29.0.0-rc.1", (29, 0, 0)),
        ("26.1*", (26,)),
        ("", ()),
    ],
)
def test_versions(text: str, version: tuple) -> None:
    assert daemon_json.version_tuple(text) == version


@pytest.mark.parametrize(
    ("version", "settings"),
    [
        ("", {}),
        ("Docker version 20.10.24, build x", {}),
        ("25.0.3", {"features": {"cdi": True}}),
        ("28.2.2", {"features": {"cdi": True}, "debug": True}),
    ],
)
def test_settings_by_version(version: str, settings: dict) -> None:
    since: t.Dict[str, t.Dict[str, t.Any]] = {"28.0": {"debug": True}, "25.0": {"features": {"cdi": True}}}
    assert daemon_json.settings_for(version, since) == settings
