# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib

from tests.lab import apt_repository


def test_the_release_file_states_size_and_hash() -> None:
    text = apt_repository.release({"Packages": b"x\n"})
    assert f" {hashlib.sha256(b'x' + bytes([10])).hexdigest()} 2 Packages\n" in text
    assert "\nDate: " in text and "\nSHA256:\n" in text
