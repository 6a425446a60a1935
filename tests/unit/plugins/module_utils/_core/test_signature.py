# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may sign, as it is written, and what a signed text says."""

from __future__ import annotations

import base64
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import signature
from ansible_collections.physical_ai.edge.plugins.module_utils._core.fields import SpecError

NS = f'namespaces="{signature.NAMESPACE}"'
ANN_DATA = "AAAAC3NzaC1lZDI1NTE5AAAAIHCcCUmBpomczTjSL1DWEVdPSQjj34A4He5Ur5L7BhM0"
ANN = f"ssh-ed25519 {ANN_DATA} ann@example.com"
ANN_FINGERPRINT = "SHA256:IR4eCY9/0GENYfsza/1/ZCYTPh8XuYxO6VaGDUYwFv4"
SHA = "ab" * 32
# Made by ssh-keygen -Y sign -n physical-ai-release with the key above.
SIGNATURE = """-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgcJwJSYGmiZzNONIvUNYRV09JCO
PfgDgd7lSvkvsGEzQAAAATcGh5c2ljYWwtYWktcmVsZWFzZQAAAAAAAAAGc2hhNTEyAAAA
UwAAAAtzc2gtZWQyNTUxOQAAAEAp3CdKFoBs8htOynmj3fxk+mrxqG7dFNgLTLGQoeMxAx
11k+39PAb7NzB3wfqVTfKEA9EmPPonJyV64pZAIF0I
-----END SSH SIGNATURE-----
"""


@pytest.mark.parametrize(
    ("line", "tenants", "namespaces"),
    [
        (f"quality {NS} {ANN}", ("quality",), (signature.NAMESPACE,)),
        (f"quality,logistics {NS} {ANN}", ("quality", "logistics"), (signature.NAMESPACE,)),
        (f'"quality,logistics"\t{NS}  {ANN}', ("quality", "logistics"), (signature.NAMESPACE,)),
        (f"quality {ANN}", ("quality",), ()),
        (
            f'quality namespaces="{signature.NAMESPACE},bundle@example.com" {ANN}',
            ("quality",),
            (signature.NAMESPACE, "bundle@example.com"),
        ),
    ],
)
def test_signers_are_read_as_openssh_writes_them(
    line: str, tenants: t.Tuple[str, ...], namespaces: t.Tuple[str, ...]
) -> None:
    (found,) = signature.parse("signers", f"# people\n\n  {line}  \n")
    assert (found.tenants, found.namespaces) == (tenants, namespaces)
    assert (found.key.comment, found.key.fingerprint) == ("ann@example.com", ANN_FINGERPRINT)
    assert found.signs_releases


