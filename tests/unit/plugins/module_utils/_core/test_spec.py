# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be written in a release, and the one line that says what is wrong."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import fields, spec
from tests.unit.plugins.module_utils._core.specs import DIGEST, workload

HTTP = {"http": {"port": 8000}}


def golden(expect: t.Any) -> t.Dict[str, t.Any]:
    return {"probes": {"startup": {"inference": {"port": 1, "path": "/x", "request": {}, "expect": expect}}}}


def asked(more: t.Dict[str, t.Any], kind: str = "inference") -> t.Dict[str, t.Any]:
    """A golden request, or another steady probe, with more in it."""
    probe = {"port": 1, "path": "/x", "request": {}, "expect": {"outputs": [{"name": "a", "data": [1]}]}}
    probe = {"inference": probe, "metric": {"port": 1, "name": "x"}}.get(kind, {})
    return {"probes": {"steady": {kind: dict(probe, **more)}}}


def targets(count: int) -> t.Dict[str, t.Any]:
    return {"targets": [{"host": "10.0.0.1", "port": number + 1} for number in range(count)]}


BAD: t.List[t.Tuple[str, t.Dict[str, t.Any], t.Tuple[str, ...]]] = [
    ("unknown key", {"prots": []}, ("workloads[0] (app)", "'prots'", "Did you mean 'ports'?", "Allowed:")),
    ("no digest", {"digest": None}, ("workloads[0] (app)", "'digest' is missing")),
    ("tag for a digest", {"digest": "latest"}, (".digest", "'latest'", "a tag is not a digest")),
    ("short digest", {"digest": "sha256:ab"}, (".digest", "64 hexadecimal digits")),
    ("tag in the image", {"image": "r/app:1"}, (".image", "'r/app:1'", "without tag")),
    ("digest in the image", {"image": "r/app@" + DIGEST}, (".image", "the digest has a key of its own")),
    ("upper case name", {"name": "App"}, (".name", "'App'", "lower-case")),
    ("name is a number", {"name": 7}, (".name", "7")),
    ("port out of range", {"ports": [{"container": 0, "host": 1}]}, (".ports[0].container", "0", "1 to 65535")),
    ("port as text", {"ports": [{"container": "80", "host": 1}]}, ("'80'", "a whole number")),
    ("ports no list", {"ports": {"container": 1}}, (".ports", "a list")),
    (
        "bad network in allow_from",
        {"ports": [{"container": 1, "host": 1, "allow_from": ["10.x"]}]},
        ("'10.x'", "10.1.0.0/16"),
    ),
    (
        "site is not known",
        {"ports": [{"container": 1, "host": 1, "allow_from": ["site"]}]},
        ("edge_networks.site", "cidr"),
    ),
    ("zone is not known", {"ports": [{"container": 1, "host": 1, "allow_from": ["zone"]}]}, ("zones.<name>.cidr",)),
    ("bad size", {"resources": {"memory": "lots"}}, (".resources.memory", "'lots'", "512m or 2g")),
    ("no memory", {"resources": {"memory": 0}}, (".resources.memory", "0")),
    ("too many CPUs", {"resources": {"cpus": -1}}, (".resources.cpus", "-1")),
    ("bad duration", {"stop_timeout": "soon"}, (".stop_timeout", "'soon'", "90s, 2m or 1h30m")),
    ("unknown swap", {"swap": "fetch_then_stopp"}, (".swap", "Did you mean 'fetch_then_stop'?", "stop_then_fetch")),
    ("unknown probe", {"probes": {"startup": {"htpt": {}}}}, (".probes.startup", "'htpt'", "Did you mean 'http'?")),
    ("empty probe", {"probes": {"startup": {"within": "1s"}}}, (".probes.startup", "no probe in it")),
    ("metric without limit", {"probes": {"steady": {"metric": {"port": 1, "name": "x"}}}}, ("could not fail",)),
    ("golden request without outputs", golden({}), (".inference.expect", "could not fail")),
    ("golden request with a list", golden([1]), (".inference.expect", "{outputs: [{name, data}]}")),
    ("output without data", golden({"outputs": [{"name": "a"}]}), (".expect.outputs[0]", "`name` and `data`")),
    ("ratio of zero", asked({"max_ratio_to_baseline": 0}, "metric"), ("max_ratio_to_baseline", "0", "above 0")),
    ("ratio as text", asked({"min_ratio_to_baseline": "1"}, "metric"), ("'1'", "a number above 0")),
    ("min above max", asked({"min": 3, "max": 2}, "metric"), ("min 3 above max 2", "could never pass")),
    ("no requests", asked({"requests": 0}), (".inference.requests", "0", "1 to 10000")),
    ("too many requests", asked({"requests": 10001}), (".inference.requests", "10001")),
    ("all may be wrong", asked({"max_wrong": 1}), (".inference.max_wrong", "could not fail", "max_latency")),
    ("more than all may be wrong", asked({"max_wrong": 2}), (".inference.max_wrong", "from 0 to 1")),
    ("no time at all", asked({"max_latency": 0}), (".inference.max_latency", "above 0")),
    ("slower than its timeout", asked({"max_latency": "11s"}), ("found 11 s", "timeout of 10 s", "could not fail")),
    ("gpu with an unknown key", asked({"max_xid": 1}, "gpu"), ("'max_xid'", "Did you mean 'max_new_xid'?")),
    ("gpu too hot", asked({"max_temperature_c": 1000}, "gpu"), (".gpu.max_temperature_c", "1 to 150")),
    ("devices with a key", asked({"names": []}, "devices"), (".devices", "'names'")),
    ("nobody to reach", asked({"targets": []}, "reachability"), (".reachability.targets", "at least 1")),
    ("too many to reach", asked(targets(33), "reachability"), ("found 33 targets", "at most 32")),
    ("a target without host", asked({"targets": [{"port": 1}]}, "reachability"), (".targets[0]", "'host' is missing")),
    ("unknown phase", {"probes": {"ready": HTTP}}, (".probes", "'ready'", "startup, steady")),
    (
        "relative mount",
        {"volumes": [{"name": "a", "mount": "data", "size": "1m"}]},
        (".volumes[0].mount", "an absolute path"),
    ),
    ("volume without size", {"volumes": [{"name": "a", "mount": "/data"}]}, (".volumes[0]", "'size' is missing")),
    ("one mount twice", {"volumes": [{"name": "a", "mount": "/tmp", "size": "1m"}]}, ("/tmp", "volumes and tmpfs")),
    ("environment of two lines", {"env": {"A": "x\ny"}}, (".env.A", "as a file")),
    ("bad environment name", {"env": {"a-b": "x"}}, (".env", "'a-b'")),
    ("environment of a list", {"env": {"A": [1]}}, (".env.A", "text, a number or a boolean")),
    ("bad mode", {"files": [{"path": "/a", "content": "x", "mode": "rw"}]}, (".mode", "'rw'", "'0440'")),
    ("unknown network", {"network": "bridgee"}, (".network", "Did you mean 'bridge'?")),
    (
        "macvlan without parent",
        {"network": {"macvlan": {"subnet": "10.0.0.0/24"}}},
        (".network.macvlan", "'parent' is missing"),
    ),
    (
        "ports without a network",
        {"network": "none", "ports": [{"container": 1, "host": 1}]},
        (".ports", "network none", "use network bridge"),
    ),
    (
        "ports of macvlan",
        {"network": {"macvlan": {"parent": "eth0", "subnet": "10.0.0.0/24"}}, "ports": [{"container": 1, "host": 1}]},
        (".ports", "network macvlan", "take `ports` out"),
    ),
    (
        "port moved on the host's network",
        {"network": "host", "ports": [{"container": 1, "host": 2}]},
        (".ports[0]", "container 1 and host 2", "the same number"),
    ),
    ("on_change", {"models": [{"name": "m", "mount": "/m", "on_change": "reload"}]}, ("on_change", "restart, signal")),
    ("signal", {"models": [{"name": "m", "mount": "/m", "signal": "SIGKILL"}]}, ("signal", "SIGHUP, SIGUSR1")),
    ("unknown model", {"models": [{"name": "defect", "mount": "/m"}]}, ("no model 'defect'", "it has: none")),
    ("after nobody", {"after": ["db"]}, ("workload app", "'db'", "there are: app")),
    ("a secret with a slash", {"secrets": ["a/b"]}, (".secrets[0].name", "'a/b'", "at most 64")),
    ("a secret as a number", {"secrets": [7]}, (".secrets[0]", "found 7", "a mapping with the keys")),
    ("a secret as `current`", {"secrets": [{"name": "a", "file": "current"}]}, (".secrets[0].file", "`current`")),
    ("a hidden secret", {"secrets": [{"name": "a", "file": ".v1"}]}, (".secrets[0].file", "a file name")),
    ("one file of two secrets", {"secrets": ["a", {"name": "b", "file": "a"}]}, (".secrets[1]", "'a' is used twice")),
    ("secrets over a volume", {"secrets": ["a"], "secrets_mount": "/tmp"}, ("/tmp", "tmpfs and secrets")),
    ("a mount for no secrets", {"secrets_mount": "/x"}, (".secrets_mount", "no secrets")),
    ("an identity without on_change", {"identity": {}}, (".identity", "'on_change' is missing")),
    (
        "an identity over secrets",
        {"secrets": ["a"], "identity": {"mount": "/run/secrets", "on_change": "none"}},
        ("/run/secrets", "identity and secrets"),
    ),
    ("a GPU as a number", {"requires": {"gpu": 1}}, (".requires.gpu", "found 1", "a mapping")),
    ("a bad version", {"requires": {"l4t": "36"}}, (".requires.l4t", "'36'", ">=36")),
    ("a bad MIG profile", {"requires": {"gpu": {"mig": "big"}}}, (".requires.gpu.mig", "1g.10gb")),
    (
        "MIG that is shared",
        {"requires": {"gpu": {"mig": "1g.10gb", "sharing": "shared"}}},
        (".requires.gpu", "nobody else's", "take `sharing`"),
    ),
    ("sharing without memory", {"requires": {"gpu": {"sharing": "shared"}}}, (".requires.gpu", "'memory_mib'")),
    ("misspelt need", {"requires": {"gpus": {}}}, (".requires", "'gpus'", "Did you mean 'gpu'?")),
    (
        "devices and MKNOD",
        {"requires": {"devices": ["camera-line-1"]}, "capabilities": ["MKNOD"]},
        (".capabilities", "MKNOD"),
    ),
    ("lower-case capability", {"capabilities": ["net_raw"]}, (".capabilities[0]", "'net_raw'")),
]


