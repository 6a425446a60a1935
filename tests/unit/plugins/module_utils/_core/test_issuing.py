# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may have what, for how long and how often, and what openssl is told."""

from __future__ import annotations

import copy
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import asn1, issuing, issuing_config, renewal
from ansible_collections.physical_ai.edge.plugins.module_utils._core.fields import SpecError
from tests.unit.plugins.module_utils._node.authorities import DEFINITION, allowed

DAY = 86400


def test_what_is_allowed_is_read_with_defaults() -> None:
    data = allowed()
    del data["lifetime_days"], data["per_minute"], data["nodes"]["kiruna-cam02"]["blocked"]
    found = issuing.allowed("allowed", data)
    assert (found["lifetime_days"], found["per_minute"]) == (30, 60)
    assert found["nodes"]["kiruna-cam02"]["blocked"] is False


def change(path: str, value: t.Any) -> t.Dict[str, t.Any]:
    data = copy.deepcopy(allowed())
    place: t.Any = data
    *folders, last = path.split("/")
    for name in folders:
        place = place[name]
    place[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("schema", 2, "schema: found 2"),
        ("lifetime_days", 400, "from 1 to 397"),
        ("nodes/bad name", {}, "the name of a node"),
        ("nodes/kiruna-cam01/certificates/other", {}, "'node' or TENANT.WORKLOAD"),
        ("nodes/kiruna-cam01/certificates/node/dns", ["*.example.com"], "without patterns"),
        ("nodes/kiruna-cam01/certificates/node/ip", ["10.20.1.0/24"], "an address such as"),
        ("nodes/kiruna-cam01/certificates/node/uri", ["urn:x"], "spiffe://FLEET/site"),
        (
            "nodes/kiruna-cam01/certificates/node/uri",
            ["spiffe://acme/site/kiruna/node/kiruna-cam02"],
            "node kiruna-cam02",
        ),
        ("nodes/kiruna-cam01/certificates/node/uri", ["spiffe://acme/site/narvik/node/kiruna-cam01"], "site narvik"),
        (
            "nodes/kiruna-cam01/certificates/quality.inspection/uri",
            ["spiffe://acme/site/kiruna/node/kiruna-cam01"],
            "wanted that of kiruna-cam01, certificate quality.inspection",
        ),
        ("nodes/kiruna-cam01/certificates/node/ip", ["10.20.1.12"], "is a name of kiruna-cam01 too"),
        ("nodes/kiruna-cam01/certificates/node/dns", ["KIRUNA-cam02"], "is a name of kiruna-cam02"),
        ("nodes/kiruna-cam01/certificates/quality.inspection/ip", ["10.20.1.12"], "is a name of kiruna-cam02"),
        ("nodes/kiruna-cam01/certficates", {}, "Did you mean 'certificates'?"),
    ],
)
def test_a_mistake_in_what_is_allowed_is_one_line(path: str, value: t.Any, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        issuing.allowed("allowed", change(path, value))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_common_names_of_workloads_are_never_those_of_nodes() -> None:
    assert issuing.Grant("n", "quality.inspection", (), (), ()).common_name == "quality/inspection"
    names = {issuing.Grant("n", f"{'a' * 40}.{'b' * 39}{end}", (), (), ()).common_name for end in "xy"}
    assert len(names) == 2 and all(len(name) <= 64 for name in names)
    assert (
        issuing_config.subject(issuing.Grant("n", "quality.inspection", (), (), ())) == "/OU=n/CN=quality\\/inspection"
    )


def test_the_window() -> None:
    begin, end = 1000 * DAY, 2000 * DAY
    assert issuing.window(1500 * DAY, 30, begin, end) == (1500 * DAY - 300, 1530 * DAY)
    assert issuing.window(begin + 60, 30, begin, end)[0] == begin
    assert issuing.window(1990 * DAY, 30, begin, end)[1] == end
    for now in (begin - 1, end - 3599, end + DAY):
        with pytest.raises(issuing.Refused):
            issuing.window(now, 30, begin, end)


@given(
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 5)), max_size=80),
    st.integers(1, 20),
)
def test_no_minute_has_more_than_it_may(asks: t.List[t.Tuple[float, int]], per_minute: int) -> None:
    now = 100.0
    times: t.List[float] = []
    signed: t.List[t.Tuple[float, int]] = []
    for pause, count in asks:
        now += pause
        wait, times = issuing.pace(times, now, count, per_minute)
        if wait == 0:
            signed.append((now, count))
        else:
            later, _times = issuing.pace(times, now + wait, count, per_minute)
            assert wait <= 61 and later == 0, "who waits as long as he was told is not told again"
    for moment, _count in signed:
        counts = [count for other, count in signed if moment <= other < moment + 60]
        assert sum(counts) <= per_minute or len(counts) == 1


