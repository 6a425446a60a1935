# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node and the issuing CA of its gateway, both ends as they are, over a real connection."""

from __future__ import annotations

import os
import socket
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._node import (
    ca_issue,
    ca_serve,
    certificate_requests,
    certificates,
    clock,
    files,
)
from ansible_collections.physical_ai.edge.plugins.module_utils._node.engine import Engine
from ansible_collections.physical_ai.edge.plugins.module_utils._node.node import Node
from tests.unit.plugins.module_utils._node import authorities
from tests.unit.plugins.module_utils._node.authorities import Root, Site, allowed

DAY = 86400.0
NODE, WORKLOAD = "kiruna-cam01", "quality.inspection"


class Gateway(threading.Thread):
    """What the socket of systemd does: a connection, a program."""

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self.site = site
        self.said: t.List[str] = []
        self.answering = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/certificates"

    def run(self) -> None:
        while True:
            try:
                connection, _address = self._listening.accept()
            except OSError:
                return
            with self.answering, connection:
                self.said.append(ca_serve.serve(self.site.authority, connection.fileno(), connection.fileno()))

    def close(self) -> None:
        # Closing alone does not wake the one who waits, and who goes on after it would take the next socket of the same number.
        self._listening.shutdown(socket.SHUT_RDWR)
        self.join()
        self._listening.close()


class Pair:
    def __init__(self, folder: Path, site: Site, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
        self.site, self.gateway = site, gateway
        self.node = Node(files.Paths(str(folder)), Engine("false"))
        self.noted: t.List[t.Tuple[str, float]] = []
        self.now()
        monkeypatch.setattr(clock, "verdict", lambda dummy: self.verdict)
        monkeypatch.setattr(clock, "note", lambda dummy, who, seconds: self.noted.append((who, seconds)))
        monkeypatch.setattr(os, "fsync", lambda dummy: None)
        files.write_atomic(self.node.paths.trust_bundle, site.root.pem)
        self.at(NODE)
        site.allow(allowed())

    def now(self, days: float = 0.0, state: str = "trusted") -> None:
        self.verdict = clock.Verdict(time.time() + days * DAY, state, "the test says so")

    def at(self, name: str) -> None:
        files.write_json(self.node.paths.pki_gateway, {"url": self.gateway.url, "node": name})

    def present(self, name: str, certificate: str = "") -> t.Dict[str, t.Any]:
        wanted = dict(allowed()["nodes"][NODE]["certificates"][name], name=name, subject=NODE)
        return certificate_requests.carry_out(self.node, {"definition": wanted, "certificate": certificate})

    def push(self) -> None:
        """What a controller does."""
        requests = {name: self.present(name)["csr"] for name in ("node", WORKLOAD)}
        signed = ca_issue.issue(self.site.authority, {"node": NODE, "requests": requests})["certificates"]
        for name in requests:
            result = self.present(name, signed[name])
            assert result["class"] == "success", result["msg"]

    def serials(self) -> t.List[str]:
        leaves = [certificates.leaf(self.node.paths, name) for name in ("node", WORKLOAD)]
        return [leaf.serial for leaf in leaves if leaf is not None]

    def renew(self) -> t.Dict[str, t.Any]:
        result = certificate_requests.renew(self.node)
        with self.gateway.answering:  # it answers before it says what
            return result


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    authorities.needed()
    return Root(tmp_path_factory.mktemp("operator"))


@pytest.fixture
def pair(tmp_path: Path, root: Root, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Pair]:
    gateway = Gateway(Site(tmp_path / "site", root))
    gateway.start()
    found = Pair(tmp_path / "node", gateway.site, gateway, monkeypatch)
    found.push()
    yield found
    gateway.close()


@pytest.mark.parametrize("days", [21, 29, 400], ids=["two thirds over", "the last day", "400 days in the cupboard"])
def test_a_node_renews_both_of_its_certificates(pair: Pair, days: int) -> None:
    before = pair.serials()
    pair.now(days)
    result = pair.renew()
    assert not result["failed"], result["msg"]
    after = pair.serials()
    assert len(after) == 2 and not set(before) & set(after)
    assert pair.gateway.said == [f"200: signed node, {WORKLOAD}"]
    assert pair.renew()["msg"] == "nothing to do" and pair.serials() == after
    assert [who for who, _seconds in pair.noted] == [clock.GATEWAY]
    assert abs(pair.noted[0][1] - pair.verdict.now) < 60, "both ends have one clock in this test"


def test_nothing_is_asked_while_nothing_is_due(pair: Pair) -> None:
    pair.now(5)
    assert pair.renew()["msg"] == "nothing to do" and pair.gateway.said == []


@pytest.mark.must_show("D4")
def test_the_name_of_another_node_is_refused(pair: Pair, figure: t.Callable[[str], None]) -> None:
    pair.now(25)
    pair.at("kiruna-cam02")
    before, result = pair.serials(), pair.renew()
    assert result["failed"] and pair.serials() == before
    assert "\n" not in result["msg"] and "kiruna-cam02" in result["msg"]
    figure(f"by the network: {result['certificates']['node']['msg'].partition('says: ')[2]}")


@pytest.mark.parametrize("why", ["blocked", "revoked", "unknown"])
def test_who_is_cut_off_gets_no_other(pair: Pair, why: str) -> None:
    rules = allowed()
    if why == "blocked":
        rules["nodes"][NODE]["blocked"] = True
    elif why == "unknown":
        del rules["nodes"][NODE]
    else:
        ca_issue.revoke(pair.site.authority, {"node": NODE, "reason": "keyCompromise"})
    pair.site.allow(rules)
    for days in (25, 400):
        pair.now(days)
        result = pair.renew()
        assert result["failed"] and pair.gateway.said[-1].startswith("403: "), result["msg"]


@pytest.mark.parametrize("days", [-20000, 26000], ids=["1970", "2099"])
def test_a_clock_in_doubt_renews_nothing_and_loses_nothing(pair: Pair, days: int) -> None:
    pair.now(days, "doubtful")
    before = pair.serials()
    assert not pair.renew()["failed"]
    assert pair.serials() == before and pair.gateway.said == []
