# dbhandler: make help lists what this file can do.
SHELL := /bin/sh
PYTHON ?= python3
ENGINE ?= mariadb
SUITE = $(if $(filter mysql,$(ENGINE)),sid,trixie)
BASE ?= $(shell container/base-image $(SUITE))
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' dbhandler/__init__.py)
REVISION := $(shell git rev-parse --short HEAD 2>/dev/null)
VENV := .venv
BIN := $(VENV)/bin
DOCKER := $(shell docker info >/dev/null 2>&1 && echo yes)
BUILD_OPTIONS = -f container/Dockerfile --build-arg BASE=$(BASE) --build-arg ENGINE=$(ENGINE) \
	--build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION)

EXAMPLE_FILES = compose.yaml$(if $(filter galera,$(ENGINE)),:compose.cluster.yaml)

.PHONY: help demo example example-stop test lint test-unit test-integration test-image test-faults test-galera test-example fuzz bench \
	test-loopback image image-mysql example-images compose setup clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

demo: setup ## show the main job on real parts: a Serf event becomes a database
ifeq ($(DOCKER),yes)
	@$(MAKE) --no-print-directory image
	@$(BIN)/python container/demo.py containers
else
	@container/need mariadbd:mariadb-server-core mariadb:mariadb-client-core serf:serf openssl:openssl
	@$(BIN)/python container/demo.py loopback
endif

example: ## WordPress provisions itself: a cluster with a site, at the URL that is printed; ENGINE=mariadb|mysql|galera
ifeq ($(DOCKER),yes)
	@$(MAKE) --no-print-directory compose
	@$(MAKE) --no-print-directory image ENGINE=mariadb
ifneq ($(ENGINE),mariadb)
	@$(MAKE) --no-print-directory image
endif
	@$(MAKE) --no-print-directory example-images ENGINE=mariadb
	@DATABASE_IMAGE=dbhandler:$(ENGINE) COMPOSE_FILE=$(EXAMPLE_FILES) $(PYTHON) container/wordpress/example.py up
else
	@echo "make example needs a Docker engine, and none answers here (docker info)" >&2; exit 69
endif

example-stop: compose ## remove what `make example` started, with all its data
	@COMPOSE_FILE=compose.yaml:compose.cluster.yaml $(PYTHON) container/wordpress/example.py stop

test: lint ## run everything: lint, unit, integration, containers, faults, clusters, examples
	@# The image that takes longest is built beside the tests that need none.
	@$(MAKE) --no-print-directory -j2 test-loopback $(if $(DOCKER),image-mysql)
	@$(MAKE) --no-print-directory test-image test-faults test-galera test-example

test-loopback: setup
	@$(MAKE) --no-print-directory test-unit
	@$(MAKE) --no-print-directory test-integration

image-mysql:
	@$(MAKE) --no-print-directory image ENGINE=mysql

lint: setup ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-unit: setup ## tests without a server
	$(BIN)/pytest -q tests/unit

test-integration: setup ## real mysqld, Serf and supervisord on loopback
	@container/need mariadbd:mariadb-server-core mariadb:mariadb-client-core serf:serf openssl:openssl \
		mariadb-dump:mariadb-client
	$(BIN)/pytest -q tests/integration

test-image: setup ## real containers, both engines
ifeq ($(DOCKER),yes)
	@$(MAKE) --no-print-directory image image-mysql
	@container/need serf:serf
	$(BIN)/pytest -q -n 3 --dist loadfile tests/image
else
	@echo "container tests are left out: no Docker engine answers here (docker info)"
endif

test-galera: setup ## three servers, one database; DBHANDLER_GALERA=full for the long form
ifeq ($(DOCKER),yes)
	@$(MAKE) --no-print-directory image
	@$(MAKE) --no-print-directory image ENGINE=galera
	$(BIN)/pytest -q -n 2 --dist loadfile tests/galera
else
	@echo "container tests are left out: no Docker engine answers here (docker info)"
endif

test-faults: setup ## nothing is lost, whatever is killed; DBHANDLER_FAULTS=full for the long form
ifeq ($(DOCKER),yes)
	@$(MAKE) --no-print-directory image
	$(BIN)/pytest -q $(if $(filter full,$(DBHANDLER_FAULTS)),,-n 2 --dist loadfile) tests/faults
else
	@echo "fault tests are left out: no Docker engine answers here (docker info)"
endif

test-example: setup ## WordPress in a real browser, and a Python application, in clusters of their own
ifeq ($(DOCKER),yes)
	@$(MAKE) --no-print-directory image
	@$(MAKE) --no-print-directory image ENGINE=galera
	@$(MAKE) --no-print-directory example-images compose ENGINE=mariadb
	@container/need chromium:chromium chromedriver:chromium-driver
	$(BIN)/pytest -q -n 2 --dist loadfile tests/example
else
	@echo "container tests are left out: no Docker engine answers here (docker info)"
endif

fuzz: setup ## a million hostile inputs for the payload parser and the box; RUNS=n for another number
	$(BIN)/pip install -q --disable-pip-version-check -e '.[server,test,fuzz]'
	$(BIN)/python tests/fuzz/fuzz_payload.py -runs=$(or $(RUNS),1000000) -max_len=4096

bench: setup image ## measure the figures of the README, side by side; FIGURES=name … for some
	@$(MAKE) --no-print-directory image ENGINE=galera
	$(BIN)/python tests/bench/bench.py $(FIGURES)

image: ## build dbhandler:$(ENGINE) and dbhandler-serf; ENGINE=mariadb|mysql|galera, BASE=a Debian image
	@container/build dbhandler:$(ENGINE) $(BUILD_OPTIONS) --target database .
ifeq ($(ENGINE),galera)
	@container/build dbhandler-proxy $(BUILD_OPTIONS) --target proxy .
endif
ifeq ($(ENGINE),mariadb)
	@docker tag dbhandler:mariadb dbhandler:latest
	@container/build dbhandler-serf $(BUILD_OPTIONS) --target serf .
endif

example-images:
	@container/build dbhandler-wordpress -f container/wordpress/Dockerfile --build-arg BASE=$(BASE) container/wordpress
	@container/build dbhandler-application container/example

compose:
	@docker compose version >/dev/null 2>&1 || container/need docker-compose:docker-compose

setup: $(VENV)/ready ## what the other targets need: a virtual environment with the test tools

$(VENV)/ready: setup.cfg pyproject.toml
	@container/need $(PYTHON):python3 git:git
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || container/need no-such-command:python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -e '.[server,test]'
	@touch $@

clean: ## remove what the targets made here, not the images
	rm -rf $(VENV) build dist bench-results *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
