# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole demo, as a user runs it, on a lab of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from tests.e2e.machine import CleanMachine
from tests.lab import Lab
from tests.tools.sync import ROOT

NAME = "demotest"
MINUTES = 20

pytestmark = pytest.mark.e2e


@pytest.fixture
def lab_name() -> t.Iterator[str]:
    Lab.remove(NAME)
    yield NAME
    Lab.remove(NAME)


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Its output goes to the terminal too, so that a failure shows how far it came."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.lab.demo", *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=MINUTES * 60,
    )
    print(done.stdout)
    return done


@pytest.mark.must_show("A1")
def test_the_demo_ends_with_v2_everywhere_and_v3_reverted_everywhere(
    lab_name: str, tmp_path: Path, figure: t.Callable[[str], None]
) -> None:
    done = demo("--name", lab_name, "--pause", "3", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout
    result = json.loads((tmp_path / "result.json").read_text())
    nodes = result["nodes"]
    assert len(nodes) == 4
    assert [node["version"] for node in nodes] == ["v2"] * 4
    for node in nodes:
        assert node["outcomes"]["v1"]["name"] == "success"
        assert node["outcomes"]["v2"]["name"] == "success"
        assert node["outcomes"]["v3"]["name"] == "reverted"
        assert "golden request" in node["outcomes"]["v3"]["reason"]
        assert "golden request" in node["remembers"], "the node must know by itself why it will not try v3 again"
    check_traffic(result)
    check_page((tmp_path / "index.html").read_text(), nodes)
    clients = [node["clients"] for node in nodes]
    figure(
        f"v2 on 4 of 4 nodes, v3 reverted on 4 of 4; {result['seconds']:.0f} s; "
        f"gap of the update at most {max(one['v2']['gap'] for one in clients):.1f} s, "
        f"way back from v3 at most {max(node['outcomes']['v3']['revert'] for node in nodes):.1f} s"
    )


def check_traffic(result: dict[str, t.Any]) -> None:
    """The service was real: v2 reads better than v1, v3 hardly at all, and the faults were seen by clients."""
    share = {version: tally["right"] / tally["answers"] for version, tally in result["traffic"]["accuracy"].items()}
    assert share["v1"] > 0.55
    assert share["v2"] > 0.92
    assert share["v2"] > share["v1"] + 0.1
    assert share.get("v3", 0) < 0.2
    assert 0 < result["traffic"]["failed"] < result["traffic"]["requests"] / 4
    assert result["link_cut"]["end"] - result["link_cut"]["start"] > 3
    power = result["power_cut"]
    assert power["cut"] < power["on"] < power["serving"]


def check_page(page: str, nodes: list[dict[str, t.Any]]) -> None:
    assert page.startswith("<!DOCTYPE html>")
    assert "<svg" in page
    assert "http://" not in page and "https://" not in page and "<script" not in page
    for node in nodes:
        assert node["name"] in page


@pytest.mark.slow
@pytest.mark.must_show("A1")
def test_a_clean_clone_on_a_machine_without_docker_plays_the_demo(figure: t.Callable[[str], None]) -> None:
    """What a user does first: clone, `make demo`. And last: `make demo-down`."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout, so there is nothing to clone")
    with CleanMachine("edge-clean-machine") as machine:
        machine.run("apt-get -q update && apt-get -q -y --no-install-recommends install git make python3 python3-venv")
        code, _rest = machine.run("command -v docker || command -v dockerd || ls /var/run/docker.sock", check=False)
        assert code != 0, "the machine must not have an engine"
        clone = machine.clone(ROOT)
        begun = time.monotonic()
        code, output = machine.run(f"cd {clone} && make demo 2>&1", timeout=40 * 60, check=False)
        took = time.monotonic() - begun
        assert code == 0, output[-4000:]
        result = json.loads(machine.run(f"cat {clone}/.lab/edge/demo/result.json")[1])
        assert [node["version"] for node in result["nodes"]] == ["v2"] * 4
        assert [node["outcomes"]["v3"]["name"] for node in result["nodes"]] == ["reverted"] * 4
        machine.run(f"cd {clone} && make demo-down 2>&1", timeout=300)
        code, left = machine.run(f"pgrep -a dockerd || ls {clone}/.lab/edge", check=False)
        assert code != 0, f"demo-down left something: {left}"
    figure(f"from a clean clone on a machine without Docker, all set-up included, in {took / 60:.1f} min")


def test_a_lab_that_cannot_be_made_is_one_clear_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.lab.demo", "--name", "Not A Name"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("demo: lab name 'Not A Name': want ")
    assert "Traceback" not in done.stderr
