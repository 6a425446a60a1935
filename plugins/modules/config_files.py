#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_files
short_description: Writes a set of small configuration files
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai)
description:
  - Writes all files of a role in one task. Each is written to a temporary file, synced and renamed, so that
    a power cut leaves the old file or the new one.
  - Parent directories are made with mode V(0755) where they are missing.
  - The result names the files that changed, so that a handler can follow those it cares about.
notes:
  - A task costs a controller about 0.1 CPU seconds for each node. Five files in one task instead of five tasks
    is what makes a fleet fast.
options:
  files:
    description: The files, owned by the user that runs the module.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path. Of a symbolic link, what it points to is written.
        type: path
        required: true
      content:
        description: The whole content.
        type: str
        required: true
      mode:
        description: Permissions, as a quoted octal number.
        type: str
        default: "0644"
      backup:
        description: Keep what was there before the first change beside the file, with the ending C(.orig).
        type: bool
        default: false
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
- name: Cap the journal and the crash delay
  physical_ai.edge.config_files:
    files:
      - path: /etc/systemd/journald.conf.d/50-site.conf
        content: |
          [Journal]
          SystemMaxUse=200M
      - path: /etc/sysctl.d/60-site.conf
        content: |
          kernel.panic = 10
  register: files
  notify: "Site configuration changed"
"""

RETURN = r"""
changed_paths:
  description: Paths of the files that changed, or would change in check mode.
  returned: always
  type: list
  elements: str
  sample: [/etc/sysctl.d/60-site.conf]
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.physical_ai.edge.plugins.module_utils._node import files
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError


def permissions(text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise ValueError(f"mode {text!r}: wanted a quoted octal number such as '0644'")
    return mode


def differs(path: str, content: str, mode: int) -> dict[str, str] | None:
    """What a diff shows, or None where the file is as wanted."""
    before = files.read_text(path)
    have = None if before is None else os.stat(path).st_mode & 0o7777
    if before == content and have == mode:
        return None
    note = "" if have in (None, mode) else f" (mode {have:04o})"
    return {
        "before": before or "",
        "after": content,
        "before_header": path + (note or (" (absent)" if before is None else "")),
        "after_header": path + (f" (mode {mode:04o})" if note else ""),
    }


def apply(path: str, wanted: dict[str, t.Any], mode: int) -> None:
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    before = files.read_text(path)
    if wanted["backup"] and before is not None and not os.path.exists(path + ".orig"):
        files.write_atomic(path + ".orig", before, os.stat(path).st_mode & 0o7777)
    files.write_atomic(path, wanted["content"], mode)


def run(module: AnsibleModule) -> dict[str, t.Any]:
    diffs = []
    paths = []
    for wanted in module.params["files"]:
        path, mode = os.path.realpath(wanted["path"]), permissions(wanted["mode"])
        try:
            diff = differs(path, wanted["content"], mode)
            if diff and not module.check_mode:
                apply(path, wanted, mode)
        except (OSError, NodeError) as exc:
            raise ValueError(f"{exc}; files before it in the list are written") from exc
        if diff:
            diffs.append(diff)
            paths.append(wanted["path"])
    return {"changed": bool(paths), "changed_paths": paths, "diff": diffs}


def main() -> None:
    options = {
        "path": {"type": "path", "required": True},
        "content": {"type": "str", "required": True},
        "mode": {"type": "str", "default": "0644"},
        "backup": {"type": "bool", "default": False},
    }
    module = AnsibleModule(
        argument_spec={"files": {"type": "list", "elements": "dict", "required": True, "options": options}},
        supports_check_mode=True,
    )
    os.umask(0o022)  # a hardened umask must not hide new directories from the services that read them
    try:
        result = run(module)
    except ValueError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
