# `make run` and `make test` set up what they need by themselves: python3 with venv, and make, are enough.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
SOURCES := aid4 wire edge twin bim drone_ingest inference sim_devices tests packages
WEB    := $(wildcard web/*.json web/*.ts web/*.html web/build.py) $(shell find web/src web/public -type f 2>/dev/null)

INTEROP := tests/edge_sparkplug/interop
# Tests that start whole parks and browsers, one at a time; all others run beside them and give way.
PARKS  := tests/web tests/run tests/scenario tests/drone_live tests/sim tests/fleet_trust

.DEFAULT_GOAL := help
.PHONY: help run test check format scenarios screenshots bench clean interop-env

help: ## show this
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' Makefile

run: $(VENV)/.park twin/static/index.html ## bring a living park up: broker, devices, agent, twin, page
	$(BIN)/aid4 run $(ARGS)

test: $(VENV)/.dev twin/static/index.html web/node_modules/.dev interop-env ## run every test
	@mkdir -p build
	@nice -n 10 $(BIN)/python -m pytest -q $(PARKS:%=--ignore=%) $(ARGS) >build/test-others.log 2>&1 & others=$$!; \
	trap 'kill $$others' INT TERM; \
	$(BIN)/python -m pytest -q $(PARKS) $(ARGS); parks=$$?; \
	wait $$others; others=$$?; cat build/test-others.log; exit $$((parks | others))
	cd web && ../$(BIN)/python build.py npm test --silent

check: $(VENV)/.dev web/node_modules/.dev ## format, lint, types, floors of the house
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd web && ../$(BIN)/python build.py npm run check --silent

format: $(VENV)/.dev ## format and mend what the linter can
	$(BIN)/ruff check --fix-only --quiet $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

screenshots: $(VENV)/.dev twin/static/index.html web/node_modules/.dev ## take the pictures of docs/page-parts.md, from the tests of the page's parts
	PICTURES=$(CURDIR)/docs $(BIN)/python -m pytest -q tests/web/test_campus.py -k a_part_of_the_page $(ARGS)

scenarios: $(VENV)/.park ## plant every fault of configs/scenarios in a whole park and judge its alarms; minutes
	@mkdir -p build
	$(BIN)/aid4 sim scenario run configs/scenarios/*.toml --junit build/scenarios.xml $(ARGS)

bench: $(VENV)/.park ## prove the promises: storm, spine, query
	$(BIN)/aid4 bench storm --seed 7 --seconds 60 --json
	$(BIN)/aid4 bench spine --json
	$(BIN)/aid4 bench query --json
	$(BIN)/aid4 bench ifc --json

clean: ## remove what was built and installed here
	rm -rf $(VENV) $(INTEROP)/.venv $(INTEROP)/node_modules build dist *.egg-info twin/static web/node_modules .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.park: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[park]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' -e packages/pytest-aid4
	@touch $@ $(VENV)/.park

twin/static/index.html: $(WEB) | $(BIN)/pip
	cd web && ../$(BIN)/python build.py
	@touch $@

interop-env: $(INTEROP)/.venv/.done $(INTEROP)/node_modules/.done ## foreign Sparkplug implementations, for their tests

$(INTEROP)/.venv/.done: $(INTEROP)/requirements.txt
	$(PYTHON) -m venv $(INTEROP)/.venv
	$(INTEROP)/.venv/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(INTEROP)/node_modules/.done: $(INTEROP)/package-lock.json | $(BIN)/pip
	cd web && ../$(BIN)/python build.py npm ci --ignore-scripts --silent --prefix ../$(INTEROP)
	@touch $@

web/node_modules/.dev: web/package-lock.json | $(BIN)/pip
	cd web && ../$(BIN)/python build.py npm ci --silent
	@touch $@
