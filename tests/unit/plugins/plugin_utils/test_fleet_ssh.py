# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways through gateways as ssh itself resolves them, hop by hop."""

from __future__ import annotations

import copy
import re
import shlex
import subprocess
import typing as t

import pytest

from ansible_collections.physical_ai.edge.plugins.plugin_utils._fleet.expand import Inventory, expand
from ansible_collections.physical_ai.edge.plugins.plugin_utils._fleet.parse import parse

SITE: dict[str, t.Any] = {"ring": "canary", "cidr": "192.168.1.0/24", "gateway": "gw"}
OWN = {
    "ansible_user": "edge",
    "ansible_ssh_private_key_file": "/keys/my key",
    "ansible_ssh_common_args": """-o 'UserKnownHostsFile="/keys/known %%hosts"'""",
}


def fleet(defaults: dict[str, t.Any] | None = None, **sites: dict[str, t.Any]) -> Inventory:
    data: dict[str, t.Any] = {"plugin": "physical_ai.edge.sites", "fleet": "f", "defaults": defaults or {}}
    for site in sites.values():
        for key, value in SITE.items():
            site.setdefault(key, value)
        uplink = site.pop("uplink")
        site["nodes"] = {"gw": {"host": 2, "uplink": uplink}, "cam": {"host": 11}}
    data["regions"] = {"r": {"sites": copy.deepcopy(sites)}}
    return expand(parse(data))


def resolve(words: list[str]) -> dict[str, str]:
    """What ssh makes of these words; -F none keeps the configuration of whoever runs the test out of it."""
    argv = ["ssh", "-F", "none", "-G", *words]
    shown = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True).stdout
    return dict(line.split(" ", 1) for line in shown.splitlines() if " " in line)


def expanded(hop: dict[str, str]) -> str:
    """The command as ssh runs it: %h and %p are its own target, %% is a percent sign."""
    tokens = {"%h": hop["hostname"], "%p": hop["port"], "%%": "%"}
    return re.sub("%[hp%]", lambda match: tokens[match[0]], hop["proxycommand"])


def hops(found: Inventory, host: str) -> list[dict[str, str]]:
    """The host as ssh resolves it, then each jump on the way, the nearest to the host first."""
    variables = found.hosts[host]
    result = [resolve([*shlex.split(variables["edge_ssh_args"]), variables["ansible_host"]])]
    while "proxycommand" in result[-1]:
        words = shlex.split(expanded(result[-1]))
        assert words[0] == "ssh" and f"[{result[-1]['hostname']}]:{result[-1]['port']}" in words
        result.append(resolve(words[1:]))
    return result


def test_without_options_of_its_own_a_jump_is_a_plain_one() -> None:
    found = fleet({"ansible_user": "edge", "ansible_port": 2222}, a={"uplink": "203.0.113.7"})
    assert found.hosts["a-cam"]["edge_ssh_args"].endswith(" -o ProxyJump=edge@203.0.113.7:2222")
    assert "edge_ssh_args" not in found.hosts["a-gw"], "the gateway itself is reached directly"


@pytest.mark.parametrize(
    ("uplink", "jump"),
    [
        ("203.0.113.7:2201", "203.0.113.7:2201"),
        ("2001:db8::7", "[2001:db8::7]"),
        ("[2001:db8::7]:2201", "[2001:db8::7]:2201"),
        ("gw.example.com", "gw.example.com"),
    ],
)
def test_an_uplink_may_be_any_endpoint(uplink: str, jump: str) -> None:
    found = fleet({}, a={"uplink": uplink})
    assert found.hosts["a-cam"]["edge_ssh_args"].endswith(f"-o ProxyJump={jump}")
    assert found.hosts["a-gw"]["ansible_host"] == jump.replace(":2201", "").strip("[]")
    assert found.hosts["a-gw"].get("ansible_port") == (2201 if "2201" in uplink else None)


