#!/usr/bin/python
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_toolkit_info
short_description: What the NVIDIA container toolkit needs on this node
version_added: 0.1.0
author: physical_ai.edge contributors (@physical-ai)
description:
  - Looks at the node (discrete GPU or Jetson, driver, engine, packages, repositories) and decides from a support matrix
    what the role P(physical_ai.edge.nvidia_container_toolkit#role) has to do, and what forbids it.
  - Reads only. What forbids the installation is returned as a list and is no failure of this module.
options:
  matrix:
    description: What works with what, as the role has it in C(vars/main/support.yml).
    type: dict
    required: true
  version:
    description: Version of the toolkit; empty means the one that the matrix recommends.
    type: str
    default: ""
  allow_downgrade:
    description: Take an older version than what is installed.
    type: bool
    default: false
  without_gpu:
    description: What to do on a node that has no NVIDIA GPU.
    type: str
    choices: [install, skip, fail]
    default: install
  hold_driver:
    description: Name the packages of the driver, the kernel and L4T among those to hold.
    type: bool
    default: true
  uris:
    description: Addresses of the repository that the role describes. Empty means that it describes none.
    type: list
    elements: str
    default: []
  source:
    description: File that describes the repository.
    type: path
    default: /etc/apt/sources.list.d/nvidia-container-toolkit.sources
  key:
    description: Public key that signs the repository, as text, as a URL, or as the path of a file on the node.
    type: str
    default: ""
  fingerprints:
    description: Fingerprints of the keys that may be in it. All others are refused.
    type: list
    elements: str
    default: []
  keyring:
    description: Where the role writes a key that is not a file on the node yet.
    type: path
    default: /etc/apt/keyrings/nvidia-container-toolkit.asc
  images:
    description: Images that are to run here, by which those that cannot work on this L4T are found.
    type: list
    elements: str
    default: []
  docker:
    description: Whether the Docker engine of this node is to give GPUs to containers.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    support: none
    description: Nothing changes, so there is nothing to show.
"""

EXAMPLES = r"""
- name: Find out what the toolkit needs here
  physical_ai.edge.nvidia_toolkit_info:
    matrix: "{{ __nvidia_container_toolkit_support }}"
    without_gpu: skip
  register: node
"""

RETURN = r"""
problems:
  description: What forbids the installation, one line each, with what to do.
  returned: success
  type: list
  elements: str
notes:
  description: What is worth knowing and forbids nothing.
  returned: success
  type: list
  elements: str
plan:
  description: What is there and what is to be done.
  returned: success
  type: dict
  sample: {platform: gpu, version: 1.20.0, to_install: [nvidia-container-toolkit]}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

from ansible_collections.physical_ai.edge.plugins.module_utils import _nvidia
from ansible_collections.physical_ai.edge.plugins.module_utils._core import nvidia_toolkit, openpgp

FETCH_SECONDS = 30


def content(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def trusted(data: bytes, fingerprints: list[str]) -> str:
    """Empty where every key in it is one of those, else what is wrong."""
    wanted = [openpgp.normal(text) for text in fingerprints]
    try:
        strangers = [found for found in openpgp.fingerprints(data) if found not in wanted]
    except openpgp.KeyringError as exc:
        return str(exc)
    if not wanted:
        return "has no fingerprint to be checked against"
    return "has the fingerprint {}, wanted is {}".format(", ".join(strangers), " or ".join(wanted)) if strangers else ""


def key(params: dict[str, t.Any]) -> tuple[str, str, list[str]]:
    """Path of the key, its text where it is still to be written, and problems."""
    wanted, keyring = params["key"], params["keyring"]
    where = wanted if wanted.startswith(("/", "http://", "https://")) else "the key that was given"
    fix = "get the right key, or correct nvidia_container_toolkit_repository.fingerprints"
    try:
        if wanted.startswith("/"):
            data, path = content(wanted), wanted
        elif wanted.startswith(("http://", "https://")):
            data, path = fetched(wanted, keyring, params["fingerprints"]), keyring
        else:
            data, path = wanted.encode(), keyring
    except OSError as exc:
        return (
            keyring,
            "",
            [
                f"repository key {where}: cannot be had ({exc}): correct nvidia_container_toolkit_repository.key or the link"
            ],
        )
    wrong = trusted(data, params["fingerprints"])
    if wrong:
        return path, "", [f"repository key {where}: {wrong}: {fix}"]
    return path, "" if path == wanted else openpgp.armored(data), []


def fetched(url: str, keyring: str, fingerprints: list[str]) -> bytes:
    """The key on the node while it is a right one, so that a run that changes nothing needs no network."""
    try:
        have = content(keyring)
    except OSError:
        have = b""
    if have and not trusted(have, fingerprints):
        return have
    return t.cast(bytes, open_url(url, timeout=FETCH_SECONDS).read())


def run(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    look = _nvidia.look(_nvidia.Files(), _nvidia.installed())
    wish = nvidia_toolkit.Wish(
        version=params["version"],
        allow_downgrade=params["allow_downgrade"],
        without_gpu=params["without_gpu"],
        hold_driver=params["hold_driver"],
        uris=params["uris"],
        source=params["source"],
        images=params["images"],
        docker=params["docker"],
    )
    plan = nvidia_toolkit.plan(look, wish, params["matrix"])
    plan.facts["keyring"], plan.facts["key"] = params["keyring"], ""
    if params["uris"] and not plan.skip:
        plan.facts["keyring"], plan.facts["key"], problems = key(params)
        plan.problems += problems
    return {"changed": False, "problems": plan.problems, "notes": plan.notes, "plan": plan.facts}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "matrix": {"type": "dict", "required": True},
            "version": {"type": "str", "default": ""},
            "allow_downgrade": {"type": "bool", "default": False},
            "without_gpu": {"type": "str", "choices": ["install", "skip", "fail"], "default": "install"},
            "hold_driver": {"type": "bool", "default": True},
            "uris": {"type": "list", "elements": "str", "default": []},
            "source": {"type": "path", "default": "/etc/apt/sources.list.d/nvidia-container-toolkit.sources"},
            "key": {"type": "str", "default": "", "no_log": False},
            "fingerprints": {"type": "list", "elements": "str", "default": []},
            "keyring": {"type": "path", "default": "/etc/apt/keyrings/nvidia-container-toolkit.asc", "no_log": False},
            "images": {"type": "list", "elements": "str", "default": []},
            "docker": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        module.fail_json(msg=f"the NVIDIA toolkit's needs cannot be found out: {type(exc).__name__}: {exc}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
