# Everything a person needs: `make demo`, `make test`. Each does its own set-up; a second call does none again.
# Python 3.11 or newer is all that must be there: PYTHON=python3.12 make demo chooses another one.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
LOCKS  := requirements/bootstrap.lock requirements/requirements.lock
TESTS  ?= tests
# more of them than cores: those who test with a real Airflow wait for it much of the time
WORKERS ?= 3

export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup compiled demo test test-fast lint format bench lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

setup: $(STAMP)  ## virtual environment with the pinned dependencies

# The lock files hold versions and hashes and no addresses: the registry is the one that pip or uv is configured for.
$(STAMP): $(LOCKS) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "ddcrm needs Python 3.11 or newer, $(PYTHON) is older: PYTHON=python3.12 make $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Setting up $(VENV): about a minute and 1.3 GB, once"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/bootstrap.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements/requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

# For shells in which Python is told to write none: each task of a DAG, each command would compile the package again.
compiled: $(STAMP)
	-@$(BIN)/python -m compileall -qq ddcrm dags plugins

demo: compiled  ## the demo company, end to end, with a real Airflow (EXIT=1: stop it when done)
	@$(BIN)/ddcrm demo $(if $(EXIT),--exit,) $(ARGS)

test: compiled  ## the whole test suite, slow tests included
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

test-fast: compiled  ## the tests that take a moment
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not slow and not airflow" $(TESTS)

lint: $(STAMP)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)  ## let ruff write the code its way
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: compiled  ## the benchmarks of bench/README.md
	$(BIN)/python -m bench $(ARGS)

lock:  ## write the lock files anew from pyproject.toml (the only target that resolves)
	@test -x $(BIN)/uv || { $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet uv; }
	$(BIN)/uv pip compile pyproject.toml --extra dev --group build --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --quiet -o requirements/requirements.lock
	echo "uv==$$($(BIN)/uv --version | cut -d' ' -f2)" | $(BIN)/uv pip compile - --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --quiet -o requirements/bootstrap.lock
	for name in bench-peer bench-pymc; do \
		$(BIN)/uv pip compile requirements/$$name.in --universal --python-version 3.11 --generate-hashes \
			--no-header --no-annotate --no-emit-index-url --quiet -o requirements/$$name.lock || exit 1; \
	done

clean:  ## remove the demo's state and all caches; the virtual environment stays
	rm -rf .ddcrm build .pytest_cache .mypy_cache .ruff_cache .hypothesis
