# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `edge`: for modules, for systemd, and for the person at the machine."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import typing as t

from .._core import outcome
from .._core import secrets as _secrets
from .._core.request import Request, RequestError, read
from . import (
    backup,
    block,
    ca_command,
    certificate_requests,
    certificates,
    clock,
    devices,
    holds,
    launch,
    lease,
    ledger,
    model_requests,
    program,
    rotation,
    secrets,
    waiting,
)
from .ca import Authority
from .errors import NodeError, NothingToDo
from .files import read_json
from .node import Node
from .version import VERSION

EPILOG = """examples:
  edge status                      what runs here
  edge why quality/inspection      what happened last, and why something is refused
  edge logs quality/inspection     its last log lines
  edge hold quality --reason "shift 2 runs until six"
  edge release quality             let changes go on
  edge release quality/inspection --now   swap now, whatever is not idle
  edge revert quality/inspection   back to the version before
  edge devices                     cameras, ports and PLCs by the site's names
  edge models                      models that are here, and who uses them
  edge clock                       what the time is, and who says so
  edge certificates                certificates of this node, and when they are renewed
  edge secrets                     secrets that are here, and who uses them; never a value
  edge ledger                      what became of this node, in order
  edge health quality              whether what runs is healthy now
"""

LEDGER_LINES = 20


LEASED = 4
"""Exit status where a rollout of somebody else holds the tenant."""


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _complain(line: str, code: int = 2) -> int:
    sys.stderr.write(f"edge: {line}\n")
    return code


def _print(value: t.Any) -> None:
    _say(json.dumps(value, indent=1))


def _read_request(path: str) -> Request:
    if path == "-":
        return read(json.load(sys.stdin))
    data = read_json(path, None)
    if data is None:
        raise NodeError("program", f"there is no request {path}")
    return read(data)


def _apply(node: Node, arguments: argparse.Namespace) -> int:
    request = _read_request(arguments.request)
    if arguments.request != "-":
        os.unlink(arguments.request)
    result = program.apply(node, request)
    if arguments.request == "-":
        _print(result)
    else:  # whoever waits reads the result elsewhere; this goes into the journal
        _say(f"{result['class']}: {result['msg']}")
    return 0


def _plan(node: Node, arguments: argparse.Namespace) -> int:
    request = _read_request(arguments.request)
    _print(program.look(node, request))
    return 0


def _submit(node: Node, arguments: argparse.Namespace) -> int:
    request = _read_request(arguments.request)
    launch.start(node, request)
    _print(launch.wait(node, request))
    return 0


def _recover(node: Node, arguments: argparse.Namespace) -> int:
    ended = os.environ.get("SERVICE_RESULT", "") if arguments.ended else ""
    certificates.put_back(node.paths)  # before anything starts that reads them
    result = program.recover(node, ended, arguments.change)
    for line in certificates.recover(node):  # no reason to fail: their timer tries again
        _say(line)
    _say(f"{result['class']}: {result['msg']}")
    return 1 if result["class"] == "broken" else 0


def _status(node: Node, arguments: argparse.Namespace) -> int:
    found = program.status(node)
    if arguments.json:
        _print(found)
        return 0
    for line in _status_lines(found):
        _say(line)
    return 0


def _state_word(row: t.Mapping[str, t.Any]) -> str:
    if row["current"] is None:
        return "never ran"
    return {True: "running", False: "NOT RUNNING", None: "unknown"}[row["running"]]


def _table(rows: t.Sequence[t.Sequence[str]]) -> t.Iterator[str]:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()


