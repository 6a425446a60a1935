#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workloads
short_description: Run the workloads of one tenant on a node, as one change that ends healthy
description:
  - Takes the whole declared set of a tenant on a node and carries out what differs as one transaction. Images and models are
    fetched and verified before anything that runs is touched, the new containers must pass their probes, and either all
    of them are committed or all of the old ones come back, with the data of volumes that ask for a snapshot.
  - The change runs on the node in a transient unit of systemd with a deadline of its own. It ends on the old or the new version
    although the link is cut, this module is killed, or the power goes.
  - A specification whose container failed is remembered on the node and refused until it changes or O(force=true).
  - Values of C(env) and C(files) are never shown in results, differences or logs.
version_added: 0.1.0
author:
  - physical_ai.edge contributors (@physical-ai-edge)
options:
  tenant:
    description: The team that owns the workloads. Its workloads are known as C(tenant/name).
    type: str
    required: true
  release:
    description: Version of the release. Once here with some content, the same version with other content is refused.
    type: str
    required: true
  release_digest:
    description: Digest of the release file, by which a version is known to be the same. Not compared where it is not given.
    type: str
    default: ''
  workloads:
    description:
      - The workloads of the tenant on this node, as in the release file. An empty list is a set too.
      - The keys of a workload are in the collection's document C(docs/workload_spec.md).
    type: list
    elements: dict
    required: true
  models:
    description: The models of the release, each with C(name), C(version), C(source) and C(sha256), and where there are any C(mirrors).
    type: list
    elements: dict
    default: []
  networks:
    description: Networks behind the words C(site) and C(zone) of C(allow_from), a list each. Usually C(edge_networks).
    type: dict
    default: {}
  undeclared:
    description: What becomes of workloads of the tenant that run on the node and are not declared.
    type: str
    choices: [keep, remove]
    default: keep
  force:
    description: Try a specification again that failed here before, and accept other content for a known version.
    type: bool
    default: false
  signed_text:
    description:
      - The release file as it was signed, byte for byte. A node that was told whom to trust (M(physical_ai.edge.trust)) takes only what
        such a file names, release, tenant and every digest, and whose O(signature) is good, also with O(force=true).
      - It is never shown or stored on the node.
    type: str
    default: ''
  signature:
    description: What C(ssh-keygen -Y sign -n physical-ai-release) made of the release file.
    type: str
    default: ''
  deadline:
    description:
      - Seconds after which a change that has not been committed is taken back.
      - By default it is computed from the times in the specifications and half an hour for fetching.
    type: int
  until:
    description:
      - How far to go. V(plan) says what would change and takes the lease of O(rollout), V(fetch) brings images and models onto
        the node and touches nothing that runs, V(run) does everything.
    type: str
    choices: [plan, fetch, run]
    default: run
  rollout:
    description: >-
      The rollout that this is a part of. Its lease keeps every other rollout, and every change outside of one, away from this
      tenant on this node until it is given back (M(physical_ai.edge.rollout_lease)) or runs out.
    type: dict
    suboptions:
      id:
        description: Identity of the rollout.
        type: str
        required: true
      owner:
        description: Who runs it, as others shall read it.
        type: str
        required: true
      stage:
        description: The stage, for the ledger.
        type: str
        default: ''
      wave:
        description: Number of the wave in its stage, for the ledger.
        type: int
        default: 0
      lease:
        description: Time after which the lease runs out, counted from each call, such as V(90m).
        type: str
        default: 4h
  jitter:
    description: Longest pause in seconds before anything is fetched; each node waits for a part of it, by chance.
    type: int
    default: 0
  sizes:
    description: With O(until=plan) and in check mode, ask the registry how many bytes would have to be fetched.
    type: bool
    default: false
  reason:
    description: Why, for the ledger.
    type: str
    default: ''
  ticket:
    description: Number of the change in your system, for the ledger.
    type: str
    default: ''
attributes:
  check_mode:
    support: full
    description: Says what would change and changes nothing, also where the node program is not installed yet.
  diff_mode:
    support: full
    description: Shows the rendered specifications before and after.
  platform:
    support: full
    platforms: posix
    description: Needs systemd and Docker 20.10 or newer.
requirements:
  - python >= 3.8
  - the node program, see M(physical_ai.edge.node_program)
seealso:
  - module: physical_ai.edge.node_program
  - module: physical_ai.edge.workload_info
  - module: physical_ai.edge.trust
"""

EXAMPLES = r"""
- name: Run the inspection service
  physical_ai.edge.workloads:
    tenant: quality
    release: "2026.11.0"
    workloads:
      - name: inspection
        image: registry.example.com/vision/inspection
        digest: sha256:3c4f1ae7b3f1d2ab9d3c86d0a11c1f2fb0c1cbb5f7d4a7f6a2a5f0f9f5f3c001
        ports:
          - {container: 8000, host: 8000, allow_from: [site]}
        probes:
          startup: {http: {port: 8000, path: /v2/health/ready}, within: 60s}
    networks: "{{ edge_networks }}"

