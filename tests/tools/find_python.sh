#!/bin/sh
# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Prints the first Python >= 3.11 that really runs (a name on PATH may be a shim for nothing).
for name in python3 python3.11 python3.12 python3.13 python3.14; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        command -v "$name"
        exit 0
    fi
done
echo "No Python >= 3.11 found (tried python3, python3.11 to python3.14): install it, e.g. apt-get install python3 python3-venv" >&2
exit 1
