# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is cut off: the record beside the fleet file, by which playbooks pass over a node that cannot be reached to be told.

schema: 1
nodes: {kiruna-cam01: {reason: stolen, since: "2026-11-26"}}
sites: {narvik: {reason: closed, since: "2026-11-26"}}
tenants: {quality: {kiruna-cam02: {reason: unpaid, since: "2026-11-26"}}}
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from ansible_collections.physical_ai.edge.plugins.plugin_utils.table import aligned

NAME = "blocked.yml"
SCHEMA = 1
KINDS = ("nodes", "sites", "tenants")

Record = dict[str, Any]


class BlockedError(ValueError):
    """A record that cannot be read is no empty one: nothing goes on by it. One line."""


def path(variables: Mapping[str, Any]) -> str:
    """Where the record of a host is; empty where its inventory has no folder."""
    given = str(variables.get("edge_blocked_file") or "")
    folder = str(variables.get("inventory_dir") or "")
    return os.path.abspath(os.path.expanduser(given)) if given else os.path.join(folder, NAME) if folder else ""


def read(file: str) -> Record:
    try:
        stamp = os.stat(file)
        return _read(file, stamp.st_mtime_ns, stamp.st_size)
    except FileNotFoundError:
        return check(file, {"schema": SCHEMA})
    except (OSError, ValueError, yaml.YAMLError) as exc:
        if isinstance(exc, BlockedError):
            raise
        raise BlockedError(f"{file} cannot be read, so nobody knows who is blocked: {_line(exc)}") from None


@functools.lru_cache(maxsize=8)  # it is asked for by each host
def _read(file: str, _changed: int, _size: int) -> Record:
    with open(file, encoding="utf-8") as handle:
        content = yaml.safe_load(handle)
    return check(file, {"schema": SCHEMA} if content is None else content)


def _line(value: Any) -> str:
    return " ".join(str(value).split())


def check(where: str, found: Any) -> Record:
    if not isinstance(found, Mapping) or found.get("schema") != SCHEMA or not set(found) <= {"schema", *KINDS}:
        raise BlockedError(
            f"{where}: wanted a mapping with schema {SCHEMA} and {', '.join(KINDS)}, as the playbook block writes it"
        )
    record: Record = {"schema": SCHEMA, **{kind: found.get(kind) or {} for kind in KINDS}}
    entries = [(f"{kind}.{name}", item) for kind in KINDS[:2] for name, item in _table(where, kind, record[kind])]
    for tenant, hosts in _table(where, "tenants", record["tenants"]):
        entries += [(f"tenants.{tenant}.{host}", item) for host, item in _table(where, f"tenants.{tenant}", hosts)]
    for place, item in entries:
        if not isinstance(item, Mapping) or not isinstance(item.get("reason"), str):
            raise BlockedError(f"{where}: {place}: wanted a mapping with a reason")
    return record