@pytest.mark.parametrize(
    "probe",
    [
        asked({"max_ratio_to_baseline": 1.5}, "metric"),
        asked({"min_ratio_to_baseline": 0.5, "min": 1}, "metric"),
        asked({"requests": 30, "max_wrong": 1, "max_latency_ratio_to_baseline": 1.5}),
        asked({}, "gpu"),
        asked({}, "devices"),
        asked(targets(32), "reachability"),
        asked({"targets": [{"host": "plc.example.com"}, {"host": "fe80::1", "port": 502}]}, "reachability"),
    ],
)
def test_probes_that_compare_are_taken_in_both_phases(probe: t.Dict[str, t.Any]) -> None:
    steady = probe["probes"]["steady"]
    for phase in ("startup", "steady"):
        spec.render([workload(probes={phase: steady})])


def test_a_golden_request_of_before_is_the_same_specification() -> None:
    """New keys have no defaults in it: an update of the program must not deploy everything again."""
    rendered = spec.render([workload(**asked({}))])[0]["probes"]["steady"]["inference"]
    assert sorted(rendered) == ["expect", "path", "port", "request", "timeout", "tolerance"]


@pytest.mark.parametrize(("name", "change", "words"), BAD, ids=[item[0] for item in BAD])
def test_bad_input_is_one_line(name: str, change: t.Dict[str, t.Any], words: t.Tuple[str, ...]) -> None:
    with pytest.raises(spec.SpecError) as raised:
        spec.render([workload(**change)])
    message = str(raised.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    ("workloads", "words"),
    [
        ("x", "a list"),
        ([7], "workloads[0]"),
        ([workload(), workload()], "'app' is used twice"),
        ([workload(name="a", after=["b"]), workload(name="b", after=["a"])], "round in a circle"),
        (
            [workload(name=name, ports=[{"container": 1, "host": 80}]) for name in "ab"],
            "host port 80/tcp is asked by both a and b",
        ),
    ],
)
def test_a_bad_set_is_one_line(workloads: t.Any, words: str) -> None:
    with pytest.raises(spec.SpecError, match=r"workloads?") as raised:
        spec.render(workloads)
    assert words in str(raised.value)


