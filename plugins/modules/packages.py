#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: packages
short_description: Installs a set of Debian packages, pinned and held where asked
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai)
description:
  - Makes sure that all packages are installed, at a version where one is given, and held where asked.
  - Touches the network only when something is to be installed, and refreshes the package lists only when they do
    not know it. A node with no link that has its packages already is I(ok).
  - Check mode completes on a node whose package lists are empty or whose repository is not configured yet, and
    says what would be installed.
  - Removes nothing, except what O(replaces) names.
notes:
  - M(ansible.builtin.apt) refreshes the lists whether or not something is to be installed, and fails in check mode
    for a package that a repository of the same play would bring.
options:
  names:
    description: Package names.
    type: list
    elements: str
    required: true
  versions:
    description: Version by package name. A trailing C(*) stands for anything, as with C(apt-get).
    type: dict
    default: {}
  hold:
    description:
      - Packages to hold, so that no upgrade touches them. Holds that are there already stay when this is empty.
    type: list
    elements: str
    default: []
  replaces:
    description: Packages that may be removed because an installed one takes their place.
    type: list
    elements: str
    default: []
  start_services:
    description:
      - With V(false) no service is started by a first installation, so that it can be configured before.
        An upgrade restarts its services as the distribution decides.
    type: bool
    default: true
  lock_timeout:
    description: Seconds to wait for another apt or dpkg, such as unattended upgrades.
    type: int
    default: 300
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
- name: Install the time service
  physical_ai.edge.packages:
    names: [chrony]
    replaces: [systemd-timesyncd]
"""

RETURN = r"""
missing:
  description: Packages that were missing or had another version.
  returned: always
  type: list
  elements: str
  sample: [chrony]
