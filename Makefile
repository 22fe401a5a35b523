# Everything runs from .venv, which is made here from Python 3.11+ and pip alone.
.DEFAULT_GOAL := help
.PHONY: help install run test check format bench faults soak lock clean
SHELL := /bin/sh

# The first of these that is Python 3.11 or newer; override with `make PYTHON=…`.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)
BIN := .venv/bin
# An outer virtual environment or Python settings must not leak into ours.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
# uv if there is one, else the one that is installed into .venv.
UV = $$(command -v uv || echo $(BIN)/uv)
UVPIP = $(UV) pip install --quiet --python $(BIN)/python

help: ## Show this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/.installed ## Make .venv with what the bot needs

run: install ## Run the bot; with no config.toml, the demo
	@if [ -f config.toml ]; then exec $(BIN)/parlance run; else exec $(BIN)/parlance demo; fi

test: .venv/.installed-dev ## Run every test
	$(BIN)/pytest -n auto --dist loadfile

check: .venv/.installed-dev ## Format check, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: .venv/.installed-dev ## Format the code and apply safe lint fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.installed-dev ## Measure, next to other bots and to the optimum (ratios in one run)
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.decoding
	$(BIN)/python -m benchmarks.looks
	$(BIN)/python -m benchmarks.durability

faults: .venv/.installed-dev ## Write docs/faults.md anew
	$(BIN)/python tests/contract/fault_matrix.py

# SEED= replays a schedule; MINUTES= is how long there are troubles, in its five runs together.
soak: SEED := $(or $(SEED),$(shell date +%s))
soak: MINUTES := $(or $(MINUTES),3)
soak: .venv/.installed-dev ## Random kills and faults, and many more examples of the properties (10 min)
	SOAK_SEED=$(SEED) SOAK_SECONDS=$$(($(MINUTES) * 12)) $(BIN)/pytest tests/soak/test_chaos.py
	$(BIN)/pytest -n 4 --timeout 600 tests/soak --ignore tests/soak/test_chaos.py --hypothesis-profile=soak
	$(BIN)/pytest -n auto --timeout 600 --hypothesis-profile=soak tests/reply tests/platforms tests/conversation tests/chat

lock: .venv/.installed-dev ## Resolve the dependencies anew
	$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--upgrade --python-version 3.11 pyproject.toml -o requirements.lock
	$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--upgrade --python-version 3.11 -c requirements.lock --group dev pyproject.toml -o requirements-dev.lock

clean: ## Remove .venv and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Parlance needs Python 3.11 or newer; none was found on PATH." >&2; exit 1; }
	@# Some systems ship venv without ensurepip: then the outer pip fills the new environment.
	@$(PYTHON) -m venv .venv 2>/dev/null || $(PYTHON) -m venv --without-pip .venv
	@command -v uv >/dev/null 2>&1 || $(PYTHON) -m pip --quiet --disable-pip-version-check --python $(BIN)/python install uv

.venv/.installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing into .venv (once; about a minute) ..."
	@$(UVPIP) --require-hashes -r requirements.lock
	@$(UVPIP) --no-deps --editable .
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.lock
	@$(UVPIP) --require-hashes -r requirements-dev.lock
	@touch $@
