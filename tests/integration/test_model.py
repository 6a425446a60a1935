# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module model on a real node: run twice, check mode, diff mode, in use, bad input."""

from __future__ import annotations

import hashlib
import json
import typing as t

import pytest

from tests.integration.modules import call, one_line
from tests.lab import engine, images
from tests.lab.services import archive

if t.TYPE_CHECKING:
    from tests.lab import Lab

HOST = "lulea-cam01"
CONTENT = b"a model\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MODEL: dict[str, t.Any] = {"name": "digits", "version": "7", "source": "/srv/staged/digits-7.bin", "sha256": SHA256}
STORED = f"/var/lib/physical-ai/models/sha256/{SHA256}/digits-7.bin"


@pytest.fixture
def staged(provisioned_lab: Lab) -> t.Iterator[Lab]:
    node = provisioned_lab.nodes[HOST]
    node.exec("mkdir -p /srv/staged")
    node.container.put_archive("/srv/staged", archive({"digits-7.bin": (CONTENT, 0o644)}))
    yield provisioned_lab
    call(provisioned_lab, HOST, "workloads", tenant="staged", release="0", workloads=[], undeclared="remove")
    call(provisioned_lab, HOST, "model", name="digits", sha256=SHA256, state="absent")
    node.exec("rm -rf /srv/staged")


def test_a_model_is_brought_once_and_let_go_once(staged: Lab) -> None:
    node = staged.nodes[HOST]
    foreseen = call(staged, HOST, "model", check=True, **MODEL)
    assert foreseen["changed"] and node.exec(["test", "-e", STORED], check=False).returncode
    done = call(staged, HOST, "model", **MODEL)
    assert (done["changed"], done["path"], done["diff"]) == (True, STORED, foreseen["diff"])
    assert done["diff"]["after"] == {"digits": {"here": True, "pinned": "7"}}
    assert node.exec(["cat", STORED]).stdout.encode() == CONTENT
    assert node.exec(["stat", "-c", "%a", STORED]).stdout.strip() == "444"
    assert not call(staged, HOST, "model", **MODEL)["changed"]
    node.exec("edge models --collect")
    assert "pinned as digits 7" in node.exec("edge models").stdout
    gone: dict[str, t.Any] = {"name": "digits", "sha256": SHA256, "state": "absent"}
    assert call(staged, HOST, "model", check=True, **gone)["changed"]
    assert not node.exec(["test", "-e", STORED], check=False).returncode
    assert call(staged, HOST, "model", **gone)["changed"]
    assert node.exec(["test", "-e", STORED], check=False).returncode
    assert not call(staged, HOST, "model", **gone)["changed"]


def test_what_a_workload_uses_is_not_let_go(staged: Lab) -> None:
    image, _at, digest = staged.registry.push(images.tiny(engine.client(), "ok", "1"), "integration/tiny").partition(
        "@"
    )
    workload = {
        "name": "app",
        "image": image,
        "digest": digest,
        "models": [{"name": "digits", "mount": "/models"}],
        "resources": {"memory": "32m", "cpus": 0.5},
        "probes": {"startup": {"tcp": {"port": 8000}}, "steady": {"tcp": {"port": 8000}, "for": "1s"}},
    }
    done = call(staged, HOST, "workloads", tenant="staged", release="1", workloads=[workload], models=[MODEL])
    assert done["class"] == "success", done
    message = one_line(call(staged, HOST, "model", name="digits", sha256=SHA256, state="absent"))
    assert "is used by staged/app" in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sha256": "abc"}, "model.sha256: found 'abc', wanted 64 hexadecimal digits"),
        ({"source": "/srv/staged/none.bin", "sha256": "0" * 64}, "none.bin is not on this node: copy it there"),
        ({"sha256": "0" * 64}, "has sha256"),
        ({"version": None}, "version"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(staged: Lab, change: dict[str, t.Any], words: str) -> None:
    given = {key: value for key, value in {**MODEL, **change}.items() if value is not None}
    assert words in one_line(call(staged, HOST, "model", **given))
    rows = json.loads(staged.nodes[HOST].exec("edge models --json").stdout)
    assert not any(row["name"] == "digits" for row in rows)