def test_a_rendered_specification_has_every_default_and_its_networks() -> None:
    ports = [{"container": 8000, "host": 8000, "allow_from": ["site", "192.0.2.7"]}, {"container": 1, "host": 1}]
    (found,) = spec.render([workload(ports=ports, select={"edge_site": "x"})], [], {"site": ["10.2.0.0/16"]})
    assert found["ports"][0]["allow_from"] == ["10.2.0.0/16", "192.0.2.7/32"]
    assert found["ports"][1]["allow_from"] == []
    assert found["resources"] == {"cpus": 1.0, "memory": 512 << 20, "pids": 256, "shm": 64 << 20}
    assert (found["swap"], found["read_only"], found["network"]) == ("fetch_then_stop", True, "bridge")
    assert "select" not in found


def test_a_secret_may_be_its_name_alone() -> None:
    (found,) = spec.render([workload(secrets=["plc", {"name": "key", "file": "key.pem", "mode": "0440", "uid": 7}])])
    assert found["secrets"] == [
        {"name": "plc", "file": "plc", "mode": "0400", "on_change": "restart", "signal": "SIGHUP"},
        {"name": "key", "file": "key.pem", "mode": "0440", "uid": 7, "on_change": "restart", "signal": "SIGHUP"},
    ]


def test_without_secrets_it_is_the_specification_of_before() -> None:
    """Or an update of the program would deploy everything again."""
    (found,) = spec.render([workload(secrets=[])])
    assert not {"secrets", "secrets_mount", "identity"} & set(found)


