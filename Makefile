.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help run test golden bench soak lint lint-types lint-sql lint-style format clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run ## Serve; without configured databases, on an embedded one with demo data
	@$(BIN)/python app.py

test: $(VENV)/.dev ## Run all tests, on an embedded PostgreSQL
	@$(BIN)/python -m pytest --numprocesses auto --dist worksteal $(ARGS)

golden: $(VENV)/.dev ## Record all answers again, after an intended change of answers
	@MARQUEE_WRITE_GOLDEN=1 $(BIN)/python -m pytest tests/golden

bench: $(VENV)/.dev ## Measure speed; ARGS=--quick for the small data only, --huge for 100 million interactions
	@$(BIN)/python -m benchmarks.run $(ARGS)

soak: $(VENV)/.dev ## Make faults under load for ten minutes, ARGS="--seconds 60" for one
	@$(BIN)/python -m tests.soak $(ARGS)

lint: $(VENV)/.dev ## Check style, types, SQL, the import contract, risky code and packages
	@$(MAKE) --no-print-directory --jobs 2 lint-types lint-sql lint-style

lint-types:
	$(BIN)/mypy

lint-sql:
	$(BIN)/sqlfluff lint sql benchmarks/sql

lint-style:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive app.py wsgi.py config recommender
	$(BIN)/python -m pip check

format: $(VENV)/.dev ## Format Python and SQL
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix sql benchmarks/sql

clean: ## Remove the virtual environment, the demo's and benchmarks' data, npm's packages, every cache
	rm -rf $(VENV) .demo .bench .clients .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=...")'
	@echo "Setting up $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: hashes/demo.txt | $(VENV)/bin/python
	@echo "Installing requirements of the service and its demo …"
	@$(PIP) install --require-hashes -r hashes/demo.txt
	@touch $@

$(VENV)/.dev: hashes/dev.txt | $(VENV)/bin/python
	@echo "Installing requirements of tests and linters …"
	@$(PIP) install --require-hashes -r hashes/dev.txt
	@touch $(VENV)/.run $@