def _status_lines(found: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    if found["engine"] != "up":
        yield f"engine: {found['engine']}"
    rows = [("WORKLOAD", "STATE", "RELEASE", "DIGEST", "PREVIOUS", "REFUSED")]
    for tenant, entry in found["tenants"].items():
        for name, row in entry["workloads"].items():
            current, previous = row["current"] or {}, row["previous"] or {}
            refused = ", ".join(item["release"] for item in row["refused"]) or "-"
            rows.append(
                (
                    f"{tenant}/{name}",
                    _state_word(row),
                    current.get("release", "-"),
                    current.get("digest", "-")[7:19] or "-",
                    previous.get("release", "-"),
                    refused,
                )
            )
    if len(rows) == 1:
        yield "nothing is deployed here"
    else:
        yield from _table(rows)
    for item in found["devices"]:
        if item.get("problem") and item["workloads"]:
            yield f"device {item['name']}: {item['problem']}; used by {', '.join(item['workloads'])}"
    for item in found["holds"]:
        yield f"held: {item['scope']} by {item['who']}: {item['reason']}"
    for change in found["changes"]:
        what = f"release {change['release']} of" if change["release"] else "other secrets of"
        yield f"under way: {what} {change['tenant']}, at step {change['step']}"
        for row in change["waiting"]:
            yield _waiting(change["tenant"], row)


def _waiting(tenant: str, row: t.Mapping[str, t.Any]) -> str:
    since, until = (waiting.clock(row[key]) for key in ("since", "until"))
    return (
        f"waiting for {tenant}/{row['workload']} ({row['what']}): {row['reason']}; since {since}, until {until} "
        f"at the latest, then {row['then']}"
    )


def _why(node: Node, arguments: argparse.Namespace) -> int:
    found = program.status(node)
    name, dummy, workload = arguments.scope.partition("/")
    if name not in found["tenants"]:
        raise NodeError(
            "state", f"there is no tenant '{name}' on this node; there is: {', '.join(found['tenants']) or 'nothing'}"
        )
    tenant = found["tenants"][name]
    if tenant["last"]:
        _say(f"last change: release {tenant['last']['release']}: {tenant['last']['class']}: {tenant['last']['msg']}")
    for key, row in tenant["workloads"].items():
        if workload and key != workload:
            continue
        for item in row["refused"]:
            _say(f"{key}: release {item['release']} is refused ({item['cause']}): {item['reason']}")
            for line in item["logs"]:
                _say(f"    {line}")
    return 0


def _logs(node: Node, arguments: argparse.Namespace) -> int:
    for line in program.logs(node, arguments.scope, arguments.lines):
        _say(line)
    return 0


def _hold(node: Node, arguments: argparse.Namespace) -> int:
    holds.hold(node, arguments.scope, arguments.reason, program.who())
    _say(f"held: {arguments.scope}. What runs goes on; changes wait until `edge release {arguments.scope}`.")
    return 0


def _release(node: Node, arguments: argparse.Namespace) -> int:
    for line in holds.release(node, arguments.scope, program.who(), arguments.now):
        _say(line)
    for item in holds.covering(node, arguments.scope):
        _say(f"still held: {item['scope']} by {item['who']}: {item['reason']}")
    return 0


def _block(node: Node, arguments: argparse.Namespace) -> int:
    if arguments.scope == "-":
        _print(block.carry_out(node, json.load(sys.stdin)))
        return 0
    state = "absent" if arguments.command == "unblock" else "present"
    given = {"scope": arguments.scope, "state": state, "who": program.who()}
    if state == "present":
        given.update(reason=arguments.reason, stop=arguments.stop)
    result = block.carry_out(node, given)
    _say(result["msg"])
    return 1 if result["failed"] else 0


def _devices(node: Node, arguments: argparse.Namespace) -> int:
    if arguments.settle:
        for line in program.settle_devices(node):
            _say(line)
        return 0
    found = devices.overview(node.paths, node.store.load())
    if arguments.json:
        _print(found)
        return 0
    rows = [("DEVICE", "KIND", "STATE", "WORKLOADS")]
    for item in found:
        state = item.get("problem") or item.get("number") or item.get("endpoint") or "see requires.gpu"
        rows.append((item["name"], item["kind"], state, ", ".join(item["workloads"]) or "-"))
    for line in _table(rows) if len(rows) > 1 else ["no device has a name here (role devices)"]:
        _say(line)
    return 0


def _model(node: Node, arguments: argparse.Namespace) -> int:
    given = json.load(sys.stdin) if arguments.request == "-" else read_json(arguments.request, None)
    _print(model_requests.carry_out(node, given))
    return 0


def _models(node: Node, arguments: argparse.Namespace) -> int:
    rows = model_requests.collect(node) if arguments.collect else model_requests.overview(node)
    if arguments.json:
        _print(rows)
        return 0
    lines = model_requests.lines(rows, lambda when: time.strftime("%Y-%m-%d", time.localtime(when)))
    if arguments.collect and rows:
        _say("removed:")
    for line in _table(lines) if rows else ["nothing to remove" if arguments.collect else "no model is here"]:
        _say(line)
    return 0


def _clock(node: Node, arguments: argparse.Namespace) -> int:
    if arguments.note:
        return _clock_note(node, arguments.note)
    if arguments.forget:
        _say(clock.forget(node.paths, program.who()))
        return 0
    if arguments.keep:
        clock.keep(node.paths)
        return 0
    found = clock.correct(node.paths, network=not arguments.offline, dry=not arguments.set)
    if arguments.json:
        _print(found)
        return 0
    _say(f"clock: {clock.shown(found['now'])}, {found['state']}: {found['reason']}")
    for line in filter(None, (found["msg"], found["asked"] and f"hosts: {found['asked']}")):
        _say(line)
    if not arguments.set:
        for line in _table(clock.table(found)):
            _say(line)
    return 0


def _clock_note(node: Node, given: str) -> int:
    """Seconds, or - for JSON on standard input: `time`, and `source` where it is not the controller."""
    found = json.load(sys.stdin) if given == "-" else {"time": float(given)}
    if not isinstance(found, dict):
        raise NodeError("program", "clock --note: wanted a mapping with time and source")
    clock.note(node.paths, found.get("source", clock.CONTROLLER), found.get("time"))
    return 0


def _certificate(node: Node, arguments: argparse.Namespace) -> int:
    given = json.load(sys.stdin) if arguments.request == "-" else read_json(arguments.request, None)
    _print(certificate_requests.carry_out(node, given))
    return 0


def _certificates(node: Node, arguments: argparse.Namespace) -> int:
    if arguments.recover:
        problems = certificates.recover(node)
        for line in problems:
            _say(line)
        return 1 if problems else 0
    if arguments.renew:
        found = certificate_requests.renew(node)
        if arguments.json:
            _print(found)
        else:
            _say(found["msg"])
        return 1 if found["failed"] else 0
    rows = certificate_requests.overview(node, arguments.prove)
    if arguments.json:
        _print(rows)
        return 0
    lines = certificate_requests.lines(rows, lambda when: time.strftime("%Y-%m-%d", time.localtime(when)))
    for line in _table(lines) if rows else ["no certificate is wanted here"]:
        _say(line)
    return 0


def _secrets_of(node: Node, arguments: argparse.Namespace) -> int:
    if arguments.unseal:
        problems = program.unseal(node)
        for line in problems:
            _complain(line)
        return 1 if problems else 0
    if arguments.request == "-":
        _print(rotation.submit(node, json.load(sys.stdin)))
        return 0
    if arguments.request:
        given = read_json(arguments.request, None)
        if given is None:
            raise NodeError("program", f"there is no request {arguments.request}")
        os.unlink(arguments.request)
        result = program.deliver(node, _secrets.read(given))
        _say(f"{result['class']}: {result['msg']}")  # whoever waits reads the result elsewhere
        return 0
    rows = secrets.overview(node.paths, node.store.load())
    if arguments.json:
        _print(rows)
        return 0
    lines = [("TENANT", "SECRET", "VERSION", "FINGERPRINT", "USED BY", "SEALED BY")]
    for row in rows:
        used = ", ".join(row["used_by"]) or "-"
        lines.append((row["tenant"], row["name"], row["version"] or "-", row["fingerprint"], used, row["sealed_by"]))
    for line in _table(lines) if rows else ["no secret is here (role secrets)"]:
        _say(line)
    return 0


def _limit(node: Node, arguments: argparse.Namespace) -> int:
    node.limit_tenants(node.engine.info().cgroup_driver, node.store.load())
    return 0


def _ledger(node: Node, arguments: argparse.Namespace) -> int:
    count = arguments.lines if arguments.lines is not None else 0 if arguments.after else LEDGER_LINES
    found = ledger.since(node.paths, arguments.after, arguments.digest, count)
    broken = found["broken"]
    if arguments.json:
        _print(found)
    else:
        for item in found["entries"]:
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(item["time"]))
            _say(f"{item['sequence']:>6}  {when}  {item['kind']}: {_entry(item)}")
        if broken:
            _say(f"CHANGED BY HAND: {broken}")
    return 1 if broken else 0