def test_a_model_brings_its_source_and_digest() -> None:
    model = {"name": "m", "version": 7, "source": "file:///srv/m.onnx", "sha256": "sha256:" + "0" * 64}
    (found,) = spec.render([workload(models=[{"name": "m", "mount": "/models"}])], [model])
    assert found["models"] == [
        {
            "name": "m",
            "mount": "/models",
            "on_change": "restart",
            "signal": "SIGHUP",
            "version": "7",
            "source": "file:///srv/m.onnx",
            "mirrors": [],
            "sha256": "0" * 64,
            "file": "m.onnx",
        }
    ]


def test_the_order_is_that_of_after_and_else_as_written() -> None:
    names = [
        item["name"] for item in spec.render([workload(name="c", after=["a"]), workload(name="b"), workload(name="a")])
    ]
    assert names == ["b", "a", "c"]


def test_the_digest_follows_the_values_and_not_the_order_of_keys() -> None:
    first, second = workload(env={"A": "1", "B": "2"}), workload(env={"B": "2", "A": "1"})
    assert spec.digest(spec.render([first])[0]) == spec.digest(spec.render([dict(reversed(list(second.items())))])[0])
    assert spec.digest(spec.render([first])[0]) != spec.digest(spec.render([workload(env={"A": "1"})])[0])


def test_values_that_may_be_secret_are_not_shown() -> None:
    (found,) = spec.render([workload(env={"A": "geheim"}, files=[{"path": "/a", "content": "geheim"}])])
    assert "geheim" not in str(spec.redact(found))
    assert "geheim" in str(found)


@pytest.mark.parametrize(
    ("value", "seconds"), [("90s", 90), ("2m", 120), ("1h30m", 5400), ("500ms", 0.5), (3, 3), ("1d", 86400)]
)
def test_durations(value: t.Any, seconds: float) -> None:
    assert fields.duration("x", value) == seconds


@pytest.mark.parametrize(
    ("value", "size"), [("2g", 2 << 30), ("512m", 512 << 20), ("1.5k", 1536), ("64Mi", 64 << 20), (7, 7)]
)
def test_sizes(value: t.Any, size: int) -> None:
    assert fields.size("x", value) == size


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    )
)
def test_nothing_but_a_clear_error_comes_of_any_input(value: t.Any) -> None:
    for candidate in (value, [value], [workload(ports=value)], [workload(probes={"startup": value})]):
        try:
            spec.render(candidate)
        except spec.SpecError as exc:
            assert "\n" not in str(exc)


@pytest.mark.parametrize("value", [1.1, 7, "", "a b", "x" * 65])
def test_a_release_is_a_quoted_version(value: t.Any) -> None:
    with pytest.raises(spec.SpecError, match="release"):
        spec.check_release(value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mirrors": ["mirror.example.com"]}, "models[0].mirrors[0]: found 'mirror.example.com', wanted a path"),
        ({"file": "../m"}, "models[0].file: found '../m', wanted a file name"),
        ({"source": "ftp://x/m"}, "models[0].source: found 'ftp://x/m'"),
        ({"mirror": []}, "Did you mean 'mirrors'"),
    ],
)
def test_a_bad_model_is_told_in_one_line(change: dict, words: str) -> None:
    model = {"name": "m", "version": "7", "source": "/srv/m", "sha256": "0" * 64, **change}
    with pytest.raises(spec.SpecError) as caught:
        spec.render([workload()], [model])
    assert words in str(caught.value) and "\n" not in str(caught.value)
