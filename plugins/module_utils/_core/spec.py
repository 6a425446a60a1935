# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workload specification: what may be written, and what it becomes on a node.

:func:`render` turns the workloads of a release into rendered specifications: validated, defaults filled in, models and
networks resolved. A rendered specification is a plain dict; :func:`digest` of it is the identity that a node remembers.
"""

from __future__ import annotations

import hashlib
import json
import typing as t

from . import idle
from . import models as _models
from .fields import SpecError, error, mapping, show
from .spec_fields import MODEL, PROBES, WORKLOAD, cidr, name, version

SECRETS_MOUNT = "/run/secrets"

_workload = mapping(WORKLOAD)
_model = mapping(MODEL)


def _allow_from(where: str, words: t.List[str], networks: t.Mapping[str, t.Any]) -> t.List[str]:
    """Resolves site and zone with the node's own networks; the result is a sorted list of networks."""
    found: t.Set[str] = set()
    for word in words:
        if word == "any":
            found.update(("0.0.0.0/0", "::/0"))
        elif word in ("site", "zone"):
            known = networks.get(word) or []
            if not known:
                raise SpecError(
                    f"{where}: '{word}' was asked, but this node has no edge_networks.{word}: "
                    "give the site a cidr (for a zone: zones.<name>.cidr) in the fleet file, or name the networks here"
                )
            found.update(cidr(f"edge_networks.{word}", item) for item in known)
        else:
            found.add(cidr(where, word))
    return sorted(found)


