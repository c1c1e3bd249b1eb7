# One word per task. Bare `make` lists them.
# A fresh machine needs make, git, and Python 3.10 or newer with venv and pip.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

# What `make train` trains; set another with `make train RECIPE=… CORPUS=… RUN=…`.
RECIPE ?= nano
CORPUS ?= corpora/shards
RUN ?= runs/$(RECIPE)

# A folder of MIDI files for `make bench`.
PACK ?=

# A stamp is the moment a set of packages was installed; a newer pyproject.toml makes it stale.
SETUP := $(VENV)/.setup
SETUP_PLAY := $(VENV)/.setup-play
SETUP_PAGE := web/node_modules/.setup

# Node comes with .venv, and the scripts of web/package.json find it there before the system's.
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix web

# What the page is built to: committed, so that nobody needs Node to use it.
PAGE := src/sideman/studio/static
BEHIND = { echo "$(1) is not what its sources make: run make page-build and commit what it writes"; exit 1; }

.DEFAULT_GOAL := help
.PHONY: help setup setup-play play test test-all lint format types page page-build check bench \
	evaluate train clean

help:  ## list these words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(SETUP)  ## install everything into .venv: to play, to train, to develop

setup-play: $(SETUP_PLAY)  ## install what playing needs into .venv (no PyTorch)

play: setup-play  ## continue the example, as notes, sound and picture, in out/
	scripts/play

test: setup  ## run the tests that are quick
	scripts/system-packages
	$(BIN)/python -m pytest -m "not slow and not device"

test-all: setup  ## run the slow tests too
	scripts/system-packages
	$(BIN)/python -m pytest -m "not device"

lint: setup  ## check style and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: setup $(SETUP_PAGE)  ## put the style right where a machine can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(NPM) run format

types: setup  ## check types
	$(BIN)/mypy

page: $(SETUP_PAGE)  ## check the page, and that what is built of it is up to date
	@$(NPM) run schema -- --check || $(call BEHIND,web/src/lib/api/schema.ts)
	$(NPM) run lint
	$(NPM) run check
	$(NPM) test
	$(NPM) run build -- --outDir ../out/page
	@diff -rq out/page $(PAGE) || $(call BEHIND,$(PAGE))

page-build: $(SETUP_PAGE)  ## make the types of the page, and build it into the package
	$(BIN)/python scripts/openapi
	$(NPM) run schema
	$(NPM) run build

check: lint types page test evaluate  ## everything that must pass before a commit

bench: setup  ## run the benchmarks; with PACK=folder of MIDI also those that need one
	$(BIN)/python benchmarks/decode.py
	$(BIN)/python benchmarks/continue_cold.py
	$(BIN)/python benchmarks/install_size.py
	$(if $(PACK),$(PIP) '.[bench]' && $(BIN)/python benchmarks/encode.py --pack $(PACK) && \
		$(BIN)/python benchmarks/corpus.py --pack $(PACK))

evaluate: setup  ## compare the bundled model with benchmarks/quality.json
	$(BIN)/python benchmarks/quality.py

train: setup  ## train a model: make train RECIPE=nano CORPUS=shards RUN=runs/nano
	$(BIN)/sideman train --recipe "$(RECIPE)" --corpus "$(CORPUS)" --out "$(RUN)"

clean:  ## remove caches and out/ (.venv, web/node_modules and runs/ stay)
	rm -rf out dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(SETUP): pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[audio,corpus,cluster,hub,live,notation,postgres,studio,train,dev]'
	@touch $(SETUP_PLAY) $@

$(SETUP_PLAY): pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[audio]'
	@touch $@

$(SETUP_PAGE): web/package.json web/package-lock.json | $(SETUP)
	$(NPM) ci
	@touch $@