def test_a_key_for_something_else_signs_no_releases() -> None:
    found = signature.parse("signers", f'quality namespaces="bundle@example.com" {ANN}')
    assert signature.trusted(found) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (ANN, "the tenant is missing"),
        (f"* {NS} {ANN}", "'*', wanted the names of tenants"),
        (f"!quality,logistics {NS} {ANN}", "'!quality', wanted the names of tenants"),
        (f"Quality {NS} {ANN}", "tenant: found 'Quality', wanted a name"),
        (f"quality, {NS} {ANN}", "tenant: found '', wanted a name"),
        ("quality", "wanted `TENANT[,TENANT]"),
        (f"quality {NS}", "wanted a public key in one line"),
        (f"quality {NS} ssh-ed25519", "wanted a public key in one line"),
        (f"quality {NS} ssh-dss AAAA", "found a key of the type"),
        (f"quality {NS} ssh-ed25519 AAAA", "the key is damaged"),
        (f"quality {NS} ssh-ed25519 {ANN_DATA[:-8]}", "the key is damaged"),
        (f"quality {NS} ssh-rsa {ANN_DATA}", "is no ssh-rsa"),
        (f"quality namespaces=physical-ai-release {ANN}", "wanted an option such as namespaces="),
        (f'quality namespaces="*" {ANN}', "'*', wanted the name of a namespace"),
        (f'quality cert-authority,namespaces="x" {ANN}', "the option 'cert-authority'"),
        (f'quality {NS},valid-before="20300101" {ANN}', "OpenSSH older than 8.7 cannot read valid-before"),
        (f"quality {NS} {ANN}\r", "wanted Unix line ends"),
        (f"quality {NS} {ANN}\x00", "found a control character"),
    ],
)
def test_what_cannot_be_trusted_is_refused_and_the_line_is_named(line: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        signature.parse("signers", f"# first\n{line}\n")
    message = str(caught.value)
    assert message.startswith("signers: line 2: ") and words in message, message
    assert "\n" not in message


@pytest.mark.parametrize("read", [signature.parse, signature.parse_keys, signature.key])
def test_a_private_key_is_refused_and_not_shown(read: t.Callable[[str, str], t.Any]) -> None:
    content = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n"
    with pytest.raises(SpecError, match="found a private key") as caught:
        read("signers", content)
    assert "c2Vj" not in str(caught.value)


def test_a_list_becomes_a_file_that_reads_the_same() -> None:
    wanted = [
        {"tenants": ["quality"], "key": ANN},
        {"tenants": ["quality", "logistics"], "key": ANN, "name": "build server 2"},
    ]
    content = signature.signers_file("signers", wanted)
    assert f"quality,logistics {NS} ssh-ed25519 {ANN_DATA} build server 2\n" in content
    found = signature.parse("signers", content)
    assert [item.key.comment for item in found] == ["ann@example.com", "build server 2"]
    assert signature.trusted(found) == ["logistics", "quality"]
    assert signature.trusted(found, [signature.key("revoked", ANN)]) == []
    assert signature.signers_file("signers", content) == content


@pytest.mark.parametrize("value", [[], "", "# nobody\n"])
def test_nobody_is_no_file(value: t.Any) -> None:
    assert signature.signers_file("signers", value) == ""
    assert signature.revoked_file("revoked", []) == ""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([{"key": ANN}], "signers[0]: the key 'tenants' is missing"),
        ([{"tenants": [], "key": ANN}], "signers[0].tenants: found [], wanted a list of at least 1"),
        ([{"tenants": ["quality"], "keys": ANN}], "unknown key 'keys'. Did you mean 'key'?"),
        ([{"tenants": ["quality"], "key": ANN, "name": f"x\nlogistics {ANN}"}], "wanted a name in one line"),
        ([{"tenants": ["quality"], "key": f"{ANN}\nlogistics {ANN}"}], "wanted a public key in one line"),
        ({"quality": ANN}, "signers: found {'quality'"),
        (7, "signers: found 7, wanted a list"),
    ],
)
def test_a_bad_list_is_refused(value: t.Any, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        signature.signers_file("signers", value)
    assert words in str(caught.value)


@given(st.text())
def test_any_text_is_signers_or_one_clear_error(content: str) -> None:
    try:
        signature.parse("signers", content)
    except SpecError as exc:
        assert "\n" not in str(exc)


@given(
    st.lists(
        st.sampled_from(["quality", "logistics", " ", "\t", ",", '"', NS, "namespaces=", "#", "\n", ANN, ANN_DATA])
    )
)
def test_parts_of_signers_in_any_order_are_signers_or_one_clear_error(parts: t.List[str]) -> None:
    try:
        found = signature.parse("signers", "".join(parts))
    except SpecError as exc:
        assert "\n" not in str(exc)
    else:
        assert all(item.tenants and item.key.data == ANN_DATA for item in found)


@given(st.lists(st.lists(st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True), min_size=1, max_size=3), max_size=4))
def test_what_is_written_is_what_is_read(tenants: t.List[t.List[str]]) -> None:
    content = signature.signers_file("signers", [{"tenants": names, "key": ANN} for names in tenants])
    assert [list(item.tenants) for item in signature.parse("signers", content)] == tenants


