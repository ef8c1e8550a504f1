# Each habit is one verb. On a fresh machine with python3, make and a package index, every verb makes its own environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Small networks on few cores are several times slower with more threads than cores.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test lint bench format clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

demo: $(VENV)/.installed  ## Simulate three valleys, encode them, map their crops with five labels a class, serve the viewer
	$(BIN)/surco demo --dir demo $(DEMO)

test: lint  ## Everything CI checks
	$(BIN)/python -m pytest $(TESTS)

lint: $(VENV)/.installed  ## Style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed  ## Speed, with its peers in the same run
	$(BIN)/python -m pytest tests/benchmarks -s --override-ini=python_files='bench_*.py'

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) dist build demo .mypy_cache .ruff_cache .pytest_cache
