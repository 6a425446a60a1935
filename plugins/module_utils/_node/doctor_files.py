# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor reads of files: memory, routes, file systems, the journal, who may read what, certificates."""

from __future__ import annotations

import glob
import os
import re
import stat
import time
import typing as t

from .._core.doctor_finding import Seen
from . import files
from ._runner import run
from .errors import NodeError
from .files import Paths

PROGRAM = "/usr/local/bin/edge"
SOCKET = "/run/docker.sock"
CERTIFICATES = "/etc/docker/certs.d"
JOURNAL = "/var/log/journal"
MOST = 400
MOST_CERTIFICATES = 40
LARGEST = 1 << 20
_PEM = re.compile(
    r"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----.+?-----END (?:TRUSTED |X509 )?CERTIFICATE-----", re.DOTALL
)
_SIZE = re.compile(r"^([0-9]{1,15})([KMGTPE]?)$")
_JOURNALD = ("/usr/lib/systemd", "/usr/local/lib/systemd", "/etc/systemd", "/run/systemd")
_FAILED = re.compile(r"(?i)failed to (?:write|append|rotate|create|open|flush)|no space left|corrupted or uncleanly")


def text(path: str) -> t.Optional[str]:
    try:
        return files.read_text(path)
    except NodeError:
        return None


def machine(seen: Seen) -> None:
    seen["meminfo"] = text("/proc/meminfo")
    seen["pressure"] = text("/proc/pressure/memory")
    seen["routes"] = [text("/proc/net/route") or "", text("/proc/net/ipv6_route") or ""]


def file_systems(seen: Seen, paths: Paths) -> None:
    info = seen.get("engine")
    root = info.get("DockerRootDir") if isinstance(info, dict) else None
    found = []
    for path in ("/", root if isinstance(root, str) and root else "/var/lib/docker", paths.state_directory):
        item: t.Dict[str, t.Any] = {"path": path}
        try:
            usage = os.statvfs(path)
            item.update(
                device=os.stat(path).st_dev,
                free=usage.f_bavail * usage.f_frsize,
                total=usage.f_blocks * usage.f_frsize,
                inodes_free=usage.f_favail,
                inodes=usage.f_files,
            )
        except FileNotFoundError:
            continue  # no engine, or no node program: that is another check
        except OSError as exc:
            item["error"] = exc.strerror
        found.append(item)
    seen["file_systems"] = found


def journal(seen: Seen) -> None:
    settings = journal_settings()
    facts: t.Dict[str, t.Any] = {"persistent": os.path.isdir(JOURNAL), "storage": settings.get("Storage", "auto")}
    seen["journal"] = facts
    if not facts["persistent"]:
        return
    usage = os.statvfs(JOURNAL)
    facts["free"] = usage.f_bavail * usage.f_frsize
    facts["used"] = files.tree_bytes(JOURNAL)
    facts["cap"] = size(settings.get("SystemMaxUse", ""))
    argv = ["journalctl", "--unit", "systemd-journald", "--boot", "--priority", "warning", "--output", "cat"]
    done = run(
        [*argv, "--since", f"@{max(0, int(time.time()) - 3600)}", "--lines", "50", "--no-pager", "--quiet"], 10.0
    )
    facts["errors"] = [line for line in done.out.splitlines() if _FAILED.search(line)] if done.code == 0 else []


def journal_settings() -> t.Dict[str, str]:
    """As journald reads them: the main file, then drop-ins by name; a file of a later place stands for one of the same name."""
    drop_ins: t.Dict[str, str] = {}
    for place in _JOURNALD:
        for path in glob.glob(f"{place}/journald.conf.d/*.conf"):
            drop_ins[os.path.basename(path)] = path
    found: t.Dict[str, str] = {}
    for path in ["/etc/systemd/journald.conf", *(drop_ins[name] for name in sorted(drop_ins))]:
        for line in (text(path) or "").splitlines():
            key, equals, value = line.partition("=")
            if equals and not line.lstrip().startswith(("#", ";")):
                found[key.strip()] = value.strip()
    return found


def size(word: str) -> t.Optional[int]:
    match = _SIZE.match(word)
    return int(match.group(1)) << (10 * "KMGTPE".find(match.group(2)) + 10 if match.group(2) else 0) if match else None


def modes(seen: Seen, paths: Paths) -> None:
    """`most` is what a file or folder may be open to at most."""
    wanted = [(paths.state_directory, 0o700), (PROGRAM, 0o755), (SOCKET, 0o660), (paths.configuration, 0o755)]
    wanted += [(path, 0o700) for path in (paths.secrets, paths.secret_views, paths.secret_keys, paths.pull_credentials)]
    wanted += [(path, 0o700) for path in glob.glob(f"{CERTIFICATES}/*/*.key")]
    for folder, names, others in os.walk(paths.configuration):
        for name in names + others:
            path = f"{folder}/{name}"
            if not os.path.islink(path) and len(wanted) < MOST:
                wanted.append((path, 0o700 if _secret(path, paths) else 0o755))
    found: t.List[t.Dict[str, t.Any]] = []
    for path, most in wanted:
        try:
            have = os.stat(path)
        except FileNotFoundError:
            continue
        except OSError as exc:
            found.append({"path": path, "error": exc.strerror})
            continue
        found.append({"path": path, "mode": stat.S_IMODE(have.st_mode), "uid": have.st_uid, "most": most})
    seen["modes"] = found


def _secret(path: str, paths: Paths) -> bool:
    """Registry credentials and private keys; of text files, those that hold a key."""
    if path.startswith(paths.configuration + "/docker/") or path.endswith(".key"):
        return os.path.isfile(path)
    if not path.endswith((".pem", ".crt", ".json")) or not os.path.isfile(path):
        return False
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return "PRIVATE KEY-----" in handle.read(LARGEST)
    except OSError:
        return False


def certificates(seen: Seen, paths: Paths) -> None:
    found: t.List[t.Dict[str, t.Any]] = []
    seen["certificates"] = found
    for path in _certificate_files(paths):
        if len(found) >= MOST_CERTIFICATES:
            break
        try:
            with open(path, encoding="utf-8", errors="replace") as handle:
                blocks = _PEM.findall(handle.read(LARGEST))
        except OSError as exc:
            found.append({"path": path, "error": f"it cannot be read: {exc.strerror}"})
            continue
        if not blocks and not path.endswith(".pem"):  # a .pem may well be a key alone
            found.append({"path": path, "error": "it holds no certificate"})
        found += [_asked(path, block) for block in blocks]


def _certificate_files(paths: Paths) -> t.List[str]:
    found = glob.glob(f"{CERTIFICATES}/*/*.crt") + glob.glob(f"{CERTIFICATES}/*/*.cert")
    for folder, dummy, names in os.walk(paths.configuration):
        found += [f"{folder}/{name}" for name in names if name.endswith((".crt", ".pem"))]
    return sorted(found)


def _asked(path: str, block: str) -> t.Dict[str, t.Any]:
    try:
        done = run(["openssl", "x509", "-noout", "-enddate"], 10.0, text=block)
    except NodeError:
        return {"path": path, "error": "its end is unknown: openssl is missing"}
    if done.code != 0:
        return {"path": path, "error": f"openssl cannot read it: {done.said[:120]}"}
    return {"path": path, "said": done.out}
