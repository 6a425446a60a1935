# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One virtual machine, for what a container node cannot show.

A real reboot, cgroup v2 with the systemd driver, and a power cut that loses unwritten pages: ``docker kill`` leaves
the page cache in the host's kernel, so a missing fsync never shows there. Killing qemu takes the *guest's* page cache
with it: what the guest had written to its disk stays (the host keeps the file), what it had not written is gone.
"""

from __future__ import annotations

import contextlib
import functools
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.lab.plan import LabError
from tests.lab.vm_image import Unavailable, VmImage, build_image

Done = subprocess.CompletedProcess[str]

MEMORY_MIB = 1024
CPUS = 2
CONSOLE_TAIL = 15

# Seconds in which the first boot has to end in sshd. Hardware that runs kernels takes a tenth of the first.
FIRST_BOOT = {"kvm": 60.0, "tcg": 240.0, "tcg-single": 240.0}

# What the guest's kernel may skip: it serves tests on this machine only, and software emulation pays for each of these.
KERNEL_ARGUMENTS = (
    "root=/dev/vda rw rootflags=noauto_da_alloc console=ttyS0 loglevel=6 panic=-1 mitigations=off nokaslr audit=0 "
    "net.ifnames=0 systemd.show_status=false systemd.unified_cgroup_hierarchy=1"
)


class VmError(LabError):
    """The machine did not do what was asked; the text carries the end of its console."""


@functools.cache
def accelerators(kernel: Path) -> tuple[str, ...]:
    """What may run the machine here, the fastest first; the first boot decides which of them truly does.

    A /dev/kvm that opens proves little (nested virtualization may be half there), so a kernel is started as the
    machine will be, without a disk: within seconds it has looked for its root and panics, or it does not work.
    """
    probe = ["qemu-system-x86_64", *_accel("kvm"), "-m", str(MEMORY_MIB), "-nodefaults", "-display", "none"]
    probe += ["-no-reboot", "-serial", "stdio", "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"]
    try:
        done = subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
        works = b"Kernel panic" in done.stdout
    except subprocess.TimeoutExpired:
        works = False
    return ("kvm", "tcg", "tcg-single") if works else ("tcg", "tcg-single")


def _accel(kind: str) -> list[str]:
    if kind == "kvm":
        return ["-accel", "kvm", "-cpu", "host", "-smp", str(CPUS)]
    # A bigger translation cache: the default one is flushed several times during a boot with containers. An older
    # processor: the boot takes a quarter less than with the newest, whose wide registers are slow to emulate.
    threads, cpus = ("single", 1) if kind == "tcg-single" else ("multi", CPUS)
    return ["-accel", f"tcg,thread={threads},tb-size=512", "-cpu", "Nehalem", "-smp", str(cpus)]


class Vm:
    """A machine on an overlay of the cached image, which lives from ``start`` to ``down`` over every power cut."""

    def __init__(self, image: VmImage | None = None) -> None:
        self.image = image or build_image()
        self.accel = ""
        self.folder = Path(tempfile.mkdtemp(prefix="edge-vm-"))
        self.console = self.folder / "console.log"
        self.overlay = self.folder / "disk.qcow2"
        self.port = _free_port()
        self.boot_seconds = 0.0
        self._qemu: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """A fresh disk, power on, and wait until it can be spoken to.

        Nothing but Debian's kernel and packages runs in this first boot: where no accelerator brings it up, a virtual
        machine cannot be had, and Unavailable says what each of them showed.
        """
        failures = []
        for accel in accelerators(self.image.kernel):
            self.accel = accel
            self._fresh_disk()
            self.power_on()
            try:
                self.wait_ssh(FIRST_BOOT[accel])
                return
            except VmError as error:
                failures.append(f"{accel}: {error}")
                self.power_cut()
        raise Unavailable("virtual machine lane: no accelerator boots it here: " + "; ".join(failures))

    def _fresh_disk(self) -> None:
        self.console.unlink(missing_ok=True)
        backing = ["-b", str(self.image.disk), "-F", "raw"]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(self.overlay)], check=True)

    def power_on(self, clock: str = "") -> None:
        """Start qemu on the overlay as it is; returns at once.

        :param clock: what the hardware clock says, as `2099-06-01T12:00:00` in UTC; without it, the time of this machine.
        """
        # setpriv: a killed test run takes its machine with it.
        command = ["setpriv", "--pdeathsig", "KILL", *self._command(), *(["-rtc", f"base={clock}"] if clock else [])]
        self.console.touch()
        with self.console.open("ab") as log:
            self._qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def power_cut(self) -> None:
        """Kill qemu: whatever the guest had not written to its disk is lost, as at a real power cut."""
        if self._qemu is not None:
            self._qemu.send_signal(signal.SIGKILL)
            self._qemu.wait()
            self._qemu = None
        self._forget_connection()

    def wait_ssh(self, timeout: float = 240) -> float:
        """Wait until sshd answers; returns (and keeps as ``boot_seconds``) how long that took."""
        started = time.monotonic()
        while time.monotonic() - started < timeout:
            if self._qemu is None or self._qemu.poll() is not None:
                raise VmError(f"virtual machine: qemu is not running; console ends with:\n{self._console_tail()}")
            if self._banner() and self._ssh("true", timeout=60).returncode == 0:
                self.boot_seconds = time.monotonic() - started
                return self.boot_seconds
            time.sleep(0.5)
        raise VmError(f"virtual machine: no ssh within {timeout:.0f} s; console ends with:\n{self._console_tail()}")

    def reboot(self) -> float:
        """A real, orderly reboot through the guest's systemd; returns when ssh answers from the new boot."""
        before = self.boot_id()
        self._ssh("systemctl reboot", timeout=60)
        self._forget_connection()
        started = time.monotonic()
        while time.monotonic() - started < 240:
            self.wait_ssh()
            if self.boot_id() != before:
                self.boot_seconds = time.monotonic() - started
                return self.boot_seconds
            time.sleep(1)
        raise VmError("virtual machine: asked for a reboot, still in the same boot after 240 s")

    def boot_id(self) -> str:
        """Another one after each boot."""
        return self._ssh("cat /proc/sys/kernel/random/boot_id", timeout=60).stdout.strip()

    def exec(self, command: str | list[str], check: bool = True, timeout: float = 120) -> Done:
        """Run a command as root in the guest; a string goes through its shell."""
        line = command if isinstance(command, str) else shlex.join(command)
        done = self._ssh(line, timeout=timeout)
        if check and done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise VmError(f"virtual machine: `{line}` ended with {done.returncode}: {said}")
        return done

    def wait_for(self, command: str, timeout: float = 120) -> str:
        """Repeat a command until it succeeds; returns what it printed."""
        end = time.monotonic() + timeout
        while True:
            done = self._ssh(command, timeout=timeout)
            if done.returncode == 0:
                return done.stdout
            if time.monotonic() > end:
                said = (done.stderr or done.stdout).strip()
                raise VmError(f"virtual machine: `{command}` did not succeed within {timeout:.0f} s: {said}")
            time.sleep(0.5)

    def put(self, source: Path | bytes, target: str, mode: str = "0644") -> None:
        """Copy a file (or its bytes) into the guest and sync: a cut is not to take the test's own files."""
        content = source if isinstance(source, bytes) else source.read_bytes()
        where = shlex.quote(target)
        line = f"mkdir -p $(dirname {where}) && cat >{where} && chmod {mode} {where} && sync"
        command = [*self.ssh_command(), line]
        done = subprocess.run(command, input=content, capture_output=True, timeout=300, check=False)
        if done.returncode:
            raise VmError(f"virtual machine: could not write {target}: {done.stderr.decode(errors='replace').strip()}")

    def ssh_command(self) -> list[str]:
        """The ssh command line up to the remote command; one connection is kept open and shared."""
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "BatchMode": "yes",
            "ConnectTimeout": "30",
            "ControlMaster": "auto",
            "ControlPath": str(self.folder / "ssh"),
            "ControlPersist": "600",
        }
        flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "/dev/null", "-p", str(self.port), "-i", str(self.image.key), *flags, "root@127.0.0.1"]

    def down(self) -> None:
        """Power off without ceremony and remove the overlay."""
        self.power_cut()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _command(self) -> list[str]:
        arguments = [shutil.which("qemu-system-x86_64") or "qemu-system-x86_64", *_accel(self.accel)]
        arguments += ["-m", str(MEMORY_MIB), "-nodefaults", "-display", "none"]
        arguments += ["-serial", "stdio", "-device", "virtio-rng-pci"]
        # writeback: a flush by the guest reaches the host's file, and what qemu itself still holds dies with it.
        arguments += ["-drive", f"file={self.overlay},format=qcow2,if=virtio,cache=writeback"]
        arguments += ["-nic", f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{self.port}-:22"]
        arguments += ["-kernel", str(self.image.kernel), "-initrd", str(self.image.initrd), "-append", KERNEL_ARGUMENTS]
        return arguments

    def _ssh(self, line: str, timeout: float) -> Done:
        command = [*self.ssh_command(), line]
        try:
            return _run(command, timeout)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 124, "", f"no answer within {timeout:.0f} s")

    def _banner(self) -> bool:
        """Whether sshd itself (not only qemu's forward) is there; far cheaper than a login that fails."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                return connection.recv(4).startswith(b"SSH")
        except OSError:
            return False

    def _forget_connection(self) -> None:
        """End the shared connection of a boot that is gone: it would hang until its own time-out."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            _run([*self.ssh_command(), "-O", "exit"], timeout=10)
        (self.folder / "ssh").unlink(missing_ok=True)

    def _console_tail(self) -> str:
        return "\n".join(self.console.read_text(errors="replace").splitlines()[-CONSOLE_TAIL:])


def _run(command: list[str], timeout: float) -> Done:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
    )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
