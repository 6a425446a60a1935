# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `tests/lab/lab`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import typing as t

from tests.lab import engine, images
from tests.lab.lab import Lab, default_name
from tests.lab.node import Node
from tests.lab.plan import DEFAULT_NODES, OS_NAMES, LabError
from tests.lab.progress import say
from tests.lab.services import PACKAGES


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description="A simulated fleet of real Debian nodes in containers.")
    parser.add_argument("--name", default=default_name(), help="which lab (default: $EDGE_LAB, else edge)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str, *arguments: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        for argument in arguments:
            command.add_argument(argument.lower(), metavar=argument)
        return command

    up = add("up", "make the lab, or complete it and switch everything on")
    up.add_argument("--nodes", type=int, default=None, metavar="N", help=f"default: {DEFAULT_NODES}")
    down = add("down", "remove everything that `up` made; base images stay")
    down.add_argument("--images", action="store_true", help="remove the lab's images and package caches as well")
    down.add_argument("--engine", action="store_true", help="stop the container engine too, if `up` started it")
    add("status", "a line for each node")
    add("cut", "cut the link of a site", "SITE")
    add("restore", "restore the link of a site", "SITE")
    add("power-cut", "every process of the node dies at once", "NODE")
    add("power-on", "switch the node on and wait for it", "NODE")
    fill = add("fill-disk", "fill the file system of the engine's and the collection's data", "NODE")
    fill.add_argument("--leave", type=int, default=50, metavar="MIB", help="what to leave free (50)")
    add("free-disk", "undo fill-disk", "NODE")
    skew = add("skew-clock", "what starts on the node from now on sees a wrong clock; 0 puts it right", "NODE")
    skew.add_argument("seconds", type=int, metavar="SECONDS")
    registry = add("registry", "the registry: gone, back, or slow")
    registry.add_argument("action", choices=["stop", "start", "slow", "full-speed"])
    registry.add_argument("--silent", action="store_true", help="with stop: its machine is gone too, nothing answers")
    registry.add_argument("--kbit", type=int, default=2000, help="with slow: kilobit per second (2000)")
    add("push", "push an image of this machine to the lab's registry; prints its name by digest", "IMAGE", "REPOSITORY")
    ssh = add("ssh", "log in on a node, as Ansible does", "NODE")
    ssh.add_argument("remote", nargs=argparse.REMAINDER, metavar="COMMAND")
    run = add("run", "run a command (ansible-playbook, ansible-inventory, ...) on this lab")
    run.add_argument("argv", nargs=argparse.REMAINDER, metavar="COMMAND")
    return parser


def _state(node: Node, linked: bool) -> str:
    if not node.exists():
        return "missing"
    if node.is_up:
        return "up" if linked else "up, site cut off"
    return "power cut" if node.container.attrs["State"]["ExitCode"] == 137 else "off"


def _engine_version(node: Node) -> str:
    if not node.exists() or not node.is_up:
        return "-"
    asked = node.exec("docker version --format '{{.Server.Version}}' 2>/dev/null", check=False, timeout=10)
    return asked.stdout.strip() or "-"


def table(lab: Lab) -> str:
    """What `status` prints."""
    rows = [("NODE", "SITE", "OS", "ADDRESS", "UPLINK", "STATE", "ENGINE")]
    for site in lab.plan.sites:
        gateway = lab.gateway(site.name)
        linked = gateway.exists() and gateway.is_linked
        for plan in site.nodes:
            node = lab.node(plan.host)
            state = _state(node, linked)
            rows.append(
                (plan.host, site.name, OS_NAMES[plan.release], plan.address, plan.uplink, state, _engine_version(node))
            )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _up(options: argparse.Namespace) -> None:
    lab = Lab.up(options.name, options.nodes)
    print(table(lab))
    say(f"inventory {lab.inventory}; try: tests/lab/lab run ansible all -m ping")


def _down(options: argparse.Namespace) -> None:
    Lab.remove(options.name)
    if options.images and engine.answers():
        client = engine.client()
        for tag in images.remove(client):
            say(f"image {tag} stays: a container uses it")
        for volume in client.volumes.list(filters={"label": PACKAGES}):
            volume.remove(force=True)
    if options.engine:
        engine.down()


def _registry(lab: Lab, options: argparse.Namespace) -> None:
    actions: dict[str, t.Callable[[], None]] = {
        "stop": lambda: lab.registry.stop(options.silent),
        "start": lab.registry.start,
        "slow": lambda: lab.registry.slow(options.kbit),
        "full-speed": lab.registry.full_speed,
    }
    actions[options.action]()


def _ssh(lab: Lab, options: argparse.Namespace) -> int:
    node = lab.node(options.node)
    argv = ["ssh", "-F", str(lab.folder / "ssh" / "config"), node.name, *options.remote]
    return subprocess.run(argv, check=False).returncode


def _run(lab: Lab, options: argparse.Namespace) -> int:
    if not options.argv:
        raise LabError("run: which command? For example: tests/lab/lab run ansible all -m ping")
    lab.sync()
    env = lab.env()
    try:
        return subprocess.run(options.argv, env=env, check=False).returncode
    except FileNotFoundError:
        raise LabError(f"run: {options.argv[0]} is not on PATH ({env['PATH'].split(os.pathsep)[0]}, ...)") from None


def _act(options: argparse.Namespace) -> int:
    if options.command in ("up", "down"):
        (_up if options.command == "up" else _down)(options)
        return 0
    lab = Lab.attach(options.name)
    if options.command in ("ssh", "run"):
        return (_ssh if options.command == "ssh" else _run)(lab, options)
    actions: dict[str, t.Callable[[], object]] = {
        "status": lambda: print(table(lab)),
        "cut": lambda: lab.cut(options.site),
        "restore": lambda: lab.restore(options.site),
        "power-cut": lambda: lab.node(options.node).power_cut(),
        "power-on": lambda: lab.node(options.node).power_on(),
        "fill-disk": lambda: lab.node(options.node).fill_disk(options.leave),
        "free-disk": lambda: lab.node(options.node).free_disk(),
        "skew-clock": lambda: lab.node(options.node).skew_clock(options.seconds),
        "registry": lambda: _registry(lab, options),
        "push": lambda: print(lab.registry.push(options.image, options.repository)),
    }
    actions[options.command]()
    return 0


def main(argv: t.Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    try:
        return _act(options)
    except LabError as exc:
        print(f"lab: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; `up` completes what is there, `down` removes it", file=sys.stderr)
        return 130