- name: Take away what is no longer declared
  physical_ai.edge.workloads:
    tenant: quality
    release: "2026.11.1"
    workloads: []
    undeclared: remove
"""

RETURN = r"""
plan:
  description: >-
    What would change (C(changed), C(actions)), what the tenant runs (C(current)), what became of its last change (C(last)), and
    what is held back (C(holds)). With O(sizes) the C(bytes) to be fetched, and what is C(unknown) in size.
  type: dict
  returned: with O(until=plan)
class:
  description: >-
    Not with O(until=plan), unless it failed.
    How the change ended, one of V(success), V(unchanged), V(reverted), V(refused), V(broken), V(interrupted), V(timed_out), V(held).
    All but the first two and V(held) fail the task.
  type: str
  returned: always
  sample: success
cause:
  description: What kind of thing went wrong, for example V(fetch), V(verify), V(admit), V(signature), V(probe), V(baseline), V(exit) or V(engine).
  type: str
  returned: on failure and when held
  sample: probe
release:
  description: Version of the release.
  type: str
  returned: always
  sample: "2026.11.0"
signer:
  description: >-
    Who signed. C(state) is V(verified), with C(name), C(tenant) and C(fingerprint) of the key; V(revert) where what ran before came back; or
    V(not_enforced) where the node was not told whom to trust. Empty where the change was refused for it.
  type: dict
  returned: always
  sample: {state: verified, name: ann@example.com, tenant: quality, fingerprint: "SHA256:IR4eCY9/0GENYfsza/1/ZCYTPh8XuYxO6VaGDUYwFv4"}
undeclared:
  description: Workloads of the tenant that run here and are not declared.
  type: list
  elements: str
  returned: always
workloads:
  description: >-
    For each workload, its C(class), C(before) and C(after), the C(steps) with their seconds, C(gap_seconds) without service,
    C(stop_seconds), C(start_seconds), C(revert_seconds), and where it failed its C(reason), C(exit_code) and last C(logs).
    Where it changed, C(measured) are the numbers that its probes found, C(baseline) those that they were compared with, and
    C(notes) what could not be compared or was skipped.
  type: dict
  returned: always
