# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of systemd that come with the node program. Nothing of them stays resident."""

from __future__ import annotations

import typing as t

DIRECTORY = "/etc/systemd/system"

RECOVER = """# Managed by physical_ai.edge
[Unit]
Description=Bring workloads back to what was committed
After=docker.service
Requires=docker.service
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/usr/local/bin/edge recover
Restart=on-failure
RestartSec=5
TimeoutStartSec=1800

[Install]
WantedBy=multi-user.target docker.service
"""

PORTS = """# Managed by physical_ai.edge
[Unit]
Description=Limit who may reach published ports
ConditionPathExists=/var/lib/physical-ai/ports.nft
After=nftables.service
Before=docker.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft --file /var/lib/physical-ai/ports.nft
ExecReload=/usr/sbin/nft --file /var/lib/physical-ai/ports.nft

[Install]
WantedBy=multi-user.target
"""

SECRETS = """# Managed by physical_ai.edge
[Unit]
Description=Bring sealed secrets of workloads into memory, before they start
ConditionPathExists=/var/lib/physical-ai/secrets
After=local-fs.target tpm2.target
Before=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/bin/edge secrets --unseal

[Install]
WantedBy=multi-user.target docker.service
"""

DEVICES = """# Managed by physical_ai.edge
[Unit]
Description=Give workloads the devices that they asked for, before they start
Before=docker.service
After=local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/bin/edge devices --settle

[Install]
WantedBy=multi-user.target
"""

# Not ordered with the engine, which it may ask: an engine that is started anew meanwhile would wait for it, and it for the engine.
LOOK = """# Managed by physical_ai.edge
[Unit]
Description=Look at the devices of workloads, because one came or went, or could have been lost
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStartPre=-/bin/rm -rf /run/physical-ai/look
ExecStart=/usr/local/bin/edge devices --settle
"""

# A directory is the word: one command makes it wherever the word comes from, and it stays where the service runs already,
# which then runs once more. A restart would end it in the middle of putting a container right.
LOOK_PATH = """# Managed by physical_ai.edge
[Unit]
Description=Look at the devices of workloads when something says so

[Path]
PathExists=/run/physical-ai/look

[Install]
WantedBy=paths.target
"""

# As early as files can be read: what comes later looks at certificates, or is ordered after a clock that was set. The network is not
# there yet, so only the last known time and the hardware clock speak. It never keeps a boot from going on.
CLOCK = """# Managed by physical_ai.edge
[Unit]
Description=Set a clock that is before the last known time, or years after it
DefaultDependencies=no
RequiresMountsFor=/var/lib/physical-ai /usr/local/bin
After=local-fs.target
Before=sysinit.target time-set.target time-sync.target systemd-timesyncd.service chrony.service docker.service shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=-/usr/local/bin/edge clock --set --offline
ExecStop=-/usr/local/bin/edge clock --keep
TimeoutStartSec=30
TimeoutStopSec=15

[Install]
WantedBy=sysinit.target
"""

CLOCK_LOOK = """# Managed by physical_ai.edge
[Unit]
Description=Ask who knows what the time is, and write down the last known time

[Service]
Type=oneshot
ExecStart=/usr/local/bin/edge clock --set
TimeoutStartSec=60
"""

# By the age of the kernel: a timer by the calendar would wait for a clock that is set.
CLOCK_TIMER = """# Managed by physical_ai.edge
[Unit]
Description=Look at the clock every hour

[Timer]
OnBootSec=1min
OnUnitInactiveSec=1h
RandomizedDelaySec=1min

[Install]
WantedBy=timers.target
"""

CERTIFICATES = """# Managed by physical_ai.edge
[Unit]
Description=Renew certificates that are due
After=network-online.target time-sync.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/usr/local/bin/edge certificates --renew
TimeoutStartSec=900
"""

# The delay is what keeps the nodes of a site from asking at once, also when they all start together (_core/renewal).
CERTIFICATES_TIMER = """# Managed by physical_ai.edge
[Unit]
Description=Renew certificates that are due, each hour

[Timer]
OnBootSec=2min
OnUnitInactiveSec=1h
RandomizedDelaySec=1h
AccuracySec=1s

[Install]
WantedBy=timers.target
"""

UNITS: t.Dict[str, str] = {
    "physical-ai-clock.service": CLOCK,
    "physical-ai-clock-look.timer": CLOCK_TIMER,
    "physical-ai-recover.service": RECOVER,
    "physical-ai-ports.service": PORTS,
    "physical-ai-devices.service": DEVICES,
    "physical-ai-secrets.service": SECRETS,
    "physical-ai-look.path": LOOK_PATH,
    "physical-ai-certificates.timer": CERTIFICATES_TIMER,
}

TRIGGERED = {
    "physical-ai-look.service": LOOK,
    "physical-ai-clock-look.service": CLOCK_LOOK,
    "physical-ai-certificates.service": CERTIFICATES,
}
"""Units that others start."""

WATCHING = ("physical-ai-look.path", "physical-ai-clock-look.timer", "physical-ai-certificates.timer")
"""Those that are started when they are installed; the others wait for the boot, the engine or an event."""

CA_SOCKET = """# Managed by physical_ai.edge
[Unit]
Description=Where nodes of this site ask for their certificates
ConditionPathExists=/var/lib/physical-ai/ca/current

[Socket]
ListenStream=4460
Accept=yes
MaxConnections=16
MaxConnectionsPerSource=4
NoDelay=yes

[Install]
WantedBy=sockets.target
"""

# One request, one process. It sees no network but the connection that it was given, and writes nowhere but to its own folder.
CA_SERVICE = """# Managed by physical_ai.edge
[Unit]
Description=Sign certificates of nodes of this site, one request
CollectMode=inactive-or-failed

[Service]
ExecStart=/usr/local/bin/edge ca serve
StandardInput=socket
StandardOutput=socket
StandardError=journal
RuntimeMaxSec=60
TimeoutStopSec=5
MemoryMax=256M
TasksMax=32
Nice=5
UMask=0077
ProtectSystem=strict
ReadWritePaths=/var/lib/physical-ai/ca
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateNetwork=yes
ProtectHostname=yes
ProtectClock=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources @mount
SystemCallErrorNumber=EPERM
"""

AUTHORITY = {"physical-ai-ca.socket": CA_SOCKET, "physical-ai-ca@.service": CA_SERVICE}
"""Units of the issuing CA of a site: only the module certificate_authority installs them, on the node that has it."""

AUTHORITY_SOCKET = "physical-ai-ca.socket"

GENERATOR = """#!/bin/sh
# Managed by physical_ai.edge: systemd runs this at each reload, which can take GPUs away from containers.
mkdir -p /run/physical-ai/look
"""

APT = """// Managed by physical_ai.edge: an upgrade of drivers or of the container toolkit can take GPUs away from containers.
DPkg::Post-Invoke { "mkdir -p /run/physical-ai/look || true"; };
"""

FILES = {
    "/etc/systemd/system-generators/physical-ai-look": (GENERATOR, 0o755),
    "/etc/apt/apt.conf.d/95physical-ai": (APT, 0o644),
}
