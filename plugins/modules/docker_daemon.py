#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_daemon
short_description: The Docker engine runs, and runs with these settings
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai)
description:
  - Lays settings over what C(daemon.json) has, validates the result, replaces the file in one durable rename, and
    has the engine follow with a reload or a restart, whichever the changed keys need.
  - Keys that are not mentioned stay, and so do the other members of V(features), V(runtimes), V(builder),
    V(proxies) and V(default-ulimits). Numbers keep all their digits.
  - An engine that does not start with the new file gets the former one back, and runs again before the module fails.
  - When live-restore is turned on together with keys that need a restart, it is turned on by a reload first, so that
    containers live through that restart.
  - What an interrupted run left to do (a file replaced, the engine not restarted) is done by the next run.
  - Waits for a change of a workload that is under way. A restart is refused, and nothing changed, while an application
    holds its update lock.
notes:
  - The restart is part of this module and not of a handler, because only who replaced the file can put the former
    one back, and because a handler is lost when the play is cut off between the two.
options:
  settings:
    description: Keys of C(daemon.json). V(null) takes a key away, or a member of a shared object.
    type: dict
    default: {}
  settings_since:
    description: More settings, by the first version of the engine that knows them.
    type: dict
    default: {}
  containerd_snapshotter:
    description:
      - Which image store the engine uses, stated in the file from engine 23.0 on, so that no upgrade changes it.
        Left out, what is configured or in use stays, and a new node gets V(false).
      - Switching hides all images and containers of the other store.
    type: bool
  path:
    description: The file.
    type: path
    default: /etc/docker/daemon.json
  package:
    description: Package whose candidate tells the version while the engine is not installed, in check mode.
    type: str
    default: docker.io
  expected_version:
    description: Version to reckon with in check mode while neither the engine nor a list of packages is there.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    support: full
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
"""

EXAMPLES = r"""
- name: Cap the logs of containers
  physical_ai.edge.docker_daemon:
    settings:
      log-driver: local
      log-opts: {max-size: 10m, max-file: "3"}
      live-restore: true
    settings_since:
      "25.0": {features: {cdi: true}}
"""

RETURN = r"""
effect:
  description: What the engine did, or would do in check mode, to follow.
  returned: success
  type: str
  choices: [none, start, reload, restart]
changed_keys:
  description: Keys that changed. Members of V(features) are named one by one.
  returned: success
  type: list
  elements: str
  sample: [features.cdi, log-opts]
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.physical_ai.edge.plugins.module_utils import _docker_daemon as daemon
from ansible_collections.physical_ai.edge.plugins.module_utils._core import daemon_json
from ansible_collections.physical_ai.edge.plugins.module_utils._node import files
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError

MARKER = "/run/physical-ai/docker-daemon.pending"


def wanted(module: AnsibleModule, engine: daemon.Engine, have: dict[str, t.Any]) -> dict[str, t.Any]:
    params = module.params
    version = engine.version()
    if not version and module.check_mode:
        version = engine.candidate(params["package"]) or params["expected_version"]
    settings = daemon_json.lay_over(params["settings"], daemon_json.settings_for(version, params["settings_since"]))
    if daemon_json.version_tuple(version) >= (23,):
        store = params["containerd_snapshotter"]
        if store is None:
            features = have.get("features")
            stated = features.get("containerd-snapshotter") if isinstance(features, dict) else None
            store = engine.uses_containerd_store() if stated is None else stated
        settings = daemon_json.lay_over({"features": {"containerd-snapshotter": store}}, settings)
    return settings


def follow(engine: daemon.Engine, plan: daemon_json.Plan, action: str) -> None:
    if action == daemon_json.RESTART and plan.turns_on_live_restore:
        engine.reload()
        engine.wait_for_live_restore()
    if action == daemon_json.RELOAD:
        engine.reload()
    elif action != daemon_json.NONE:
        engine.restart()


def apply(engine: daemon.Engine, path: str, text: str | None, plan: daemon_json.Plan, action: str) -> None:
    """The marker says what is left to do, should this process end before it is done."""
    if plan.changed:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        engine.validate(daemon_json.render(plan.after), plan.after)
        if engine.active and action != daemon_json.NONE:
            engine.mark(MARKER, action)
        files.write_atomic(path, daemon_json.render(plan.after), 0o644)
    engine.enable()
    try:
        follow(engine, plan, action)
    except daemon.EngineError as exc:
        if not plan.changed:
            raise
        restored = put_back(engine, path, text)
        raise daemon.EngineError(
            "{} with the new {} ({}); {}".format(exc, path, ", ".join(plan.changed_keys), restored)
        ) from exc
    finally:
        engine.unmark(MARKER)


def put_back(engine: daemon.Engine, path: str, text: str | None) -> str:
    if text is None:
        os.unlink(path)
        files.sync_directory(os.path.dirname(path))
    else:
        files.write_atomic(path, text, 0o644)
    if not engine.active:
        return "the former state is back: correct the settings and run again"
    try:
        engine.restart()
    except daemon.EngineError as exc:
        return f"and with the former file, which is back, {exc}: see journalctl -u docker"
    return "the former file is back and the engine runs with it: correct the settings and run again"


def run(module: AnsibleModule) -> dict[str, t.Any]:
    engine = daemon.Engine(module)
    path = os.path.realpath(module.params["path"])
    text = files.read_text(path)
    have = daemon_json.parse(text or "", path)
    plan = daemon_json.plan(have, wanted(module, engine, have))
    action = engine.action(plan.action, MARKER)
    if not module.check_mode:
        engine.require()
        with engine.left_alone(action):
            apply(engine, path, text, plan, action)
    elif plan.changed:
        engine.validate(daemon_json.render(plan.after), plan.after)
    return {
        "changed": plan.changed or action != daemon_json.NONE or not engine.enabled,
        "effect": action,
        "changed_keys": list(plan.changed_keys),
        "diff": {
            "before": text or "",
            "after": daemon_json.render(plan.after),
            "before_header": path,
            "after_header": path,
        }
        if plan.changed
        else {},
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "settings": {"type": "dict", "default": {}},
            "settings_since": {"type": "dict", "default": {}},
            "containerd_snapshotter": {"type": "bool"},
            "path": {"type": "path", "default": "/etc/docker/daemon.json"},
            "package": {"type": "str", "default": "docker.io"},
            "expected_version": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except (OSError, daemon.EngineError, daemon_json.DaemonJsonError, NodeError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
