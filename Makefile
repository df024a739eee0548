# `make e2e` is the main job, `make test` proves the project. Both bring what they need; see README.md.
SHELL := /bin/sh
# As toolchain/cache.py: a relative XDG_CACHE_HOME is ignored, and HOME may be unset.
HOME_FOLDER := $(or $(HOME),$(shell python3 -c 'from pathlib import Path; print(Path.home())'))
CACHE := $(or $(filter /%,$(XDG_CACHE_HOME)),$(HOME_FOLDER)/.cache)/todo-chatbot-acceptance
UV_VERSION := 0.13.9
UV := $(CACHE)/uv-$(UV_VERSION)/bin/uv
PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
IN_BACKEND = $(UV) run --quiet --isolated --no-project --with-requirements requirements.txt \
	--with mypy==2.4.1 --with pytest==9.2.0 --
WITH_TOOLCHAIN := $(PYTHON) -m toolchain run
APP_TESTS = $(foreach name,api lists tokens users chat pages cors logs fields moments texts history caching accounts second_account plain_forms concurrency clients,tests/behaviour/test_$(name).py)
ARGS :=
TARGET :=
RULES :=
SHARD := 1/1
PARALLEL :=
IMAGES :=
DIRS :=
# Where make was called, also with -C.
CALLER := $(PWD)

export UV
# Without its cache of compiled modules pytest needs twice as long to start, and unit tests start it often.
unexport PYTHONDONTWRITEBYTECODE

GOALS := $(or $(MAKECMDGOALS),e2e)
ifneq ($(TARGET),)
ifneq ($(filter-out static e2e images app-tests,$(GOALS)),)
$(error TARGET applies to static, e2e, images and app-tests; $(GOALS) would ignore it)
endif
endif

ifneq ($(PARALLEL),)
ifneq ($(filter-out static e2e,$(GOALS))$(filter-out 1/1,$(SHARD)),)
$(error PARALLEL applies to static and e2e, and runs all shards: omit it, or $(if $(filter-out 1/1,$(SHARD)),SHARD,$(GOALS)))
endif
endif

# A failed command makes make exit with 2; with --question, which runs the lines that start with +, 1 stays 1. A dry run
# (make -n) would run these lines too, so they start with + in no dry run.
ifneq ($(if $(word 2,$(GOALS)),,$(filter static e2e merge,$(GOALS))),)
ifeq ($(findstring n,$(firstword -$(MAKEFLAGS))),)
MAKEFLAGS += --question
RUN := +
endif
endif
# No command that a recipe runs is a question or a dry run.
unexport MAKEFLAGS
PREPARE = $(MAKE) --silent --no-print-directory --jobs=2
# Where make was called, or else here: the file that TARGET names.
WITH_TARGET = target='$(TARGET)'; [ -n "$$target" ] && [ -e "$(CALLER)/$$target" ] && target="$(CALLER)/$$target"; exec
# The tests of a marker: this shard's, or those of all shards at once, each with a cluster of its own.
TESTS = $(if $(PARALLEL),$(PYTHON) -m acceptance.cli.parallel $@ --parallel $(PARALLEL),$(PYTEST) -m $@ --shard $(SHARD))
TARGET_OPTION = $${target:+"--target=$$target"}

.PHONY: e2e images job-summary wheel merge static app-tests test check lint-frontend toolchain helm mutants mutants-app mutants-live bench clean

# A part of it on each of several machines: make e2e SHARD=1/3, then: make merge DIRS="shard-1 shard-2 shard-3"
e2e:
	$(RUN)@$(PREPARE) .venv/ready
	$(RUN)@$(WITH_TARGET) $(WITH_TOOLCHAIN) $(TESTS) $(if $(IMAGES),--images $(IMAGES)) $(TARGET_OPTION) $(ARGS)