def _entry(item: t.Mapping[str, t.Any]) -> str:
    if item["kind"] == "change":
        signer = item.get("signer", {})
        signed = f", signed by {signer['name'] or signer['fingerprint']}" if "fingerprint" in signer else ""
        return f"release {item['release']} of {item['tenant']}{signed}: {item['class']}: {item['msg']}"
    if item["kind"] == "approve":
        return f"release {item['release']} of {item['tenant']}: {', '.join(item['baseline'])} by {item['who']}"
    if item["kind"] == "device":
        return (
            f"{item['device']} {item['what']} {item['number']}".rstrip()
            + f" [{', '.join(item['workloads']) or 'unused'}]"
        )
    if item["kind"] == "lease":
        return f"{item['tenant']}: rollout {item['id']} of {item['owner']} {item['what']}: {item['msg']}"
    if item["kind"] == "alarm":
        where = f"{item['tenant']}/{item['workload']}"
        return f"{where} waited {item['waited']:g} s for its {item['what']}: {item['reason']}; then {item['then']}"
    if item["kind"] == "clock":
        return f"{item['what']}: {item['msg']}" + (f" by {item['who']}" if item["who"] else "")
    if item["kind"] == "certificate":
        return f"{item['name']} {item['what']}" + (f": {item['reason']}" if item["reason"] else "")
    if item["kind"] == "secrets":
        return f"{item['class']}: {item['msg']}"
    if item["kind"] == "block":
        return f"{item['scope']} {item['what']} by {item['who']}: {item['msg']}"
    if item["kind"] == "hold":
        return f"{item['scope']} by {item['who']}: {item['reason']}"
    if item["kind"] == "authority":
        return f"issuing CA: {item['what']}: {item['subject']} {item.get('serial', '')}".rstrip()
    if item["kind"] == "backup":
        return f"{item['what']} by {item['who']}: {item['msg']}"
    if item["kind"] == "release":
        return f"{item['scope']} by {item['who']}: {', '.join(item['what'])}"
    return f"{item['workload']} {item['what']}: {item['msg']} ({'; '.join(item['lost'])})"


