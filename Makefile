# Everything a person does here, one word each. `make` alone explains.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
# One at a time: two makes in one tree would install over each other.
PIP := flock .venv $(BIN)/python -m pip --disable-pip-version-check
# A dot for each package, so that whoever waits sees it go on.
DOTS := awk '/^Collecting/ { printf "." } /^Installing/ { printf " unpacking" } { fflush() } END { print "" }'
PYTEST := $(BIN)/python -m pytest
PYTEST_ARGS ?=
LINKS := build/links/sitewarden
PARTS := gateway config drivers rules simulators
# Real peers of the tests: a broker, two time-series stores, serial lines, a Modbus master, what others are
# compiled with, TLS, a browser (and what its driver needs), a small disk to fill.
PEERS := mosquitto influxdb victoria-metrics socat mbpoll libmodbus-dev pkg-config gcc libc6-dev openssl \
	chromium fonts-noto-cjk libatomic1 mount util-linux

.PHONY: help
help:  ## this text
	@echo "Sitewarden: an edge gateway for parking, pumps, lifts and fire panels."
	@echo
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | while IFS=$$'\t' read -r name text; \
		do printf '  make %-8s %s\n' "$$name" "$$text"; done
	@echo
	@echo "Start with 'make demo'. Before a commit: 'make check'. Arguments: make unit PYTEST_ARGS='-k lift -x'"

.PHONY: demo
demo: .venv/runtime.stamp  ## a whole site on this machine, with no hardware (Ctrl-C ends it)
	@echo "Starting the demo"
	@exec $(BIN)/sitewarden demo

.PHONY: check
check: lint types layers unit  ## what every commit passes: format, lint, types, layers, quick tests (< 1 min)

.PHONY: test
test: peers check  ## check, and the tests with real servers, a browser and a package (minutes)
	$(PYTEST) -m "slow or server or browser" --durations=10 $(PYTEST_ARGS)

.PHONY: lint
lint: .venv/dev.stamp  ## only ruff: format and rules
	@$(BIN)/ruff format --diff --quiet . || { echo "'make fmt' puts this right."; exit 1; }
	@$(BIN)/ruff check --quiet .

.PHONY: types
types: .venv/dev.stamp links  ## only mypy --strict
	@MYPYPATH=build/links $(BIN)/mypy -p sitewarden | sed 's#^$(LINKS)/##'

.PHONY: layers
layers: .venv/dev.stamp links  ## only who may import whom
	@$(BIN)/lint-imports --no-cache > build/layers.txt || { cat build/layers.txt; exit 1; }
	@tail -n 1 build/layers.txt

.PHONY: unit
unit: .venv/dev.stamp  ## only the quick tests
	$(PYTEST) -n 2 --dist worksteal -m "not slow and not server and not browser" $(PYTEST_ARGS)

.PHONY: bench
bench: .venv/dev.stamp  ## the measurements; ONLY=group runs one group
	@$(BIN)/python tests/bench/run.py $(ONLY)

.PHONY: fmt
fmt: .venv/dev.stamp  ## format, and mend what ruff can mend
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: lock
lock: .venv/dev.stamp  ## write the locks from pyproject.toml anew; UPGRADE=1 takes newer versions
	$(COMPILE) --all-extras pyproject.toml -o requirements.lock
	$(COMPILE) --group build -o requirements-build.lock
	$(COMPILE) --all-extras pyproject.toml --group dev -c requirements.lock -c requirements-build.lock -o requirements-dev.lock

# Neither an index nor a path belongs in a lock: it is the same for everyone, whatever mirror they use.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean:  ## remove all that make built, .venv too
	rm -rf .venv build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find $(PARTS) tests -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: peers
peers:
	@tools/debian $(PEERS)

# mypy does not see an editable install, so it reads the import prefix from a folder of links.
.PHONY: links
links:
	@mkdir -p $(LINKS)
	@for part in $(PARTS); do ln -sfn ../../../$$part $(LINKS)/$$part; done

# One environment, filled in two steps, so that the demo need not wait for the developers' tools.
# A stamp is newer than its lock and pyproject.toml, or the step runs again.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sitewarden needs Python 3.11 or newer; try make PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || tools/debian python3-venv
	@$(PYTHON) -m venv .venv

.venv/runtime.stamp: requirements.lock requirements-build.lock pyproject.toml | .venv/bin/python
	@echo "Installing Sitewarden's libraries into .venv"
	@$(PIP) install --require-hashes -r requirements.lock -r requirements-build.lock | $(DOTS)
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev.stamp: requirements-dev.lock .venv/runtime.stamp
	@echo "Installing the developers' tools into .venv"
	@$(PIP) install --require-hashes -r requirements-dev.lock | $(DOTS)
	@touch $@
