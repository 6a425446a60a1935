# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that survive a power cut at any instant, the lock of the node, and where everything lies."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
import typing as t
from dataclasses import dataclass

from .errors import NodeError


@dataclass(frozen=True)
class Paths:
    """Every place that the program uses. `root` is a prefix for tests."""

    root: str = ""

    @property
    def state_directory(self) -> str:
        return self.root + "/var/lib/physical-ai"

    @property
    def state(self) -> str:
        return self.state_directory + "/state.json"

    @property
    def results(self) -> str:
        """In memory: they are for whoever waits right now, and a full disk must not keep them away."""
        return self.run + "/results"

    @property
    def requests(self) -> str:
        """In memory: they may hold secrets."""
        return self.run + "/requests"

    @property
    def models(self) -> str:
        return self.state_directory + "/models/sha256"

    @property
    def model_parts(self) -> str:
        """What has come so far of models that are being fetched."""
        return self.state_directory + "/models/staging"

    @property
    def model_mounts(self) -> str:
        """What containers see of models that change under them. On the file system of the models: the files are links."""
        return self.state_directory + "/models/mounts"

    @property
    def model_pins(self) -> str:
        return self.state_directory + "/models/pins.json"

    @property
    def model_names(self) -> str:
        return self.state_directory + "/models/names.json"

    @property
    def model_locks(self) -> str:
        return self.run + "/models"

    @property
    def pins_lock(self) -> str:
        return self.run + "/models/pins.lock"

    @property
    def secrets(self) -> str:
        """Sealed."""
        return self.state_directory + "/secrets"

    @property
    def secret_views(self) -> str:
        """In memory: what each container sees of the secrets."""
        return self.run + "/secrets"

    @property
    def secret_keys(self) -> str:
        return self.run + "/secret-keys"

    @property
    def pull_credentials(self) -> str:
        """In memory: a client configuration for each tenant that has credentials of its own."""
        return self.run + "/docker"

    @property
    def containers(self) -> str:
        return self.state_directory + "/containers"

    @property
    def volumes(self) -> str:
        return self.state_directory + "/volumes"

    @property
    def reserve(self) -> str:
        return self.state_directory + "/reserve"

    @property
    def ledger(self) -> str:
        return self.state_directory + "/ledger.jsonl"

    @property
    def clock(self) -> str:
        """The last time of which the node was sure."""
        return self.state_directory + "/clock"

    @property
    def devices_seen(self) -> str:
        return self.state_directory + "/devices-seen.json"

    @property
    def port_rules(self) -> str:
        return self.state_directory + "/ports.nft"

    @property
    def configuration(self) -> str:
        return self.root + "/etc/physical-ai"

    @property
    def devices(self) -> str:
        """The site's names of devices, written by the role devices."""
        return self.configuration + "/devices.json"

    @property
    def tenants(self) -> str:
        """What each tenant may use of this node, written by the role tenants."""
        return self.configuration + "/tenants.json"

    @property
    def signers(self) -> str:
        """Who may sign releases, written by the role trust. Without it no signature is asked for."""
        return self.configuration + "/signers"

    @property
    def signers_revoked(self) -> str:
        """Keys whose signatures do not count any more."""
        return self.configuration + "/signers-revoked"

    @property
    def clock_settings(self) -> str:
        """Who may say what the time is, written by the module clock."""
        return self.configuration + "/clock.json"

    @property
    def certificates(self) -> str:
        """A slot for each certificate, under its name."""
        return self.state_directory + "/certificates"

    @property
    def trust_bundle(self) -> str:
        """Roots whose certificates count here, old and new ones while they change."""
        return self.configuration + "/pki/trust.pem"

    @property
    def crl(self) -> str:
        """Revocation lists, one after the other."""
        return self.configuration + "/pki/crl.pem"

    @property
    def pki_gateway(self) -> str:
        """Who renews certificates of this site, and what this node is called there."""
        return self.configuration + "/pki/gateway.json"

    @property
    def authority(self) -> str:
        """The issuing CA of a site, on its gateway."""
        return self.state_directory + "/ca"

    @property
    def device_links(self) -> str:
        """Links that udev makes."""
        return self.root + "/dev/edge"

    @property
    def device_nodes(self) -> str:
        """Devices of each workload. In /dev, because device files do not work on other file systems in memory."""
        return self.root + "/dev/edge-workloads"

    @property
    def holds(self) -> str:
        return self.configuration + "/holds.json"

    @property
    def run(self) -> str:
        return self.root + "/run/physical-ai"

    @property
    def clock_heard(self) -> str:
        """In memory: what was said of the time since the boot, each with the age of the running kernel at which it was said."""
        return self.run + "/clock"

    @property
    def locks(self) -> str:
        return self.run + "/locks"

    @property
    def leases(self) -> str:
        """In memory: whoever rolls out notices a boot, and takes a new one."""
        return self.run + "/leases"

    @property
    def transaction_lock(self) -> str:
        return self.run + "/transaction.lock"

    def go_ahead(self, tenant: str, workload: str = "") -> str:
        """Says that a change need not wait for a workload; of a whole tenant, the directory of them."""
        return f"{self.run}/go-ahead/{tenant}" + (f"/{workload}.json" if workload else "")

    @property
    def waiting(self) -> str:
        """Whose turn it is for each tenant, and what changes wait for. In memory: nothing waits after a boot."""
        return self.run + "/waiting"

    @property
    def boot_id(self) -> str:
        return "/proc/sys/kernel/random/boot_id"

    def volume(self, tenant: str, workload: str, name: str) -> str:
        return f"{self.volumes}/{tenant}/{workload}/{name}"

    def update_lock(self, tenant: str, workload: str) -> str:
        """While this file exists, the application holds back a swap."""
        return f"{self.locks}/{tenant}/{workload}/update.lock"


