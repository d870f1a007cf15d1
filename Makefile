# Everything a fresh computer needs: `make` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LAB_PACKAGES := mmdebstrap systemd-container iproute2 nftables openssh-client gcc libc6-dev \
	libseccomp-dev pkg-config busybox-static curl haproxy keepalived chromium
export PYTHONUNBUFFERED := 1
# Without bytecode every run compiles 250 modules anew: half a second of half a second's work.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help up down test check bench drills clean
help: ## list these words
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 8

$(VENV)/.done: requirements/dev.txt pyproject.toml
	@echo "== tools: a virtual environment in $(VENV), every package checked by hash"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || apt-get install -y -q python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: machines
machines: $(VENV)/.done
	@missing=; for package in $(LAB_PACKAGES); do dpkg -s $$package >/dev/null 2>&1 || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ]; then \
		echo "== packages for the lab:$$missing"; \
		apt-get update -q && \
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; \
		status=$$?; rm -f /usr/sbin/policy-rc.d; exit $$status; \
	fi

up: machines ## a highly available cluster of real machines on this computer
	$(BIN)/backstay lab up

down: $(VENV)/.done ## remove it, and leave nothing
	$(BIN)/backstay lab down

check: $(VENV)/.done ## format, lint, types, import contracts, budgets, pure tests: under 90 seconds
	$(BIN)/ruff format --check --quiet src tests bench
	$(BIN)/ruff check --quiet src tests bench
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-cache >/dev/null || $(BIN)/lint-imports
	$(BIN)/shellcheck -s sh src/backstay/fleet/scripts/*.sh
	$(BIN)/pytest -q -m "not lab" -n 2 --dist worksteal

test: machines check ## all tests, on real machines too
	$(BIN)/pytest -q -m lab -x --durations=10

.venv-bench/.done: requirements/bench.txt $(VENV)/.done
	@echo "== what the numbers are measured beside, in .venv-bench, every package checked by hash"
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@

bench: machines .venv-bench/.done ## the numbers of the README, as ratios measured side by side
	$(BIN)/python -m bench

drills: machines ## the drills of the README, on a cluster of ours and on one by kubeadm
	$(BIN)/python -m bench.drills

clean: ## remove the virtual environment and caches of tools (not the artefact cache)
	rm -rf $(VENV) .venv-bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
