# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of this node as systemd and dockerd see it: all input and output of the module docker_daemon.

Private to this collection: not an interface.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import tempfile
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.physical_ai.edge.plugins.module_utils._core import daemon_json, deb
from ansible_collections.physical_ai.edge.plugins.module_utils._node import files

UNIT = "docker.service"
START = "start"
LIVE_RESTORE_SECONDS = 20
TRANSACTION_SECONDS = 300


class EngineError(Exception):
    """One line that says what the engine did not do."""


class Engine:
    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.program = shutil.which("dockerd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/usr/local/bin")
        shown = self.call("systemctl", "show", UNIT, "--property=LoadState,ActiveState,MainPID,UnitFileState")[1]
        self.unit = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)

    def call(self, *argv: str) -> t.Tuple[int, str, str]:
        environment = {"LC_ALL": "C", "SYSTEMD_COLORS": "0"}
        return t.cast("t.Tuple[int, str, str]", self.module.run_command(list(argv), environ_update=environment))

    @property
    def active(self) -> bool:
        return self.unit.get("ActiveState") == "active"

    @property
    def enabled(self) -> bool:
        return self.unit.get("UnitFileState") in ("enabled", "static", "alias")

    def require(self) -> None:
        if self.program is None or self.unit.get("LoadState") != "loaded":
            raise EngineError("the Docker engine is not installed on this node: install docker.io or docker-ce first")

    def version(self) -> str:
        """Empty where it is not installed."""
        return self.call(self.program, "--version")[1].strip() if self.program else ""

    def candidate(self, package: str) -> str:
        versions = deb.candidates(self.call("apt-cache", "policy", package)[1]).get(package, [])
        return versions[0] if versions else ""

    def uses_containerd_store(self) -> bool:
        """What a running engine uses; an engine that has never run uses neither."""
        if not self.active:
            return os.path.isdir("/var/lib/docker/rootfs/overlayfs")
        rc, out, err = self.call("docker", "info", "--format", "{{json .DriverStatus}}")
        if rc != 0:
            raise EngineError(f"docker info: {deb.reason(err)}: see journalctl -u docker")
        return "io.containerd.snapshotter" in out

    def action(self, needed: str, marker: str) -> str:
        """What the engine has to do: what the change needs, and what an interrupted run left undone."""
        if not self.active:
            return START
        return max(needed, self.marked(marker), key=(daemon_json.NONE, daemon_json.RELOAD, daemon_json.RESTART).index)

    def _identity(self) -> t.List[str]:
        """This very process: its id and its start in clock ticks, which no clock change touches."""
        pid = self.unit.get("MainPID", "0")
        stat = files.read_text(f"/proc/{pid}/stat") or ""
        return [pid, stat.rpartition(")")[2].split()[19] if stat else ""]

    def mark(self, marker: str, action: str) -> None:
        os.makedirs(os.path.dirname(marker), mode=0o755, exist_ok=True)
        files.write_atomic(marker, json.dumps({"engine": self._identity(), "action": action}), 0o600)

    def marked(self, marker: str) -> str:
        text = files.read_text(marker)
        left = json.loads(text) if text else {}
        return str(left["action"]) if left.get("engine") == self._identity() else daemon_json.NONE

    def unmark(self, marker: str) -> None:
        if os.path.exists(marker):
            os.unlink(marker)

    def validate(self, text: str, data: t.Dict[str, t.Any]) -> None:
        """By the engine itself from 23.0 on, by our list of keys before that, and both with the flags of the unit."""
        lines = daemon_json.problems(data) if self.program is None else self._validated_by_engine(text, data)
        lines += [f"{key}: is given as a flag of the unit as well" for key in daemon_json.twice(self._flags(), data)]
        if lines:
            raise EngineError(
                "settings refused, nothing was changed: {}: correct docker_engine_settings or {}".format(
                    "; ".join(lines), self.module.params["path"]
                )
            )

    def _validated_by_engine(self, text: str, data: t.Dict[str, t.Any]) -> t.List[str]:
        handle, name = tempfile.mkstemp(suffix=".json")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            rc, _out, err = self.call(str(self.program), "--validate", "--config-file", name)
        finally:
            os.unlink(name)
        if rc == 0:
            return []
        if "unknown flag: --validate" in err:
            return daemon_json.problems(data)
        return [deb.reason(err).replace(name, "daemon.json")]

    def _flags(self) -> t.List[str]:
        if self.active:
            return (files.read_text("/proc/{}/cmdline".format(self.unit["MainPID"])) or "").split("\0")
        shown = self.call("systemctl", "show", UNIT, "--property=ExecStart", "--value")[1]
        return shown.partition("argv[]=")[2].partition(" ;")[0].split()

    @contextlib.contextmanager
    def left_alone(self, action: str) -> t.Iterator[None]:
        """Keeps changes of workloads out meanwhile, and gives way to applications that must not be disturbed."""
        if action in (daemon_json.NONE, START):
            yield
            return
        paths = files.Paths()
        with files.lock(paths.transaction_lock, TRANSACTION_SECONDS):
            held = sorted(glob.glob(paths.update_lock("*", "*"))) if action == daemon_json.RESTART else []
            if held:
                raise EngineError(
                    "the engine needs a restart, which {} holds back, so nothing was changed: run again when the "
                    "application lets go".format(", ".join(held))
                )
            yield

    def enable(self) -> None:
        if not self.enabled:
            self._systemctl("enable", "could not be enabled")

    def reload(self) -> None:
        self._systemctl("reload", "did not reload")

    def restart(self) -> None:
        # Three starts in a minute are the unit's limit, and the way back may need one of them.
        self.call("systemctl", "reset-failed", UNIT)
        self._systemctl("restart" if self.active else "start", "did not start")

    def _systemctl(self, verb: str, complaint: str) -> None:
        if self.call("systemctl", verb, UNIT)[0] != 0:
            raise EngineError(f"the engine {complaint}: {self._last_words()}")

    def _last_words(self) -> str:
        out = self.call("journalctl", "--unit", UNIT, "--lines=40", "--output=cat", "--no-pager")[1]
        lines = [
            line for line in out.splitlines() if "failed to" in line or "unable to" in line or "level=fatal" in line
        ]
        return lines[-1].strip() if lines else "see journalctl -u docker"

    def wait_for_live_restore(self) -> None:
        until = time.monotonic() + LIVE_RESTORE_SECONDS
        while self.call("docker", "info", "--format", "{{.LiveRestoreEnabled}}")[1].strip() != "true":
            if time.monotonic() > until:
                raise EngineError(f"the engine did not turn on live-restore within {LIVE_RESTORE_SECONDS} s")
            time.sleep(0.2)
