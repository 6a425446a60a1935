#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_program
short_description: Install the node program that carries out changes of workloads
description:
  - Installs C(/usr/local/bin/edge), one file that needs nothing but Python 3.8, and units of systemd.
  - The program is packed on the node from the modules of this collection, so both are always of one version.
  - C(physical-ai-recover.service) brings workloads back to what was committed after every start of the container engine.
    C(physical-ai-ports.service) limits who may reach published ports before the engine starts.
    C(physical-ai-secrets.service) unseals the secrets of workloads before the engine starts.
    C(physical-ai-devices.service) gives workloads the devices that they asked for before the engine starts, and C(physical-ai-look.service)
    when udev sees one come or go, after a reload of systemd and after packages were installed, which can both take GPUs away from
    containers. None of them stays resident.
version_added: 0.1.0
author:
  - physical_ai.edge contributors (@physical-ai-edge)
options: {}
attributes:
  check_mode:
    support: full
    description: Says what would change and changes nothing.
  diff_mode:
    support: full
    description: Shows the files that change. Of the program itself, the digest.
  platform:
    support: full
    platforms: posix
    description: Needs systemd.
requirements:
  - python >= 3.8
seealso:
  - module: physical_ai.edge.workloads
"""

EXAMPLES = r"""
- name: Install the node program
  physical_ai.edge.node_program:
"""

RETURN = r"""
path:
  description: The program.
  type: str
  returned: always
  sample: /usr/local/bin/edge
version:
  description: Version of the collection it was packed from.
  type: str
  returned: always
  sample: 0.1.0
digest:
  description: SHA-256 of the program.
  type: str
  returned: always
  sample: sha256:0b4c...
"""

import hashlib
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._node import files, pack, units
from ..module_utils._node.errors import NodeError
from ..module_utils._node.launch import PROGRAM
from ..module_utils._node.version import VERSION

STATE = files.Paths().state_directory
STATE_MODE = 0o700  # what it holds may be secret


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except OSError:
        return b""


def _shown(path: str, content: bytes) -> str:
    if path == PROGRAM:
        return f"sha256:{hashlib.sha256(content).hexdigest()}\n" if content else ""
    return content.decode("utf-8", "replace")


def _mode(path: str) -> int:
    return os.stat(path).st_mode & 0o7777 if os.path.exists(path) else 0


def _systemctl(module: AnsibleModule, *arguments: str) -> None:
    code, dummy, err = module.run_command(["systemctl", *arguments])
    if code != 0:
        module.fail_json(msg=f"systemctl {' '.join(arguments)} failed: {err.strip()}")


def _enabled(module: AnsibleModule) -> bool:
    """Whether all are: the exit status speaks of any of them."""
    dummy, out, dummy2 = module.run_command(["systemctl", "is-enabled", *units.UNITS])
    return out.split() == ["enabled"] * len(units.UNITS)


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    program = pack.build()
    wanted = {PROGRAM: (program, 0o755)}
    texts = dict(units.UNITS, **units.TRIGGERED)
    wanted.update({f"{units.DIRECTORY}/{name}": (text.encode("utf-8"), 0o644) for name, text in texts.items()})
    wanted.update({path: (text.encode("utf-8"), mode) for path, (text, mode) in units.FILES.items()})
    changed = {
        path: _content(path)
        for path, (content, mode) in wanted.items()
        if (_content(path), _mode(path)) != (content, mode)
    }
    enable = not _enabled(module)
    had = _mode(STATE)
    open_state = had != STATE_MODE
    if not module.check_mode:
        files.make_directory(STATE, STATE_MODE)
        os.chmod(STATE, STATE_MODE)
        for path in changed:
            files.write_atomic(path, *wanted[path])
        if any(path.startswith("/etc/systemd/") for path in changed):
            _systemctl(module, "daemon-reload")
        if enable:
            _systemctl(module, "--quiet", "enable", *units.UNITS)
            _systemctl(module, "start", *units.WATCHING)
    diff = [
        {
            "before_header": path,
            "after_header": path,
            "before": _shown(path, before),
            "after": _shown(path, wanted[path][0]),
        }
        for path, before in sorted(changed.items())
    ]
    if open_state:
        before, after = (f"{mode:04o}\n" if mode else "" for mode in (had, STATE_MODE))
        diff.append({"before_header": STATE, "after_header": STATE, "before": before, "after": after})
    digest = "sha256:" + hashlib.sha256(program).hexdigest()
    return {
        "changed": bool(changed) or enable or open_state,
        "diff": diff,
        "path": PROGRAM,
        "version": VERSION,
        "digest": digest,
    }


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        result = run(module)
    except NodeError as exc:
        module.fail_json(msg=exc.message)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
