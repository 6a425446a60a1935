# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the collection in which modules are stand-ins, for runs of ansible-playbook that need no node."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.tools.sync import BUILD, COLLECTION

BIN = Path(sys.executable).parent


class Collection:
    """`modules` are sources by name. Every host of a play is this machine, without a connection of its own."""

    def __init__(self, folder: Path, **modules: str) -> None:
        self._folder = folder
        self.path = folder / "collections" / COLLECTION
        shutil.copytree(
            BUILD / COLLECTION / "plugins", self.path / "plugins", ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copytree(BUILD / COLLECTION / "playbooks", self.path / "playbooks")
        shutil.copytree(BUILD / COLLECTION / "meta", self.path / "meta")
        shutil.copytree(BUILD / COLLECTION / "roles", self.path / "roles")
        for name, source in modules.items():
            (self.path / "plugins" / "modules" / f"{name}.py").write_text(source, encoding="utf-8")

    def node(self, host: str) -> Path:
        """What is `/` for a stand-in that asks for it: the folder above its `module._remote_tmp`."""
        folder = self._folder / "nodes" / host
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def play(
        self, playbook: Path | str, sites: Mapping[str, str], *arguments: str, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """:param sites: host to site; a host at the site `nowhere` cannot be reached."""
        inventory = self._folder / "inventory.json"
        inventory.write_text(json.dumps(self.inventory(sites)), encoding="utf-8")
        clean = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        argv = [str(BIN / "ansible-playbook"), "-i", str(inventory), str(playbook), *arguments]
        return subprocess.run(
            argv,
            env={**clean, **self.environ(), "ANSIBLE_NOCOLOR": "true", **environ},
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def environ(self) -> dict[str, str]:
        return {
            "ANSIBLE_COLLECTIONS_PATH": str(self._folder / "collections"),
            "ANSIBLE_HOME": str(self._folder / "home"),
        }

    def inventory(self, sites: Mapping[str, str]) -> dict[str, Any]:
        nowhere = {
            "ansible_connection": "ssh",
            "ansible_host": "192.0.2.1",
            "ansible_ssh_executable": "/bin/false",
        }
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        hosts = {
            host: {
                "edge_site": site,
                "edge_ring": "early",
                # No change of user, and a module knows by this which node it is to be.
                "ansible_user": getpass.getuser(),
                "ansible_become_user": getpass.getuser(),
                "ansible_remote_tmp": str(self.node(host) / "tmp"),
                **(nowhere if site == "nowhere" else here),
            }
            for host, site in sites.items()
        }
        return {"all": {"hosts": hosts}}
