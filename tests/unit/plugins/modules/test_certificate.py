# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules certificate and certificate_info, with the real program behind them: run, run twice, check mode, refusals."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.physical_ai.edge.plugins.module_utils import _edge
from ansible_collections.physical_ai.edge.plugins.module_utils._node import files
from ansible_collections.physical_ai.edge.plugins.modules import certificate, certificate_info
from tests.tools.sync import BUILD
from tests.unit.plugins.module_utils._node.authority import Authority

PROGRAM = """#!{python}
import sys
sys.path.insert(0, {build!r})
from ansible_collections.physical_ai.edge.plugins.module_utils._node import cli, files, node, engine
cli.Node = lambda: node.Node(files.Paths({root!r}), engine.Engine("false"))
cli.os.geteuid = lambda: 0
sys.exit(cli.main())
"""
WANTED = {"name": "node", "subject": "kiruna-cam01", "dns": ["cam01.example"], "ip": ["10.20.1.11"]}
NAMES = "DNS:cam01.example,IP:10.20.1.11"


class Modules:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, module: t.Any, **options: t.Any) -> t.Dict[str, t.Any]:
        with patch_module_args(options), pytest.raises(SystemExit):
            module.main()
        return json.loads(self._capsys.readouterr().out.strip().splitlines()[-1])


@pytest.fixture(name="modules")
def fixture_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Modules:
    program = tmp_path / "edge"
    program.write_text(PROGRAM.format(python=sys.executable, build=str(BUILD), root=str(tmp_path)), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(_edge, "PROGRAM", str(program))
    return Modules(capsys)


def test_asks_takes_and_changes_nothing_the_second_time(modules: Modules, tmp_path: Path) -> None:
    root = Authority(tmp_path, "root one")
    site = Authority(tmp_path, "site ca", root)
    files.write_atomic(files.Paths(str(tmp_path)).trust_bundle, root.pem)
    dry = modules(certificate, _ansible_check_mode=True, _ansible_diff=True, **WANTED)
    assert dry["changed"] and dry["csr"] == "" and dry["diff"]["before"]["node"]["definition"] is None
    asked = modules(certificate, **WANTED)
    assert (
        asked["changed"] and asked["reason"] == "missing" and asked["csr"].startswith("-----BEGIN CERTIFICATE REQUEST")
    )
    assert not modules(certificate, **WANTED)["changed"]
    signed = site.sign(asked["csr"], NAMES)
    taken = modules(certificate, certificate=signed, **WANTED)
    assert (taken["class"], taken["changed"], taken["csr"]) == ("success", True, "") and taken["installed"]["valid"]
    assert not modules(certificate, certificate=signed, **WANTED)["changed"]
    assert not modules(certificate, **WANTED)["changed"]
    assert "failed" not in taken and "PRIVATE" not in json.dumps([asked, taken])
    rows = modules(certificate_info)["certificates"]
    assert [(row["name"], row["reason"], row["due"]) for row in rows] == [("node", "valid", False)]
    assert "proof" not in rows[0] and modules(certificate_info, prove=True)["certificates"][0]["proof"] == ""
    wrong = modules(certificate, certificate=site.sign(asked["csr"], NAMES + ",DNS:gw01"), **WANTED)
    assert wrong["failed"] and wrong["class"] == "refused" and "is also for DNS:gw01" in wrong["msg"]
    assert modules(certificate, name="node", state="absent")["changed"]
    assert not modules(certificate, name="node", state="absent")["changed"]
    assert modules(certificate_info)["certificates"] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dns": ["a b"]}, "certificate.dns[0]: found 'a b'"),
        ({"reload": {"kind": "unit"}}, "the key 'unit' is missing"),
        ({"reload": {"kind": "none", "unit": "nginx.service"}}, "unknown key 'unit'"),
        ({"dns": [], "ip": []}, "wanted at least one name"),
        ({"prove": {"within": "soon"}}, "certificate.prove.within"),
        ({"subject": None}, "state is present but all of the following are missing: subject"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(modules: Modules, options: t.Dict[str, t.Any], words: str) -> None:
    given = {key: value for key, value in dict(WANTED, **options).items() if value is not None}
    found = modules(certificate, **given)
    assert found["failed"] and words in found["msg"] and "\n" not in found["msg"]


def test_on_a_node_without_the_program(modules: Modules, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_edge, "PROGRAM", "/nonexistent/edge")
    assert modules(certificate, _ansible_check_mode=True, **WANTED)["changed"]
    assert not modules(certificate, _ansible_check_mode=True, name="node", state="absent")["changed"]
    assert "role node_program" in modules(certificate, **WANTED)["msg"]
    assert modules(certificate_info)["certificates"] == []