def test_options_of_the_fleet_reach_every_jump_of_a_chain() -> None:
    sites = {
        "a": {"uplink": "203.0.113.7"},
        "b": {"uplink": "10.1.1.1", "via": "a-gw"},
        "c": {"uplink": "10.2.2.2:2222", "via": "b-gw"},
    }
    way = hops(fleet(OWN, **sites), "c-cam")
    assert [hop["hostname"] for hop in way] == ["192.168.1.11", "10.2.2.2", "10.1.1.1", "203.0.113.7"]
    assert [hop["port"] for hop in way[1:]] == ["2222", "22", "22"]
    for hop in way[1:]:
        assert hop["identityfile"] == "/keys/my key"
        assert hop["userknownhostsfile"] == "/keys/known %hosts", "doubled by the user, read by each ssh once"
        assert hop["user"] == "edge"
        assert hop["serveraliveinterval"] == "5"
        assert hop["controlmaster"] == "false"
        assert hop.get("controlpath", "none") == "none"


def test_host_key_checking_of_the_gateway_is_that_of_the_jump() -> None:
    found = fleet({"ansible_host_key_checking": False}, a={"uplink": "203.0.113.7"})
    assert hops(found, "a-cam")[1]["stricthostkeychecking"] == "false"


def test_a_configuration_of_ssh_in_the_fleet_is_that_of_the_jump() -> None:
    found = fleet({"ansible_ssh_args": "-F /etc/fleet/ssh -o ControlPersist=60s"}, a={"uplink": "203.0.113.7"})
    assert "-F /etc/fleet/ssh" in found.hosts["a-cam"]["edge_ssh_args"]


def test_gateways_of_one_address_behind_different_ones_are_told_apart() -> None:
    sites = {
        "a": {"uplink": "203.0.113.7"},
        "b": {"uplink": "203.0.113.9"},
        "c": {"uplink": "10.9.9.9", "via": "a-gw"},
        "d": {"uplink": "10.9.9.9", "via": "b-gw"},
    }
    found = fleet({}, **sites)
    first, second = hops(found, "c-cam"), hops(found, "d-cam")
    assert [hop["hostname"] for hop in first] == ["192.168.1.11", "10.9.9.9", "203.0.113.7"]
    assert [hop["hostname"] for hop in second] == ["192.168.1.11", "10.9.9.9", "203.0.113.9"]
    assert [way[1]["hostkeyalias"] for way in (first, second)] == ["c-gw", "d-gw"]
    assert hops(found, "c-gw")[0]["hostkeyalias"] == "c-gw", "one name for the gateway, reached or passed"


def test_hosts_of_one_address_do_not_share_a_kept_connection() -> None:
    """Ansible names it after address, port and user: a change for one site would go to the other."""
    found = fleet({}, a={"uplink": "203.0.113.7"}, b={"uplink": "203.0.113.9"})
    paths = [found.hosts[host]["ansible_control_path"] for host in ("a-cam", "b-cam")]
    assert len(set(paths)) == 2
    assert all(path.startswith("%(directory)s/") and path.endswith("-%%r") for path in paths)
    assert paths[0] != fleet({}, a={"uplink": "203.0.113.8"}).hosts["a-cam"]["ansible_control_path"]


def test_what_the_user_says_about_kept_connections_stands() -> None:
    data: dict = {"plugin": "physical_ai.edge.sites", "fleet": "f", "regions": {"r": {"sites": {"a": {**SITE}}}}}
    camera = {"host": 11, "vars": {"ansible_control_path": "/tmp/mine"}}
    data["regions"]["r"]["sites"]["a"]["nodes"] = {"gw": {"host": 2, "uplink": "203.0.113.7"}, "cam": camera}
    assert expand(parse(data)).hosts["a-cam"]["ansible_control_path"] == "/tmp/mine"


def test_a_template_is_left_to_be_rendered_when_it_is_used() -> None:
    found = fleet({"ansible_user": "{{ who }}"}, a={"uplink": "203.0.113.7"})
    expected = '-o ProxyJump={{ hostvars["a-gw"]["ansible_user"] }}@203.0.113.7'
    assert found.hosts["a-cam"]["edge_ssh_args"].endswith(expected)
