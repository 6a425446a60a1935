# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates, requests and revocation lists: real ones of the openssl that is here, and what others print."""

from __future__ import annotations

import base64
import subprocess
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import x509
from ansible_collections.physical_ai.edge.plugins.module_utils._core.fields import SpecError
from ansible_collections.physical_ai.edge.plugins.module_utils._core.x509 import Names

OPENSSL_1_1_1 = """subject=CN = kiruna-cam01, O = acme
issuer=CN = site ca kiruna
serial=0A1B
notBefore=Nov  6 06:58:04 2026 GMT
notAfter=Dec 26 06:58:04 2026 GMT
SHA256 Fingerprint=AB:CD:EF
X509v3 Basic Constraints: critical
    CA:FALSE
"""
OPENSSL_3 = """subject=CN=kiruna-cam01,O=acme
issuer=CN=site ca kiruna
serial=0A1B
notBefore=Nov  6 06:58:04 2026 GMT
notAfter=Dec 26 06:58:04 2026 GMT
sha256 Fingerprint=AB:CD:EF
No extensions in certificate
"""
CRL = """Certificate Revocation List (CRL):
        Version 2 (0x1)
        Signature Algorithm: ecdsa-with-SHA256
        Issuer: CN = site ca kiruna
        Last Update: Nov 26 06:58:04 2026 GMT
        Next Update: {next}
        CRL extensions:
            X509v3 CRL Number: 
                {number}
{revoked}
    Signature Algorithm: ecdsa-with-SHA256
"""  # noqa: W291 # as it is printed
REVOKED = """Revoked Certificates:
    Serial Number: 0A1B
        Revocation Date: Nov 26 07:00:00 2026 GMT
        CRL entry extensions:
            X509v3 CRL Reason Code: 
                Key Compromise
    Serial Number: 7FFF00
        Revocation Date: Nov 27 07:00:00 2026 GMT"""  # noqa: W291


def openssl(*arguments: str, text: str = "") -> str:
    return subprocess.run(["openssl", *arguments], input=text, capture_output=True, check=True, text=True).stdout


def made(folder: Path, names: str, request: bool = False, subject: str = "/CN=x") -> str:
    """A certificate of its own issuer, or a request, with these alternative names as openssl writes them."""
    config = folder / "made.cnf"
    extension = f"subjectAltName={names}\n" if names else ""
    config.write_text(
        f"[req]\ndistinguished_name=dn\n[dn]\n[ext]\nbasicConstraints=critical,CA:TRUE\n{extension}", encoding="ascii"
    )
    arguments = [
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "/dev/null",
    ]
    arguments += ["-config", str(config), "-subj", subject]
    return openssl(*arguments, *(["-reqexts", "ext"] if request else ["-x509", "-extensions", "ext", "-days", "3"]))


@pytest.mark.parametrize("text", [OPENSSL_1_1_1, OPENSSL_3])
def test_reads_what_versions_of_openssl_print(text: str) -> None:
    found = x509.certificate(text)
    assert found == x509.Certificate(
        "CN=kiruna-cam01,O=acme", "CN=site ca kiruna", "0A1B", 1793948284, 1798268284, "abcdef", False
    )


def test_reads_a_real_certificate(tmp_path: Path) -> None:
    pem = made(tmp_path, "")
    found = x509.certificate(openssl(*x509.SHOW_CERTIFICATE[1:], text=pem))
    assert found.subject == found.issuer == "CN=x" and found.ca
    assert found.not_after - found.not_before == 3 * 86400
    assert len(found.fingerprint) == 64


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Jan  1 00:00:00 1970 GMT", 0),
        ("Feb 29 23:59:59 2000 GMT", 951868799),
        ("Dec 31 23:59:59 9999 GMT", 253402300799),
        ("Jan  1 00:00:00 1969 GMT", -31536000),
    ],
)
def test_dates(text: str, seconds: int) -> None:
    assert x509.date(text) == seconds


@pytest.mark.parametrize("text", ["", "Okt  1 00:00:00 2026 GMT", "2026-01-01", "Bad time value"])
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(SpecError, match="a time of a certificate"):
        x509.date(text)


def test_what_openssl_did_not_say() -> None:
    with pytest.raises(SpecError, match="did not say the issuer"):
        x509.certificate("subject=CN=x\n")
    with pytest.raises(SpecError, match="revocation list"):
        x509.revocations("")
    with pytest.raises(SpecError, match="request"):
        x509.request_subject("verify OK\n")