"""

import dataclasses
import json
import os
import typing as t
import uuid

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _edge
from ..module_utils._core import plan as _plan
from ..module_utils._core import spec
from ..module_utils._core.fields import duration
from ..module_utils._core.request import PLAN, RUN, Request
from ..module_utils._core.state import State

SECRET_LENGTH = 8
LEASED = 4
"""Exit status of the program where a rollout of somebody else holds the tenant."""


def _rollout(given: t.Optional[t.Mapping[str, t.Any]]) -> t.Dict[str, t.Any]:
    return dict(given, lease=duration("rollout.lease", given["lease"])) if given else {}


def _request(params: t.Mapping[str, t.Any]) -> Request:
    return Request(
        id=uuid.uuid4().hex,
        tenant=spec.check_tenant(params["tenant"]),
        release=spec.check_release(params["release"]),
        specs=spec.render(params["workloads"], params["models"], params["networks"]),
        release_digest=params["release_digest"],
        remove_undeclared=params["undeclared"] == "remove",
        force=params["force"],
        deadline=float(params["deadline"] or 0),
        signed_text=params["signed_text"],
        signature=params["signature"],
        # Of a rollout the gate approves.
        approve=not params["rollout"],
        who=os.environ.get("SUDO_USER", ""),
        rollout=_rollout(params["rollout"]),
        until=params["until"],
        jitter=float(params["jitter"]),
        sizes=params["sizes"],
        reason=params["reason"],
        ticket=params["ticket"],
    )


def _call(module: AnsibleModule, command: str, request: Request) -> t.Dict[str, t.Any]:
    code, out, err = module.run_command([_edge.PROGRAM, command, "-"], data=json.dumps(request.to_json()))
    if code != 0:
        module.fail_json(msg=f"{command}: {err.strip() or out.strip()}", **{"class": "refused"})
    return json.loads(out)


def _empty_node(request: Request) -> t.Dict[str, t.Any]:
    """The plan for a node that has nothing of ours yet."""
    plan = _plan.plan(State(), request.tenant, request.release, request.release_digest, request.specs, [])
    return {
        "changed": plan.changed,
        "diff": plan.diff(),
        "actions": {change.name: change.action for change in plan.changes},
        "undeclared": [],
        "signer": {},
    }


def _refusal(found: t.Mapping[str, t.Any], request: Request) -> t.Dict[str, t.Any]:
    """The result where a plan says that the node would refuse it; nothing otherwise."""
    refused = [f"{item['workload']}: {item['reason']}" for item in found.get("refused", [])]
    words = found.get("untrusted") or found.get("conflict") or "; ".join(refused)
    if not words:
        return {}
    cause = "signature" if found.get("untrusted") else "release" if found.get("conflict") else "remembered"
    shown = {"release": request.release, "changed": False, "signer": {}, "workloads": {}}
    return {"failed": True, "class": "refused", "cause": cause, "msg": words, **shown}


def ask(module: AnsibleModule, request: Request) -> t.Dict[str, t.Any]:
    """What would change and what a rollout must know; with its lease taken."""
    code, out, err = module.run_command([_edge.PROGRAM, "plan", "-"], data=json.dumps(request.to_json()))
    if code != 0:
        message = _edge.complaint(out, err)
        cause = "lease" if code == LEASED else "node"
        return {"failed": True, "class": "refused", "cause": cause, "msg": message, "changed": False, "workloads": {}}
    found = json.loads(out)
    return _refusal(found, request) or {"changed": False, "release": request.release, "plan": found}


def check(module: AnsibleModule, request: Request) -> t.Dict[str, t.Any]:
    """What would change, as the same result that the change gives."""
    request = dataclasses.replace(request, until=RUN)
    found = _call(module, "plan", request) if _edge.installed() else _empty_node(request)
    refusal = _refusal(found, request)
    if refusal:
        return refusal
    workloads = {
        name: {"class": "unchanged" if action == _plan.KEEP else "success", "action": action}
        for name, action in found["actions"].items()
    }
    return {
        "changed": found["changed"],
        "class": "success" if found["changed"] else "unchanged",
        "release": request.release,
        "signer": found["signer"],
        "undeclared": found["undeclared"],
        "workloads": workloads,
        "rollout": {key: request.rollout[key] for key in ("id", "stage", "wave") if key in request.rollout},
        "plan": {key: value for key, value in found.items() if key != "diff"},
        "diff": found["diff"],
    }


def secrets(workloads: t.Sequence[t.Mapping[str, t.Any]]) -> t.Set[str]:
    """Values of `env` and `files` that are long enough to be secrets; a container may have written them to its log."""
    found: t.Set[str] = set()
    for item in workloads:
        env, files = item.get("env"), item.get("files")
        found.update(str(value) for value in (env.values() if isinstance(env, dict) else ()))
        found.update(
            str(entry.get("content")) for entry in (files if isinstance(files, list) else ()) if isinstance(entry, dict)
        )
    return {value for value in found if len(value) >= SECRET_LENGTH}


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    try:
        request = _request(module.params)
    except spec.SpecError as exc:
        return {"failed": True, "class": "refused", "cause": "spec", "msg": str(exc), "changed": False, "workloads": {}}
    if module.check_mode:
        return check(module, request)
    if not _edge.installed():
        return {
            "failed": True,
            "class": "refused",
            "changed": False,
            "msg": _edge.MISSING,
        }
    if request.until == PLAN:
        return ask(module, request)
    diff = _call(module, "plan", request)["diff"] if module._diff else {}
    return dict(_call(module, "submit", request), diff=diff)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "tenant": {"type": "str", "required": True},
            "release": {"type": "str", "required": True},
            "release_digest": {"type": "str", "default": ""},
            "workloads": {"type": "list", "elements": "dict", "required": True, "no_log": True},
            "models": {"type": "list", "elements": "dict", "default": []},
            "networks": {"type": "dict", "default": {}},
            "undeclared": {"type": "str", "choices": ["keep", "remove"], "default": "keep"},
            "force": {"type": "bool", "default": False},
            "signed_text": {"type": "str", "default": "", "no_log": True},  # it has the values of `env` and `files`
            "signature": {"type": "str", "default": ""},
            "deadline": {"type": "int"},
            "until": {"type": "str", "choices": ["plan", "fetch", "run"], "default": "run"},
            "rollout": {
                "type": "dict",
                "options": {
                    "id": {"type": "str", "required": True},
                    "owner": {"type": "str", "required": True},
                    "stage": {"type": "str", "default": ""},
                    "wave": {"type": "int", "default": 0},
                    "lease": {"type": "str", "default": "4h"},
                },
            },
            "jitter": {"type": "int", "default": 0},
            "sizes": {"type": "bool", "default": False},
            "reason": {"type": "str", "default": ""},
            "ticket": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    # `no_log` keeps the whole option out of the system log. In results it would mask every name and number of it.
    module.no_log_values = secrets(module.params["workloads"])
    names = [item.get("name") for item in module.params["workloads"]]
    shown = dict(module.params, workloads=names, models=[], signed_text="", signature="")
    module.exit_json(**run(module), invocation={"module_args": shown})


if __name__ == "__main__":
    main()
