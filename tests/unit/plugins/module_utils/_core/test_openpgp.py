# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import openpgp

# Made with GnuPG 2.2, which says that its fingerprint is the one below.
KEY = """-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawXvpRYJKwYBBAHaRw8BAQdAWWHfwDW7ie2CmWZghJkFVZEyMtq/f6eBdF4w
5pA+aJu0I2xhYiBwYWNrYWdlcyA8cGFja2FnZXNAZXhhbXBsZS5jb20+iJAEExYI
ADgWIQQ8ybSQbo1+CbOaoU9sU16mun2JxAUCawXvpQIbAwULCQgHAgYVCgkICwIE
FgIDAQIeAQIXgAAKCRBsU16mun2JxCh4AP0Yu8oGExzdb1dDDKKMnqfouhaUAuRV
FywMAOCC36d98AEAylI3SyX4cSLSn4+wmMjdo629wAGk8/5Pr9D2Y626dQU=
=wHKH
-----END PGP PUBLIC KEY BLOCK-----
"""
FINGERPRINT = "3CC9B4906E8D7E09B39AA14F6C535EA6BA7D89C4"


def test_text_and_binary_have_the_same_fingerprint() -> None:
    data = KEY.encode()
    assert openpgp.fingerprints(data) == openpgp.fingerprints(openpgp.binary(data)) == [FINGERPRINT]
    assert openpgp.fingerprints(openpgp.binary(data) * 2) == [FINGERPRINT] * 2
    assert openpgp.fingerprints(KEY.replace("\n\nmDME", "\nComment: x\n\nmDME").encode()) == [FINGERPRINT]


def test_a_binary_key_becomes_the_text_that_gpg_makes() -> None:
    assert openpgp.armored(openpgp.binary(KEY.encode())) == KEY
    assert openpgp.armored(KEY.encode()) == KEY


def test_people_write_fingerprints_with_spaces() -> None:
    assert openpgp.normal("3cc9 b490 6e8d 7e09 b39a  a14f 6c53 5ea6 ba7d 89c4") == FINGERPRINT


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "holds no public key"),
        (b"<html>404</html>", "is not an OpenPGP key"),
        (KEY.replace("mDME", "mD!E").encode(), "is damaged"),
        (openpgp.binary(KEY.encode())[:40], "is cut off"),
        (b"\x99", "is cut off"),
        (b"\xc6\x01\x03", "has a key of version 3"),
    ],
)
def test_what_is_no_keyring(data: bytes, why: str) -> None:
    with pytest.raises(openpgp.KeyringError, match=why):
        openpgp.fingerprints(data)


@given(st.one_of(st.binary(max_size=80), st.binary(max_size=40).map(lambda data: b"\x99\x00" + data)))
def test_damage_is_never_a_traceback(data: bytes) -> None:
    try:
        openpgp.fingerprints(data)
    except openpgp.KeyringError as exc:
        assert str(exc)
