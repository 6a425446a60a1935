# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# `make help` lists the targets. Each does its own set-up first and is safe to run twice.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:

PY := .venv/bin/python
PART ?= A
TEST_STAGES ?= lint unit sanity integration molecule e2e
STAGES := lint unit sanity integration molecule e2e bench

.PHONY: help
help: ## What there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup: ## The tools, pinned, in .venv
	@python=$$(sh tests/tools/find_python.sh) && "$$python" tests/tools/setup.py

.PHONY: sync
sync: setup ## The copy in .build where ansible finds the collection by name
	@$(PY) -m tests.tools.sync

.PHONY: demo
demo: setup ## Two simulated sites: provision, deploy, update, revert, a cut link, a power cut
	@$(PY) -m tests.lab.engine up
	@$(PY) -m tests.lab.demo

.PHONY: demo-down
demo-down: setup ## Remove everything that the demo made
	@$(PY) -m tests.lab.demo --down

.PHONY: lab-up lab-down lab-status
lab-up: setup ## The simulated fleet alone
	@$(PY) -m tests.lab.engine up && tests/lab/lab up
lab-down: setup ## Remove it
	@tests/lab/lab down
lab-status: setup ## What of it runs
	@tests/lab/lab status

.PHONY: test
test: setup ## Everything: lint unit sanity integration molecule e2e
	@$(PY) -m tests.tools.check $(CHECK_OPTIONS) $(TEST_STAGES)

.PHONY: $(STAGES)
lint: setup ## ruff, mypy, yamllint, ansible-lint, changelog, documentation, galaxy-importer
unit: setup ## Unit tests, node code also on the oldest Python here
sanity: setup ## ansible-test sanity on this Python
integration: setup ## Modules and roles on lab nodes
molecule: setup ## Each scenario: check, converge, idempotence, verify
e2e: setup ## Whole rollouts on the lab, with faults injected
bench: setup ## What must be fast enough, measured
$(STAGES):
	@$(PY) -m tests.tools.check $@

.PHONY: matrix
matrix: setup ## ansible-test sanity for every Python and ansible-core that can be had here
	@$(PY) -m tests.tools.matrix

.PHONY: must-show
must-show: setup ## What the tests must show, each with its figure: make must-show PART=A
	@$(PY) -m tests.tools.check --must-show $(PART)

.PHONY: dist
dist: setup ## The archive that ansible-galaxy installs, in dist/
	@$(PY) -m tests.tools.importer dist

.PHONY: clean
clean: ## Remove what was built; the tools in .venv stay
	@rm -rf .build .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .ansible dist tests/output
	@find . -path ./.venv -prune -o -path ./.lab -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
