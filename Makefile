# `make help` lists every target. Everything runs in the virtual environment `.venv`, which the
# first target that needs it creates from the locked, hash-checked list of dependencies.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCK := .ci/requirements.lock
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup train figure test test-fast lint format types docs gallery bench bench-setup bench-sweep bench-compare lock wheel clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 14

$(READY): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "runner needs Python 3.11 or newer; choose one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(READY)  ## create .venv with runner and everything needed to work on it

train: $(READY)  ## train a first real run on the embedded digits and say where to look
	$(BIN)/runner +optimizer=adam +schedule=exp

figure: $(READY)  ## the textbook figure: training loss for many batch sizes, by iteration and by epoch
	$(BIN)/runner +experiment=batch_size

test: lint types $(READY)  ## every check and every test, slow ones included
	$(PYTEST) -n auto

test-fast: $(READY)  ## the tests that take little time
	$(PYTEST) -n auto -m "not slow"

lint: $(READY)  ## style and likely mistakes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(READY)  ## rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY)  ## the type checker
	$(BIN)/mypy

docs: $(READY)  ## make docs/options.md and docs/schedules.png from the option table
	$(BIN)/python -m runner.documentation.options_page > docs/options.md
	$(BIN)/python -m runner.documentation.schedules_picture docs/schedules.png

gallery: $(READY)  ## run every prepared study; makes docs/gallery.md and its pictures
	$(BIN)/python -m runner.documentation.gallery docs

bench-setup: $(READY)  ## install the peers that `make bench` compares with (large)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/bench/requirements.txt

bench: $(READY)  ## measure training speed against the peers; writes docs/benchmarks.md
	$(BIN)/python -m tests.bench.training --output docs/benchmarks.md

bench-sweep: $(READY)  ## measure sweeps: against other ways to run them, and with many lanes
	$(BIN)/python -m tests.bench.sweep --output docs/sweeps.md

bench-compare: $(READY)  ## measure how long it takes to compare a thousand runs
	$(BIN)/python -m tests.bench.compare

lock: $(READY)  ## renew the locked dependencies from pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-header --upgrade --quiet -o $(LOCK)

wheel: $(READY)  ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation

clean:  ## remove .venv and what tools leave behind (never outputs/)
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
