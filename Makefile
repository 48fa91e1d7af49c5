# `make demo` and `make test` set up all they need: python3 (3.11+), git and make are enough.
BIN := .venv/bin
PYTEST := $(BIN)/pytest
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-live check bench bench-full properties fuzz delta chaos words lock clean runtime dev

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: runtime ## Show everything at work: an invented clinic, its phones and its PMS (ARGS="--port 9000")
	@exec $(BIN)/ringnote demo $(ARGS)

test: dev ## Run all tests, on SQLite and on a real PostgreSQL (ARGS="-k name")
	$(PYTEST) -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

test-live: dev ## Test against a real GNU Health server, which it installs in .live (ARGS="-k name")
	tests/live/setup.sh
	$(PYTEST) tests/live -o python_files='live_*.py' $(ARGS)

check: dev ## Lint and check types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy app

bench: dev ## Measure ingest, settle, deliver and match against their floors (ARGS="--json FILE")
	$(BIN)/python -m benchmarks $(ARGS)

bench-full: dev ## Match among 10,000,000 numbers on both databases (minutes, and gigabytes of disk)
	$(BIN)/python -m benchmarks --only size --numbers 10000000 $(ARGS)

properties: dev ## Fold a million invented histories (HISTORIES=n for another number), and deliver some
	RINGNOTE_HISTORIES=$(or $(HISTORIES),1000000) $(PYTEST) tests/telephony/test_properties.py
	RINGNOTE_INTERLEAVINGS=$(or $(INTERLEAVINGS),5000) $(PYTEST) tests/delivery/test_interleavings.py

fuzz: dev ## Post whatever bytes to the reader and the receiver, a minute each (SECONDS=n for longer)
	RINGNOTE_FUZZ_SECONDS=$(or $(SECONDS),60) $(PYTEST) tests/telephony/test_fuzz.py

delta: dev ## Follow a PMS of 100,000 clients while it changes them (CLIENTS=n for another number)
	RINGNOTE_DELTA_CLIENTS=$(or $(CLIENTS),100000) $(PYTEST) tests/directory/test_delta.py -s

chaos: dev ## Kill, stop and starve it, and reckon up (MINUTES=5 ARGS="--database sqlite --kills 200")
	$(BIN)/python -m chaos --minutes $(or $(MINUTES),5) $(ARGS)

words: dev ## Gather what is to be translated, and compile the languages there are
	scripts/words.sh

lock: dev ## Pin the newest versions that pyproject.toml allows, by hash
	scripts/lock.sh

clean: ## Remove what was set up and what the demo kept
	rm -rf .venv .live .demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

runtime:
	@scripts/setup.sh requirements.lock

dev:
	@scripts/setup.sh requirements-dev.lock
