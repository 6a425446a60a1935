# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs the node program: one file that python3 runs, made of the very modules that are imported here.

The archive is the same, byte for byte, for the same sources: its digest says whether a node has it.
"""

from __future__ import annotations

import io
import types
import typing as t
import zipfile

# Importing them is what brings them onto the node along with a module, and what makes them members below.
# ruff: noqa: F401
# pylint: disable=unused-import
from .._core import (
    admission,
    asn1,
    baseline,
    certificate_request,
    clock,
    container,
    devices,
    fields,
    gpus,
    idle,
    issuing,
    issuing_config,
    issuing_http,
    judge,
    judge_node,
    modbus,
    model_request,
    models,
    names,
    node_checks,
    opcua,
    outcome,
    plan,
    renewal,
    request,
    secrets,
    signature,
    spec,
    spec_fields,
    state,
    tenants,
    versions,
    x509,
    xid,
)
from .._core import backup as core_backup
from .._core.hardware import (
    block_yaml,
    cdi,
    disk,
    jetson,
    nvidia_smi,
    pci,
    proc_nvidia,
    shape,
    system,
    usb,
    v4l2,
    values,
)
from .._core.hardware import discovery as gvcp
from .._core.hardware import gpus as gpu_facts
from . import (
    _runner,
    admit,
    answers,
    archive,
    backup,
    backup_command,
    block,
    block_command,
    ca,
    ca_command,
    ca_issue,
    ca_serve,
    certificate_files,
    certificate_requests,
    certificate_users,
    certificates,
    certificates_command,
    change,
    change_command,
    checkup,
    checkup_command,
    cli,
    clock_command,
    clock_hosts,
    containers,
    data,
    devices_command,
    download,
    engine,
    errors,
    events,
    faults,
    fetch,
    files,
    gpu_guard,
    grants,
    hardware,
    hardware_devices,
    hardware_tree,
    hold_command,
    holds,
    kernel_log,
    launch,
    launch_command,
    lease,
    ledger,
    ledger_command,
    model_requests,
    models_command,
    moment,
    network_discovery,
    node,
    node_watch,
    probe_kinds,
    probes,
    program,
    recover_command,
    registry,
    report,
    revert,
    rotation,
    sealing,
    secrets_command,
    settle,
    shares,
    slot,
    status_command,
    store,
    switch,
    terminal,
    trust,
    version,
    waiting,
)
from . import baseline as node_baseline
from . import clock as node_clock
from . import devices as node_devices
from . import idle as node_idle
from . import models as node_models
from . import secrets as node_secrets

MEMBERS = tuple(
    found
    for found in list(globals().values())
    if isinstance(found, types.ModuleType) and ".module_utils._" in found.__name__
)
"""All that are imported above."""
_SHEBANG = b"#!/usr/bin/env python3\n"
_MAIN = """import os
import sys

# A change may take hours, and another program may be put in the place of this one meanwhile: what is imported then is still of this.
sys.path[0] = f"/proc/self/fd/{os.open(sys.path[0], os.O_RDONLY)}"

from edge._node.cli import main

sys.exit(main())
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def source(module: t.Any) -> str:
    """Source text of an imported module, from a directory or from the archive that brought it."""
    loader = module.__spec__.loader
    text = loader.get_source(module.__name__)
    if text is None:
        raise ValueError(f"no source of {module.__name__}")
    return text


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


def build() -> bytes:
    """The program as bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive_file:
        texts = {"__main__.py": _MAIN, "edge/__init__.py": ""}
        for module in MEMBERS:
            path = module.__name__.rpartition("module_utils.")[2].split(".")
            texts.update({f"edge/{'/'.join(path[:depth])}/__init__.py": "" for depth in range(1, len(path))})
            texts[f"edge/{'/'.join(path)}.py"] = source(module)
        for name, text in sorted(texts.items()):
            archive_file.writestr(_member(name), text)
    return _SHEBANG + buffer.getvalue()
