# dbhandler: make help lists what this file can do.
SHELL := /bin/sh
PYTHON ?= python3
ENGINE ?= mariadb
SUITE = $(if $(filter mysql,$(ENGINE)),sid,trixie)
export BASE STALE_MIRROR REGISTRY
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' dbhandler/__init__.py)
REVISION := $(shell git rev-parse --short HEAD 2>/dev/null)
VENV := .venv
BIN := $(VENV)/bin
DOCKER := $(shell docker info >/dev/null 2>&1 && echo yes)
MAKE_QUIET = $(MAKE) --no-print-directory

# Steps with a clock, what they print in build/log: container/steps.py.
STEPS = $(PYTHON) container/steps.py
BUILD = container/build
TARGET_OPTIONS = $(SUITE) -f container/Dockerfile --build-arg ENGINE=$(ENGINE) --build-arg VERSION=$(VERSION) \
	--build-arg REVISION=$(REVISION) --target
# mariadb brings the agent alone with it, and the console, galera the proxy.
IMAGE_STEPS = 'a base image (Debian $(SUITE))' '$(if $(BASE),:,container/base-image $(SUITE))' \
	then 'the image dbhandler:$(ENGINE)' '$(BUILD) dbhandler:$(ENGINE) $(TARGET_OPTIONS) database .' \
	$(if $(filter mariadb,$(ENGINE)),then 'the image dbhandler-serf' '$(BUILD) dbhandler-serf $(TARGET_OPTIONS) serf .' \
	then $(CONSOLE_STEP)) \
	$(if $(filter galera,$(ENGINE)),then 'the image dbhandler-proxy' '$(BUILD) dbhandler-proxy $(TARGET_OPTIONS) proxy .')
# Over the agent's image.
CONSOLE_STEP = 'the image dbhandler-console' '$(BUILD) dbhandler-console $(SUITE) container/console'
# Over the image of its engine's server, in which it restores.
BACKUP_STEP = 'the image dbhandler-backup:$(ENGINE)' \
	'$(BUILD) dbhandler-backup:$(ENGINE) $(SUITE) --build-arg DATABASE=dbhandler:$(ENGINE) container/backup'
RELEASED = dbhandler:mariadb dbhandler:mysql dbhandler:galera dbhandler-serf dbhandler-console dbhandler-proxy dbhandler-backup:mariadb \
	dbhandler-backup:mysql
PLATFORMS ?= linux/amd64,linux/arm64
NEED_LOOPBACK = container/need 'a real server and a real Serf on loopback' mariadbd:mariadb-server-core \
	mariadb:mariadb-client-core serf:serf openssl:openssl

EXAMPLE_FILES = compose.yaml$(if $(filter galera,$(ENGINE)),:compose.cluster.yaml)

.PHONY: help demo example example-stop test lint test-unit test-integration test-image test-faults test-hostile test-galera test-pool test-backup test-example \
	test-plain fuzz mutants bench test-loopback test-images image image-backup image-serf image-console image-wordpress image-application push-images compose docs \
	release version python setup clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

demo: python ## show the main job on real parts: a Serf event becomes a database
ifeq ($(DOCKER),yes)
	@$(MAKE_QUIET) image
	@$(PYTHON) container/demo.py containers
else
	@$(STEPS) demo 'Python libraries, in $(VENV)' '$(MAKE_QUIET) setup' \
		'a database server and Serf' "$(NEED_LOOPBACK)"
	@$(BIN)/python container/demo.py loopback
endif

example: python ## WordPress provisions itself: a cluster with a site, at the URL that is printed; ENGINE=mariadb|mysql|galera
ifeq ($(DOCKER),yes)
	@$(STEPS) example 'Docker Compose' '$(MAKE_QUIET) compose' 'a base image (Debian trixie)' 'container/base-image trixie' \
		then 'the images of the Serf agent, whose client WordPress asks with, and of the console' '$(MAKE_QUIET) image-console' \
		then 'the image of the database server (dbhandler:$(ENGINE))' '$(MAKE_QUIET) image' \
		'the image of WordPress (from Debian, with Apache and PHP)' '$(MAKE_QUIET) image-wordpress'
	@DATABASE_IMAGE=dbhandler:$(ENGINE) COMPOSE_FILE=$(EXAMPLE_FILES) $(PYTHON) container/wordpress/example.py up
else
	@echo "make example needs a Docker engine, and none answers here (docker info)" >&2; exit 69
endif

example-stop: compose ## remove what `make example` started, with all its data
	@COMPOSE_FILE=compose.yaml:compose.cluster.yaml $(PYTHON) container/wordpress/example.py stop

test: python ## run everything: lint, unit, integration, containers, faults, attacks, clusters, examples
	@# All images are built beside the checks and tests that need none.
	@$(STEPS) --open test 'the test tools' '$(MAKE_QUIET) setup' \
		then 'lint, unit and integration tests' '$(MAKE_QUIET) lint test-loopback' \
		$(if $(DOCKER),'images' '$(MAKE_QUIET) test-images') \
		then $(foreach part,image pool faults hostile galera backup example,also 'test-$(part)' '$(MAKE_QUIET) test-$(part)')

