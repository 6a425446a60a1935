# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin, as ansible-inventory and ssh see it, and every kind of bad input."""

from __future__ import annotations

import copy
import ipaddress
import json
import os
import shlex
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.plugins.inventory import expand_hostname_range
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.plugin_utils._fleet.errors import FleetError
from ansible_collections.physical_ai.edge.plugins.plugin_utils._fleet.expand import expand
from ansible_collections.physical_ai.edge.plugins.plugin_utils._fleet.parse import parse
from ansible_collections.physical_ai.edge.plugins.plugin_utils._fleet.ranges import expand as names_of
from tests.tools.sync import BUILD
from tests.unit.plugins.inventory.fleets import BAD, GOOD, with_mistake

BIN = Path(sys.executable).parent


def run(program: str, inventory: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    environ.update(
        ANSIBLE_COLLECTIONS_PATH=str(BUILD),
        ANSIBLE_INVENTORY_ENABLED="physical_ai.edge.sites,ansible.builtin.yaml",
        ANSIBLE_INVENTORY_UNPARSED_FAILED="true",
        ANSIBLE_NOCOLOR="true",
        **extra,
    )
    argv = [str(BIN / program), "-i", str(inventory), *arguments]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60, check=False)


def write(folder: Path, data: t.Any, name: str = "acme.fleet.yml") -> Path:
    path = folder / name
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


def listed(inventory: Path, *arguments: str) -> dict[str, t.Any]:
    done = run("ansible-inventory", inventory, "--list", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, t.Any]:
    return listed(write(tmp_path_factory.mktemp("fleet"), GOOD))


def test_hosts_groups_and_variables_are_those_of_the_design(good: dict[str, t.Any]) -> None:
    hosts = good["_meta"]["hostvars"]
    assert len(hosts) == 15
    camera = hosts["kiruna-cam03"]
    assert camera["ansible_host"] == "10.20.1.13"
    assert camera["edge_networks"] == {"site": ["10.20.1.0/24"], "zone": ["10.20.1.0/26"]}
    expected = {
        "ansible_user": "edge",
        "edge_site": "kiruna",
        "edge_region": "eu-north",
        "edge_ring": "canary",
        "edge_zone": "line-1",
        "edge_hardware": "jetson-orin-nx",
        "edge_gateway": "kiruna-gw01",
        "edge_connectivity": "intermittent",
        "edge_when_offline": "expected",
        "edge_timezone": "Europe/Stockholm",
        "edge_bandwidth": "20Mbit",
        "edge_fetch_window": {"start": "20:00", "duration": "10h"},
        "edge_labels": {},
    }
    assert {key: camera[key] for key in expected} == expected
    assert hosts["kiruna-gw01"]["ansible_host"] == "203.0.113.7"
    assert hosts["kiruna-legacy"]["ansible_host"] == "cell7.kiruna.example.com"
    assert hosts["lulea-box1"]["edge_gateway"] == ""
    assert hosts["lulea-box1"]["edge_when_offline"] == "error"
    for group in ("region_eu_north", "site_kiruna", "ring_canary", "hardware_jetson_orin_nx", "kiruna_zone_line_1"):
        assert group in good, group
    assert good["gateways"]["hosts"] == ["kiruna-gw01"]
    assert len(good["kiruna_zone_line_1"]["hosts"]) == 12


def test_a_closer_level_wins(tmp_path: Path) -> None:
    data = copy.deepcopy(GOOD)
    sites = data["regions"]["eu-north"]["sites"]
    data["vars"] = dict.fromkeys("abcd", "fleet")
    data["regions"]["eu-north"]["vars"] = dict.fromkeys("bcd", "region")
    sites["lulea"]["vars"] = dict.fromkeys("cd", "site")
    sites["lulea"]["nodes"]["box1"]["vars"] = {"d": "node"}
    host = listed(write(tmp_path, data))["_meta"]["hostvars"]["lulea-box1"]
    assert [host[key] for key in "abcd"] == ["fleet", "region", "site", "node"]


@pytest.mark.parametrize(("name", "path", "value", "words"), BAD, ids=[item[0] for item in BAD])
def test_bad_input_is_one_line_that_names_place_found_and_allowed(
    name: str, path: tuple[str, ...], value: t.Any, words: tuple[str, ...]
) -> None:
    with pytest.raises(FleetError) as raised:
        expand(parse(with_mistake(name, path, value)))
    message = str(raised.value)
    assert "\n" not in message
    for word in words:
        assert word in message, f"{word!r} is not in: {message}"


