# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the issuing CA of a site is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.plugin_utils.site_authority import where

HOSTS = ["kiruna-gw01", "kiruna-cam01", "narvik-box01"]


@pytest.mark.parametrize("root", ["", "pki"])
def test_on_the_gateway_also_for_the_gateway_itself(root: str) -> None:
    assert where({"edge_site": "kiruna", "edge_gateway": "kiruna-gw01"}, HOSTS, root) == {
        "gateway": "kiruna-gw01",
        "on": "kiruna-gw01",
        "path": "",
    }


@pytest.mark.parametrize("gateway", [None, "", "a-router-that-is-no-host"])
def test_beside_the_root_where_no_host_is_the_gateway(
    gateway: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "pki")
    monkeypatch.setenv("HOME", str(tmp_path))
    found = where({"edge_site": "narvik", "edge_gateway": gateway}, HOSTS, "~/link")
    assert found == {"gateway": "", "on": "localhost", "path": f"{tmp_path.resolve()}/pki/sites/narvik/ca"}


def test_nobody_knows_without_the_folder_of_the_root() -> None:
    assert where({"edge_site": "narvik"}, HOSTS, "") == {"gateway": "", "on": "", "path": ""}
