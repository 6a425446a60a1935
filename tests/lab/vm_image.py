# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk of the virtual machine: Debian packages to an ext4 image, kernel and initrd beside it.

No cloud image is downloaded: mmdebstrap makes the tree and ``mke2fs -d`` packs it, which needs no loop mount. The
result is cached under the hash of everything that goes into it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.lab import base, engine
from tests.lab.plan import LabError
from tests.lab.progress import step

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "vm"
DISK_SIZE = "6G"

# program -> the Debian package that brings it
TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "ssh": "openssh-client",
}

# The kernel for real machines, not that for clouds: it has USB, and a USB host and a camera in software (vm_camera.py).
_PACKAGES = (
    "systemd systemd-sysv systemd-resolved dbus udev kmod procps chrony openssh-server python3 python3-apt sudo "
    "ca-certificates iproute2 iptables nftables apparmor docker.io initramfs-tools linux-image-amd64"
)
RECIPE = base.Recipe("vm", "bookworm", tuple(_PACKAGES.split()), keep_lists=False)

NETWORK = """[Match]
Name=en* eth*
[Network]
DHCP=yes
"""

# Keep dirty pages in memory as long as the kernel may: what was not synced is then lost at a power cut every time, and
# not only when the cut is quick enough. (0 as the interval is no way to say never: it wakes the flusher at once.)
SYSCTL = """vm.dirty_writeback_centisecs = 360000
vm.dirty_expire_centisecs = 360000
vm.dirty_background_ratio = 60
vm.dirty_ratio = 80
"""

FILES = {
    "etc/hostname": "edge-vm\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 edge-vm\n",
    # noauto_da_alloc switches off ext4's own repair of "rename without fsync", which other file systems do not have.
    "etc/fstab": "/dev/vda / ext4 noatime,noauto_da_alloc 0 1\n",
    "etc/systemd/network/80-dhcp.network": NETWORK,
    "etc/sysctl.d/90-keep-dirty.conf": SYSCTL,
    # An initrd of exactly what the disk needs: it is unpacked at each boot, and software emulation makes that slow.
    "etc/initramfs-tools/conf.d/edge": "MODULES=list\n",
    "usr/share/initramfs-tools/modules.d/edge": "virtio_pci\nvirtio_blk\next4\n",
}

# Nothing may start by itself in the middle of a measurement, and boot is to be short.
MASKED = (
    "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer "
    "systemd-networkd-wait-online.service"
)
ENABLED = "systemd-networkd.service systemd-resolved.service ssh.service docker.service chrony.service"


class Unavailable(Exception):
    """A virtual machine cannot be had here; the text is the reason shown for the skipped tests."""


@dataclass(frozen=True)
class VmImage:
    """A finished image: a read-only disk (use an overlay), what boots it, and the key that opens it."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "disk.img"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.img"

    @property
    def key(self) -> Path:
        return self.folder / "id_ed25519"


def missing_tools() -> dict[str, str]:
    """Programs that are not there, with the package that brings each."""
    return {program: package for program, package in TOOLS.items() if not shutil.which(program, path=_path())}


def ensure_tools() -> None:
    """Have qemu and the image tools, from apt when they are missing; Unavailable says why not."""
    if platform.machine() != "x86_64":
        raise Unavailable(f"virtual machine lane: this machine is {platform.machine()}, the lane is written for x86_64")
    missing = missing_tools()
    if not missing:
        return
    try:
        engine.apt_install(sorted(set(missing.values())), optional=("debian-archive-keyring",))
    except LabError as error:
        raise Unavailable(f"virtual machine lane: {', '.join(missing)} not found: {error}") from error


def build_image() -> VmImage:
    """The image of the current recipe, from the cache or built now (about a minute)."""
    ensure_tools()
    image = VmImage(CACHE / recipe_hash())
    if image.disk.exists():
        return image
    CACHE.mkdir(parents=True, exist_ok=True)
    with step("disk image of the virtual machine"), tempfile.TemporaryDirectory(prefix="build-", dir=CACHE) as work:
        folder = Path(work) / "image"
        folder.mkdir()
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "edge-vm", "-f", str(folder / "id_ed25519")]
        subprocess.run(keygen, check=True)
        tree = Path(work) / "tree"
        try:
            _make_tree(tree, folder)
            _pack(tree, folder)
        finally:
            # Owned by the users of the guest: only root can take it away.
            _run(["rm", "-rf", str(tree)])
        # Whoever renames first wins, so two runs at once end with one whole image.
        if not image.folder.exists():
            folder.rename(image.folder)
    _remove_others(image.folder)
    return image


def _remove_others(current: Path) -> None:
    """Images of earlier recipes; a machine that still runs on one keeps it, since its file is open."""
    for folder in CACHE.iterdir():
        if folder != current and not folder.name.startswith("build-"):
            shutil.rmtree(folder, ignore_errors=True)


def recipe_hash() -> str:
    """One name for everything that decides what is in the image."""
    recipe = repr((RECIPE.tag, DISK_SIZE, sorted(FILES.items()), MASKED, ENABLED))
    return hashlib.sha256(recipe.encode()).hexdigest()[:16]


def _make_tree(tree: Path, folder: Path) -> None:
    stage = folder.parent / "stage"
    for name, text in FILES.items():
        target = stage / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    keys = stage / "root/.ssh/authorized_keys"
    keys.parent.mkdir(parents=True, mode=0o700)
    keys.write_text((folder / "id_ed25519.pub").read_text())
    keys.chmod(0o600)
    copy = f'tar -C "{stage}" --owner=0 --group=0 -cf - . | tar -C "$1" --no-overwrite-dir -xf -'
    hooks = [
        # Before the packages, because the kernel's makes an initrd; and after them, because some bring a default.
        f"--setup-hook={copy}",
        f"--customize-hook={copy}",
        f'--customize-hook=chroot "$1" systemctl mask {MASKED}',
        f'--customize-hook=chroot "$1" systemctl enable {ENABLED}',
    ]
    proxy = engine.apt_proxy()
    if proxy:
        hooks.append(f'--aptopt=Acquire::http::Proxy "{proxy}"')
    argv = ["mmdebstrap", "--variant=minbase", "--quiet", f"--include={','.join(RECIPE.packages)}", *hooks]
    _run([*argv, RECIPE.release, str(tree), *RECIPE.sources])


def _pack(tree: Path, folder: Path) -> None:
    """Kernel and initrd out of the tree, the tree into an image, all readable by whoever runs the tests."""
    for name in ("vmlinuz", "initrd.img"):
        _run(["sh", "-c", f"cp -L '{tree}'/boot/{name}-* '{folder}/{name}'"])
    disk = folder / "disk.img"
    _run(["mke2fs", "-q", "-t", "ext4", "-L", "edge-vm", "-m", "0", "-d", str(tree), str(disk), DISK_SIZE])
    _run(["chown", f"{os.getuid()}:{os.getgid()}", *[str(path) for path in folder.iterdir()]])


def _run(command: list[str]) -> None:
    """As root, with the sbin folders on the search path: a user's shell does not look where mke2fs lives."""
    argv = engine.as_root(["env", f"PATH={_path()}", *command])
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no output"]
        reason = next((line for line in reversed(lines) if line.startswith("E: ")), lines[-1])
        raise LabError(f"virtual machine image: {command[0]} failed: {reason}")


def _path() -> str:
    return os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
