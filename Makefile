# The two commands are `make up` and `make test`; `make help` lists the others.
PYTHON ?= python3
BIN := .venv/bin
NPM := $(shell command -v npm 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help up demo test lint format bench bench-peers page lock clean peers page-check

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

up: .venv/.run ## Install, start the server and the collectors, print the address
	$(BIN)/veriscope up

demo: .venv/.run ## Two example services, a load on them, and Veriscope watching
	$(BIN)/python -m examples.demo $(DEMO)

test: .venv/.dev peers page-check ## Install what the tests need, and run all of them
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .venv/.dev ## ruff, mypy strict, import rules, TypeScript strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
ifdef NPM
	cd ui && npm ci --silent && npm run --silent typecheck && npm run --silent lint
endif

format: .venv/.dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.dev ## Measure: collection, remote write, OTLP, queries, start-up, the library
	$(BIN)/python benchmarks/collect_cpu.py
	$(BIN)/python benchmarks/remote_write.py
	$(BIN)/python benchmarks/queries.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/middleware.py
	$(BIN)/python benchmarks/profiler.py
	$(BIN)/python benchmarks/outage.py
	$(BIN)/python benchmarks/otlp.py

bench-peers: .venv/.dev peers ## Measure beside Prometheus and VictoriaMetrics; PEERS=--quick to try
	PYTHONPATH=benchmarks $(BIN)/python -m peers $(PEERS)

page: ## Build the web page into the package
	cd ui && npm ci && npm run build

# The page in the package must be the build of its source. Without Node nothing can be said.
page-check:
ifdef NPM
	cd ui && npm ci --silent && npm run --silent typecheck && npm test --silent
	cd ui && npm run --silent build -- --outDir ../artifacts/page --emptyOutDir
	diff -r artifacts/page src/veriscope/web/static
else
	@echo "SKIPPED: npm is not installed, so the built page was not compared with its source"
endif

# Real peers for the tests, where packages may be installed; else those tests skip loudly.
peers:
	@sh scripts/install-peers

lock: .venv/.dev ## Choose versions anew and write the lock files
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --group dev $(LOCK_OPTIONS) -o requirements/dev.lock
	$(BIN)/uv pip compile pyproject.toml requirements/build.in -c requirements/dev.lock \
		$(LOCK_OPTIONS) -o requirements/run.lock

LOCK_OPTIONS := --upgrade --generate-hashes --universal --python-version 3.11 \
	--no-emit-index-url --no-header --no-annotate --quiet

clean: ## Remove what was installed and built; data stays
	rm -rf .venv artifacts ui/node_modules .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 up")'
	$(PYTHON) -m venv .venv

.venv/.run: requirements/run.lock pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo "Compiling the loops over samples (a minute, once)"
	$(BIN)/python -m veriscope.app.warm_up
	@touch $@

.venv/.dev: requirements/dev.lock .venv/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@
