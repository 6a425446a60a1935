# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: two sites are provisioned, take a good update, throw a bad one back and live through two faults.

python -m tests.lab.demo            all of it; ends with 0 only if everything went as it should
python -m tests.lab.demo --down     removes what it made
"""