# The images that all shards test: make images IMAGES=images.tar, then: make e2e SHARD=1/3 IMAGES=images.tar
images: .venv/ready
	@$(WITH_TARGET) $(WITH_TOOLCHAIN) $(PYTHON) -m acceptance images --output $(IMAGES) $(TARGET_OPTION) $(ARGS)

# What CI shows of a run: Markdown, and annotations at the lines of the chart.
job-summary: .venv/ready
	$(PYTHON) -m acceptance summary $(or $(REPORTS),reports)/latest $(ARGS)

# A wheel, by which another repository tests its chart without a clone; `python -m build` makes the same.
wheel: $(UV)
	$(UV) build --quiet --out-dir dist

merge:
	$(RUN)@$(PREPARE) .venv/ready
	$(RUN)@$(PYTHON) -m acceptance merge $(DIRS) $(ARGS)

# The chart without a cluster; needs Helm alone: make static TARGET=mine.toml
static:
	$(RUN)@$(PREPARE) .venv/ready helm
	$(RUN)@$(WITH_TARGET) $(TESTS) $(TARGET_OPTION) $(ARGS)

# The application alone, in containers without a cluster: what whoever changes it runs. make app-tests ARGS="-k cors"
app-tests: .venv/ready
	@$(WITH_TARGET) $(WITH_TOOLCHAIN) $(PYTEST) --cluster-provider none $(APP_TESTS) $(TARGET_OPTION) $(ARGS)

test: check
	$(WITH_TOOLCHAIN) $(PYTEST) -m e2e $(ARGS)
	$(WITH_TOOLCHAIN) $(PYTHON) -m mutants.live --sample 6

# Lint, types, import layers, spelling, the application's unit tests and the suite's unit tests, for which Helm renders charts.
check: .venv/ready
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports
	.venv/bin/codespell
	cd app/backend && $(IN_BACKEND) python -m mypy && $(IN_BACKEND) python -m pytest
	$(PYTHON) -m toolchain
	$(PYTEST) -m unit

# Needs Node.js and npm, and therefore is not part of check.
lint-frontend:
	cd app/frontend && npm ci --no-audit --no-fund && npm run lint && npm run typecheck

toolchain: .venv/ready
	$(PYTHON) -m toolchain

helm: $(UV)
	python3 -m toolchain helm

# Break each rule on purpose: in memory, in a copy of the chart, in an image. Every mutant must be found.
mutants: .venv/ready
	$(WITH_TOOLCHAIN) $(PYTHON) -m mutants

# The same for what only a running release shows, on one kept cluster: make mutants-live RULES=STA-08 SHARD=1/4
# ARGS=--check only checks that the edits apply.
mutants-live: .venv/ready
	$(WITH_TOOLCHAIN) $(PYTHON) -m mutants.live --rules "$(RULES)" --shard $(SHARD) $(ARGS)

# One change of the application's source each, judged by app-tests; goes on where it stopped: make mutants-app SHARD=1/4
mutants-app: .venv/ready
	$(WITH_TOOLCHAIN) $(PYTHON) -m mutants.app --shard $(SHARD) $(ARGS)

bench: .venv/ready
	$(WITH_TOOLCHAIN) $(PYTHON) -m acceptance bench

# What runs have left, kept ones too; images and tools stay in the cache.
clean: .venv/ready
	$(WITH_TOOLCHAIN) $(PYTHON) -m acceptance clean

.venv/ready: pyproject.toml uv.lock $(UV)
	$(UV) sync --frozen --quiet --compile-bytecode
	@touch $@

$(UV): requirements-uv.txt
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "python3 is older than 3.11: install a newer one, first on PATH" >&2; exit 2; }
	@python3 -c 'import ensurepip, venv' 2>/dev/null || \
		{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -qq -y python3-venv; } || \
		{ echo "python3 has no venv: install python3-venv" >&2; exit 2; }
	python3 -m venv $(CACHE)/uv-$(UV_VERSION)
	$(CACHE)/uv-$(UV_VERSION)/bin/pip install --quiet --require-hashes -r requirements-uv.txt
	@touch $@
