# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a certificate: tells it of a new one, and finds out by a real handshake what it shows."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import time
import typing as t

from .._core.state import Deployment
from ._runner import run
from .errors import NodeError
from .node import Node

UNIT_SECONDS = 120.0
LOCK_WAIT = 60.0
_RUNS = ("active", "reloading", "activating")


def way(node: Node, definition: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """How the user of a certificate is told. Where the definition leaves that open, the workload of its name says it: `identity.on_change`
    of the release that runs now."""
    given: t.Dict[str, t.Any] = dict(definition["reload"])
    tenant, dot, workload = definition["name"].partition(".")
    if given["kind"] != "none" or not dot:
        return given
    deployment = _runs(node, tenant, workload)
    said = deployment.spec.get("identity", {}) if deployment else {}
    if said.get("on_change", "none") == "none":
        return given
    signal = said["signal"] if said["on_change"] == "signal" else ""
    return {"kind": "workload", "tenant": tenant, "workload": workload, "signal": signal}


def _runs(node: Node, tenant: str, workload: str) -> t.Optional[Deployment]:
    of_tenant = node.store.load().tenants.get(tenant)
    found = of_tenant.workloads.get(workload) if of_tenant else None
    return found.current if found else None


class User:
    """The unit or workload of a definition. One that did not run at the beginning is left so: it reads the files when it starts."""

    def __init__(self, node: Node, definition: t.Mapping[str, t.Any]) -> None:
        self._node = node
        self._definition = definition
        self._reload = way(node, definition)
        self.ran = self._running()

    def held(self) -> t.ContextManager[t.Any]:
        """No change swaps a workload while its certificate is replaced."""
        return self._node.lock(LOCK_WAIT) if self._reload["kind"] == "workload" else contextlib.nullcontext()

    def _running(self) -> bool:
        if self._reload["kind"] == "unit":
            return self._unit_state() in _RUNS
        if not self._workload()[1]:
            return True  # nobody knows who it is
        deployment = self._deployment()
        found = self._node.engine.inspect(deployment.container) if deployment else []
        return bool(found and found[0].running)

    def check_alive(self) -> None:
        """:raises NodeError: where it is a unit that failed. One that was stopped is none of that."""
        if self._reload["kind"] == "unit" and self._unit_state() == "failed":
            raise NodeError("probe", f"{self._reload['unit']} failed: see `journalctl -u {self._reload['unit']}`")

    def _unit_state(self) -> str:
        return run(["systemctl", "is-active", self._reload["unit"]]).out.strip()

    def _workload(self) -> t.Tuple[str, str]:
        """Tenant and name: also of one that looks by itself, which the certificate is named after."""
        if self._reload["kind"] == "workload":
            return self._reload["tenant"], self._reload["workload"]
        tenant, _dot, workload = self._definition["name"].partition(".")
        return tenant, workload

    def _deployment(self) -> t.Optional[Deployment]:
        return _runs(self._node, *self._workload())

    def reload(self) -> None:
        """Makes it read the files again. What runs no more, and did, is started: it may have died of them."""
        if self._reload["kind"] == "unit":
            state = self._unit_state()
            if self.ran or state == "failed":
                self._systemctl(self._reload["action"] if state in _RUNS else "restart")
        elif self._reload["kind"] == "workload" and self.ran:
            self._tell_workload()

    def _systemctl(self, action: str) -> None:
        unit = self._reload["unit"]
        done = run(["systemctl", action, unit], timeout=UNIT_SECONDS)
        if done.code != 0:
            raise NodeError("node", f"`systemctl {action} {unit}` failed: {done.said}: see `journalctl -u {unit}`")

    def _tell_workload(self) -> None:
        deployment = self._deployment()
        if deployment is None:
            return
        if self._reload["signal"] and self._running():
            self._node.engine.signal(deployment.container, [self._reload["signal"]])
        else:
            self._node.engine.restart(deployment.container, deployment.spec["stop_timeout"])

    def prove(self, directory: str, fingerprint: str) -> None:
        """Shakes hands with the endpoint until it shows this certificate."""
        endpoint, within = self._definition["endpoint"], self._definition["prove"]["within"]
        if not endpoint or not self.ran:
            return
        until = time.monotonic() + within
        while True:
            found = self._handshake(endpoint, directory)
            if found == fingerprint:
                return
            if time.monotonic() >= until:
                raise NodeError(
                    "probe",
                    f"{endpoint} does not show the certificate {fingerprint[:16]}... within {within:g} s, but {found}: "
                    "does it read `current/tls.crt` when it is told to?",
                )
            time.sleep(0.2)

    def _handshake(self, endpoint: str, directory: str) -> str:
        """The fingerprint of what is shown, or why nothing is. Nothing is believed of it, so nothing is verified."""
        host, dummy, port = endpoint.rpartition(":")
        name = self._definition["prove"]["server_name"] or next(iter(self._definition["dns"]), "")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            with contextlib.suppress(ssl.SSLError):  # for a server that wants one from its clients
                context.load_cert_chain(f"{directory}/tls.crt", f"{directory}/tls.key")
            plain = socket.create_connection((host.strip("[]"), int(port)), timeout=3.0)
            with plain, context.wrap_socket(plain, server_hostname=name.lstrip("*.") or None) as secured:
                shown = secured.getpeercert(binary_form=True)
        except (OSError, ValueError) as exc:
            return f"nothing ({exc})"
        return hashlib.sha256(shown or b"").hexdigest()
