# Everything that a person does with Attune from a checkout; `make help` lists it.
# Needed: Linux on x86-64, Python 3.11 or newer with venv, make, a shell. Everything else is fetched, checked and kept
# in a cache shared by all checkouts (ATTUNE_CACHE, or attune in the user's cache folder).

PYTHON3 ?= python3
PYTHON := .venv/bin/python
STACK := $(PYTHON) -m deploy.local
SUITES := $(wildcard $(addprefix tests/,unit contract integration faults browser end_to_end fuzz))

export FILM FILMS
# else each start of a process compiles all that it imports anew
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo up status logs down clean test bench bugs fuzz lint contracts trace

help: ## this list
	@$(PYTHON3) -c 'import re; [print(f"  make {m[1]:10} {m[2]}") for m in re.finditer(r"^(\w+):.*?## (.*)$$", open("Makefile").read(), re.M)]'

setup: ## fetch and build everything; a second run does nothing
	@$(PYTHON3) -m deploy.local.bootstrap

demo: setup ## the whole job on a film, from consent to certificate: FILM=path/to/any.mov, or one it makes itself
	@$(PYTHON) -m deploy.demo $${FILM:+"$$FILM"}

up: setup ## start everything and stay; ATTUNE_BROKERS=3 for three Kafka brokers
	@$(STACK) up

status: ## state and address of each process
	@$(STACK) status

logs: ## follow the log of one process, S=upload, or of all
	@$(STACK) logs $(S)

down: ## stop everything
	@$(STACK) down

clean: ## stop everything and delete its data, ports, passwords and keys
	@$(STACK) clean

test: lint ## lint, then every test, against real parts: FILMS=folder adds films of your own
	$(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(SUITES)

bench: setup ## measure against the bare tools, in 15 minutes, into docs/performance.md: NAMES="relay uploads" for some, QUICK=1
	@$(PYTHON) -m tests.benchmarks $(NAMES) $(if $(QUICK),--quick)

bugs: setup ## take one protection after another out of a copy, and see a test notice: NAMES="07 12", JOBS=2, ALL=1 (hours)
	@$(PYTHON) -m tests.faults.bugs $(NAMES) $(if $(JOBS),--jobs $(JOBS)) $(if $(ALL),--all)

fuzz: setup ## films spoilt in every way through the jail, for half an hour: SECONDS=60, SEED=word for the same ones again
	@$(PYTHON) -m tests.fuzz $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

lint: setup ## style, types and who may import whom
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports

contracts: setup ## write the events' JSON Schemas and AsyncAPI document to docs/events/
	@$(PYTHON) -m shared.contracts

trace: ## find the trace of the short reference on a page or in an error: REF=...
	@$(STACK) trace $(REF)