def test_times_of_an_earlier_boot_do_not_count() -> None:
    assert issuing.pace([5000.0, 5001.0], 10.0, 1, 1) == (0, [10.0])


def test_constraints_leave_nothing_free() -> None:
    lines = issuing_config.constraints(issuing_config.definition("d", {"site": "kiruna"}))
    assert "permitted;DNS.1 = invalid" in lines and "permitted;URI.1 = invalid" in lines
    assert "excluded;IP.1 = 0.0.0.0/0.0.0.0" in lines and "excluded;IP.2 = ::/::" in lines
    lines = issuing_config.constraints(issuing_config.definition("d", DEFINITION))
    assert lines == [
        "permitted;DNS.1 = kiruna.acme.internal",
        "permitted;IP.1 = 10.20.1.0/255.255.255.0",
        "permitted;IP.2 = 2001:db8::/ffff:ffff:ffff:ffff::",
        "permitted;URI.1 = acme",
    ]
    with pytest.raises(SpecError, match="without bits behind its mask"):
        issuing_config.definition("d", {"site": "kiruna", "ip": ["10.20.1.5/24"]})


def test_values_cannot_leave_their_place_in_a_configuration() -> None:
    assert issuing_config.quoted("a$b#c\\d") == "a\\$b\\#c\\\\d"
    with pytest.raises(SpecError, match="control character"):
        issuing_config.quoted("a\n[leaf]")


def test_the_signed_bytes_do_not_depend_on_order() -> None:
    assert renewal.canonical({"b": 1, "a": {"d": "é", "c": 2}}) == b'{"a":{"c":2,"d":"\\u00e9"},"b":1}'


def test_times_as_the_database_has_them() -> None:
    item = {"serial": "0A", "node": "n", "not_after": 2600000000, "time": 2600000000, "reason": "superseded"}
    assert issuing_config.index_line(item).split("\t") == [
        "R",
        "20520522141320Z",
        "491231235959Z,superseded",
        "0A",
        "unknown",
        "/CN=n",
    ]


@pytest.mark.parametrize(
    ("version", "option"), [("OpenSSL 1.1.1f  31 Mar 2020", "-crldays"), ("OpenSSL 3.0.19", "-crl_lastupdate")]
)
def test_a_list_begins_before_now_where_openssl_can(version: str, option: str) -> None:
    assert issuing_config.crl_times(version, 1_700_000_000, 30)[0] == option


@given(st.binary(max_size=300))
def test_nonsense_is_never_more_than_an_error(data: bytes) -> None:
    for read in (
        lambda: asn1.read_certificate("x", data),
        lambda: asn1.read_request("x", asn1.to_pem(data, "CERTIFICATE REQUEST")),
    ):
        with pytest.raises(SpecError):
            read()


@given(st.integers(0, 4000), st.integers(0, 255))
def test_a_changed_byte_is_never_more_than_an_error(place: int, value: int) -> None:
    data = bytearray(asn1.pem_blocks(REQUEST, "CERTIFICATE REQUEST")[0])
    data[place % len(data)] = value
    try:
        found = asn1.read_request("x", asn1.to_pem(bytes(data), "CERTIFICATE REQUEST"))
        issuing.check(
            issuing.allowed("a", allowed()),
            issuing.grant(issuing.allowed("a", allowed()), "kiruna-cam01", "node"),
            found,
        )
    except SpecError:
        pass


def test_a_name_with_a_comma_is_one_name() -> None:
    """openssl shows it as two."""
    value = b"a, DNS:b"
    assert asn1.names(bytes([0x30, len(value) + 2, 0x82, len(value)]) + value).dns == ("a, DNS:b",)


REQUEST = """-----BEGIN CERTIFICATE REQUEST-----
MIIBFzCBvgIBADAXMRUwEwYDVQQDDAxraXJ1bmEtY2FtMDEwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAARckkGVLh1z3p8L48kDIUlZaLQhWc72vyZ3IFDXv/hlyFc7
oNk56Wq+dyUAnL9WG/SO2b25LMlPWC9iDRuD4JZGoEUwQwYJKoZIhvcNAQkOMTYw
NDAyBgNVHREEKzApgiFraXJ1bmEtY2FtMDEua2lydW5hLmFjbWUuaW50ZXJuYWyH
BAoUAQswCgYIKoZIzj0EAwIDSAAwRQIgPYfOFPXIGmZhkcMJW4VAvxcCTnDxTltp
gK4qRY1bIgYCIQCWnqK7ZNvMx8skGmfI+vCIZO0ROQ8PT4nO5B+936ncjQ==
-----END CERTIFICATE REQUEST-----
"""
