# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets of a node: sealed on its disk, and in memory what each container sees of them.

On the disk there is one file for each tenant, `committed.json`: its names, versions and fingerprints, and all its values, sealed
as one. Its rename is the commit of a rotation. While one is in flight, `trial.json` lies beside it.

In memory each container that names secrets has a directory of its own, which it sees read-only:

    .v0123.../plc-password       the values, in one directory for each set that may be needed
    current -> .v0123...         replaced by a rename
    plc-password -> current/plc-password

So a container that runs sees all of its new values at once, by the plain names too. Which ones it must see is in
`committed.json` alone, and `put_right` makes it so.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._core import secrets as _secrets
from .._core.container import owner
from .._core.secrets import CURRENT, Index, Values
from .._core.state import Deployment, State
from . import files, sealing
from .errors import NodeError
from .files import Paths

_FINGERPRINTS = "physical-ai.fingerprints"
_OWNER = "secrets.json"

Sealed = t.Dict[str, t.Any]

_unsealed: t.Dict[t.Tuple[str, str], Values] = {}
"""What was asked for last, for as long as the program runs: a TPM takes its time, and a tenant has many workloads."""


# -- what is on the disk


def committed_path(paths: Paths, tenant: str) -> str:
    return f"{paths.secrets}/{tenant}/committed.json"


def trial_path(paths: Paths, tenant: str) -> str:
    return f"{paths.secrets}/{tenant}/trial.json"


def committed(paths: Paths, tenant: str) -> Sealed:
    """`names`, `by` and `sealed`; empty where the tenant has none here."""
    return files.read_json(committed_path(paths, tenant), {})


def index(paths: Paths, tenant: str) -> Index:
    return committed(paths, tenant).get("names", {})


def tenants(paths: Paths) -> t.List[str]:
    """Those that have secrets here, or a rotation in flight."""
    found = os.listdir(paths.secrets) if os.path.isdir(paths.secrets) else []
    return sorted(name for name in found if os.path.isdir(f"{paths.secrets}/{name}"))


def seal(paths: Paths, tenant: str, names: Index, values: Values) -> Sealed:
    """What is written to the disk of a tenant's whole set."""
    files.make_directory(paths.secrets)
    return {"schema": 1, "names": names, **sealing.seal(paths, _name(tenant), _secrets.pack(values))}


def unseal(paths: Paths, tenant: str, sealed: Sealed) -> Values:
    if not sealed:
        return {}
    known = (tenant, sealed.get("sealed", ""))
    if known not in _unsealed:
        try:
            found = _secrets.unpack(sealing.unseal(paths, _name(tenant), sealed))
        except ValueError as exc:
            raise NodeError("secret", f"secrets of tenant {tenant}: {exc}: deliver them again (role secrets)") from None
        _unsealed.clear()
        _unsealed[known] = found
    return dict(_unsealed[known])


def _name(tenant: str) -> str:
    return f"physical-ai.{tenant}"


def fingerprint_key(paths: Paths) -> bytes:
    """Sealed on the disk too, so that a disk alone does not let anybody try passwords. In memory since the first use."""
    path, plain = f"{paths.secrets}/fingerprints.json", f"{paths.secret_keys}/fingerprints"
    known = files.read_text(plain)
    if known is None:
        sealed = files.read_json(path, None)
        if sealed is None:
            files.make_directory(paths.secrets)
            known = os.urandom(32).hex()
            files.write_json(path, sealing.seal(paths, _FINGERPRINTS, known))
        else:
            known = _fingerprints(paths, path, sealed)
        files.make_directory(paths.run, 0o755)
        files.write_atomic(plain, known)
    return bytes.fromhex(known.strip())


def _fingerprints(paths: Paths, path: str, sealed: Sealed) -> str:
    """Where it cannot be unsealed, nothing else can: with a new one all values that are delivered count as other ones."""
    with contextlib.suppress(NodeError):
        return sealing.unseal(paths, _FINGERPRINTS, sealed)
    known = os.urandom(32).hex()
    files.write_json(path, sealing.seal(paths, _FINGERPRINTS, known))
    return known


# -- what a container sees


def view(paths: Paths, container: str) -> str:
    return f"{paths.secret_views}/{container}"


def prepare(paths: Paths, tenant: str, deployment: Deployment, user: str) -> str:
    """The directory for a container that is made; nothing where it names no secrets.

    :param user: that of the container, as in the specification or its image.
    """
    if not _secrets.entries(deployment.spec):
        return ""
    numbers = owner(user) or (0, 0)
    if user and owner(user) is None and user.partition(":")[0] != "root":
        unclear = [entry["name"] for entry in _secrets.entries(deployment.spec) if "uid" not in entry]
        if unclear:
            raise NodeError(
                "admit",
                f"secrets: {', '.join(unclear)}: the container's user is '{user}', and which number that is the node does not know: "
                "write `user` as a number, or give the secret a `uid`",
                workload=deployment.spec["name"],
            )
    files.write_json(_owner_path(paths, deployment.container), {"uid": numbers[0], "gid": numbers[1]})
    put_right(paths, tenant, deployment)
    return view(paths, deployment.container)