test-loopback: setup
	@$(MAKE_QUIET) test-unit
	@$(MAKE_QUIET) test-integration

test-images:
	@$(MAKE_QUIET) image-backup ENGINE=mysql
	@$(MAKE_QUIET) image-backup ENGINE=mariadb
	@$(MAKE_QUIET) image ENGINE=galera
	@$(MAKE_QUIET) image-wordpress image-application ENGINE=mariadb

lint: setup ## ruff, mypy, and the rules of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

test-unit: setup ## tests without a server
	$(BIN)/pytest -q -n 2 tests/unit

test-integration: setup ## real mysqld, Serf and supervisord on loopback
	@$(NEED_LOOPBACK) mariadb-dump:mariadb-client
	$(BIN)/pytest -q tests/integration

test-image: setup ## real containers, both engines; DBHANDLER_NAMES=full for the long form
ifeq ($(DOCKER),yes)
	@$(MAKE_QUIET) image ENGINE=mariadb
	@$(MAKE_QUIET) image ENGINE=mysql
	@container/need "the walkthrough joins this machine to the cluster" serf:serf
	$(BIN)/pytest -q -n 3 --dist loadfile tests/image
else
	@echo "container tests are left out: no Docker engine answers here (docker info)"
endif

test-galera: setup ## three servers, one database; DBHANDLER_GALERA=full for the long form, ENGINE=mysql for all with MySQL
ifeq ($(DOCKER),yes)
	@$(MAKE_QUIET) image ENGINE=mariadb
	@$(MAKE_QUIET) image ENGINE=mysql
	@$(MAKE_QUIET) image ENGINE=galera
	DBHANDLER_GALERA_ENGINE=$(filter mysql,$(ENGINE)) $(BIN)/pytest -q -n 2 --dist loadfile tests/galera
else
	@echo "container tests are left out: no Docker engine answers here (docker info)"
endif

test-pool: setup ## several servers, one directory
ifeq ($(DOCKER),yes)
	@$(MAKE_QUIET) image ENGINE=mariadb
	@$(MAKE_QUIET) image ENGINE=mysql
	@$(MAKE_QUIET) image ENGINE=galera
	$(BIN)/pytest -q -n 3 --dist loadfile tests/pool
else
	@echo "container tests are left out: no Docker engine answers here (docker info)"
endif

test-backup: setup ## streams, bases, proofs and restores; DBHANDLER_BACKUP=full for the long form
ifeq ($(DOCKER),yes)
	@$(MAKE_QUIET) image-backup ENGINE=mysql
	@$(MAKE_QUIET) image-backup ENGINE=mariadb
	$(BIN)/pytest -q -n 3 --dist loadfile tests/backup
else
	@echo "container tests are left out: no Docker engine answers here (docker info)"
endif

test-faults: setup ## nothing is lost, whatever is killed; DBHANDLER_FAULTS=full for the long form
ifeq ($(DOCKER),yes)
	@$(MAKE_QUIET) image
	$(BIN)/pytest -q $(if $(filter full,$(DBHANDLER_FAULTS)),,-n 3 --dist loadfile) tests/faults
else
	@echo "fault tests are left out: no Docker engine answers here (docker info)"
endif

test-hostile: setup ## attackers in containers: without a key, with the gossip key, with RPC's, with an account
ifeq ($(DOCKER),yes)
	@$(MAKE_QUIET) image ENGINE=mariadb
	@$(MAKE_QUIET) image ENGINE=mysql
	$(BIN)/pytest -q -n 3 --dist loadfile tests/hostile
else
	@echo "attacks are left out: no Docker engine answers here (docker info)"
endif

test-example: setup ## WordPress in a real browser, a Python application, and every command of the documents
ifeq ($(DOCKER),yes)
	@$(MAKE_QUIET) image-backup
	@$(MAKE_QUIET) image ENGINE=galera
	@$(MAKE_QUIET) image-wordpress image-application compose ENGINE=mariadb
	@container/need "a browser visits the examples, and this machine joins a cluster" chromium:chromium \
		chromedriver:chromium-driver serf:serf mysql:mariadb-client
	$(BIN)/pytest -q -n 2 --dist loadfile tests/example tests/docs
else
	@echo "container tests are left out: no Docker engine answers here (docker info)"
endif

test-plain: setup image-serf ## what needs no Docker, in a plain Debian container, as root and without a locale
	@container/plain $(BIN)/pip lint test-loopback

