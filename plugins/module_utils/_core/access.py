# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may log in to a node: the files that say so, and the script that puts the old ones back. Pure.

Ways in are opened first and closed later, so that there is always one that works.
"""

from __future__ import annotations

import re
import shlex
import typing as t
from dataclasses import dataclass, field

from . import signature
from .fields import SpecError, error

USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}\$?")
UNIT = "physical-ai-way-back"
HEADER = "# Written by physical_ai.edge, role bootstrap. Changes by hand are lost.\n"
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OPTIONS = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\.)*")+')
VENDOR = ("keep", "lock", "expire")


@dataclass(frozen=True)
class Entry:
    """One line of authorized_keys: options in front of the key, if any."""

    options: str
    key: signature.Key

    @property
    def line(self) -> str:
        return f"{self.options} {self.key.line}".strip()


@dataclass(frozen=True)
class File:
    """A file as it is to be: no content is no file."""

    path: str
    content: t.Optional[str]
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class Wanted:
    """Who may come in, as the role says it."""

    user: str
    keys: t.Tuple[Entry, ...]
    exclusive: bool = True
    groups: t.Tuple[str, ...] = ()
    sudo: t.Tuple[str, ...] = ()
    vendor_user: str = ""
    vendor: str = "lock"
    passwords: bool = False
    certificate: str = ""
    seconds: int = 120


@dataclass
class Undo:
    """What the script puts back: saved files by their paths, files that were not there, and lines of shell."""

    saved: t.Dict[str, str] = field(default_factory=dict)
    absent: t.List[str] = field(default_factory=list)
    lines: t.List[str] = field(default_factory=list)


def user(where: str, value: t.Any) -> str:
    if not isinstance(value, str) or not USER.fullmatch(value):
        raise error(where, value, "the name of a user: small letters, digits, _ and -, at most 31")
    if value == "root":
        raise SpecError(
            f"{where}: found 'root', wanted a user of its own, whose doings can be told from those of the system"
        )
    return value


def entry(where: str, line: t.Any) -> Entry:
    """A line of authorized_keys.

    :raises SpecError: where it has no whole public key in it.
    """
    text = line.strip() if isinstance(line, str) else line
    if (
        isinstance(text, str)
        and text
        and not _CONTROL.search(text)
        and text.split(None, 1)[0] not in signature.KEY_TYPES
    ):
        match = _OPTIONS.match(text)
        rest = text[match.end() :].strip() if match else ""
        if match and rest and rest.split(None, 1)[0] in signature.KEY_TYPES:
            return Entry(match.group(0), signature.key(where, rest))
    return Entry("", signature.key(where, text))


def entries(where: str, lines: t.Any) -> t.Tuple[Entry, ...]:
    """The operators' keys, each once.

    :raises SpecError: where there is none, or one is damaged.
    """
    texts = [
        line for value in lines for line in str(value).splitlines() if line.strip() and not line.strip().startswith("#")
    ]
    found = {}
    for index, line in enumerate(texts):
        item = entry(f"{where}[{index}]", line)
        found[item.key.data] = item
    if not found:
        raise SpecError(f"{where}: found no public key, wanted at least one: with none nobody could come in any more")
    return tuple(found.values())


def sudo_rules(where: str, rules: t.Sequence[t.Any]) -> t.Tuple[str, ...]:
    for index, rule in enumerate(rules):
        if not isinstance(rule, str) or not rule.strip() or _CONTROL.search(rule) or "=" not in rule:
            raise error(
                f"{where}[{index}]", rule, "a rule behind the name of the user, such as ALL=(ALL:ALL) NOPASSWD: ALL"
            )
    return tuple(rule.strip() for rule in rules)


# -- files -------------------------------------------------------------------------------------------------------------


def keys_opened(before: str, wanted: Wanted) -> str:
    """authorized_keys with what is missing added: nothing is taken away or changed."""
    known = {item.key.data for item in _known(before)}
    missing = [item.line for item in wanted.keys if item.key.data not in known]
    start = before if not before or before.endswith("\n") else before + "\n"
    return start + "".join(line + "\n" for line in missing)


def keys_closed(before: str, wanted: Wanted) -> str:
    """authorized_keys as it is to be in the end."""
    lines = [item.line for item in wanted.keys]
    if not wanted.exclusive:
        mine = {item.key.data for item in wanted.keys}
        lines = [line for line in before.splitlines() if _data(line) not in mine] + lines
    after = "".join(line + "\n" for line in lines)
    # The order of lines means nothing: what is there already is left as it is.
    return before if sorted(before.splitlines()) == sorted(after.splitlines()) else after


def keys_gone(before: str, wanted: Wanted) -> t.List[str]:
    """Whose keys will not count any more, for people: comments and fingerprints."""
    after = {item.key.data for item in _known(keys_closed(before, wanted))}
    gone = [item.key for item in _known(before) if item.key.data not in after]
    return [f"{item.comment or 'without a name'} ({item.fingerprint})" for item in gone]


def _known(content: str) -> t.List[Entry]:
    found = []
    for line in content.splitlines():
        try:
            found.append(entry("line", line))
        except SpecError:
            continue  # a comment, or something that sshd passes over as well
    return found


def _data(line: str) -> str:
    known = _known(line)
    return known[0].key.data if known else ""


def sudoers_name(name: str) -> str:
    """sudo passes over files with a dot or a tilde in their names."""
    return f"physical-ai-{name.replace('$', '_')}"


def sudoers(wanted: Wanted) -> str:
    return HEADER + "".join(f"{wanted.user} {rule}\n" for rule in wanted.sudo)


def sshd(wanted: Wanted, certificate_path: str) -> t.Optional[str]:
    """The drop-in of sshd: in sshd the first value counts, so it comes before those of others."""
    lines = []
    if not wanted.passwords:
        # The old name of KbdInteractiveAuthentication, which OpenSSH knows from 8.2 to now.
        lines += ["PasswordAuthentication no", "ChallengeResponseAuthentication no"]
    if wanted.certificate:
        lines += [f"HostCertificate {certificate_path}"]
    return HEADER + "".join(line + "\n" for line in lines) if lines else None


def effective(wanted: Wanted, said: str) -> str:
    """What is wrong with what `sshd -T` says of its settings, or nothing."""
    found = dict(line.split(None, 1) for line in said.lower().splitlines() if len(line.split(None, 1)) == 2)
    names = ("passwordauthentication", "kbdinteractiveauthentication", "challengeresponseauthentication")
    still = [name for name in names if found.get(name) == "yes"]
    if not wanted.passwords and still:
        return (
            f"sshd would still take passwords ({', '.join(still)}): /etc/ssh/sshd_config does not begin with "
            "`Include /etc/ssh/sshd_config.d/*.conf`, or says otherwise before it"
        )
    if found.get("pubkeyauthentication") == "no":
        return "sshd takes no keys (PubkeyAuthentication no): with no passwords nobody could come in"
    return ""


# -- the way back ------------------------------------------------------------------------------------------------------


def script(folder: str, undo: Undo, unit_path: str) -> str:
    """The script that puts everything back. It may run twice, and may be cut off: the token says who was first."""
    lines = [
        "#!/bin/sh",
        "# Made by physical_ai.edge: the ways into this box as they were, unless somebody came in by the new ones.",
        f"cd {shlex.quote(folder)} || exit 0",
        "mv token restoring 2>/dev/null || [ -e restoring ] || exit 0",
    ]
    for path, saved in undo.saved.items():
        new = shlex.quote(path + ".way-back")
        lines.append(f"cp -p {shlex.quote(saved)} {new} && mv -f {new} {shlex.quote(path)}")
    lines += [f"rm -f {shlex.quote(path)}" for path in undo.absent]
    lines += undo.lines
    lines += [
        f"rm -f {shlex.quote(unit_path)} {shlex.quote(wants(unit_path))}",
        "sync",
        "systemctl daemon-reload",
        # An sshd that reads a broken configuration ends; one that goes on with what it has read lets people in.
        "sshd -t && for unit in ssh.service sshd.service; do systemctl try-reload-or-restart $unit; done",
        "logger -t physical-ai 'the ways into this box are as they were: nobody came in by the new ones' || true",
        "mv restoring restored",
    ]
    return "".join(line + "\n" for line in lines)


def wants(unit_path: str) -> str:
    """The link that makes a unit start at boot."""
    folder, _slash, name = unit_path.rpartition("/")
    return f"{folder}/multi-user.target.wants/{name}"


def unit(restore: str) -> str:
    """A power cut ends the timer, and the next start takes the unproven back."""
    return (
        f"{HEADER}[Unit]\nDescription=Put the ways into this box back, which nobody has proven\n"
        "Before=ssh.service sshd.service ssh.socket\n\n"
        f"[Service]\nType=oneshot\nExecStart=/bin/sh {restore}\n\n[Install]\nWantedBy=multi-user.target\n"
    )
