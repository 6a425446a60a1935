# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the node, never the variables."""

from __future__ import annotations

import json

from testinfra.host import Host


def container(host: Host) -> dict:
    name = host.check_output("docker ps --filter label=physical-ai.edge.tenant=quality --format '{{.Names}}'")
    return json.loads(host.check_output(f"docker inspect {name}"))[0]


def test_the_program_and_its_units_are_there(host: Host) -> None:
    program = host.file("/usr/local/bin/edge")
    assert (program.user, oct(program.mode)) == ("root", "0o755")
    for unit in ("physical-ai-recover.service", "physical-ai-ports.service"):
        assert host.service(unit).is_enabled
    assert oct(host.file("/var/lib/physical-ai").mode) == "0o700"
    assert oct(host.file("/var/lib/physical-ai/state.json").mode) == "0o600"


def test_one_workload_runs_and_answers_on_loopback_only(host: Host) -> None:
    found = container(host)
    assert found["Config"]["Labels"]["physical-ai.edge.workload"] == "inspection"
    assert found["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert "SITE=molecule" in found["Config"]["Env"]
    assert host.socket("tcp://127.0.0.1:8000").is_listening
    assert not host.socket("tcp://0.0.0.0:8000").is_listening
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/version').read().decode())"
    assert host.check_output(f'python3 -c "{ask}"') == "1"


def test_the_person_at_the_machine_sees_it(host: Host) -> None:
    assert "quality/inspection" in host.check_output("edge status")
    assert "running" in host.check_output("edge status")
