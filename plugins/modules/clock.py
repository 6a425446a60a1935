#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: clock
short_description: Tell a node what the time is, and set its clock where that is wrong
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai-edge)
description:
  - Hands the time of the controller to a node, which keeps it until its next boot as one of those that may know the time, and sets the
    clock where it is more than five minutes away from it. A clock that a time server sets is left alone.
  - Never sets a clock before the last time of which the node was sure. The node writes that time down by itself where its clock is trusted.
  - Needs nothing but Python on the node, so that it can come before anything is installed from hosts whose certificates are checked.
options:
  controller_time:
    description: Time of the controller, in seconds since 1970. Without it, only what the node itself knows counts.
    type: float
  set:
    description: Whether the clock may be set. Otherwise only the time of the controller and the settings are written down.
    type: bool
    default: true
  http:
    description:
      - Addresses of web servers whose Date header says the time where neither the controller nor a time server does, such as
        V(http://gw01.example.com/). Of HTTPS the host is checked, but not when its certificate ends.
      - Without it, those that are written down on the node stay.
    type: list
    elements: str
  http_agree:
    description: How many of O(http) must say about the same; V(0) for more than half of them. Without it, what is written down stays.
    type: int
  max_ahead_days:
    description:
      - Days by which a clock may be ahead of the last known time while nobody but the controller confirms it. Without it, what is
        written down stays, and that is V(1825) at first.
    type: int
  forget:
    description:
      - Forgets the last known time of the node first, for one that was wrong itself, as after a time server that was in the future.
    type: bool
    default: false
  not_before:
    description: Day before which this software did not exist, as C(YYYY-MM-DD).
    type: str
    default: "2026-11-01"
  max_days:
    description: Days that the clock may be away from the controller's in the end.
    type: int
    default: 366
  policy:
    description: What a clock is that is before O(not_before), or further away than O(max_days), after all that could be done.
    type: str
    choices: [fail, warn, ignore]
    default: fail
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying target. Hosts are not asked then.
  diff_mode:
    support: full
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
  platform:
    support: full
    platforms: linux
    description: Needs root. In a container, which has the clock of its host, the clock cannot be set, and a warning says so.
requirements:
  - python >= 3.8
seealso:
  - module: physical_ai.edge.preflight
  - module: physical_ai.edge.doctor
"""

EXAMPLES = r"""
- name: Give a node the time before anything is installed
  physical_ai.edge.clock:
    controller_time: "{{ now().timestamp() }}"
  become: true

- name: Name hosts that say the time where there is no time server
  physical_ai.edge.clock:
    controller_time: "{{ now().timestamp() }}"
    http: [http://gw01.example.com/, https://registry.example.com/]
    http_agree: 1
  become: true

- name: Go back after a time server of the site was in the future
  physical_ai.edge.clock:
    controller_time: "{{ now().timestamp() }}"
    forget: true
  become: true
"""

RETURN = r"""
drift:
  description: Seconds by which the clock was ahead of the controller's, before anything was done.
  type: float
  returned: when O(controller_time) is given
  sample: -1794998397.2
state:
  description:
    - How far the clock can be believed now. V(trusted) where somebody confirms it and nobody contradicts, V(plausible) where it can be
      right, V(doubtful) where the node does not renew, expire or delete anything by it.
  type: str
  returned: always
  sample: trusted
reason:
  description: Why, in one line.
  type: str
  returned: always
  sample: the controller says the same
now:
  description: What the clock says now, in seconds since 1970.
  type: float
  returned: always
set:
  description: Whether the clock was set, or would be in check mode.
  type: bool
  returned: always
source:
  description: Who said what it should be set to.
  type: str
  returned: always
  sample: controller
permitted:
  description: Whether the clock can be set here, where that was tried.
  type: bool
  returned: always
floor:
  description: The last time of which the node was sure, in seconds since 1970.
  type: float
  returned: always
msg:
  description: What was done, or could not be, in one line; empty where there was nothing to do.
  type: str
  returned: always
  sample: the clock was set from 1970-01-01 00:00 UTC to 2026-11-18 11:06 UTC, by the controller
asked:
  description: What became of asking the hosts, where they were asked.
  type: str
  returned: always
should_be:
  description: What the clock should still be set to, C(time) and C(source), or nothing.
  type: dict
  returned: always
max_ahead_days:
  description: Days by which a clock may be ahead of the last known time while only the controller confirms it.
  type: int
  returned: always
rungs:
  description: All that may know the time, each with its C(name), the C(time) that it says, C(error), a C(note), and whether it is C(used).
  type: list
  elements: dict
  returned: always
"""

import json
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core import clock as core
from ..module_utils._core import node_checks
from ..module_utils._core.fields import SpecError
from ..module_utils._node import clock, files
from ..module_utils._node.errors import NodeError

SETTINGS = ("http", "http_agree", "max_ahead_days")
SPEC: dict[str, t.Any] = {
    "controller_time": {"type": "float"},
    "set": {"type": "bool", "default": True},
    "http": {"type": "list", "elements": "str"},
    "http_agree": {"type": "int"},
    "max_ahead_days": {"type": "int"},
    "forget": {"type": "bool", "default": False},
    "not_before": {"type": "str", "default": "2026-11-01"},
    "max_days": {"type": "int", "default": 366},
    "policy": {"type": "str", "choices": ["fail", "warn", "ignore"], "default": "fail"},
}


def wanted_settings(paths: files.Paths, params: t.Mapping[str, t.Any]) -> tuple[core.Settings, str]:
    """What is to be written down, checked; and its text, which is empty where the file has to say nothing."""
    before = files.read_json(paths.clock_settings, {})
    given = {name: params[name] for name in SETTINGS if params[name] is not None}
    merged = dict(before if isinstance(before, dict) else {}, **given)
    found = core.settings("clock", merged)
    if found == core.Settings() and not os.path.exists(paths.clock_settings):
        return found, ""
    return found, json.dumps(merged, indent=1, sort_keys=True) + "\n" if given else ""


def write_settings(paths: files.Paths, text: str, check: bool) -> dict[str, str] | None:
    before = files.read_text(paths.clock_settings)
    if not text or text == before:
        return None
    if not check:
        files.make_directory(paths.configuration, 0o755)
        files.write_atomic(paths.clock_settings, text, 0o644)
    header = paths.clock_settings
    return {"before": before or "", "after": text, "before_header": header, "after_header": header}


def check_end(module: AnsibleModule, found: t.Mapping[str, t.Any], now: float) -> None:
    """A clock that stays far off is what the policy says; in check mode one that would be set is not far off."""
    params = module.params
    if module.check_mode and found["set"]:
        return
    lines = node_checks.clock(now, params["not_before"], params["controller_time"] or 0, params["max_days"])
    lines = ["; ".join(filter(None, (line, found["msg"]))) for line in lines]
    if lines and params["policy"] == "fail":
        facts = {key: value for key, value in found.items() if key != "msg"}
        module.fail_json(msg="\n".join(lines), **facts)
    for line in lines if params["policy"] == "warn" else ():
        module.warn(line)
    if not lines and not found["permitted"]:
        module.warn(found["msg"])


def run(module: AnsibleModule) -> dict[str, t.Any]:
    paths, params, check = files.Paths(), module.params, module.check_mode
    began, said = clock.age(), params["controller_time"]
    if said is not None and core.moment(said) is None:
        raise NodeError("program", f"controller_time: found {said!r}, wanted seconds since 1970")
    drift = {} if said is None else {"drift": round(clock.wall() - said, 1)}
    settings, text = wanted_settings(paths, params)
    written = write_settings(paths, text, check)
    diff = [written] if written else []
    forgotten = params["forget"] and os.path.exists(paths.clock)
    if forgotten and not check:
        clock.forget(paths, "the controller")
    if said is not None and not check:
        clock.note(paths, clock.CONTROLLER, said, began)
    now = None if said is None else said + clock.age() - began
    if params["set"]:
        found = clock.correct(paths, not check, check, settings, now)
        if found["msg"] and found["set"]:
            diff.append({"prepared": found["msg"] + "\n"})
    else:
        look = clock.look(paths, settings, now)
        if not check:
            clock.keep(paths, look)
        found = dict(clock.report(look), set=False, source="", permitted=True, asked="", msg="")
    check_end(module, found, clock.wall())
    return dict(found, **drift, changed=bool(written or forgotten or found["set"]), diff=diff)


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    os.umask(0o022)  # a hardened umask must not hide new directories from those that read them
    try:
        result = run(module)
    except (NodeError, SpecError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