@pytest.mark.parametrize("request_", [False, True])
def test_names_of_certificates_and_requests(tmp_path: Path, request_: bool) -> None:
    kind = x509.REQUEST if request_ else x509.CERTIFICATE
    uri = "spiffe://acme/site/kiruna/node/kiruna-cam01"
    pem = made(tmp_path, f"DNS:a.example,DNS:*.b.example,IP:10.0.0.1,IP:fd00::1,URI:{uri},email:x@y.z", request_)
    found = x509.names("it", pem, kind)
    assert found == Names(("a.example", "*.b.example"), ("10.0.0.1", "fd00::1"), (uri,), ("a name of kind 1",))
    assert x509.names("it", made(tmp_path, "", request_), kind) == Names()


@pytest.mark.parametrize("request_", [False, True])
def test_one_name_that_looks_like_two(tmp_path: Path, request_: bool) -> None:
    """Printed, it is `URI:a, DNS:kiruna-gw01`."""
    kind = x509.REQUEST if request_ else x509.CERTIFICATE
    pem = made(tmp_path, "@names\n[names]\nURI.1=a\\, DNS:kiruna-gw01", request_)
    with pytest.raises(SpecError, match="its names cannot be read"):
        x509.names("it", pem, kind)


def test_the_subject_of_a_request(tmp_path: Path) -> None:
    pem = made(tmp_path, "DNS:a", request=True, subject="/CN=kiruna-cam01/O=acme")
    assert x509.request_subject(openssl(*x509.SHOW_REQUEST[1:], text=pem)) == "O=acme,CN=kiruna-cam01"


def test_splits_a_chain(tmp_path: Path) -> None:
    first, second = made(tmp_path, ""), made(tmp_path, "DNS:b")
    assert x509.split("chain", f"subject=x\n{first}\nmore\n{second}") == [first, second]


def test_what_is_no_chain(tmp_path: Path) -> None:
    pem, request = made(tmp_path, ""), made(tmp_path, "", request=True)
    cases: t.Dict[str, str] = {
        "": "found no PEM text",
        "nothing": "found no PEM text",
        pem[:-30]: "cut off or torn",
        pem + pem[: len(pem) // 2]: "cut off or torn",
        pem.replace("\n", "\n!", 3): "cut off or torn",
        pem[:200] + pem[300:]: "cut off or torn",
        request: "found CERTIFICATE REQUEST, wanted CERTIFICATE only",
    }
    for text, wanted in cases.items():
        with pytest.raises(SpecError, match=wanted) as caught:
            x509.split("it", text)
        assert "\n" not in str(caught.value) and str(caught.value).startswith("it: ")


def test_certificates_cut_off_anywhere(tmp_path: Path) -> None:
    pem = made(tmp_path, "DNS:a.example,IP:10.0.0.1")
    for length in range(len(pem.rstrip())):
        with pytest.raises(SpecError):
            x509.split("it", pem[:length])


@given(st.binary(max_size=200))
def test_any_bytes_give_names_or_one_line(data: bytes) -> None:
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(data).decode()}\n-----END CERTIFICATE-----\n"
    for kind in (x509.CERTIFICATE, x509.REQUEST):
        try:
            x509.names("it", pem, kind)
        except SpecError as exc:
            assert "\n" not in str(exc)


@pytest.mark.parametrize(("number", "wanted"), [("4096", 4096), ("0x1F", 31)])
def test_reads_a_revocation_list(number: str, wanted: int) -> None:
    text = CRL.format(next="Dec 26 06:58:04 2026 GMT", number=number, revoked=REVOKED)
    found = x509.revocations(text)
    assert (found.issuer, found.number) == ("CN=site ca kiruna", wanted)
    assert found.next_update - found.last_update == 30 * 86400
    assert found.revoked == {"0A1B": 1795676400, "7FFF00": 1795762800}


def test_reads_an_empty_revocation_list() -> None:
    found = x509.revocations(CRL.format(next="NONE", number="1", revoked="No Revoked Certificates."))
    assert found.revoked == {} and found.next_update == 0


def test_wanted_names_have_one_form() -> None:
    assert x509.wanted_names(["A.Example"], ["fd00:0::1"]).all() == {"DNS:a.example", "IP:fd00::1"}
