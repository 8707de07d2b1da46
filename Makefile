# Two commands matter to a newcomer: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV ?= .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check -qq --no-input install
JOBS ?= 2
TESTS ?=
FUZZ ?= 60
export PYTHONUTF8 := 1
# Python 3.11 does not start from a path beyond ASCII where LC_ALL is C; where it is empty, Python finds UTF-8 by itself.
ifneq ($(filter C POSIX,$(LC_ALL)),)
export LC_ALL :=
endif

# Installing is skipped until pyproject.toml changes; the package itself is installed by reference, so edits count at once.
$(VENV)/.whet-demo: pyproject.toml .ci/venv.sh
	@bash .ci/venv.sh $(VENV)
	@echo "Installing whet into $(VENV) (once) ..."
	@$(PIP) -e .
	@touch $@

$(VENV)/.whet-dev: pyproject.toml .ci/venv.sh
	@bash .ci/venv.sh $(VENV)
	@echo "Installing whet and its development tools into $(VENV) (once) ..."
	@$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.whet-demo

.PHONY: help demo test test-slow test-train fuzz check lint layout layers types user-types house-rules format install docs bench bench-full bench-adapters bench-optimizers clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-18s %s\n", $$1, $$2}'

demo: $(VENV)/.whet-demo ## a program that improves itself, no key needed (SHORT=1: the short form; OUT=folder: goes on there)
	@$(PY) examples/quickstart.py $(if $(SHORT),--short) $(if $(OUT),--out "$(OUT)")

test: $(VENV)/.whet-dev ## the tests (TESTS=path: only those; JOBS=n: so many processes)
	@$(PY) -m pytest -q -n $(JOBS) -m 'not slow and not train' $(TESTS)

test-slow: $(VENV)/.whet-dev ## the tests that take longer
	@$(PY) -m pytest -q -n $(JOBS) -m 'slow and not train' $(TESTS)

# A gigabyte, so neither `make test` nor CI installs it.
$(VENV)/.whet-train: $(VENV)/.whet-dev
	@echo "Installing the extra 'train' (torch and what stands on it) into $(VENV) (once) ..."
	@$(PIP) -e '.[dev,train]' 'transformers[serving]'
	@touch $@

test-train: $(VENV)/.whet-train ## the tests of local training, which need torch (TESTS=path: only those)
	@OMP_NUM_THREADS=1 $(PY) -m pytest -q -p no:xdist -m train $(TESTS)

fuzz: $(VENV)/.whet-dev ## hostile answers for every adapter, guided by coverage (FUZZ=n: so many seconds; for nights)
	@$(PY) -c "import atheris" 2>/dev/null || $(PIP) -e '.[fuzz]'
	@$(PY) tests/fuzz/fuzz_adapters.py .fuzz $(FUZZ)

check: lint layout layers types user-types house-rules ## every gate but the tests (make -k check: all of them, whatever fails)

lint: $(VENV)/.whet-dev
	@$(VENV)/bin/ruff check --quiet .

layout: $(VENV)/.whet-dev
	@$(VENV)/bin/ruff format --check --quiet . || { $(VENV)/bin/ruff format --check .; echo "Run 'make format'."; exit 1; }

layers: $(VENV)/.whet-dev
	@PYTHONPATH=src $(VENV)/bin/lint-imports --no-cache >.layers.txt || { cat .layers.txt; rm .layers.txt; exit 1; }
	@tail -n 1 .layers.txt; rm .layers.txt

types: $(VENV)/.whet-dev
	@$(PY) -m mypy --strict src

user-types: $(VENV)/.whet-dev
	@$(PY) tests/golden_types/check.py

house-rules: $(VENV)/.whet-dev
	@$(PY) -m pytest -q -p no:xdist -p no:cacheprovider tests/test_house_rules.py

format: $(VENV)/.whet-dev ## rewrite the code in the house's layout
	@$(VENV)/bin/ruff check -q --fix . ; $(VENV)/bin/ruff format .

install: $(VENV)/.whet-dev ## whet with its development tools in .venv

docs: $(VENV)/.whet-dev ## run every snippet of the README and of docs/
	@$(PY) -m pytest -q tests/test_docs.py

bench: $(VENV)/.whet-demo ## speed beside DSPy and the targets, one table, under 4 minutes
	@bash bench/run_all.sh quick

bench-full: $(VENV)/.whet-demo ## the same with every case and more rounds (an hour)
	@bash bench/run_all.sh full

bench-adapters: $(VENV)/.whet-demo ## how often each adapter's answers can be read
	@$(PY) bench/bench_adapters.py

SEEDS ?= 0-4
SALT ?= dev
bench-optimizers: $(VENV)/.whet-demo ## our optimizers beside DSPy's: hours, goes on where it was stopped (SEEDS=0: a small one; SALT=name)
	@$(PY) bench/bench_optimizers.py --seeds $(SEEDS) --salt $(SALT) --results .bench-optimizers-$(SALT).jsonl

clean: ## delete caches and build outputs, but not .venv
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
