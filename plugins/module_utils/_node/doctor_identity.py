# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor reads of certificates, lists of what is revoked, and secrets. No value and no key is in it."""

from __future__ import annotations

import typing as t

from .._core.doctor_finding import Seen
from . import certificate_files, certificate_requests, certificates, files, secrets
from .errors import NodeError
from .files import Paths
from .node import Node


def own_certificates(seen: Seen, paths: Paths) -> None:
    rows = certificate_requests.overview(Node(paths)) if certificates.names(paths) else []
    for row in rows:
        row["revoked"], row["untrusted"] = False, ""
        try:
            row["revoked"], row["untrusted"] = _standing(paths, row["name"])
        except NodeError as exc:
            row["problem"] = row["problem"] or exc.message
    seen["own_certificates"] = rows


def _standing(paths: Paths, name: str) -> t.Tuple[bool, str]:
    """Whether what is in use is revoked, and why it leads to no root that counts; whatever the time."""
    pems = certificates.chain(paths, name)
    if not pems:
        return False, ""
    leaf = certificate_files.show(name, pems[0])
    lists = [item for dummy, item in certificate_files.read_crls(paths.crl, files.read_text(paths.crl) or "")]
    try:
        certificate_files.check_chain(paths, f"certificate {name}", pems, leaf, None, paths.trust_bundle)
    except NodeError as exc:
        return certificate_files.revoked(lists, leaf), exc.message
    return certificate_files.revoked(lists, leaf), ""


def revocation_lists(seen: Seen, paths: Paths) -> None:
    lists = certificate_files.read_crls(paths.crl, files.read_text(paths.crl) or "")
    seen["revocation_lists"] = [{"issuer": item.issuer, "next_update": item.next_update} for dummy, item in lists]


def sealed_secrets(seen: Seen, paths: Paths) -> None:
    found: t.List[t.Dict[str, str]] = []
    for tenant in secrets.tenants(paths):
        problem = ""
        try:
            secrets.unseal(paths, tenant, secrets.committed(paths, tenant))
        except NodeError as exc:
            problem = exc.message
        found.append({"tenant": tenant, "problem": problem})
    seen["sealed_secrets"] = found