def test_a_signature_names_its_key_and_namespace() -> None:
    key, namespace = signature.signature(SIGNATURE)
    assert (key.kind, key.data, namespace) == ("ssh-ed25519", ANN_DATA, signature.NAMESPACE)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "garbage",
        SIGNATURE[:120],
        SIGNATURE.replace("U1NI", "AAAA"),
        SIGNATURE.replace("SSH SIGNATURE", "PGP SIGNATURE"),
        "-----BEGIN SSH SIGNATURE-----\n" + base64.b64encode(b"SSHSIG\0\0\0\1\xff").decode() + "\n-----END SSH SIGNATURE-----",
    ],
)  # fmt: skip
def test_what_is_no_signature(content: str) -> None:
    with pytest.raises(SpecError, match="it is not a signature of ssh-keygen"):
        signature.signature(content)


@given(st.binary())
def test_no_bytes_in_armor_make_a_traceback(raw: bytes) -> None:
    armored = "-----BEGIN SSH SIGNATURE-----\n" + base64.b64encode(raw).decode() + "\n-----END SSH SIGNATURE-----\n"
    with pytest.raises(SpecError):
        signature.signature(armored)


@pytest.mark.parametrize(
    "content",
    [
        'release: "2026.11.0"\ntenant: quality\n',
        "---\ntenant: 'quality' # the team\nrelease:   2026.11.0   # the first\nworkloads: []\n",
        'workloads:\n  - release: "no"\n    tenant: other\nrelease: "2026.11.0"\ntenant: quality',
        'release: "2026.11.0"\r\ntenant: quality\r\n',
    ],
)
def test_the_head_of_a_release(content: str) -> None:
    assert signature.head(content) == ("2026.11.0", "quality")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("tenant: quality\n", "found none, wanted one line `release: ...`"),
        ('release: "1"\n', "found none, wanted one line `tenant: ...`"),
        ('release: "1"\ntenant: quality\ntenant: other\n', "found 2 of them, wanted one line `tenant: ...`"),
        ('release: "1"\n"tenant": other\ntenant: quality\n', "found 2 of them"),
        ('release: "1"\n"tenant": quality\n', "wanted a plain line such as `tenant:"),
        ('release: "1"\ntenant: &a quality\n', "wanted a plain line"),
        ('release: "1"\ntenant: "qua\\u006city"\n', "wanted a plain line"),
        ('release: "1"\ntenant: |\n  quality\n', "wanted a plain line"),
        ('release: "1"\ntenant: {{ team }}\n', "wanted a plain line"),
        ('release: "1"\ntenant: "{{ team }}"\n', "tenant: found '{{ team }}', wanted a name"),
        ('release: "1/2"\ntenant: quality\n', "release: found '1/2', wanted a version"),
        ('{"release": "1", "tenant": "quality"}', "found none"),
    ],
)
def test_a_head_that_could_be_read_in_two_ways_is_refused(content: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        signature.head(content)
    assert words in str(caught.value), caught.value


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        (f"digest: sha256:{SHA}\n", False),
        (f'sha256: "{SHA}"\n', False),
        (f"  - {{name: a, digest: 'sha256:{SHA}'}}  # note\n", False),
        (f"# it was sha256:{SHA}\n", True),
        (f"digest: sha256:{'cd' * 32} # before: sha256:{SHA}\n", True),
        (f"digest: sha256:{SHA}ab\n", True),
        (f"digest: sha256:ab{SHA}\n", True),
        (f"digest: sha256:{SHA[:-1]}\n", True),
        ('digest: "{{ digest }}"\n', True),
    ],
)
def test_what_a_text_does_not_name_is_found(content: str, missing: bool) -> None:
    assert bool(signature.contained(content, [f"sha256:{SHA}"])) is missing
    assert bool(signature.contained(content, [SHA])) is missing
