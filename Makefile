# `make` shows what there is. A fresh machine needs Python 3.11 or newer and make, nothing else.

PYTHON ?= python3
UV_VERSION := 0.13.8

BIN := .venv/bin
# Compiled at installation, so that the first start is as quick as the second.
UV := UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv
STATIC := src/tollkeeper/api/static/.stamp.json

# Only what was given to make goes before `.env` and the environment.
given = $(if $(filter command line,$(origin $(1))),$(2) "$($(1))")
SERVE := serve $(call given,HOST,--host) $(call given,PORT,--port) $(call given,DATA_DIR,--data-dir)

.DEFAULT_GOAL := help
.PHONY: help run test check lint types layers architecture tests docs format assets build clean

help: ## Show this list
	@echo "Tollkeeper. The two commands to know: make run, make test."
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | \
	  awk -F ':.*## ' '{ printf "  make %-8s %s\n", $$1, $$2 }'

run: .venv/.run ## Set up and start everything on the embedded database (PORT=, HOST=, DATA_DIR=)
	@$(MAKE) -s assets || echo "Going on without the API reference page."
	@exec $(BIN)/tollkeeper $(SERVE)

test: lint types layers tests ## Set up, check everything, run all tests

check: lint types layers architecture ## Style, types, layers, the house's own rules

tests: .venv/.dev $(STATIC) ## Run the tests (ARGS="tests/kernel -k money")
	@$(BIN)/pytest $(ARGS)

lint: .venv/.dev
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .

types: .venv/.dev
	@$(BIN)/mypy

layers: .venv/.dev
	@$(BIN)/lint-imports --no-logo

architecture: .venv/.dev
	@$(BIN)/pytest -q tests/architecture

format: .venv/.dev ## Mend what can be mended by machine
	@$(BIN)/ruff check -q --fix .
	@$(BIN)/ruff format -q .

docs: .venv/.dev ## Write the pages that are generated from code
	@$(BIN)/python docs/generate.py

assets: $(STATIC) ## Fetch the reference page's script from npm, as locked

build: .venv/.dev $(STATIC) ## Build the wheel into dist/
	@$(UV) build --wheel -q

clean: ## Remove what was made here, but not the data
	@rm -rf .venv dist src/tollkeeper/api/static .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The tools come through uv.lock, and uv itself from PyPI at the version above.
$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Tollkeeper needs Python 3.11 or newer; choose one with: make PYTHON=python3.12"; exit 1; }
	@echo "Setting up .venv, this once; it takes less than a minute."
	@$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "Python cannot make a virtual environment (on Debian: apt install python3-venv)"; exit 1; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)

.venv/.run: pyproject.toml uv.lock | $(BIN)/uv
	@$(UV) sync -q --locked --inexact --no-dev
	@touch $@

.venv/.dev: pyproject.toml uv.lock | $(BIN)/uv
	@$(UV) sync -q --locked --inexact
	@touch $@ .venv/.run

# Without npm on the machine, the one in a wheel serves.
$(STATIC): assets/assets.lock.json assets/build.py | .venv/.run
	@command -v npm >/dev/null || $(UV) sync -q --locked --inexact --no-dev --group assets
	@$(BIN)/python assets/build.py
