# `make demo` and `make test` do their own set-up: a virtual environment in .venv, made anew only when pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)

.DEFAULT_GOAL := help
.PHONY: $(shell grep -hoE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | cut -d: -f1)  # whatever `make help` lists

help: ## Say what there is.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

$(VENV)/installed: pyproject.toml $(wildcard native/CMakeLists.txt native/src/*)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Backlit needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/tested: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --group test
	touch $@

$(VENV)/linted: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --group lint
	touch $@

$(VENV)/compared: $(VENV)/tested
	$(BIN)/python -m pip install --quiet --group interop
	touch $@

$(VENV)/documented: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --group docs
	touch $@

docs: $(VENV)/documented ## Build the site into site/; open site/index.html.
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -d build/doctrees docs site

site-check: $(VENV)/documented ## Look for dead links, requests to elsewhere and faults that a browser or axe finds in the built site.
	$(BIN)/python scripts/site_pages.py site

$(VENV)/packaged: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --group dist
	touch $@

dist: $(VENV)/packaged ## Build sdist and wheel into dist/, check both, and try the wheel in a fresh environment.
	rm -rf dist build/dist
	$(BIN)/python -m build --outdir build/dist
	mkdir -p dist
	cp build/dist/*.tar.gz dist
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m auditwheel repair --wheel-dir dist build/dist/*.whl || cp build/dist/*.whl dist
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python scripts/check_dist.py dist/*.whl

schema: $(VENV)/installed ## Write docs/problem.schema.json anew, which editors read.
	$(BIN)/python scripts/problem_schema.py

demo: $(VENV)/installed ## Train on scanned digits; writes demo/digits.safetensors and demo/digits.html.
	mkdir -p demo
	$(BIN)/backlit train --dataset digits --out demo/digits.safetensors --report demo/digits.html

test test-slow: export PYTHONDONTWRITEBYTECODE = # else each process that a test starts compiles Backlit anew

test: $(VENV)/tested ## Run the tests, but for the slow ones.
	$(BIN)/python -m pytest -q -m "not interop and not slow"

test-slow: $(VENV)/tested ## Run the tests of whole processes, clusters, browsers, kills and long samples.
	$(BIN)/python -m pytest -q -m "slow and not interop"

golden: $(VENV)/tested ## Record the golden files anew, and say item by item what changed (tests/golden/README.md).
	$(BIN)/python scripts/golden.py

architecture: $(VENV)/tested ## Measure the house, and write its table into ARCHITECTURE.md.
	$(BIN)/python scripts/architecture.py --write

lint: $(VENV)/linted ## Look for mistakes and odd formatting.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/linted ## Check the types.
	$(BIN)/mypy

interop: $(VENV)/compared ## Compare with PyTorch, number by number.
	$(BIN)/python -m pytest -q -m interop

coverage: $(VENV)/compared ## Say which lines no test runs.
	$(BIN)/python -m pytest -q --cov --cov-report=term --cov-report=html

startup: $(VENV)/installed ## Measure how long importing and --help take.
	$(BIN)/python benchmarks/startup.py

check-matrix: $(VENV)/tested ## Measure how well check names planted mistakes.
	$(BIN)/python scripts/check_matrix.py

gradcheck-matrix: $(VENV)/tested ## Count wrong words of explain's checks on 10,000 right and 1,000 wrong gradients.
	$(BIN)/python scripts/gradcheck_matrix.py

kills: $(VENV)/installed ## Kill 200 runs while they write checkpoints, and look at what is left.
	$(BIN)/python scripts/checkpoint_kills.py

fuzz: $(VENV)/tested ## Give 1,000,000 mutated files to every parser, 20,000 to whole commands too (FILES, COMMANDS, FIRST).
	$(BIN)/python scripts/fuzz.py --files $(or $(FILES),1000000) --commands $(or $(COMMANDS),20000) --first $(or $(FIRST),0)

grade-class: $(VENV)/installed ## Grade a class of 300, 50 of them hostile, and hold every grade against the right one.
	$(BIN)/python scripts/grade_class.py

command-kills: $(VENV)/installed ## Kill 500 commands in the act or fill their disk, and look at what is left.
	$(BIN)/python scripts/command_kills.py

syscalls: $(VENV)/installed ## Kill a checkpoint at each of its system calls (needs strace).
	$(BIN)/python scripts/checkpoint_syscalls.py

native-calls: $(VENV)/tested ## Call the compiled module wrongly, 100,000 times.
	$(BIN)/python scripts/native_calls.py

table-mutations: $(VENV)/tested ## Write tables in 100,000 ways that keep or break their meaning, and look at what is read.
	$(BIN)/python scripts/table_mutations.py 100000

bad-inputs: $(VENV)/tested ## Give the estimators 850 inputs that they cannot use.
	$(BIN)/python scripts/bad_inputs.py

stop-points: $(VENV)/installed ## Stop 50 runs at random batches, and resume them.
	$(BIN)/python scripts/stop_points.py

explain-claims: $(VENV)/tested ## Are the sentences of 10,000 random documents so?
	$(BIN)/python scripts/explain_claims.py

explain-fuzz: $(VENV)/tested ## Read two minutes of derivations back, and compute every printed line again.
	$(BIN)/python scripts/explain_fuzz.py 120

explain-pages: $(VENV)/tested ## Try explain's pages in Chromium.
	$(BIN)/python scripts/explain_pages.py

diagnose-ranking: $(VENV)/installed ## Is the remedy ranked first the best, in 100 random sick networks?
	$(BIN)/python scripts/diagnose_ranking.py 100

diagnose-tables: $(VENV)/installed ## Do measured gradients lie within the predicted bands?
	$(BIN)/python scripts/diagnose_tables.py

cost-networks: $(VENV)/tested ## Count the operations and bytes of 1,000 random networks by running them.
	$(BIN)/python scripts/cost_networks.py

cost-growth: $(VENV)/installed ## Measure how time and memory grow, and plot it: growth.svg.
	$(BIN)/python scripts/cost_growth.py --out growth.svg

stream-memory: $(VENV)/installed ## Train on folders of 1, 2 and 4 GB in flat memory.
	$(BIN)/python scripts/stream_memory.py --gb 1 2 4

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci --silent

EXPLORER_TABLES := explorer_tables explorer_presets
web: $(VENV)/installed web/node_modules/.package-lock.json ## Build the explorer's page into the package (needs node).
	for tables in $(EXPLORER_TABLES); do $(BIN)/python scripts/$$tables.py || exit 1; done
	cd web && npm run --silent types && npm test --silent && npm run --silent build

web-check: $(VENV)/installed web/node_modules/.package-lock.json ## Is the page in the package what web/ builds, to the byte?
	for tables in $(EXPLORER_TABLES); do $(BIN)/python scripts/$$tables.py --check || exit 1; done
	cd web && npm run --silent types && npm test --silent && npm run --silent build -- --check

explorer-check: $(VENV)/tested ## Measure the explorer's page in Chromium: sizes, frames, latency, access, odd states.
	$(BIN)/python scripts/explorer_check.py

RACED ?= build/raced
$(RACED)/ready: pyproject.toml $(shell find src -name '*.py') $(wildcard native/src/*)
	$(PYTHON) -m venv $(RACED)
	$(RACED)/bin/python -m pip install --quiet --upgrade pip
	$(RACED)/bin/python -m pip install --quiet --group race .
	touch $@

race: $(RACED)/ready ## Race Backlit and its peers over real tables (benchmarks/race/README.md); resumes where it stopped.
	$(RACED)/bin/python -m benchmarks.race.run $(if $(MODELS_RACED),--models $(MODELS_RACED)) --tables $(or $(TABLES_RACED),development)
	$(RACED)/bin/python -m benchmarks.race.summary

$(RACED)_autogluon/ready: pyproject.toml
	$(PYTHON) -m venv $(RACED)_autogluon
	$(RACED)_autogluon/bin/python -m pip install --quiet --upgrade pip
	$(RACED)_autogluon/bin/python -m pip install --quiet --group race-autogluon
	touch $@

race-autogluon: $(RACED)_autogluon/ready ## Race AutoGluon, which needs an environment and a quiet machine of its own.
	$(RACED)_autogluon/bin/python -m benchmarks.race.run --models autogluon --tables $(or $(TABLES_RACED),development)

reach: $(VENV)/tested ## Kill, stop and cut off Dask workers and clients, and look at what becomes of their jobs.
	$(BIN)/python scripts/reach.py $(REACH)

shards: $(VENV)/tested ## Train one network on Dask workers that are killed, stopped and cut off; measure what a step pays.
	$(BIN)/python scripts/shards.py $(SHARDS)

include native/native.mk

clean: ## Remove everything that was made here.
	rm -rf $(VENV) demo site docs/generated build dist htmlcov web/node_modules .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
