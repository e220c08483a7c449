# Needs git, make and Python 3.11 or newer; everything else comes out of wheels into .venv and .local.

.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= $(firstword $(foreach each,python3 python3.13 python3.12 python3.11,$(if $(shell $(each) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo yes),$(each))))
VENV := .venv
RUN := $(VENV)/bin/python
LOCAL := $(RUN) -m orchestrator.local
# Two halves at once, each with a database of its own; a file stays in one of them, and the longest ones begin.
PYTEST_ARGS ?= --numprocesses 2 --dist loadfile --no-loadscope-reorder
CHECK_ENV := SECRET_KEY=check DATABASE_URL=postgresql:///check CELERY_BROKER_URL=redis://127.0.0.1

.PHONY: help demo examples test soak proof chaos proof-of-proof up check format clean bench-chain bench-faults bench-retention bench-pollers lock

help: ## Tell what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 17

demo: $(VENV)/ready ## Fulfil 495 real orders on real workers, killing some of what runs
	@ORCHESTRATOR_APPS=examples.orders ORCHESTRATOR_LOG_LEVEL=WARNING $(LOCAL) run --name demo --migrate -- $(RUN) manage.py fulfil_orders

examples: $(VENV)/ready ## Run the five patterns of docs/failures.md on real workers
	@ORCHESTRATOR_APPS=examples.patterns ORCHESTRATOR_LOG_LEVEL=WARNING $(LOCAL) run --name examples --migrate -- $(RUN) manage.py run_patterns

test: $(VENV)/ready ## Run the whole test suite
	@$(LOCAL) run --name test --unshared -- $(RUN) -m pytest $(PYTEST_ARGS)

soak: $(VENV)/ready ## Steer and kill at random for MINUTES (10), then check that all is accounted for
	@$(RUN) -m tests.storm.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

proof: $(VENV)/ready ## Prove the promises: model, stateful test, every fault at every moment
	@ORCHESTRATOR_APPS=tests.proof.workload $(LOCAL) run --name proof --unshared --migrate -- $(RUN) -m tests.proof $(if $(SEED),--seed $(SEED))

chaos: $(VENV)/ready ## Let every fault strike at random for SECONDS (1800), then check that all is accounted for
	@$(RUN) -m tests.proof.matrix.chaos $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

proof-of-proof: $(VENV)/ready ## Plant each bug of tests/proof/mutants (ONLY one) and show what catches it
	@$(RUN) -m tests.proof.mutants $(if $(ONLY),--only $(ONLY),--report docs/proof.md) $(if $(SEED),--seed $(SEED)) $(if $(JSON),--json $(JSON))

up: $(VENV)/ready ## Run everything until Ctrl-C, with a superuser
	@$(LOCAL) up $(if $(PORT),--port $(PORT))

check: $(VENV)/ready ## Format, lint, types, import contract, missing migrations
	@$(VENV)/bin/ruff format --check --quiet . || (echo "run: make format" && exit 1)
	@$(VENV)/bin/ruff check --quiet .
	@$(CHECK_ENV) $(VENV)/bin/mypy .
	@$(VENV)/bin/lint-imports
	@$(CHECK_ENV) $(RUN) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

format: $(VENV)/ready ## Format all code
	@$(VENV)/bin/ruff format --quiet .
	@$(VENV)/bin/ruff check --quiet --fix .

bench-chain: $(VENV)/ready ## Measure a chain of five steps beside Celery's own
	@ORCHESTRATOR_APPS=benchmarks $(LOCAL) run --name bench --migrate -- $(RUN) -m benchmarks.chain

bench-faults: $(VENV)/ready ## Measure how long work stands still after a fault
	@$(RUN) -m benchmarks.faults

bench-retention: $(VENV)/ready ## Measure what deleting a million old processes costs
	@$(RUN) -m benchmarks.retention

bench-pollers: $(VENV)/ready ## Measure what a thousand clients cost that wait for work
	@ORCHESTRATOR_APPS=benchmarks $(LOCAL) run --name bench --migrate -- $(RUN) manage.py measure_pollers

clean: ## Stop what runs and remove what was made; asks before it deletes data
	@if [ -x $(RUN) ]; then $(LOCAL) clean; fi
	@rm -rf $(VENV)

lock: ## Write both lock files anew from pyproject.toml
	uv pip compile --quiet --universal --upgrade --python-version 3.11 --custom-compile-command "make lock" pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --upgrade --python-version 3.11 --custom-compile-command "make lock" --group dev -c requirements.txt pyproject.toml -o requirements-dev.txt

$(VENV)/ready: requirements-dev.txt
	@test -n "$(PYTHON)" || { echo "error: Python 3.11, 3.12 or 3.13 is needed; set PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "error: $(PYTHON) cannot make a virtual environment: is its venv package installed?"; exit 1; }
	@$(RUN) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore -r requirements-dev.txt
	@touch $@