def _table(where: str, key: str, value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        raise BlockedError(f"{where}: {key}: found {type(value).__name__}, wanted a mapping by names")
    return [(str(name), item) for name, item in value.items()]


def of(record: Record, host: str, site: str) -> dict[str, Any]:
    """For one host: `reason` why it is cut off, `tenants` that are, with the reason for each, and the whole `record`.

    `certificates` are those that count nowhere any more, as the module certificate_authority takes them in `block`.
    """
    node, whole = record["nodes"].get(host), record["sites"].get(site)
    words = (
        [f"blocked: {node['reason']}"] if node else [f"its site {site} is blocked: {whole['reason']}"] if whole else []
    )
    tenants = {tenant: hosts[host]["reason"] for tenant, hosts in record["tenants"].items() if host in hosts}
    certificates = [{"node": name} for name in record["nodes"]]
    certificates += [{"node": name, "tenant": tenant} for tenant, hosts in record["tenants"].items() for name in hosts]
    return {
        "reason": words[0] if words else "",
        "site": whole["reason"] if whole else "",
        "tenants": tenants,
        "certificates": certificates,
        "record": record,
    }


def found(variables: Mapping[str, Any]) -> dict[str, Any]:
    """`reason` and `tenants` of :func:`of`, for a host by its variables."""
    file = path(variables)
    record = read(file) if file else check("the record", {"schema": SCHEMA})
    known = of(record, str(variables.get("inventory_hostname") or ""), str(variables.get("edge_site") or ""))
    return {key: known[key] for key in ("reason", "tenants")}


def changed(record: Any, change: Mapping[str, Any]) -> Record:
    """The record after a change: `node`, `site` or `tenant` with its `hosts`, and `state`, `reason` and `since`.

    What is blocked already keeps the day of its block.
    """
    before = check("the record", record)
    after: Record = {"schema": SCHEMA, **{kind: dict(before[kind]) for kind in KINDS}}
    table, names = after["nodes"], [change.get("node")]
    if change.get("site"):
        table, names = after["sites"], [change["site"]]
    if change.get("tenant"):
        table = after["tenants"][change["tenant"]] = dict(before["tenants"].get(change["tenant"], {}))
        names = list(change["hosts"])
    for name in names:
        if change["state"] == "absent":
            table.pop(name, None)
        else:
            since = table.get(name, {}).get("since", str(change["since"]))
            table[name] = {"reason": str(change["reason"]), "since": since}
    after["tenants"] = {tenant: hosts for tenant, hosts in after["tenants"].items() if hosts}
    return {"schema": SCHEMA, **{kind: after[kind] for kind in KINDS if after[kind]}}


# -- what was done where

DONE, WAITS = "done", "WAITS"
Row = tuple[str, str, str, str]


def report(hostvars: Mapping[str, Any], hosts: Sequence[str], change: Mapping[str, Any]) -> dict[str, Any]:
    """`lines`, a table with a row for each place, and `waiting`, the places that were not reached.

    :param change: as for :func:`changed`; `hosts` are those that are cut off, `sites` those whose lists change, `file` is the record.
    """
    absent = change["state"] == "absent"
    said = "who is not in it is let in again" if absent else "playbooks pass over who is in it"
    rows: list[Row] = [("record", change["file"], DONE, said)]
    if change.get("site"):
        rows += _site(hostvars, hosts, change)
    else:
        for host in change["hosts"]:
            rows.append(("node", host, *_said(hostvars[host].get("block_result"), "run this again when it does")))
        for site in change["sites"]:
            rows += _authority(hostvars, hosts, site, change)
    waiting = [f"{row[0]} {row[1]}" for row in rows if row[2] == WAITS]
    end = f"{len(waiting)} of {len(rows)} wait: {', '.join(waiting)}" if waiting else "done everywhere"
    return {"lines": [*aligned([("WHAT", "WHERE", "", "SAID"), *rows]), end], "waiting": waiting}


def _said(result: Any, later: str) -> tuple[str, str]:
    if not isinstance(result, Mapping):
        return WAITS, later
    if result.get("unreachable") or result.get("timedout"):
        return WAITS, f"it does not answer; {later}"
    if result.get("failed"):
        return WAITS, f"{_line(result.get('msg') or 'it failed')[:300]}; {later}"
    if result.get("skipped"):
        return WAITS, later
    return DONE, _line(result.get("msg") or ("changed" if result.get("changed") else "as it was"))[:300]


def _list(host: str, result: Any) -> Row:
    word, said = _said(result, "it gets the list with its next certificate or push (playbook pki)")
    return "list", host, word, "it knows what is revoked" if word == DONE else said


def _site(hostvars: Mapping[str, Any], hosts: Sequence[str], change: Mapping[str, Any]) -> Iterable[Row]:
    word = DONE if any("__site_ca_every" in hostvars[host] for host in hosts) else WAITS
    said = "it gets another one" if change["state"] == "absent" else "the root revoked it"
    yield "issuing CA", change["site"], word, said if word == DONE else "run the playbook pki"
    for host in hosts:
        yield _list(host, hostvars[host].get("__site_ca_told"))


def _authority(
    hostvars: Mapping[str, Any], hosts: Sequence[str], site: str, change: Mapping[str, Any]
) -> Iterable[Row]:
    members = [host for host in hosts if hostvars[host].get("edge_site") == site]
    for host in members:
        if "block_authority_here" in hostvars[host]:
            word, said = _authority_said(hostvars[host], change)
            yield "issuing CA", site, word, said
    for host in members:
        if host not in change["hosts"] or change.get("tenant") or change["state"] == "absent":
            yield _list(host, hostvars[host].get("block_told"))


def _authority_said(have: Mapping[str, Any], change: Mapping[str, Any]) -> tuple[str, str]:
    where = have["block_authority_here"]
    if where == "nowhere":
        return WAITS, "the site has no gateway: give site_ca_root_path, or run the playbook pki"
    if where in change["hosts"] and not change.get("tenant"):
        return WAITS, "it is on this very node: cut the site off too (block_site), or replace the gateway"
    result = have.get("block_authority")
    word, said = _said(result, "run this again, or the playbook pki")
    if word == WAITS or not isinstance(result, Mapping):
        return word, said
    parts = result.get("diff") or []
    revoked = [item["after"].strip() for item in parts if item.get("after_header") == "revoked"]
    return word, f"revoked: {', '.join(revoked)}" if revoked else "nothing more to revoke"