TARGETS ?= payload member tag answer rpc state peers key spool data_directory output
fuzz: setup ## a hundred thousand hostile inputs for whatever comes from others; RUNS=n, TARGETS="rpc tag" for some
	$(BIN)/pip install -q --disable-pip-version-check -e '.[server,test,fuzz]'
	@set -e; for target in $(TARGETS); do echo "fuzzing: $$target"; \
		$(BIN)/python -m tests.fuzz.fuzz $$target -runs=$(or $(RUNS),100000) -max_len=4096 -print_final_stats=1; done

MUTANTS ?= dbhandler.requests* dbhandler.provisioning*
mutants: setup ## which changes of the code the unit tests let pass, in hours; MUTANTS="dbhandler.requests.box*" for some
	$(BIN)/pip install -q --disable-pip-version-check -e '.[server,test,mutants]'
	nice $(BIN)/mutmut run $(foreach some,$(MUTANTS),'$(some)')
	$(BIN)/mutmut results

bench: setup image-backup ## measure the figures of docs/explanation/figures.md, side by side; FIGURES=name … for some
	@$(MAKE_QUIET) image-backup ENGINE=mysql
	@$(MAKE_QUIET) image ENGINE=galera
	$(BIN)/python -m tests.bench.bench $(FIGURES)

docs: setup ## build the documents as a site, build/site; no link or anchor may lead nowhere
	$(BIN)/pip install -q --disable-pip-version-check -e '.[server,docs]'
	$(BIN)/python docs/generate.py
	@# Not --quiet: it would count no warning, and so find nothing.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

image: python ## build dbhandler:$(ENGINE), dbhandler-serf and dbhandler-console; ENGINE=mariadb|mysql|galera, BASE=a Debian image, STALE_MIRROR=1
	@$(STEPS) image-$(ENGINE) $(IMAGE_STEPS)
ifeq ($(ENGINE),mariadb)
	@docker tag dbhandler:mariadb dbhandler:latest
endif

image-backup: image ## build dbhandler-backup:$(ENGINE), and dbhandler:$(ENGINE) before; ENGINE=mariadb|mysql
	@$(STEPS) $@-$(ENGINE) $(BACKUP_STEP)
ifeq ($(ENGINE),mariadb)
	@docker tag dbhandler-backup:mariadb dbhandler-backup:latest
endif

image-serf: ENGINE = mariadb
image-serf: python
	@$(STEPS) $@ 'the image dbhandler-serf' '$(BUILD) dbhandler-serf $(TARGET_OPTIONS) serf .'

image-console: ENGINE = mariadb
image-console: image-serf
	@$(STEPS) $@ $(CONSOLE_STEP)

image-wordpress: python
	@$(STEPS) $@ 'the image dbhandler-wordpress' '$(BUILD) dbhandler-wordpress trixie container/wordpress'

image-application: python
	@$(STEPS) $@ 'the image dbhandler-application' '$(BUILD) dbhandler-application trixie container/example'

push-images: ## build for PLATFORMS by buildx and push to REPOSITORY, with SBOM and provenance; ENGINE=…
	@test -n "$(REPOSITORY)" || { echo "push-images: REPOSITORY=registry/owner says where to" >&2; exit 64; }
	@container/push $(REPOSITORY) $(VERSION) $(ENGINE) $(PLATFORMS) $(TARGET_OPTIONS)

release: python ## dist/: wheel, sdist, images and their SBOM, installed in clean containers; for a version with notes
	@rm -rf dist; $(PYTHON) container/release.py check
	@$(STEPS) release 'the tools' '$(MAKE_QUIET) setup && $(BIN)/pip install --disable-pip-version-check -e ".[release]"' \
		$(foreach engine,mysql mariadb,then 'the images of $(engine)' '$(MAKE_QUIET) image-backup ENGINE=$(engine)') \
		then 'the images of galera' '$(MAKE_QUIET) image ENGINE=galera' \
		then 'wheel and sdist' '$(BIN)/python container/release.py package' \
		'archive and SBOM of each image' '$(BIN)/python container/release.py image $(RELEASED)' \
		then 'wheel, sdist and images, in clean containers' 'container/release-check $(VERSION) $(BIN)/pip $(RELEASED)' \
		then 'sums' '$(BIN)/python container/release.py sums'
	@cd dist && ls -sh1 *.* images/*

version: ## print the version
	@echo $(VERSION)

compose:
	@docker compose version >/dev/null 2>&1 || container/need 'starts the containers of an example' docker-compose:docker-compose

python:
	@container/need 'everything here is driven by it' $(PYTHON):python3

setup: $(VENV)/ready ## what the other targets need: a virtual environment with the test tools

$(VENV)/ready: setup.cfg pyproject.toml | python
	@container/need 'the version of an image' git:git
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || container/need 'a virtual environment' no-such-command:python3-venv
	@$(STEPS) setup 'the test tools, in $(VENV)' \
		"$(PYTHON) -m venv $(VENV) && $(BIN)/pip install --disable-pip-version-check -e '.[server,test]'"
	@touch $@

clean: ## remove what the targets made here, not the images
	rm -rf $(VENV) mutants build dist bench-results *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
