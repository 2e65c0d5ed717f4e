# sysmgr: `make run` serves, `make test` proves. Everything lives in .venv and var.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help run test test-sqlite test-pg soak bench lint format docs texts lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "sysmgr needs Python 3.11 or newer; set PYTHON=" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python has no venv; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run-stamp: requirements.lock | $(VENV)/bin/python
	@echo "installing sysmgr's dependencies (once)" >&2
	@[ -f $(VENV)/.dev-stamp ] && [ $(VENV)/.dev-stamp -nt requirements.lock ] || $(PY) -m pip install -q --disable-pip-version-check --no-cache-dir --require-hashes -r requirements.lock >&2
	@touch $@

$(VENV)/.dev-stamp: requirements-dev.lock | $(VENV)/bin/python
	@echo "installing the test dependencies (once)" >&2
	@$(PY) -m pip install -q --disable-pip-version-check --no-cache-dir --require-hashes -r requirements-dev.lock >&2
	@touch $@

$(VENV)/.bench-stamp: requirements-bench.lock $(VENV)/.dev-stamp
	@echo "installing what the measures compare with (once)" >&2
	@$(PY) -m pip install -q --disable-pip-version-check --no-cache-dir --require-hashes -r requirements-bench.lock >&2
	@touch $@

run: $(VENV)/.run-stamp ## Set everything up and serve (web and manager) in the foreground
	@exec $(PY) manage.py serve

test: test-sqlite test-pg ## Run the whole suite on SQLite and on PostgreSQL

test-sqlite: $(VENV)/.dev-stamp ## Run the suite on SQLite
	@$(PY) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

# What asks for no database (the host-side script's own suite, parsers, pure logic) is proved once, with SQLite's run.
test-pg: $(VENV)/.dev-stamp ## Run what uses a database on PostgreSQL (a throw-away server)
	@$(PY) -m tests.pg $(PY) -m pytest -n $(WORKERS) --dist worksteal --only-db $(ARGS)

soak: $(VENV)/.dev-stamp ## Kill the manager at every point of a run, on SQLite and on PostgreSQL (an hour)
	@SYSMGR_FULL=1 $(PY) -m pytest -n $(WORKERS) tests/upgrades/kills $(ARGS)
	@SYSMGR_FULL=1 $(PY) -m tests.pg $(PY) -m pytest -n $(WORKERS) tests/upgrades/kills $(ARGS)

bench: $(VENV)/.bench-stamp ## Measure against small honest programs (ARGS="--rounds 3", "--write" keeps it)
	@$(PY) -m benchmarks $(ARGS)

lint: $(VENV)/.dev-stamp ## Check style and types
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(PY) -m tests.typed
	@$(VENV)/bin/lint-imports

format: $(VENV)/.dev-stamp ## Format the source
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

docs: $(VENV)/.dev-stamp ## Write the documents that are made from the source (errors, settings, OpenAPI)
	@$(PY) manage.py write_docs

texts: $(VENV)/.dev-stamp ## Collect and compile the admin's Chinese texts (needs gettext)
	@command -v msgfmt >/dev/null || { echo "gettext is missing; on Debian: apt-get install gettext" >&2; exit 1; }
	@for app in cluster settings_app upgrades sysmgr/accounts sysmgr/api sysmgr/audit sysmgr/events; do \
		(cd $$app && $(CURDIR)/$(PY) $(CURDIR)/manage.py makemessages -l zh_Hans --no-obsolete --no-wrap --add-location file -v0 \
		&& sed -i '/^"POT-Creation-Date/d; /^"Report-Msgid-Bugs-To/d' locale/zh_Hans/LC_MESSAGES/django.po \
		&& msgfmt -o locale/zh_Hans/LC_MESSAGES/django.mo locale/zh_Hans/LC_MESSAGES/django.po); done

lock: $(VENV)/.dev-stamp ## Rebuild the lock files
	@$(PY) -m pip install -q uv
	@$(VENV)/bin/uv pip compile pyproject.toml -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.lock
	@$(VENV)/bin/uv pip compile pyproject.toml -q --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements.lock -o requirements-dev.lock
	@$(VENV)/bin/uv pip compile pyproject.toml -q --extra dev --extra bench --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements-dev.lock -o requirements-bench.lock

clean: ## Remove caches and the virtual environment (never var)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
