# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is pinned of a host, when it counts, and what another key means; certificates with the real ssh-keygen."""

from __future__ import annotations

import base64
import typing as t
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.plugin_utils import host_certificate, known_hosts
from ansible_collections.physical_ai.edge.plugins.plugin_utils._fleet.expand import Known, expand
from ansible_collections.physical_ai.edge.plugins.plugin_utils._fleet.parse import parse
from ansible_collections.physical_ai.edge.plugins.plugin_utils.known_hosts import AUTHORITY, Pin, PinError
from tests.unit.plugins.module_utils._node import signing
from tests.unit.plugins.module_utils._node.signing import Person

ONE, TWO = (base64.b64encode(word).decode() for word in (b"one", b"two"))


def key(name: str, data: str = ONE) -> Pin:
    return Pin((name,), "ssh-ed25519", data)


def test_a_first_key_is_pinned_and_the_same_again_changes_nothing() -> None:
    text = known_hosts.pinned("# ours\n", "cam", key("10.0.0.1"))
    assert text == f"# ours\n10.0.0.1 ssh-ed25519 {ONE}\n"
    assert known_hosts.pinned(text, "cam", key("10.0.0.1")) == text


def test_another_key_is_refused_with_both_fingerprints_unless_the_box_was_replaced() -> None:
    text = f"10.0.0.1,cam.example.com ssh-ed25519 {ONE}\n"
    with pytest.raises(PinError) as caught:
        known_hosts.pinned(text, "cam", key("10.0.0.1", TWO))
    for words in (known_hosts.fingerprint(ONE), known_hosts.fingerprint(TWO), "run the playbook replace"):
        assert words in str(caught.value)
    after = known_hosts.pinned(text, "cam", key("10.0.0.1", TWO), replace=True)
    assert after == f"cam.example.com ssh-ed25519 {ONE}\n10.0.0.1 ssh-ed25519 {TWO}\n"


def test_keys_that_are_no_proof() -> None:
    text = f"other ssh-ed25519 {ONE}\n"
    with pytest.raises(PinError, match=r"is pinned for other: two boxes of one image"):
        known_hosts.pinned(text, "cam", key("cam"))
    with pytest.raises(PinError, match=r"bootstrap_host_key_fingerprints has SHA256:x"):
        known_hosts.pinned("", "cam", key("cam"), ["SHA256:x"])
    with pytest.raises(PinError, match=r"is revoked"):
        known_hosts.pinned(f"@revoked * ssh-ed25519 {ONE}\n", "cam", key("cam"), replace=True)
    assert known_hosts.pinned("", "cam", key("cam"), [known_hosts.fingerprint(ONE)])


def test_an_authority_takes_the_place_of_a_pin() -> None:
    text = known_hosts.certified(f"cam ssh-ed25519 {ONE}\nother ssh-ed25519 {TWO}\n", "cam", key("authority", TWO))
    assert text == f"other ssh-ed25519 {TWO}\n{AUTHORITY} cam ssh-ed25519 {TWO}\n"
    assert known_hosts.certified(text, "cam", key("authority", TWO)) == text
    assert known_hosts.names(text) == {"other", "cam"}


LINES = st.lists(
    st.sampled_from(
        ["", "# x", "|1|salt|hash ssh-rsa AAAA", "a,b ssh-ed25519 QQ==", "a ssh-rsa QQ==", "nonsense", "@revoked a x y"]
    )
)


@given(LINES, st.sampled_from(["a", "b", "c"]))
def test_lines_of_others_stay(lines: t.List[str], name: str) -> None:
    text = "".join(line + "\n" for line in lines)
    after = known_hosts.without(text, name)
    assert known_hosts.of(after, name) == []
    for other in {"a", "b", "c"} - {name}:
        assert [pin.data for pin in known_hosts.of(after, other)] == [pin.data for pin in known_hosts.of(text, other)]
    assert [line for line in after.splitlines() if known_hosts.read(line) is None] == [
        line for line in lines if known_hosts.read(line) is None
    ]