def _approve(node: Node, arguments: argparse.Namespace) -> int:
    result = program.approve(node, arguments.tenant, arguments.release)
    if arguments.json:
        _print(result)
    else:
        _say(result["msg"])
    return 0 if result["workloads"] else 1


def _health(node: Node, arguments: argparse.Namespace) -> int:
    result = program.health(node, arguments.tenant)
    if arguments.json:
        _print(result)
    else:
        for name, item in result["workloads"].items():
            _say(f"{arguments.tenant}/{name}: {'healthy' if item['healthy'] else 'NOT HEALTHY: ' + item['reason']}")
            for key, value in item["measured"].items():
                _say(
                    f"    {key} {value:g}"
                    + (f" (baseline {item['baseline'][key]:g})" if key in item["baseline"] else "")
                )
    return 0 if result["healthy"] else 1


def _revert(node: Node, arguments: argparse.Namespace) -> int:
    before = node.store.load()
    rollout = json.loads(arguments.rollout) if arguments.rollout else {}
    try:
        request = program.revert_request(
            node, arguments.scope, program.who(), arguments.release, arguments.reason, rollout
        )
    except NothingToDo as exc:
        found = {"class": outcome.UNCHANGED, "failed": False, "changed": False, "msg": exc.message, "workloads": {}}
        _say(json.dumps(found) if arguments.json else exc.message)
        return 0
    launch.start(node, request)
    result = launch.wait(node, request)
    if result["class"] == "success":
        program.after_revert(node, request, before)
    if arguments.json:
        _print(result)
    else:
        _say(f"{result['class']}: {result['msg']}")
    return 1 if result["failed"] else 0


def _lease(node: Node, arguments: argparse.Namespace) -> int:
    if arguments.take:
        lease.claim(node.paths, arguments.tenant, json.loads(arguments.rollout))
        return 0
    if arguments.end:
        if not arguments.tenant:
            raise NodeError("program", "say whose lease ends: edge lease TENANT --end")
        mine = json.loads(arguments.rollout) if arguments.rollout else None
        ended = lease.end(node.paths, arguments.tenant, mine, program.who())
        _say("ended" if ended else f"there is no lease of tenant {arguments.tenant}")
        return 0
    for name, item in lease.everything(node.paths).items():
        if arguments.tenant in ("", name):
            left = f"{item['left'] / 60:.0f} minutes left" if item["left"] > 0 else "run out"
            _say(f"{name}: rollout {item['id']} of {item['owner']}, {left}")
    return 0


