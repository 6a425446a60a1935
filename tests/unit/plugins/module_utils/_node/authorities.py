# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A root, an issuing CA in a folder, and nodes with keys of their own, all by the real openssl."""

from __future__ import annotations

import base64
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.physical_ai.edge.plugins.module_utils._core import issuing_config, renewal
from ansible_collections.physical_ai.edge.plugins.module_utils._node import ca, ca_issue
from ansible_collections.physical_ai.edge.plugins.module_utils._node.files import Paths, write_json

DEFINITION = {
    "site": "kiruna",
    "dns": ["kiruna.acme.internal"],
    "ip": ["10.20.1.0/24", "2001:db8::/64"],
    "uri": ["acme"],
}


class Verdict(t.NamedTuple):
    """What the clock is judged to be."""

    now: float
    state: str
    reason: str = "the test says so"


def openssl(*arguments: t.Union[str, Path], text: str = "") -> str:
    argv = ["openssl", *map(str, arguments)]
    done = subprocess.run(argv, input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, (argv, done.stderr)
    return done.stdout


def needed() -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not here")


def new_key(path: Path, kind: str = "P-256") -> Path:
    if kind.startswith("rsa"):
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{kind[3:]}", "-out", path)
    elif kind == "ed25519":
        openssl("genpkey", "-algorithm", "ED25519", "-out", path)
    else:
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{kind}", "-out", path)
    return path


def request(key: Path, subject: str = "/CN=kiruna-cam01", names: str = "", more: t.Sequence[str] = ()) -> str:
    """A certificate request; `names` as subjectAltName has them, `more` lines of extensions."""
    config = key.with_suffix(".cnf")
    lines = [*([f"subjectAltName={names}"] if names else []), *more]
    text = ["[req]", "distinguished_name=dn", "[dn]", *(["[x]", *lines] if lines else [])]
    config.write_text("\n".join(text) + "\n", encoding="utf-8")
    options = ["-reqexts", "x"] if lines else []
    return openssl("req", "-new", "-key", key, "-subj", subject, "-config", config, *options)


class Root:
    """Of the operator."""

    def __init__(self, folder: Path, name: str = "acme root") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.key, self.certificate = folder, new_key(folder / "root.key", "P-384"), folder / "root.crt"
        config = folder / "root.cnf"
        config.write_text(
            "[req]\ndistinguished_name=dn\nx509_extensions=x\n[dn]\n[x]\nbasicConstraints=critical,CA:TRUE\n"
            "keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n",
            encoding="utf-8",
        )
        options: t.List[t.Union[str, Path]] = [
            "-subj",
            f"/CN={name}",
            "-config",
            config,
            "-days",
            "3650",
            "-out",
            self.certificate,
        ]
        openssl("req", "-new", "-x509", "-key", self.key, *options)

    @property
    def pem(self) -> str:
        return self.certificate.read_text(encoding="utf-8")

    def sign(
        self, csr: str, definition: t.Optional[t.Mapping[str, t.Any]] = None, days: int = 1825, drop: str = ""
    ) -> str:
        """Signs the request of an issuing CA; `drop` leaves lines with this word out."""
        config = issuing_config.authority_request("x", issuing_config.definition("x", dict(definition or DEFINITION)))
        if drop:
            config = "\n".join(line for line in config.splitlines() if drop not in line)
        (self.folder / "sign.cnf").write_text(config + "\n", encoding="utf-8")
        signer: t.List[t.Union[str, Path]] = [
            "-CA",
            self.certificate,
            "-CAkey",
            self.key,
            "-set_serial",
            str(abs(hash(csr))),
        ]
        extensions = ["-extfile", str(self.folder / "sign.cnf"), "-extensions", "extensions", "-days", str(days)]
        return openssl("x509", "-req", *signer, *extensions, text=csr)

    def revoked(self, *certificates: str) -> str:
        """The root's list of revoked issuing CAs."""
        work = self.folder / "work"
        shutil.rmtree(str(work), ignore_errors=True)
        work.mkdir()
        (work / "index.txt").write_text("", encoding="utf-8")
        (work / "number").write_text("01\n", encoding="utf-8")
        config = issuing_config.work(str(work), str(self.key), str(self.certificate))
        (work / "work.cnf").write_text("\n".join(config) + "\n", encoding="utf-8")
        for number, pem in enumerate(certificates):
            (work / f"{number}.pem").write_text(pem, encoding="utf-8")
            openssl("ca", "-config", work / "work.cnf", "-revoke", work / f"{number}.pem")
        openssl("ca", "-gencrl", "-config", work / "work.cnf", "-crldays", "30", "-out", work / "crl.pem")
        return (work / "crl.pem").read_text(encoding="utf-8")


def identity(node: str, more: str = "") -> str:
    return f"spiffe://acme/site/kiruna/node/{node}{more}"


def allowed(**changes: t.Any) -> t.Dict[str, t.Any]:
    """Two cameras; the first has a workload with a certificate."""
    nodes: t.Dict[str, t.Any] = {}
    for number in (1, 2):
        node = f"kiruna-cam{number:02d}"
        names = {"dns": [f"{node}.kiruna.acme.internal"], "ip": [f"10.20.1.1{number}"], "uri": [identity(node)]}
        nodes[node] = {"certificates": {"node": names}, "blocked": False}
    uri = identity("kiruna-cam01", "/tenant/quality/workload/inspection")
    nodes["kiruna-cam01"]["certificates"]["quality.inspection"] = {"dns": [], "ip": [], "uri": [uri]}
    return {"schema": 1, "site": "kiruna", "nodes": nodes, "lifetime_days": 30, "per_minute": 60, **changes}


class Person:
    """A node: a key, and the certificate that it has."""

    def __init__(self, folder: Path, node: str = "kiruna-cam01", kind: str = "P-256") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.node, self.key, self.leaf, self.chain = node, new_key(folder / f"{node}.key", kind), "", ""

    def ask(self, authority: ca.Authority, name: str = "node", csr: str = "") -> t.Dict[str, t.Any]:
        answer = ca_issue.issue(authority, {"node": self.node, "requests": {name: csr or self.request()}})
        if name == "node":
            self.keep(answer)
        return answer

    def keep(self, answer: t.Mapping[str, t.Any]) -> None:
        end = "-----END CERTIFICATE-----\n"
        self.leaf, _mark, self.chain = answer["certificates"]["node"].partition(end)
        self.leaf += end

    def request(self, **more: t.Any) -> str:
        return request(self.key, **{"subject": f"/CN={self.node}", **more})

    def signed(self, requests: t.Optional[t.Dict[str, str]] = None, **changes: t.Any) -> t.Dict[str, t.Any]:
        """What it asks for by itself."""
        rest = {
            "node": self.node,
            "requests": requests or {"node": self.request()},
            "certificate": self.leaf,
            **changes,
        }
        file = self.key.with_suffix(".signed")
        file.write_bytes(renewal.canonical(rest))
        signature = self.key.with_suffix(".signature")
        openssl("dgst", "-sha256", "-sign", self.key, "-out", signature, file)
        return dict(rest, signature=base64.b64encode(signature.read_bytes()).decode("ascii"))


class Site:
    """An issuing CA that is ready, below a folder that stands for `/`."""

    def __init__(self, folder: Path, root: Root) -> None:
        self.root, self.folder = root, folder
        self.paths = Paths(str(folder / "root"))
        self.authority = ca.Authority(self.paths)
        self.renewed()
        self.allow(allowed())

    def renewed(self, days: int = 1825) -> None:
        """Another issuing CA, with a key of its own."""
        csr = ca.ask(self.authority, DEFINITION)
        files = Path(self.authority.directory)
        (files / "trust.pem").write_text(self.root.pem, encoding="utf-8")
        assert ca.install(self.authority, self.root.sign(csr, days=days), "", self.root.pem)

    def allow(self, data: t.Mapping[str, t.Any]) -> None:
        write_json(self.authority.path("allowed.json"), data)

    def verify(self, person: Person, *options: str) -> str:
        """What `openssl verify` says of a node's certificate with the list of the site and that of the root."""
        place = self.folder / "verify"
        place.mkdir(exist_ok=True)
        for name, text in (
            ("leaf", person.leaf),
            ("chain", person.chain),
            ("trust", self.root.pem),
            ("crl", self.root.revoked() + self.authority.text("crl.pem")),
        ):
            (place / name).write_text(text, encoding="utf-8")
        argv = ["openssl", "verify", "-trusted", "trust", "-untrusted", "chain", "-CRLfile", "crl", *options, "leaf"]
        done = subprocess.run(argv, cwd=str(place), text=True, capture_output=True, check=False)
        return "good" if done.returncode == 0 else ca.reason(done.stderr)