def canonical(value: t.Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(spec: t.Mapping[str, t.Any]) -> str:
    """'sha256:...' of what a rendered specification is known by: where its models come from does not count."""
    return "sha256:" + hashlib.sha256(canonical(_models.identity(spec)).encode("utf-8")).hexdigest()


def _place(index: int, item: t.Any) -> str:
    label = item.get("name") if isinstance(item, dict) else None
    return f"workloads[{index}]" + (f" ({label})" if isinstance(label, str) else "")


def _one(index: int, item: t.Any, models: t.Mapping[str, dict], networks: t.Mapping[str, t.Any]) -> dict:
    where = _place(index, item)
    if not isinstance(item, dict):
        raise error(where, item, "a mapping")
    spec = _workload(where, {key: value for key, value in item.items() if key != "select"})
    for number_, entry in enumerate(spec["ports"]):
        entry["allow_from"] = _allow_from(f"{where}.ports[{number_}].allow_from", entry["allow_from"], networks)
    for number_, entry in enumerate(spec["models"]):
        if entry["name"] not in models:
            known = ", ".join(sorted(models)) or "none"
            raise SpecError(f"{where}.models[{number_}]: no model '{entry['name']}' in the release; it has: {known}")
        entry.update(models[entry["name"]])
    for phase, found in spec["probes"].items():
        if phase == "idle":
            idle.check(f"{where}.probes.idle", found)
        elif not set(found) & set(PROBES):
            raise SpecError(f"{where}.probes.{phase}: no probe in it; wanted one or more of {', '.join(PROBES)}")
    _probe_limits(where, spec)
    _secrets(where, spec)
    _unique_mounts(where, spec)
    _publishable(where, spec)
    _walls(where, spec)
    return spec


def _secrets(where: str, spec: dict) -> None:
    """None at all is the same specification as before there were any."""
    if not spec.get("secrets"):
        spec.pop("secrets", None)
        if "secrets_mount" in spec:
            raise SpecError(f"{where}.secrets_mount: there are no secrets that it could be for: name them in `secrets`")
        return
    seen: t.Set[str] = set()
    for index, entry in enumerate(spec["secrets"]):
        if entry["file"] in seen:
            raise SpecError(
                f"{where}.secrets[{index}]: the file '{entry['file']}' is used twice: give it another `file`"
            )
        seen.add(entry["file"])


def _walls(where: str, spec: dict) -> None:
    requires = spec.get("requires", {})
    gpu = requires.get("gpu", {})
    if "mig" in gpu and ("sharing" in gpu or "memory_mib" in gpu):
        raise SpecError(
            f"{where}.requires.gpu: a MIG device has its memory and is nobody else's: take `sharing` and `memory_mib` out"
        )
    if gpu.get("sharing") == "shared" and "memory_mib" not in gpu:
        raise SpecError(
            f"{where}.requires.gpu: who shares says how much GPU memory it needs: the key 'memory_mib' is missing"
        )
    if requires.get("devices") and "MKNOD" in spec["capabilities"]:
        raise SpecError(
            f"{where}.capabilities: found MKNOD beside requires.devices; with it the workload could make itself the devices of others"
        )


def _publishable(where: str, spec: dict) -> None:
    """Only what goes through the node can be published, moved to another port, and limited by `allow_from`."""
    network = "macvlan" if isinstance(spec["network"], dict) else spec["network"]
    for index, entry in enumerate(spec["ports"]):
        if network in ("macvlan", "none"):
            raise SpecError(
                f"{where}.ports: found ports with network {network}, which publishes none and cannot limit who reaches them: "
                "take `ports` out, or use network bridge"
            )
        if network == "host" and entry["host"] != entry["container"]:
            raise SpecError(
                f"{where}.ports[{index}]: found container {entry['container']} and host {entry['host']}, wanted the same number: "
                "with network host the container listens on the node itself"
            )


_METRIC_LIMITS = ("max", "min", "max_ratio_to_baseline", "min_ratio_to_baseline")


def _metric_limits(where: str, metric: t.Mapping[str, t.Any]) -> None:
    if not any(key in metric for key in _METRIC_LIMITS):
        words = "', '".join(_METRIC_LIMITS[:-1])
        raise SpecError(f"{where}: none of '{words}' and '{_METRIC_LIMITS[-1]}' is given, so it could not fail")
    for low, high in (("min", "max"), ("min_ratio_to_baseline", "max_ratio_to_baseline")):
        if low in metric and high in metric and metric[low] > metric[high]:
            raise SpecError(
                f"{where}: found {low} {metric[low]:g} above {high} {metric[high]:g}, so it could never pass"
            )


def _inference_limits(where: str, inference: t.Mapping[str, t.Any]) -> None:
    limits = ("max_latency", "max_latency_ratio_to_baseline")
    if inference.get("max_wrong", 0) >= 1 and not any(key in inference for key in limits):
        raise SpecError(
            f"{where}.max_wrong: found 1, every answer may be wrong, so it could not fail: "
            f"wanted less, or one of '{limits[0]}' and '{limits[1]}' beside it"
        )
    if "max_latency" in inference and inference["max_latency"] > inference["timeout"]:
        raise SpecError(
            f"{where}.max_latency: found {inference['max_latency']:g} s, more than the timeout of "
            f"{inference['timeout']:g} s, so it could not fail: wanted less, or a longer 'timeout'"
        )


def _probe_limits(where: str, spec: dict) -> None:
    """Probes that could never fail, or never pass, are mistakes."""
    for phase, found in spec["probes"].items():
        for kind, check in (("metric", _metric_limits), ("inference", _inference_limits)):
            if kind in found:
                check(f"{where}.probes.{phase}.{kind}", found[kind])


def _unique_mounts(where: str, spec: dict) -> None:
    seen: t.Dict[str, str] = {}
    for kind in ("files", "models", "volumes", "tmpfs"):
        for entry in spec[kind]:
            target = entry.get("mount") or entry.get("path")
            if target in seen:
                raise SpecError(f"{where}: {target} is used by both {seen[target]} and {kind}")
            seen[target] = kind
    more = {"identity": spec.get("identity", {}).get("mount", "")}
    if "secrets" in spec:
        more["secrets"] = spec.get("secrets_mount", SECRETS_MOUNT)
    for kind, target in more.items():
        if target in seen:
            raise SpecError(f"{where}: {target} is used by both {seen[target]} and {kind}")
        if target:
            seen[target] = kind


def order(specs: t.Sequence[dict]) -> t.List[dict]:
    """The workloads in the order of `after`; the order as written decides between equals."""
    names = [spec["name"] for spec in specs]
    for spec in specs:
        for other in spec["after"]:
            if other not in names:
                raise SpecError(
                    f"workload {spec['name']}: after: '{other}' is not a workload of this release on this node; there are: {', '.join(names)}"
                )
    done: t.List[dict] = []
    left = list(specs)
    while left:
        ready = [s for s in left if all(o in [d["name"] for d in done] for o in s["after"])]
        if not ready:
            raise SpecError("workloads " + ", ".join(s["name"] for s in left) + ": `after` goes round in a circle")
        done.append(ready[0])
        left.remove(ready[0])
    return done


def _conflicts(specs: t.Sequence[dict]) -> None:
    names: t.Set[str] = set()
    ports: t.Dict[t.Tuple[int, str], str] = {}
    for spec in specs:
        if spec["name"] in names:
            raise SpecError(f"workloads: the name '{spec['name']}' is used twice")
        names.add(spec["name"])
        for entry in spec["ports"]:
            key = (entry["host"], entry["protocol"])
            if key in ports:
                raise SpecError(
                    f"workloads: host port {key[0]}/{key[1]} is asked by both {ports[key]} and {spec['name']}"
                )
            ports[key] = spec["name"]


def render(workloads: t.Any, models: t.Any = None, networks: t.Optional[t.Mapping[str, t.Any]] = None) -> t.List[dict]:
    """Rendered specifications of a tenant's whole set on one node, in the order of change.

    :raises SpecError: with one line that names the workload, the key, what was found and what is wanted.
    """
    if not isinstance(workloads, (list, tuple)):
        raise error("workloads", workloads, "a list")
    known: t.Dict[str, dict] = {}
    for index, item in enumerate(models or []):
        checked = check_model(f"models[{index}]", item)
        if checked["name"] in known:
            raise SpecError(f"models[{index}]: the name '{checked['name']}' is used twice")
        known[checked["name"]] = checked
    specs = [_one(index, item, known, networks or {}) for index, item in enumerate(workloads)]
    _conflicts(specs)
    return order(specs)


def check_model(where: str, value: t.Any) -> dict:
    """A model with its defaults."""
    checked = _model(where, value)
    checked.setdefault("file", _models.file_name(checked))
    return checked


def check_tenant(value: t.Any) -> str:
    return name("tenant", value)


def check_release(value: t.Any) -> str:
    if isinstance(value, (int, float)):
        raise SpecError(f"release: found the number {show(value)}, wanted text: quote it, or YAML changes 1.10 to 1.1")
    return version("release", value)


def redact(spec: t.Optional[dict]) -> dict:
    """A specification as it may be shown: values of `env` and `files`, which may hold secrets, are left out."""
    if spec is None:
        return {}
    shown = dict(spec)
    shown["env"] = dict.fromkeys(spec.get("env", {}), "(not shown)")
    shown["files"] = [dict(entry, content="(not shown)") for entry in spec.get("files", [])]
    return shown