@pytest.mark.parametrize(("text", "words"), [("", "empty"), ("a: [", "acme.fleet.yml"), ("- 1\n", "a list")])
def test_a_file_that_is_no_fleet_is_refused_without_a_traceback(tmp_path: Path, text: str, words: str) -> None:
    done = run("ansible-inventory", write(tmp_path, text), "--list")
    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_names_the_file_and_the_line(tmp_path: Path) -> None:
    data = copy.deepcopy(GOOD)
    data["regions"]["eu-north"]["sites"]["kiruna"]["ring"] = "canari"
    done = run("ansible-inventory", write(tmp_path, data), "--list")
    assert done.returncode != 0
    assert "acme.fleet.yml" in done.stderr and "did you mean 'canary'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_templates_are_rendered_when_used_and_encrypted_values_stay_encrypted(tmp_path: Path) -> None:
    secret = tmp_path / "vault-password"
    secret.write_text("geheim\n", encoding="utf-8")
    argv = [
        str(BIN / "ansible-vault"),
        "encrypt_string",
        "--vault-password-file",
        str(secret),
        "hunter2",
        "--name",
        "plc",
    ]
    vaulted = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout
    text = yaml.safe_dump(GOOD, sort_keys=False) + "vars:\n  line: 'at {{ edge_site }}'\n"
    text += "".join(f"  {line}\n" for line in vaulted.splitlines())
    path = write(tmp_path, text)
    shown = run("ansible-inventory", path, "--list")
    assert shown.returncode == 0, shown.stderr
    assert "hunter2" not in shown.stdout
    message = json.dumps({"msg": "{{ line }}, {{ plc }}"})
    argv = [
        "lulea-box1",
        "-c",
        "local",
        "-m",
        "ansible.builtin.debug",
        "-a",
        message,
        "--vault-password-file",
        str(secret),
    ]
    done = run("ansible", path, *argv)
    assert "at lulea, hunter2" in done.stdout, done.stdout + done.stderr


def test_the_export_as_plain_yaml_is_the_same_inventory(tmp_path: Path, good: dict[str, t.Any]) -> None:
    plain = tmp_path / "plain.yml"
    done = run("ansible-inventory", write(tmp_path, GOOD), "--list", "--yaml", "--export")
    assert done.returncode == 0, done.stderr
    plain.write_text(done.stdout, encoding="utf-8")
    assert listed(plain)["_meta"]["hostvars"] == good["_meta"]["hostvars"]


def jumps(inventory: Path, *hosts: str) -> dict[str, dict[str, str]]:
    """What ssh itself makes of the options of each host."""
    found = listed(inventory)["_meta"]["hostvars"]
    result = {}
    for host in hosts:
        # Rendered by Ansible when it is used: tests/integration/test_inventory.py has Ansible do so.
        assert found[host]["ansible_ssh_extra_args"] == "{{ edge_ssh_args }}"
        options = found[host]["edge_ssh_args"]
        command = f"ssh -F none -G {options} {found[host]['ansible_host']}"
        resolved = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=20, check=True)
        result[host] = dict(line.split(" ", 1) for line in resolved.stdout.splitlines() if " " in line)
        # Some versions of ssh show an address in brackets.
        result[host]["proxyjump"] = result[host].get("proxyjump", "").replace("[", "").replace("]", "")
    return result


def two_sites_of_one_network() -> dict[str, t.Any]:
    site = {"ring": "canary", "cidr": "192.168.1.0/24", "gateway": "gw01"}
    nodes: dict[str, t.Any] = {"gw01": {"host": 2, "uplink": "203.0.113.7"}, "cam01": {"host": 11}}
    other = copy.deepcopy(nodes)
    other["gw01"]["uplink"] = "203.0.113.9"
    sites = {"kiruna": {**site, "nodes": nodes}, "lulea": {**site, "nodes": other}}
    return {"plugin": GOOD["plugin"], "fleet": "twins", "regions": {"north": {"sites": sites}}}


@pytest.mark.must_show("A9")
def test_two_sites_of_one_network_are_reached_through_their_own_gateways(
    tmp_path: Path, figure: t.Callable[[str], None]
) -> None:
    found = jumps(write(tmp_path, two_sites_of_one_network()), "kiruna-cam01", "lulea-cam01")
    first, second = found["kiruna-cam01"], found["lulea-cam01"]
    assert first["hostname"] == second["hostname"] == "192.168.1.11"
    assert first["proxyjump"] == "203.0.113.7"
    assert second["proxyjump"] == "203.0.113.9"
    assert first["hostkeyalias"] != second["hostkeyalias"]
    figure(f"192.168.1.11 twice, by {first['proxyjump']} and by {second['proxyjump']} in ssh's own resolution")


def test_a_cut_link_is_noticed_and_a_chain_of_gateways_is_followed(tmp_path: Path) -> None:
    data = two_sites_of_one_network()
    data["regions"]["north"]["sites"]["lulea"]["via"] = "kiruna-gw01"
    found = jumps(write(tmp_path, data), "lulea-cam01", "kiruna-cam01")
    assert found["lulea-cam01"]["proxyjump"] == "203.0.113.7,203.0.113.9"
    assert found["kiruna-cam01"]["serveraliveinterval"] == "5"
    assert found["kiruna-cam01"]["serveralivecountmax"] == "3"


