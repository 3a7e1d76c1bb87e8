# `make help` lists every target. Everything runs in the virtual environment `.venv`, which the
# first target that needs it creates from the locked, hash-checked list of dependencies.
#
# ARGS adds arguments to the command of a target: make train ARGS=epochs=3, make test ARGS="-k lanes",
# make bench ARGS=--small. FILES is what lint, types and format look at; DOCS and DIST are the folders
# that pages and wheels go to. WHEELS is a folder with pure-Python wheels for `bench-accelerator`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCK := .ci/requirements.lock
PYTEST := $(BIN)/python -m pytest
ARGS ?=
FILES ?= .
DOCS ?= docs
CONF ?= conf
DIST ?= dist
WHEELS ?=

.DEFAULT_GOAL := help
.PHONY: help setup train figure test test-fast lint format types docs gallery bench bench-setup bench-sweep bench-compare bench-accelerator bench-growth torture lock wheel clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 14

$(READY): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "runner needs Python 3.11 or newer; choose one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(READY)  ## create .venv with runner and everything needed to work on it

train: $(READY)  ## train a first real run on the embedded digits and say where to look
	$(BIN)/runner +optimizer=adam +schedule=exp $(ARGS)

figure: $(READY)  ## the textbook figure: training loss for many batch sizes, by iteration and by epoch
	$(BIN)/runner +experiment=batch_size $(ARGS)

test: lint types $(READY)  ## every check and every test, slow ones included
	$(PYTEST) -n auto --dist worksteal $(ARGS)

test-fast: $(READY)  ## the tests that take little time
	$(PYTEST) -n auto --dist worksteal -m "not slow" $(ARGS)

lint: $(READY)  ## style and likely mistakes
	$(BIN)/ruff format --check $(FILES)
	$(BIN)/ruff check $(FILES)

format: $(READY)  ## rewrite the code in the house style
	$(BIN)/ruff check --fix $(FILES)
	$(BIN)/ruff format $(FILES)

types: $(READY)  ## the type checker
	$(BIN)/mypy $(filter-out .,$(FILES))

docs: $(READY)  ## make docs/options.md, docs/schedules.png and the keys of a figure from the code
	$(BIN)/python -m runner.documentation.options_page > $(DOCS)/options.md
	$(BIN)/python -m runner.documentation.schedules_picture $(DOCS)/schedules.png
	@mkdir -p $(CONF)/hydra/sweeper
	$(BIN)/python -m runner.documentation.sweeper_keys > $(CONF)/hydra/sweeper/runner.yaml

gallery: $(READY)  ## run every prepared study; makes docs/gallery.md and its pictures
	$(BIN)/python -m runner.documentation.gallery $(DOCS) $(ARGS)

bench-setup: $(READY)  ## install the tools that `make bench` compares with (large)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/bench/requirements.txt

bench: $(READY)  ## measure training speed against other tools; writes docs/benchmarks.md
	$(BIN)/python -m tests.bench.training --output $(DOCS)/benchmarks.md $(ARGS)

bench-sweep: $(READY)  ## measure sweeps: against other ways to run them, and with many lanes
	$(BIN)/python -m tests.bench.sweep --output $(DOCS)/sweeps.md $(ARGS)

bench-compare: $(READY)  ## measure how long it takes to compare a thousand runs
	$(BIN)/python -m tests.bench.compare $(ARGS)

bench-accelerator:  ## measure on a GPU or TPU with PYTHON=python3, which has JAX, and WHEELS=folder
	$(PYTHON) -m tests.bench.accelerator --output $(DOCS)/accelerator.md $(if $(WHEELS),--wheels $(WHEELS)) $(ARGS)

bench-growth: $(READY)  ## draw time and memory against steps, parameters, examples and runs
	$(BIN)/python -m tests.bench.growth --output $(DOCS)/growth $(ARGS)

torture: $(READY)  ## attack at random: bad input, kills, signals, full disks; prints what was lost
	$(BIN)/python -m tests.torture $(ARGS)

lock: $(READY)  ## renew the locked dependencies from pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-header --upgrade --quiet -o $(LOCK)

wheel: $(READY)  ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation --outdir $(DIST)

clean:  ## remove .venv and what tools leave behind (never outputs/)
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