def _ca(node: Node, arguments: argparse.Namespace) -> int:
    said = ca_command.execute(Authority(node.paths), arguments)
    if said:
        _say(said)
    return 0


def _backup(node: Node, arguments: argparse.Namespace) -> int:
    what = backup.What(
        arguments.host or os.uname().nodename,
        authority_keys=arguments.authority_keys,
        extra=tuple(arguments.extra),
        extra_most=arguments.extra_mib << 20,
    )
    result = backup.create(node.paths, what, arguments.to, arguments.recipient)
    if arguments.json:
        _print(result)
        return 0
    _say(
        f"{result['path']}: {result['files']} files of {result['host']}, up to entry {result['ledger']['last']} of its ledger"
    )
    for line in result["left_out"]:
        _say(f"left out: {line}")
    return 0


def _restore(node: Node, arguments: argparse.Namespace) -> int:
    host = arguments.host or os.uname().nodename
    result = backup.restore(node.paths, arguments.file, host, arguments.force, arguments.check, program.who())
    if arguments.json:
        _print(result)
        return 0
    for line in (
        [*result["lines"], *result["conflicts"]]
        if result["changed"]
        else ["there is nothing in it that is missing here"]
    ):
        _say(line)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edge",
        description="Workloads of this node: what runs, why, and the way back.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, function: t.Callable[[Node, argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(function=function)
        return command

    add("status", _status, "what runs here").add_argument("--json", action="store_true", help="as JSON")
    add("why", _why, "what happened last, and why something is refused").add_argument(
        "scope", help="TENANT or TENANT/WORKLOAD"
    )
    command = add("logs", _logs, "last log lines of what runs")
    command.add_argument("scope", help="TENANT or TENANT/WORKLOAD")
    command.add_argument("-n", "--lines", type=int, default=50, help="number of lines (default: 50)")
    command = add("devices", _devices, "the site's names of devices, and what is behind them")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument(
        "--settle", action="store_true", help="give workloads the devices that are there now (for units)"
    )
    command = add("clock", _clock, "what the time is, how far that can be believed, and who says so")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument("--offline", action="store_true", help="ask no host for it")
    group = command.add_mutually_exclusive_group()
    group.add_argument("--set", action="store_true", help="set it where it is wrong and somebody knows better")
    group.add_argument(
        "--note", default="", metavar="SECONDS", help="what the controller says; - for JSON on standard input"
    )
    group.add_argument("--keep", action="store_true", help="write it down as the last known time, if it is trusted")
    group.add_argument("--forget", action="store_true", help="forget the last known time, where that was wrong itself")
    command = add("ledger", _ledger, "what became of this node, in order")
    command.add_argument("-n", "--lines", type=int, help="number of entries; 0 for all (default: 20, with --after all)")
    command.add_argument("--after", type=int, default=0, metavar="SEQUENCE", help="only entries after this one")
    command.add_argument("--digest", default="", help="of the entry --after; where it is another here, all entries")
    command.add_argument("--json", action="store_true", help="as JSON")
    command = add("health", _health, "whether what runs is healthy now, by its own probes")
    command.add_argument("tenant", help="TENANT")
    command.add_argument("--json", action="store_true", help="as JSON")
    command = add("approve", _approve, "what a release measured here is what later ones are compared with")
    command.add_argument("tenant", help="TENANT")
    command.add_argument("--release", required=True, help="version of the release that runs here")
    command.add_argument("--json", action="store_true", help="as JSON")
    command = add("hold", _hold, "hold back changes until released")
    command.add_argument("scope", nargs="?", default="all", help="TENANT, TENANT/WORKLOAD or all (default: all)")
    command.add_argument("--reason", required=True, help="why, for the others")
    command = add("release", _release, "take away what holds changes back: a hold, and a workload's update lock")
    command.add_argument("scope", nargs="?", default="all", help="as given to hold; 'every' takes all holds away")
    command.add_argument(
        "--now", action="store_true", help="of TENANT/WORKLOAD: the change under way does not wait for it any longer"
    )
    command = add("block", _block, "cut a tenant, or all of them, off: no changes, no secrets, no pull credentials")
    command.add_argument("scope", help="TENANT or all; - for JSON on standard input (for the module block)")
    command.add_argument("--reason", default="", help="why, for the others")
    command.add_argument("--stop", action="store_true", help="stop its workloads and take their containers away")
    add("unblock", _block, "let changes go on; secrets come with the next delivery").add_argument(
        "scope", help="TENANT or all"
    )
    command = add("revert", _revert, "back to the version before, with its data")
    command.add_argument("scope", help="TENANT or TENANT/WORKLOAD")
    command.add_argument("--release", default="", help="only what this release brought")
    command.add_argument("--reason", default="", help="why, for the others")
    command.add_argument("--rollout", default="", help=argparse.SUPPRESS)
    command.add_argument("--json", action="store_true", help="as JSON")
    command = add("lease", _lease, "which rollouts are under way for tenants of this node")
    command.add_argument("tenant", nargs="?", default="", help="only this tenant")
    command.add_argument("--take", action="store_true", help=argparse.SUPPRESS)
    command.add_argument("--end", action="store_true", help="end the lease of a rollout that is dead")
    command.add_argument("--rollout", default="", help=argparse.SUPPRESS)
    for name, function, text in (
        ("apply", _apply, "carry a request out, here and now (for the unit)"),
        ("plan", _plan, "what a request would change"),
        ("submit", _submit, "carry a request out in a unit of its own and wait"),
        ("model", _model, "fetch and pin a model, or let it go (for the module model)"),
        ("certificate", _certificate, "ask for a certificate, or take one into use (for the module certificate)"),
    ):
        add(name, function, text).add_argument("request", help="file, or - for standard input")
    ca_command.arguments(add("ca", _ca, "the issuing CA of the site, on its gateway"))
    command = add("models", _models, "models that are here, and who uses them")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument("--collect", action="store_true", help="remove those that nobody uses, and say which")
    command = add("certificates", _certificates, "certificates of this node, and when they are renewed")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument("--renew", action="store_true", help="renew at the gateway what is due (for the timer)")
    command.add_argument("--recover", action="store_true", help="take back a replacement that was cut off")
    command.add_argument("--prove", action="store_true", help="verify each, and shake hands with who uses it")
    command = add("secrets", _secrets_of, "secrets that are here, and who uses them; never a value")
    command.add_argument("request", nargs="?", default="", help="- to take a tenant's set from standard input (JSON)")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument("--unseal", action="store_true", help="bring them into memory after a boot (for the unit)")
    command = add("backup", _backup, "write what cannot be made again into an encrypted archive")
    command.add_argument("to", metavar="FILE", help="the archive")
    command.add_argument(
        "--recipient",
        action="append",
        required=True,
        metavar="CERTIFICATE",
        help="whose key opens it; may be given more than once",
    )
    command.add_argument("--host", default="", help="name of this node in the inventory (default: its own)")
    command.add_argument("--authority-keys", action="store_true", help="with the keys of the issuing CA")
    command.add_argument("--extra", action="append", default=[], metavar="PATH", help="with these files or folders")
    command.add_argument(
        "--extra-mib", type=int, default=256, help="the most that each of them may have (default: 256)"
    )
    command.add_argument("--json", action="store_true", help="as JSON")
    command = add("restore", _restore, "bring back from a backup what this node does not know any more")
    command.add_argument("file", metavar="FILE", help="the archive, decrypted (openssl cms -decrypt)")
    command.add_argument("--host", default="", help="name of this node in the inventory (default: its own)")
    command.add_argument("--force", action="store_true", help="whatever contradicts")
    command.add_argument("--check", action="store_true", help="only say what would be done")
    command.add_argument("--json", action="store_true", help="as JSON")
    add("limit", _limit, "set the limits of the shares of tenants (for the role tenants)")
    command = add("recover", _recover, "make what runs equal to what was committed")
    command.add_argument("--ended", action="store_true", help="called by a unit that ended")
    command.add_argument("--change", default="", help="the change whose unit it was")
    return parser


def main(argv: t.Optional[t.Sequence[str]] = None) -> int:
    arguments = _parser().parse_args(argv)
    if os.geteuid() != 0:
        return _complain("only root may use it: try `sudo edge ...`")
    try:
        return arguments.function(Node(), arguments)
    except NodeError as exc:
        return _complain(exc.message, LEASED if exc.cause == "lease" else 2)
    except (RequestError, ValueError) as exc:
        return _complain(str(exc))
    except KeyboardInterrupt:
        return 130