"""

import contextlib
import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.physical_ai.edge.plugins.module_utils._core import deb
from ansible_collections.physical_ai.edge.plugins.module_utils._node import files
from ansible_collections.physical_ai.edge.plugins.module_utils._node.errors import NodeError

POLICY = "/usr/sbin/policy-rc.d"
# Holds services back only while this process lives: a leftover after a power cut or a kill is without effect.
POLICY_TEXT = """#!/bin/sh
# physical_ai.edge: a first installation is configured before it starts
[ -d /proc/{} ] && exit 101
exit 0
"""
ENVIRONMENT = {
    "LC_ALL": "C",
    "DEBIAN_FRONTEND": "noninteractive",
    "NEEDRESTART_MODE": "l",
    "APT_LISTCHANGES_FRONTEND": "none",
}


class PackagesError(Exception):
    pass


class Apt:
    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.options = [
            "-y",
            "-q",
            "--no-install-recommends",
            "--allow-change-held-packages",
            "-o",
            "Dpkg::Options::=--force-confdef",
            "-o",
            "Dpkg::Options::=--force-confold",
        ]
        if module.params["versions"]:
            self.options.append("--allow-downgrades")

    def call(self, *argv: str) -> tuple[int, str, str]:
        return t.cast("tuple[int, str, str]", self.module.run_command(list(argv), environ_update=ENVIRONMENT))

    def patiently(self, *argv: str) -> tuple[int, str, str]:
        """A node that has just booted is busy with its own apt timers: wait for their locks."""
        until = time.monotonic() + self.module.params["lock_timeout"]
        while True:
            rc, out, err = self.call(*argv)
            if rc == 0 or "Could not get lock" not in err or time.monotonic() > until:
                return rc, out, err
            time.sleep(5)

    def installed(self) -> dict[str, deb.Package]:
        names = sorted({*self.module.params["names"], *self.module.params["hold"]})
        # rc 1 says that some are not known to dpkg, which is an answer.
        rc, out, err = self.call("dpkg-query", "--show", "--showformat=" + deb.QUERY, *names)
        if rc not in (0, 1):
            raise PackagesError(f"dpkg-query: {deb.reason(err)}: repair the package database of this node first")
        return deb.installed(out)

    def unknown(self, wanted: dict[str, str]) -> list[str]:
        rc, out, err = self.call("apt-cache", "policy", *wanted)
        if rc != 0:
            raise PackagesError(f"apt-cache policy: {deb.reason(err)}: correct /etc/apt on this node")
        return deb.unknown(wanted, deb.candidates(out))

    def update(self, unknown: list[str]) -> None:
        rc, _out, err = self.patiently("apt-get", "update", "-q")
        still = self.unknown(dict(name.partition("=")[::2] for name in unknown))
        if still:
            why = "" if rc == 0 and "Failed to fetch" not in err else f" (refreshing the lists: {deb.reason(err)})"
            names = ", ".join(still)
            raise PackagesError(
                f"{names}: no repository of this node has it{why}: "
                "correct the name, the version, the repository or the link"
            )

    def check_removals(self, plan: deb.Plan) -> None:
        rc, out, err = self.call("apt-get", "--simulate", "install", *self.options, *plan.arguments)
        if rc != 0:
            raise PackagesError("{}: cannot be installed: {}".format(", ".join(plan.arguments), deb.reason(err)))
        surprising = sorted(set(deb.removals(out)) - set(self.module.params["replaces"]))
        if surprising:
            names, gone = ", ".join(plan.arguments), ", ".join(surprising)
            raise PackagesError(
                f"{names}: installing would remove {gone}, which nobody asked for: "
                "remove it by hand, or name it in `replaces`"
            )

    def install(self, plan: deb.Plan) -> None:
        argv = ["apt-get", "install", *self.options, *plan.arguments]
        rc, out, err = self.patiently(*argv)
        if rc != 0 and "fetch" in err:  # lists older than the repository name files that are gone from it
            self.patiently("apt-get", "update", "-q")
            rc, out, err = self.patiently(*argv)
        if rc != 0:
            raise PackagesError(
                "{}: installation failed: {}".format(", ".join(plan.arguments), deb.reason(out + "\n" + err))
            )


@contextlib.contextmanager
def services_held_back(active: bool) -> t.Iterator[None]:
    """As invoke-rc.d and deb-systemd-invoke ask for it; a policy of somebody else stays and decides."""
    before = files.read_text(POLICY)
    if not active or (before and "physical_ai.edge" not in before):
        yield
        return
    files.write_atomic(POLICY, POLICY_TEXT.format(os.getpid()), 0o755)
    try:
        yield
    finally:
        os.unlink(POLICY)


def apply(apt: Apt, plan: deb.Plan, first: bool, held: list[str]) -> None:
    if plan.install:
        if os.path.isdir("/var/lib/dpkg/updates") and os.listdir(
            "/var/lib/dpkg/updates"
        ):  # a cut in the middle of dpkg
            apt.call("dpkg", "--configure", "-a")
        unknown = apt.unknown(plan.install)
        if unknown:
            apt.update(unknown)
        apt.check_removals(plan)
        try:
            with services_held_back(first and not apt.module.params["start_services"]):
                apt.install(plan)
        except PackagesError:
            apt.call("apt-mark", "hold", *held)  # apt has let go of them already
            raise
    if plan.hold:
        rc, _out, err = apt.call("apt-mark", "hold", *plan.hold)
        if rc != 0:
            raise PackagesError("{}: cannot be held: {}".format(", ".join(plan.hold), deb.reason(err)))


def run(module: AnsibleModule) -> dict[str, t.Any]:
    apt = Apt(module)
    names = module.params["names"]
    have = apt.installed()
    plan = deb.plan(have, names, module.params["versions"], module.params["hold"])
    if not module.check_mode:
        held = sorted(name for name, package in have.items() if package.held)
        apply(apt, plan, first=not any(name in have for name in names), held=held)
    elif plan.install and not apt.unknown(plan.install):
        apt.check_removals(plan)
    return {
        "changed": plan.changed,
        "missing": sorted(plan.install),
        "diff": {"before": listed(plan.before), "after": listed(plan.after)},
    }


def listed(versions: dict[str, str]) -> str:
    return "".join(f"{name}: {words}\n" for name, words in versions.items())


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "versions": {"type": "dict", "default": {}},
            "hold": {"type": "list", "elements": "str", "default": []},
            "replaces": {"type": "list", "elements": "str", "default": []},
            "start_services": {"type": "bool", "default": True},
            "lock_timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except (PackagesError, NodeError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
