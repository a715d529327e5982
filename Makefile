# What people type here. Each target sets up what it lacks: Python packages into .venv, from locks with
# hashes; Debian packages by apt, only when a command is missing and only as root.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What a command line adds: make test ARGS="-k plan", make lock ARGS=--upgrade
ARGS ?=

export PYTHON
MAKEFLAGS += --no-print-directory
# Prerequisites are steps in an order, also for somebody who types make -j.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help demo test test-long check lint format bench packages e2e e2e-vm coexistence connectivity venv system \
	neighbours completions development lock clean

help: ## this list
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: system venv ## the whole story in a small cloud of network namespaces; less than a minute
	@$(BIN)/srcroutctl lab run

test: system neighbours lint ## everything: the linters, then all the tests, those that need root too
	@$(BIN)/python -m pytest $(ARGS)

test-long: system development ## what make test leaves out: repetitions, and stories in all their turns
	@$(BIN)/python -m pytest --long -m long $(ARGS)

check: lint ## what to type before a commit: the linters and the pure tests; seconds, no root
	@$(BIN)/python -m pytest -q tests/pure $(ARGS)

lint: development ## ruff, mypy --strict, import-linter
	@# Each has its say before the verdict falls.
	@failed=; \
	$(BIN)/ruff check --quiet --output-format concise || failed=yes; \
	$(BIN)/ruff format --quiet --check --output-format concise || failed=yes; \
	$(BIN)/lint-imports --no-logo || failed=yes; \
	$(BIN)/mypy || failed=yes; \
	(cd packaging && MYPYPATH=. ../$(BIN)/mypy --config-file ../pyproject.toml packages launch/run.py) || failed=yes; \
	[ -z "$$failed" ]

format: development ## lay the code out as lint wants it
	@$(BIN)/ruff check --quiet --fix --exit-zero
	@$(BIN)/ruff format

bench: system development ## the figures, as ratios in one run
	@$(BIN)/python -m bench $(ARGS)

packages: ## deb, rpm, arch, wheel, sdist and bill of materials, into dist/; docs/packages.md
	@packaging/debian.sh venv
	@packaging/packages.sh $(ARGS)

e2e: system development ## the package on booted Debian 12, Ubuntu 24.04 and Debian 13: systemd, neighbours, bad days
	@packaging/debian.sh venv mmdebstrap systemd-nspawn
	@packaging/packages.sh --form deb --arch amd64 >/dev/null
	@$(BIN)/python -m pytest tests/e2e $(ARGS)

coexistence: system development ## what neighbours break and how soon it is whole again, into docs/coexistence.md
	@packaging/debian.sh venv mmdebstrap systemd-nspawn
	@packaging/packages.sh --form deb --arch amd64 >/dev/null
	@$(BIN)/python -m tests.e2e.coexistence --write $(ARGS)

connectivity: system development ## who reaches whom with which layout of routing, into docs/connectivity.md; no boot, a minute
	@$(BIN)/python -m tests.connectivity --write

e2e-vm: system development ## the package in a virtual machine: PCI hot-plug, power cut; 15 minutes
	@packaging/debian.sh venv mmdebstrap qemu-system-x86_64 qemu-img dnsmasq mke2fs
	@packaging/packages.sh --form deb --arch amd64 >/dev/null
	@$(BIN)/python -m pytest tests/e2e_vm $(ARGS)

venv: ## just .venv, with srcroutd and srcroutctl in it
	@packaging/debian.sh venv
	@packaging/venv.sh runtime

system: ## the commands that the lab and the tests call, by apt where missing
	@packaging/debian.sh venv ip nft unshare nsenter

neighbours: ## the programs that srcroutctl export speaks to, unpacked below .cache for its tests
	@# Where there is no apt, those tests say that they are skipped.
	@packaging/neighbours.sh >/dev/null || true

completions: venv ## write packaging/completions anew from the parsers
	@$(BIN)/python packaging/completions.py

development: ## .venv with the tools and tests as well
	@packaging/debian.sh venv
	@packaging/venv.sh development

lock: ## write packaging/locks anew from pyproject.toml
	@packaging/debian.sh venv
	@packaging/lock.sh $(ARGS)

clean: ## remove what was made here
	rm -rf $(VENV) build dist .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
