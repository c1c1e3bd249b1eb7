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

.DEFAULT_GOAL := help
.PHONY: help setup setup-play play test test-all lint format types check bench evaluate train clean

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

format: setup  ## put the style right where a machine can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup  ## check types
	$(BIN)/mypy

check: lint types test evaluate  ## everything that must pass before a commit

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

clean:  ## remove caches and out/ (.venv and runs/ stay)
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
