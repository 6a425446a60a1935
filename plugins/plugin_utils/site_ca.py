# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory says of a site's issuing CA: who may have which certificate, and to what the CA is bound."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.physical_ai.edge.plugins.module_utils._core import issuing, issuing_config
from ansible_collections.physical_ai.edge.plugins.module_utils._core.fields import (
    Field,
    SpecError,
    integer,
    listing,
    mapping,
    suggestion,
    text,
)

_CERTIFICATE = mapping(
    {
        "name": Field(text(), required=True, doc="node, or TENANT.WORKLOAD"),
        "hosts": Field(listing(text()), doc="hosts that may have it; by default all of the site"),
        "dns": Field(listing(text()), default=(), doc="more host names"),
        "ip": Field(listing(text()), default=(), doc="more addresses"),
    }
)
_OPTIONS = mapping(
    {
        "site": Field(issuing.site_name, required=True, doc="name of the site (edge_site)"),
        "fleet": Field(issuing.dns, required=True, doc="name of the fleet (edge_fleet)"),
        "suffixes": Field(listing(issuing.dns, least=1), required=True, doc="domains of the site (site_ca_domains)"),
        "networks": Field(listing(issuing.network), default=(), doc="networks of the site (site_ca_networks)"),
        "certificates": Field(listing(_CERTIFICATE), default=(), doc="site_ca_certificates"),
        "blocked": Field(listing(text()), default=(), doc="site_ca_blocked"),
        "cut_off": Field(listing(issuing.blocking), default=(), doc="nodes, and tenants on nodes, that are cut off"),
        "lifetime_days": Field(integer(1, 397), default=30, doc="site_ca_lifetime_days"),
        "per_minute": Field(integer(1, 6000), default=60, doc="site_ca_per_minute"),
        "curve": Field(text(), default="P-256", doc="site_ca_curve"),
    }
)


def plan(hostvars: Mapping[str, Any], hosts: Iterable[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """`allowed` and `definition`, as the module certificate_authority takes them.

    :raises SpecError: naming what is wrong.
    """
    given = _OPTIONS("site_ca", dict(options))
    known = set(hosts)
    members = sorted(host for host in known if hostvars[host].get("edge_site") == given["site"])
    nodes: dict[str, Any] = {
        host: {"certificates": {issuing.NODE: _own(host, hostvars[host], given)}} for host in members
    }
    for number, item in enumerate(given["certificates"]):
        _add(f"site_ca_certificates[{number}]", nodes, item, given, known)
    for host, entry in nodes.items():
        entry["blocked"] = host in given["blocked"]
    data = {key: given[key] for key in ("site", "lifetime_days", "per_minute")}
    rules: dict[str, Any] = {"schema": issuing.SCHEMA, **data, "nodes": nodes}
    definition = _definition(
        issuing.allowed("site_ca", rules), given
    )  # who is blocked is no reason for another issuing CA
    for item in given["cut_off"]:
        rules = issuing.blocked(rules, item)
    allowed = issuing.allowed("site_ca", rules)
    return {"allowed": allowed, "definition": definition}


def _identity(host: str, name: str, given: Mapping[str, Any]) -> str:
    uri = f"spiffe://{given['fleet']}/site/{given['site']}/node/{host}"
    if name == issuing.NODE:
        return uri
    tenant, _dot, workload = name.partition(".")
    return f"{uri}/tenant/{tenant}/workload/{workload}"


def _own(host: str, variables: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, list[str]]:
    """The names of a node: in the domains of the site, and as it is reached."""
    names = [f"{host}.{suffix}".lower() for suffix in given["suffixes"]]
    addresses: list[str] = []
    for key in ("edge_address", "ansible_host"):
        found = str(variables.get(key) or "")
        try:
            address = ipaddress.ip_address(found)
        except ValueError:
            if "." in found:
                names.append(found.lower())
            continue
        if not address.is_loopback:
            addresses.append(str(address))
    return {"dns": _once(names), "ip": _once(addresses), "uri": [_identity(host, issuing.NODE, given)]}


def _add(where: str, nodes: dict[str, Any], item: Mapping[str, Any], given: Mapping[str, Any], known: set[str]) -> None:
    for host in item.get("hosts", nodes):
        if host not in known:
            raise SpecError(f"{where}.hosts: there is no host {host} in the inventory.{suggestion(host, known)}")
        if host not in nodes:
            continue  # it is of another site
        new = {"dns": [], "ip": [], "uri": [_identity(host, item["name"], given)]}
        names = nodes[host]["certificates"].setdefault(item["name"], new)
        for kind in ("dns", "ip"):
            names[kind] = _once([*names[kind], *item[kind]])


def _once(values: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _definition(allowed: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The domains and networks of the site, and what lies outside them one by one, such as a gateway's other address."""
    names = [item for entry in allowed["nodes"].values() for item in entry["certificates"].values()]
    networks = [ipaddress.ip_network(item) for item in given["networks"]]
    domains, more = list(given["suffixes"]), []
    for item in names:
        domains += [name for name in item["dns"] if not any(_below(name, domain) for domain in given["suffixes"])]
        for word in item["ip"]:
            address = ipaddress.ip_address(word)
            if not any(address in network for network in networks):
                more.append(str(ipaddress.ip_network(word)))
    wanted = {"site": given["site"], "uri": [given["fleet"]], "curve": given["curve"]}
    return issuing_config.definition("site_ca", {**wanted, "dns": domains, "ip": [*given["networks"], *more]})


def _below(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def request_problems(info: Mapping[str, Any], definition: Mapping[str, Any]) -> list[str]:
    """Why a root shall not sign this request of an issuing CA; what came from a gateway is not believed.

    :param info: what community.crypto.openssl_csr_info found.
    """
    wanted = issuing_config.definition("definition", dict(definition))
    permitted = {f"DNS:{name}" for name in wanted["dns"] or ["invalid"]}
    permitted |= {f"IP:{name}" for name in wanted["ip"]} | {f"URI:{name}" for name in wanted["uri"] or ["invalid"]}
    excluded = set() if wanted["ip"] else {"IP:0.0.0.0/0", "IP:::/0"}
    subject = [tuple(item) for item in info.get("subject_ordered", ())]
    good = (
        len(subject) == 1
        and subject[0][0] == "commonName"
        and subject[0][1].startswith(f"{wanted['site']} issuing CA ")
    )
    checks = [
        ("its signature", info.get("signature_valid"), True),
        ("its subject", "an issuing CA of the site" if good else str(subject), "an issuing CA of the site"),
        ("basicConstraints", sorted(info.get("basic_constraints") or ()), ["CA:TRUE", "pathlen:0"]),
        ("keyUsage", sorted(info.get("key_usage") or ()), ["CRL Sign", "Certificate Sign"]),
        ("names that it may sign", sorted(info.get("name_constraints_permitted") or ()), sorted(permitted)),
        ("names that it may not sign", sorted(info.get("name_constraints_excluded") or ()), sorted(excluded)),
        ("whether they are critical", info.get("name_constraints_critical"), True),
        (
            "extensions",
            sorted(info.get("extensions_by_oid") or ()),
            ["2.5.29.14", "2.5.29.15", "2.5.29.19", "2.5.29.30"],
        ),
        ("its key", info.get("public_key_type"), "ECC"),
    ]
    return [f"{what}: found {found}, wanted {want}" for what, found, want in checks if found != want]


__all__ = ["SpecError", "plan", "request_problems"]