def test_a_jump_uses_the_key_and_the_known_hosts_of_the_fleet(tmp_path: Path) -> None:
    data = two_sites_of_one_network()
    data["defaults"] = {
        "ansible_ssh_private_key_file": "/keys/my key",
        "ansible_ssh_common_args": "-o UserKnownHostsFile=/keys/known",
    }
    found = jumps(write(tmp_path, data), "kiruna-cam01")["kiruna-cam01"]
    for word in ("/keys/my key", "UserKnownHostsFile=/keys/known", "203.0.113.7"):
        assert word in found["proxycommand"]


def test_a_jump_keeps_the_configuration_of_ssh_when_its_gateway_is_pinned(tmp_path: Path) -> None:
    """A plain ProxyJump hands on what -F names; a command of its own has to be told."""
    inventory = write(tmp_path, two_sites_of_one_network())
    pinned = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHCcCUmBpomczTjSL1DWEVdPSQjj34A4He5Ur5L7BhM0"
    (tmp_path / "known_hosts").write_text(f"203.0.113.7 {pinned}\n", encoding="utf-8")
    for settings, wanted in (("-C -F '/etc/fleet ssh'", "-F '/etc/fleet ssh'"), ("-F/etc/x", "-F /etc/x"), ("-C", "")):
        done = run("ansible-inventory", inventory, "--host", "kiruna-cam01", ANSIBLE_SSH_ARGS=settings)
        options = shlex.split(json.loads(done.stdout)["edge_ssh_args"])
        (command,) = (word for word in options if word.startswith("ProxyCommand="))
        assert wanted in command and ("-F" in command) == bool(wanted), command


def test_the_examples_of_the_plugin_and_the_example_fleet_are_read(tmp_path: Path) -> None:
    source = (BUILD / "ansible_collections/physical_ai/edge/plugins/inventory/sites.py").read_text(encoding="utf-8")
    examples = source.split('EXAMPLES = r"""', 1)[1].split('"""', 1)[0]
    documents = [item for item in yaml.safe_load_all(examples) if item]
    assert len(documents) >= 2
    for document in documents:
        assert expand(parse(document)).hosts
    example = BUILD / "ansible_collections/physical_ai/edge/inventories/example/fleet.yml"
    assert len(expand(parse(yaml.safe_load(example.read_text(encoding="utf-8")))).hosts) == 2000


@given(
    first=st.integers(min_value=1, max_value=200),
    count=st.integers(min_value=1, max_value=40),
    prefix=st.sampled_from(["10.9.8.0/24", "172.20.0.0/16", "2001:db8:5::/64"]),
)
def test_computed_addresses_are_in_the_network_and_unique(first: int, count: int, prefix: str) -> None:
    nodes = {f"box[1:{count}]": {"first_host": first}}
    site = {"ring": "canary", "cidr": prefix, "nodes": nodes}
    data = {"plugin": GOOD["plugin"], "fleet": "f", "regions": {"r": {"sites": {"s": site}}}}
    if first + count - 1 > 254:
        return
    hosts = expand(parse(data)).hosts
    found = [ipaddress.ip_address(str(item["ansible_host"])) for item in hosts.values()]
    assert len(set(found)) == count
    assert all(address in ipaddress.ip_network(prefix) for address in found)


@given(first=st.integers(0, 50), count=st.integers(0, 50), step=st.integers(1, 7), width=st.integers(2, 4))
def test_ranges_are_those_of_ansible(first: int, count: int, step: int, width: int) -> None:
    pattern = f"n[{first:0{width}}:{first + count:0{width}}:{step}]-[a:c]"
    assert names_of(pattern) == expand_hostname_range(pattern)


def test_the_examples_of_the_document_are_read() -> None:
    text = (BUILD / "ansible_collections/physical_ai/edge/docs/fleet_file.md").read_text(encoding="utf-8")
    examples = [part.split("```", 1)[0] for part in text.split("```yaml\n")[1:]]
    assert [len(expand(parse(yaml.safe_load(example))).hosts) for example in examples] == [14, 11]


def test_the_document_has_every_key() -> None:
    from ansible_collections.physical_ai.edge.plugins.plugin_utils._fleet import parse as keys

    text = (BUILD / "ansible_collections/physical_ai/edge/docs/fleet_file.md").read_text(encoding="utf-8")
    for key in {*keys.FLEET_KEYS, *keys.REGION_KEYS, *keys.SITE_KEYS, *keys.NODE_KEYS}:
        assert f"| `{key}` |" in text, key