def _owner_path(paths: Paths, container: str) -> str:
    return f"{paths.containers}/{container}/{_OWNER}"


def check(paths: Paths, tenant: str, specs: t.Iterable[t.Mapping[str, t.Any]]) -> None:
    """:raises NodeError: admit, where a workload names a secret, or has an identity, that is not on this node."""
    have = index(paths, tenant)
    for spec in specs:
        missing = _secrets.missing(spec, have)
        if missing:
            known = ", ".join(name for name in have if not _secrets.is_registry(name)) or "none"
            raise NodeError(
                "admit",
                f"secrets: {', '.join(missing)} of tenant {tenant} {'is' if len(missing) == 1 else 'are'} not on this node "
                f"(there are: {known}): deliver them first (role secrets)",
                workload=spec["name"],
            )
        identity_ = identity(paths, tenant, spec)
        if identity_ and not os.path.exists(f"{identity_}/{CURRENT}"):
            raise NodeError(
                "admit",
                f"identity: there is no certificate {tenant}.{spec['name']} on this node ({identity_}): "
                "issue it first (role certificates)",
                workload=spec["name"],
            )


def identity(paths: Paths, tenant: str, spec: t.Mapping[str, t.Any]) -> str:
    """Where the certificate of a workload lies, where it wants to see one."""
    return f"{paths.state_directory}/certificates/{tenant}.{spec['name']}" if "identity" in spec else ""


def put_right(paths: Paths, tenant: str, deployment: Deployment) -> bool:
    """Makes what a container sees what is committed; True where it was something else. What it saw before is removed."""
    if not _secrets.entries(deployment.spec):
        return False
    sealed = committed(paths, tenant)
    names = sealed.get("names", {})
    if _taken(sealed, deployment):
        return False
    differed = not shows(paths, deployment, names)
    if differed:
        show(paths, tenant, deployment, names, unseal(paths, tenant, sealed))
    tidy(paths, deployment, names)
    return differed


def _taken(sealed: Sealed, deployment: Deployment) -> bool:
    """Whether something that it names was taken away by force: then it sees nothing, and does not start again."""
    lacking = _secrets.missing(deployment.spec, sealed.get("names", {}))
    return bool(set(lacking) & set(sealed.get("taken", [])))


def shows(paths: Paths, deployment: Deployment, names: Index) -> bool:
    directory, wanted = view(paths, deployment.container), _secrets.view(deployment.spec, names)
    return files.link_target(f"{directory}/{CURRENT}") == wanted and os.path.isdir(f"{directory}/{wanted}")


def show(paths: Paths, tenant: str, deployment: Deployment, names: Index, values: Values) -> None:
    """Puts values beside those that a container sees, and then in their place by one rename."""
    lacking = _secrets.missing(deployment.spec, values)
    if lacking:
        raise NodeError(
            "secret",
            f"secrets: {', '.join(lacking)} of tenant {tenant} {'is' if len(lacking) == 1 else 'are'} not on this node: "
            "deliver them (role secrets)",
            workload=deployment.spec["name"],
        )
    directory, wanted = view(paths, deployment.container), _secrets.view(deployment.spec, names)
    in_memory(paths)
    try:
        files.make_directory(paths.secret_views)
        _open(directory)
        _put_beside(paths, deployment, f"{directory}/{wanted}", values)
        links = {entry["file"]: f"{CURRENT}/{entry['file']}" for entry in _secrets.entries(deployment.spec)}
        for name, target in {**links, CURRENT: wanted}.items():
            if files.link_target(f"{directory}/{name}") != target:
                files.replace_link(target, f"{directory}/{name}")
    except OSError as exc:
        raise NodeError(
            "node", f"the secrets of {deployment.container} cannot be put into place: {exc.filename}: {exc.strerror}"
        ) from None


def _open(directory: str) -> None:
    """For whatever user the container has: only root gets as far as here from the node."""
    files.make_directory(directory, 0o755)
    os.chmod(directory, 0o755)  # noqa: S103