FLEET: dict[str, t.Any] = {
    "plugin": "physical_ai.edge.sites",
    "fleet": "f",
    "ring": "canary",
    "regions": {
        "r": {
            "sites": {
                "a": {
                    "cidr": "10.0.0.0/24",
                    "gateway": "gw",
                    "nodes": {"gw": {"host": 1, "uplink": "203.0.113.7:2222"}, "cam": {"host": 11}},
                },
                "b": {"nodes": {"box": {"address": "b.example.com"}, "two": {"address": "two.example.com"}}},
            }
        }
    },
}
CHECKED = "-o 'UserKnownHostsFile=\"/fleet/known_hosts\"' -o StrictHostKeyChecking=yes"


def arguments(*names: str) -> dict[str, str]:
    found = expand(parse(FLEET), Known("/fleet/known_hosts", frozenset(names)))
    return {host: variables.get("edge_ssh_args", "") for host, variables in found.hosts.items()}


def test_only_hosts_that_are_pinned_are_checked_by_the_file_of_the_fleet() -> None:
    assert arguments() == arguments("somebody.else")
    found = arguments("b.example.com")
    assert CHECKED in found["b-box"] and found["b-two"] == ""
    assert (
        "UserKnownHostsFile" not in found["a-gw"] + found["a-cam"] and "-o ProxyJump=203.0.113.7:2222" in found["a-cam"]
    )


def test_behind_a_gateway_both_are_checked() -> None:
    found = arguments("[203.0.113.7]:2222", "a-cam")
    assert CHECKED in found["a-gw"]
    # That of the node, and that of the jump, which is a command of its own.
    assert "HostKeyAlias=a-cam" in found["a-cam"] and found["a-cam"].count("StrictHostKeyChecking=yes") == 2
    assert "ProxyCommand=" in found["a-cam"] and found["a-cam"].count("/fleet/known_hosts") == 2
    # A gateway that is not pinned is jumped through as before, and its node checked all the same.
    node_only = arguments("a-cam")["a-cam"]
    assert "ProxyJump" in node_only and node_only.count("StrictHostKeyChecking=yes") == 1


@pytest.fixture
def authority(tmp_path: Path) -> Person:
    signing.needed()
    return Person(tmp_path, "authority")


def test_a_certificate_is_good_until_a_third_is_left(authority: Person, tmp_path: Path) -> None:
    now = datetime(2026, 11, 26, 12, 0, 0)  # as ssh-keygen shows it, in UTC
    host = " ".join(Person(tmp_path, "host").public.split()[:2])

    def sign(current: str = "", days: int = 0, of: str = host, name: str = "cam") -> str:
        return host_certificate.sign(
            str(authority.path), of, "kiruna-cam", [name], 90, now + timedelta(days=days), current
        )

    first = sign()
    found = host_certificate.read(first)
    assert found is not None and found.principals == ("cam",) and found.key == host_certificate.fingerprint(host)
    assert found.signer == host_certificate.fingerprint(host_certificate.public(str(authority.path)))
    assert sign(first) == first and sign(first, days=59) == first
    assert sign(first, days=61) != first
    assert sign(first, name="other") != first
    assert sign(first, of=" ".join(Person(tmp_path, "new").public.split()[:2])) != first
    assert host_certificate.read("nonsense") is None


def test_an_authority_that_is_none_is_one_line(authority: Person, tmp_path: Path) -> None:
    with pytest.raises(host_certificate.SigningError, match=r"there is no file .*nowhere: `ssh-keygen"):
        host_certificate.public(str(tmp_path / "nowhere"))
    (tmp_path / "locked").write_text(Person(tmp_path, "plain").path.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "locked").chmod(0o600)
    signing.keygen("-p", "-P", "", "-N", "secret words", "-f", str(tmp_path / "locked"))
    with pytest.raises(host_certificate.SigningError) as caught:
        host_certificate.sign(str(tmp_path / "locked"), authority.public, "cam", ["cam"], 1, datetime(2026, 1, 1))
    assert "\n" not in str(caught.value)