def make_directory(path: str, mode: int = 0o700) -> None:
    os.makedirs(path, mode=mode, exist_ok=True)


def sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: str, content: t.Union[str, bytes], mode: int = 0o600) -> None:
    """The file has the old content or the new one, whatever happens: temporary file, fsync, rename, fsync of the directory."""
    directory = os.path.dirname(path)
    make_directory(directory)
    temporary = os.path.join(directory, f".{os.path.basename(path)}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            os.fchmod(handle.fileno(), mode)
            handle.write(content if isinstance(content, bytes) else content.encode("utf-8"))
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise NodeError("state", f"{path} cannot be written: {exc.strerror}; the old content is in place") from None
    sync_directory(directory)


def replace_link(target: str, path: str) -> None:
    """The link leads to the old target or to the new one, whatever happens."""
    directory, name = os.path.split(path)
    temporary = f"{directory}/.{name}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink(target, temporary)
    os.rename(temporary, path)
    sync_directory(directory)


def link_target(path: str) -> str:
    """Where a link leads, as it is written; empty where there is no link."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


def write_json(path: str, value: t.Any) -> None:
    write_atomic(path, json.dumps(value, indent=1) + "\n")


def read_text(path: str) -> t.Optional[str]:
    """The content, or None where there is no such file."""
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise NodeError("state", f"{path} cannot be read: {exc}") from None


def read_json(path: str, default: t.Any) -> t.Any:
    content = read_text(path)
    if content is None:
        return default
    try:
        return json.loads(content)
    except ValueError:
        raise NodeError("state", f"{path} is not JSON; it is left as it is. Mend it or move it away") from None


def sync_file_system(path: str) -> None:
    """Makes everything written so far to the file system of `path` survive a power cut (syncfs; sync where it is missing)."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        os.sync()
        return
    try:
        import ctypes  # nothing else needs it, and most commands write nothing

        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(descriptor) != 0:
            os.sync()
    except (OSError, AttributeError):
        os.sync()
    finally:
        os.close(descriptor)


def free_bytes(path: str) -> t.Tuple[int, int]:
    """(free, total) bytes of the file system that holds `path`, or will."""
    while not os.path.exists(path):
        path = os.path.dirname(path) or "/"
    usage = os.statvfs(path)
    return usage.f_bavail * usage.f_frsize, usage.f_blocks * usage.f_frsize


def tree_bytes(path: str) -> int:
    total = 0
    for directory, dummy, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(directory, name)).st_blocks * 512
    return total


def remove_tree(path: str) -> None:
    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def lock(path: str, wait: float) -> t.Iterator[None]:
    """One change at a time on a node. The kernel gives the lock back when its holder dies.

    :raises NodeError: where somebody else holds it for longer than `wait` seconds.
    """
    make_directory(os.path.dirname(path), 0o755)
    handle = open(path, "a+", encoding="utf-8")  # noqa: SIM115 # pylint: disable=consider-using-with
    try:
        until = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() >= until:
                    handle.seek(0)
                    raise NodeError(
                        "busy",
                        f"another change is under way on this node ({handle.read().strip() or 'unknown'}): wait for it; `edge status` shows it",
                    ) from None
                time.sleep(0.1)
        handle.seek(0)
        handle.truncate()
        handle.write(f"pid {os.getpid()}")
        handle.flush()
        yield
    finally:
        handle.close()
