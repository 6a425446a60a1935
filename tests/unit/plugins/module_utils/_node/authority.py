# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authorities for tests, made by openssl: roots, issuing CAs, leaves of any validity, and revocation lists."""

from __future__ import annotations

import subprocess
import time
import typing as t
from pathlib import Path

DAY = 86400.0
CONFIG = """[req]
prompt = no
distinguished_name = dn
string_mask = utf8only
[dn]
CN = {name}
[ca]
default_ca = own
[own]
database = {folder}/index.txt
new_certs_dir = {folder}
serial = {folder}/serial
crlnumber = {folder}/crlnumber
certificate = {folder}/ca.crt
private_key = {folder}/ca.key
default_md = sha256
default_days = 30
default_crl_days = 30
unique_subject = no
policy = any
copy_extensions = none
string_mask = utf8only
[any]
commonName = supplied
[ca_ext]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""


def openssl(*arguments: str, text: str = "") -> str:
    done = subprocess.run(["openssl", *arguments], input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def stamp(when: float) -> str:
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(when))


class Authority:
    """A CA in a folder. Without `parent` it is a root."""

    def __init__(
        self,
        folder: Path,
        name: str,
        parent: t.Optional[Authority] = None,
        begin: float = -3650 * DAY,
        end: float = 3650 * DAY,
        constraints: str = "",
    ) -> None:
        self.folder = folder / name.replace(" ", "-")
        self.folder.mkdir(parents=True)
        self.parent = parent
        self.name = name
        for file, content in (("index.txt", ""), ("serial", "01\n"), ("crlnumber", "01\n")):
            (self.folder / file).write_text(content, encoding="ascii")
        self.config = str(self.folder / "ca.cnf")
        Path(self.config).write_text(CONFIG.format(name=name, folder=self.folder), encoding="ascii")
        key = str(self.folder / "ca.key")
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        request = openssl("req", "-new", "-key", key, "-config", self.config)
        extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
        extensions += f"nameConstraints=critical,{constraints}\n" if constraints else ""
        signer = parent or self
        self.pem = signer.issue(request, extensions, begin, end, own=parent is None)
        (self.folder / "ca.crt").write_text(self.pem, encoding="ascii")

    @property
    def chain(self) -> str:
        """The authorities that a leaf of this one is sent with: all but the root."""
        return self.pem + self.parent.chain if self.parent else ""

    def issue(self, request: str, extensions: str, begin: float, end: float, own: bool = False) -> str:
        """:param begin, end: seconds from now."""
        ext = self.folder / "ext.cnf"
        ext.write_text(extensions, encoding="ascii")
        request_file, out = self.folder / "request.pem", self.folder / "out.pem"
        request_file.write_text(request, encoding="ascii")
        now = time.time()
        arguments = ["ca", "-batch", "-notext", "-config", self.config, "-in", str(request_file), "-out", str(out)]
        arguments += ["-startdate", stamp(now + begin), "-enddate", stamp(now + end), "-extfile", str(ext)]
        openssl(*arguments, *(["-selfsign"] if own else []))
        return out.read_text(encoding="ascii")

    def sign(self, request: str, names: str, begin: float = -60.0, end: float = 30 * DAY) -> str:
        """A leaf for these names as openssl writes them, with its chain."""
        return self.issue(request, f"subjectAltName={names}\n", begin, end) + self.chain

    def revoke(self, leaf: str) -> None:
        file = self.folder / "revoked.pem"
        file.write_text(leaf, encoding="ascii")
        openssl("ca", "-config", self.config, "-revoke", str(file))

    def crl(self) -> str:
        out = self.folder / "crl.pem"
        openssl("ca", "-config", self.config, "-gencrl", "-out", str(out))
        return out.read_text(encoding="ascii")