def _put_beside(paths: Paths, deployment: Deployment, target: str, values: Values) -> None:
    if os.path.isdir(target):
        return
    numbers = files.read_json(_owner_path(paths, deployment.container), None) or _numbers(deployment)
    staging = target + ".new"
    files.remove_tree(staging)
    _open(staging)
    for entry in _secrets.entries(deployment.spec):
        descriptor = os.open(f"{staging}/{entry['file']}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(values[entry["name"]])
            os.fchown(handle.fileno(), entry.get("uid", numbers["uid"]), numbers["gid"])
            os.fchmod(handle.fileno(), int(entry["mode"], 8))
    os.rename(staging, target)


def _numbers(deployment: Deployment) -> t.Dict[str, int]:
    uid, gid = owner(deployment.spec.get("user", "")) or (0, 0)
    return {"uid": uid, "gid": gid}


def tidy(paths: Paths, deployment: Deployment, names: Index) -> None:
    """Removes values that a container does not see any longer."""
    directory, wanted = view(paths, deployment.container), _secrets.view(deployment.spec, names)
    for name in os.listdir(directory) if os.path.isdir(directory) else []:
        path = f"{directory}/{name}"
        if name.startswith(".v") and name != wanted and os.path.isdir(path) and not os.path.islink(path):
            files.remove_tree(path)


def forget(paths: Paths, container: str) -> None:
    files.remove_tree(view(paths, container))


def collect(paths: Paths, state: State) -> None:
    """Removes what no kept deployment shows to its container."""
    kept = {item.container for item in state.kept() if _secrets.entries(item.spec)}
    for name in os.listdir(paths.secret_views) if os.path.isdir(paths.secret_views) else []:
        if name not in kept:
            forget(paths, name)


def in_memory(paths: Paths) -> None:
    """:raises NodeError: node, where /run would put values on a disk."""
    if paths.root:
        return  # a test's
    best, kind = "", ""
    for line in (files.read_text("/proc/self/mountinfo") or "").splitlines():
        left, dummy, right = line.partition(" - ")
        point = left.split()[4] if len(left.split()) > 4 else ""
        inside = f"{paths.run}/".startswith(point.rstrip("/") + "/")
        if right and inside and len(point) >= len(best):
            best, kind = point, right.split()[0]
    if kind not in ("tmpfs", "ramfs"):
        raise NodeError(
            "node", f"{paths.run} is on {kind or 'an unknown file system'}, wanted tmpfs: secrets stay in memory"
        )


# -- pull credentials


def pull_credentials(paths: Paths, tenant: str) -> str:
    """The directory of a client configuration that is for this tenant alone, or nothing: then the node's own counts."""
    directory = f"{paths.pull_credentials}/{tenant}"
    return directory if os.path.exists(directory + "/config.json") else ""


def put_credentials(paths: Paths, tenant: str, values: Values) -> None:
    directory = f"{paths.pull_credentials}/{tenant}"
    content = _secrets.docker_configuration(values)
    if not content:
        files.remove_tree(directory)
    elif files.read_text(directory + "/config.json") != content:
        in_memory(paths)
        files.make_directory(paths.pull_credentials)
        files.make_directory(directory)
        files.write_atomic(directory + "/config.json", content)


# -- for everybody


def unseal_all(paths: Paths, state: State) -> t.List[str]:
    """After a boot, before the engine starts: what is committed is in memory again. Returns what could not be, a line each."""
    problems = []
    for tenant in tenants(paths):
        try:
            sealed = committed(paths, tenant)
            if any(_secrets.is_registry(name) for name in sealed.get("names", {})):
                put_credentials(paths, tenant, unseal(paths, tenant, sealed))
            else:
                put_credentials(paths, tenant, {})
        except NodeError as exc:
            problems.append(f"{tenant}: {exc.message}")
    for tenant, name, item in state.deployments():
        try:
            put_right(paths, tenant, item)
        except NodeError as exc:
            problems.append(f"{tenant}/{name}: {exc.message}")
    return problems


def hide(paths: Paths, container: str, text: str) -> str:
    """What a container said, without the secrets that it sees."""
    directory = view(paths, container)
    values = []
    for name in os.listdir(directory) if os.path.isdir(directory) else []:
        if not name.startswith(".v"):
            continue
        for file in os.listdir(f"{directory}/{name}"):
            with contextlib.suppress(OSError), open(f"{directory}/{name}/{file}", "rb") as handle:
                values.append(handle.read())
    return _secrets.hide(text, values) if values else text


def users(state: State, tenant: str) -> t.Dict[str, t.List[str]]:
    """name of a secret -> workloads that need it: `name`, or `name (previous version)`."""
    found: t.Dict[str, t.List[str]] = {}
    have = state.tenants.get(tenant)
    for name, workload in sorted(have.workloads.items()) if have is not None else ():
        for deployment, word in ((workload.current, name), (workload.previous, f"{name} (previous version)")):
            for secret in _secrets.names(deployment.spec) if deployment is not None else ():
                if word not in found.setdefault(secret, []):
                    found[secret].append(word)
    return found


def overview(paths: Paths, state: State) -> t.List[t.Dict[str, t.Any]]:
    """Every secret that is here: its version, its fingerprint, what it is sealed with, who uses it. Never a value."""
    rows = []
    for tenant in tenants(paths):
        sealed, used = committed(paths, tenant), users(state, tenant)
        for name, item in sealed.get("names", {}).items():
            rows.append(
                {
                    "tenant": tenant,
                    "name": _secrets.label(name),
                    "version": item["version"],
                    "fingerprint": item["fingerprint"],
                    "sealed_by": sealing.described(sealed),
                    "used_by": used.get(name, []),
                }
            )
    return rows
