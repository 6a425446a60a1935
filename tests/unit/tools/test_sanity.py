# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from tests.tools import setup
from tests.tools.sanity import outcome, pip_version

# As ansible-test 2.19.14 writes it.
FAILING = """\
WARNING: Using locale "C.UTF-8" instead of "en_US.UTF-8". Tests which depend on the locale may behave unexpectedly.
Running sanity test "compile" on Python 3.11
Running sanity test "pep8"
ERROR: Found 1 pep8 issue(s) which need to be resolved:
ERROR: plugins/module_utils/x.py:146:161: E501: line too long (164 > 160 characters)
See documentation for help: https://docs.ansible.com/ansible-core/2.19/dev_guide/testing/sanity/pep8.html
Running sanity test "shellcheck"
WARNING: Required program "shellcheck" not found.
Running sanity test "symlinks"
WARNING: Reviewing previous 1 warning(s):
WARNING: Required program "shellcheck" not found.
FATAL: The 1 sanity test(s) listed below (out of 4) failed. See error output above for details.
pep8
"""
BROKEN = """\
Running sanity test "compile" on Python 3.8
FATAL: Command "python3.8 compile.py" returned exit status 127.
"""


def test_names_what_ran_failed_and_was_skipped() -> None:
    done = outcome(FAILING, 1)
    assert done.ran == {"compile", "pep8", "symlinks"}
    assert done.failed == {"pep8"}
    assert done.skipped == {"shellcheck"}


def test_a_run_that_breaks_is_a_failure() -> None:
    assert outcome(BROKEN, 1).failed == {"ansible-test"}


def test_a_clean_run_has_no_failure() -> None:
    assert outcome('Running sanity test "symlinks"\n', 0).failed == set()


def test_finds_the_pip_that_the_installed_ansible_test_wants() -> None:
    package = next(setup.VENV.glob("lib/python3*/site-packages/ansible_test"))
    assert pip_version(package)[0].isdigit()
